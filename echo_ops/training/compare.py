"""Whether a challenger is better than the champion on the same held-out requests.

Requests of one user resemble each other, so the unit of chance is the cluster: the user, where there are enough of
them. Clusters are drawn with replacement, the same ones for both models (a paired cluster bootstrap; Cameron, Gelbach
and Miller, 2008), and each difference gets the interval between the percentiles of its draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from echo_ops.errors import InputError

DRAWS = 2000
CONFIDENCE = 0.95
FEWEST_CLUSTERS = 8
"""With fewer, percentiles say little about chance: nothing is called better."""

CLUSTERED_BY = ("user_id", "repository", "document_id", "request_id")


@dataclass(frozen=True, slots=True)
class Difference:
    """Challenger minus champion, with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The judgement. Written by ``compare``; read by pipeline and rollout."""

    better: bool
    reason: str  # in words, with the numbers
    requests: int  # compared: in both tables, with a known likelihood in both
    clusters: int
    nll_per_character: Difference  # nats; less is better
    exact_match: Difference
    edit_similarity: Difference
    kept_rate: Difference | None  # None where one of the two was always silent


def clusters_of(rows: pa.Table) -> dict[str, str]:
    """The cluster of each request: its user, or where there are too few its repository, document, or itself.

    Args:
        rows: EXAMPLES; the held-out requests.
    """
    requests = rows["request_id"].to_pylist()
    for name in CLUSTERED_BY:
        values = [value or "" for value in rows[name].to_pylist()]
        if len(set(values)) >= FEWEST_CLUSTERS or name == CLUSTERED_BY[-1]:
            return dict(zip(requests, values, strict=True))
    raise AssertionError


def compare(champion: pa.Table, challenger: pa.Table, clusters: Mapping[str, str], seed: int) -> Comparison:
    """Judge two models by their SCORES on the same requests.

    The challenger is better when it gives the users' text more likelihood, per character, with the whole interval
    below zero, while none of exact match, edit similarity and kept rate is worse beyond chance. The likelihood decides
    because every character of it counts, where a match is all or nothing and needs far more requests; the others guard
    what a user sees: a model that falls silent gains likelihood and loses similarity.

    Args:
        champion: SCORES.
        challenger: SCORES of the same requests, in any order.
        clusters: the cluster of each request, see ``clusters_of``.
        seed: of the bootstrap.

    Raises:
        InputError: the two tables are not of the same requests, or hold nothing to compare.
    """
    import numpy as np

    ours, theirs = _by_request(challenger), _by_request(champion)
    if ours.keys() != theirs.keys():
        raise InputError(
            f"champion and challenger were scored on different requests ({len(theirs)} and {len(ours)}, "
            f"{len(ours.keys() & theirs.keys())} in both); evaluate both on the same file"
        )
    both = [one for one in sorted(ours) if ours[one]["nll"] is not None and theirs[one]["nll"] is not None]
    if not both:
        raise InputError("no request has a known likelihood under both models; raise ECHO_TRAINING_CONTEXT_TOKENS")

    names = sorted({clusters[one] for one in both})
    at = {name: index for index, name in enumerate(names)}
    chooser = np.random.default_rng(seed)
    draws = chooser.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)  # (draws, clusters)

    def difference(numerator: str, denominator: str | None, rows: list[str]) -> Difference | None:
        """Of two ratios of sums: of ``numerator`` to ``denominator``, or to the rows that have it."""
        sums = np.zeros((2, 2, len(names)))  # (challenger | champion, numerator | denominator, cluster)
        for model, scores in enumerate((ours, theirs)):
            for one in rows:
                value = scores[one]
                if value[numerator] is not None:
                    sums[model, 0, at[clusters[one]]] += value[numerator]
                    sums[model, 1, at[clusters[one]]] += value[denominator] if denominator else 1
        total = sums.sum(axis=2)
        if not total[:, 1].all():
            return None
        drawn = sums @ draws.T  # (2, 2, draws)
        drawn = drawn[:, :, drawn[:, 1].all(axis=0)]  # without the draws where a model has nothing to divide by
        ratios = drawn[0, 0] / drawn[0, 1] - drawn[1, 0] / drawn[1, 1]
        low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        value = total[0, 0] / total[0, 1] - total[1, 0] / total[1, 1]
        return Difference(float(value), float(low), float(high))

    filled = [one for one in both if not ours[one]["void"]]
    nll = difference("nll", "characters", both)
    assert nll is not None
    exact = difference("exact_match", None, filled) or Difference(0.0, 0.0, 0.0)
    similar = difference("edit_similarity", None, filled) or Difference(0.0, 0.0, 0.0)
    kept = difference("kept_rate", None, filled)
    better, reason = _judge(len(names), nll, exact, similar, kept)
    return Comparison(better, reason, len(both), len(names), nll, exact, similar, kept)


def _judge(
    clusters: int, nll: Difference, exact: Difference, similar: Difference, kept: Difference | None
) -> tuple[bool, str]:
    if clusters < FEWEST_CLUSTERS:
        return False, f"{clusters} independent clusters of requests are too few to judge, at least {FEWEST_CLUSTERS}"
    if nll.low > 0:
        return False, f"the users' text became less likely: {nll} nats per character"
    if nll.high >= 0:
        return False, f"the likelihood of the users' text did not change beyond chance: {nll} nats per character"
    if exact.high < 0:
        return False, f"fewer exact matches: {exact}, though likelihood improved: {nll} nats per character"
    if similar.high < 0:
        return False, f"proposals are less similar: {similar}, though likelihood improved: {nll} nats per character"
    if kept is not None and kept.high < 0:
        return False, f"less is kept: {kept}, though likelihood improved: {nll} nats per character"
    return True, (
        f"the users' text became more likely: {nll} nats per character; exact match {exact}, edit similarity {similar}"
        + (f", kept rate {kept}" if kept is not None else "")
    )


def _by_request(scores: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["request_id"]: row for row in scores.to_pylist()}
