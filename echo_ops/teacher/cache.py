"""Answers of a model, kept: small append-only Parquet files, so that a rerun or a backfill asks nothing twice.

One folder per model and prompt version; a file per flush, named by the hash of its content. Nothing is locked. A kill
leaves at most a half-written file, which nobody reads; two writers of the same answers write the same file; and files
that have become many are merged into one before they are removed, so that a reader finds an answer in one or in both.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from echo_ops.teacher.store import Store

logger = logging.getLogger(__name__)

MANY = 32
"""Files above which they are merged: what a reader opens, against what is written again."""

LARGE = 1_000_000
"""Answers of a merged file at most, about 60 MB; a file that has half of it is not merged again."""

KEY = pa.field("key", pa.binary(32), nullable=False)  # sha256 of what was asked

KEPT = pa.schema(
    [
        KEY,
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


KEPT_SCORES = pa.schema([KEY, pa.field("nats", pa.float64())])

REFUSED = Reply(None, None, None, None)


def folder(root: str | Path, model: str, version: str) -> str:
    """Where the answers of a model lie below ``root``; ``version``: of its prompts, say."""
    # the readable part is for people; the hash keeps apart what it makes equal
    digest = hashlib.sha256(f"{model}\0{version}".encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{model}-{version}").strip("-")[:80]
    return f"{str(root).rstrip('/')}/{readable}-{digest}"


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a student found a text."""

    nats: float | None  # of all its tokens together; None where the server could not take it


R = TypeVar("R", Reply, Score)


class Cache(Generic[R]):
    """What one model answered, of one kind.

    Args:
        root: folder or object-store URI of the cache.
        model: name of the model.
        version: of what else an answer depends on beside its key.

    Raises:
        UnavailableError: from every method, when the place cannot be read or written.
    """

    kind: ClassVar[type[Any]]
    kept: ClassVar[pa.Schema]

    def __init__(self, root: str | Path, model: str, version: str) -> None:
        self._store = Store(folder(root, model, version))

    def load(self, keys: Set[bytes]) -> dict[bytes, R]:
        """The answers to those of ``keys`` that are known; a file that cannot be read is passed over and said so."""
        known: dict[bytes, R] = {}
        if not keys:
            return known
        wanted = pc.field("key").isin(pa.array(sorted(keys), pa.binary(32)))
        read: set[str] = set()
        while names := [name for name in self._store.names(".parquet") if name not in read]:
            for name in names:
                table = self._table(name, wanted)
                read.add(name)
                for row in table.to_pylist() if table else ():
                    key = row.pop("key")
                    known[key] = self.kind(**row)
        return known

    def keep(self, replies: Mapping[bytes, R]) -> None:
        """Add answers; nothing is written when there are none."""
        if not replies:
            return
        rows = [{"key": key, **asdict(replies[key])} for key in sorted(replies)]
        self._write(pa.Table.from_pylist(rows, schema=self.kept))
        if len(names := self._store.names(".parquet")) > MANY:
            self._merge(names)

    def _merge(self, names: Iterable[str]) -> None:
        """Put small files into one. Others may do the same at the same time: then some answers are there twice."""
        merged: dict[str, pa.Table] = {}
        rows = 0
        for name in names:
            table = self._table(name)
            if table is None or table.num_rows > LARGE // 2 or rows + table.num_rows > LARGE:
                continue
            merged[name] = table
            rows += table.num_rows
        if len(merged) < 2:
            return
        together = pa.concat_tables(merged.values()).sort_by("key")
        # one answer to a key; which of two does not matter, as either was given to the same question
        keys = together["key"].combine_chunks()
        firsts = pc.fill_null(pc.not_equal(keys[1:], keys[:-1]), True)
        written = self._write(together.filter(pa.concat_arrays([pa.array([True]), firsts])))
        for name in merged:
            if name != written:
                self._store.remove(name)
        self._store.remove_remains()

    def _table(self, name: str, wanted: pc.Expression | None = None) -> pa.Table | None:
        content = self._store.read(name)
        if content is None:
            return None  # merged with others in the meantime
        try:
            return pq.read_table(pa.BufferReader(content), schema=self.kept, filters=wanted)
        except (pa.ArrowInvalid, OSError) as error:
            logger.warning(
                "cache of answers: %s/%s cannot be read (%s) and is passed over; remove it",
                self._store.place,
                name,
                type(error).__name__,
            )
            return None

    def _write(self, table: pa.Table) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        content = sink.getvalue()
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.parquet"
        self._store.write(name, content)
        return name


class AnswerCache(Cache[Reply]):
    """A teacher's answers to one version of the prompts."""

    kind, kept = Reply, KEPT


class ScoreCache(Cache[Score]):
    """A student's scores."""

    kind, kept = Score, KEPT_SCORES
