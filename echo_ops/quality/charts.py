"""Small charts of a day's page as SVG in its source: no script, nothing loaded. All words in them are escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT, PAD = 220, 56, 4

GLANCE = (
    ("events", "trends", "rows", "events"),
    ("lifecycles", "trends", "accepted", "acceptance"),
    ("lifecycles", "trends", "void", "void commits"),
    ("examples", "trends", "rows", "lessons"),
    ("lifecycles", "mixes", "language", "languages"),
    ("lifecycles", "mixes", "prefix_length", "prefix, characters"),
    ("lifecycles", "mixes", "committed_length", "commit, characters"),
    ("examples", "mixes", "lesson_length", "lesson, characters"),
)
"""Table, kind, measure and title of the charts at the top of the page."""


def glance(reports: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """The charts of ``GLANCE`` that the reports have data for."""
    drawn = []
    for table, kind, measure, title in GLANCE:
        for report in reports:
            for one in report[kind] if report["name"] == table else ():
                if one["measure"] == measure:
                    drawn.append(_draw(one, title))
    return drawn


def of_table(report: Mapping[str, Any]) -> list[Markup]:
    """A chart of each trend and mix of a table."""
    return [_draw(one, one["measure"].replace("_", " ")) for one in [*report["trends"], *report["mixes"]]]


def _draw(one: Mapping[str, Any], title: str) -> Markup:
    if "points" in one:
        return trend(title, one["points"], one["share"])
    return mix(title, one["buckets"])


def trend(title: str, points: Sequence[tuple[str, float]], share: bool) -> Markup:
    """A measure day by day, the last one marked: a line for shares, bars from zero for amounts."""
    if not points:
        return _figure(title, "–", Markup('<p class="note">nothing to judge by</p>'))
    top = max([value for _, value in points] + [1e-9]) * (1.15 if share else 1.0)
    step = (WIDTH - 2 * PAD) / max(len(points), 2)
    shapes = []
    places = [
        (PAD + (place + 0.5) * step, HEIGHT - (HEIGHT - PAD) * value / top) for place, (_, value) in enumerate(points)
    ]
    if share and len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        shapes.append(Markup('<polyline points="{}"/>').format(path))
    for (x, y), (day, value) in zip(places, points, strict=True):
        last = " today" if day == points[-1][0] else ""
        text = f"{day}: {_value(value, share)}"
        if share:
            shape = Markup('<circle class="dot{}" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}</title></circle>')
            shapes.append(shape.format(last, x, y, text))
        else:
            shape = Markup(
                '<rect class="bar{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            )
            shapes.append(shape.format(last, x - 0.35 * step, y, 0.7 * step, HEIGHT - y, text))
    svg = Markup('<svg class="trend" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT + 1, f"{title} from {points[0][0]} to {points[-1][0]}", Markup("").join(shapes)
    )
    days = f"{points[0][0][5:]} to {points[-1][0][5:]}" if len(points) > 1 else "no day before"
    return _figure(title, _value(points[-1][1], share), svg + Markup("<small>{}</small>").format(days))


def mix(title: str, buckets: Sequence[tuple[str, float, float | None]]) -> Markup:
    """A bar for each bucket's share now, with a mark where it lay in the week; buckets without any are left out."""
    rows = []
    for bucket, now, week in buckets:
        if not now and not week:
            continue
        mark = Markup("")
        if week is not None:
            mark = Markup('<rect class="week" x="{:.2f}" width="1.2" height="10"/>').format(min(100 * week, 98.8))
        bar = Markup(
            '<tr><th scope="row">{}</th><td><svg class="mix" viewBox="0 0 100 10" preserveAspectRatio="none" '
            'role="img" aria-label="{}"><rect class="all" width="100" height="10"/>'
            '<rect class="now" width="{:.2f}" height="10"/>{}</svg></td><td class="number">{}</td></tr>'
        )
        told = _value(now, True) + ("" if week is None else f", in the week {_value(week, True)}")
        rows.append(bar.format(bucket, told, 100 * now, mark, _value(now, True)))
    return _figure(title, "", Markup('<table class="buckets">{}</table>').format(Markup("").join(rows)))


def _figure(title: str, value: str, body: Markup) -> Markup:
    return Markup("<figure><figcaption>{} <b>{}</b></figcaption>{}</figure>").format(escape(title), value, body)


def _value(value: float, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:,.0f}"
