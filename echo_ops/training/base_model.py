"""A small completion model made on the spot, where no base model is at hand: real code for real loading, no download.

A byte-level BPE tokenizer with FIM tokens and a Llama-style model of 4 million weights, trained for some minutes on the
source of the Python standard library that runs this. A fixed tenth of the files is held out, and what the model can do
there is measured beside chance. It is no good completion model; it completes far better than chance, and learns.

The weights of the layers are trained with Muon (Jordan et al., 2024), the rest with AdamW: after 100 steps 4.8 nats per
token against 5.9 with AdamW alone, at the same speed; with so few tokens that is most of what there is.

Also a program: ``python -m echo_ops.training.base_model SPEC.json`` (see ``progress``), which ``launch`` starts.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from echo_ops.errors import TrainingError
from echo_ops.training.corpus import Place, corpus, places
from echo_ops.training.device import best_device
from echo_ops.training.fim import IGNORED, SMALL, Layout, Rendered
from echo_ops.training.progress import Progress, Report, run_apart, serve, silent

PAD = "<|echo_pad|>"
REPORT = "base_model.json"
WORDS = r"[^\W_]+|_+|\s+|[^\w\s]+"
"""What no token goes beyond: a word, underscores, blanks, punctuation."""


FINETUNE: dict[str, Any] = {
    "method": "full",
    "learning_rate": 4e-4,
    "epochs": 3.0,
    "context_tokens": 128,
    "max_new_tokens": 24,
}
"""Settings of training that suit this model: all of it learns, at its own length.

On 923 lessons of three simulated days, 257 held out, nats per character changed by -0.059 (-0.078 to -0.041); one pass
at 1.5e-3 gave -0.025 (-0.048 to -0.001), three at 1e-3 -0.020, LoRA of rank 16 at 2e-3 -0.056 (one seed each).
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that shapes the base model, beside the Python whose library it reads."""

    steps: int = 800
    seed: int = 0
    vocabulary: int = 2048
    width: int = 256
    layers: int = 4
    head: int = 64
    inner: int = 768
    sequence: int = 128  # tokens
    reserved: int = 32  # of these, for the middle; it takes more where it must
    batch: int = 16  # sequences
    matrix_rate: float = 5e-3  # peak learning rate of Muon
    rate: float = 1e-2  # peak learning rate of AdamW, for embeddings and norms
    warmup: int = 30  # steps
    decay: float = 0.3  # share of the steps, at the end
    middle_weight: float = 3.0  # of the loss on the middle; 1 on the context
    evaluation: int = 512  # held-out places

    def share_of_rate(self, step: int) -> float:
        """Share of the peak learning rate at a step: up, level, down to nothing."""
        return min(1.0, (step + 1) / self.warmup, (self.steps - step) / (self.decay * self.steps))

    def digest(self) -> str:
        """Of the recipe, the tokenizer, and the Python version, which decides the text."""
        text = json.dumps([asdict(self), WORDS, platform.python_version()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Measures:
    """What a base model can do on files that it has not seen, beside chance."""

    perplexity: float  # per token of held-out middles
    perplexity_unigram: float  # of a model that knows how frequent each token is
    perplexity_uniform: float  # of one that knows nothing: the vocabulary's size
    next_token: float  # share of the middles' tokens that are its first guess
    next_token_chance: float  # the same for always guessing the most frequent one
    line_fill: float  # share of rests of a line that it writes exactly, its end included
    line_fill_chance: float  # the same for always guessing the most frequent rest


@dataclass(frozen=True, slots=True)
class BaseModelReport:
    """What a base model is and what it can do. Written by ``make``, also into the model's folder; read by pipeline."""

    model: str  # folder
    digest: str
    parameters: int
    files: int  # of the standard library, read
    held_out_files: int
    steps: int
    tokens: int  # trained on
    measures: Measures
    reused: bool = False

    def figures(self) -> dict[str, str]:
        """The report in words, for a table."""
        can = self.measures
        return {
            "weights": f"{self.parameters:,}",
            "trained on": f"{self.tokens:,} tokens of {self.files} files of Python {platform.python_version()}",
            "held out": f"{self.held_out_files} files",
            "perplexity": f"{can.perplexity:.1f} (unigram {can.perplexity_unigram:.0f}, "
            f"uniform {can.perplexity_uniform:.0f})",
            "next token": f"{can.next_token:.1%} (most frequent one: {can.next_token_chance:.1%})",
            "rest of the line": f"{can.line_fill:.1%} exact (most frequent one: {can.line_fill_chance:.1%})",
            "folder": self.model + (" (reused)" if self.reused else ""),
        }


