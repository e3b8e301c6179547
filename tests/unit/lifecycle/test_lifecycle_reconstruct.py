"""The cases of docs/concepts/lifecycle.md, one by one."""

from __future__ import annotations

import gc
import json
import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from echo_ops.errors import InputError, SchemaError
from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.schema.events import EVENTS
from echo_ops.schema.lifecycles import LIFECYCLES

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Editor:
    """Writes events of one document as a client would."""

    def __init__(
        self, text: str = "", document: str = "d", session: str = "s", user: str = "u", unit: str = "code-point"
    ):
        self.text, self.now, self.seq, self.version, self.unit = text, 0.0, 0, 0, unit
        self.common = {"document_id": document, "session_id": session, "user_id": user, "offset_unit": unit}
        self.rows: list[dict[str, object]] = []
        self.event("opened", document_length=self.size(text))

    def size(self, text: str) -> int:
        return len(text.encode("utf-16-le")) // 2 if self.unit == "utf-16" else len(text)

    def event(self, kind: str, wait: float = 0.0, **more: object) -> None:
        self.now += wait
        told: dict[str, object] = {
            "event_id": str(uuid.uuid4()), "kind": kind, "occurred_at": at(self.now), "received_at": at(self.now),
            "seq": self.seq, "version": self.version, **self.common, **more,
        }  # fmt: skip
        self.rows.append(told)
        self.seq += 1

    def change(self, *edits: tuple[int, int, str], wait: float = 1.0, **more: object) -> None:
        told = [[self.size(self.text[:a]), self.size(self.text[:b]), text] for a, b, text in edits]
        for start, end, text in sorted(edits, reverse=True):
            self.text = self.text[:start] + text + self.text[end:]
        self.version += 1
        self.event("changed", wait, **{"edits": json.dumps(told), "document_length": self.size(self.text), **more})

    def show(self, caret: int, wait: float = 1.0) -> None:
        """The state as a snapshot, after ``text`` was set."""
        self.version += 1
        self.event("changed", wait, **self.window(caret))

    def request(self, place: int, name: str = "r", wait: float = 1.0, **more: object) -> None:
        self.event("requested", wait, request_id=name, **{**self.window(place), **more})

    def window(self, caret: int) -> dict[str, object]:
        return {
            "prefix": self.text[:caret], "suffix": self.text[caret:], "caret": self.size(self.text[:caret]),
            "document_length": self.size(self.text),
        }  # fmt: skip

    def lifecycles(self, policy: str = "default", **how: object) -> dict[str, dict[str, object]]:
        table = pa.Table.from_pylist(self.rows, schema=EVENTS)
        return {str(one["request_id"]): one for one in reconstruct(table, policy=policy, **how).to_pylist()}  # type: ignore[arg-type]

    def only(self, policy: str = "default", **how: object) -> dict[str, object]:
        (one,) = self.lifecycles(policy, **how).values()
        return one


CASES: list[tuple[str, str, int, list[list[tuple[int, int, str]]], str, str]] = [
    ("nothing typed", "ab", 1, [], "", "idle"),
    ("typed", "ab", 1, [[(1, 1, "x")], [(2, 2, "y")]], "xy", "idle"),
    ("typed and deleted", "ab", 1, [[(1, 1, "x")], [(1, 2, "")]], "", "idle"),
    ("accept through brackets", "f()", 2, [[(0, 3, "f(x)")]], "x", "idle"),
    ("accept from the line's start", "  re", 4, [[(0, 4, "  return 1")]], "turn 1", "idle"),
    ("auto-closed bracket typed over", "f", 1, [[(1, 1, "()")], [(1, 3, "()")]], "()", "idle"),
    ("backspace into the prefix", "ab", 2, [[(1, 2, "")]], "", "idle"),
    ("backspace and retype", "ab", 2, [[(1, 2, "")], [(1, 1, "c")]], "c", "idle"),
    ("deletion over the edge", "abcd", 2, [[(2, 2, "xy")], [(1, 3, "")]], "xy", "anchor_broken"),
    ("several at once", "a\nb", 3, [[(0, 0, "import\n"), (3, 3, "x")]], "x", "idle"),
    ("trimmed on Enter", "a\n  ", 4, [[(2, 4, ""), (4, 4, "\n  ")]], "\n  ", "idle"),
    ("empty suffix at the end", "ab", 2, [[(2, 2, "\n")]], "\n", "idle"),
    ("elsewhere before", "abcd", 3, [[(0, 1, "")], [(2, 2, "x")]], "x", "idle"),
]


