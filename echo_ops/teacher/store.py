"""Small files below one place, on local disk or object storage; each appears under its name only when it is whole."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from echo_ops.errors import UnavailableError

STALE = timedelta(days=1)
"""Age at which the half-written file of a killed writer is removed."""


class Store:
    """Files in one folder.

    Raises:
        UnavailableError: from every method, when the place cannot be read or written.
    """

    def __init__(self, place: str | Path) -> None:
        """Args: place: folder, or object-store URI, below which the files lie; it need not exist."""
        self.place = str(place).rstrip("/")
        with self._clear_errors("opened"):
            if "://" in self.place:
                self._files, self._folder = fs.FileSystem.from_uri(self.place)
            else:
                self._files, self._folder = fs.LocalFileSystem(), str(Path(self.place).absolute())

    def names(self, ending: str) -> list[str]:
        """Names of the files that end so, below the folder, sorted; none where there is no folder."""
        with self._clear_errors("read"):
            return sorted(name for name in self._names() if name.endswith(ending))

    def _names(self) -> Iterator[str]:
        if isinstance(self._files, fs.LocalFileSystem):
            # Arrow's own listing fails on a file that is renamed or removed meanwhile
            for folder, _, files in os.walk(self._folder, onerror=_unless_missing):
                yield from (str(Path(folder, file).relative_to(self._folder)) for file in files)
            return
        selector = fs.FileSelector(self._folder, allow_not_found=True, recursive=True)
        for info in self._files.get_file_info(selector):
            if info.type == fs.FileType.File:
                yield info.path.removeprefix(f"{self._folder}/")

    def read(self, name: str) -> pa.Buffer | None:
        """The bytes of a file; None where it is gone."""
        with self._clear_errors("read"):
            try:
                with self._files.open_input_file(f"{self._folder}/{name}") as file:
                    return file.read_buffer()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Put a file there, in place of one of that name."""
        path = f"{self._folder}/{name}"
        # an object in a store appears whole when it is closed; on disk a rename does that
        local = isinstance(self._files, fs.LocalFileSystem)
        target = f"{path}.{uuid.uuid4().hex}.part" if local else path
        with self._clear_errors("written"):
            self._files.create_dir(path.rpartition("/")[0], recursive=True)
            with self._files.open_output_stream(target) as sink:
                sink.write(content)
            if local:
                Path(target).replace(path)

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone is no matter."""
        with self._clear_errors("written"):
            try:
                self._files.delete_file(f"{self._folder}/{name}")
            except FileNotFoundError:
                return

    def remove_remains(self) -> None:
        """Remove what killed writers left half-written a day ago or earlier."""
        oldest = datetime.now(UTC) - STALE
        for name in self.names(".part"):
            with self._clear_errors("read"):
                info = self._files.get_file_info(f"{self._folder}/{name}")
            if info.mtime is not None and info.mtime < oldest:
                self.remove(name)

    @contextmanager
    def _clear_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowInvalid) as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise UnavailableError(
                f"{self.place} cannot be {verb}: {why}; check that it can be reached and written, and has space"
            ) from None


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
