"""What a model would write after a prompt, and how likely it finds a text: a port, and transformers behind it.

Whoever answers, it is greedy, on the same tokens, up to the same end: another engine differs by rounding alone.
``pipeline.served`` asks a vLLM server instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from echo_ops.settings import Training
from echo_ops.training.device import best_device, clear_errors, load_model, load_tokenizer
from echo_ops.training.fim import Layout, LessonTooLong, Rendered
from echo_ops.training.healing import begun, given


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is to go on from. Written by those who measure or serve it; read by a generator."""

    prompt: list[int]
    example: Rendered | None = None  # whose lesson's likelihood is asked for too
    begun: str = ""  # what the answer's text has to begin with; see ``healing``

    @classmethod
    def at_caret(cls, prefix: str, suffix: str, layout: Layout, training: Training, lesson: str | None = None) -> Asked:
        """A proposal at a caret, as one is asked for in training; and the likelihood of a lesson that fits."""
        word = begun(prefix) if training.token_healing else ""
        before = prefix[: len(prefix) - len(word)]
        limits = training.context_tokens, training.max_new_tokens
        example = None
        if lesson is not None:
            with suppress(LessonTooLong):
                example = layout.render(before, suffix, word + lesson, *limits)
        return cls(layout.prompt(before, suffix, *limits), example, word)

    def proposal(self, answer: Answer, layout: Layout) -> str:
        """What an answer proposes at the caret."""
        return layout.decode(answer.tokens)[len(self.begun) :]


@dataclass(frozen=True, slots=True)
class Answer:
    """Written by a generator."""

    tokens: list[int]  # greedy; what follows an end token means nothing
    nats: float | None  # negative log-likelihood of the example's lesson and end


class Generator(Protocol):
    """A model that writes. ``layout`` is that of its tokenizer."""

    layout: Layout

    def answer(self, asked: Sequence[Asked], max_new_tokens: int) -> Iterator[tuple[int, Answer]]:
        """The answer to each, with its index, in any order.

        Raises:
            TrainingError: memory ran out.
            TeacherError: a server is gone, or cannot say.
        """


class TransformersGenerator(Generator):
    """A checkpoint in this process, in batches of similar length.

    Args:
        model: folder or hub id.
        training: ``evaluation_batch_size`` and ``threads`` count here.

    Raises:
        InputError: the model cannot be read, or its tokenizer knows no FIM.
    """

    def __init__(self, model: str, training: Training) -> None:
        import torch

        if training.threads is not None:
            torch.set_num_threads(training.threads)
        device = best_device()
        self.layout = Layout(load_tokenizer(model))
        # On a CPU in float32, so that rounding, which depends on a batch's shape, decides no comparison.
        self._network = load_model(model, torch.bfloat16 if device.name == "cuda" else torch.float32)
        self._network.to(device.name).eval()
        self._model, self._batch = model, training.evaluation_batch_size

    def answer(self, asked: Sequence[Asked], max_new_tokens: int) -> Iterator[tuple[int, Answer]]:
        """See ``Generator``."""
        import torch

        by_length = sorted(range(len(asked)), key=lambda index: len(asked[index].prompt))  # little padding
        for start in range(0, len(asked), self._batch):
            indices = by_length[start : start + self._batch]
            with clear_errors(self._model), torch.inference_mode():
                proposals = self._propose([asked[index] for index in indices], max_new_tokens)
                nats = self._nats([asked[index].example for index in indices])
            yield from zip(indices, map(Answer, proposals, nats), strict=True)

    def _propose(self, asked: Sequence[Asked], max_new_tokens: int) -> list[list[int]]:
        from transformers import GenerationConfig

        end = self.layout.end_id
        ids, mask = self._left_padded([one.prompt for one in asked])
        words = [one.begun for one in asked]
        healing = [given(self.layout, words, ids.shape[1])] if any(words) else None
        # A configuration of our own: a model's default may sample, or punish repetition.
        greedy = GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=end, pad_token_id=end)
        generated = self._network.generate(
            input_ids=ids, attention_mask=mask, generation_config=greedy, logits_processor=healing
        )
        tokens: list[list[int]] = generated[:, ids.shape[1] :].tolist()
        return tokens

    def _nats(self, examples: Sequence[Rendered | None]) -> list[float | None]:
        import torch

        known = [example for example in examples if example is not None]
        if not known:
            return [None] * len(examples)
        ids, mask = self._left_padded([example.input_ids for example in known])
        longest = max(len(example.lesson) for example in known)
        # Left padding puts all lessons at the end: only there are logits wanted, large ones for large vocabularies.
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self._network(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=longest + 1
        ).logits[:, :-1]
        nats = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), ids[:, -longest:].flatten(), reduction="none"
        ).view(len(known), longest)
        sums = iter([float(row[longest - len(one.lesson) :].sum()) for row, one in zip(nats, known, strict=True)])
        return [next(sums) if example is not None else None for example in examples]

    def _left_padded(self, rows: Sequence[list[int]]) -> tuple[Any, Any]:
        """Token ids and attention mask, both (rows, longest)."""
        import torch

        longest = max(map(len, rows))
        ids = torch.tensor([[self.layout.end_id] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._network.device), mask.to(self._network.device)