@pytest.mark.parametrize(
    ("text", "caret", "changes", "committed", "reason"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_cases_from_edits(
    text: str, caret: int, changes: list[list[tuple[int, int, str]]], committed: str, reason: str
) -> None:
    editor = Editor(text)
    editor.change(wait=0.0)
    editor.request(caret)
    for change in changes:
        editor.change(*change)
    one = editor.only()
    assert (one["committed"], one["close_reason"], one["confidence"], one["evidence"]) == (
        committed,
        reason,
        "exact",
        "edits",
    )


def test_policies_part_at_an_edit_elsewhere() -> None:
    editor = Editor("abcd")
    editor.request(4)
    editor.change((4, 4, "x"))
    editor.change((0, 0, "#"))
    editor.change((6, 6, "y"))
    assert editor.only("default")["committed"] == "xy"
    strict = editor.only("strict")
    assert (strict["committed"], strict["close_reason"], strict["closed_at"]) == ("x", "outside_edit", at(3))


def test_idle_counts_from_the_last_edit_in_the_gap() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"), wait=29)
    editor.change((2, 2, "y"), wait=31)
    one = editor.only()
    assert (one["committed"], one["closed_at"]) == ("x", at(60))
    assert [one[f"committed_{s}s"] for s in (30, 120, 300, 600)] == ["x", "xy", "xy", "xy"]


def test_checkpoints_after_a_broken_anchor_are_unknown() -> None:
    editor = Editor("abcd")
    editor.request(2)
    editor.change((2, 2, "x"))
    editor.change((1, 4, ""), wait=60)
    one = editor.only()
    assert [one[f"committed_{s}s"] for s in (30, 120, 300, 600)] == ["x", None, None, None]


def test_the_document_is_closed_or_replaced() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"))
    editor.event("closed", 1.0)
    assert (editor.only()["committed"], editor.only()["close_reason"]) == ("x", "document_closed")
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"))
    editor.change((0, 3, "other"), cause="external")
    assert (editor.only()["committed"], editor.only()["close_reason"]) == ("x", "replaced")


def test_what_somebody_else_writes_into_a_gap_ends_it() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "mine"))
    editor.change((5, 5, "theirs"), user_id="somebody")
    one = editor.only()
    assert (one["committed"], one["close_reason"]) == ("mine", "replaced")


def test_two_sessions_in_one_document_are_read_apart() -> None:
    one, other = Editor("ab", session="s1"), Editor("ab", session="s2")
    for editor, name in ((one, "r1"), (other, "r2")):
        editor.change(wait=0.0)
        editor.request(1, name)
        editor.change((1, 1, name))
    one.rows += other.rows
    assert {name: found["committed"] for name, found in one.lifecycles().items()} == {"r1": "r1", "r2": "r2"}


def test_the_horizon_leaves_open_what_it_cuts() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"))
    one = editor.only(horizon=at(20))
    assert (one["close_reason"], one["closed_at"], one["committed_30s"]) == ("horizon", at(20), None)
    assert editor.only(horizon=at(40))["close_reason"] == "idle"


def test_requests_outside_the_window_are_not_given_out() -> None:
    editor = Editor("ab")
    editor.request(1, "early")
    editor.request(1, "late", wait=10)
    assert list(editor.lifecycles(received=(at(5), at(12)))) == ["late"]
    assert list(editor.lifecycles(received=(at(1), at(11)))) == ["early"]


def test_a_hole_loses_the_gap() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"))
    editor.change((2, 2, "y"))
    editor.change((3, 3, "z"))
    del editor.rows[3]
    one = editor.only()
    assert (one["committed"], one["close_reason"]) == (None, "events_lost")


