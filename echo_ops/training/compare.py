"""Whether a challenger is better than the champion on the same held-out requests.

Requests of one user resemble each other, so the unit of chance is the cluster: the user, where there are enough of
them. Clusters are drawn with replacement, the same ones for both models, all figures and all slices (a paired cluster
bootstrap; Cameron, Gelbach and Miller, 2008), and each difference gets the interval between the percentiles of its
draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from echo_ops.errors import InputError
from echo_ops.schema.lengths import LENGTHS, bucket
from echo_ops.training.bootstrap import draws, interval
from echo_ops.training.scores import FIGURES, columns, sums

DRAWS = 2000
FEWEST_CLUSTERS = 8
"""With fewer, percentiles say little about chance: no interval, and nothing is called better."""

MOST_VALUES = 10
"""Languages that are shown by themselves, the most frequent ones."""

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
class Compared:
    """A figure of both models on the same requests; None where there is nothing to measure it on."""

    champion: float | None
    challenger: float | None
    difference: Difference | None  # None too where fewer than FEWEST_CLUSTERS clusters tell of it


@dataclass(frozen=True, slots=True)
class Slice:
    """The figures on some of the requests: those of a language, of a length."""

    by: str
    value: str
    requests: int
    clusters: int
    figures: dict[str, Compared]  # by name, see scores.FIGURES


@dataclass(frozen=True, slots=True)
class Comparison:
    """The judgement. Written by ``compare``; read by pipeline and rollout."""

    better: bool
    reason: str  # in words, with the numbers
    requests: int
    clusters: int
    figures: dict[str, Compared]  # of all requests; likelihoods over those that fit the context of both models
    slices: tuple[Slice, ...]


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


def compare(
    champion: pa.Table,
    challenger: pa.Table,
    clusters: Mapping[str, str],
    seed: int,
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> Comparison:
    """Judge two models by their SCORES on the same requests.

    The challenger is better when it gives the users' text more likelihood, per character, with the whole interval
    below zero, while none of exact match, edit similarity and kept rate is worse beyond chance. The likelihood decides
    because every character of it counts, where a match is all or nothing and needs far more requests; the others guard
    what a user sees: a model that falls silent gains likelihood and loses similarity. Slices decide nothing: of so many
    intervals some miss zero by chance.

    Args:
        champion: SCORES.
        challenger: SCORES of the same requests, in any order.
        clusters: the cluster of each request, see ``clusters_of``.
        seed: of the bootstrap.
        groups: more to slice by than language and length: name → request → value.

    Raises:
        InputError: the two tables are not of the same requests, or hold nothing to compare.
    """
    ours, theirs = (table.sort_by("request_id") for table in (challenger, champion))
    requests: list[str] = ours["request_id"].to_pylist()
    if ours["request_id"] != theirs["request_id"]:
        known = set(theirs["request_id"].to_pylist())
        raise InputError(
            f"champion and challenger were scored on different requests ({len(known)} and {len(requests)}, "
            f"{len(known & set(requests))} in both); evaluate both on the same file"
        )
    tables = [columns(table) for table in (theirs, ours)]
    both = tables[0]["known"] * tables[1]["known"]
    if not both.any():
        raise InputError("no request has a known likelihood under both models; raise ECHO_TRAINING_CONTEXT_TOKENS")
    added = [sums(table | {"known": both, "nll": table["nll"] * both}) for table in tables]

    sliced = {"language": _languages(ours), "length": [bucket(n - 1) for n in ours["characters"].to_pylist()]}
    sliced |= {name: [values[one] for one in requests] for name, values in (groups or {}).items()}
    measure = _measure(added, [clusters[one] for one in requests], seed)
    number, figures = measure([True] * len(requests))
    slices = []
    for by, values in sliced.items():
        counts = Counter(values)
        for value in sorted(counts, key=lambda value: _place(by, value, counts)):
            of_slice, inside = measure([other == value for other in values])
            slices.append(Slice(by, value, counts[value], of_slice, inside))
    better, reason = _judge(number, figures)
    return Comparison(better, reason, len(requests), number, figures, tuple(slices))


def _measure(added: list[Any], clusters: list[str], seed: int) -> Any:
    """A function that gives, for some of the requests, the number of clusters and the figures."""
    import numpy as np

    names, at = np.unique(clusters, return_inverse=True)
    order = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[order], np.arange(len(names)))
    by_cluster = np.array(added)[..., order]  # (champion | challenger, figures, numerator | denominator, requests)
    drawn_clusters = draws(len(names), seed, DRAWS).T  # (clusters, draws)
    exponential = np.array([figure.exponential for figure in FIGURES])[:, None]

    def ratios(sums: Any) -> Any:
        """Of (…, figures, 2, n): (…, figures, n), NaN where there is nothing to divide by."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(sums[..., 1, :] > 0, sums[..., 0, :] / sums[..., 1, :], np.nan)
            return np.where(exponential, np.exp(ratio), ratio)

    def measure(chosen: list[bool]) -> tuple[int, dict[str, Compared]]:
        mask = np.array(chosen)[order]
        inside = np.add.reduceat(by_cluster * mask, starts, axis=-1)
        number = int(np.add.reduceat(mask, starts).astype(bool).sum())
        values = ratios(inside.sum(axis=-1, keepdims=True))[..., 0].tolist()
        # a figure is told of by the clusters that have it, under each model
        telling = (inside[:, :, 1] > 0).sum(axis=-1).min(axis=0)
        drawn = ratios(inside @ drawn_clusters)
        differences = drawn[1] - drawn[0]  # NaN in the draws where a model has nothing to divide by
        found = {}
        for index, figure in enumerate(FIGURES):
            before, after = (None if np.isnan(of[index]) else of[index] for of in values)
            difference = None
            if before is not None and after is not None and telling[index] >= FEWEST_CLUSTERS:
                difference = Difference(after - before, *interval(differences[index]))
            found[figure.name] = Compared(before, after, difference)
        return number, found

    return measure


def _judge(clusters: int, figures: Mapping[str, Compared]) -> tuple[bool, str]:
    nll = figures["nll_per_character"].difference
    if nll is None:
        return False, f"{clusters} independent clusters of requests are too few to judge, at least {FEWEST_CLUSTERS}"
    if nll.low > 0:
        return False, f"the users' text became less likely: {nll} nats per character"
    if nll.high >= 0:
        return False, f"the likelihood of the users' text did not change beyond chance: {nll} nats per character"
    guards = {
        "exact_match": "fewer exact matches",
        "edit_similarity": "proposals are less similar",
        "kept_rate": "less is kept",
    }
    told = {name: found for name in guards if (found := figures[name].difference) is not None}
    for name, difference in told.items():
        if difference.high < 0:
            return False, f"{guards[name]}: {difference}, though likelihood improved: {nll} nats per character"
    others = ", ".join(f"{name.replace('_', ' ')} {difference}" for name, difference in told.items())
    return True, f"the users' text became more likely: {nll} nats per character; {others or 'no proposals to compare'}"


def _languages(scores: pa.Table) -> list[str]:
    names = [name or "unknown" for name in scores["language"].to_pylist()]
    frequent = {name for name, _ in Counter(sorted(names)).most_common(MOST_VALUES)}
    return [name if name in frequent else "other" for name in names]


def _place(by: str, value: str, counts: Counter[str]) -> tuple[int, str]:
    """Lengths in their order, anything else by frequency."""
    if by == "length":
        return [bucket(n) for n in (0, *LENGTHS, LENGTHS[-1] + 1)].index(value), value
    return -counts[value], value
