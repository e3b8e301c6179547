"""One document's events, in order: its requests, what became of their proposals, and the text around them."""

from __future__ import annotations

from typing import Final

from echo_ops.lifecycle.closing import ClosingPolicy
from echo_ops.lifecycle.decision import OUTCOMES, at_caret, stronger
from echo_ops.lifecycle.gap import Gap
from echo_ops.lifecycle.rows import Columns, DocumentRows
from echo_ops.lifecycle.states import Snapshot
from echo_ops.lifecycle.tracked import TrackedText
from echo_ops.lifecycle.units import CODE_POINT, from_units, to_units

FROM_OUTSIDE: Final = -1
"""Who makes edits whose cause is ``external``: nobody who asks for completions."""

FAR_FUTURE: Final = 1 << 62

JITTER: Final = 1_000_000
"""Microseconds by which stamps may be out of order without the clock having been set back."""


class Found:
    """What a request came to, as it will stand in the table. A plain class for mypyc's sake, as those of ``states``."""

    __slots__ = (
        "checkpoints", "close_reason", "closed_at", "committed", "confidence", "decision", "evidence", "proposal",
        "row",
    )  # fmt: skip

    def __init__(
        self,
        row: int,
        proposal: str | None,
        decision: str,
        committed: str | None,
        close_reason: str,
        closed_at: int,
        evidence: str,
        confidence: str,
        checkpoints: list[str | None],
    ) -> None:
        self.row = row
        self.proposal = proposal
        self.decision = decision
        self.committed = committed
        self.close_reason = close_reason
        self.closed_at = closed_at
        self.evidence = evidence
        self.confidence = confidence
        self.checkpoints = checkpoints


