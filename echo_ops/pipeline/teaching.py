"""The teacher of a run: its prompts resolved once, its answers kept by day, its spending added up over the shards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from echo_ops.settings import ModelServer, Settings
from echo_ops.teacher.usage import Usage

if TYPE_CHECKING:
    from echo_ops.teacher.port import Teacher
    from echo_ops.teacher.prompts import Prompts

PROMPT = "teacher_prompt"
"""Where a manifest's ``versions`` name the version of the prompt."""


def resolved(settings: Settings) -> dict[str, int]:
    """The version of the prompt that ``ECHO_TEACHER_PROMPT`` names now, for a manifest; empty where it names none.

    Raises:
        InputError: there is no such prompt, or it does not fit.
        UnavailableError: MLflow does not answer.
    """
    if settings.teacher.prompt is None or settings.teacher.url is None:
        return {}
    from echo_ops.teacher import prompt_registry

    return {PROMPT: prompt_registry.resolve(settings.teacher.prompt, settings.tracking_uri)}


def of_day(day: date, settings: Settings, versions: Mapping[str, int]) -> Teacher:
    """The teacher of a shard of a day. All shards share answers and budget, whoever runs them, however often.

    Args:
        versions: as ``resolved`` gave them when the day was planned.
    """
    from echo_ops.teacher.connect import connect

    return connect(settings.teacher, _place(day, settings), _prompts(settings, versions), shares_budget=True)


def of_file(settings: Settings, cache: Path | None) -> Teacher:
    """The teacher of one command on a file; its budget is its own. Answers are kept in the lake where not elsewhere."""
    from echo_ops.teacher.connect import connect

    place = str(cache or f"{settings.lake_uri}/_teacher_cache/files")
    return connect(settings.teacher, place, _prompts(settings, resolved(settings)))


def spent(day: date, settings: Settings) -> Usage:
    """What a day has cost so far, over all shards, retries and reruns: a rerun that asks nothing says the same."""
    from echo_ops.teacher.budget import Ledger

    return Ledger(_place(day, settings)).total()


def rows(usage: Usage, role: str) -> dict[str, int]:
    """What a teacher or a student has cost, for a manifest; empty where nobody was asked."""
    counted = {
        f"{role}_requests": usage.requests,
        f"{role}_prompt_tokens": usage.prompt_tokens,
        f"{role}_cached_prompt_tokens": usage.cached_prompt_tokens,
        f"{role}_output_tokens": usage.output_tokens,
    }
    return counted if usage.requests else {}


def notes(usage: Usage, settings: ModelServer) -> list[str]:
    """The same in words; empty where nobody was asked."""
    if not usage.requests:
        return []
    said = (
        f"the {settings.role} has cost {usage.requests:,} requests, {usage.prompt_tokens:,} prompt tokens "
        f"({usage.cached_prompt_tokens:,} of them in its server's cache) and {usage.output_tokens:,} output tokens"
    )
    cost = usage.cost(settings)
    return [said if cost is None else f"{said}: {cost:,.2f}"]


def figures(usage: Usage, settings: ModelServer) -> dict[str, str]:
    """What a teacher or a student has cost, in words, for a table; empty where nobody was asked."""
    if not usage.requests and not usage.cached:
        return {}
    of = f"of the {settings.role}"
    shown = {
        f"requests to the {settings.role}": f"{usage.requests:,}",
        f"  {of}'s retries": f"{usage.retries:,}",
        f"answers {of} from the cache": f"{usage.cached:,}",
        f"answers {of} refused": f"{usage.refused:,}",
        f"prompt tokens {of}": f"{usage.prompt_tokens:,}",
        f"  {of}'s in its server's prefix cache": f"{usage.cached_prompt_tokens:,}",
        f"output tokens {of}": f"{usage.output_tokens:,}",
    }
    cost = usage.cost(settings)
    return shown if cost is None else {**shown, f"cost {of}": f"{cost:,.2f}"}


def _place(day: date, settings: Settings) -> str:
    return f"{settings.lake_uri}/_teacher_cache/day={day}"


def _prompts(settings: Settings, versions: Mapping[str, int]) -> Prompts | None:
    if settings.teacher.prompt is None or PROMPT not in versions:
        return None
    from echo_ops.teacher import prompt_registry

    return prompt_registry.load(settings.teacher.prompt, versions[PROMPT], settings.tracking_uri)
