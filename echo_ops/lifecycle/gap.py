"""One gap, and the island of text that gaps which overlap share (see ``gaps``)."""

from __future__ import annotations

from typing import Final

from echo_ops.schema.lifecycles import CHECKPOINTS

UNKNOWN: Final = "\0"
"""Stands for a character that is there but was never seen: no client sends a NUL (Postgres refuses it). In an island
it is text outside every gap, or the part of an insertion that no window showed yet."""


class Edge:
    """One side of a gap."""

    __slots__ = ("gap", "in_left", "is_right", "value")

    def __init__(self, gap: Gap, is_right: bool) -> None:
        self.gap = gap
        self.is_right = is_right
        self.in_left = True  # which stack of the island it is in
        self.value = 0  # distance from the island's start, or from its end


class Gap:
    """What is known of one request while its document is read."""

    __slots__ = (
        "ambiguous", "checkpoints", "closed_at", "committed", "dead", "decided", "doubted", "doubts", "island", "last",
        "left", "live", "opened", "pending", "proposal", "reason", "right", "row", "user",
    )  # fmt: skip

    def __init__(self, row: int, opened: int, tick: int, user: int, doubts: int) -> None:
        self.row = row
        self.opened = opened
        self.user = user
        self.doubts = doubts  # how many doubtful edits the document had seen when this opened
        self.doubted = False  # something in it or at its edges was not told but inferred
        self.ambiguous = False
        self.last = tick  # last edit in the gap, as far as it is not given by ``live``
        self.live = True
        self.dead = False  # no longer followed
        self.reason = ""  # empty while open
        self.closed_at = 0
        self.committed: str | None = None
        self.checkpoints: list[str | None] = [None] * len(CHECKPOINTS)
        self.pending = len(CHECKPOINTS)
        self.proposal: str | None = None
        self.decided: str | None = None
        self.left = Edge(self, False)
        self.right = Edge(self, True)
        self.island = NOWHERE

    def span(self) -> tuple[int, int]:
        """Offsets of both edges in the island."""
        size = len(self.island.text)
        left, right = self.left, self.right
        return (
            left.value if left.in_left else size - left.value,
            right.value if right.in_left else size - right.value,
        )

    def content(self) -> str:
        """What stands between the anchors now."""
        start, end = self.span()
        return self.island.text[start:end]

    def let_go(self) -> None:
        """Give up what leads back here, when the document is read: texts are then freed at once, not by a search."""
        self.island = NOWHERE
        self.left.gap = self.right.gap = NOBODY


