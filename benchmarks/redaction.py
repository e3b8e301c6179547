"""What the detectors find of a labelled set, and where there is nothing to find: recall and false alarms by kind.

The set is made up on the spot (``echo_ops/simulate/secrets.py``), in eight languages. A value counts as found where
findings of the right sort cover all of it: a key of which the last character stays is not found. False alarms are
counted on harmless values, and on the standard library's source.

    python benchmarks/redaction.py [--each N] [--seed N]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import chain

from rich.console import Console
from rich.table import Table

from echo_ops.curation.detectors import find
from echo_ops.simulate.secrets import Planted, negatives, positives
from echo_ops.training.corpus import corpus

CHUNK = 3000


def found(planted: Planted) -> bool:
    """Whether findings of its sort cover the planted value, or, of a harmless one, whether anything is found."""
    findings = find(planted.text)
    if planted.finding is None:
        return bool(findings)
    start = planted.text.index(planted.value)
    covered = {at for one in findings if one.kind == planted.finding for at in range(one.start, one.end)}
    return covered >= set(range(start, start + len(planted.value)))


def shares(all_planted: list[Planted]) -> dict[str, tuple[int, int]]:
    """kind → found, of how many."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for planted in all_planted:
        counts[planted.kind][0] += found(planted)
        counts[planted.kind][1] += 1
    return {kind: (hits, of) for kind, (hits, of) in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=40, help="values of each kind")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    console = Console()
    for title, column, planted in (
        ("secrets and personal data", "recall", list(positives(chosen.seed, chosen.each))),
        ("harmless values", "false alarms", list(negatives(chosen.seed, chosen.each))),
    ):
        table = Table("kind", "found", "of", column, title=title)
        by_kind = shares(planted)
        for kind, (hits, of) in by_kind.items():
            table.add_row(kind, str(hits), str(of), f"{hits / of:.1%}")
        hits, of = (sum(pair[place] for pair in by_kind.values()) for place in (0, 1))
        table.add_row("all", str(hits), str(of), f"{hits / of:.2%}", style="bold")
        console.print(table)
    texts = [text[at : at + CHUNK] for text in chain(*corpus()) for at in range(0, len(text), CHUNK)]
    findings = [finding for text in texts for finding in find(text)]
    table = Table("sort", "findings", "a million characters", title="the standard library's source")
    characters = sum(map(len, texts))
    for kind in sorted({finding.kind for finding in findings}):
        count = sum(finding.kind == kind for finding in findings)
        table.add_row(kind, str(count), f"{count / characters * 1e6:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
