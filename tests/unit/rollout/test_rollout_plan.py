"""Most of what a rollout does is decided here."""

from datetime import UTC, datetime, timedelta

import pytest

from echo_ops.rollout.gate import Judgement
from echo_ops.rollout.plan import Aliases, Move, Plan, Running, State, next_share
from echo_ops.rollout.plan import plan as plan_at
from echo_ops.settings import Rollout

SETTINGS = Rollout(shares=(0.05, 0.25, 0.5), patience_days=7)
SINCE = datetime(2026, 11, 3, tzinfo=UTC)


def running(share: float, champion: str = "3", challenger: str = "4") -> State:
    return State(9, Running("4@7", champion, challenger, share, SINCE))


def plan(state: State, aliases: Aliases, judgement: Judgement | None, settings: Rollout, days: float = 1) -> Plan:
    return plan_at(state, aliases, judgement, settings, SINCE + timedelta(days=days))


def judged(verdict: str) -> Judgement:
    return Judgement(verdict, "said the gate")


FREED = Move("challenger", "4", None)
BOTH = Aliases(champion="3", challenger="4", previous_champion="2")

IDLE = [
    # state, aliases → decision, word of the reason
    ("nothing registered", State(), Aliases(), "hold", "no champion"),
    ("a challenger without a champion", State(), Aliases(challenger="4"), "hold", "no champion"),
    ("nothing to try", State(5), Aliases(champion="3"), "hold", "no challenger"),
    ("one version with both aliases", State(5), Aliases("4", "4"), "hold", "at once"),
    ("a version that was worse before", State(5, refused={"4"}), BOTH, "hold", "was rolled back"),
    ("another version was worse", State(5, refused={"2"}), BOTH, "advance", "starts"),
    ("the first of all", State(), Aliases("1", "2"), "advance", "starts"),
]


@pytest.mark.parametrize(
    ("state", "aliases", "decision", "word"), [row[1:] for row in IDLE], ids=[row[0] for row in IDLE]
)
def test_without_a_running_rollout(state: State, aliases: Aliases, decision: str, word: str) -> None:
    made = plan(state, aliases, None, SETTINGS)
    assert (made.decision, made.share_before) == (decision, 0.0)
    assert word in made.reason
    assert made.share_after == (0.05 if decision == "advance" else 0.0)
    assert made.moves == ()


def test_a_start_names_the_rollout_after_challenger_and_revision() -> None:
    made = plan(State(11), BOTH, None, SETTINGS)
    assert (made.rollout_id, made.champion, made.challenger) == ("4@12", "3", "4")


def test_a_gate_is_not_listened_to_before_anything_was_rolled_out() -> None:
    assert plan(State(1), BOTH, judged("worse"), SETTINGS).decision == "advance"


JUDGED = [
    # verdict, share → decision, share after, moves
    ("insufficient", 0.05, "hold", 0.05, ()),
    ("undecided", 0.05, "hold", 0.05, ()),
    ("not_worse", 0.05, "advance", 0.25, ()),
    ("better", 0.05, "advance", 0.25, ()),
    ("better", 0.25, "advance", 0.5, ()),
    ("worse", 0.05, "roll_back", 0.0, (FREED,)),
    ("worse", 0.5, "roll_back", 0.0, (FREED,)),
    ("undecided", 0.5, "hold", 0.5, ()),
    ("not_worse", 0.5, "promote", 0.0, (Move("previous_champion", "2", "3"), Move("champion", "3", "4"), FREED)),
    ("better", 0.5, "promote", 0.0, (Move("previous_champion", "2", "3"), Move("champion", "3", "4"), FREED)),
    # the shares were set anew meanwhile: go on with the next larger one
    ("better", 0.1, "advance", 0.25, ()),
    ("better", 0.8, "promote", 0.0, (Move("previous_champion", "2", "3"), Move("champion", "3", "4"), FREED)),
]


