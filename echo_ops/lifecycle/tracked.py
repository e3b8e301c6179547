"""The text of one document as far as it is known, and the gaps in it, kept up to date by what is told and seen."""

from __future__ import annotations

from echo_ops.lifecycle.closing import ClosingPolicy
from echo_ops.lifecycle.edits import Edit, common_end, common_start
from echo_ops.lifecycle.gap import UNKNOWN, Gap
from echo_ops.lifecycle.gaps import Gaps
from echo_ops.lifecycle.known import KnownText
from echo_ops.lifecycle.placing import align
from echo_ops.lifecycle.snapshots import Derived, derive
from echo_ops.lifecycle.states import Snapshot, States
from echo_ops.lifecycle.typing_run import TypingRun, keystroke


class TrackedText:
    """A document that is followed from event to event. Times are microseconds.

    Args:
        policy: when gaps close.
        sparse: changes are not reported: only requests show the document.
    """

    def __init__(self, policy: ClosingPolicy, sparse: bool) -> None:
        self.gaps = Gaps(policy)
        self.sparse = sparse
        self.lost = False  # events are missing, and no snapshot has shown the document since
        self.displayed: Gap | None = None  # whose proposal is on the screen
        self.length: int | None = None  # of the whole document
        self.caret: int | None = None
        self._known = KnownText()
        self._lost_at = 0
        self._seen_at = 0  # when a snapshot last showed it
        self._run = TypingRun()
        self._view: Snapshot | None = None  # what the last event showed, if nothing happened since

    # --- the document as a whole

    def start(self, length: int | None, caret: int | None, shown: Snapshot | None) -> None:
        """The document is opened; nothing of before is known any more."""
        self._run = TypingRun()
        self._known.forget()
        self.lost = False
        self.length, self.caret = length, caret
        self._view = shown
        if shown is not None:
            self._known.lay(shown)

    def end(self, reason: str, now: int) -> None:
        """The document is closed, replaced, or read no further: whatever is open closes."""
        self._settle_run()
        if self.lost:
            self._lose_all()
        self.gaps.advance(now)
        self.gaps.close_all(reason, now)

    def finish(self, last: int, now: int) -> None:
        """Nothing more happens after ``last``, as far as is known; time passes up to ``now``."""
        self._settle_run()
        if self.lost:
            self._lose_all()
        if self.sparse and self.gaps.last_opened is not None:
            # Nothing shows what became of the last request: not even that nothing did.
            self.gaps.forget(self.gaps.last_opened, last)
        self.gaps.advance(now)

    def lose(self, before: int, now: int) -> None:
        """Events are missing between two moments."""
        if not self.lost:
            self._settle_run()
            self.gaps.advance(before)
            self.lost, self._lost_at = True, now
            self._view = None

    def move(self, caret: int | None) -> None:
        """The caret moved."""
        if self._view is not None and caret != self._view.caret:
            self._view = None
        self.caret = caret

    def shows(self, snapshot: Snapshot) -> bool:
        """Whether the last event showed the very same, and every change is reported."""
        return self._view is not None and self._view.same(snapshot) and not self.sparse

    def place(self, prefix: str, suffix: str, now: int) -> Snapshot:
        """A snapshot from a client that sends no offsets: it gets our own, those of the text it was first seen in."""
        self._settle_run()
        known = self._known
        if self.length is None or not known.starts:
            return Snapshot(prefix, suffix, len(prefix), len(prefix) + len(suffix))
        found = align(known.starts[0], known.texts[0], self.length, self.caret or 0, prefix, suffix)
        if found is None:  # nothing in common with what was there: start over
            for gap in self.gaps.gaps():
                self.gaps.lose(gap, now)
            known.forget()
            return Snapshot(prefix, suffix, len(prefix), len(prefix) + len(suffix))
        window, both_ends = found
        if not both_ends:  # how long the document is now, is a guess
            for gap in self.gaps.gaps():
                gap.ambiguous = gap.ambiguous or not gap.reason
        return window

    def open(self, row: int, caret: int | None, now: int, user: int) -> Gap:
        """A request: an empty gap at ``caret``; None where its place is not known."""
        self._settle_run()
        if not self.lost:
            self.gaps.advance(now)
        self.caret = caret
        if caret is not None:
            return self.gaps.open(row, caret, now, user)
        gap = Gap(row, now, 0, user, 0)
        self.gaps.lose(gap, now)
        return gap

    # --- edits that are told

    def told(self, edits: list[Edit], now: int, by: int | None, after: int | None, from_outside: bool) -> None:
        """The edits of one event.

        Args:
            edits: ascending, apart from each other, offsets before the event.
            now: when.
            by: who, where that may be another than who asked.
            after: length of the document after them, if told.
            from_outside: not typed here: a reload.
        """
        if self.lost:
            return  # their place cannot be known until the document is seen again
        gaps, length = self.gaps, self.length
        if length is not None:
            grown = length
            for start, end, text in edits:
                grown += len(text) - (end - start)
            if (edits and edits[-1][1] > length) or (after is not None and after != grown):
                self.lose(now, now)
                return
            after = grown
        self.length = after
        self._view = None
        if gaps.due_at() <= now:
            self._settle_run()
            gaps.advance(now)
        one_stroke = by is None and len(edits) == 1 and not self._may_accept(edits[0][2])
        if one_stroke and self._run.take(edits[0], now):
            self.caret = None
            return
        self._settle_run()
        if from_outside and length and any(edit[:2] == (0, length) for edit in edits):
            gaps.close_all("replaced", now)
        reduced = [edit for edit in map(self._reduce, edits) if edit[1] > edit[0] or edit[2]]
        for start, end, text in reversed(reduced):
            self._known.apply(start, end, text)
        if reduced:
            gaps.edit(reduced, now, by)
            self._watch_display(reduced)
            self.caret = None

    def _reduce(self, edit: Edit) -> Edit:
        """Take off the common start of old and new text, then the common end, as far as the old text is known."""
        start, end, text = edit
        if end == start or not text:
            return edit
        at, known = self._known.around(start)
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
        at, known = self._known.around(end)
        old = known[max(start - at, 0) : end - at] if at <= end else ""
        tail = common_end(old, text)
        return start, end - tail, text[: len(text) - tail]

    # --- snapshots that are seen

    def seen(self, snapshot: Snapshot, now: int, by: int | None, sure: bool, one: bool | None) -> None:
        """The document looks like this now: find what changed since it was last known.

        Args:
            snapshot: what is seen.
            now: when.
            by: who changed it, where that may be another than who asked.
            sure: no change went unreported in between.
            one: whether a single event lies in between; None: not known.
        """
        view, self._view = self._view, snapshot
        if view is not None and sure and by is None and not self.gaps.unseen:
            edit, low, high = keystroke(view, snapshot)
            if low <= high:
                self._typed(edit, low, high, now)
                self._run.view = snapshot
                self.caret, self.length = snapshot.caret, snapshot.length
                return
        self._settle_run()
        self._see(snapshot, now, by, sure, one)

    def _typed(self, edit: Edit, low: int, high: int, now: int) -> None:
        """Something was typed or deleted at the caret, which may slide from ``low`` to ``high``."""
        run, start, text = self._run, edit[0], edit[2]
        if self.gaps.due_at() <= now:
            self._settle_run()
            self.gaps.advance(now)
        plain = not self._may_accept(text)
        if run.text and plain and high == start and (low == start or low > run.start) and run.take(edit, now):
            return
        self._settle_run()
        if low < high:
            for gap in self.gaps.edges(low, high):
                gap.doubted = True
        if text and plain:
            run.take(edit, now)
        else:
            self.gaps.edit([edit], now)
            self._known.apply(start, edit[1], text)
            self._watch_display([edit])

    def _see(self, snapshot: Snapshot, now: int, by: int | None, sure: bool, one: bool | None) -> None:
        gaps, known, length = self.gaps, self._known, self.length
        was_lost, self.lost = self.lost, False
        before, self.caret = self.caret, snapshot.caret
        if length is None or not known.starts:
            gaps.advance(now)
            for gap in gaps.gaps() if known.starts or length is None else []:
                gaps.lose(gap, now)
            self.length = snapshot.length
            known.forget()
            known.lay(snapshot)
            return
        at, text = known.around(max(min(snapshot.caret - max(snapshot.length - length, 0), length), 0))
        states = States(at, text, length, before, snapshot.start, snapshot.text, snapshot.length, snapshot.caret)
        derived = derive(states, one)
        if not (sure and derived.sure) or was_lost:
            gaps.doubts += 1
        if derived.slide is not None or derived.within is not None or was_lost:
            self._doubt(derived, was_lost, now)
        late = list(derived.edits)
        if self.sparse:
            late = self._early(derived, snapshot.caret, now)
        gaps.advance(now)
        if late:
            gaps.edit(late, now, by)
        if derived.edits:
            self._watch_display(derived.edits)
            if derived.within is not None:
                known.keep(*derived.within)
            for start, end, inserted in reversed(derived.edits):
                hidden = inserted.count(UNKNOWN)
                known.apply(start, end, inserted[hidden:])
                if hidden:
                    known.hide(start, hidden)
                    gaps.unseen = True
        gaps.advance(now)
        self.length = snapshot.length
        self.confirm(snapshot, now)

    def confirm(self, snapshot: Snapshot, now: int) -> None:
        """This is what the document looks like, and nothing changed."""
        self._settle_run()
        self.length, self.caret = snapshot.length, snapshot.caret
        self._view = snapshot
        self._seen_at = now
        self._known.lay(snapshot)
        if self.gaps.unseen:
            self.gaps.reveal(snapshot.start, snapshot.text)

    def _settle_run(self) -> None:
        """Apply what was held back."""
        run = self._run
        if run.text:
            start, text = run.start, run.text
            run.text = ""
            self.gaps.edit([(start, start, text)], run.began, ended=run.ended)
            self._known.apply(start, start, text)
        if run.view is not None:
            self._known.lay(run.view)
            run.view = None

    def _early(self, derived: Derived, caret: int, now: int) -> list[Edit]:
        """Apply what was typed at some time between two requests; what led to the later one is left for now.

        The edit that ends at the caret is the keystroke before the request. The others are taken for early, for people
        type right after they ask; where a gap in question was to close in between, nobody can tell.

        Returns:
            What is left, in offsets after the early ones.
        """
        early: list[Edit] = []
        late: list[Edit] = []
        grown = shift = 0
        for start, end, text in derived.edits:
            if not derived.blind and start + grown + len(text) == caret:
                late.append((start + shift, end + shift, text))
            else:
                early.append((start, end, text))
                shift += len(text) - (end - start)
            grown += len(text) - (end - start)
        found = False
        for gap, left, right in self.gaps.spans() if early or derived.blind else []:
            touched = derived.blind or any(start <= right and end >= left for start, end, _ in early)
            if touched and not gap.reason:
                gap.ambiguous = True
                found = found or self.gaps.due(gap) <= now
        if not found:
            return list(derived.edits)
        if early:
            self.gaps.edit(early, self._seen_at)
        return late

    def _doubt(self, derived: Derived, was_lost: bool, now: int) -> None:
        """Mark the open gaps for which what changed, or when, has two readings."""
        gaps, edits = self.gaps, derived.edits
        if derived.slide is not None:
            for gap in gaps.edges(*derived.slide):
                if derived.settled:
                    gap.doubted = True
                else:
                    gap.ambiguous = True
        if derived.within is None and not was_lost:
            return
        one_keystroke = derived.sure and len(edits) == 1 and edits[0][0] + len(edits[0][2]) == self.caret
        for gap, left, right in gaps.spans():
            if gap.reason:
                continue
            if derived.within is not None and (left < derived.within[0] or right > derived.within[1]):
                gap.ambiguous = True
            if was_lost and any(start <= right and end >= left for start, end, _ in edits):
                gap.ambiguous = gap.ambiguous or not one_keystroke
                if gaps.due(gap) <= now:
                    gaps.lose(gap, self._lost_at)

    def _may_accept(self, text: str) -> bool:
        """Whether an edit that inserts ``text`` has to be watched for being an accept."""
        gap = self.displayed
        if gap is None or not gap.proposal or len(text) < 2:
            return False
        return gap.proposal.endswith(text)

    def _watch_display(self, edits: list[Edit] | tuple[Edit, ...]) -> None:
        """Whether this edit puts the whole of the displayed proposal into its gap: an accept that nobody reported."""
        gap = self.displayed
        if gap is None:
            return
        if gap.dead or gap.reason:
            self.displayed = None
            return
        if gap.live and any(self._may_accept(text) for _, _, text in edits) and gap.content() == gap.proposal:
            gap.decided = "accepted"
            self.displayed = None

    def _lose_all(self) -> None:
        for gap in self.gaps.gaps():
            self.gaps.lose(gap, self._lost_at)