def test_a_hole_without_a_change_is_none() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.event("selection_changed", caret=1)
    editor.change((1, 1, "x"))
    del editor.rows[2]
    assert (editor.only()["committed"], editor.only()["confidence"]) == ("x", "exact")


def test_a_later_snapshot_confirms_what_a_hole_left() -> None:
    text = "".join(f"line {n}\n" for n in range(100))
    editor = Editor(text)
    editor.request(400)
    editor.change((400, 400, "x"))
    editor.change((401, 401, "y"))
    editor.change((402, 402, "z"))
    editor.request(403, "later")
    editor.change((403, 403, "!"))
    del editor.rows[3]
    found = editor.lifecycles()["r"]
    assert (found["committed"], found["confidence"]) == ("xyz!", "inferred")


def test_a_row_that_cannot_be_used_is_a_lost_event() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"))
    editor.change((2, 2, "y"), edits="nonsense")
    assert editor.only()["close_reason"] == "events_lost"


def test_clocks_that_run_backwards() -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.change((1, 1, "x"))
    editor.now -= 3600
    editor.change((2, 2, "y"))
    one = editor.only()
    assert one["committed"] == "xy"
    assert one["closed_at"] == at(32)  # time stood still while the clock was set back


def test_utf_16_offsets_beside_an_emoji() -> None:
    editor = Editor("😀 = f()\r\n", unit="utf-16")
    editor.request(6)
    editor.change((6, 6, "😀"))
    editor.change((0, 1, "y"))
    one = editor.only()
    assert (one["committed"], one["confidence"]) == ("😀", "exact")


def test_two_editors_in_one_document_may_count_in_different_units() -> None:
    one, other = Editor("😀 = f()", session="s1", unit="utf-16"), Editor("😀 = f()", session="s2")
    for editor, name in ((one, "r1"), (other, "r2")):
        editor.request(6, name)
        editor.change((6, 6, name))
    other.rows = one.rows + other.rows
    found = other.lifecycles()
    assert {name: (row["committed"], row["confidence"]) for name, row in found.items()} == {
        "r1": ("r1", "exact"), "r2": ("r2", "exact"),
    }  # fmt: skip


def test_snapshots_find_what_was_typed() -> None:
    editor = Editor("x = \nfoo\n" * 40)
    editor.show(4, wait=0.0)
    editor.request(4)
    for typed in ("1", "12", "123"):
        editor.text = "x = " + typed + "\nfoo\n" + "x = \nfoo\n" * 39
        editor.show(4 + len(typed))
    one = editor.only()
    assert (one["committed"], one["evidence"], one["confidence"]) == ("123", "snapshots", "exact")


def test_a_line_copied_at_the_gap_is_ambiguous() -> None:
    text = "".join(f"line {n:03}\n" for n in range(50))
    editor = Editor(text)
    editor.show(90, wait=0.0)
    editor.request(90)
    editor.text = text[:90] + text[81:90] + text[90:]
    editor.show(0)
    assert editor.only()["confidence"] == "ambiguous"


@pytest.mark.parametrize("offsets", [True, False])
def test_requests_alone(offsets: bool) -> None:
    none: dict[str, object] = {} if offsets else {"caret": None, "document_length": None}
    editor = Editor("".join(f"line {n}\n" for n in range(100)))
    editor.request(400, "one", **none)
    editor.text = editor.text[:400] + "abc" + editor.text[400:]
    editor.version += 1
    editor.request(403, "two", **none)
    found = editor.lifecycles()
    assert (found["one"]["committed"], found["one"]["confidence"]) == ("abc", "inferred")
    assert (found["two"]["committed"], found["two"]["close_reason"]) == (None, "horizon")


