"""Continue's development data, schema 0.2.0: one row for every proposal that was shown, with what became of it.

Source: continuedev/continue, packages/config-yaml/src/schemas/data; docs/concepts/foreign-formats.md says what was
looked at and what each field becomes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import PurePosixPath

from echo_ops.errors import InputError
from echo_ops.events.formats import identity
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import Loss, Notes, Record, Row, Source, at_caret, event, unknown, uuid_in
from echo_ops.events.formats.sessions import Sessions, in_time

VERSIONS = ("0.2.0",)
READ = ("autocomplete", "nextEditOutcome")
OTHERS = (
    "chatFeedback", "chatInteraction", "editInteraction", "editOutcome", "nextEditWithHistory", "quickEdit",
    "tokensGenerated", "toolUsage",
)  # fmt: skip

CURSORS = ("<|user_cursor_is_here|>", "<|cursor|>")
MARKED_LINES = (
    "<|editable_region_start|>",
    "<|editable_region_end|>",
    "<|code_to_edit|>",
    "<|/code_to_edit|>",
)
WHOLE_FILE = "<|code_to_edit|>"
"""The marker of the prompt that holds the whole file; the other holds a window."""

CHANGES = Loss(
    "changes", "only requests are logged: a commit is read from later requests of the file, and is null after the last"
)
OFFSETS = Loss("caret, document_length", "windows without offsets: placed by their text")
OPENED = Loss("opened, closed", "no editor sessions: an hour's pause of a user ends one")
REFUSED = Loss("accepted: false", "not accepted within 10 s: dismissed and typed over are one, both are `rejected`")
UNANSWERED = Loss("accepted", "missing: shown, and what became of it is not known")
ANSWERED_AT = Loss("time of the answer", "no createdAt: taken as the time when it was shown")
USER = Loss("userId, uniqueId", "both empty: all such rows are one user")
PATH = Loss("filepath", "no root is named: `path` is the file's name alone; the whole path tells documents apart")
SNIPPETS = Loss("prefix", "began with other files' snippets, put there for the prompt: taken off")
FINAL_NEWLINE = Loss("suffix", "one line break alone: Continue writes it for an empty suffix, too")
ELSEWHERE = Loss("completion", "the next edit changes more than text at the caret: no proposal, so no kept_rate")
NO_VERSION = Loss("schema, eventName", "missing: read as 0.2.0, by the fields")
PROMPT = Loss("prompt, options", "not kept: prompt, userEdits, completion options, provider, cacheHit")


def read(sources: Sequence[Source], pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    """Events of Continue's files, merged by time."""
    sessions = Sessions()
    streams = [in_time(_rows(source, pseudonyms, notes)) for source in sources]
    for row in merge(*streams, key=lambda row: row["occurred_at"]):
        who, document = row.pop("who"), row.pop("document")
        yield sessions.at(who, row["occurred_at"]).place(row, document)


