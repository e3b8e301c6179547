"""Inline completions in a workspace recording: what was asked, what came, what was accepted of it."""

from __future__ import annotations

from collections.abc import Iterator

from echo_ops.events.formats.port import Loss, Notes, Record, Row, derived_uuid
from echo_ops.events.formats.recorded import Document, Recording, Shown
from echo_ops.schema.events import Kind

ACCEPTS: dict[str, Kind] = {
    "inlineCompletionAccept": "accepted",
    "inlineCompletionPartialAccept": "partially_accepted",
    "inlineSuggestion.accept": "accepted",  # its name before 2025
}

FETCH = "InlineCompletions.fetch"
SHOWN = Loss("shown", "not logged: a result that was not cancelled counts as shown, its first item as what was shown")
NOT_SHOWN = Loss("fetch: end", "cancelled, failed or empty: nothing was shown")
ANSWERS = Loss("rejected, ignored", "not logged: what was shown and not accepted counts as ignored")
ACCEPTED = Loss("accepted", "told without its request: joined with the newest proposal that holds the text")
MODEL = Loss("model_version", "the recording names providers, not models: null")
ELSEWHERE = Loss("isInlineEdit", "may be away from the caret; kept_rate still compares it with what stands there")
OTHER_DATA = Loss("documentEvent, event", "other than fetches and reasons of changes: left out")

LATE = "request for an earlier version of its document: the recording is behind"
BLIND = "request in a document whose text is not known"
ORPHAN = "result of a request that is not in this recording, or too old"
UNPROPOSED = "accept without a proposal in this recording"

RELEASE = "a newer release wrote this: update Echo Ops, or leave such lines out"


def request(
    number: int, version: int, at: int, document: Document, recording: Recording, notes: Notes
) -> Iterator[Row]:
    """A request, from the start of a fetch: at once, or when its version of the document is there."""
    if document.text is None:
        notes.skipped[BLIND] += 1
    elif version > document.version:
        document.early.append((number, version, at))
    elif version < document.version:
        notes.skipped[LATE] += 1
    else:
        request_id = derived_uuid("request", recording.session, str(number))
        document.asks(number, request_id)
        recording.requests[number] = document
        yield document.row("requested", at, request_id=request_id, **document.window())


def result(record: Record, recording: Recording, notes: Notes) -> Iterator[Row]:
    """What was shown, from the end of a fetch."""
    data = record.value.get("data")
    if not isinstance(data, dict) or data.get("sourceId") != FETCH:
        notes.losses[OTHER_DATA] += 1
        return
    end = record.inner("data")
    end.one_of("kind", ("end",), "kind of fetch", RELEASE)
    number = end.need("requestId", int)
    document = recording.requests.pop(number, None)
    asked = document.asked.pop(number, None) if document else None
    if document is None or asked is None:
        notes.skipped[ORPHAN] += 1
        return
    items = end.may("result", list) or []
    if end.value.get("error") or not items:
        notes.losses[NOT_SHOWN] += 1
        return
    item = Record({"item": items[0]}, f"{end.where}, result 0").inner("item")
    text = item.may("text", str)
    start, stop = asked.offsets(item.may("range", str) or "") or (None, None)
    document.shown.append(Shown(asked.request_id, text or ""))
    notes.losses[ELSEWHERE] += bool(item.may("isInlineEdit", bool))
    yield document.row(
        "shown",
        record.moment("time"),
        request_id=asked.request_id,
        proposal=text,
        replace_start=start,
        replace_end=stop,
    )


def answer(reason: Record, at: int, document: Document, notes: Notes) -> Iterator[Row]:
    """An accept, from the reason of the last change."""
    kind = ACCEPTS.get(reason.may("source", str) or "")
    if kind is None or document.answered == document.version:
        return
    document.answered = document.version
    proposal = document.accepted([text for _, _, text in document.edits], kind == "accepted")
    if proposal is None:
        notes.skipped[UNPROPOSED] += 1
        return
    notes.losses[ACCEPTED] += 1
    yield document.row(kind, at, request_id=proposal.request_id)
