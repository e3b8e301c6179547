"""Prompts from MLflow's prompt registry, where somebody may try others without a release.

One prompt of three messages is one version: ``system`` (the common part), ``user`` (the question of the cut, with its
fields), ``user`` (the question of worth). A version never changes; an alias does, so it is resolved once per run.
"""

from __future__ import annotations

import re
from typing import Any

from echo_ops.errors import InputError, UnavailableError
from echo_ops.teacher.prompts import Prompts, built_in

ROLES = ("system", "user", "user")


def register(name: str, tracking_uri: str, prompts: Prompts | None = None) -> int:
    """Put prompts (our own, unless others are given) into the registry as a new version; gives its number."""
    texts = prompts or built_in()
    template = [
        {"role": role, "content": text}
        for role, text in zip(ROLES, (texts.common, texts.cut, texts.verdict), strict=True)
    ]
    _use(tracking_uri)
    from mlflow import genai

    return int(genai.register_prompt(name=name, template=template).version)


def resolve(prompt: str, tracking_uri: str) -> int:
    """The version that ``NAME@ALIAS``, ``NAME/VERSION`` or ``NAME`` (the newest) names now.

    Raises:
        InputError: there is none, or it does not fit.
        UnavailableError: the registry does not answer.
    """
    if not re.search(r"[@/]", prompt):
        prompt = f"{prompt}@latest"
    found = _load(prompt, tracking_uri)
    version = int(found.version)
    _prompts(found)  # one that does not fit is refused before anything is spent
    return version


def load(prompt: str, version: int, tracking_uri: str) -> Prompts:
    """One version of a prompt.

    Args:
        prompt: as in the settings; its alias or version does not count.
        version: as ``resolve`` gave it.

    Raises:
        InputError: there is none, or it does not fit.
        UnavailableError: the registry does not answer.
    """
    return _prompts(_load(f"{re.split(r'[@/]', prompt)[0]}/{version}", tracking_uri))


def _load(prompt: str, tracking_uri: str) -> Any:
    from mlflow import genai
    from mlflow.exceptions import MlflowException

    _use(tracking_uri)
    try:
        return genai.load_prompt(f"prompts:/{prompt}", link_to_model=False, cache_ttl_seconds=0)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
            raise InputError(
                f"prompt {prompt} is not in MLflow's registry; register it or change ECHO_TEACHER_PROMPT"
            ) from None
        raise UnavailableError(f"MLflow's prompt registry cannot be read: {error.error_code}") from None


def _prompts(found: Any) -> Prompts:
    name = f"{found.name}/{found.version}"
    template = found.template
    roles = [message.get("role") for message in template] if isinstance(template, list) else ["text"]
    if tuple(roles) != ROLES:
        raise InputError(
            f"prompt {name} has the messages {', '.join(map(str, roles))}; wanted are {', '.join(ROLES)}: the common "
            "part, the question of the cut, the question of worth"
        )
    common, cut, verdict = (str(message["content"]).strip() for message in template)
    return Prompts(common, cut, verdict, version=name)


def _use(tracking_uri: str) -> None:
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
