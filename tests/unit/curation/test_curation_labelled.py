"""The detectors against the labelled set: the shares that docs/concepts/curation.md states do not fall."""

from collections import defaultdict

import pytest

from echo_ops.curation.detectors import find
from echo_ops.simulate.secrets import ASSIGNMENTS, Planted, negatives, positives

POSITIVES, NEGATIVES = list(positives(seed=1)), list(negatives(seed=1))


def is_covered(planted: Planted) -> bool:
    start = planted.text.index(planted.value)
    covered = {at for one in find(planted.text) if one.kind == planted.finding for at in range(one.start, one.end)}
    return covered >= set(range(start, start + len(planted.value)))


def test_the_set_is_large_and_varied() -> None:
    assert len(POSITIVES) >= 300
    assert len(NEGATIVES) >= 1000
    assert len({planted.kind for planted in POSITIVES}) >= 25
    assert {planted.language for planted in POSITIVES} == set(ASSIGNMENTS)
    assert all(planted.value in planted.text for planted in POSITIVES)


@pytest.mark.parametrize("kind", sorted({planted.kind for planted in POSITIVES}))
def test_secrets_and_personal_data_are_covered_whole(kind: str) -> None:
    found = [is_covered(planted) for planted in POSITIVES if planted.kind == kind]
    assert sum(found) / len(found) == 1


def test_harmless_values_are_left_alone() -> None:
    alarms: dict[str, int] = defaultdict(int)
    for planted in NEGATIVES:
        alarms[planted.kind] += bool(find(planted.text))
    assert sum(alarms.values()) <= 0.01 * len(NEGATIVES), {kind: count for kind, count in alarms.items() if count}


def test_the_same_seed_plants_the_same() -> None:
    assert list(positives(seed=1)) == POSITIVES
    assert list(positives(seed=2)) != POSITIVES
