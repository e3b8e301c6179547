"""docs/concepts/rollout.md names nothing that the code does not have."""

import re
from pathlib import Path

from echo_ops.schema.rollouts import GATE_VERDICTS, ROLLOUT_DECISIONS
from echo_ops.settings import variables

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "concepts" / "rollout.md").read_text()


def test_every_setting_is_one() -> None:
    named = set(re.findall(r"ECHO_[A-Z_]+", TEXT))
    assert named
    assert named <= {name for name, _, _ in variables()}


def test_every_setting_of_the_rollout_is_explained() -> None:
    assert {name for name, _, _ in variables() if name.startswith("ECHO_ROLLOUT_")} <= set(
        re.findall(r"ECHO_[A-Z_]+", TEXT)
    )


def test_every_decision_and_verdict_is_explained() -> None:
    for word in (*ROLLOUT_DECISIONS, *GATE_VERDICTS):
        assert f"| `{word}` |" in TEXT


def test_every_table_and_function_is_in_the_migration() -> None:
    migration = (ROOT / "sql" / "migrations" / "0002_rollouts.sql").read_text()
    for name in set(re.findall(r"`(echo\.rollout\w*)", TEXT)):
        assert name in migration
