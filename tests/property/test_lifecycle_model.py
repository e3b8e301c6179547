"""A slow and simple model of a document, beside the real reconstruction.

The model holds whole documents and looks at every gap at every edit, in the words of docs/concepts/lifecycle.md.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import CHECKPOINTS

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
COLUMNS = ["request_id", "committed", "close_reason", "closed_at", *(f"committed_{s}s" for s in CHECKPOINTS)]


@dataclass
class ModelGap:
    request_id: str
    opened: float
    start: int
    end: int
    last: float
    text: str | None = ""  # None: destroyed
    closed: tuple[str, str, float] | None = None  # committed, reason, at
    checkpoints: dict[int, str | None] = field(default_factory=dict)


@dataclass
class Model:
    """One document, whole."""

    policy: str
    text: str
    gaps: list[ModelGap] = field(default_factory=list)
    last_edit: float = float("-inf")

    def advance(self, now: float) -> None:
        for gap in self.gaps:
            if gap.text is None:
                continue
            due = gap.last + 30 if self.policy == "default" else max(gap.opened, self.last_edit) + 300
            if gap.closed is None and due <= now:
                gap.closed = (gap.text, "idle", due)
            for seconds in CHECKPOINTS:
                if gap.opened + seconds <= now and seconds not in gap.checkpoints:
                    gap.checkpoints[seconds] = gap.text

    def close(self, gap: ModelGap, reason: str, now: float) -> None:
        if gap.closed is None:
            assert gap.text is not None
            gap.closed = (gap.text, reason, now)

    def edit(self, edits: list[tuple[int, int, str]], now: float) -> None:
        edits = [edit for edit in map(self.reduced, edits) if edit[0] < edit[1] or edit[2]]
        if not edits:
            return
        for gap in self.gaps:
            if gap.text is None:
                continue
            kinds = {self.relation(gap, edit) for edit in edits}
            if "broken" in kinds:
                self.close(gap, "anchor_broken", now)
                gap.text = None
                continue
            if "outside" in kinds and self.policy == "strict":
                self.close(gap, "outside_edit", now)
            if "inside" in kinds:
                gap.last = now
        for gap in self.gaps:
            inside = [edit for edit in edits if self.relation(gap, edit) == "inside"]
            before = [edit for edit in edits if edit not in inside and edit[1] <= gap.start]
            gap.end += sum(map(self.growth, inside + before))
            gap.start += sum(map(self.growth, before))
        for start, end, text in reversed(edits):
            self.text = self.text[:start] + text + self.text[end:]
        for gap in self.gaps:
            if gap.text is not None:
                gap.text = self.text[gap.start : gap.end]
        self.last_edit = now

    def reduced(self, edit: tuple[int, int, str]) -> tuple[int, int, str]:
        start, end, text = edit
        while start < end and text and self.text[start] == text[0]:
            start, text = start + 1, text[1:]
        while start < end and text and self.text[end - 1] == text[-1]:
            end, text = end - 1, text[:-1]
        return start, end, text

    def reads_as_one(self, edits: list[tuple[int, int, str]]) -> bool:
        """Whether all of them together look like one insertion or deletion."""
        before = after = self.text
        for start, end, text in reversed(edits):
            after = after[:start] + text + after[end:]
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
        tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before[::-1], after[::-1], strict=False)))
        return same + tail >= min(len(before), len(after))

    @staticmethod
    def growth(edit: tuple[int, int, str]) -> int:
        return len(edit[2]) - (edit[1] - edit[0])

    @staticmethod
    def relation(gap: ModelGap, edit: tuple[int, int, str]) -> str:
        start, end, _ = edit
        if gap.start <= start and end <= gap.end:
            return "inside"
        if start < gap.start < end or start < gap.end < end:
            return "broken"
        return "outside"

    def finish(self, reason: str | None, now: float) -> None:
        if reason is None:
            self.advance(float("inf"))
            return
        self.advance(now)
        for gap in self.gaps:
            if gap.text is not None:
                self.close(gap, reason, now)
                gap.text = None


@dataclass
class Story:
    rows: list[dict[str, object]]
    expected: dict[str, dict[str, object]]


PIECES = st.text(st.sampled_from("ab\n 😀é"), max_size=4)
WAITS = st.sampled_from([0.01, 0.2, 1.0, 5.0, 29.0, 31.0, 100.0, 280.0, 301.0])


@st.composite
def stories(draw: st.DrawFn, policy: str, unit: str, window: int | None, snapshots: bool = False) -> Story:
    """Events of one to three documents, and the lifecycles that the model makes of them."""
    rows: list[dict[str, object]] = []
    expected: dict[str, dict[str, object]] = {}
    for number in range(draw(st.integers(1, 3))):
        document = f"document-{number}"
        model = Model(policy, draw(st.text(st.sampled_from("ab\n 😀é"), max_size=30)))
        now, seq, version = 0.0, 0, 0
        cursor = 0  # where typing goes on
        rows.append(row(document, seq, "opened", now, version=version, document_length=size(model.text, unit)))
        seq, version = 1, 1
        # a client that reports its changes has to be seen to do so: without any, a request's end cannot be known
        rows.append(row(document, 1, "changed", now, edits="[]", version=1, document_length=size(model.text, unit)))
        for _ in range(draw(st.integers(1, 25))):
            now += draw(WAITS)
            seq += 1
            model.advance(now)
            kind = draw(st.sampled_from(["requested", "changed", "changed", "typed", "typed", "selection_changed"]))
            if kind == "requested":
                caret = draw(st.sampled_from([cursor, draw(st.integers(0, len(model.text)))]))
                cursor = caret
                request = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{document}/{seq}"))
                prefix, suffix = model.text[:caret], model.text[caret:]
                if window is not None:
                    prefix, suffix = prefix[max(len(prefix) - window, 0) :], suffix[:window]
                model.gaps.append(ModelGap(request, now, caret, caret, now))
                rows.append(
                    row(
                        document,
                        seq,
                        kind,
                        now,
                        request_id=request,
                        prefix=prefix,
                        suffix=suffix,
                        version=version,
                        caret=size(model.text[:caret], unit),
                        document_length=size(model.text, unit),
                        offset_unit=unit,
                    )
                )
            elif kind in ("changed", "typed"):
                if kind == "typed":
                    letter = draw(st.sampled_from(["a", "b", "😀", ""]))
                    edits = [(cursor, cursor, letter) if letter or not cursor else (cursor - 1, cursor, "")]
                else:
                    cuts = sorted(draw(st.lists(st.integers(0, len(model.text)), min_size=2, max_size=6)))
                    edits = [(a, b, draw(PIECES)) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
                if window is not None:  # what can be reduced depends on what is known: leave nothing to reduce
                    edits = [(a, b, "" if b > a else text) for a, b, text in edits]
                cursor = edits[0][0] + len(edits[0][2])
                if snapshots and model.reads_as_one(edits):
                    edits = edits[:1]  # no snapshot could tell them from a single insertion or deletion
                told = [[size(model.text[:a], unit), size(model.text[:b], unit), text] for a, b, text in edits]
                model.edit(edits, now)
                version += 1
                if snapshots:
                    start, _, text = edits[-1]
                    caret = min(start + len(text) + draw(st.sampled_from([0, 0, 0, -1, 3])), len(model.text))
                    shown = row(document, seq, "changed", now, version=version, caret=max(caret, 0))
                    shown |= {"prefix": model.text[: max(caret, 0)], "suffix": model.text[max(caret, 0) :]}
                    rows.append(shown | {"document_length": len(model.text)})
                    continue
                rows.append(
                    row(
                        document,
                        seq,
                        "changed",
                        now,
                        edits=json.dumps(told),
                        version=version,
                        document_length=size(model.text, unit),
                        offset_unit=unit,
                    )
                )
            else:
                rows.append(row(document, seq, kind, now, version=version, caret=0, offset_unit=unit))
        closed = draw(st.booleans())
        if closed:
            now += draw(WAITS)
            rows.append(row(document, seq + 1, "closed", now, version=version))
        model.finish("document_closed" if closed else None, now)
        for gap in model.gaps:
            assert gap.closed is not None
            expected[gap.request_id] = {
                "request_id": gap.request_id,
                "committed": gap.closed[0],
                "close_reason": gap.closed[1],
                "closed_at": at(gap.closed[2]),
                **{f"committed_{s}s": gap.checkpoints.get(s) for s in CHECKPOINTS},
            }
    return Story(rows, expected)


def at(seconds: float) -> datetime:
    return START + timedelta(microseconds=round(seconds * 1_000_000))


def size(text: str, unit: str) -> int:
    if unit == "utf-16":
        return len(text.encode("utf-16-le")) // 2
    return len(text.encode()) if unit == "utf-8" else len(text)


def row(document: str, seq: int, kind: str, now: float, **more: object) -> dict[str, object]:
    return {
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document}/{seq}")),
        "kind": kind,
        "occurred_at": at(now),
        "received_at": at(now),
        "user_id": "user",
        "session_id": "session",
        "document_id": document,
        "seq": seq,
        "offset_unit": "code-point",
        **more,
    }


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=EVENTS)


def by_request(lifecycles: pa.Table) -> dict[str, dict[str, object]]:
    return {str(one["request_id"]): one for one in lifecycles.select(COLUMNS).to_pylist()}


SLOW = settings(
    max_examples=50,
    deadline=None,
    derandomize=not os.environ.get("ECHO_RANDOM_TESTS"),
    suppress_health_check=list(HealthCheck),
)


@SLOW
@given(st.data(), st.sampled_from(["default", "strict"]), st.sampled_from(["code-point", "utf-16", "utf-8"]))
def test_edits_give_what_the_model_gives(data: st.DataObject, policy: str, unit: str) -> None:
    story = data.draw(stories(policy, unit, None))
    found = reconstruct(table(story.rows), policy=policy)
    assert by_request(found) == story.expected
    assert set(found["confidence"].to_pylist()) <= {"exact", "inferred"}


@SLOW
@given(st.data(), st.sampled_from(["default", "strict"]), st.integers(0, 3))
def test_windows_suffice(data: st.DataObject, policy: str, window: int) -> None:
    story = data.draw(stories(policy, "code-point", window))
    assert by_request(reconstruct(table(story.rows), policy=policy)) == story.expected


@settings(SLOW, max_examples=25)
@given(st.data(), st.sampled_from(["default", "strict"]), st.booleans())
def test_order_repeats_and_shards_change_nothing(data: st.DataObject, policy: str, snapshots: bool) -> None:
    story = data.draw(stories(policy, "code-point" if snapshots else "utf-16", None, snapshots))
    whole = reconstruct(table(story.rows), policy=policy)
    repeats = data.draw(st.lists(st.sampled_from(story.rows), max_size=8))
    mixed = data.draw(st.permutations(story.rows + repeats))
    assert reconstruct(table(mixed), policy=policy).equals(whole)
    shards: dict[int, list[dict[str, object]]] = {0: [], 1: []}
    for one in mixed:
        shards[int(str(one["document_id"])[-1]) % 2].append(one)
    parts = pa.concat_tables([reconstruct(table(rows), policy=policy) for rows in shards.values()])
    order = [("requested_at", "ascending"), ("request_id", "ascending")]
    assert parts.sort_by(order).combine_chunks().equals(whole)


@SLOW
@given(st.data(), st.sampled_from(["default", "strict"]))
def test_lost_events_never_make_an_exact_lie(data: st.DataObject, policy: str) -> None:
    story = data.draw(stories(policy, "code-point", None))
    last = {one["document_id"]: one["seq"] for one in story.rows}  # a loss that nothing follows leaves no hole
    kept = [
        one
        for one in story.rows
        if one["kind"] == "opened" or one["seq"] == last[one["document_id"]] or data.draw(st.integers(0, 5))
    ]
    _expect_no_exact_lie(story, reconstruct(table(kept), policy=policy))


@SLOW
@given(st.data(), st.sampled_from(["default", "strict"]))
def test_snapshots_never_make_an_exact_lie(data: st.DataObject, policy: str) -> None:
    story = data.draw(stories(policy, "code-point", None, snapshots=True))
    _expect_no_exact_lie(story, reconstruct(table(story.rows), policy=policy))


def _expect_no_exact_lie(story: Story, found: pa.Table) -> None:
    for one in found.to_pylist():
        expected = story.expected[one["request_id"]]["committed"]
        assert one["confidence"] != "exact" or one["committed"] == expected, one