class Island:
    """The text between the outermost edges of gaps that overlap or touch."""

    __slots__ = ("after", "before", "gaps", "last_edit", "open", "start", "text")

    def __init__(self, start: int) -> None:
        self.start = start
        self.text = ""
        self.before: list[Edge] = []  # ascending; the nearest to the last edit at the end
        self.after: list[Edge] = []  # descending
        self.gaps: dict[Gap, None] = {}  # a set that keeps its order
        self.open: list[Gap] = []  # those that an edit elsewhere closes
        self.last_edit = -1

    def place(self, gap: Gap, offset: int) -> None:
        """Put both edges of an empty gap at ``offset``."""
        size, before, after = len(self.text), self.before, self.after
        if after and size - after[-1].value < offset:
            gap.live = False
            at = len(after)
            while at and size - after[at - 1].value < offset:
                at -= 1
            # outwards from the last edit, left edges come before right ones of the same place
            while at and size - after[at - 1].value == offset and not after[at - 1].is_right:
                at -= 1
            for edge in (gap.right, gap.left):
                edge.in_left, edge.value = False, size - offset
            after[at:at] = (gap.right, gap.left)
            return
        at = len(before)
        while at and (before[at - 1].value > offset or (before[at - 1].value == offset and before[at - 1].is_right)):
            at -= 1
        gap.left.value = offset
        if before and before[-1].value > offset:
            gap.live = False
            gap.right.value = offset
            before[at:at] = (gap.left, gap.right)
            return
        before.insert(at, gap.left)
        at = len(after)
        while at and size - after[at - 1].value == offset and not after[at - 1].is_right:
            at -= 1
        gap.right.in_left, gap.right.value = False, size - offset
        after.insert(at, gap.right)

    def part(self, start: int, end: int) -> tuple[list[Gap], list[Gap]]:
        """Move the place of the last edit to ``[start, end)``.

        Returns:
            The gaps that have an edge strictly inside, and those of which an edge changed sides.
        """
        size, before, after = len(self.text), self.before, self.after
        broken: list[Gap] = []
        moved: list[Gap] = []
        inserts = start == end
        while before:
            edge = before[-1]
            offset = edge.value
            if offset < start or (offset == start and not (inserts and edge.is_right)):
                break
            before.pop()
            if edge.gap.dead:
                continue
            if offset < end:
                broken.append(edge.gap)
                continue
            edge.in_left, edge.value = False, size - offset
            after.append(edge)
            moved.append(edge.gap)
        while after:
            edge = after[-1]
            offset = size - edge.value
            if offset > end or (offset == end and not (inserts and not edge.is_right)):
                break
            after.pop()
            if edge.gap.dead:
                continue
            if offset > start:
                broken.append(edge.gap)
                continue
            edge.in_left, edge.value = True, offset
            before.append(edge)
            moved.append(edge.gap)
        return broken, moved

    def replace(self, start: int, end: int, text: str) -> list[Gap]:
        """Change the text where ``part`` was just called; gives the gaps of which an edge changed sides by it."""
        old = self.text
        self.text = f"{old[:start]}{text}{old[end:]}"
        if text or not self.before or not self.after or self.before[-1].value != start:
            return []
        # A deletion brought edges of both sides to one place: left edges must come first again.
        size = len(self.text)
        if size - self.after[-1].value != start:
            return []
        run: list[Edge] = []
        while self.before and self.before[-1].value == start and self.before[-1].in_left:
            run.append(self.before.pop())
        run.reverse()
        while self.after and size - self.after[-1].value == start:
            run.append(self.after.pop())
        for edge in run:
            edge.in_left, edge.value = True, start
        self.before += [edge for edge in run if not edge.is_right] + [edge for edge in run if edge.is_right]
        return [edge.gap for edge in run]

    def edges(self, low: int, high: int) -> list[Gap]:
        """The open gap of each edge in ``[low, high]``, looked up from the place of the last edit outwards."""
        found: list[Gap] = []
        size = len(self.text)
        for edge in reversed(self.before):
            if edge.value < low:
                break
            if edge.value <= high and not edge.gap.reason:
                found.append(edge.gap)
        for edge in reversed(self.after):
            if size - edge.value > high:
                break
            if size - edge.value >= low and not edge.gap.reason:
                found.append(edge.gap)
        return found


NOWHERE: Final = Island(0)
"""Where a gap is whose place was never known."""

NOBODY: Final = Gap(-1, 0, 0, -1, 0)
"""Whose the edges are of gaps that were let go."""


def write_down(island: Island) -> None:
    """Write down when each gap was last edited, before its island becomes part of another."""
    for gap in island.gaps:
        if gap.live:
            gap.last = max(gap.last, island.last_edit)
            gap.live = False


def joined(islands: list[Island], start: int, end: int) -> Island:
    """One island for several, wide enough for ``[start, end]``."""
    low = min(start, islands[0].start)
    high = max(end, islands[-1].start + len(islands[-1].text))
    whole = Island(low)
    pieces: list[str] = []
    at = low
    edges: list[tuple[int, bool, int, Edge]] = []
    for island in islands:
        pieces.append(UNKNOWN * (island.start - at))
        pieces.append(island.text)
        at = island.start + len(island.text)
        whole.last_edit = max(whole.last_edit, island.last_edit)
        whole.open += island.open
        island.open = []
        for gap in island.gaps:
            whole.gaps[gap] = None
            left, right = gap.span()
            for offset, edge in ((left, gap.left), (right, gap.right)):
                edges.append((offset + island.start - low, edge.is_right, len(edges), edge))
    pieces.append(UNKNOWN * (high - at))
    whole.text = "".join(pieces)
    edges.sort(key=lambda edge: edge[:3])
    for gap in whole.gaps:
        gap.island = whole
    for offset, _, _, edge in edges:
        edge.in_left, edge.value = True, offset
        whole.before.append(edge)
    return whole
