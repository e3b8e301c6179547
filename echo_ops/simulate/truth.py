"""What became of each request, from the whole document: slow, simple, and written apart from the lifecycle room.

Every change is looked at with the document before and after it, which no harvest ever has. A gap is two offsets;
its text is read off the document. So a difference to ``lifecycle`` is an error on one of the two sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

import pyarrow as pa

from echo_ops.schema.events import TIMESTAMP
from echo_ops.schema.lifecycles import POLICIES, CloseReason, Policy

IDLE = {"default": timedelta(seconds=30), "strict": timedelta(seconds=300)}
"""Without an edit in the gap (default) or in the document (strict) for this long, a gap closes."""

TRUTH = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("policy", pa.string(), nullable=False),
        pa.field("committed", pa.string(), nullable=False),
        pa.field("close_reason", pa.string(), nullable=False),
        pa.field("closed_at", TIMESTAMP, nullable=False),  # on the client's clock, as occurred_at
        pa.field("intended", pa.string(), nullable=False),  # what the user meant to put into the gap; empty: nothing
        pa.field("events_lost", pa.bool_(), nullable=False),  # a hole in seq, perhaps before closed_at
    ]
)
"""One row per request and policy: written by simulate, read by whoever measures reconstruction or the teacher."""


class Edit(NamedTuple):
    """Offsets in code points, before the change; the edits of one change are simultaneous."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class Fate:
    """How a request ended under one policy."""

    request_id: str
    policy: Policy
    committed: str
    close_reason: CloseReason
    closed_at: datetime


@dataclass(slots=True)
class Gap:
    """One open request under one policy."""

    request_id: str
    policy: Policy
    start: int
    end: int
    touched: datetime  # the request, or the last edit that keeps the gap open


@dataclass(slots=True)
class Witness:
    """Watches one document from its opening to its end, and says what became of its requests.

    Calls must come in the order of time.
    """

    text: str
    gaps: list[Gap] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)

    def requested(self, request_id: str, caret: int, at: datetime) -> None:
        self.gaps += [Gap(request_id, policy, caret, caret, at) for policy in POLICIES_IN_ORDER]

    def changed(self, edits: Sequence[Edit], at: datetime) -> str:
        """The document after the edits."""
        self._let_idle(at)
        reduced = [_reduced(self.text, edit) for edit in edits]
        reduced = sorted(edit for edit in reduced if edit.start < edit.end or edit.text)
        for gap in self.gaps[:]:
            self._move(gap, reduced, at)
        self.text = applied(self.text, edits)
        return self.text

    def replaced(self, text: str, at: datetime) -> None:
        """The content comes anew from outside: a reload, another program."""
        self._let_idle(at)
        self._close_all("replaced", at)
        self.text = text

    def closed(self, at: datetime) -> list[Fate]:
        """The editor closes the document: the fates of all its requests."""
        self._let_idle(at)
        self._close_all("document_closed", at)
        return self.fates

    def abandoned(self) -> list[Fate]:
        """The document ends without having been closed (a crash): what is open idles."""
        self._let_idle(None)
        return self.fates

    def _let_idle(self, now: datetime | None) -> None:
        for gap in self.gaps[:]:
            closes_at = gap.touched + IDLE[gap.policy]
            if now is None or closes_at < now:
                self._close(gap, "idle", closes_at)

    def _move(self, gap: Gap, edits: Sequence[Edit], at: datetime) -> None:
        if any(_breaks(gap, edit) for edit in edits):
            self._close(gap, "anchor_broken", at)
            return
        inside = [edit for edit in edits if _is_inside(gap, edit)]
        if gap.policy == "strict" and len(inside) < len(edits):
            self._close(gap, "outside_edit", at)
            return
        before = sum(_growth(edit) for edit in edits if edit not in inside and edit.end <= gap.start)
        gap.end += before + sum(map(_growth, inside))
        gap.start += before
        if inside or gap.policy == "strict":
            gap.touched = at

    def _close_all(self, reason: CloseReason, at: datetime) -> None:
        for gap in self.gaps[:]:
            self._close(gap, reason, at)

    def _close(self, gap: Gap, reason: CloseReason, at: datetime) -> None:
        self.gaps.remove(gap)
        committed = self.text[gap.start : gap.end]
        self.fates.append(Fate(gap.request_id, gap.policy, committed, reason, at))


POLICIES_IN_ORDER: tuple[Policy, ...] = ("default", "strict")
assert set(POLICIES_IN_ORDER) == set(POLICIES)


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text after simultaneous edits."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _reduced(text: str, edit: Edit) -> Edit:
    """What the edit changes: without the common start of old and new text, then without the common end."""
    old = text[edit.start : edit.end]
    same = _common(old, edit.text)
    old, new = old[same:], edit.text[same:]
    ending = _common(old[::-1], new[::-1])
    return Edit(edit.start + same, edit.end - ending, new[: len(new) - ending])


def _common(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _is_inside(gap: Gap, edit: Edit) -> bool:
    """Text inserted at either edge belongs to the gap; a replacement outside that touches an edge does not."""
    if edit.start == edit.end:
        return gap.start <= edit.start <= gap.end
    return gap.start <= edit.start and edit.end <= gap.end


def _breaks(gap: Gap, edit: Edit) -> bool:
    """The edit takes something from inside and outside the gap at once, or spans it."""
    if _is_inside(gap, edit):
        return False
    return edit.start < gap.end and edit.end > gap.start if gap.start < gap.end else edit.start < gap.start < edit.end


def _growth(edit: Edit) -> int:
    return len(edit.text) - (edit.end - edit.start)
