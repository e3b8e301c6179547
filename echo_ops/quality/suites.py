"""What must hold of each table of a day, as Great Expectations suites.

An expectation looks at a column of ``profile``. Its severity says what follows: ``critical`` stops the day,
``warning`` tells somebody, ``info`` only stands in the data docs. Its ``meta`` says in words what it means, and what to
do when it fails; both go into errors, alerts and data docs.

Most are shares: a column of truths, null where the question does not arise, whose mean lies between two limits. So
the same column serves a comparison with other days.
"""

from __future__ import annotations

from typing import Any

from echo_ops.quality.expectations import (
    at_least_in_all,
    columns_of,
    known,
    longest,
    row_count,
    share,
    share_between,
    some,
    within,
    words,
)
from echo_ops.quality.profile import WINDOW, Name
from echo_ops.schema.events import KINDS, OFFSET_UNITS
from echo_ops.schema.examples import SPLITS
from echo_ops.schema.lifecycles import CLOSE_REASONS, CONFIDENCES, DECISIONS, EVIDENCES, POLICIES
from echo_ops.settings import Quality

LATE_SECONDS = 3 * 3600
"""What comes later than the default grace no longer finishes its day's requests."""

FEW_USERS = 2.5
"""Times the even share that the busiest of few users may have."""

LEARNED_VERDICTS = ("fill", "silence")

_ONE_USER = "the model would learn one person's habits; lower ECHO_CURATION_MAX_PER_USER, or wait for more users"


def suite(name: Name, settings: Quality, day: str, users: int | None = None) -> list[Any]:
    """The expectations of a table on one day, as objects of Great Expectations; the most general first.

    Args:
        name: which table.
        settings: the limits that can be set.
        day: YYYY-MM-DD; a request must have been received on it.
        users: how many there were: among few, one may have more than ``max_user_share``.
    """
    if users:
        fair = min(0.9, max(settings.max_user_share, FEW_USERS / users))
        settings = settings.model_copy(update={"max_user_share": fair})
    expectations = {"events": _events, "lifecycles": _lifecycles, "examples": _examples}[name](settings, day)
    for key, expectation in enumerate(expectations):
        expectation.meta["key"] = key  # results come back in another order
    return expectations


def _events(q: Quality, _day: str) -> list[Any]:
    invalid = q.max_invalid_share
    clients = "find the client release that sends them"
    return [
        columns_of("events"),
        row_count("critical", q.min_events, "events of the day", "check that clients report, and the day asked for"),
        at_least_in_all("critical", "request", 1, "completion requests", "check that clients report `requested`"),
        words("critical", "kind", KINDS, "a known kind of event", "send the kinds of docs/concepts/events.md"),
        words("critical", "offset_unit", OFFSET_UNITS, "a known unit of offsets", "name the unit of the offsets"),
        share("critical", "repeated", invalid, "events that are there twice", "look how the day was loaded"),
        share("warning", "repeated", 0, "events that are there twice", "look how the day was loaded"),
        share("critical", "negative_position", invalid, "events with a negative seq, caret or length", clients),
        share("critical", "without_request", invalid, "answers that name no request", clients),
        within(
            "critical", "prefix_overrun", None, 0, invalid, "prefix no longer than the text before the caret",
            "a client swaps prefix and suffix, or counts its caret in another unit: " + clients,
        ),
        within(
            "critical", "suffix_overrun", None, 0, invalid, "suffix no longer than the text after the caret",
            "a client swaps prefix and suffix, or sends a stale document_length: " + clients,
        ),
        share(
            "critical", "swapped", q.max_swapped_share, "requests whose suffix moves while the prefix stands still",
            "a client swaps prefix and suffix: " + clients,
        ),
        share("warning", "swapped", 0.05, "requests whose suffix moves while the prefix stands still",
              "a client may swap prefix and suffix: " + clients),
        share(
            "critical", "cut_prefix", q.max_cut_share, f"prefixes cut below {WINDOW} characters",
            "a client, a proxy or a column cuts texts; no gap can be placed by such anchors: " + clients,
        ),
        share("warning", "cut_prefix", q.max_invalid_share, f"prefixes cut below {WINDOW} characters",
              "a client, a proxy or a column cuts texts: " + clients),
        within(
            "critical", "lag_seconds", -q.max_clock_skew_seconds, None, q.max_skewed_share,
            "not reported before it happened, in seconds of lag",
            "clients' clocks are ahead, or occurred_at and received_at are swapped, or a unit is wrong",
        ),
        within(
            "warning", "lag_seconds", -q.max_clock_skew_seconds, None, q.max_invalid_share,
            "not reported before it happened, in seconds of lag",
            "some clients' clocks are ahead, or a release sends other times: find them",
        ),
        within(
            "warning", "lag_seconds", None, LATE_SECONDS, 0.1, "reported soon after it happened, in seconds of lag",
            "look for a queue that stands still; raise ECHO_HARVEST_GRACE_HOURS if it is always so",
        ),
        some(
            "warning", "shown", 0.0, "events that show a proposal",
            "acceptance cannot be judged; check that the serving model answers and clients report `shown`",
        ),
        some(
            "warning", "accepted_of_many", 0.0, f"events that accept, where {q.min_shown:,} or more show",
            "clients may not send `accepted`, by which models are judged; beside a week with some, this is critical",
        ),
        known("info", "language", 0.5, "events that name their language", "let clients send languageId"),
        share("warning", "of_busiest_user", q.max_user_share, "events by the busiest user", _ONE_USER),
    ]  # fmt: skip