def launch(out: Path, report: Report = silent, recipe: Recipe | None = None) -> BaseModelReport:
    """``make`` in a process of its own, unless the model is there already."""
    recipe = recipe or Recipe()
    made = _made(out.absolute())
    if made is not None and made.digest == recipe.digest():
        return made
    spec = {"out": str(out.absolute()), "recipe": asdict(recipe)}
    return _report(run_apart("echo_ops.training.base_model", spec, report))


def make(out: Path, *, recipe: Recipe | None = None, report: Report = silent) -> BaseModelReport:
    """Make the base model in ``out``, or give its report when the same recipe has made it there already.

    The folder appears when it is complete, by one rename; a kill on the way leaves nothing under its name. It is in the
    layout of transformers, and loads in vLLM as it is. The same recipe gives the same weights on the same machine.

    Raises:
        TrainingError: the loss is no number any more, or the model is no better than chance.
    """
    recipe = recipe or Recipe()
    out = out.absolute()
    made = _made(out)
    if made is not None and made.digest == recipe.digest():
        return made
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    try:
        result = _make(part, out, recipe, report)
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
        return result
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _made(out: Path) -> BaseModelReport | None:
    path = out / REPORT
    if not path.is_file():
        return None
    return replace(_report(json.loads(path.read_text(encoding="utf-8"))), model=str(out), reused=True)


def _report(data: dict[str, Any]) -> BaseModelReport:
    return BaseModelReport(**{**data, "measures": Measures(**data["measures"])})


def _make(part: Path, out: Path, recipe: Recipe, report: Report) -> BaseModelReport:
    import torch

    learned, held_out = corpus()
    report(Progress("tokenizer", 0, 1))
    tokenizer = train_tokenizer(learned, recipe.vocabulary)
    layout = Layout(tokenizer)
    torch.manual_seed(recipe.seed)
    model = architecture(recipe, layout)
    tokens, counts = _train(model, layout, learned, recipe, report)
    measures = _measure(model, layout, held_out, learned, counts, recipe)
    result = BaseModelReport(
        model=str(out),
        digest=recipe.digest(),
        parameters=sum(weight.numel() for weight in model.parameters()),
        files=len(learned),
        held_out_files=len(held_out),
        steps=recipe.steps,
        tokens=tokens,
        measures=measures,
    )
    if not (measures.perplexity < measures.perplexity_unigram and measures.next_token > measures.next_token_chance):
        raise TrainingError(
            f"after {recipe.steps} steps the base model is no better than chance: perplexity {measures.perplexity:.0f} "
            f"where token frequencies alone give {measures.perplexity_unigram:.0f}; train more steps"
        )
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    (part / REPORT).write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    return result


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Any:
    """A byte-level BPE tokenizer with the FIM tokens of the small family: any text goes through it unchanged.

    A word's token holds no blank before it. People stop typing after ``x = `` and ask; where the blank belongs to the
    next word's token, as is usual, the context ends inside of a token, and a small model is at a loss how to go on.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[SMALL.end, PAD, *(token for token in SMALL.special if token != SMALL.end)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=SMALL.end,
        pad_token=PAD,
        additional_special_tokens=[token for token in SMALL.special if token != SMALL.end],
        clean_up_tokenization_spaces=False,
    )


def architecture(recipe: Recipe, layout: Layout) -> Any:
    """The untrained model, of transformers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(layout.tokenizer),
            hidden_size=recipe.width,
            intermediate_size=recipe.inner,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.width // recipe.head,
            num_key_value_heads=recipe.width // recipe.head,
            max_position_embeddings=8 * recipe.sequence,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=layout.end_id,
            pad_token_id=layout.tokenizer.pad_token_id,
        )
    )


