"""The narrow columns that expectations look at: lengths in place of texts, seconds in place of times.

Computed shard by shard, so that a day's texts never lie in memory together; a row takes about 50 bytes. Nothing of a
user's text is left in it: a word outside its closed vocabulary becomes ``unknown``, an identity becomes a hash. A
share is a column of truths that is null where the question does not arise: the mean of ``accepted`` is the acceptance.

Written by pipeline beside each staged shard, read by ``validate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.quality.languages import LANGUAGES
from echo_ops.schema.conform import conform, whole
from echo_ops.schema.events import EVENTS, KINDS, OFFSET_UNITS
from echo_ops.schema.examples import EXAMPLES, SPLITS
from echo_ops.schema.lifecycles import CLOSE_REASONS, CONFIDENCES, DECISIONS, EVIDENCES, LIFECYCLES, POLICIES
from echo_ops.schema.verdicts import VERDICTS_OF_A_TEACHER

Name = Literal["events", "lifecycles", "examples"]
NAMES: tuple[Name, ...] = ("events", "lifecycles", "examples")
"""In the order in which a day makes them."""

UNKNOWN = "unknown"

WINDOW = 500
"""Code points before the caret that any client sends: what is shorter, and not whole, was cut on the way."""

TAIL = 64
"""Bytes by which two texts are taken to end alike."""

_WORD = pa.dictionary(pa.int32(), pa.string())
_ACCEPTED = pa.array(["accepted", "partially_accepted"])
_ANSWERS = pa.array(["shown", "accepted", "partially_accepted", "rejected", "ignored"])

PROFILES: dict[Name, pa.Schema] = {
    "events": pa.schema(
        [
            ("kind", _WORD),
            ("offset_unit", _WORD),
            ("language", _WORD),
            ("user", pa.int64()),  # hash
            ("repeated", pa.bool_()),  # an earlier row has its event_id, document_id and seq
            ("request", pa.bool_()),
            ("shown", pa.bool_()),
            ("accepted", pa.bool_()),  # it accepts; null where it neither shows nor accepts
            ("without_request", pa.bool_()),  # an answer to a request that names none; null for other kinds
            ("negative_position", pa.bool_()),
            ("lag_seconds", pa.float32()),  # the server's clock minus the client's
            ("prefix_length", pa.int32()),  # code points, as all lengths
            ("suffix_length", pa.int32()),
            ("cut_prefix", pa.bool_()),  # a window of under WINDOW code points; null without prefix or caret
            ("swapped", pa.bool_()),  # see ``_swapped``
            ("prefix_overrun", pa.int32()),  # len(prefix) - caret: above 0 the prefix is longer than what is there
            ("suffix_overrun", pa.int32()),  # caret + len(suffix) - document_length, likewise
            ("proposal_length", pa.int32()),
        ]
    ),
    "lifecycles": pa.schema(
        [
            ("received_on", _WORD),  # YYYY-MM-DD in UTC
            ("decision", _WORD),
            ("close_reason", _WORD),
            ("evidence", _WORD),
            ("confidence", _WORD),
            ("policy", _WORD),
            ("language", _WORD),
            ("user", pa.int64()),
            ("repeated", pa.bool_()),
            ("shown", pa.bool_()),
            ("accepted", pa.bool_()),  # null where nothing was shown
            ("without_model", pa.bool_()),
            ("without_context", pa.bool_()),  # neither prefix nor suffix
            ("without_commit", pa.bool_()),  # what the user left cannot be known
            ("void", pa.bool_()),  # the user left nothing; null where the commit is unknown
            ("events_lost", pa.bool_()),
            ("horizon", pa.bool_()),
            ("ambiguous", pa.bool_()),
            ("prefix_length", pa.int32()),
            ("suffix_length", pa.int32()),
            ("proposal_length", pa.int32()),
            ("committed_length", pa.int32()),
            ("kept_rate", pa.float32()),
            ("open_seconds", pa.float32()),  # from the request to the close, by the client's clock
        ]
    ),
    "examples": pa.schema(
        [
            ("decision", _WORD),
            ("verdict", _WORD),
            ("split", _WORD),
            ("language", _WORD),
            ("user", pa.int64()),
            ("document", pa.int64()),
            ("repeated", pa.bool_()),
            ("evaluation", pa.bool_()),
            ("silence", pa.bool_()),  # the lesson is to propose nothing
            ("lesson_not_of_commit", pa.bool_()),  # the lesson is no prefix of what the user committed
            ("cut_not_of_lesson", pa.bool_()),  # the lesson is not as long as the teacher's cut says
            ("prefix_length", pa.int32()),
            ("suffix_length", pa.int32()),
            ("lesson_length", pa.int32()),
            ("committed_length", pa.int32()),
            ("cut_probability", pa.float32()),
            ("verdict_probability", pa.float32()),
            ("kept_rate", pa.float32()),
            ("weight", pa.float32()),
        ]
    ),
}
"""Columns of each profile. Null as in the table it is of, and where said."""


def profile(name: Name, table: pa.Table) -> pa.Table:
    """One row per row of ``table``, in its order, in the columns of ``PROFILES[name]``.

    Args:
        name: which of the three tables it is.
        table: a shard; further columns do not matter. All rows of one document must lie in the same shard.

    Raises:
        SchemaError: a column is missing, of another type, or null where it must not be.
    """
    columns, schema = _COLUMNS[name]
    computed = columns(conform(table, schema, name).combine_chunks())
    wanted = PROFILES[name]
    return pa.Table.from_arrays([_cast(computed[field.name], field.type) for field in wanted], schema=wanted)


def _events(table: pa.Table) -> dict[str, Any]:
    caret, length = table["caret"], table["document_length"]
    prefix, suffix = _length(table["prefix"]), _length(table["suffix"])
    answers = pc.is_in(table["kind"], value_set=_ANSWERS)
    shown, accepted = pc.equal(table["kind"], "shown"), pc.is_in(table["kind"], value_set=_ACCEPTED)
    lowest = pc.min_element_wise(table["seq"], caret, length)  # nulls are skipped
    return {
        "kind": _word(table["kind"], KINDS),
        "offset_unit": _word(table["offset_unit"], OFFSET_UNITS),
        "language": _word(table["language"], LANGUAGES),
        "user": _hashed(table["user_id"]),
        "repeated": _repeated(table["event_id"], table["document_id"], table["seq"]),
        "request": pc.equal(table["kind"], "requested"),
        "shown": shown,
        "accepted": pc.if_else(pc.or_(shown, accepted), accepted, None),
        "without_request": pc.if_else(answers, pc.is_null(table["request_id"]), None),
        "negative_position": pc.less(lowest, 0),
        "cut_prefix": _cut(prefix, caret),
        "swapped": _swapped(table),
        "lag_seconds": _seconds(table["occurred_at"], table["received_at"]),
        "prefix_length": prefix,
        "suffix_length": suffix,
        # A code point is never more than one unit of any offset_unit, so this errs to no side.
        "prefix_overrun": pc.subtract(prefix, caret),
        "suffix_overrun": pc.subtract(pc.add(caret, suffix), length),
        "proposal_length": _length(table["proposal"]),
    }


def _lifecycles(table: pa.Table) -> dict[str, Any]:
    shown = pc.not_equal(table["decision"], "not_shown")
    prefix, suffix = _length(table["prefix"]), _length(table["suffix"])
    committed = _length(table["committed"])
    return {
        "received_on": pc.strftime(table["received_at"], format="%Y-%m-%d"),
        "decision": _word(table["decision"], DECISIONS),
        "close_reason": _word(table["close_reason"], CLOSE_REASONS),
        "evidence": _word(table["evidence"], EVIDENCES),
        "confidence": _word(table["confidence"], CONFIDENCES),
        "policy": _word(table["policy"], POLICIES),
        "language": _word(table["language"], LANGUAGES),
        "user": _hashed(table["user_id"]),
        "repeated": _repeated(table["request_id"]),
        "shown": shown,
        "accepted": pc.if_else(shown, pc.is_in(table["decision"], value_set=_ACCEPTED), None),
        "without_model": pc.is_null(table["model_version"]),
        "without_context": pc.equal(pc.add(prefix, suffix), 0),
        "without_commit": pc.is_null(table["committed"]),
        "void": pc.equal(committed, 0),
        "events_lost": pc.equal(table["close_reason"], "events_lost"),
        "horizon": pc.equal(table["close_reason"], "horizon"),
        "ambiguous": pc.equal(table["confidence"], "ambiguous"),
        "prefix_length": prefix,
        "suffix_length": suffix,
        "proposal_length": _length(table["proposal"]),
        "committed_length": committed,
        "kept_rate": table["kept_rate"],
        "open_seconds": _seconds(table["requested_at"], table["closed_at"]),
    }


def _examples(table: pa.Table) -> dict[str, Any]:
    lesson = _length(table["lesson"])
    texts = zip(table["committed"].to_pylist(), table["lesson"].to_pylist(), strict=True)
    silence = pc.equal(lesson, 0)
    return {
        "decision": _word(table["decision"], DECISIONS),
        "verdict": _word(table["verdict"], VERDICTS_OF_A_TEACHER),
        "split": _word(table["split"], SPLITS),
        "language": _word(table["language"], LANGUAGES),
        "user": _hashed(table["user_id"]),
        "document": _hashed(table["document_id"]),
        "repeated": _repeated(table["request_id"]),
        "evaluation": pc.equal(table["split"], "evaluation"),
        "silence": silence,
        "lesson_not_of_commit": pa.array([not text.startswith(lesson) for text, lesson in texts], pa.bool_()),
        "cut_not_of_lesson": pc.if_else(silence, None, pc.not_equal(lesson, table["cut"])),
        "prefix_length": _length(table["prefix"]),
        "suffix_length": _length(table["suffix"]),
        "lesson_length": lesson,
        "committed_length": _length(table["committed"]),
        "cut_probability": table["cut_probability"],
        "verdict_probability": table["verdict_probability"],
        "kept_rate": table["kept_rate"],
        "weight": table["weight"],
    }


_COLUMNS: dict[Name, tuple[Callable[[pa.Table], dict[str, Any]], pa.Schema]] = {
    "events": (_events, EVENTS),
    "lifecycles": (_lifecycles, LIFECYCLES),
    "examples": (_examples, EXAMPLES),
}


def _cast(column: Any, wanted: pa.DataType) -> pa.Array:
    array = whole(column) if isinstance(column, pa.ChunkedArray) else column
    return array if array.type == wanted else array.cast(wanted, safe=False)


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    encoded: pa.DictionaryArray = _cast(column, pa.string()).dictionary_encode()
    return encoded


def _word(column: pa.ChunkedArray, vocabulary: Sequence[str]) -> pa.Array:
    """Words of a closed vocabulary; any other is ``UNKNOWN``, as it may hold anything."""
    places = pc.index_in(_cast(column, pa.string()), value_set=pa.array(vocabulary))
    places = pc.if_else(pc.is_null(whole(column)), None, pc.fill_null(places, len(vocabulary)))
    return pa.DictionaryArray.from_arrays(places, pa.array([*vocabulary, UNKNOWN]))


def _hashed(column: pa.ChunkedArray) -> pa.Array:
    encoded = _encoded(column)
    hashes = [
        int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big", signed=True)
        for word in encoded.dictionary.to_pylist()
    ]
    return pc.take(pa.array(hashes, pa.int64()), encoded.indices)


def _repeated(*keys: pa.ChunkedArray) -> pa.Array:
    """Whether an earlier row has the same values of all ``keys``."""
    places = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        encoded = _encoded(key)
        places = places * len(encoded.dictionary) + encoded.indices.to_numpy()
    repeated = np.ones(len(places), dtype=bool)
    repeated[np.unique(places, return_index=True)[1]] = False
    return pa.array(repeated)


def _length(column: pa.ChunkedArray) -> pa.Array:
    """Code points of each text. Those of ASCII alone are as long as their bytes, which is told several times sooner."""
    texts = whole(column)
    starts = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if not len(texts) or starts[0] == starts[-1]:
        return pc.utf8_length(texts)
    bits = np.bitwise_or.reduceat(np.frombuffer(texts.buffers()[2], np.uint8), starts[:-1].clip(max=starts[-1] - 1))
    wide = pa.array(bits > 127)  # where a text is empty, of the one that follows: no harm
    return pc.replace_with_mask(pc.binary_length(texts), wide, pc.utf8_length(texts.filter(wide)))


def _cut(prefix: pa.Array, caret: pa.ChunkedArray) -> pa.Array:
    # a whole prefix may be shorter than its caret, which can count up to four units to a code point
    return pc.and_(pc.less(prefix, WINDOW), pc.less(pc.multiply(prefix, 4), caret))


def _swapped(table: pa.Table) -> pa.Array:
    """Whether text changed on the wrong side since the document's last request.

    Who types changes the end of the prefix and leaves the end of the suffix alone: false. With the two swapped it is
    the other way round: true. Null for a first context, where both ends changed (a jump between windows), or none.
    """
    context = pc.and_(pc.is_valid(table["prefix"]), pc.is_valid(table["suffix"]))
    places = np.flatnonzero(pc.and_(context, pc.equal(table["kind"], "requested")).to_numpy())
    documents = _encoded(table["document_id"].take(places)).indices.to_numpy()
    order = np.lexsort((table["seq"].take(places).to_numpy(), documents))
    same_document = np.diff(documents[order]) == 0
    changed = {}
    for side in ("prefix", "suffix"):
        tails = _encoded(pc.binary_slice(table[side].cast(pa.binary()), -TAIL).take(places)).indices.to_numpy()
        changed[side] = np.diff(tails[order]) != 0
    told = same_document & (changed["prefix"] != changed["suffix"])
    swapped = np.zeros(table.num_rows, dtype=bool)
    unknown = np.ones(table.num_rows, dtype=bool)
    where = places[order][1:][told]
    swapped[where], unknown[where] = changed["suffix"][told], False
    return pa.array(swapped, mask=unknown)


def _seconds(start: pa.ChunkedArray, end: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(pc.cast(pc.subtract(end, start), pa.int64()), 1e6)
