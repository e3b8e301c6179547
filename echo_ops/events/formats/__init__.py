"""Other people's logs as completion events: an importer for each format, by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from echo_ops.errors import InputError
from echo_ops.events.formats import continue_dev, copilot_recording, tabby, zed
from echo_ops.events.formats.identity import Pseudonyms
from echo_ops.events.formats.port import Importer, Notes, Row, Source, identified

FORMATS: dict[str, Importer] = {
    "continue": continue_dev.read,
    "tabby": tabby.read,
    "zed": zed.read,
    "copilot-recording": copilot_recording.read,
}


def read(name: str, sources: Sequence[Source], pseudonyms: Pseudonyms, notes: Notes) -> Iterator[Row]:
    """The events of some files of one format, in the columns of ``EVENTS``; the same files give the same rows.

    Raises:
        InputError: the format is unknown, or a file is not in it; the error names the line, never its text.
    """
    if name not in FORMATS:
        raise InputError(f"format {name!r} is unknown; known are {', '.join(FORMATS)}")
    return (identified(row) for row in FORMATS[name](sources, pseudonyms, notes))