def _train(
    model: Any, layout: Layout, texts: Sequence[str], recipe: Recipe, report: Report
) -> tuple[int, Counter[int]]:
    """Train the model; gives how many tokens it saw, and how frequent each was in the middles."""
    import torch

    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name]
    others = [weight for name, weight in model.named_parameters() if weight.ndim != 2 or "embed" in name]
    optimizers = (
        torch.optim.Muon(matrices, lr=recipe.matrix_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=recipe.rate, betas=(0.9, 0.95), weight_decay=0.0),
    )
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.share_of_rate) for optimizer in optimizers]
    device = best_device()
    model.to(device.name).train()
    source = places(texts, recipe.sequence // 2, recipe.seed)
    counts: Counter[int] = Counter()
    tokens = 0
    for step in range(1, recipe.steps + 1):
        examples = [_render(next(source), layout, recipe) for _ in range(recipe.batch)]
        for example in examples:
            counts.update(example.lesson)
            tokens += len(example.input_ids)
        with torch.autocast(device.name, torch.bfloat16, enabled=device.bf16):
            nats, on_middle = _nats(model, examples, layout, device.name)[:2]
        weights = torch.where(on_middle, recipe.middle_weight, 1.0) * (nats > 0)
        loss = (nats * weights).sum() / weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % 10 == 0 or step == recipe.steps:
            if not math.isfinite(loss.item()):
                raise TrainingError(f"the base model's loss is {loss.item()} at step {step}; lower its learning rates")
            report(Progress("base model", step, recipe.steps, round(loss.item(), 4), tokens))
    model.to("cpu").eval()
    return tokens, counts


def _measure(
    model: Any, layout: Layout, held_out: Sequence[str], learned: Sequence[str], counts: Counter[int], recipe: Recipe
) -> Measures:
    """What the model can do at held-out places, beside chance."""
    import torch

    chosen = list(islice(places(held_out, recipe.sequence // 2, recipe.seed + 1), recipe.evaluation))
    frequent_rest = Counter(
        place.middle
        for place in islice(places(learned, recipe.sequence // 2, recipe.seed), 20_000)
        if place.rest_of_line
    ).most_common(1)[0][0]
    nats = unigram_nats = 0.0
    tokens = hits = frequent_hits = rests = filled = frequent_filled = 0
    total = sum(counts.values()) + len(layout.tokenizer)
    most_frequent = counts.most_common(1)[0][0]
    for start in range(0, len(chosen), 32):
        batch = chosen[start : start + 32]
        examples = [_render(place, layout, recipe) for place in batch]
        with torch.no_grad():
            per_token, on_middle, right = _nats(model, examples, layout, "cpu")
        nats += per_token[on_middle].sum().item()
        hits += int((right & on_middle).sum())
        exact = (right | ~on_middle).all(dim=1).tolist()
        for place, example, whole in zip(batch, examples, exact, strict=True):
            tokens += len(example.lesson)
            frequent_hits += sum(token == most_frequent for token in example.lesson)
            unigram_nats -= sum(math.log((counts[token] + 1) / total) for token in example.lesson)
            rests += place.rest_of_line
            filled += place.rest_of_line and whole
            frequent_filled += place.rest_of_line and place.middle == frequent_rest
    return Measures(
        perplexity=math.exp(nats / tokens),
        perplexity_unigram=math.exp(unigram_nats / tokens),
        perplexity_uniform=float(len(layout.tokenizer)),
        next_token=hits / tokens,
        next_token_chance=frequent_hits / tokens,
        line_fill=filled / max(rests, 1),
        line_fill_chance=frequent_filled / max(rests, 1),
    )


def _render(place: Place, layout: Layout, recipe: Recipe) -> Rendered:
    return layout.render(place.prefix, place.suffix, place.middle, recipe.sequence, recipe.reserved)


def _nats(model: Any, examples: Sequence[Rendered], layout: Layout, device: str) -> tuple[Any, Any, Any]:
    """Of each token but the first: its nats (0 on padding), whether it is in the middle, whether it is the first guess.

    All three are (examples, longest - 1).
    """
    import torch
    from torch.nn.functional import cross_entropy
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(one.input_ids) for one in examples], True, layout.tokenizer.pad_token_id).to(
        device
    )
    labels = pad_sequence([torch.tensor(one.labels) for one in examples], True, IGNORED).to(device)
    wanted = ids[:, 1:].masked_fill(ids[:, 1:] == layout.tokenizer.pad_token_id, IGNORED)
    logits = model(ids).logits[:, :-1].float()
    nats = cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="none")
    return nats.view(wanted.shape), labels[:, 1:] != IGNORED, logits.argmax(-1) == wanted


def _main(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    return asdict(make(Path(spec["out"]), recipe=Recipe(**spec["recipe"]), report=report))


if __name__ == "__main__":
    sys.exit(serve(_main))
