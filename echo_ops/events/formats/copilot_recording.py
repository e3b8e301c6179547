"""VS Code's workspace recordings (Copilot Chat): every edit of each document, and the completions fetched.

Source: microsoft/vscode, extensions/copilot/src/platform/workspaceRecorder/common/workspaceLog.ts;
docs/concepts/foreign-formats.md says what was looked at and what each field becomes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from echo_ops.errors import InputError
from echo_ops.events.formats import fetches, identity
from echo_ops.events.formats.fetches import ACCEPTS, ANSWERS, BLIND, FETCH, MODEL, OTHER_DATA, RELEASE, SHOWN
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import (
    Loss,
    Notes,
    Record,
    Row,
    Source,
    derived_uuid,
    edits_text,
    parsed,
    unknown,
)
from echo_ops.events.formats.recorded import Document, Edit, Recording

TYPES = ("workspaceRecording@1.0",)
KINDS = (
    "header", "meta", "applicationStart", "documentEncountered", "setContent", "storeContent", "restoreContent",
    "opened", "closed", "focused", "changed", "selectionChanged", "documentEvent", "event", "bookmark",
)  # fmt: skip
REASON = "TextModel.setChangeReason"
CAUSES = {
    **dict.fromkeys(ACCEPTS, "accept"),
    "cursor:type": "typing", "cursor:compositionType": "typing", "cursor:compositionEnd": "typing",
    "cursor:paste": "paste", "cursor:cut": "cut", "suggest": "suggest", "snippet": "snippet", "rename": "rename",
    "codeAction": "code_action", "unknown:formatEditsCommand": "format", "reloadFromDisk": "external",
    "Chat.applyEdits": "external", "inlineChat.applyEdits": "external",
}  # fmt: skip
"""``cause`` by the source of a change, with its kind or name where it has one. An agent's is not the user's."""

CAUSE = Loss("changed.metadata", "missing: no cause; an accept is known from its text alone, if it was all accepted")
VISIBLE = Loss("opened, closed, focused", "tabs shown and hidden, not documents opened and closed: left out")
CLOSED = Loss("closed", "the closing of a document is not logged: gaps end when idle, or when it is opened again")
SELECTION = Loss("selectionChanged", "not empty, or several: the end of the first is the caret")
CLOCK = Loss("received_at", "one clock: the client's")
USER = Loss("user", "none: a pseudonym of the home folder in repoRootUri")
NOBODY = Loss("user", "none, and no home folder in repoRootUri: each recording is a user")
BOOKMARK = Loss("bookmark", "a user's mark in time: left out")
NEXT_EDIT = Loss("nextUserEdit", "taken as made one second after the log's end, where a request is put; none was shown")

EARLY = "request for a version of the document that never came"
LOST = "change outside its document: the text is not known until it is set again"


def read(sources: Sequence[Source], pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    """Events of the recordings, one after the other."""
    for source in sources:
        recording: Recording | None = None
        for record in _records(source):
            notes.records += 1
            if recording is None or record.value.get("kind") == "header":
                _ends(recording, notes)
                recording = _recording(record, source, pseudonyms, notes)
            yield from _entry(record, recording, notes)
        _ends(recording, notes)


def _ends(recording: Recording | None, notes: Notes) -> None:
    for document in recording.documents.values() if recording else ():
        notes.skipped[EARLY] += len(document.early)


def _records(source: Source) -> Iterator[Record]:
    """The entries of a recording in JSON lines, or of one JSON object ``{log, nextUserEdit}``."""
    lines = source.lines()
    where, first = next(lines, ("", ""))
    if not first:
        return
    try:
        value = parsed(first, where)
    except InputError:  # one object over many lines
        source.told(-len(first.encode()))
        value = parsed(source.text(), str(source.path))
    if "kind" in value:
        yield Record(value, where)
        yield from (Record(parsed(line, where), where) for where, line in lines)
        return
    if "log" not in value:
        raise InputError(
            f"{source.path}: no recording; wanted are entries with a kind, one a line, or {{log: [entry, …]}}"
        )
    whole = Record(value, str(source.path))
    for number, value in enumerate(whole.need("log", list)):
        yield Record({"entry": value}, f"{source.path}, log {number}").inner("entry")
    if whole.may("nextUserEdit", dict) is not None:
        yield Record({"kind": _NEXT, **whole.inner("nextUserEdit").value}, f"{source.path}, nextUserEdit")


_NEXT = "nextUserEdit"


def _recording(record: Record, source: Source, pseudonyms: Pseudonyms, notes: Notes) -> Recording:
    """From the first entry; a recording without an id of its own is known by its content."""
    first, root = record.may("kind", str), None
    if first == "header":
        kind = record.need("documentType", str)
        if kind not in TYPES:
            raise unknown(record.where, "documentType", kind, TYPES, RELEASE)
        root = record.may("repoRootUri", str)
    elif first == "meta" and record.may("data", dict) is not None:
        root = record.inner("data").may("repoRootUri", str)
    name = record.may("uuid", str)
    if not name:
        with source.path.open("rb") as stream:
            name = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = identity.home(root) if root else None
    notes.losses[USER if folder else NOBODY] += 1
    notes.losses.update((CLOCK, CLOSED, ANSWERS, SHOWN, MODEL))
    return Recording(name, identity.repository(root), pseudonyms.user(folder or name))


def _entry(record: Record, recording: Recording, notes: Notes) -> Iterator[Row]:
    kind = record.need("kind", str)
    if kind == _NEXT:
        yield from _next_edit(record, recording, notes)
        return
    if kind not in KINDS:
        raise unknown(record.where, "kind", kind, KINDS, RELEASE)
    if kind in ("header", "meta"):
        return
    if kind == "applicationStart":  # the editor was started again: its documents and requests count anew
        recording.runs += 1
        recording.documents = {number: _document(each.path, recording) for number, each in recording.documents.items()}
        recording.requests.clear()
    elif kind in ("opened", "closed", "focused"):
        notes.losses[VISIBLE] += 1
    elif kind == "bookmark":
        notes.losses[BOOKMARK] += 1
    elif kind == "event":
        yield from fetches.result(record, recording, notes)
    elif kind == "documentEncountered":
        path = identity.below(record.need("relativePath", str), None)[0]
        recording.documents[record.need("id", int)] = _document(path, recording)
    else:
        document = recording.documents.get(record.need("id", int))
        if document is None:
            raise InputError(
                f"{record.where}: a {kind} of document {record.value['id']}, which was not encountered before"
            )
        at = recording.last = record.moment("time")
        yield from _of_document(kind, record, at, document, recording, notes)


def _document(path: str, recording: Recording) -> Document:
    common = {
        "user_id": recording.user,
        "session_id": recording.session,
        "document_id": derived_uuid("document", recording.session, path),
        "language": identity.language(path),
        "repository": recording.repository,
        "path": path,
    }
    return Document(path, common)


def _of_document(
    kind: str, record: Record, at: int, document: Document, recording: Recording, notes: Notes
) -> Iterator[Row]:
    if kind == "setContent":
        yield _opened(document, record.need("content", str), record.may("v", int) or 0, at)
    elif kind == "storeContent":
        if document.text is not None:
            recording.contents[record.need("contentId", str)] = document.content()
    elif kind == "restoreContent":
        content = recording.contents.get(record.need("contentId", str))
        if content is None:
            raise InputError(
                f"{record.where}: restores a content that was not stored before; "
                "give the recording from its beginning (an earlier file was cut off)"
            )
        yield _opened(document, content, record.may("v", int) or 0, at)
    elif kind == "changed":
        yield from _changed(record, at, document, recording, notes)
    elif kind == "selectionChanged":
        yield from _selected(record, at, document, notes)
    elif kind == "documentEvent":
        yield from _document_event(record, at, document, recording, notes)


def _opened(document: Document, content: str, version: int, at: int) -> Row:
    document.opens(content, version)
    return document.row("opened", at, prefix="", suffix=content, caret=0, document_length=document.length)


def _changed(record: Record, at: int, document: Document, recording: Recording, notes: Notes) -> Iterator[Row]:
    metadata = record.inner("metadata") if record.may("metadata", dict) else None
    edits = _edits(record)
    if not document.change(edits, record.need("v", int)):
        notes.skipped[LOST] += 1
        document.seq += 1  # a hole: the event counts as lost
        return
    notes.losses[CAUSE] += metadata is None
    cause = _cause(metadata) if metadata else None
    yield document.row("changed", at, edits=edits_text(edits), document_length=document.length, cause=cause)
    if metadata:
        yield from fetches.answer(metadata, at, document, notes)
    early, document.early = document.early, []
    for number, version, asked_at in early:
        yield from fetches.request(number, version, asked_at, document, recording, notes)


def _edits(record: Record, name: str = "edit") -> list[Edit]:
    edits: list[Edit] = []
    for item in record.need(name, list):
        if not isinstance(item, list) or [type(part) for part in item] != [int, int, str]:
            raise InputError(f"{record.where}: the field {name} is no list of [start, end, text]")
        edits.append((item[0], item[1], item[2]))
    return edits


def _cause(reason: Record) -> str | None:
    source = reason.may("source", str) or ""
    detail = reason.may("kind", str) or reason.may("name", str)
    return CAUSES.get(source) or CAUSES.get(f"{source}:{detail}")


def _selected(record: Record, at: int, document: Document, notes: Notes) -> Iterator[Row]:
    ranges = record.need("selection", list)
    valid = all(isinstance(each, list) and [type(part) for part in each] == [int, int] for each in ranges)
    if not valid or not ranges or document.text is None or not 0 <= ranges[0][1] <= document.length:
        return
    notes.losses[SELECTION] += len(ranges) > 1 or ranges[0][0] != ranges[0][1]
    document.caret = ranges[0][1]
    yield document.row("selection_changed", at, caret=document.caret, document_length=document.length)


def _document_event(record: Record, at: int, document: Document, recording: Recording, notes: Notes) -> Iterator[Row]:
    data = record.value.get("data")
    source = data.get("sourceId") if isinstance(data, dict) else None
    if source == FETCH:
        start = record.inner("data")
        start.one_of("kind", ("start",), "kind of fetch", RELEASE)
        yield from fetches.request(start.need("requestId", int), start.need("v", int), at, document, recording, notes)
    elif source == REASON:
        reason = record.inner("data")
        if document.text is not None and reason.may("v", int) == document.version:
            yield from fetches.answer(reason, at, document, notes)
    else:
        notes.losses[OTHER_DATA] += 1


def _next_edit(record: Record, recording: Recording, notes: Notes) -> Iterator[Row]:
    """A recording that was cut at a request, with the edit that its user made next."""
    notes.losses[NEXT_EDIT] += 1
    path = identity.below(record.need("relativePath", str), None)[0]
    found = [each for each in recording.documents.values() if each.path == path and each.text is not None]
    edits = _edits(record)
    if not found:
        notes.skipped[BLIND] += 1
        return
    document, request_id = found[-1], derived_uuid("request", recording.session, _NEXT)
    yield document.row("requested", recording.last, request_id=request_id, **document.window())
    at = recording.last + 1_000_000
    if not document.change(edits, document.version + 1):
        raise InputError(f"{record.where}: an edit outside the document, whose text ends before it")
    yield document.row("changed", at, edits=edits_text(edits), document_length=document.length)
