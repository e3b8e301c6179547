"""Zed's edit-prediction examples: a cursor, a patch that was proposed, a patch that is what should have been.

Source: zed-industries/zed, crates/edit_prediction (ExampleSpec) and crates/edit_prediction_cli (Example);
docs/concepts/foreign-formats.md says what was looked at and what each field becomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from echo_ops.errors import InputError
from echo_ops.events.formats import identity, udiff
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import (
    Loss,
    Notes,
    Record,
    Row,
    Source,
    derived_uuid,
    edits_text,
    event,
    parsed,
    uuid_in,
)
from echo_ops.events.formats.zed_markdown import markdown

KNOWN = frozenset({
    "name", "repository_url", "revision", "tags", "reasoning", "uncommitted_diff", "recently_opened_files",
    "recently_viewed_files", "uncommitted_diff_contains_edit_history", "cursor_path", "cursor_position", "edit_history",
    "expected_patches", "rejected_patch", "captured_prompt_input", "telemetry", "human_feedback", "rating",
    "zed_version", "prompt_inputs", "prompt", "predictions", "score", "qa",
})  # fmt: skip
ENDINGS = (".jsonl", ".json", ".md")
REJECTED = "Rejected"
"""The reason with which a user dismissed a prediction; the others (Discarded, Replaced …) happen without one."""

SETTLED_AFTER = 1_000_000
"""Microseconds from a request to its expected patch: the format does not say when the text came to rest."""

INLINE = "<|user_cursor|>"
BELOW = "[CURSOR_POSITION]"
SELECTIONS = ("<|selection_start|>", "[SELECTION]")

TIME = Loss("telemetry.time", "missing: dated 1970-01-01, so that no day of the harvest takes it")
SETTLED_AT = Loss("time of the patch", "not told: dated one second after the request, in one step")
WISH = Loss(
    "expected_patches", "no telemetry: an author's wish or a teacher's answer; taken as the commit all the same"
)
RATED = Loss("expected_patches", "rated: the model's own output, which its user liked; not taken as a commit")
UNKNOWN = Loss("expected_patches", "missing: the commit is not known")
ALTERNATIVES = Loss("expected_patches", "several: the first is taken")
OTHER_FILES = Loss("patches", "hunks of other files: left out")
MISPLACED = Loss("patches", "text not found in the file or excerpt: left out")
WINDOW = Loss(
    "caret, document_length", "an excerpt, whose place is not told: offsets count from one character before it"
)
UNSHOWN = Loss("telemetry.was_shown", "false, also where nobody knows (settled, captured): the decision is `not_shown`")
HISTORY = Loss("edit_history, uncommitted_diff", "what came before the request, often in other files: not kept")
USER = Loss("telemetry.device_id", "missing: all such examples are one user")
REST = Loss("predictions, scores, feedback", "not kept, nor tags, reasoning, related files, prompts; no model is named")
FIELDS = Loss("fields", "unknown to this reader: not kept")


@dataclass(frozen=True, slots=True)
class Place:
    """The text around a cursor, in UTF-8."""

    text: bytes
    caret: int
    first_row: int = 0
    before: int = 1
    """Bytes of the document before the text. What is not told is one: the prefix is then known for a window, and the
    offsets of an example, which is a document of its own, fit together."""
    after: int = 1

    def columns(self) -> Row:
        """The columns of a request at the cursor."""
        return {
            "prefix": self.text[: self.caret].decode(errors="replace"),
            "suffix": self.text[self.caret :].decode(errors="replace"),
            "caret": self.before + self.caret,
            "document_length": self.before + len(self.text) + self.after,
        }


def read(sources: Sequence[Source], pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    """Events of the examples, each a document of its own."""
    for source in sources:
        for record in _records(source):
            notes.records += 1
            yield from _example(record, pseudonyms, notes)


def _records(source: Source) -> Iterator[Record]:
    ending = source.path.suffix.lower()
    if ending == ".jsonl":
        yield from source.records()
    elif ending == ".json":
        yield Record(parsed(source.text(), str(source.path)), str(source.path))
    elif ending == ".md":
        yield Record(markdown(source.text(), str(source.path)), str(source.path))
    else:
        raise InputError(f"{source.path}: the ending {ending!r} is unknown; Zed's examples end in {', '.join(ENDINGS)}")


def _example(record: Record, pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    path, given = identity.below(record.need("cursor_path", str), None)[0], record.value
    notes.losses.update(FIELDS for name in given if name not in KNOWN)
    place = _place(record)
    if place is None:
        notes.skipped["example with a selection instead of a cursor"] += 1
        return
    telemetry = record.inner("telemetry") if record.may("telemetry", dict) else None
    at = telemetry.moment("time") if telemetry else 0
    device = telemetry.may("device_id", str) if telemetry else None
    for missing, loss in ((not telemetry, TIME), (not device, USER), (place.before or place.after, WINDOW)):
        notes.losses[loss] += bool(missing)
    notes.losses[HISTORY] += bool(record.may("edit_history", str) or record.may("uncommitted_diff", str))
    notes.losses[REST] += 1
    content = derived_uuid(path, record.need("cursor_position", str), *_patches(record), str(at))
    name = telemetry.need("request_id", str) if telemetry else content
    document = derived_uuid("zed", name, content)
    common = {
        "user_id": pseudonyms.user(device),
        "session_id": document,
        "document_id": document,
        "request_id": uuid_in(name),
        "language": identity.language(path),
        "repository": identity.repository(_repository(record)),
        "path": path,
    }
    proposal = _proposal(record, place, notes)
    rows = [event("requested", at, "utf-8", **common, **place.columns(), **proposal, version=0)]
    if telemetry and telemetry.may("was_shown", bool):
        rejected = telemetry.may("rejection_reason", str) == REJECTED
        rows.append(event("shown", at, "utf-8", **common, version=0))
        rows.append(event("rejected" if rejected else "ignored", at, "utf-8", **common, version=0))
    else:
        notes.losses[UNSHOWN] += 1
    commit = _commit(record, telemetry is not None, place, notes)
    if commit is not None:
        rows.append(event("changed", at + SETTLED_AFTER, "utf-8", **common, **commit, version=1))
        rows[-1].pop("request_id")
    for seq, row in enumerate(rows):
        yield {**row, "seq": seq}


def _patches(record: Record) -> list[str]:
    patches = record.may("expected_patches", list) or []
    if not all(isinstance(patch, str) for patch in patches):
        raise InputError(f"{record.where}: the field expected_patches holds more than text; wanted is a list of text")
    return patches


def _commit(record: Record, told: bool, place: Place, notes: Notes) -> Row | None:
    """What the expected patch makes of the document, as edits of one event."""
    patches = _patches(record)
    if not patches:
        notes.losses[UNKNOWN] += 1
        return None
    if any(str(tag).startswith("rated:") for tag in record.may("tags", list) or []):
        notes.losses[RATED] += 1
        return None
    notes.losses[ALTERNATIVES] += len(patches) > 1
    changes = _edits(patches[0], record, place, notes)
    if changes is None:
        return None
    notes.losses[SETTLED_AT] += 1
    notes.losses[WISH] += not told
    size = len(udiff.apply(place.text, changes))
    return {
        "edits": edits_text([(*_moved(start, end, place), new.decode()) for start, end, new in changes]),
        "document_length": place.before + size + place.after,
    }


def _proposal(record: Record, place: Place, notes: Notes) -> Row:
    patch = record.may("rejected_patch", str)
    changes = _edits(patch, record, place, notes) if patch else None
    if not changes:
        return {}
    start, end, new = udiff.one(place.text, changes)
    first, last = _moved(start, end, place)
    return {"proposal": new.decode(), "replace_start": first, "replace_end": last}


def _moved(start: int, end: int, place: Place) -> tuple[int, int]:
    return start + place.before, end + place.before


def _edits(patch: str, record: Record, place: Place, notes: Notes) -> list[udiff.Edit] | None:
    try:
        changes, others = udiff.edits(patch, record.need("cursor_path", str), place.text, place.first_row)
    except udiff.DoesNotApplyError:
        notes.losses[MISPLACED] += 1
        return None
    notes.losses[OTHER_FILES] += others
    return changes


def _repository(record: Record) -> str | None:
    inputs = record.inner("prompt_inputs") if record.may("prompt_inputs", dict) else None
    return record.may("repository_url", str) or (inputs.may("repo_url", str) if inputs else None)


def _place(record: Record) -> Place | None:
    """The cursor in its file where that was captured, else in its excerpt; None for a selection."""
    for field, text, offset in (
        ("captured_prompt_input", "cursor_file_content", "cursor_offset"),
        ("prompt_inputs", "content", "cursor_offset"),
        ("prompt_inputs", "cursor_excerpt", "cursor_offset_in_excerpt"),
    ):
        if record.may(field, dict) is None:
            continue
        held = record.inner(field)
        content = held.may(text, str)
        if content is None:
            continue
        row = held.may("excerpt_start_row", int)
        whole = text != "cursor_excerpt" and row is None
        starts = whole or row == 0
        place = Place(content.encode("utf-8", "replace"), held.need(offset, int), row or 0, not starts, not whole)
        if not 0 <= place.caret <= len(place.text):
            raise InputError(
                f"{held.where}: {offset} is {place.caret}, wanted is 0 to {len(place.text)}, the bytes of {text}"
            )
        return place
    return _marked(record.need("cursor_position", str), record.where)


def _marked(text: str, where: str) -> Place | None:
    """An excerpt with a marker: in the line, or in a comment below it whose ``^`` points up.

    ``<`` instead of ``^`` says that the cursor stands where the comment begins.
    """
    if any(mark in text for mark in SELECTIONS):
        return None
    if INLINE in text:
        before, after = text.split(INLINE, 1)
        return Place((before + after).encode(errors="replace"), len(before.encode(errors="replace")))
    if BELOW not in text:
        raise InputError(f"{where}: cursor_position holds no cursor; wanted is {INLINE} or {BELOW}")
    at = text.index(BELOW)
    start = text.rfind("\n", 0, at) + 1
    stop = text.find("\n", at) + 1 or len(text)
    mark = text[start:at].encode(errors="replace")
    if not mark.rstrip().endswith((b"^", b"<")) or start == 0:
        return Place(
            (text[:at] + text[at + len(BELOW) :]).encode(errors="replace"), len(text[:at].encode(errors="replace"))
        )
    column = mark.index(b"^") if b"^" in mark else len(mark) - len(mark.lstrip())
    line = text.rfind("\n", 0, start - 1) + 1
    excerpt = (text[:start] + text[stop:]).rstrip("\n").encode(errors="replace")
    return Place(excerpt, min(len(text[:line].encode(errors="replace")) + column, len(excerpt)))