class Document:
    """Reads one document's events.

    Args:
        columns: all events.
        document: which of them are the document's.
        policy: when gaps close.
    """

    def __init__(self, columns: Columns, document: DocumentRows, policy: ClosingPolicy) -> None:
        self.columns = columns
        self.rows = document
        self.unit = document.unit
        changes = [row for row in range(document.start, document.stop) if columns.kind[row] == "changed"]
        self.told = any(columns.edits[row] is not None for row in changes)
        self.evidence = "edits" if self.told else "snapshots" if changes else "requests"
        self.text = TrackedText(policy, sparse=not changes)
        self.virtual = False  # offsets are our own: the client sends none
        self.opened: list[Gap] = []
        self.by_request: dict[str, Gap] = {}
        self.shown: set[str] = set()
        self.outcome: dict[str, str] = {}

    def read(self, end: int | None) -> list[Found]:
        """Reconstruct every request.

        Args:
            end: microseconds of the server's clock at which the reading window ends; None: everything was read.
        """
        c, text = self.columns, self.text
        kinds, seqs, occurred, versions = c.kind, c.seq, c.occurred_at, c.version
        stamp = occurred[self.rows.start]  # of the event before
        skew = 0  # how far the client's clock was set back in all
        now = stamp  # the client's clock, but for the times that it was set back
        next_seq = seqs[self.rows.start]
        version: int | None = None
        for row in range(self.rows.start, self.rows.stop):
            before = now
            at = occurred[row]
            if at < stamp - JITTER:  # time stands still for that moment
                skew += stamp - at
            stamp = at
            now = at + skew
            kind, said = kinds[row], versions[row]
            if seqs[row] != next_seq:
                missing = said is None or version is None or said - (kind == "changed") != version
                if missing and kind != "opened":
                    text.lose(before, now)
            next_seq = seqs[row] + 1
            steps = 1 if said is None or version is None else said - version
            if said is not None:
                version = said
            if kind == "changed":
                self._changed(row, now, steps)
            elif kind == "requested":
                self._requested(row, now, steps)
            elif kind == "selection_changed":
                text.move(c.caret[row])
            elif kind == "opened":
                if self.opened:
                    text.end("replaced", now)
                text.start(c.document_length[row], c.caret[row], self._snapshot(row, now))
            elif kind == "closed":
                text.end("document_closed", now)
            else:
                self._outcome(row)
        if end is None:
            text.finish(now, FAR_FUTURE)
        else:
            stop = now + max(0, end - self.rows.received_at)
            text.finish(now, stop)
            text.end("horizon", stop)
        found = [self._found(gap) for gap in self.opened]
        for gap in self.opened:
            gap.let_go()
        return found

    # --- kinds of events

    def _changed(self, row: int, now: int, steps: int) -> None:
        c = self.columns
        from_outside = c.cause[row] == "external"
        by = FROM_OUTSIDE if from_outside else c.user_id[row] if self.rows.several else None
        edits = c.edits[row]
        if edits is not None:
            if self.unit != CODE_POINT:
                edits = [(start, end, to_units(text, self.unit)) for start, end, text in edits]
            self.text.told(edits, now, by, c.document_length[row], from_outside)
            return
        snapshot = self._snapshot(row, now)
        if snapshot is None:
            self.text.lose(now, now)
        else:
            self.text.seen(snapshot, now, by, sure=steps == 1 and not from_outside, one=steps == 1)

    def _requested(self, row: int, now: int, steps: int) -> None:
        c, text = self.columns, self.text
        request = c.request_id[row]
        if request is None or request in self.by_request:
            return  # a request told twice is one request
        snapshot = self._snapshot(row, now)
        caret = None
        if snapshot is not None:
            caret = snapshot.caret
            untold = c.version[row] is None
            same = text.length in (None, snapshot.length) and (self.told or steps == 0)
            if not text.lost and (same or text.shows(snapshot)):
                text.confirm(snapshot, now)
            else:
                one = None if untold or (text.sparse and steps == 0) else steps <= 1
                text.seen(snapshot, now, None, sure=False, one=one)
        elif not text.lost:
            caret = c.caret[row]
        gap = text.open(row, caret, now, c.user_id[row])
        self.opened.append(gap)
        self.by_request[request] = gap
        gap.proposal = self._proposal(row, gap)

    def _outcome(self, row: int) -> None:
        c = self.columns
        request = c.request_id[row]
        if request is None:
            return
        kind = c.kind[row]
        self.shown.add(request)
        if kind in OUTCOMES:
            self.outcome[request] = stronger(self.outcome.get(request), kind)
        gap = self.by_request.get(request)
        if gap is not None:
            if c.proposal[row] is not None:
                gap.proposal = self._proposal(row, gap)
            if kind == "shown":
                self.text.displayed = gap

    # --- what they come to

    def _snapshot(self, row: int, now: int) -> Snapshot | None:
        c = self.columns
        prefix, suffix, caret, length = c.prefix[row], c.suffix[row], c.caret[row], c.document_length[row]
        if prefix is None and suffix is None:
            return Snapshot("", "", 0, 0) if length == 0 else None
        prefix, suffix = prefix or "", suffix or ""
        if self.unit != CODE_POINT:
            prefix, suffix = to_units(prefix, self.unit), to_units(suffix, self.unit)
        if caret is None or length is None or self.virtual:
            if self.told:
                return None
            self.virtual = True
            return self.text.place(prefix, suffix, now)
        if len(prefix) > caret or caret + len(suffix) > length:
            return None
        return Snapshot(prefix, suffix, caret, length)

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

    def _found(self, gap: Gap) -> Found:
        c = self.columns
        request = c.request_id[gap.row] or ""
        decision = "not_shown"
        if request in self.shown:
            decision = self.outcome.get(request) or gap.decided or "ignored"
        if gap.ambiguous:
            confidence = "ambiguous"
        elif self.evidence == "requests" or gap.doubted or gap.reason == "events_lost":
            confidence = "inferred"
        else:
            confidence = "exact"
        return Found(
            row=gap.row,
            proposal=from_units(gap.proposal, self.unit),
            decision=decision,
            committed=from_units(gap.committed, self.unit),
            close_reason=gap.reason,
            closed_at=c.occurred_at[gap.row] + gap.closed_at - gap.opened,
            evidence=self.evidence,
            confidence=confidence,
            checkpoints=[from_units(text, self.unit) for text in gap.checkpoints],
        )
