import random
from math import inf, sqrt

import pytest

from echo_ops.rollout.evidence import Counts
from echo_ops.rollout.gate import Judgement, variance
from echo_ops.rollout.gate import judge as judge_for
from echo_ops.settings import Rollout

SETTINGS = Rollout(min_shown=200, min_users=5, confidence=0.95, margin=0.02, look_hours=24, patience_days=1)
assert SETTINGS.looks == 1


def judge(champion: Counts, challenger: Counts, settings: Rollout, next_share: float = 1.0) -> Judgement:
    return judge_for(champion, challenger, next_share, settings)


def uniform(users: int, shown: int, accepted: int) -> Counts:
    """Users who are all alike."""
    return Counts.of_users([(shown, accepted)] * users)


VERDICTS = [
    # champion, challenger → verdict
    (uniform(200, 40, 12), uniform(200, 40, 12), "not_worse"),
    (uniform(50, 40, 12), uniform(50, 40, 12), "undecided"),  # alike, but 2000 shown cannot exclude 2 % worse
    (uniform(50, 40, 12), uniform(50, 40, 16), "better"),
    (uniform(50, 40, 12), uniform(50, 40, 8), "worse"),
    (uniform(5, 40, 12), uniform(5, 40, 12), "undecided"),
    (uniform(5, 40, 0), uniform(5, 40, 0), "undecided"),  # 200 refused each: not certainty
    (uniform(50, 40, 0), uniform(50, 40, 0), "not_worse"),
    (uniform(5, 40, 30), uniform(5, 40, 0), "worse"),
    (uniform(5, 39, 12), uniform(50, 40, 16), "insufficient"),
    (uniform(50, 40, 12), uniform(5, 39, 16), "insufficient"),
    (uniform(50, 40, 12), uniform(4, 400, 160), "insufficient"),
    (Counts(), Counts(), "insufficient"),
]


@pytest.mark.parametrize(("champion", "challenger", "verdict"), VERDICTS)
def test_verdicts(champion: Counts, challenger: Counts, verdict: str) -> None:
    assert judge(champion, challenger, SETTINGS).verdict == verdict


def test_what_is_lacking_is_said_with_its_limit() -> None:
    sentence = judge(uniform(3, 50, 9), uniform(50, 40, 16), SETTINGS).sentence
    assert "150 of 200 proposals shown by the champion" in sentence
    assert "3 of 5 users of the champion" in sentence
    assert "challenger" not in sentence


def test_a_judgement_gives_the_figures_it_rests_on() -> None:
    judgement = judge(uniform(50, 40, 12), uniform(50, 40, 16), SETTINGS)
    assert judgement.difference == pytest.approx(0.1)
    assert judgement.low is not None
    assert judgement.high is not None
    assert 0 < judgement.low < 0.1 < judgement.high
    assert "40.0% of 2000 shown to 50 users" in judgement.sentence


def test_the_margin_is_of_all_users_together() -> None:
    alike = uniform(50, 40, 12)  # low is about −2.4 %
    assert [judge(alike, alike, SETTINGS, share).verdict for share in (0.25, 0.5, 1.0)] == [
        "not_worse",
        "not_worse",
        "undecided",
    ]


@pytest.mark.parametrize(("look_hours", "looks"), [(24, 7), (6, 28), (0.25, 672), (1000, 1)])
def test_each_look_makes_the_bounds_wider(look_hours: float, looks: int) -> None:
    settings = SETTINGS.model_copy(update={"look_hours": look_hours, "patience_days": 7})
    assert settings.looks == looks
    once, often = (judge(uniform(500, 40, 12), uniform(500, 40, 16), chosen) for chosen in (SETTINGS, settings))
    assert once.low is not None
    assert often.low is not None
    widened = (0.1 - often.low) / (0.1 - once.low)
    assert widened == pytest.approx({7: 1.5, 28: 1.77, 672: 2.32, 1: 1.0}[looks], abs=0.03)


def test_worse_comes_before_not_worse_when_both_hold() -> None:
    # a hundred thousand shown, 1 % worse: surely worse, and surely by less than the margin
    judgement = judge(uniform(1000, 100, 30), uniform(1000, 100, 29), SETTINGS)
    assert judgement.low is not None
    assert judgement.low > -SETTINGS.margin
    assert judgement.verdict == "worse"


def test_users_who_are_all_alike_leave_the_binomial_variance() -> None:
    assert variance(uniform(100, 50, 20)) == pytest.approx(0.4 * 0.6 / 5000, rel=0.01)


def test_users_who_differ_widen_the_variance_by_the_design_effect() -> None:
    # every user accepts all or nothing: 100 shown to a user say no more than one
    counts = Counts.of_users([(100, 100)] * 40 + [(100, 0)] * 60)
    assert variance(counts) == pytest.approx(0.4 * 0.6 / 99, rel=1e-9)


def test_one_user_says_nothing_of_others() -> None:
    assert variance(Counts.of_users([(1000, 300)])) == inf


def test_two_models_of_one_quality_are_seldom_called_different() -> None:
    """Looked at once, with users whose acceptance differs (Beta(1.5, 3.5)): each bound errs in at most ~5 %.

    A test that takes requests for independent errs in a third of these.
    """
    rng, runs = random.Random(7), 1500
    wrong = naive = 0
    for _ in range(runs):
        champion, challenger = _arm(rng, 60), _arm(rng, 20)
        judgement = judge(champion, challenger, SETTINGS)
        assert judgement.verdict != "insufficient"
        wrong += judgement.verdict == "worse"
        pooled = (champion.accepted + challenger.accepted) / (champion.shown + challenger.shown)
        deviation = sqrt(pooled * (1 - pooled) * (1 / champion.shown + 1 / challenger.shown))
        naive += (challenger.acceptance - champion.acceptance) / deviation < -1.645
    assert 0.02 < wrong / runs < 0.075
    assert naive / runs > 0.15


def _arm(rng: random.Random, users: int) -> Counts:
    arm = []
    for _ in range(users):
        rate, shown = rng.betavariate(1.5, 3.5), rng.randint(10, 40)
        arm.append((shown, sum(rng.random() < rate for _ in range(shown))))
    return Counts.of_users(arm)
