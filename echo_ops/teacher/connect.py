"""From settings to a teacher."""

from __future__ import annotations

from pathlib import Path

from echo_ops.settings import Teacher as TeacherSettings
from echo_ops.teacher.cache import AnswerCache
from echo_ops.teacher.port import Teacher
from echo_ops.teacher.prompts import version
from echo_ops.teacher.syntax import SyntaxTeacher


def connect(settings: TeacherSettings, cache: str | Path | None = None) -> Teacher:
    """The model behind the URL where one is set, else tree-sitter alone.

    Args:
        settings: section ``teacher``.
        cache: folder or object-store URI for the model's answers; None: they are not kept.

    Raises:
        TeacherError: the model's name is unset, and the server does not answer or does not serve exactly one.
    """
    if settings.url is None:
        return SyntaxTeacher()
    from echo_ops.teacher.client import VllmTeacher, served_model

    model = settings.model or served_model(settings)
    return VllmTeacher(settings, model, AnswerCache(cache, model, version()) if cache is not None else None)
