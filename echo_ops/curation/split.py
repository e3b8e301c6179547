"""Train and evaluation, by groups that are held out whole: never by row, and the same on every day.

A group is held out when the hash of its name, with a fixed salt, falls below the evaluation share. That needs no state,
so a repository that is held out today is held out for ever, and no lesson of it is ever trained on. The price: with
few groups the share is met only roughly, and a day may have no evaluation rows at all; the notes then say so.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import pyarrow as pa

from echo_ops.schema.examples import Split
from echo_ops.settings import Curation

Level = Literal["repository", "user", "document"]

SALT = b"echo-ops/split/1"
"""Never changed: every group would be dealt anew, and models would be evaluated on what they were trained on."""


def split(keys: pa.Table, settings: Curation) -> tuple[dict[str, Split], list[str]]:
    """The split of each request, and what a person should know about it.

    Args:
        keys: columns ``request_id``, ``repository``, ``user_id``, ``document_id``.
        settings: ``split_by`` and ``evaluation_share``.
    """
    ids, *groups = (keys[name].to_pylist() for name in ("request_id", "repository", "user_id", "document_id"))
    rows = list(zip(*groups, strict=True))
    level, notes = _level(rows, settings)
    splits: dict[str, Split] = {}
    held_out: dict[str, bool] = {}
    for request_id, (repository, user, document) in zip(ids, rows, strict=True):
        group = _group(level, repository, user, document)
        held_out[group] = is_held_out(group, settings.evaluation_share)
        splits[request_id] = "evaluation" if held_out[group] else "train"
    missing = {True: "evaluation", False: "train"}.keys() - set(held_out.values())
    for evaluation in missing if held_out and 0 < settings.evaluation_share < 1 else ():
        notes.append(
            f"no {'evaluation' if evaluation else 'train'} rows: split by {level}, a group is held out when its hash "
            f"falls below {settings.evaluation_share}, and of {len(held_out)} {'none' if evaluation else 'each'} does; "
            "other days may differ; ECHO_CURATION_EVALUATION_SHARE and ECHO_CURATION_SPLIT_BY change it"
        )
    return splits, notes


def is_held_out(group: str, evaluation_share: float) -> bool:
    """Whether a group is evaluated on and never trained on; depends on nothing but its name and the share."""
    digest = blake2b(group.encode(), digest_size=8, key=SALT).digest()
    return int.from_bytes(digest, "big") / 2**64 < evaluation_share


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
