"""What editors do in one event, seen only in snapshots: the caret before, the document and the caret after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyarrow as pa
import pytest

from echo_ops.lifecycle.reconstruct import reconstruct
from echo_ops.schema.events import EVENTS

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEXT = "".join(f"line number {n};\n" for n in range(40))
AT = TEXT.index("number 20")  # in a line
LINE, NEXT = TEXT.index("line number 20"), TEXT.index("line number 21")
CODE = "import os\n" + "".join(f"def f{n}(a):\n    return a + {n}\n\n" for n in range(60))
BLANK = "".join(f"def f{n}(a):\n    return a\n" for n in range(30)).replace("f20(a):\n", "f20(a):\n        \n")
TRIM = BLANK.index("        \n")
CALLS = "".join(f"v{n} = f(a{n})\n" for n in range(40))
CALL = CALLS.index(")", 200) + 1
TABLE = "".join(f"name{n} =        value{n}\n" for n in range(10, 40))
ROW = len("name10 =        value10\n")
COLUMN = [ROW * row + 9 for row in (5, 6, 7)]


def commit(text: str, asked: int, steps: list[tuple[str, int]]) -> str | None:
    """What stands in the gap of a request at ``asked``, after snapshots of (document, caret)."""
    shown = [("changed", text, asked), ("requested", text, asked), *(("changed", *step) for step in steps)]
    rows = [
        {
            "event_id": str(UUID(int=seq)),
            "request_id": str(UUID(int=99)) if kind == "requested" else None,
            "kind": kind,
            "occurred_at": START + timedelta(seconds=seq),
            "received_at": START + timedelta(seconds=seq),
            "user_id": "user",
            "session_id": "session",
            "document_id": "document",
            "offset_unit": "code-point",
            "seq": seq,
            "version": 1 + sum(1 for one in shown[:seq] if one[0] == "changed") - (kind == "requested"),
            "caret": caret,
            "document_length": len(document),
            "prefix": document[max(caret - 2048, 0) : caret],
            "suffix": document[caret : caret + 1024],
        }
        for seq, (kind, document, caret) in enumerate(shown)
    ]
    (found,) = reconstruct(pa.Table.from_pylist(rows, schema=EVENTS)).to_pylist()
    return None if found["committed"] is None else str(found["committed"])


def put(text: str, *edits: tuple[int, int, str]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def after(text: str, caret: int, typed: str) -> list[tuple[str, int]]:
    """The state after an event, and those after each letter that is typed then."""
    return [(put(text, (caret, caret, typed[:count])), caret + count) for count in range(len(typed) + 1)]


IMPORT = (10, 10, "from pathlib import Path\n")
ACCEPTED = put(CODE, IMPORT, (900, 900, "Path(p)"))
DOWN = put(TEXT, (LINE, LINE, TEXT[LINE:NEXT]))
UP = put(TEXT, (NEXT - 1, NEXT - 1, "\n" + TEXT[LINE : NEXT - 1]))
LOWER = TEXT[NEXT : TEXT.index("line number 22")]
MOVED = put(TEXT, (LINE, LINE, LOWER), (NEXT, NEXT + len(LOWER), ""))
TRIMMED = put(BLANK, (TRIM - 30, TRIM - 30, "!"), (TRIM, TRIM + 8, ""))
PAIR = put(CALLS, (CALL, CALL, "()"))
COLUMNS = put(TABLE, *((place, place, " z") for place in COLUMN))


@pytest.mark.parametrize(
    ("text", "asked", "steps", "committed"),
    [
        pytest.param(CODE, 900, after(ACCEPTED, 932, ".x"), "Path(p).x", id="accept and import"),
        pytest.param(TEXT, AT, after(DOWN, AT + NEXT - LINE, "abc"), "abc", id="line copied down"),
        pytest.param(TEXT, AT, after(UP, AT, "abc"), "abc", id="line copied up"),
        pytest.param(TEXT, AT, after(MOVED, AT + len(LOWER), "abc"), "abc", id="line moved down"),
        pytest.param(BLANK, TRIM - 30, after(TRIMMED, TRIM - 29, "=z"), "!=z", id="blanks trimmed elsewhere"),
        pytest.param(CALLS, CALL, after(PAIR, CALL + 1, "x"), "(x)", id="pair beside its like"),
        pytest.param(TABLE, COLUMN[1], after(COLUMNS, COLUMN[0] + 2, ""), " z", id="several carets"),
    ],
)
def test_what_one_event_did(text: str, asked: int, steps: list[tuple[str, int]], committed: str) -> None:
    assert commit(text, asked, steps) == committed
