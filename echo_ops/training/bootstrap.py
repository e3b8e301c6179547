"""A cluster bootstrap: what chance may do to a figure whose observations resemble each other within clusters.

Clusters are drawn with replacement, as many as there are (Cameron, Gelbach and Miller, 2008). Two figures of the same
draws are compared in pairs.
"""

from __future__ import annotations

from typing import Any

CONFIDENCE = 0.95


def draws(clusters: int, seed: int, number: int) -> Any:
    """How often each cluster is drawn, (number, clusters); the same for the same arguments."""
    import numpy as np

    return np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=number)


def interval(drawn: Any) -> tuple[float, float]:
    """Between which percentiles ``CONFIDENCE`` of the draws lie; those that are NaN do not count."""
    import numpy as np

    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
