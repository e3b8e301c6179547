"""Fill-in-the-middle: how a context and a lesson become the tokens that a model family was trained to complete.

Each family marks the two sides of the caret with special tokens of its own, in its own order: prefix-suffix-middle
(psm) or suffix-prefix-middle (spm). The layout is found from the tokenizer, which either has a family's tokens or not.
Source of the method: Bavarian et al., "Efficient Training of Language Models to Fill in the Middle", 2022; the
templates are those of the families' own model cards and tokenizers.

Loss is on the lesson and its end token only ("Echo: Learning from Experience Data via User-Driven Refinement", 2026);
with loss on the context as well, a model gains from shuffled pairs, that is, from the style and not from the lesson.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from echo_ops.errors import InputError

Order = Literal["psm", "spm"]

PREFIX, SUFFIX = "{prefix}", "{suffix}"
"""Places of the two sides of the caret in a template; everything else in it is one special token."""

IGNORED = -100
"""Label of a token without loss, as in PyTorch's cross entropy."""

PREFIX_SHARE = 0.75
"""Share of a cut context that goes to the prefix, where both sides are longer than their share."""

CHARACTERS_PER_TOKEN = 16
"""Text further from the caret than this times the budget is not even tokenized; code has 3 to 4 per token."""

SENTINEL = "☺"
"""Goes before a text whose tokenizer would put a space there; the same trick as in Code Llama's own code."""


class LessonTooLong(InputError):
    """A lesson does not fit the context, even with nothing beside it."""


@dataclass(frozen=True, slots=True)
class Family:
    """Models that share FIM tokens. ``templates`` holds the orders it was trained with, the preferred one first."""

    name: str
    end: str
    templates: dict[Order, tuple[str, ...]]

    @property
    def special(self) -> tuple[str, ...]:
        """The special tokens that a tokenizer of this family has, each once."""
        literals = [part for template in self.templates.values() for part in template if part not in (PREFIX, SUFFIX)]
        return tuple(dict.fromkeys([*literals, self.end]))


SMALL = Family(
    "echo-small",
    "<|echo_end|>",
    {
        "spm": ("<|echo_suffix|>", SUFFIX, "<|echo_prefix|>", PREFIX, "<|echo_middle|>"),
        "psm": ("<|echo_prefix|>", PREFIX, "<|echo_suffix|>", SUFFIX, "<|echo_middle|>"),
    },
)
"""The model that ``base_model`` makes: suffix first, so that what it must copy from, the prefix, stands nearest."""

