"""Is the challenger worse, not worse, or better? A test on two proportions that knows users from requests.

The difference of acceptances (challenger − champion) gets a lower and an upper bound, each one-sided. A model's
acceptance is a ratio of sums over users, and one user's requests resemble each other, so its variance is the one of the
ratio of means (delta method with users as clusters; A. Deng et al., "Applying the Delta Method in Metric Analytics",
KDD 2018), but never less than the binomial one. Bounds use Student's t with the smaller number of users less one. The
evidence of a share is looked at a known number of times, and the error is divided by it (Bonferroni).

Limits, to be known: the error holds for each share, not for the way through all of them. Users who share a team or a
repository count as independent. With few users the bounds are wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Protocol

from echo_ops.rollout.evidence import Counts
from echo_ops.schema.rollouts import GateVerdict
from echo_ops.settings import Rollout

METHOD = "difference of proportions, delta method clustered by user, Student's t, Bonferroni over looks"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a gate says. Read by the plan, and kept in the ledger.

    ``insufficient``: too little was shown to be judged. ``worse``: high < 0. ``better``: low > 0. ``not_worse``:
    next share × −low < margin, so that all users together lose less than the margin. ``undecided``: none of these.
    """

    verdict: GateVerdict
    sentence: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = METHOD


class Gate(Protocol):
    """Port: any test that turns two models' counts into a judgement."""

    def __call__(self, champion: Counts, challenger: Counts, next_share: float, settings: Rollout) -> Judgement:
        """Pure: the same counts and settings give the same judgement.

        Args:
            champion: evidence of the current share.
            challenger: evidence of the current share.
            next_share: what a challenger that passes gets, 1 after the last share.
            settings: confidence, margin, what suffices, how often it is looked.
        """


def judge(champion: Counts, challenger: Counts, next_share: float, settings: Rollout) -> Judgement:
    """See ``Gate`` and ``Judgement``."""
    lacking = [
        *_lacking("champion", champion, settings),
        *_lacking("challenger", challenger, settings),
    ]
    if lacking:
        return Judgement("insufficient", "too little evidence: " + ", ".join(lacking))
    difference = challenger.acceptance - champion.acceptance
    confidence = 1 - (1 - settings.confidence) / settings.looks
    quantile = _quantile(confidence, min(champion.users, challenger.users) - 1)
    width = quantile * sqrt(variance(champion) + variance(challenger))
    low, high = difference - width, difference + width
    verdict: GateVerdict
    if high < 0:
        verdict = "worse"
    elif low > 0:
        verdict = "better"
    elif next_share * -low < settings.margin:
        verdict = "not_worse"
    else:
        verdict = "undecided"
    sentence = (
        f"acceptance {challenger.acceptance:.1%} of {challenger.shown} shown to {challenger.users} users, champion "
        f"{champion.acceptance:.1%} of {champion.shown} to {champion.users}; difference {difference:+.1%}, "
        f"at {settings.confidence:.0%} each above {low:+.1%} and below {high:+.1%}; to go on it must be above "
        f"{-settings.margin / next_share:+.1%}"
    )
    return Judgement(verdict, sentence, difference, low, high)


def variance(counts: Counts) -> float:
    """Variance of an acceptance; infinite where it cannot be known from one user.

    The binomial floor is that of two accepted and two refused proposals more (Agresti and Coull, 1998): nothing
    accepted of a few shown must not pass for certainty.
    """
    if counts.users < 2 or counts.shown == 0:
        return inf
    rate = counts.acceptance
    squares = counts.accepted_squared - 2 * rate * counts.shown_accepted + rate * rate * counts.shown_squared
    clustered = max(squares, 0.0) / counts.shown**2 * counts.users / (counts.users - 1)
    smoothed = (counts.accepted + 2) / (counts.shown + 4)
    return max(clustered, smoothed * (1 - smoothed) / (counts.shown + 4))


def _lacking(who: str, counts: Counts, settings: Rollout) -> list[str]:
    lacking = []
    if counts.shown < settings.min_shown:
        lacking.append(f"{counts.shown} of {settings.min_shown} proposals shown by the {who}")
    if counts.users < settings.min_users:
        lacking.append(f"{counts.users} of {settings.min_users} users of the {who}")
    return lacking


def _quantile(confidence: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, confidence))
