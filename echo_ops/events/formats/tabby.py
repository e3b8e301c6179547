"""Tabby's event log: completions as the server made them, and what clients reported of each.

Source: TabbyML/tabby, crates/tabby-common/src/api/event.rs; docs/concepts/foreign-formats.md says what was looked at
and what each field becomes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge

from echo_ops.errors import InputError
from echo_ops.events.formats import identity
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import Loss, Notes, Record, Row, Source, event, unknown, uuid_in
from echo_ops.events.formats.sessions import SECOND, Session, Sessions

EVENTS = ("completion", "view", "select", "dismiss")
OTHERS = ("chat_completion",)
SELECTIONS = ("line",)

DAY = 86_400 * SECOND
"""How long a completion is remembered for what clients report of it."""

CHANGES = Loss(
    "changes", "only requests are logged: a commit is read from later requests of the file, and is null after the last"
)
OFFSETS = Loss("caret, document_length", "windows without offsets: placed by their text")
OPENED = Loss("opened, closed", "no editor sessions: an hour's pause of a user ends one")
CLOCK = Loss("ts", "the server's clock; the client's is not logged")
USER = Loss("user", "missing: all such events are one user")
FILE = Loss("segments.filepath", "missing: each request is a document of its own, so its commit is null")
SUFFIX = Loss("segments.suffix", "missing: taken as empty")
MODEL = Loss("model_version", "the log names no model")
CUT = Loss("choices", "the server's text; a client may have cut or trimmed what it showed")
CONTEXT = Loss("prompt, declarations, clipboard", "not kept, nor user_agent, view_id and elapsed")


@dataclass(frozen=True, slots=True)
class Open:
    """A completion that may still be answered."""

    at: int
    session: Session
    document: str
    common: Row
    choices: dict[int, str]


def read(sources: Sequence[Source], pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    """Events of Tabby's files, merged by time."""
    sessions, waiting = Sessions(), OrderedDict[str, Open]()
    streams = [((record.moment("ts"), record) for record in source.records()) for source in sources]
    for at, record in merge(*streams, key=lambda timed: timed[0]):
        notes.records += 1
        while waiting and next(iter(waiting.values())).at < at - DAY:
            waiting.popitem(last=False)
        name, body = _event(record)
        if name in OTHERS:
            notes.skipped[f"{name}: no completion"] += 1
        elif name == "completion":
            yield from _completion(record, body, at, sessions, waiting, pseudonyms, notes)
        else:
            yield from _answer(name, body, at, waiting, notes)


def _event(record: Record) -> tuple[str, Record]:
    held = record.inner("event")
    if len(held.value) != 1:
        raise InputError(f"{held.where}: {len(held.value)} kinds, wanted is one of {', '.join(EVENTS)}")
    name = next(iter(held.value))
    if name not in EVENTS + OTHERS:
        raise unknown(held.where, "kind", name, EVENTS + OTHERS, "give only Tabby's completion events")
    return name, held.inner(name)


def _completion(
    record: Record,
    body: Record,
    at: int,
    sessions: Sessions,
    waiting: OrderedDict[str, Open],
    pseudonyms: Pseudonyms,
    notes: Notes,
) -> Iterator[Row]:
    if body.may("segments", dict) is None:
        notes.skipped["completion without segments (a raw prompt or a next edit): no context"] += 1
        return
    segments, name = body.inner("segments"), body.need("completion_id", str)
    user = record.may("user", str) or body.may("user", str)
    git_url, file, suffix = (segments.may(field, str) for field in ("git_url", "filepath", "suffix"))
    path = identity.below(file, None)[0] if file else None
    notes.losses.update((CHANGES, OFFSETS, OPENED, CLOCK, MODEL, CUT, CONTEXT))
    for missing, loss in ((not user, USER), (not file, FILE), (suffix is None, SUFFIX)):
        notes.losses[loss] += missing
    session = sessions.at(pseudonyms.user(user), at)
    common = {
        "user_id": pseudonyms.user(user),
        "request_id": uuid_in(name),
        "language": body.may("language", str),
        "repository": identity.repository(git_url),
        "path": path,
    }
    document = pseudonyms.of("file", f"{git_url or ''}\0{file}") if file else name
    choices = {choice.need("index", int): choice.need("text", str) for choice in _choices(body)}
    waiting[name] = Open(at, session, document, common, choices)
    context = {"prefix": segments.need("prefix", str), "suffix": suffix or ""}
    yield session.place(event("requested", at, "code-point", **common, **context), document)


def _choices(body: Record) -> Iterator[Record]:
    for number, choice in enumerate(body.need("choices", list)):
        yield Record({"choice": choice}, f"{body.where}, choices {number}").inner("choice")


def _answer(name: str, body: Record, at: int, waiting: OrderedDict[str, Open], notes: Notes) -> Iterator[Row]:
    known = waiting.get(body.need("completion_id", str))
    if known is None:
        notes.skipped[f"{name} of a completion that is not in these files, or older than a day"] += 1
        return
    kind = body.may("kind", str)
    if kind is not None and kind not in SELECTIONS:
        raise unknown(
            body.where,
            "kind of select",
            kind,
            SELECTIONS,
            "a newer release wrote this: update Echo Ops, or leave such lines out",
        )
    proposal = known.choices.get(body.need("choice_index", int))
    row = {
        "view": event("shown", at, "code-point", **known.common, proposal=proposal),
        "select": event("partially_accepted" if kind else "accepted", at, "code-point", **known.common),
        "dismiss": event("rejected", at, "code-point", **known.common),
    }[name]
    yield known.session.place(row, known.document)