FAMILIES: tuple[Family, ...] = (
    Family(
        "qwen2.5-coder",
        "<|endoftext|>",
        {"psm": ("<|fim_prefix|>", PREFIX, "<|fim_suffix|>", SUFFIX, "<|fim_middle|>")},
    ),
    Family(
        "deepseek-coder",
        "<｜end▁of▁sentence｜>",
        {"psm": ("<｜fim▁begin｜>", PREFIX, "<｜fim▁hole｜>", SUFFIX, "<｜fim▁end｜>")},
    ),
    Family(
        "starcoder2",
        "<|endoftext|>",
        {
            "psm": ("<fim_prefix>", PREFIX, "<fim_suffix>", SUFFIX, "<fim_middle>"),
            "spm": ("<fim_prefix>", "<fim_suffix>", SUFFIX, "<fim_middle>", PREFIX),
        },
    ),
    Family(
        "codellama",
        "▁<EOT>",
        {
            "psm": ("▁<PRE>", PREFIX, "▁<SUF>", SUFFIX, "▁<MID>"),
            "spm": ("▁<PRE>", "▁<SUF>", SUFFIX, "▁<MID>", PREFIX),
        },
    ),
    Family(
        "seed-coder",
        "<[end▁of▁sentence]>",
        {"spm": ("<[fim-suffix]>", SUFFIX, "<[fim-prefix]>", PREFIX, "<[fim-middle]>")},
    ),
    Family("codestral", "</s>", {"spm": ("[SUFFIX]", SUFFIX, "[PREFIX]", PREFIX)}),
    SMALL,
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One example: token ids, and a label for each, ``IGNORED`` on the context."""

    input_ids: list[int]
    labels: list[int]

    @property
    def context(self) -> list[int]:
        """The tokens before the lesson: what a server is sent."""
        return [token for token, label in zip(self.input_ids, self.labels, strict=True) if label == IGNORED]

    @property
    def lesson(self) -> list[int]:
        """The tokens with loss: the lesson and its end."""
        return [label for label in self.labels if label != IGNORED]


class Layout:
    """One tokenizer's way to write a context and a lesson.

    Args:
        tokenizer: of transformers.
        order: one that the family was trained with; its preferred one where None.

    Raises:
        InputError: the tokenizer lacks the tokens of every family, or the family does not know the order.
    """

    def __init__(self, tokenizer: Any, order: Order | None = None) -> None:
        self.tokenizer = tokenizer
        self.family = family_of(tokenizer)
        self.order = order if order is not None else next(iter(self.family.templates))
        if self.order not in self.family.templates:
            known = ", ".join(self.family.templates)
            raise InputError(f"{self.family.name} was not trained with the FIM order {self.order}; it knows {known}")
        self._template = self.family.templates[self.order]
        self._ids: dict[str, int] = {token: tokenizer.convert_tokens_to_ids(token) for token in self.family.special}
        self.end_id = self._ids[self.family.end]

        # A user may have typed `<|fim_prefix|>`: such text is cut in two, so that it can never act as the token.
        reserved = {str(token) for token in tokenizer.added_tokens_decoder.values()} | set(self.family.special)
        reserved = {token for token in reserved if len(token) > 1 and not token.isspace()}
        self._reserved = re.compile(f"(?={'|'.join(re.escape(token) for token in sorted(reserved))})")

        plain = tokenizer.encode("x", add_special_tokens=False)
        dressed = tokenizer.encode("x")
        self._leading: list[int] = dressed[: dressed.index(plain[0])]  # what the tokenizer begins every text with
        self._adds_space = tokenizer.convert_ids_to_tokens(plain[0]).startswith("▁")
        self._sentinel: list[int] = tokenizer.encode(SENTINEL, add_special_tokens=False) if self._adds_space else []
        self.overhead = len(self._leading) + sum(part not in (PREFIX, SUFFIX) for part in self._template) + 1
        """Tokens of an example that are neither context nor lesson."""

    def render(self, prefix: str, suffix: str, lesson: str, context_tokens: int, reserved: int) -> Rendered:
        """An example of at most ``context_tokens`` tokens; an empty lesson is silence: the end token alone.

        The context is cut to what ``reserved`` tokens for lesson and end leave, keeping what is nearest to the caret.
        It does not depend on the lesson: were the context cut to fill what the lesson leaves, every example would end
        at the same position, and a model would learn to end there and nowhere else. Only a lesson that is longer than
        what is reserved takes of the context; the lesson is never cut.

        Raises:
            LessonTooLong: the lesson alone is longer than ``context_tokens`` allow.
            InputError: ``reserved`` leaves no room for the special tokens.
        """
        target = [*self.encode(lesson), self.end_id]
        if self._room(context_tokens, len(target)) < 0:
            raise LessonTooLong(
                f"a lesson of {len(target) - 1} tokens does not fit {context_tokens} tokens; "
                "raise ECHO_TRAINING_CONTEXT_TOKENS or lower ECHO_CURATION_MAX_LESSON_CHARACTERS"
            )
        context = self.prompt(prefix, suffix, context_tokens, max(reserved, len(target)))
        return Rendered([*context, *target], [IGNORED] * len(context) + target)

    def prompt(self, prefix: str, suffix: str, context_tokens: int, reserved: int) -> list[int]:
        """The tokens that a model is asked to continue; with what it is asked to write, at most ``context_tokens``.

        Raises:
            InputError: ``reserved`` leaves no room for the special tokens.
        """
        room = self._room(context_tokens, reserved)
        if room < 0:
            raise InputError(
                f"{reserved} new tokens do not fit a context of {context_tokens}; lower ECHO_TRAINING_MAX_NEW_TOKENS"
            )
        before = self._encode_prefix(prefix[-room * CHARACTERS_PER_TOKEN :] if room else "")
        after = self.encode(suffix[: room * CHARACTERS_PER_TOKEN])
        for_prefix = min(len(before), max(round(room * PREFIX_SHARE), room - len(after)))
        sides = {PREFIX: before[len(before) - for_prefix :], SUFFIX: after[: room - for_prefix]}
        tokens = list(self._leading)
        for part in self._template:
            tokens += sides[part] if part in sides else [self._ids[part]]
        return tokens

    def split(self, example: Rendered) -> tuple[str, str, str]:
        """Prefix, suffix and lesson as ``render`` took them; its inverse where nothing was cut."""
        texts = {PREFIX: "", SUFFIX: ""}
        rest = example.context[len(self._leading) :]
        for part, following in pairwise([*self._template, None]):
            if part in texts:
                length = rest.index(self._ids[following]) if following else len(rest)
                texts[part] = self._decode(rest[:length], dressed=part == PREFIX and self._adds_space)
                rest = rest[length:]
            else:
                rest = rest[1:]
        return texts[PREFIX], texts[SUFFIX], self.decode(example.lesson)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text as it stands: no special token, no space put before it."""
        return [token for piece in self._pieces(text) for token in self._encode_bare(piece)]

    def decode(self, tokens: list[int]) -> str:
        """The text of generated tokens, up to the end token."""
        length = tokens.index(self.end_id) if self.end_id in tokens else len(tokens)
        return self._decode(tokens[:length], dressed=False)

    @cached_property
    def texts(self) -> dict[int, str]:
        """The text of each token that has some: no special one, and none that is a part of a character."""
        special = set(self.tokenizer.all_special_ids) | set(self._ids.values())
        texts = {number: self._decode([number], dressed=False) for number in range(len(self.tokenizer))}
        return {
            number: text for number, text in texts.items() if text and "\ufffd" not in text and number not in special
        }

    # -- inner

    def _room(self, context_tokens: int, reserved: int) -> int:
        return context_tokens - (self.overhead - 1) - reserved

    def _pieces(self, text: str) -> list[str]:
        cuts = [0, *(match.start() + 1 for match in self._reserved.finditer(text)), len(text)]
        return [text[start:end] for start, end in pairwise(cuts) if start < end]

    def _encode_prefix(self, text: str) -> list[int]:
        # Families whose tokenizer puts a space before a text were trained with it before the prefix, and only there.
        if not self._adds_space or not text:
            return self.encode(text)
        first, *rest = self._pieces(text)
        tokens = list(self.tokenizer.encode(first, add_special_tokens=False))
        return tokens + [token for piece in rest for token in self._encode_bare(piece)]

    def _encode_bare(self, text: str) -> list[int]:
        if not self._adds_space:
            return list(self.tokenizer.encode(text, add_special_tokens=False))
        return list(self.tokenizer.encode(SENTINEL + text, add_special_tokens=False)[len(self._sentinel) :])

    def _decode(self, tokens: list[int], dressed: bool) -> str:
        sentinel = [] if dressed else self._sentinel
        text: str = self.tokenizer.decode([*sentinel, *tokens], clean_up_tokenization_spaces=False)
        return text[len(SENTINEL) :] if sentinel else text


def family_of(tokenizer: Any) -> Family:
    """The family whose FIM tokens a tokenizer has.

    Raises:
        InputError: it has those of none; says what is missing for the nearest.
    """
    known = tokenizer.get_vocab()
    missing = {family.name: [token for token in family.special if token not in known] for family in FAMILIES}
    for family in FAMILIES:
        if not missing[family.name]:
            return family
    nearest = min(FAMILIES, key=lambda family: len(missing[family.name]) / len(family.special))
    raise InputError(
        f"the tokenizer of {tokenizer.name_or_path or 'this model'} has no fill-in-the-middle tokens: "
        f"nearest is {nearest.name}, where {' '.join(missing[nearest.name])} is missing; "
        f"take a model of {', '.join(family.name for family in FAMILIES)}"
    )