def _rows(source: Source, pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    for record in source.records():
        notes.records += 1
        record = _unwrapped(record)
        name = _event_name(record, notes)
        if name in OTHERS:
            notes.skipped[f"{name}: no completion"] += 1
        elif any(record.may(field, str) is None for field in _CODE[name]):
            notes.skipped["logged at level noCode: no text"] += 1
        else:
            yield from (_autocomplete if name == READ[0] else _next_edit)(record, pseudonyms, notes)


_CODE = {"autocomplete": ("prefix", "suffix", "completion"), "nextEditOutcome": ("userExcerpts", "completion")}


def _unwrapped(record: Record) -> Record:
    """Continue posts ``{name, schema, level, data}`` to a server, and writes the data alone into files."""
    if "data" not in record.value or "name" not in record.value:
        return record
    data = record.inner("data")
    outer = {"eventName": record.need("name", str), "schema": record.may("schema", str)}
    return Record({**data.value, **outer}, data.where)


def _event_name(record: Record, notes: Notes) -> str:
    version = record.may("schema", str)
    if version is not None and version not in VERSIONS:
        raise unknown(
            record.where, "schema", version, VERSIONS, "write the data with one of these (data: in config.yaml)"
        )
    name = record.may("eventName", str)
    if name is None:
        found = [each for each, field in zip(READ, ("filepath", "fileUri"), strict=True) if field in record.value]
        if len(found) != 1:
            raise InputError(
                f"{record.where}: the field eventName is missing, and so are filepath and fileUri; "
                f"wanted is a row of Continue's {' or '.join(READ)}.jsonl"
            )
        name = found[0]
    elif name not in READ + OTHERS:
        raise unknown(record.where, "eventName", name, READ + OTHERS, f"give only {' and '.join(READ)}.jsonl")
    if version is None:
        notes.losses[NO_VERSION] += 1
    return name


def _autocomplete(record: Record, pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    uri = record.need("filepath", str)
    prefix, suffix = record.need("prefix", str), record.need("suffix", str)
    own = without_snippets(prefix, uri)
    notes.losses[SNIPPETS] += own != prefix
    notes.losses[FINAL_NEWLINE] += suffix == "\n"
    notes.losses[OFFSETS] += 1
    path, whole = _below_repository(uri, record.may("gitRepo", str))
    context = {"path": path, "prefix": own, "suffix": suffix}
    notes.losses[PATH] += not whole
    yield from _told(record, "time", uri, context, record.need("completion", str), pseudonyms, notes)


def _next_edit(record: Record, pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    uri = record.need("fileUri", str)
    split = _at_cursor(record.need("userExcerpts", str))
    if split is None:
        notes.skipped["nextEditOutcome without a cursor in userExcerpts: no context"] += 1
        return
    prefix, suffix = split
    path, whole = identity.below(uri, record.may("workspaceDirUri", str))
    notes.losses[PATH] += not whole
    context: Row = {"path": path, "prefix": prefix, "suffix": suffix}
    if WHOLE_FILE in record.need("userExcerpts", str):
        context |= {"caret": len(prefix), "document_length": len(prefix) + len(suffix)}
    else:
        notes.losses[OFFSETS] += 1
    region = _around(prefix, suffix, record.may("originalEditableRange", str) or "")
    proposal = at_caret(record.need("completion", str), *region) if region else None
    notes.losses[ELSEWHERE] += proposal is None
    yield from _told(record, "elapsed", uri, context, proposal, pseudonyms, notes)


def _told(
    record: Record,
    took: str,
    uri: str,
    context: Row,
    proposal: str | None,
    pseudonyms: Pseudonyms,
    notes: Notes,
) -> Iterator[Row]:
    """Request, display and answer of one row."""
    shown = record.moment("timestamp")
    machine = record.may("uniqueId", str) or ""
    name = record.may("userId", str) or machine
    notes.losses[USER] += not name
    notes.losses.update((CHANGES, OPENED, PROMPT))
    common = {
        "who": pseudonyms.of("installation", f"{name}\0{machine}"),
        "document": pseudonyms.of("file", identity.plain_path(uri)),
        "user_id": pseudonyms.user(name),
        "request_id": uuid_in(record.need("completionId", str)),
        "language": identity.language(context["path"]),
        "repository": identity.repository(record.may("gitRepo", str)),
        "path": context["path"],
        "model_version": record.may("modelName", str),
    }
    yield event("requested", shown - record.milliseconds(took), "code-point", **{**common, **context})
    if record.may("aborted", bool):
        return
    yield event("shown", shown, "code-point", **common, proposal=proposal)
    accepted = record.may("accepted", bool)
    if accepted is None:
        notes.losses[UNANSWERED] += 1
        return
    answered = record.moment("createdAt") if "createdAt" in record.value else shown
    notes.losses[ANSWERED_AT] += "createdAt" not in record.value
    notes.losses[REFUSED] += not accepted
    yield event("accepted" if accepted else "rejected", max(answered, shown), "code-point", **common)


def without_snippets(prefix: str, uri: str) -> str:
    """The prefix without the snippets of other files that the prompt puts before it.

    They end with a line that names the file itself: a comment with the last two parts of its path, after nothing but
    lines of comment; or, in the layout of several files, ``+++++ path``.
    """
    path = PurePosixPath(identity.plain_path(uri))
    if prefix.startswith("+++++ "):
        own = [
            found.end() for found in re.finditer(r"^\+{5} (.*)\n", prefix, re.MULTILINE) if found[1].endswith(path.name)
        ]
        return prefix[own[-1] :] if own else prefix
    end = 0
    for line in prefix.splitlines(keepends=True):
        end += len(line)
        mark, blank, rest = line.rstrip("\r\n").partition(" ")
        if blank and rest == "/".join(path.parts[-2:]) and not mark.isalnum():
            before = prefix[: end - len(line)].splitlines()
            return prefix[end:] if all(not text.strip() or text.startswith(mark) for text in before) else prefix
        if line.strip() and (mark[:1].isalnum() or mark[:1] in "_@\"'"):
            return prefix  # a line of code: no snippets
    return prefix


def _at_cursor(excerpt: str) -> tuple[str, str] | None:
    """Text before and behind the cursor, without the marks of the prompt."""
    for mark in MARKED_LINES:
        excerpt = excerpt.replace(f"{mark}\n", "", 1) if f"{mark}\n" in excerpt else excerpt.replace(f"\n{mark}", "", 1)
    marks = [mark for mark in CURSORS if excerpt.count(mark) == 1]
    if len(marks) != 1:
        return None
    prefix, suffix = excerpt.split(marks[0])
    return prefix, suffix


def _around(prefix: str, suffix: str, original: str) -> tuple[str, str] | None:
    """The lines that a next edit replaces, before and behind the cursor; None where it stands in other lines."""
    text, caret = prefix + suffix, len(prefix)
    for start in range(max(0, caret - len(original)), caret + 1):
        begins = start == 0 or text[start - 1] == "\n"
        ends = text[start + len(original) :][:1] in ("", "\n")
        if begins and ends and text.startswith(original, start):
            return text[start:caret], text[caret : start + len(original)]
    return None


def _below_repository(uri: str, name: str | None) -> tuple[str, bool]:
    """The path below the folder that is called like the repository."""
    parts = PurePosixPath(identity.plain_path(uri)).parts
    folder = PurePosixPath(identity.repository(name) or "/").name
    if folder in parts[:-1]:
        return "/".join(parts[parts.index(folder) + 1 :]), True
    return identity.below(uri, None)
