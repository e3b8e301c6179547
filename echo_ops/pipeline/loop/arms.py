"""What each arm learns in a night; all of them from the same base, with the same settings and as many lessons."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from echo_ops.schema.examples import EXAMPLES
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

    The proposal is learned as it was shown, also where only its first words were taken: which these are, only the
    commit tells, and to know that is what this is a control for. There are fewer than lessons from commits; each is
    seen so often that as many are seen.

    Args:
        lifecycles: LIFECYCLES of users whom the arm's own model served.
        lessons: how many are to be seen.

    Returns:
        EXAMPLES of split ``train``; none where nothing was accepted.
    """
    taken = lifecycles.filter(pc.is_in(lifecycles["decision"], pa.array(["accepted", "partially_accepted"])))
    taken = taken.filter(pc.is_valid(taken["proposal"]))  # null where the event that showed it was lost
    given = {"cut": 0, "verdict": "fill", "teacher": "none", "prompt_version": "", "split": "train"}
    given |= {"weight": lessons / max(taken.num_rows, 1)}
    columns = set(EXAMPLES.names)
    rows = [
        {name: value for name, value in row.items() if name in columns}
        | {"lesson": row["proposal"], "committed": row["proposal"]}
        | given
        for row in taken.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)
