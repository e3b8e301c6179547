"""One document's events, in order, become edits of its gaps."""

from __future__ import annotations

from dataclasses import dataclass

from echo_ops.lifecycle.closing import ClosingPolicy
from echo_ops.lifecycle.decision import OUTCOMES, at_caret, stronger
from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.gap import UNKNOWN, Gap, Gaps
from echo_ops.lifecycle.known import KnownText
from echo_ops.lifecycle.snapshots import Derived, Snapshot, align, derive
from echo_ops.lifecycle.units import from_units, to_units

FROM_OUTSIDE = "\0outside"
"""Who makes edits whose cause is ``external``: nobody who asks for completions."""

FAR_FUTURE = 1 << 62

JITTER = 1_000_000
"""Microseconds by which stamps may be out of order without the clock having been set back."""


@dataclass(frozen=True)
class Columns:
    """The events of a table as Python lists, one entry a row; times in microseconds."""

    kind: list[str]
    occurred_at: list[int]
    received_at: list[int]
    user_id: list[str]
    session_id: list[str]
    seq: list[int]
    version: list[int | None]
    request_id: list[str | None]
    caret: list[int | None]
    document_length: list[int | None]
    prefix: list[str | None]
    suffix: list[str | None]
    edits: list[list[Edit] | None]
    cause: list[str | None]
    proposal: list[str | None]
    replace_start: list[int | None]
    replace_end: list[int | None]
    offset_unit: list[str]


@dataclass
class Found:
    """What a request came to, as it will stand in the table."""

    row: int
    proposal: str | None
    decision: str
    committed: str | None
    close_reason: str
    closed_at: int
    evidence: str
    confidence: str
    checkpoints: list[str | None]


