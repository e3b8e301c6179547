"""The expectations of a day beside the trailing week: on one row, which holds what ``drift`` compares.

All are warnings but one: a day may differ for good reasons (a release, a holiday, a new team), and its lessons are as
right as before; somebody should look. Acceptance that collapses is a broken client, and models are judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from echo_ops.quality.drift import Comparison, Kind
from echo_ops.quality.expectations import Severity, amount_between, share_between
from echo_ops.quality.profile import Name

SAYS: dict[str, str] = {
    "shown": "{name} that show a proposal",
    "request": "events that are requests",
    "accepted": "{name} that are accepted, of those that are shown",
    "void": "known commits that are empty",
    "without_commit": "requests whose commit is unknown",
    "ambiguous": "requests that can be read two ways",
    "events_lost": "requests whose later events are missing",
    "of_user_without_accept": "shown proposals of users who saw 10 or more and accepted none",
    "silence": "lessons to propose nothing",
}
"""What a share is about."""

REMEDIES: dict[Kind, str] = {
    "amount": "check that all clients report and that the day was loaded whole and once",
    "share": "compare clients' releases and the model's version with the days before",
    "collapse": "clients have stopped sending `accepted`; the rollout would judge models by it: find their release",
    "mix": "see on the page which buckets moved; look for a client release or a new group of users",
    "vanished": "find the client release or the plugin that no longer reports them",
}

SEVERITIES: dict[Kind, Severity] = {"collapse": "critical"}


def drift_suite(name: Name, comparisons: Sequence[Comparison]) -> list[Any]:
    """An expectation for each comparison, on its column of the day's one row."""
    expectations = [_expectation(name, comparison) for comparison in comparisons]
    for key, expectation in enumerate(expectations):
        expectation.meta["key"] = key  # results come back in another order
    return expectations


def _expectation(name: Name, one: Comparison) -> Any:
    between = amount_between if one.kind == "amount" else share_between
    severity = SEVERITIES.get(one.kind, "warning")
    return between(severity, one.column, one.low, one.high, _says(name, one), REMEDIES[one.kind])


def _says(name: Name, one: Comparison) -> str:
    subject = one.measure.replace("_", " ")
    if one.kind == "amount":
        return f"{name if one.measure == 'rows' else subject} of the day beside the week ({one.usual})"
    if one.kind == "mix":
        return f"{name} that lie in another {subject} than in the week (its days: {one.usual})"
    if one.kind == "vanished":
        return f"usual share of each {subject} that has vanished ({one.usual})"
    return f"{SAYS[one.measure].format(name=name)}, beside the week's {one.usual}"
