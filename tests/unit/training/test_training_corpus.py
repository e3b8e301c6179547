from itertools import islice

from echo_ops.training.corpus import corpus, is_held_out, places

TEXTS = ["def f(x):\n    return x\n\n", "a = 1\n" * 40]


def test_a_place_joins_to_its_file() -> None:
    for place in islice(places(TEXTS, 30, seed=0), 300):
        assert place.prefix + place.middle + place.suffix in TEXTS[0] + "\0" + TEXTS[1]
        assert len(place.middle) <= 30


def test_a_rest_of_a_line_ends_where_the_line_does() -> None:
    rests = [place for place in islice(places(TEXTS, 60, seed=0), 300) if place.rest_of_line]
    assert rests
    for place in rests:
        assert "\n" not in place.middle
        assert place.middle.strip()
        assert place.suffix.startswith("\n")


def test_all_kinds_of_middles_occur() -> None:
    middles = [place.middle for place in islice(places(TEXTS, 60, seed=0), 300)]
    assert "" in middles
    assert any("\n" in middle for middle in middles)


def test_the_same_seed_gives_the_same_places() -> None:
    assert list(islice(places(TEXTS, 30, 3), 50)) == list(islice(places(TEXTS, 30, 3), 50))
    assert list(islice(places(TEXTS, 30, 3), 50)) != list(islice(places(TEXTS, 30, 4), 50))


def test_about_a_tenth_of_the_library_is_held_out_and_never_learned() -> None:
    learned, held_out = corpus()
    assert len(learned) > 300
    assert 0.05 < len(held_out) / (len(learned) + len(held_out)) < 0.2
    assert not set(learned) & set(held_out)
    assert len(set(learned)) == len(learned)
    assert all(is_held_out(text) for text in held_out)
