"""From settings to a teacher."""

from __future__ import annotations

from pathlib import Path

from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.port import Teacher
from echo_ops.teacher.prompts import Prompts, built_in
from echo_ops.teacher.syntax import SyntaxTeacher


def connect(
    settings: TeacherSettings,
    cache: str | Path | None = None,
    prompts: Prompts | None = None,
    *,
    shares_budget: bool = False,
) -> Teacher:
    """The model behind the URL where one is set, else tree-sitter alone.

    Args:
        settings: section ``teacher``.
        cache: folder or object-store URI for the model's answers; None: they are not kept.
        prompts: what the model is asked; None: our own.
        shares_budget: whether the budget holds for all teachers with the same cache, model and prompts together.

    Raises:
        TeacherError: the model's name is unset, and the server does not answer or does not serve exactly one.
        UnavailableError: the cache cannot be reached.
    """
    if settings.url is None:
        return SyntaxTeacher()
    from echo_ops.teacher.budget import Ledger
    from echo_ops.teacher.cache import AnswerCache, folder
    from echo_ops.teacher.client import VllmTeacher, served_model

    model, prompts = settings.model or served_model(settings)[0], prompts or built_in()
    if cache is None:
        return VllmTeacher(settings, model, prompts)
    ledger = Ledger(folder(cache, model, prompts.version)) if shares_budget else None
    return VllmTeacher(settings, model, prompts, AnswerCache(cache, model, prompts.version), ledger)
