import json

import pyarrow as pa
import pytest

from echo_ops.pipeline.card import card, samples, summary
from echo_ops.pipeline.evaluation import Judged
from echo_ops.training.compare import Compared, Comparison, Difference, Slice
from echo_ops.training.infilling import Guard

FIGURES = {
    "kept_rate": Compared(0.25, 0.5, Difference(0.25, 0.125, 0.375)),
    **dict.fromkeys(("exact_match", "saved_share", "nll_per_character"), Compared(None, 0.5, None)),
}
LANGUAGE = "py|<img src=x>`\n# title"
COMPARISON = Comparison(True, "it is", 1234, 9, FIGURES, (Slice("language", LANGUAGE, 1234, 9, FIGURES),))
JUDGED = Judged(COMPARISON, {}, Guard(164, 164, 0.5, 0.5, Difference(0.0, -0.0625, 0.0625)))
ASSEMBLED = {
    "days": ["2026-11-01", "2026-11-02"],
    "versions": {"examples": 7},
    "train_rows": 1000,
    "replay_rows": 200,
    "evaluation_rows": 1234,
    "train_hash": "a" * 64,
    "evaluation_hash": "b" * 64,
    "left_out": {"duplicate": 5},
}


def test_a_card_holds_data_settings_metrics_and_plots() -> None:
    head = summary("2026-11-02", JUDGED, "echo-completion/3")
    finetuned = {"method": "lora", "steps": 12, "model": "/secret/place", "losses": [[1, 2.0]]}
    text = card(head, JUDGED, ASSEMBLED, finetuned, {"void_share": 78}, {"training": {"seed": 0}}, [], ["loss.png"])
    for line in (
        "# echo-completion/3 of 2026-11-02",
        "| kept rate | 0.250 | 0.500 | +0.250 (+0.125 to +0.375) |",
        "| exact match | – | 0.500 | – |",
        "| infilling, 164 problems passed | 0.500 | 0.500 | +0.000 (-0.062 to +0.062) |",
        "| language py__img src_x___# title | 1,234 | – → 0.500 | 0.250 → 0.500 | – → 0.500 | – → 0.500 |",
        "- days: 2, 2026-11-01 to 2026-11-02",
        "- tables of the lake: examples 7",
        "| void_share | 78 |",
        "| duplicate | 5 |",
        "- method: lora",
        "![Loss of the fine-tuning](plots/loss.png)",
    ):
        assert line in text.splitlines()
    assert '"seed": 0' in text
    assert "/secret/place" not in text
    assert "## Samples" not in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "2026-11-01 to 2026-11-02 (among the days learned from), of all users"),
        ({"evaluation_days": ["2026-11-03"]}, "2026-11-03 (after the days learned from), of all users"),
        (
            {"evaluation_days": ["2026-11-03"], "strangers_only": True},
            "2026-11-03 (after the days learned from), of users of whom nothing was learned",
        ),
    ],
)
def test_a_card_says_how_strict_the_comparison_was(more: dict[str, object], said: str) -> None:
    text = card("", JUDGED, {**ASSEMBLED, **more}, {}, {}, {}, [], [])
    assert f"; 1,234 held-out requests of {said}" in text


def test_samples_are_where_the_models_differ_and_cut_short() -> None:
    rows = pa.Table.from_pylist(
        [
            {
                "request_id": f"q{number}",
                "language": "python",
                "prefix": "first = 1\nsecond = 2\nthird = " + "y" * 200,
                "lesson": "```\n" + "right\n" * 20,
            }
            for number in range(20)
        ]
    )
    champion = {f"q{number}": "wrong" for number in range(20)}
    challenger = champion | {f"q{number}": "```\nright\n" for number in range(8)}
    proposals = {"champion": champion, "challenger": challenger}
    chosen = samples(rows, proposals, 3)
    assert len(chosen) == 3
    assert samples(rows.take(list(range(19, -1, -1))), proposals, 3) == chosen
    assert samples(rows, {"champion": champion, "challenger": champion}, 3) == []
    text = card("", JUDGED, ASSEMBLED, {}, {}, {}, chosen[:1], [])
    shown = text[text.index("````diff") :].splitlines()
    assert shown[1:4] == [" second = 2", f" third = {'y' * 71}…", " ▸"]
    assert shown[4:7] == ["@@ champion → user @@", "-wrong", "+```"]
    assert shown[shown.index("@@ challenger → user @@") + 1 :][:4] == [" ```", " right", "+right", "+right"]
    assert shown[-2] == "````"
    assert "first" not in text
    assert json.dumps(ASSEMBLED["versions"]) not in text
