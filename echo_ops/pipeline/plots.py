"""The plots of a model card, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from echo_ops.lake.tables import Lake
from echo_ops.training.compare import Slice

CHAMPION, CHALLENGER = "#8a8f98", "#0b6bcb"
"""Colours that differ in lightness too."""

DAYS = 30
"""Days of acceptance that are shown."""


def loss(losses: Sequence[tuple[int, float]], path: Path) -> None:
    """Nats per token with loss, by step."""
    figure, axes = _axes("optimizer step", "loss, nats per token")
    axes.plot(*zip(*losses, strict=True), color=CHALLENGER, marker="o" if len(losses) < 25 else "", markersize=3)
    _save(figure, path)


def kept_by_length(slices: Sequence[Slice], path: Path) -> None:
    """Kept rate of both models by length of the lesson, with the number of requests."""
    shown = [one for one in slices if one.by == "length" and one.value != "0"]
    figure, axes = _axes("characters of the lesson (requests)", "kept rate")
    for shift, who, colour in ((-0.2, "champion", CHAMPION), (0.2, "challenger", CHALLENGER)):
        rates = [getattr(one.figures["kept_rate"], who) for one in shown]
        places = [place + shift for place in range(len(shown))]
        bars = axes.bar(places, [rate or 0.0 for rate in rates], 0.38, color=colour, label=who)
        names = ["–" if rate is None else f"{rate:.0%}" for rate in rates]  # –: proposed nothing
        axes.bar_label(bars, names, fontsize=8, padding=1)
    axes.set_xticks(range(len(shown)), [f"{one.value}\n({one.requests:,})" for one in shown])
    axes.set_ylim(0, max(0.1, 1.25 * axes.dataLim.y1))
    axes.legend(frameon=False, loc="upper right")
    _save(figure, path)


def acceptance_by_day(days: Mapping[date, tuple[float, float, int]], path: Path) -> None:
    """Share of shown proposals that users accepted, with its 95 % interval.

    Args:
        days: acceptance, half of the interval's width, proposals shown; see ``acceptance``.
        path: of the image.
    """
    figure, axes = _axes("day (proposals shown)", "acceptance")
    shares, halves = [one[0] for one in days.values()], [one[1] for one in days.values()]
    axes.errorbar(range(len(days)), shares, yerr=halves, color=CHALLENGER, marker="o", capsize=3, linewidth=1)
    every = max(1, len(days) // 8)
    names = [f"{day:%d %b}\n({shown:,})" for day, (_, _, shown) in days.items()]
    axes.set_xticks(range(0, len(days), every), names[::every])
    axes.set_ylim(0, max(0.05, 1.15 * max(map(sum, zip(shares, halves, strict=True)))))
    _save(figure, path)


def acceptance(lake: Lake, days: Sequence[date], version: int | None) -> dict[date, tuple[float, float, int]]:
    """Of each day what ``acceptance_by_day`` shows: accepted whole, of what was shown, whatever model served it.

    The interval is that of a ratio of sums over users (delta method, users as clusters); 0 wide with one user.
    """
    import numpy as np
    import pyarrow.compute as pc

    found = {}
    for day in sorted(days)[-DAYS:]:
        batches = list(lake.read("lifecycles", [day], ["user_id", "decision"], version))
        if not batches:
            continue
        rows = pa.Table.from_batches(batches)
        rows = rows.filter(pc.not_equal(rows["decision"], "not_shown"))
        accepted = pc.equal(rows["decision"], "accepted").cast(pa.int64())
        by_user = pa.table({"user": rows["user_id"], "accepted": accepted}).group_by("user")
        counts = by_user.aggregate([("accepted", "sum"), ("accepted", "count")])
        taken, shown = (np.asarray(counts[name], dtype=float) for name in ("accepted_sum", "accepted_count"))
        if shown.sum():
            share, users = taken.sum() / shown.sum(), len(shown)
            spread = np.square(taken - share * shown).sum() * users / max(users - 1, 1)
            found[day] = (float(share), float(1.96 * np.sqrt(spread) / shown.sum()), int(shown.sum()))
    return found


def _axes(x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # not pyplot, which keeps figures and looks for a screen

    figure = Figure(figsize=(7, 3.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})