@pytest.mark.parametrize(("verdict", "share", "decision", "after", "moves"), JUDGED)
def test_a_running_rollout(verdict: str, share: float, decision: str, after: float, moves: tuple[Move, ...]) -> None:
    made = plan(running(share), BOTH, judged(verdict), SETTINGS)
    assert made == Plan(decision, made.reason, "3", "4", "4@7", share, after, moves)
    assert made.reason.endswith("said the gate")


@pytest.mark.parametrize("verdict", ["insufficient", "undecided"])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_patience_ends(verdict: str, share: float) -> None:
    assert plan(running(share), BOTH, judged(verdict), SETTINGS, days=7).decision == "hold"
    made = plan(running(share), BOTH, judged(verdict), SETTINGS, days=7.1)
    assert (made.decision, made.share_after, made.moves) == ("roll_back", 0.0, (FREED,))
    assert f"still {verdict} after 7 days" in made.reason


def test_a_late_pass_is_a_pass() -> None:
    assert plan(running(0.5), BOTH, judged("better"), SETTINGS, days=30).decision == "promote"


@pytest.mark.parametrize(("share", "further"), [(0.05, 0.25), (0.1, 0.25), (0.25, 0.5), (0.5, 1.0), (0.8, 1.0)])
def test_next_share(share: float, further: float) -> None:
    made = running(share).running
    assert made is not None
    assert next_share(made, SETTINGS) == further


def test_no_judgement_is_no_evidence() -> None:
    assert plan(running(0.05), BOTH, None, SETTINGS).decision == "hold"


@pytest.mark.parametrize(("verdict", "decision"), [("worse", "roll_back"), ("better", "promote")])
def test_a_newer_challenger_waits_and_keeps_its_alias(verdict: str, decision: str) -> None:
    made = plan(running(0.5), Aliases("3", "5", "2"), judged(verdict), SETTINGS)
    assert (made.decision, made.challenger) == (decision, "4")
    assert not [move for move in made.moves if move.alias == "challenger"]


def test_the_first_promotion_has_no_previous_champion() -> None:
    made = plan(running(0.5), Aliases("3", "4"), judged("better"), SETTINGS)
    assert made.moves[0] == Move("previous_champion", None, "3")


BY_HAND = [
    ("challenger taken away", Aliases("3"), "was taken", ()),
    ("champion set back", Aliases("2", "4"), "no longer 3", ()),
    ("champion gone", Aliases(None, "4"), "gone", ()),
    ("challenger made champion", Aliases("4"), "no longer 3", ()),
    ("challenger made champion, its alias left", Aliases("4", "4"), "no longer 3", (FREED,)),
]


@pytest.mark.parametrize("verdict", ["better", "worse", "insufficient"])
@pytest.mark.parametrize(("aliases", "word", "moves"), [row[1:] for row in BY_HAND], ids=[row[0] for row in BY_HAND])
def test_whoever_moves_an_alias_by_hand_ends_the_rollout(
    aliases: Aliases, word: str, moves: tuple[Move, ...], verdict: str
) -> None:
    made = plan(running(0.5), aliases, judged(verdict), SETTINGS)
    assert (made.decision, made.share_after, made.moves) == ("roll_back", 0.0, moves)
    assert word in made.reason


def test_the_whole_way_up_takes_one_decision_per_share_and_one_more() -> None:
    state, decisions = State(0), []
    while True:
        made = plan(state, BOTH, judged("better"), SETTINGS)
        decisions.append((made.decision, made.share_before, made.share_after))
        if made.decision == "promote":
            break
        state = State(state.revision + 1, Running(made.rollout_id or "", "3", "4", made.share_after, SINCE))
    assert decisions == [
        ("advance", 0.0, 0.05),
        ("advance", 0.05, 0.25),
        ("advance", 0.25, 0.5),
        ("promote", 0.5, 0.0),
    ]
