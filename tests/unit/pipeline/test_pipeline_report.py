from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from echo_ops.pipeline import report
from echo_ops.pipeline.manifest import Manifest
from echo_ops.pipeline.train import Trained


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


def test_both_models_are_shown_side_by_side_with_what_is_beyond_chance() -> None:
    def compared(before: float | None, after: float | None, low: float | None = None) -> dict[str, object]:
        known = low is not None and before is not None and after is not None
        return {
            "champion": before,
            "challenger": after,
            "difference": {"value": after - before, "low": low, "high": 0.5} if known else None,
        }

    figures = {name: compared(0.25, 0.5, 0.125) for name in report.SLICED}
    of_go = {name: compared(None, 0.5) for name in report.SLICED} | {"saved_share": compared(0.25, 0.375, -0.125)}
    slices = [{"by": "language", "value": name, "requests": 1234, "clusters": 9} for name in ("python", "go")]
    comparison = {"figures": figures, "clusters": 9, "slices": [slices[0] | {"figures": figures}]}
    comparison["slices"] += [slices[1] | {"figures": of_go}]
    whole = {"requests": 1234, **dict.fromkeys(report.SLICED, 0.25)}
    trained = Trained(
        "2026-11-02", 1234, whole, whole | {"kept_rate": 0.5}, True, "", None, comparison, None, "of whom"
    )
    shown = text(report.evaluation(trained)).splitlines()
    assert [line.strip() for line in shown[-2:]] == ["of whom", "95 % intervals over 9 clusters"]
    (kept,) = [line for line in shown if "kept_rate" in line]
    assert kept.split() == ["│", "kept_rate", "│", "0.25", "│", "0.5", "│", "+0.250", "(+0.125", "to", "+0.500)", "│"]
    of_slices = [line.split() for line in text(report.slices(trained)).splitlines()]
    assert ["python", "1,234", "25.0→50.0*", "25.0→50.0*", "25.0→50.0*", "0.250→0.500*"] in of_slices
    assert ["go", "1,234", "–→50.0", "–→50.0", "25.0→37.5", "–→0.500"] in of_slices
