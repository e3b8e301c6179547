"""The parts of a document that are known: windows seen so far, moved and changed by the edits since.

A client sends at most a window around the caret, so the whole document is never at hand. What is known is kept as
fragments that do not touch; an edit costs the bytes of the fragment that it falls into.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from echo_ops.lifecycle.states import Snapshot

LIMIT: Final = 1 << 20
"""Characters of one document that are remembered at most; beyond, the fragments far from the caret are forgotten."""


class KnownText:
    """Fragments of one document, by absolute offset."""

    __slots__ = ("starts", "texts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.texts: list[str] = []

    def forget(self) -> None:
        """Nothing is known any more."""
        self.starts.clear()
        self.texts.clear()

    def apply(self, start: int, end: int, text: str) -> None:
        """Replace ``[start, end)``; what was inserted is known afterwards."""
        starts, texts = self.starts, self.texts
        shift = len(text) - (end - start)
        index = self._last_up_to(start)
        if index >= 0 and end <= starts[index] + len(texts[index]):
            at, old = starts[index], texts[index]
            texts[index] = f"{old[: start - at]}{text}{old[end - at :]}"
            if shift:
                for later in range(index + 1, len(starts)):
                    starts[later] += shift
            return
        pieces: list[tuple[int, str]] = []
        head, tail, before = "", "", start
        for at, old in zip(starts, texts, strict=True):
            stop = at + len(old)
            if stop < start:
                pieces.append((at, old))
                continue
            if at > end:
                break
            if at <= start:
                head, before = old[: start - at], at
            if stop >= end:
                tail = old[end - at :] if at <= end else ""
        if head or text or tail:
            pieces.append((before, f"{head}{text}{tail}"))
        pieces += [(at + shift, old) for at, old in zip(starts, texts, strict=True) if at > end]
        self.starts, self.texts = [at for at, _ in pieces], [old for _, old in pieces]

    def hide(self, start: int, size: int) -> None:
        """``size`` characters were inserted at ``start``, and nobody saw which."""
        starts: list[int] = []
        texts: list[str] = []
        for at, old in zip(self.starts, self.texts, strict=True):
            if at >= start:
                starts.append(at + size)
                texts.append(old)
                continue
            starts.append(at)
            texts.append(old[: start - at])
            if at + len(old) > start:
                starts.append(start + size)
                texts.append(old[start - at :])
        self.starts, self.texts = starts, texts

    def keep(self, low: int, high: int) -> None:
        """Forget everything outside ``[low, high)``."""
        pieces = [
            (max(at, low), old[max(low - at, 0) : max(high - at, 0)])
            for at, old in zip(self.starts, self.texts, strict=True)
            if at < high and at + len(old) > low
        ]
        self.starts, self.texts = [at for at, _ in pieces], [old for _, old in pieces]

    def lay(self, seen: Snapshot) -> None:
        """What a snapshot shows stands there now; it joins the fragments that it touches and corrects them."""
        starts, texts = self.starts, self.texts
        start, stop = seen.start, seen.caret + len(seen.suffix)
        index = self._last_up_to(start)
        if index >= 0 and stop <= starts[index] + len(texts[index]):
            at, old = starts[index], texts[index]
            if not (old.startswith(seen.prefix, start - at) and old.startswith(seen.suffix, seen.caret - at)):
                texts[index] = f"{old[: start - at]}{seen.text}{old[stop - at :]}"
            return
        text = seen.text
        pieces: list[tuple[int, str]] = []
        joined, before = text, start
        for at, old in zip(starts, texts, strict=True):
            if at + len(old) < start or at > stop:
                pieces.append((at, old))
                continue
            if at < start:
                joined, before = f"{old[: start - at]}{joined}", at
            if at + len(old) > stop:
                joined += old[stop - at :]
        pieces.append((before, joined))
        pieces.sort()
        if sum(len(old) for _, old in pieces) > LIMIT:
            pieces = [(max(start - LIMIT // 4, before), joined[max(start - LIMIT // 4 - before, 0) :][: LIMIT // 2])]
        self.starts, self.texts = [at for at, _ in pieces], [old for _, old in pieces]

    def around(self, offset: int) -> tuple[int, str]:
        """The fragment that holds ``offset`` (or ends there), with its start; an empty one where nothing is known."""
        index = self._last_up_to(offset)
        if index >= 0 and offset <= self.starts[index] + len(self.texts[index]):
            return self.starts[index], self.texts[index]
        return offset, ""

    def _last_up_to(self, offset: int) -> int:
        """Which fragment is the last that begins at ``offset`` or before: mostly the last of all, or the only one."""
        last = len(self.starts) - 1
        return last if last < 0 or self.starts[last] <= offset else bisect_right(self.starts, offset) - 1
