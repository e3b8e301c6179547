"""Acceptance with its intervals, by arm and day: as numbers, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from echo_ops.training.bootstrap import draws, interval

if TYPE_CHECKING:
    from rich.table import Table

DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Of a panel. ``rate``: accepted among shown; its interval is of users drawn with replacement."""

    rate: float
    low: float
    high: float
    shown: int
    requests: int
    whole: float  # share of the shown that was accepted to its end
    kept_rate: float | None


def acceptance(answers: pa.Table, seed: int = 0) -> Acceptance:
    """The acceptance of a panel's ANSWERS, with the percentiles of a cluster bootstrap over users."""
    totals = _by_user(answers)
    low, high = interval(_ratios(totals, seed))
    shown = int(totals[:, 1].sum())
    kept = [value for value in answers["kept_rate"].to_pylist() if value is not None]
    return Acceptance(
        rate=_ratio(totals.sum(axis=0)),
        low=low,
        high=high,
        shown=shown,
        requests=answers.num_rows,
        whole=sum(answers["whole"].to_pylist()) / max(shown, 1),
        kept_rate=sum(kept) / len(kept) if kept else None,
    )


def gain(answers: pa.Table, before: pa.Table, seed: int = 0) -> dict[str, float] | None:
    """How much more is accepted, as a share of what was accepted before; the same users are drawn for both.

    None where before nothing was accepted.
    """
    one, other = _by_user(answers), _by_user(before)
    if not other[:, 0].any():
        return None
    with_some = (drawn := _ratios(other, seed)) > 0
    low, high = interval(_ratios(one, seed)[with_some] / drawn[with_some] - 1)
    return {"value": _ratio(one.sum(axis=0)) / _ratio(other.sum(axis=0)) - 1, "low": low, "high": high}


def summary(
    arms: Mapping[str, Sequence[pa.Table]], others: Mapping[str, Sequence[pa.Table]], sizes: Mapping[int, pa.Table]
) -> dict[str, Any]:
    """The figures of contract.md, and beside them those of other projects and the gains over the base.

    Args:
        arms: arm → ANSWERS before the first night, and after each.
        others: the same of the panel in other projects, for the arms that were measured there.
        sizes: lessons → ANSWERS of a model that learned so many.
    """
    base = arms["frozen"][0]
    return {
        "arms": {name: _series(series) for name, series in arms.items()},
        "by_lessons": [
            {"lessons": lessons, "acceptance": found.rate, "low": found.low, "high": found.high}
            for lessons, found in ((lessons, acceptance(table)) for lessons, table in sorted(sizes.items()))
        ],
        "other_projects": {name: _series(series) for name, series in others.items()},
        "gain": {name: gain(series[-1], base) for name, series in arms.items()},
        "gain_of_echo_over": {
            name: gain(arms["echo"][-1], series[-1]) for name, series in arms.items() if name != "echo"
        },
    }


def tables(summary: Mapping[str, Any]) -> list[Table]:
    """For a terminal: acceptance by day and arm, the gains, and acceptance by lessons learned."""
    from rich.table import Table

    arms = summary["arms"]
    title = "Acceptance by programmers whose files and corrections no model has seen"
    by_day = Table(title=title, padding=0)  # so that an interval fits into 80 columns
    by_day.add_column("nights", justify="right")
    columns = {**arms, "echo, other projects": summary["other_projects"]["echo"]}
    for name in columns:
        by_day.add_column(name.replace("_", " "), justify="right")
    for night in range(len(arms["echo"]["acceptance"])):
        by_day.add_row(str(night), *(_cell(series, night) for series in columns.values()))
    by_day.add_section()
    by_day.add_row("gain", *(_interval_of(summary["gain"][name]) for name in arms), "")
    by_day.add_row("echo over it", "", *(_interval_of(one) for one in summary["gain_of_echo_over"].values()), "")
    kept = (series["kept_rate"][-1] for series in columns.values())
    by_day.add_row("kept rate", *("" if rate is None else f"{rate:.1%}" for rate in kept))
    for what in ("shown", "requests"):
        by_day.add_row(what, *(f"{series[what][-1]:,}" for series in columns.values()))
    by_lessons = Table(title="Acceptance by lessons learned from the base in one go")
    for name in ("lessons", "acceptance"):
        by_lessons.add_column(name, justify="right")
    for size in summary["by_lessons"]:
        by_lessons.add_row(f"{size['lessons']:,}", _percent(size["acceptance"], size["low"], size["high"]))
    nights = Table(title="Nights")
    for name in ("day", "requests", "lessons", "decision", "why"):
        nights.add_column(name)
    for night in summary["nights"]:
        why = night["reason"] if night["better"] else f"not registered: {night['judgement']}"
        counts = (f"{night['rows']['lifecycles']:,}", f"{night['lessons']:,}")
        nights.add_row(night["day"], *counts, night["decision"], why)
    return [by_day, by_lessons, nights]


