"""The documented vocabulary is the real one."""

from pathlib import Path

from echo_ops.curation.reasons import Reason, markdown

DOCS = Path(__file__).parents[3] / "docs" / "concepts" / "curation.md"


def test_the_table_of_reasons_is_current() -> None:
    # when it is not: python -c "from echo_ops.curation.reasons import markdown; print(markdown())"
    assert markdown() in DOCS.read_text(encoding="utf-8")


def test_reasons_are_told_apart() -> None:
    assert len({reason.code for reason in Reason}) == len({reason.meaning for reason in Reason}) == len(Reason)
