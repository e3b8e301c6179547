"""What must hold of each table of a day, as Great Expectations suites.

An expectation looks at a column of ``profile``. Its severity says what follows: ``critical`` stops the day,
``warning`` tells somebody, ``info`` only stands in the data docs. Its ``meta`` says in words what it means, and what to
do when it fails; both go into errors, alerts and data docs.

Most are shares: a column of truths, null where the question does not arise, whose mean lies between two limits. So
the same column serves a comparison with other days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from echo_ops.quality.profile import PROFILES, Name
from echo_ops.schema.events import KINDS, OFFSET_UNITS
from echo_ops.schema.examples import SPLITS
from echo_ops.schema.lifecycles import CLOSE_REASONS, CONFIDENCES, DECISIONS, EVIDENCES, POLICIES
from echo_ops.settings import Quality

Severity = Literal["critical", "warning", "info"]

LATE_SECONDS = 3 * 3600
"""What comes later than the default grace no longer finishes its day's requests."""

LEARNED_VERDICTS = ("fill", "silence")


def suite(name: Name, settings: Quality, day: str) -> list[Any]:
    """The expectations of a table on one day, as objects of Great Expectations; the most general first.

    Args:
        name: which table.
        settings: the limits that can be set.
        day: YYYY-MM-DD; a request must have been received on it.
    """
    expectations = {"events": _events, "lifecycles": _lifecycles, "examples": _examples}[name](settings, day)
    for key, expectation in enumerate(expectations):
        expectation.meta["key"] = key  # results come back in another order
    return expectations


def _events(q: Quality, _day: str) -> list[Any]:
    invalid = q.max_invalid_share
    clients = "find the client release that sends them"
    return [
        _columns("events"),
        _rows("critical", q.min_events, "events of the day", "check that clients report, and which day was asked for"),
        _sum("critical", "request", 1, "completion requests", "check that clients report `requested` events"),
        _words("critical", "kind", KINDS, "a known kind of event", "send the kinds of docs/concepts/events.md"),
        _words("critical", "offset_unit", OFFSET_UNITS, "a known unit of offsets", "name the unit of the offsets"),
        _share("critical", "repeated", invalid, "events that are there twice", "look how the day was loaded"),
        _share("warning", "repeated", 0, "events that are there twice", "look how the day was loaded"),
        _share("critical", "negative_position", invalid, "events with a negative seq, caret or length", clients),
        _share("critical", "without_request", invalid, "answers that name no request", clients),
        _range(
            "critical", "prefix_overrun", None, 0, invalid, "prefix no longer than the text before the caret",
            "a client swaps prefix and suffix, or counts its caret in another unit: " + clients,
        ),
        _range(
            "critical", "suffix_overrun", None, 0, invalid, "suffix no longer than the text after the caret",
            "a client swaps prefix and suffix, or sends a stale document_length: " + clients,
        ),
        _range(
            "critical", "lag_seconds", -q.max_clock_skew_seconds, None, q.max_skewed_share,
            "not reported before it happened, in seconds of lag",
            "clients' clocks are ahead, or occurred_at and received_at are swapped, or a unit is wrong",
        ),
        _range(
            "warning", "lag_seconds", -60, LATE_SECONDS, 0.1, "reported soon after it happened, in seconds of lag",
            "look for a queue that stands still; raise ECHO_HARVEST_GRACE_HOURS if it is always so",
        ),
        _some(
            "warning", "shown", 0.0, "events that show a proposal",
            "acceptance cannot be judged; check that the serving model answers and clients report `shown`",
        ),
        _known("info", "language", 0.5, "events that name their language", "let clients send languageId"),
        _share("warning", "of_busiest_user", q.max_user_share, "events by the busiest user", _ONE_USER),
    ]  # fmt: skip


def _lifecycles(q: Quality, day: str) -> list[Any]:
    invalid = q.max_invalid_share
    defect = "this is a defect of the reconstruction: please report it"
    return [
        _columns("lifecycles"),
        _rows("critical", 1, "completion requests of the day", "check that clients report `requested` events"),
        _words("critical", "received_on", (day,), "received on this day", defect),
        _words("critical", "decision", DECISIONS, "a known decision", defect),
        _words("critical", "close_reason", CLOSE_REASONS, "a known reason of closing", defect),
        _words("critical", "evidence", EVIDENCES, "a known kind of evidence", defect),
        _words("critical", "confidence", CONFIDENCES, "a known confidence", defect),
        _words("critical", "policy", POLICIES, "a known closing policy", defect),
        _share("critical", "repeated", 0, "requests that are there twice", defect),
        _range("critical", "kept_rate", 0, 1, 0, "a kept rate between 0 and 1", defect),
        _range(
            "critical", "open_seconds", 0, None, invalid, "closed after it was requested, in seconds",
            "clients' clocks run backwards: find the client release that sends such times",
        ),
        _share(
            "critical", "without_commit", q.max_null_committed, "requests whose commit is unknown",
            "see which close reasons prevail; clients that send neither changes nor snapshots cannot be learned from",
        ),
        _share(
            "critical", "without_context", 0.5, "requests with neither prefix nor suffix",
            "find the client release that sends requests without their context",
        ),
        _share(
            "warning", "events_lost", 0.2, "requests whose later events are missing",
            "look for holes in seq: a client, a queue or a load loses events",
        ),
        _share("warning", "horizon", 0.1, "requests still open at the end", "raise ECHO_HARVEST_GRACE_HOURS"),
        _share("warning", "ambiguous", 0.2, "requests that can be read two ways", "let clients send edits"),
        _some("warning", "shown", 0.05, "requests that got a proposal", "check that the serving model answers"),
        _share_between(
            "warning", "accepted", q.min_acceptance, q.max_acceptance, "shown proposals that were accepted",
            "check that clients still report `accepted`; else compare the model's version with the days before",
        ),
        _share("warning", "void", q.max_void_share, "known commits that are empty", "check that clients send changes"),
        _share(
            "warning", "without_model", 0.5, "requests that name no model version",
            "a rollout cannot be judged without it; let clients send model_version",
        ),
        _share("warning", "of_busiest_user", q.max_user_share, "requests by the busiest user", _ONE_USER),
        _longest(
            "warning", "prefix_length", 500, "characters of the longest prefix",
            "a client or a proxy cuts texts; the model needs the context that it will be asked with",
        ),
        _range(
            "warning", "proposal_length", 0, 4000, 0.01, "proposals of usual length, in characters",
            "the serving model does not stop; check its stop tokens",
        ),
        _range(
            "warning", "committed_length", 0, 10_000, 0.01, "commits of usual length, in characters",
            "large pastes or generated files: exclude their documents",
        ),
        _known("info", "language", 0.5, "requests that name their language", "let clients send languageId"),
    ]  # fmt: skip


