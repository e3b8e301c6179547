"""Answers of a model, kept: small append-only Parquet files, so that a rerun or a backfill asks nothing twice.

One folder per model and prompt version, one file per flush. A file appears under its name only when it is whole, and is
named by the hash of its content: a kill leaves at most a ``.part`` file, which nobody reads, and two workers that keep
the same answers write the same file.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import uuid
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

logger = logging.getLogger(__name__)

KEPT = pa.schema(
    [
        pa.field("key", pa.binary(32), nullable=False),  # sha256 of what was asked
        pa.field("cut", pa.string()),  # the choices as the model wrote them; both null: refused
        pa.field("cut_probability", pa.float64()),
        pa.field("verdict", pa.string()),
        pa.field("verdict_probability", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The two choices of a model for one question, as it wrote them; None where its answer had to be refused."""

    cut: str | None
    cut_probability: float | None
    verdict: str | None
    verdict_probability: float | None

    @property
    def refused(self) -> bool:
        """Whether one of the answers was no choice, or was not given."""
        return self.cut is None or self.verdict is None


REFUSED = Reply(None, None, None, None)


class AnswerCache:
    """The answers of one model to one version of the prompts.

    Args:
        root: folder or object-store URI of the cache.
        model: name of the model.
        prompt_version: version of the prompts.
    """

    def __init__(self, root: str | Path, model: str, prompt_version: str) -> None:
        place = str(root)
        if "://" in place:
            self._files, base = fs.FileSystem.from_uri(place)
        else:
            self._files, base = fs.LocalFileSystem(), str(Path(place).absolute())
        # the readable part is for people; the hash keeps apart what it makes equal
        digest = hashlib.sha256(f"{model}\0{prompt_version}".encode()).hexdigest()[:8]
        self._folder = f"{base}/{re.sub(r'[^A-Za-z0-9.-]+', '-', model)[:80]}-{prompt_version}-{digest}"

    def load(self, keys: Set[bytes]) -> dict[bytes, Reply]:
        """The answers to those of ``keys`` that are known; a file that cannot be read is passed over and said so."""
        known: dict[bytes, Reply] = {}
        wanted = pa.array(sorted(keys), pa.binary(32))
        for path in self._paths():
            try:
                with self._files.open_input_file(path) as source:
                    table = pq.read_table(source, schema=KEPT, filters=pc.field("key").isin(wanted))
            except (pa.ArrowInvalid, OSError) as error:
                logger.warning("teacher cache: %s cannot be read (%s) and is passed over", path, type(error).__name__)
                continue
            for row in table.to_pylist():
                key = row.pop("key")
                known[key] = Reply(**row)
        return known

    def keep(self, replies: Mapping[bytes, Reply]) -> None:
        """Add answers; nothing is written when there are none."""
        if not replies:
            return
        rows = [
            {
                "key": key,
                "cut": reply.cut,
                "cut_probability": reply.cut_probability,
                "verdict": reply.verdict,
                "verdict_probability": reply.verdict_probability,
            }
            for key, reply in sorted(replies.items())
        ]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=KEPT), buffer, compression="zstd")
        content = buffer.getvalue()
        self._files.create_dir(self._folder, recursive=True)
        part = f"{self._folder}/{uuid.uuid4().hex}.part"
        with self._files.open_output_stream(part) as sink:
            sink.write(content)
        self._files.move(part, f"{self._folder}/{hashlib.sha256(content).hexdigest()[:16]}.parquet")

    def _paths(self) -> list[str]:
        found = self._files.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
        return sorted(info.path for info in found if info.path.endswith(".parquet"))
