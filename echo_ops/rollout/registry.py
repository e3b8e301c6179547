"""The models that there are, and which of them is champion: a port, and MLflow behind it.

A version is a plain checkpoint directory (config, tokenizer, weights), as transformers and vLLM load it.
"""

from __future__ import annotations

import hashlib
import shutil
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from echo_ops.errors import InputError, UnavailableError
from echo_ops.rollout import mlflow_store
from echo_ops.rollout.mlflow_store import Absent, translated
from echo_ops.schema.rollouts import Alias
from echo_ops.settings import Settings

MAX_DESCRIPTION = 5000
"""Characters that MLflow's databases keep."""

CONTENT_HASH = "echo.content_hash"
"""Tag of a version: what its directory must hash to."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model. ``version`` is "1", "2", … as in MLflow."""

    name: str
    version: str
    run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def served_name(self) -> str:
        """What a server serves it as, and editors report in ``model_version``: ``echo-completion/3``."""
        return f"{self.name}/{self.version}"


class Registry(Protocol):
    """Port: versions of one model, and aliases on them.

    Every method raises UnavailableError when the registry does not answer.
    """

    @abstractmethod
    def aliased(self, alias: Alias) -> ModelVersion | None:
        """The version that has an alias."""

    @abstractmethod
    def set_alias(self, alias: Alias, version: ModelVersion | None) -> None:
        """Give an alias to a version, or to none. Raises InputError when there is no such version."""

    @abstractmethod
    def version(self, version: str) -> ModelVersion:
        """A version by its number. Raises InputError when there is none."""

    @abstractmethod
    def register(
        self,
        directory: Path,
        *,
        run_id: str | None,
        tags: Mapping[str, str],
        metrics: Mapping[str, float] | None = None,
    ) -> ModelVersion:
        """Make a checkpoint directory a version; the same content again gives the version that it already is.

        Raises:
            InputError: the directory is no checkpoint: it lacks config.json.
        """

    @abstractmethod
    def download(self, version: ModelVersion) -> Path:
        """A version's checkpoint directory on this machine, with the content that was registered; do not write to it.

        Raises:
            UnavailableError: what the registry gave is not what was registered.
        """

    def champion(self) -> ModelVersion | None:
        """The version that serves."""
        return self.aliased("champion")

    def challenger(self) -> ModelVersion | None:
        """The version that wants to."""
        return self.aliased("challenger")

    def previous_champion(self) -> ModelVersion | None:
        """The version that served before."""
        return self.aliased("previous_champion")


