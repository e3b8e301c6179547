from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from echo_ops.pipeline import report
from echo_ops.pipeline.manifest import Manifest


def text(table: Table) -> str:
    out = StringIO()
    Console(file=out, width=80).print(table)
    return out.getvalue()


def day(number: int) -> Manifest:
    rows = {"events": 12_345, "requests": 678, "shown": 500, "lifecycles": 678, "kept": 600}
    rows |= {"train": 500, "evaluation": 100}
    return Manifest("harvest", f"2026-11-{number:02}", rows=rows, dropped={"silence_contradicted": 78})


@pytest.mark.parametrize(("days", "tables"), [(1, 1), (4, 1), (5, 2), (10, 3)])
def test_a_funnel_is_no_wider_than_a_terminal(days: int, tables: int) -> None:
    shown = report.funnels(day(1 + number) for number in range(days))
    assert len(shown) == tables
    whole = "".join(text(table) for table in shown)
    for number in range(days):
        assert f"2026-11-{1 + number:02}" in whole
    assert "silence_contradicted" in whole
    assert "12,345" in whole


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.123456, "0.1235"), (12345, "12,345"), (98765.4, "98,765"), ("hold", "hold")]
)
def test_numbers_are_fit_to_read(value: object, shown: str) -> None:
    assert report._number(value) == shown
