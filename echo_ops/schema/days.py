"""Days: written by pipeline when a day is published, as its last act; read by training and the demo. One row a day."""

from __future__ import annotations

import pyarrow as pa

DAYS = pa.schema(
    [
        pa.field("manifest", pa.string(), nullable=False),  # JSON of the day's pipeline.manifest.Manifest
        pa.field("settings", pa.string(), nullable=False),  # JSON of the settings that shaped it; no secrets
    ]
)
"""The lake adds the partition column ``day`` to this and to every table."""