class Document:
    """Reads one document's events in the order of ``seq``.

    Args:
        columns: all events.
        policy: when gaps close.
    """

    def __init__(self, columns: Columns, policy: ClosingPolicy) -> None:
        self.columns = columns
        self.policy = policy
        self.gaps = Gaps(policy)
        self.known = KnownText()
        self.length: int | None = None
        self.caret: int | None = None
        self.now = 0  # the client's clock, but for the times that it was set back
        self.skew = 0
        self.lost = False  # events are missing, and no snapshot has shown the document since
        self.lost_at = 0
        self.sparse = False  # changes are not reported: only requests show the document
        self.seen_at = 0  # when a snapshot last showed it
        self.virtual = False  # offsets are our own: the client sends none
        self.unit = "code-point"
        self.opened: list[Gap] = []
        self.by_request: dict[str, Gap] = {}
        self.shown: dict[str, int] = {}
        self.outcome: dict[str, str] = {}
        self.displayed: Gap | None = None

    def read(self, rows: list[int], end: int | None) -> list[Found]:
        """Reconstruct every request among ``rows``.

        Args:
            rows: the document's events, in order and without duplicates.
            end: microseconds of the server's clock at which the reading window ends; None: everything was read.
        """
        c = self.columns
        self.unit = next((c.offset_unit[row] for row in rows if c.offset_unit[row] != "code-point"), "code-point")
        changes = [row for row in rows if c.kind[row] == "changed"]
        self.told = any(c.edits[row] is not None for row in changes)
        evidence = "edits" if self.told else "snapshots" if changes else "requests"
        self.sparse = not changes
        several = len({c.user_id[row] for row in rows}) > 1
        kinds, seqs, occurred, versions = c.kind, c.seq, c.occurred_at, c.version
        before = occurred[rows[0]]
        next_seq = seqs[rows[0]]
        version: int | None = None
        for row in rows:
            kind = kinds[row]
            at = occurred[row]
            if at < before - JITTER:  # the clock was set back: time stands still for that moment
                self.skew += before - at
            before = at
            self.now = at + self.skew
            said = versions[row]
            if seqs[row] != next_seq:
                missing = said is None or version is None or said - (kind == "changed") != version
                if missing and not self.lost and kind != "opened":
                    self.lost, self.lost_at = True, self.now
            next_seq = seqs[row] + 1
            steps = 1 if said is None or version is None else said - version
            if said is not None:
                version = said
            if kind == "changed":
                self._changed(row, several, steps)
            elif kind == "requested":
                self._requested(row, steps)
            elif kind == "selection_changed":
                self.caret = c.caret[row]
            elif kind == "opened":
                self._opened(row)
            elif kind == "closed":
                self._ended("document_closed")
            else:
                self._outcome(row)
        if self.lost:
            for gap in self.gaps.gaps():
                self.gaps.lose(gap, self.lost_at)
        if self.sparse and self.gaps.last_opened is not None:
            # Nothing shows what became of the last request: not even that nothing did.
            self.gaps.forget(self.gaps.last_opened, self.now)
        last = rows[-1]
        if end is None:
            self.gaps.advance(FAR_FUTURE)
        else:
            stop = self.now + max(0, end - c.received_at[last])
            self.gaps.advance(stop)
            self.gaps.close_all("horizon", stop)
        return [self._found(gap, evidence) for gap in self.opened]

    # --- kinds of events

    def _opened(self, row: int) -> None:
        c = self.columns
        if self.opened:
            self._ended("replaced")
        self.known.forget()
        self.lost = False
        self.length = c.document_length[row]
        self.caret = c.caret[row]
        snapshot = self._snapshot(row)
        if snapshot is not None:
            self.known.lay(snapshot.start, snapshot.text)

    def _ended(self, reason: str) -> None:
        if self.lost:
            for gap in self.gaps.gaps():
                self.gaps.lose(gap, self.lost_at)
        self.gaps.advance(self.now)
        self.gaps.close_all(reason, self.now)

    def _changed(self, row: int, several: bool, steps: int) -> None:
        c = self.columns
        edits = c.edits[row]
        if edits is None:
            snapshot = self._snapshot(row)
            if snapshot is None:
                if not self.lost:
                    self.lost, self.lost_at = True, self.now
                return
            self._see(snapshot, self._by(row, several), sure=steps == 1)
            return
        if self.lost:
            return  # their place cannot be known until the document is seen again
        if self.unit != "code-point":
            edits = [(start, end, to_units(text, self.unit)) for start, end, text in edits]
        length, after = self.length, c.document_length[row]
        if length is not None:
            grown = length
            for start, end, text in edits:
                grown += len(text) - (end - start)
            if (edits and edits[-1][1] > length) or (after is not None and after != grown):
                self.lost, self.lost_at = True, self.now
                return
            self.length = grown
        else:
            self.length = after
        self.gaps.advance(self.now)
        if c.cause[row] == "external" and length and any(edit[:2] == (0, length) for edit in edits):
            self.gaps.close_all("replaced", self.now)
        self._apply(edits, self._by(row, several), c.cause[row])

    def _requested(self, row: int, steps: int) -> None:
        c = self.columns
        request = c.request_id[row]
        if request is None or request in self.by_request:
            return  # a request told twice is one request
        snapshot = self._snapshot(row)
        caret = None
        if snapshot is not None:
            if not self.lost and self.length in (None, snapshot.length) and (self.told or steps == 0):
                self.length = snapshot.length
                self._lay(snapshot)
            else:
                self._see(snapshot, None, sure=False)
            caret = snapshot.caret
        elif not self.lost:
            caret = c.caret[row]
        if not self.lost:
            self.gaps.advance(self.now)
        if caret is None:
            gap = Gap(row, self.now, 0, c.user_id[row], 0)
            self.gaps.lose(gap, self.now)
        else:
            gap = self.gaps.open(row, caret, self.now, c.user_id[row])
        self.caret = caret
        self.opened.append(gap)
        self.by_request[request] = gap
        gap.proposal = self._proposal(row, gap)

    def _outcome(self, row: int) -> None:
        c = self.columns
        request = c.request_id[row]
        if request is None:
            return
        kind = c.kind[row]
        self.shown.setdefault(request, row)
        if kind in OUTCOMES:
            self.outcome[request] = stronger(self.outcome.get(request), kind)
        gap = self.by_request.get(request)
        if gap is not None:
            if c.proposal[row] is not None:
                gap.proposal = self._proposal(row, gap)
            if kind == "shown":
                self.displayed = gap

    # --- what they come to

    def _by(self, row: int, several: bool) -> str | None:
        if self.columns.cause[row] == "external":
            return FROM_OUTSIDE
        return self.columns.user_id[row] if several else None

    def _snapshot(self, row: int) -> Snapshot | None:
        c = self.columns
        prefix, suffix = c.prefix[row], c.suffix[row]
        if prefix is None and suffix is None:
            return Snapshot(0, "", 0, 0) if c.document_length[row] == 0 else None
        prefix, suffix = to_units(prefix or "", self.unit), to_units(suffix or "", self.unit)
        caret, length = c.caret[row], c.document_length[row]
        text = prefix + suffix
        if caret is None or length is None or self.virtual:
            if self.told:
                return None
            self.virtual = True
            if self.length is None or not self.known.starts:
                return Snapshot(0, text, len(prefix), len(text))
            found = align(self.known.starts[0], self.known.texts[0], self.length, self.caret or 0, prefix, suffix)
            if found is None:  # nothing in common with what was there: start over
                for gap in self.gaps.gaps():
                    self.gaps.lose(gap, self.now)
                self.known.forget()
                return Snapshot(0, text, len(prefix), len(text))
            return found
        start = caret - len(prefix)
        if start < 0 or caret + len(suffix) > length:
            return None
        return Snapshot(start, text, caret, length)

    def _see(self, snapshot: Snapshot, by: str | None, sure: bool) -> None:
        """The document looks like this now: find what changed since it was last known."""
        gaps, known, length = self.gaps, self.known, self.length
        was_lost, self.lost = self.lost, False
        before, self.caret = self.caret, snapshot.caret
        if length is None or not known.starts:
            gaps.advance(self.now)
            for gap in gaps.gaps() if known.starts or length is None else []:
                gaps.lose(gap, self.now)
            self.length = snapshot.length
            known.forget()
            known.lay(snapshot.start, snapshot.text)
            return
        at, text = known.around(max(min(snapshot.caret - max(snapshot.length - length, 0), length), 0))
        derived = derive((at, text), length, before, snapshot)
        if not (sure and derived.sure) or was_lost:
            gaps.doubts += 1
        if derived.slide is not None or derived.within is not None or was_lost:
            self._doubt(derived, was_lost)
        when = self.now
        if self.sparse and (derived.edits or derived.blind) and self._belated(derived, snapshot.caret):
            when = self.seen_at
        else:
            gaps.advance(self.now)
        if derived.edits:
            gaps.edit(list(derived.edits), when, by)
            self._watch_display(derived.edits)
            if derived.within is not None:
                known.keep(*derived.within)
            for start, end, inserted in reversed(derived.edits):
                hidden = inserted.count(UNKNOWN)
                known.apply(start, end, inserted[hidden:])
                if hidden:
                    known.hide(start, hidden)
                    gaps.unseen = True
        gaps.advance(self.now)
        self.length = snapshot.length
        self._lay(snapshot)

    def _belated(self, derived: Derived, caret: int) -> bool:
        """Whether a gap changed that was to close before this was seen, and nobody can tell if before or after.

        A single edit that ends at the caret is the keystroke that led to this request. More than that was typed at
        some time between the requests: it is taken for early, for people type right after they ask, and the gaps are
        ambiguous.
        """
        if not derived.blind and len(derived.edits) == 1 and derived.edits[0][0] + len(derived.edits[0][2]) == caret:
            return False
        found = False
        for gap, left, right in self.gaps.spans():
            touched = derived.blind or any(start <= right and end >= left for start, end, _ in derived.edits)
            if touched and not gap.reason:
                gap.ambiguous = True
                found = found or self.gaps.due(gap) <= self.now
        return found

    def _lay(self, snapshot: Snapshot) -> None:
        self.seen_at = self.now
        self.known.lay(snapshot.start, snapshot.text)
        if self.gaps.unseen:
            self.gaps.reveal(snapshot.start, snapshot.text)

    def _doubt(self, derived: Derived, was_lost: bool) -> None:
        """Mark the gaps for which what changed, or when, has two readings."""
        gaps = self.gaps
        low, high = derived.slide or (0, -1)
        seen = derived.within
        for gap, left, right in gaps.spans():
            if seen is not None and (left < seen[0] or right > seen[1]):
                gap.ambiguous = True
            if any(low <= edge <= high for edge in (left, right)):
                if derived.settled:
                    gap.doubts -= 1
                else:
                    gap.ambiguous = True
            if was_lost and not gap.reason:
                changed = any(start <= right and end >= left for start, end, _ in derived.edits)
                if changed and gaps.due(gap) <= self.now:
                    gaps.lose(gap, self.lost_at)

    def _apply(self, edits: list[Edit], by: str | None, cause: str | None) -> None:
        """Reduce the edits of one event to what they change, and apply them."""
        reduced = []
        for edit in edits:
            start, end, text = edit
            if end > start and text:
                start, end, text = self._reduce(start, end, text)
            if end > start or text:
                reduced.append((start, end, text))
        known = self.known
        for start, end, text in reversed(reduced):
            known.apply(start, end, text)
        if reduced:
            self.gaps.edit(reduced, self.now, by)
            self._watch_display(reduced)
            self.caret = None

    def _reduce(self, start: int, end: int, text: str) -> Edit:
        """Take off the common start of old and new text, then the common end, as far as the old text is known."""
        at, known = self.known.around(start)
        if at <= start and end <= at + len(known):
            old = known[start - at : end - at]
            same = common_start(old, text)
            old, text = old[same:], text[same:]
            tail = common_end(old, text)
            return start + same, end - tail, text[: len(text) - tail]
        # The edit reaches past what is known: whatever is known at either side may still be common.
        self.gaps.doubts += 1
        old = known[start - at :]
        same = common_start(old, text)
        if same < len(old) or not old:
            start, text = start + same, text[same:]
        else:
            same = 0
        at, known = self.known.around(end)
        old = known[max(start - at, 0) : end - at] if at <= end else ""
        tail = common_end(old, text)
        return start, end - tail, text[: len(text) - tail]

    # --- proposals

    def _proposal(self, row: int, gap: Gap) -> str | None:
        """The proposal of an event as an insertion at the caret of its request."""
        c = self.columns
        if c.proposal[row] is None:
            return None
        proposal = to_units(c.proposal[row] or "", self.unit)
        start, end, caret = c.replace_start[row], c.replace_end[row], c.caret[gap.row]
        if start is None or end is None or caret is None or not start <= caret <= end:
            return proposal
        prefix = to_units(c.prefix[gap.row] or "", self.unit)
        suffix = to_units(c.suffix[gap.row] or "", self.unit)
        return at_caret(proposal, prefix[len(prefix) - (caret - start) :], suffix[: end - caret])

    def _watch_display(self, edits: list[Edit] | tuple[Edit, ...]) -> None:
        """Whether this edit puts the whole of the displayed proposal into its gap: an accept that nobody reported."""
        gap = self.displayed
        if gap is None:
            return
        if gap.dead or gap.reason:
            self.displayed = None
            return
        if gap.proposal and gap.live and any(len(text) > 1 and gap.proposal.endswith(text) for _, _, text in edits):
            start, end = gap.span()
            if end - start == len(gap.proposal) and gap.content() == gap.proposal:
                gap.decided = "accepted"
                self.displayed = None

    def _found(self, gap: Gap, evidence: str) -> Found:
        c = self.columns
        request = c.request_id[gap.row] or ""
        decision = "not_shown"
        if request in self.shown:
            decision = self.outcome.get(request) or gap.decided or "ignored"
        if gap.ambiguous:
            confidence = "ambiguous"
        elif evidence == "requests" or gap.doubts or gap.reason == "events_lost":
            confidence = "inferred"
        else:
            confidence = "exact"
        unit = self.unit
        texts = [None if text is None else from_units(text, unit) for text in (gap.committed, *gap.checkpoints)]
        return Found(
            row=gap.row,
            proposal=None if gap.proposal is None else from_units(gap.proposal, unit),
            decision=decision,
            committed=texts[0],
            close_reason=gap.reason,
            closed_at=c.occurred_at[gap.row] + gap.closed_at - gap.opened,
            evidence=evidence,
            confidence=confidence,
            checkpoints=texts[1:],
        )