def _lifecycles(q: Quality, day: str) -> list[Any]:
    invalid = q.max_invalid_share
    defect = "this is a defect of the reconstruction: please report it"
    return [
        columns_of("lifecycles"),
        row_count("critical", 1, "completion requests of the day", "check that clients report `requested` events"),
        words("critical", "received_on", (day,), "received on this day", defect),
        words("critical", "decision", DECISIONS, "a known decision", defect),
        words("critical", "close_reason", CLOSE_REASONS, "a known reason of closing", defect),
        words("critical", "evidence", EVIDENCES, "a known kind of evidence", defect),
        words("critical", "confidence", CONFIDENCES, "a known confidence", defect),
        words("critical", "policy", POLICIES, "a known closing policy", defect),
        share("critical", "repeated", 0, "requests that are there twice", defect),
        within("critical", "kept_rate", 0, 1, 0, "a kept rate between 0 and 1", defect),
        within(
            "critical", "open_seconds", 0, None, invalid, "closed after it was requested, in seconds",
            "clients' clocks run backwards: find the client release that sends such times",
        ),
        share(
            "critical", "without_commit", q.max_null_committed, "requests whose commit is unknown",
            "see which close reasons prevail; clients that send neither changes nor snapshots cannot be learned from",
        ),
        share(
            "critical", "without_context", 0.5, "requests with neither prefix nor suffix",
            "find the client release that sends requests without their context",
        ),
        share(
            "warning", "events_lost", 0.2, "requests whose later events are missing",
            "look for holes in seq: a client, a queue or a load loses events",
        ),
        share("warning", "horizon", 0.1, "requests still open at the end", "raise ECHO_HARVEST_GRACE_HOURS"),
        share("warning", "ambiguous", 0.2, "requests that can be read two ways", "let clients send edits"),
        some("warning", "shown", 0.05, "requests that got a proposal", "check that the serving model answers"),
        share_between(
            "warning", "accepted", q.min_acceptance, q.max_acceptance, "shown proposals that were accepted",
            "check that clients still report `accepted`; else compare the model's version with the days before",
        ),
        share("warning", "void", q.max_void_share, "known commits that are empty", "check that clients send changes"),
        share(
            "warning", "without_model", 0.5, "requests that name no model version",
            "a rollout cannot be judged without it; let clients send model_version",
        ),
        share("warning", "of_busiest_user", q.max_user_share, "requests by the busiest user", _ONE_USER),
        longest(
            "warning", "prefix_length", 500, "characters of the longest prefix",
            "a client or a proxy cuts texts; the model needs the context that it will be asked with",
        ),
        within(
            "warning", "proposal_length", 0, 4000, 0.02, "proposals of usual length, in characters",
            "the serving model does not stop; check its stop tokens",
        ),
        within(
            "warning", "committed_length", 0, 10_000, 0.01, "commits of usual length, in characters",
            "large pastes or generated files: exclude their documents",
        ),
        known("info", "language", 0.5, "requests that name their language", "let clients send languageId"),
    ]  # fmt: skip


def _examples(q: Quality, _day: str) -> list[Any]:
    defect = "this is a defect of the curation: please report it"
    return [
        columns_of("examples"),
        row_count("warning", 1, "lessons of the day", "see the reasons in the table `dropped`"),
        words("critical", "verdict", LEARNED_VERDICTS, "a verdict that is learned", defect),
        words("critical", "split", SPLITS, "a known split", defect),
        words("critical", "decision", DECISIONS, "a known decision", defect),
        share("critical", "repeated", 0, "lessons that are there twice", defect),
        share("critical", "lesson_not_of_commit", 0, "lessons that are no prefix of the commit", defect),
        share("critical", "cut_not_of_lesson", 0, "lessons of another length than their cut", defect),
        share("critical", "in_both_splits", 0.01, "lessons of documents in both splits", defect),
        within("critical", "kept_rate", 0, 1, 0, "a kept rate between 0 and 1", defect),
        within("critical", "cut_probability", 0, 1, 0, "a probability between 0 and 1", defect),
        within("critical", "verdict_probability", 0, 1, 0, "a probability between 0 and 1", defect),
        within("critical", "weight", 0, 1000, 0, "a weight that is not negative", defect),
        share(
            "warning", "silence", q.max_silence_share, "lessons to propose nothing",
            "too many teach a model to stay silent; lower ECHO_CURATION_VOID_SHARE",
        ),
        share("warning", "evaluation", 0.5, "lessons held out", "lower ECHO_CURATION_EVALUATION_SHARE"),
        some(
            "info", "evaluation", 0.0, "lessons held out",
            "a day with few repositories may hold out none; the window of a training must hold some",
        ),
        share("warning", "of_busiest_user", q.max_user_share, "lessons by the busiest user", _ONE_USER),
        within(
            "warning", "lesson_length", 0, 2000, 0.01, "lessons of usual length, in characters",
            "lower ECHO_CURATION_MAX_LESSON_CHARACTERS",
        ),
    ]  # fmt: skip
