"""A document in an editor: what is done to it becomes events, and the witness sees the whole of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from echo_ops.schema.events import Kind
from echo_ops.simulate.dice import Dice
from echo_ops.simulate.truth import Edit, Witness

Cause = Literal["typing", "accept", "paste", "undo", "redo", "external"]
Row = dict[str, Any]
"""One event, by the columns of EVENTS; what is absent is null. ``received_at`` comes with the noise."""

LANGUAGE = "python"


@dataclass(frozen=True, slots=True)
class Client:
    """What an editor's plug-in reports, and how."""

    changes: Literal["edits", "snapshots", "nothing"] = "edits"
    offset_unit: Literal["code-point", "utf-16"] = "code-point"
    sends_offsets: bool = True  # caret and document_length on requests
    window_before: int = 2048  # characters before the caret that are sent, at most
    window_after: int = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document is open."""

    user_id: str
    session_id: str
    document_id: str
    repository: str
    path: str


@dataclass(slots=True)
class Document:
    """One document, open once. ``now`` is the true time; whoever works on the document moves it on."""

    place: Place
    client: Client
    witness: Witness
    now: datetime
    caret: int = 0
    version: int = 0
    seq: int = 0
    rows: list[Row] = field(default_factory=list)
    marks: dict[object, int] = field(default_factory=dict)  # offsets that move with the text

    @property
    def text(self) -> str:
        return self.witness.text

    def open(self) -> None:
        self._tell("opened", document_length=self._offset(len(self.text)))

    def select(self, caret: int) -> None:
        """Move the caret."""
        self.caret = caret
        self._tell("selection_changed", caret=self._offset(caret))

    def change(self, edits: Sequence[Edit], caret: int, cause: Cause = "typing") -> None:
        """Apply simultaneous edits; the caret is where it stands afterwards."""
        reported = json.dumps([[self._offset(edit.start), self._offset(edit.end), edit.text] for edit in edits])
        for name, mark in self.marks.items():
            self.marks[name] = mark + sum(len(e.text) - e.end + e.start for e in edits if e.end <= mark)
        self.witness.changed(edits, self.now)
        self.caret = caret
        self.version += 1
        length = self._offset(len(self.text))
        if self.client.changes == "edits":
            self._tell("changed", edits=reported, document_length=length, cause=cause)
        else:
            self._tell("changed", **self._window(), cause=cause)

    def reload(self, text: str) -> None:
        """Another program wrote the file: the editor opens it anew, as the same document."""
        self.witness.replaced(text, self.now)
        self.caret = min(self.caret, len(text))
        self.version += 1
        self.open()

    def request(self, model_version: str) -> str:
        """Ask for a completion at the caret: the request's id."""
        request_id = Dice(self.place.document_id).at("request", self.seq).uuid()
        self.witness.requested(request_id, self.caret, self.now)
        window = self._window()
        if not self.client.sends_offsets:
            del window["caret"], window["document_length"]
        self._tell("requested", request_id=request_id, model_version=model_version, **window)
        return request_id

    def show(self, request_id: str, model_version: str, proposal: str, replace_end: int) -> None:
        self._tell(
            "shown",
            request_id=request_id,
            model_version=model_version,
            proposal=proposal,
            replace_start=self._offset(self.caret),
            replace_end=self._offset(replace_end),
        )

    def decide(self, kind: Kind, request_id: str, model_version: str) -> None:
        """Report accepted, partially_accepted, rejected or ignored."""
        self._tell(kind, request_id=request_id, model_version=model_version)

    def close(self) -> None:
        self._tell("closed")
        self.witness.closed(self.now)

    def windows(self) -> tuple[str, str]:
        """The text to either side of the caret, as the client cuts it."""
        start = max(0, self.caret - self.client.window_before)
        return self.text[start : self.caret], self.text[self.caret : self.caret + self.client.window_after]

    def _window(self) -> Row:
        prefix, suffix = self.windows()
        caret, length = self._offset(self.caret), self._offset(len(self.text))
        return {"prefix": prefix, "suffix": suffix, "caret": caret, "document_length": length}

    def _offset(self, offset: int) -> int:
        """In the client's unit."""
        if self.client.offset_unit == "code-point" or self.text.isascii():
            return offset
        return len(self.text[:offset].encode("utf-16-le")) // 2

    def _tell(self, kind: Kind, **columns: Any) -> None:
        if self.client.changes == "nothing" and kind != "requested":
            return
        row: Row = {
            "event_id": Dice(self.place.document_id).at("event", self.seq).uuid(),
            "kind": kind,
            "occurred_at": self.now,
            "user_id": self.place.user_id,
            "session_id": self.place.session_id,
            "document_id": self.place.document_id,
            "seq": self.seq,
            "version": None if self.client.changes == "nothing" else self.version,
            "language": LANGUAGE,
            "repository": self.place.repository,
            "path": self.place.path,
            "offset_unit": self.client.offset_unit,
            **columns,
        }
        self.rows.append(row)
        self.seq += 1
