"""What each arm learns in a night; all of them from the same base, with the same settings and as many lessons."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.schema.examples import EXAMPLES
from echo_ops.simulate.word_by_word import words_taken
from echo_ops.training.replay import by_hash

ARMS = ("echo", "frozen", "shuffled", "own_proposals")


def shuffled(lessons: pa.Table, seed: int) -> pa.Table:
    """The same contexts and the same lessons, wrongly paired: each has the lesson of the next one in an order by hash.

    Args:
        lessons: EXAMPLES.
    """
    rows = by_hash(lessons, seed)
    turned = [*range(1, rows.num_rows), 0]
    place = rows.schema.get_field_index("lesson")
    return rows.set_column(place, EXAMPLES.field("lesson"), rows["lesson"].take(pa.array(turned, pa.int64())))


def own_proposals(lifecycles: pa.Table, lessons: int) -> pa.Table:
    """What the model itself proposed and its users took, as lessons: nothing that a user wrote.

    There are fewer than lessons from commits; each is seen so often that as many are seen.

    Args:
        lifecycles: LIFECYCLES of users whom the arm's own model served.
        lessons: how many are to be seen.

    Returns:
        EXAMPLES of split ``train``; none where nothing was accepted.
    """
    taken = lifecycles.filter(pc.is_in(lifecycles["decision"], pa.array(["accepted", "partially_accepted"])))
    rows: list[dict[str, Any]] = []
    for row in taken.filter(pc.is_valid(taken["committed"])).to_pylist():
        length = words_taken(row["proposal"], row["committed"])
        if length:
            rows.append({**row, "lesson": row["proposal"][:length]})
    given = {"cut": 0, "verdict": "fill", "teacher": "none", "prompt_version": "", "split": "train"}
    weight = lessons / max(len(rows), 1)
    columns = set(EXAMPLES.names)
    return pa.Table.from_pylist(
        [{**{name: row[name] for name in row if name in columns}, **given, "weight": weight} for row in rows],
        schema=EXAMPLES,
    )
