"""Gaps of one document: opened at a caret, moved and filled by edits, closed by a policy.

What makes the cost grow with bytes instead of requests times edits:

- Gaps that overlap share one *island*: the text between the outermost of their edges. All of it was inserted after
  a request, so it is known without the document.
- The edges of an island are kept like the text of a gap buffer: those before the place of the last edit by distance
  from the island's start, those behind it by distance from its end. Typing moves none of them, a jump only those
  that it jumps over. The islands of a document are kept the same way.
- A gap whose edges lie on either side of the last edit is *live*: it was touched by every edit since it became so.
  When a gap was last edited is therefore known without visiting it.
- What is due next of each gap, its end or a checkpoint, lies in one heap; an end that was put off by an edit is found
  out when it comes up, not before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heappop, heappush
from typing import Final

from echo_ops.lifecycle.closing import SECOND, ClosingPolicy
from echo_ops.lifecycle.edits import Edit
from echo_ops.lifecycle.gap import UNKNOWN, Gap, Island, joined, write_down
from echo_ops.schema.lifecycles import CHECKPOINTS

_CHECKPOINTS: Final = [seconds * SECOND for seconds in CHECKPOINTS]
_NEVER: Final = 1 << 62


class Gaps:
    """All gaps of one document, as its events go by. Times are microseconds."""

    def __init__(self, policy: ClosingPolicy) -> None:
        self.policy = policy
        self.doubts = 0  # edits so far that were not told but inferred
        self.unseen = False  # something was inserted of which no window showed all
        self.last_edit = -1
        self.last_opened: Gap | None = None
        # What happened last is a matter of order, not of clocks, which may be coarse or run backwards: requests and
        # edits are counted, and this tells when each was.
        self._times: list[int] = []
        self._near: list[Island] = []  # up to the last edit, ascending, by absolute start
        self._far: list[Island] = []  # behind it, descending, by start minus ``_shift``
        self._shift = 0
        self._fresh: list[Gap] = []  # gaps of which the next edit nearby has to find out whether it touches them
        self._open: dict[Island, None] = {}  # islands with something that an edit elsewhere closes
        self._timers: list[tuple[int, int, Gap]] = []  # one of each
        self._timer = 0

    # --- opening

    def open(self, row: int, caret: int, now: int, user: int) -> Gap:
        """An empty gap at ``caret``."""
        self._times.append(now)
        gap = Gap(row, now, len(self._times) - 1, user, self.doubts)
        touched = self._touched(caret, caret)
        island = Island(caret) if not touched else touched[0]
        if len(touched) > 1:
            island = self._join(touched, caret, caret)
        self._near.append(island)
        gap.island = island
        self.last_opened = gap
        island.gaps[gap] = None
        island.place(gap, caret - island.start)
        if self.policy.outside_edit_closes:
            island.open.append(gap)
            self._open[island] = None
        if not gap.live:
            self._fresh.append(gap)
        self._schedule(gap, self.due(gap))
        return gap

    # --- time

    def due_at(self) -> int:
        """The first moment at which an end or a checkpoint may come due."""
        return self._timers[0][0] if self._timers else _NEVER

    def advance(self, now: int) -> None:
        """Let time pass up to ``now``: ends and checkpoints that come due are taken."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            at, _, gap = heappop(timers)
            if gap.dead:
                continue
            if gap.pending and gap.opened + _CHECKPOINTS[-gap.pending] <= at:
                gap.checkpoints[-gap.pending] = self._seen(gap)
                gap.pending -= 1
                self._release(gap)
            end = _NEVER if gap.reason else self.due(gap)
            if end <= at:
                self._close(gap, "idle", end)
                end = _NEVER
            if not gap.dead:
                self._schedule(gap, end)

    def _schedule(self, gap: Gap, end: int) -> None:
        """Look at it again when its next checkpoint is due, or at its ``end``, whichever is first."""
        due = min(end, gap.opened + _CHECKPOINTS[-gap.pending]) if gap.pending else end
        self._timer += 1
        heappush(self._timers, (due, self._timer, gap))

    def due(self, gap: Gap) -> int:
        """When the gap will close if nothing more happens."""
        if self.policy.idle_of == "document":
            last = max(gap.last, self.last_edit)
        else:
            last = max(gap.last, gap.island.last_edit) if gap.live else gap.last
        return self._times[last] + self.policy.idle

    # --- edits

    def edit(self, edits: list[Edit], now: int, by: int | None = None, ended: int | None = None) -> None:
        """Apply the edits of one event: simultaneous, ascending, reduced, and each of them a change.

        Args:
            edits: offsets are those before the event.
            now: when; ``advance`` comes first.
            by: who made it, where that may be another than who asked: in their gaps it ends the lifecycle.
            ended: when the last keystroke of it fell, if it took longer.
        """
        if len(edits) > 1 or by is not None:
            self._close_by(edits, now, by)
        self._times.append(now if ended is None else ended)
        self.last_edit = len(self._times) - 1
        if len(edits) == 1:
            start, end, text = edits[0]
            self._edit(start, end, text, now, True)
            return
        # Each belongs where it is in offsets before the event. Insertions go first: a deletion next to one could
        # bring it to an edge that it was not at.
        rest: list[Edit] = []
        inserted = 0
        for start, end, text in edits:
            if end > start:
                rest.append((start + inserted, end + inserted, text))
            else:
                inserted += len(text)
        for start, end, text in reversed(edits):
            if start == end:
                self._edit(start, start, text, now, False)
        for start, end, text in reversed(rest):
            self._edit(start, end, text, now, False)

    def gaps(self) -> list[Gap]:
        """Every gap that is still followed."""
        return [gap for island in (*self._near, *reversed(self._far)) for gap in island.gaps]

    def spans(self) -> list[tuple[Gap, int, int]]:
        """Every gap that is still followed, with the absolute offsets of its edges."""
        found = []
        for islands, shift in ((self._near, 0), (self._far, self._shift)):
            for island in islands:
                for gap in island.gaps:
                    start, end = gap.span()
                    found.append((gap, island.start + shift + start, island.start + shift + end))
        return found

    def edges(self, low: int, high: int) -> list[Gap]:
        """The open gaps that have an edge in ``[low, high]`` (absolute); those with both, twice."""
        found: list[Gap] = []
        for islands, shift in ((self._near, 0), (self._far, self._shift)):
            for island in reversed(islands):
                start = island.start + shift
                if start + len(island.text) >= low and start <= high:
                    found += island.edges(low - start, high - start)
                elif (islands is self._near and start < low) or (islands is self._far and start > high):
                    break
        return found

    def _close_by(self, edits: list[Edit], now: int, by: int | None) -> None:
        """Close what an event of several edits, or of somebody else, closes: before any of it is applied."""
        starts, ends = [start for start, _, _ in edits], [end for _, end, _ in edits]
        for gap, left, right in self.spans():
            # Those from ``first`` on begin in the gap or behind it, those up to ``past`` end in it or before it.
            first, past = bisect_left(starts, left), bisect_right(ends, right)
            if (first and ends[first - 1] > left) or (past < len(edits) and starts[past] < right):
                self._destroy(gap, "anchor_broken", now)
            elif first < past and by is not None and by != gap.user:
                self._destroy(gap, "replaced", now)
            elif (first > 0 or past < len(edits)) and self.policy.outside_edit_closes and not gap.reason:
                self._close(gap, "outside_edit", now)

    def _edit(self, start: int, end: int, text: str, now: int, alone: bool) -> None:
        touched = self._touched(start, end)
        strict = self.policy.outside_edit_closes and alone
        island: Island | None = None
        if touched:
            island = touched[0]
            if len(touched) > 1 or start < island.start or end > island.start + len(island.text):
                island = self._join(touched, start, end)
            at, stop = start - island.start, end - island.start
            broken, moved = island.part(at, stop)
            for gap in broken:
                self._destroy(gap, "anchor_broken", now)
            self._turn(moved, island, now, strict)
            if self._fresh:
                self._turn([gap for gap in self._fresh if gap.island is island], island, now, strict)
                self._fresh = [gap for gap in self._fresh if gap.island is not island and not gap.dead]
            swung = island.replace(at, stop, text)
            island.last_edit = self.last_edit
            for gap in swung:
                self._swing(gap)
            self._near.append(island)
        if strict:
            self._leave(island, now)
        self._shift += len(text) - (end - start)

    def _turn(self, gaps: list[Gap], island: Island, now: int, strict: bool) -> None:
        """Find out which of ``gaps`` the edit that is about to happen touches."""
        for gap in gaps:
            if gap.dead:
                continue
            live = gap.island is island and gap.left.in_left and not gap.right.in_left
            if gap.live and not live:
                gap.last = max(gap.last, gap.island.last_edit)
            gap.live = live
            if strict and not live and not gap.reason:
                self._close(gap, "outside_edit", now)

    def _swing(self, gap: Gap) -> None:
        """An edge changed sides by a deletion: what the next edit touches has to be found out anew."""
        live = gap.left.in_left and not gap.right.in_left
        if gap.live and not live:
            gap.last = max(gap.last, gap.island.last_edit)
        elif live and not gap.live:  # cannot be told from "touched" later: keep it apart
            live = False
        gap.live = live
        self._fresh.append(gap)

    def _leave(self, edited: Island | None, now: int) -> None:
        """Under a policy that closes at outside edits, close what other islands hold."""
        for island in [island for island in self._open if island is not edited]:
            for gap in island.open:
                if not gap.reason:
                    self._close(gap, "outside_edit", now)
            island.open.clear()
            del self._open[island]

    def _join(self, islands: list[Island], start: int, end: int) -> Island:
        """One island for several; which of its gaps are live, the next edit there finds out."""
        for island in islands:
            write_down(island)
        whole = joined(islands, start, end)
        self._fresh += whole.gaps
        if whole.open:
            self._open[whole] = None
        return whole

    def _touched(self, start: int, end: int) -> list[Island]:
        """Take out the islands that ``[start, end]`` touches, and part the others around it."""
        near, far, touched = self._near, self._far, []
        while near and near[-1].start + len(near[-1].text) >= start:
            island = near.pop()
            if not island.gaps:
                continue
            if island.start > end:
                island.start -= self._shift
                far.append(island)
            else:
                touched.append(island)
        touched.reverse()
        while far and far[-1].start + self._shift <= end:
            island = far.pop()
            if not island.gaps:
                continue
            island.start += self._shift
            (near if island.start + len(island.text) < start else touched).append(island)
        return touched

    # --- closing

    def close_all(self, reason: str, now: int) -> None:
        """The document ended: whatever is open closes with what it holds."""
        for gap in self.gaps():
            self._destroy(gap, reason, now)

    def lose(self, gap: Gap, now: int) -> None:
        """Events were lost and the gap could not be found again: what was committed cannot be known."""
        if not gap.reason:
            gap.reason, gap.closed_at, gap.committed = "events_lost", now, None
        self._drop(gap)

    def _seen(self, gap: Gap) -> str | None:
        content = gap.content()
        return None if self.unseen and UNKNOWN in content else content

    def reveal(self, start: int, text: str) -> None:
        """``text`` stands at ``start``: fill in what was inserted without being seen."""
        left = False
        for islands, shift in ((self._near, 0), (self._far, self._shift)):
            for island in islands:
                at = start - island.start - shift
                old = island.text
                if UNKNOWN in old:
                    low, high = max(at, 0), min(at + len(text), len(old))
                    if low < high:
                        island.text = f"{old[:low]}{text[low - at : high - at]}{old[high:]}"
                    left = left or UNKNOWN in island.text
        self.unseen = left

    def forget(self, gap: Gap, now: int) -> None:
        """The reading ends without the gap having been seen: what was committed cannot be known."""
        if not gap.reason:
            gap.reason, gap.closed_at, gap.committed = "horizon", now, None
        self._drop(gap)

    def _destroy(self, gap: Gap, reason: str, now: int) -> None:
        if gap.dead:
            return
        if not gap.reason:
            self._close(gap, reason, now)
        self._drop(gap)

    def _close(self, gap: Gap, reason: str, now: int) -> None:
        gap.reason, gap.closed_at, gap.committed = reason, now, self._seen(gap)
        gap.doubted = gap.doubted or self.doubts > gap.doubts
        self._release(gap)

    def _release(self, gap: Gap) -> None:
        if gap.reason and not gap.pending:
            self._drop(gap)

    def _drop(self, gap: Gap) -> None:
        gap.dead = True
        gap.island.gaps.pop(gap, None)
