"""A registry that is a directory: the fake behind the port, and the loop without MLflow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from echo_ops.errors import InputError, UnavailableError
from echo_ops.rollout.registry import CONTENT_HASH, ModelVersion, Registry, content_hash, hash_of_checkpoint
from echo_ops.schema.rollouts import Alias


class DirectoryRegistry(Registry):
    """Versions and aliases as files, each replaced atomically.

    ::

        versions/<n>/checkpoint/…    as registered
        versions/<n>/version.json
        aliases.json
    """

    def __init__(self, root: Path, name: str = "echo-completion") -> None:
        self._root = root
        self._name = name
        (root / "versions").mkdir(parents=True, exist_ok=True)

    def aliased(self, alias: Alias) -> ModelVersion | None:
        number = self._aliases().get(alias)
        return None if number is None else self.version(number)

    def set_alias(self, alias: Alias, version: ModelVersion | None) -> None:
        aliases = {name: number for name, number in self._aliases().items() if name != alias}
        if version is not None:
            aliases[alias] = self.version(version.version).version
        _replace(self._root / "aliases.json", aliases)

    def version(self, version: str) -> ModelVersion:
        try:
            return ModelVersion(**json.loads((self._folder(version) / "version.json").read_text()))
        except FileNotFoundError:
            raise InputError(f"{self._name} has no version {version}; it has {len(self._numbers())}") from None

    def register(
        self,
        directory: Path,
        *,
        run_id: str | None,
        tags: Mapping[str, str],
        metrics: Mapping[str, float] | None = None,
    ) -> ModelVersion:
        content = hash_of_checkpoint(directory)
        versions = [self.version(str(number)) for number in self._numbers()]
        for version in versions:
            if version.tags[CONTENT_HASH] == content:
                return version
        version = ModelVersion(self._name, str(len(versions) + 1), run_id, {**tags, CONTENT_HASH: content})
        folder = self._folder(version.version)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(directory, folder / "checkpoint")
        _replace(folder / "version.json", asdict(version))
        return version

    def download(self, version: ModelVersion) -> Path:
        folder = self._folder(version.version) / "checkpoint"
        if content_hash(folder) != version.tags[CONTENT_HASH]:
            raise UnavailableError(f"{folder} is not what was registered as {version.served_name}")
        return folder

    def _aliases(self) -> dict[str, str]:
        path = self._root / "aliases.json"
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    def _numbers(self) -> list[int]:
        return sorted(int(path.parent.name) for path in self._root.glob("versions/*/version.json"))

    def _folder(self, version: str) -> Path:
        return self._root / "versions" / version


def _replace(path: Path, content: Any) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2, sort_keys=True))
    part.replace(path)