def plot(summary: Mapping[str, Any], out: Path) -> None:
    """Two pictures beside each other: acceptance by day for each arm, and by the number of lessons."""
    from matplotlib.figure import Figure  # not pyplot, which keeps figures and looks for a screen
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    by_day, by_size = figure.subplots(1, 2, width_ratios=(3, 2))
    styles = {"echo": "#1b6ca8", "frozen": "#777777", "shuffled": "#c44e52", "own_proposals": "#dd8452"}
    series = {**summary["arms"], "echo, other projects": summary["other_projects"]["echo"]}
    for number, (name, values) in enumerate(series.items()):
        nights = [night + (number - 2) * 0.04 for night in range(len(values["acceptance"]))]
        _line(by_day, nights, values, name.replace("_", " "), styles.get(name, "#55a868"))
    by_day.set(xlabel="nights of training", ylabel="proposals accepted", title="Other programmers, same projects")
    by_day.set_xticks(range(len(summary["arms"]["echo"]["acceptance"])))
    by_day.legend(frameon=False, fontsize=8)
    sizes = summary["by_lessons"]
    values = {name: [size[name] for size in sizes] for name in ("acceptance", "low", "high")}
    _line(by_size, [size["lessons"] for size in sizes], values, "", styles["echo"])
    by_size.set(xlabel="lessons learned from the base", title="More lessons")
    for axes in (by_day, by_size):
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    low = min(by_day.get_ylim()[0], by_size.get_ylim()[0])
    high = max(by_day.get_ylim()[1], by_size.get_ylim()[1])
    for axes in (by_day, by_size):
        axes.set_ylim(low, high)
    figure.savefig(out, dpi=150)


def _line(axes: Any, at: Sequence[float], values: Mapping[str, Any], label: str, colour: str) -> None:
    rates = values["acceptance"]
    below = [rate - low for rate, low in zip(rates, values["low"], strict=True)]
    above = [high - rate for rate, high in zip(rates, values["high"], strict=True)]
    axes.errorbar(at, rates, yerr=(below, above), label=label, color=colour, marker="o", markersize=4, capsize=2)


def _series(series: Sequence[pa.Table]) -> dict[str, list[Any]]:
    found = [acceptance(table) for table in series]
    return {
        "acceptance": [one.rate for one in found],
        "low": [one.low for one in found],
        "high": [one.high for one in found],
        "shown": [one.shown for one in found],
        "requests": [one.requests for one in found],
        "whole": [one.whole for one in found],
        "kept_rate": [one.kept_rate for one in found],
    }


def _cell(series: Mapping[str, Any], night: int) -> str:
    return _percent(*(series[what][night] for what in ("acceptance", "low", "high")))


def _percent(rate: float, low: float, high: float) -> str:
    return f"{rate:.1%} ({low * 100:.1f}–{high * 100:.1f})"


def _interval_of(gain: Mapping[str, float] | None) -> str:
    return "" if gain is None else f"{gain['value']:+.0%} ({gain['low'] * 100:+.0f} to {gain['high'] * 100:+.0f})"


def _by_user(answers: pa.Table) -> Any:
    """Accepted and shown of each user, (users, 2), in the order of their names."""
    import numpy as np

    sums = answers.group_by("user_id").aggregate([("accepted", "sum"), ("shown", "sum")]).sort_by("user_id")
    return np.stack([sums["accepted_sum"].to_numpy(), sums["shown_sum"].to_numpy()], axis=1).astype(float)


def _ratio(total: Any) -> float:
    accepted, shown = total
    return float(accepted / max(shown, 1))


def _ratios(totals: Any, seed: int) -> Any:
    """Accepted among shown in draws of as many users, with replacement; the same draws for the same seed and users."""
    import numpy as np

    drawn = draws(len(totals), seed, DRAWS) @ totals
    return drawn[:, 0] / np.maximum(drawn[:, 1], 1)
