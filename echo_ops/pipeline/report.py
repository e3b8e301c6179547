"""What a person sees in the terminal at the end of a command: tables, not lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from echo_ops.pipeline.manifest import Manifest

if TYPE_CHECKING:
    from echo_ops.events.load import Counts
    from echo_ops.pipeline.files import RefinedFile
    from echo_ops.pipeline.promote import Decision
    from echo_ops.pipeline.replay import Replayed
    from echo_ops.pipeline.train import Trained
    from echo_ops.training.base_model import BaseModelReport

DAYS_A_TABLE = 4
FUNNEL = ("events", "requests", "shown", "lifecycles", "kept")


def show(table: Table) -> None:
    """Print a table on standard output."""
    Console().print(table)


def funnels(days: Iterable[Manifest]) -> list[Table]:
    """What became of each day's events; so many days a table as a terminal is wide."""
    manifests = list(days)
    return [funnel(manifests[first : first + DAYS_A_TABLE]) for first in range(0, len(manifests), DAYS_A_TABLE)]


def funnel(manifests: Sequence[Manifest]) -> Table:
    """What became of the events of some days, down to the lessons, with every reason for a drop."""
    table = Table(title="Funnel", title_justify="left")
    table.add_column("", no_wrap=True)
    for manifest in manifests:
        table.add_column(manifest.day, justify="right")
    for name in FUNNEL:
        table.add_row(name, *(f"{manifest.rows.get(name, 0):,}" for manifest in manifests))
    for name in ("train", "evaluation"):
        table.add_row(f"  of these {name}", *(f"{manifest.rows.get(name, 0):,}" for manifest in manifests), style="dim")
    table.add_section()
    table.add_row("dropped", *(f"{sum(manifest.dropped.values()):,}" for manifest in manifests))
    for reason in sorted({reason for manifest in manifests for reason in manifest.dropped}):
        table.add_row(f"  {reason}", *(f"{manifest.dropped.get(reason, 0):,}" for manifest in manifests), style="dim")
    return table


def replayed(result: Replayed) -> Table:
    """What a day's thresholds kept, and what others would keep."""
    changes = ", ".join(f"{name}={value}" for name, value in result.changes.items())
    table = Table(
        title=f"{result.day}: {result.lifecycles:,} lifecycles, {changes or 'as harvested'}", title_justify="left"
    )
    table.add_column("", no_wrap=True)
    for name in ("harvested", "then", "difference"):
        table.add_column(name, justify="right")

    def add(name: str, harvested: int, then: int, style: str | None = None) -> None:
        table.add_row(
            name, f"{harvested:,}", f"{then:,}", f"{then - harvested:+,}" if then != harvested else "", style=style
        )

    for title, harvested, then in (
        ("kept", result.harvested.kept, result.replayed.kept),
        ("dropped", result.harvested.dropped, result.replayed.dropped),
    ):
        add(title, sum(harvested.values()), sum(then.values()))
        for name in sorted({*harvested, *then}):
            add(f"  {name}", harvested.get(name, 0), then.get(name, 0), "dim")
        table.add_section()
    return table


def loaded(counts: Counts) -> Table:
    """What became of the rows of loaded files."""
    table = Table(title="Events", title_justify="left")
    table.add_column("")
    table.add_column("rows", justify="right")
    for name in ("read", "loaded", "repeated"):
        table.add_row(name, f"{getattr(counts, name):,}")
    table.add_row("rejected", f"{sum(counts.rejected.values()):,}")
    for reason, rows in sorted(counts.rejected.items()):
        table.add_row(f"  {reason}", f"{rows:,}", style="dim")
    return table


def refined(result: RefinedFile) -> Table:
    """How many lifecycles became lessons, and why the others did not."""
    table = Table(title=f"Refined by teacher {result.teacher}", title_justify="left")
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_row("lifecycles", f"{result.lifecycles:,}")
    table.add_row("kept", f"{result.kept:,}")
    table.add_row("dropped", f"{sum(result.dropped.values()):,}")
    for reason, rows in result.dropped.items():
        table.add_row(f"  {reason}", f"{rows:,}", style="dim")
    table.add_section()
    for name, value in result.usage.items():
        table.add_row(name, value, style="dim" if name.startswith(" ") else None)
    return table


def base_model(made: BaseModelReport) -> Table:
    """What the base model can do, beside chance."""
    return _pairs("Base model", made.figures())


def evaluation(trained: Trained) -> Table:
    """Champion and challenger side by side on the same held-out requests, with the interval of each difference."""
    title = f"Evaluation on {trained.evaluation_rows:,} held-out requests"
    clusters = trained.comparison.get("clusters")
    caption = [trained.compared_on, f"95 % intervals over {clusters} clusters" if clusters else ""]
    table = Table(title=title, title_justify="left", caption="\n".join(filter(None, caption)), caption_justify="left")
    for name in ("", "champion", "challenger", "difference"):
        table.add_column(name, justify="left" if not name else "right")
    figures = trained.comparison.get("figures", {})
    for name, before in trained.champion.items():
        after = trained.challenger.get(name)
        if before is not None or after is not None:
            table.add_row(name, _number(before), _number(after), _interval(figures.get(name, {}).get("difference")))
    if guard := trained.infilling:
        passed = (_number(guard[who]) for who in ("champion", "challenger"))
        table.add_row("infilling", *passed, _interval(guard["difference"]))
    return table


SLICED = {"exact_match": "exact %", "kept_rate": "kept %", "saved_share": "saved %", "nll_per_character": "nats/char"}


def slices(trained: Trained) -> Table:
    """The figures by language, length and whether the user was learned from: champion → challenger."""
    table = Table(title="Champion → challenger by slice (* beyond chance)", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("")
    for name in ("requests", *SLICED.values()):
        table.add_column(name, justify="right", no_wrap=True)
    by = None
    for one in trained.comparison.get("slices", ()):
        if one["by"] != by:
            by = one["by"]
            table.add_row(by, style="dim")
        cells = [_change(one["figures"][name], percent=name != "nll_per_character") for name in SLICED]
        table.add_row(f" {one['value']}", f"{one['requests']:,}", *cells)
    return table


def _change(compared: Mapping[str, Any], percent: bool) -> str:
    before, after = (
        "–" if value is None else f"{100 * value:.1f}" if percent else f"{value:.3f}"
        for value in (compared["champion"], compared["challenger"])
    )
    difference = compared["difference"]
    certain = difference is not None and (difference["low"] > 0 or difference["high"] < 0)
    return f"{before}→{after}{'*' if certain else ' '}"


def _interval(difference: Mapping[str, float] | None) -> str:
    return "" if difference is None else "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference)


def settings(variables: Iterable[tuple[str, str, str]]) -> Table:
    """Each variable, its value and its meaning."""
    table = Table("variable", "value", "meaning", title="Settings", title_justify="left")
    for row in variables:
        table.add_row(*row)
    return table


def decision(made: Decision) -> Table:
    """What the rollout decided, and on what evidence."""
    return _pairs("Rollout", made.figures())


def _pairs(title: str, figures: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("")
    for name, value in figures.items():
        table.add_row(name, _number(value))
    return table


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
