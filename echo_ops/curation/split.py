"""Train and evaluation, by groups that are held out whole: never by row, and the same on every day.

A group is held out when the hash of its name, with a fixed salt, falls below the evaluation share. That needs no state,
so a repository that is held out today is held out for ever, and no lesson of it is ever trained on. The price: with
few groups the share is met only roughly, and a day may have no evaluation rows at all; the notes then say so.

Documents are the exception: each belongs to one session and hardly ever to two days, so nothing is lost by looking at
the day. Where the hash puts all of them on one side, the one nearest to the other side goes there.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import pyarrow as pa

from echo_ops.schema.examples import Split
from echo_ops.settings import Curation

Level = Literal["repository", "user", "document"]

SALT = b"echo-ops/split/6"
"""Never changed: every group would be dealt anew, and models would be evaluated on what they were trained on."""


def split(keys: pa.Table, settings: Curation) -> tuple[dict[str, Split], list[str]]:
    """The split of each request, and what a person should know about it.

    Args:
        keys: columns ``request_id``, ``repository``, ``user_id``, ``document_id``.
        settings: ``split_by`` and ``evaluation_share``.
    """
    ids, *columns = (keys[name].to_pylist() for name in ("request_id", "repository", "user_id", "document_id"))
    rows = list(zip(*columns, strict=True))
    share = settings.evaluation_share
    level, notes = _level(rows, settings)
    group_of = {request_id: _group(level, *row) for request_id, row in zip(ids, rows, strict=True)}
    groups = sorted(set(group_of.values()), key=_place)  # nearest to evaluation first
    held_out = {group for group in groups if is_held_out(group, share)}
    if level == "document" and len(groups) > 1 and 0 < share < 1:
        held_out |= {groups[0]}
        held_out -= {groups[-1]}
    missing = "evaluation" if not held_out else "train" if len(held_out) == len(groups) else None
    if missing and groups and 0 < share < 1:
        notes.append(
            f"no {missing} rows: split by {level}, a group is held out when its hash falls below {share}, and of "
            f"{len(groups)} {'none' if missing == 'evaluation' else 'each'} does; other days may differ; "
            "ECHO_CURATION_EVALUATION_SHARE and ECHO_CURATION_SPLIT_BY change it"
        )
    return {request_id: "evaluation" if group in held_out else "train" for request_id, group in group_of.items()}, notes


def is_held_out(group: str, evaluation_share: float) -> bool:
    """Whether a group is evaluated on and never trained on; depends on nothing but its name and the share."""
    return _place(group) < evaluation_share


def _place(group: str) -> float:
    """Where a group stands between 0 and 1, by hash."""
    return int.from_bytes(blake2b(group.encode(), digest_size=8, key=SALT).digest(), "big") / 2**64


def _level(rows: list[tuple[str | None, str, str]], settings: Curation) -> tuple[Level, list[str]]:
    """What is held out: repositories where there are several, else users, else documents, with a note."""
    if settings.split_by != "auto":
        return settings.split_by, []
    if len({repository for repository, _, _ in rows if repository is not None}) > 1:
        return "repository", []
    if len({user for _, user, _ in rows}) > 1:
        return "user", []
    note = (
        "split by document: all lessons are of one repository and one user, so what is held out is like what is "
        "trained on, and evaluation flatters; ECHO_CURATION_SPLIT_BY=document makes it the rule for every day"
    )
    return "document", [note] if rows else []


def _group(level: Level, repository: str | None, user: str, document: str) -> str:
    """The name of a row's group; a row without a repository goes with its user."""
    if level == "document":
        return f"document {document}"
    if level == "repository" and repository is not None:
        return f"repository {repository}"
    return f"user {user}"