def test_decisions() -> None:
    editor = Editor("ab")
    editor.change(wait=0.0)
    editor.request(1, "silent", wait=100)
    editor.request(1, "told", wait=100)
    editor.event("shown", 0.1, request_id="told", proposal="xyz", replace_start=1, replace_end=1)
    editor.event("partially_accepted", 0.1, request_id="told")
    editor.change((1, 1, "xy"))
    editor.request(3, "inferred", wait=100)
    editor.event("shown", 0.1, request_id="inferred", proposal="axyLONGb", replace_start=0, replace_end=4)
    editor.change((0, 4, "axyLONGb"))
    editor.request(7, "ignored", wait=100)
    editor.event("shown", 0.1, request_id="ignored", proposal="no")
    found = editor.lifecycles()
    assert {name: one["decision"] for name, one in found.items()} == {
        "silent": "not_shown", "told": "partially_accepted", "inferred": "accepted", "ignored": "ignored",
    }  # fmt: skip
    assert (found["told"]["kept_rate"], found["inferred"]["kept_rate"]) == (pytest.approx(2 / 3), 1.0)
    assert (found["inferred"]["proposal"], found["silent"]["kept_rate"]) == ("LONG", None)


@pytest.mark.parametrize("told", [True, False], ids=["edits", "snapshots"])
def test_an_accept_that_nobody_reported_after_words_typed_of_it(told: bool) -> None:
    editor = Editor("".join(f"line {n:03}\n" for n in range(50)))
    editor.show(90, wait=0.0)
    editor.request(90)
    editor.event("shown", 0.1, request_id="r", proposal="return value", replace_start=90, replace_end=90)
    at = 90
    for word in ("re", "tu", "rn", " ", "value"):
        if told:
            editor.change((at, at, word))
        else:
            editor.text = editor.text[:at] + word + editor.text[at:]
            editor.show(at + len(word))
        at += len(word)
        assert editor.only()["decision"] == ("accepted" if word == "value" else "ignored")
    assert (editor.only()["committed"], editor.only()["confidence"]) == ("return value", "exact")


def test_words_that_repeat_each_other_are_exact_while_a_proposal_is_shown() -> None:
    editor = Editor("".join(f"line {n:03}\n" for n in range(50)))
    editor.show(90, wait=0.0)
    editor.request(90)
    editor.event("shown", 0.1, request_id="r", proposal="nothing of it", replace_start=90, replace_end=90)
    at = 90
    for word in ("o", "ha", "ha", "ha"):  # which could slide over one another, but not over an edge of the gap
        editor.text = editor.text[:at] + word + editor.text[at:]
        at += len(word)
        editor.show(at)
    one = editor.only()
    assert (one["committed"], one["decision"], one["confidence"]) == ("ohahaha", "ignored", "exact")


def test_requests_that_overlap_share_one_commit() -> None:
    editor = Editor("ab")
    editor.request(1, "one")
    editor.change((1, 1, "x"))
    editor.request(2, "two")
    editor.change((2, 2, "yz"))
    assert {name: one["committed"] for name, one in editor.lifecycles().items()} == {"one": "xyz", "two": "yz"}


def test_what_was_read_is_freed_without_a_search_for_cycles() -> None:
    editor = Editor("ab" * 100)
    for number in range(50):
        editor.request(number, f"r{number}")
        editor.change((number, number, "x"))
    gc.collect()
    gc.disable()
    try:
        assert len(editor.lifecycles()) == 50
        assert gc.collect() < 50
        assert not gc.isenabled()
    finally:
        gc.enable()
    editor.lifecycles()
    assert gc.isenabled()


def test_an_empty_table_and_bad_input() -> None:
    assert reconstruct(EVENTS.empty_table()).schema == LIFECYCLES
    with pytest.raises(InputError, match="lenient"):
        reconstruct(EVENTS.empty_table(), policy="lenient")
    with pytest.raises(SchemaError, match="seq"):
        reconstruct(EVENTS.empty_table().drop_columns(["seq"]))


@pytest.mark.parametrize(("name", "word"), [("offset_unit", "utf16"), ("kind", "paused")])
def test_a_word_that_nobody_knows_is_refused(name: str, word: str) -> None:
    editor = Editor("ab")
    editor.request(1)
    editor.rows[-1][name] = word
    with pytest.raises(InputError, match=f"{name} is '{word}' in 1 of 2 rows; known are"):
        editor.lifecycles()
