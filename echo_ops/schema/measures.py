"""Measures: a published day in numbers; written by pipeline's checks, read by those of the seven days after it.

A share has one row, with an empty bucket: ``count`` of ``total`` rows. A mix has a row for each of its buckets. An
amount has one row, with 1 for ``total``. No text, no identity.
"""

from __future__ import annotations

import pyarrow as pa

MEASURES = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),  # events | lifecycles | examples
        pa.field("measure", pa.string(), nullable=False),
        pa.field("bucket", pa.string(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("total", pa.int64(), nullable=False),
    ]
)
"""The lake adds the partition column ``day`` to this and to every table."""
