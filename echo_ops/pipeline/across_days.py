"""What is left out where days come together: of equal lessons all but the newest, and what is evaluated on.

A day's harvest looks at its own rows alone, so that it gives the same rows whenever it runs, and a backfill changes no
other day (docs/decisions/0008). What repeats over days is therefore left out where days come together: here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.curation import duplicates
from echo_ops.lake.tables import Lake
from echo_ops.schema.scores import SCORES
from echo_ops.settings import Curation

COMPARED = pa.schema([SCORES.field(name) for name in ("request_id", "requested_at", "content_key", "signature")])


def left_out(
    lake: Lake,
    days: Sequence[date],
    learned: pa.Table,
    held_out: pa.Table,
    versions: Mapping[str, int],
    settings: Curation,
) -> duplicates.Dropped:
    """Lessons that a newer one repeats, and lessons that resemble a held-out one.

    Rows of days that were published before scores were kept are compared with nothing, and stay.

    Args:
        days: where the rows are.
        learned: column ``request_id``, the lessons of all days.
        held_out: column ``request_id``, what is evaluated on.
        versions: of the lake's tables.
    """
    train, evaluation = (_scores(lake, days, rows, versions) for rows in (learned, held_out))
    dropped = duplicates.repeated(train, settings)
    return dropped | duplicates.contaminated(duplicates.without(train, dropped), evaluation, settings)


def _scores(lake: Lake, days: Sequence[date], rows: pa.Table, versions: Mapping[str, int]) -> pa.Table:
    wanted = rows["request_id"].combine_chunks()
    batches = lake.read("scores", list(days), COMPARED.names, versions.get("scores"))
    chosen = [batch.filter(pc.is_in(batch["request_id"], value_set=wanted)) for batch in batches]
    return pa.Table.from_batches([batch.cast(COMPARED) for batch in chosen], schema=COMPARED)