def _examples(q: Quality, _day: str) -> list[Any]:
    defect = "this is a defect of the curation: please report it"
    return [
        _columns("examples"),
        _rows("warning", 1, "lessons of the day", "see the reasons in the table `dropped`"),
        _words("critical", "verdict", LEARNED_VERDICTS, "a verdict that is learned", defect),
        _words("critical", "split", SPLITS, "a known split", defect),
        _words("critical", "decision", DECISIONS, "a known decision", defect),
        _share("critical", "repeated", 0, "lessons that are there twice", defect),
        _share("critical", "lesson_not_of_commit", 0, "lessons that are no prefix of the commit", defect),
        _share("critical", "cut_not_of_lesson", 0, "lessons of another length than their cut", defect),
        _share("critical", "in_both_splits", 0.01, "lessons of documents in both splits", defect),
        _range("critical", "kept_rate", 0, 1, 0, "a kept rate between 0 and 1", defect),
        _range("critical", "cut_probability", 0, 1, 0, "a probability between 0 and 1", defect),
        _range("critical", "verdict_probability", 0, 1, 0, "a probability between 0 and 1", defect),
        _range("critical", "weight", 0, 1000, 0, "a weight that is not negative", defect),
        _share(
            "warning", "silence", q.max_silence_share, "lessons to propose nothing",
            "too many teach a model to stay silent; lower ECHO_CURATION_VOID_SHARE",
        ),
        _share("warning", "evaluation", 0.5, "lessons held out", "lower ECHO_CURATION_EVALUATION_SHARE"),
        _some(
            "info", "evaluation", 0.0, "lessons held out",
            "a day with few repositories may hold out none; the window of a training must hold some",
        ),
        _share("warning", "of_busiest_user", q.max_user_share, "lessons by the busiest user", _ONE_USER),
        _range(
            "warning", "lesson_length", 0, 2000, 0.01, "lessons of usual length, in characters",
            "lower ECHO_CURATION_MAX_LESSON_CHARACTERS",
        ),
    ]  # fmt: skip


_ONE_USER = "the model would learn one person's habits; lower ECHO_CURATION_MAX_PER_USER, or wait for more users"


def _meta(severity: Severity, says: str, remedy: str) -> dict[str, Any]:
    return {"severity": severity, "meta": {"says": says, "remedy": remedy}, "notes": f"{says}. If not: {remedy}."}


def _columns(name: Name) -> Any:
    import great_expectations.expectations as gxe

    remedy = "the shard was staged by another version: harvest the day again"
    return gxe.ExpectTableColumnsToMatchSet(
        column_set=PROFILES[name].names, exact_match=False, **_meta("critical", "columns of the profile", remedy)
    )


def _rows(severity: Severity, low: int, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectTableRowCountToBeBetween(min_value=low, **_meta(severity, says, remedy))


def _sum(severity: Severity, column: str, low: int, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnSumToBeBetween(column=column, min_value=low, **_meta(severity, says, remedy))


def _words(severity: Severity, column: str, vocabulary: Sequence[str], says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(vocabulary), **_meta(severity, says, remedy))


def _range(
    severity: Severity, column: str, low: float | None, high: float | None, outside: float, says: str, remedy: str
) -> Any:
    """At most the share ``outside`` of the values lies outside ``low`` to ``high``."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, mostly=1 - outside, **_meta(severity, says, remedy)
    )


def _share_between(severity: Severity, column: str, low: float, high: float, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMeanToBeBetween(
        column=column, min_value=low, max_value=high, **_meta(severity, says, remedy)
    )


def _share(severity: Severity, column: str, high: float, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMeanToBeBetween(column=column, max_value=high, **_meta(severity, says, remedy))


def _some(severity: Severity, column: str, low: float, says: str, remedy: str) -> Any:
    """More than the share ``low``."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMeanToBeBetween(
        column=column, min_value=low, strict_min=True, **_meta(severity, says, remedy)
    )


def _known(severity: Severity, column: str, low: float, says: str, remedy: str) -> Any:
    """At least the share ``low`` of the values is known."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=low, **_meta(severity, says, remedy))


def _longest(severity: Severity, column: str, low: int, says: str, remedy: str) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnMaxToBeBetween(column=column, min_value=low, **_meta(severity, says, remedy))
