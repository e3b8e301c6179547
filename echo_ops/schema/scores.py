"""Scores: written by curation, read by curation, replay and training. One row per lifecycle, no text.

What a row is worth is measured once; whether that is enough is decided from these columns alone, so that another
threshold is tried in seconds (``echo-ops replay``). A column is null where it was not measured: where no threshold can
bring the row back, or where there is no grammar, no student, no static evaluation set.
"""

from __future__ import annotations

import pyarrow as pa

from echo_ops.schema.examples import EXAMPLES
from echo_ops.schema.lifecycles import LIFECYCLES

SCORES = pa.schema(
    [
        *(EXAMPLES.field(name) for name in ("request_id", "user_id", "repository", "document_id", "language")),
        EXAMPLES.field("requested_at"),
        *(LIFECYCLES.field(name) for name in ("close_reason", "evidence", "confidence")),
        pa.field("consents", pa.bool_(), nullable=False),  # the user consents, as far as is known
        pa.field("known", pa.bool_(), nullable=False),  # what the user left is known
        pa.field("verdict", pa.string()),  # null: no valid answer of the teacher
        pa.field("probability", pa.float64()),  # of the less probable one of the teacher's two answers
        pa.field("lesson_characters", pa.int64(), nullable=False),  # 0: a lesson of silence
        pa.field("contradicted", pa.bool_(), nullable=False),  # silence, but text stood there 120 s after the request
        pa.field("blank", pa.bool_(), nullable=False),
        pa.field("mid_token", pa.bool_(), nullable=False),
        pa.field("repeats_suffix", pa.bool_(), nullable=False),
        pa.field("repeats_prefix", pa.bool_(), nullable=False),
        pa.field("syntax_errors", pa.int64()),  # with the lesson, beyond those without
        pa.field("names", pa.int64()),  # different names that the lesson uses
        pa.field("unknown_names", pa.int64()),  # of them, those that exist neither in context, lesson nor language
        pa.field("secret", pa.bool_()),  # the lesson holds one
        pa.field("personal_data", pa.bool_()),
        pa.field("evaluation_overlap", pa.float64()),  # share of the lesson's shingles that a static set holds
        pa.field("student_nats", pa.float64()),  # per character of the lesson and its end, under the student
        pa.field("commit_key", pa.string()),  # equal: the same line of the same commit
        pa.field("content_key", pa.string()),  # equal: the same lesson in the same context
        pa.field("signature", pa.binary()),  # MinHash of context and lesson
    ]
)

STUDENT = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("nats_per_character", pa.float64(), nullable=False),
    ]
)
"""What a student makes of lessons: written by ``pipeline.scoring`` or whoever serves it, read by curation. Nats of the
lesson and its end token, by characters, of which the end is one."""

CONSENTS = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("consented", pa.bool_(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""Who consented or withdrew, and when; of a user's rows the latest counts. Read by ``echo-ops refine``."""