def content_hash(directory: Path) -> str:
    """SHA-256 over the names and contents of all files below a directory, in order of their names."""
    total = hashlib.sha256()
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    for name, path in sorted(files.items()):
        with path.open("rb") as file:
            total.update(f"{name}\n{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def hash_of_checkpoint(directory: Path) -> str:
    """``content_hash`` of a directory that looks like a checkpoint.

    Raises:
        InputError: it does not.
    """
    if not (directory / "config.json").is_file():
        raise InputError(f"{directory} is no checkpoint: it holds no config.json, without which nothing can load it")
    return content_hash(directory)


class MlflowRegistry(Registry):
    """The registry that everybody uses: versions of ``ECHO_MLFLOW_MODEL_NAME`` in MLflow.

    What is downloaded is kept in ``<home>/models/<content hash>``, and hashed each time before it is handed out.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.mlflow.model_name
        self._client = mlflow_store.connect(settings)

    def aliased(self, alias: Alias) -> ModelVersion | None:
        try:
            with translated(self._settings):
                number = self._client.get_registered_model(self._name).aliases.get(alias)
        except Absent:
            return None
        return None if number is None else self.version(str(number))

    def set_alias(self, alias: Alias, version: ModelVersion | None) -> None:
        try:
            with translated(self._settings):
                if version is None:
                    self._client.delete_registered_model_alias(self._name, alias)
                else:
                    self._client.set_registered_model_alias(self._name, alias, version.version)
        except Absent:
            if version is not None:
                raise self._no_version(version.version) from None

    def version(self, version: str) -> ModelVersion:
        try:
            with translated(self._settings):
                return self._of(self._client.get_model_version(self._name, version))
        except Absent:
            raise self._no_version(version) from None

    def register(
        self,
        directory: Path,
        *,
        run_id: str | None,
        tags: Mapping[str, str],
        metrics: Mapping[str, float] | None = None,
    ) -> ModelVersion:
        if metrics and run_id is None:
            raise InputError(
                f"{len(metrics)} metrics were given without a run; MLflow keeps a model's metrics with a run"
            )
        content = hash_of_checkpoint(directory)
        client = self._client
        with translated(self._settings):
            known = client.search_model_versions(f"name = '{self._name}' and tags.`{CONTENT_HASH}` = '{content}'")
            if known:
                return self._of(min(known, key=lambda found: int(found.version)))
            experiment = client.get_run(run_id).info.experiment_id if run_id else self._experiment()
            model = client.create_logged_model(
                experiment, self._name, run_id, tags={CONTENT_HASH: content}, model_type="checkpoint"
            )
            client.log_model_artifacts(model.model_id, str(directory))
            client.finalize_logged_model(model.model_id, "READY")
            if metrics and run_id:
                mlflow_store.log_metrics(client, run_id, metrics, model_id=model.model_id)
            self._ensure_model()
            made = client.create_model_version(
                self._name,
                source=f"models:/{model.model_id}",
                run_id=run_id,
                model_id=model.model_id,
                tags={**tags, CONTENT_HASH: content},
            )
            return self._of(made)

    def describe(self, version: ModelVersion, text: str) -> None:
        """Markdown that MLflow shows with a version, cut to what it keeps."""
        with translated(self._settings):
            self._client.update_model_version(self._name, version.version, text[:MAX_DESCRIPTION])

    def download(self, version: ModelVersion) -> Path:
        """See ``Registry.download``. Artifacts that lie on this machine are handed out where they are."""
        expected = version.tags.get(CONTENT_HASH)
        with translated(self._settings):
            uri = self._client.get_model_version_download_uri(self._name, version.version)
        place = urlsplit(uri)
        if place.scheme in ("", "file"):
            return self._verified(Path(url2pathname(place.path)), version)
        cache = self._settings.home.absolute() / "models"
        # A version that somebody else registered has no hash to find it by: it is fetched anew.
        if expected and _holds(cache / expected, expected):
            return cache / expected
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache, prefix=".part-") as part:
            with translated(self._settings):
                from mlflow.artifacts import download_artifacts

                fetched = Path(download_artifacts(artifact_uri=uri, dst_path=f"{part}/checkpoint"))
            content = content_hash(self._verified(fetched, version))
            # Another process may have been faster: what is whole is left, for it is in use.
            if not _holds(cache / content, content):
                shutil.rmtree(cache / content, ignore_errors=True)
                fetched.rename(cache / content)
        return cache / content

    def _verified(self, directory: Path, version: ModelVersion) -> Path:
        if not directory.is_dir():
            raise UnavailableError(
                f"the checkpoint of {version.served_name} is not at {directory}; it was moved, deleted, or registered "
                "on another machine: restore it, or give MLflow a store that all machines reach"
            )
        found, expected = hash_of_checkpoint(directory), version.tags.get(CONTENT_HASH)
        if expected and found != expected:
            raise UnavailableError(
                f"the checkpoint of {version.served_name} in {directory} has hash {found[:12]}…, registered was "
                f"{expected[:12]}…: it was changed or is broken; restore it, or register another version"
            )
        return directory

    def _ensure_model(self) -> None:
        with suppress(Absent), translated(self._settings):
            self._client.get_registered_model(self._name)
            return
        self._client.create_registered_model(self._name)

    def _experiment(self) -> str:
        return mlflow_store.experiment(self._settings, self._client)

    def _no_version(self, version: str) -> InputError:
        return InputError(f"model {self._name} has no version {version} in MLflow")

    def _of(self, found: Any) -> ModelVersion:
        return ModelVersion(self._name, str(found.version), found.run_id or None, dict(found.tags))


def _holds(directory: Path, content: str) -> bool:
    return directory.is_dir() and content_hash(directory) == content
