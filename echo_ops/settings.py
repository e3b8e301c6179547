"""All settings, in typed sections, each explained where it stands.

A value comes from, first found first taken: an environment variable (``ECHO_<SECTION>_<FIELD>``, e.g.
``ECHO_POSTGRES_URL``), the TOML file named by ``ECHO_CONFIG`` (default ``echo.toml``, tables named like the
sections), the default below. A section or a field that does not exist is refused, so that a typo is not ignored.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from echo_ops.errors import InputError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Least = Literal["exact", "inferred"]
Consent = Literal["opt_out", "opt_in"]


class Section(BaseModel):
    """One section: frozen, and closed to names that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Postgres(Section):
    """Where completion events come from, and where the rollout ledger is kept."""

    url: SecretStr | None = Field(
        None,
        description="libpq URL of the database with the completion events, with whatever libpq takes in one "
        "(`?sslmode=…&connect_timeout=…`); unset, a server is started on loopback for the time of the command",
    )


class Lake(Section):
    """Where the Delta tables are."""

    uri: str = Field("", description="folder or object-store URI of the Delta tables; unset: `<home>/lake`")


class Harvest(Section):
    """Which events make a day, and how the day is cut."""

    grace_hours: float = Field(
        3.0, ge=0, le=24, description="hours after midnight whose events are read to finish the day's requests"
    )
    lead_minutes: float = Field(
        60.0, ge=0, le=1440, description="minutes before midnight whose events are read, for what arrived out of order"
    )
    shard_events: int = Field(
        1_000_000, ge=1, description="events per shard at most, on average; each shard is one task"
    )
    processes: int | None = Field(
        None, ge=1, description="processes of `echo-ops harvest` and `echo-ops reconstruct`; unset: one per CPU"
    )
    policy: Literal["default", "strict"] = Field("default", description="when a gap closes; see docs/concepts")
    consent: Consent = Field(
        "opt_out",
        description="whose events are read: opt_out, of all but those who withdrew (`echo.consents`), as clients "
        "report only for users who agreed; opt_in, of those alone who consented there",
    )


class ModelServer(Section):
    """A model behind an OpenAI-compatible URL, such as vLLM's."""

    role: ClassVar[str]
    """What errors call it; in capitals, as in its variables: ``ECHO_<ROLE>_URL``."""

    url: str | None = Field(None, description="OpenAI-compatible base URL, e.g. http://host:8000/v1")
    model: str | None = Field(None, description="model name at that URL; unset: the only one that it serves")
    api_key: SecretStr | None = Field(None, description="bearer token for that URL")
    concurrency: int = Field(64, ge=1, le=1024, description="requests in flight")
    timeout: float = Field(60.0, gt=0, description="seconds before a request is given up and retried")
    retries: int = Field(
        4, ge=0, description="tries after the first, on 429, 5xx, broken connections and timeouts; waits double"
    )
    patience: float = Field(
        300.0,
        ge=0,
        description="seconds that a server which has answered before is waited for when it is gone; it may restart",
    )
    max_requests: int | None = Field(
        None,
        ge=0,
        description="requests that a day may cost, over all shards, retries and reruns, or one `refine`; beyond, the "
        "step stops, and what was answered is kept",
    )
    max_tokens: int | None = Field(
        None, ge=0, description="the same in prompt and output tokens; what is in flight then is still paid for"
    )
    max_invalid_share: Share = Field(
        0.05,
        description="share of questions without a valid answer that are passed over; above, the server is not trusted",
    )


class Teacher(ModelServer):
    """Who marks where the user's intent ends."""

    role = "teacher"

    url: str | None = Field(
        None,
        description="OpenAI-compatible base URL of the teacher, e.g. http://host:8000/v1; unset: tree-sitter alone",
    )
    price_input: float = Field(0.0, ge=0, description="price of a million prompt tokens, for reports; 0: not shown")
    price_output: float = Field(0.0, ge=0, description="price of a million output tokens, for reports")
    prompt: str | None = Field(
        None,
        pattern=r"^[\w.-]+([/@][\w.-]+)?$",
        description="prompt in MLflow's registry, `NAME@ALIAS` or `NAME/VERSION`, resolved once a run; unset: our own",
    )
    context_characters: int = Field(2000, ge=100, description="characters of the context's tail that the teacher sees")


class Student(ModelServer):
    """The model that serves now: how likely it finds a lesson already."""

    role = "student"

    url: str | None = Field(
        None,
        description="base URL of vLLM with the model that serves now, e.g. http://host:8001/v1; unset: lessons are not "
        "scored under a student",
    )
    tokenizer: str | None = Field(
        None, description="path or hub id of its tokenizer; unset: the base model's, as fine-tuning keeps it"
    )


class Curation(Section):
    """What is worth learning."""

    max_lesson_characters: int = Field(2000, ge=1, description="a longer lesson is dropped: no completion is that long")
    confidence_of_edits: Least = Field(
        "inferred", description="least confidence of a commit that was told by edits: exact or inferred"
    )
    confidence_of_snapshots: Least = Field("inferred", description="the same, of a commit that was read off snapshots")
    confidence_of_requests: Least = Field(
        "exact",
        description="the same, of a commit that only later requests tell of: these are at best inferred, and a third "
        "of them is wrong, so by default none teaches",
    )
    min_probability: Share = Field(
        0.0,
        description="probability below which a teacher's cut or verdict is not believed; syntax has none and passes",
    )
    max_unknown_share: Share = Field(
        0.3,
        description="share of a lesson's names that may come from nowhere; windows hide imports, so some do rightly",
    )
    min_unknown_names: int = Field(2, ge=1, description="names from nowhere below which no lesson is dropped for them")
    min_student_nats: float | None = Field(
        None, ge=0, description="nats a character under the student below which a lesson is too easy; unset: none is"
    )
    max_student_nats: float | None = Field(
        None, ge=0, description="nats a character under the student above which a lesson is too hard; unset: none is"
    )
    near_duplicate: Share | None = Field(
        0.8,
        description="similarity of context and lesson from which two lessons are one (the newest) and a lesson is too "
        "close to an evaluation row; unset: only equal ones",
    )
    evaluation_sets: tuple[Path, ...] = Field(
        (), description="JSON list of JSONL files with evaluation sets, no lesson of which is learned"
    )
    max_evaluation_overlap: Share = Field(
        0.5, description="share of a lesson's shingles that an evaluation set may hold"
    )
    max_per_user: int = Field(
        2000, ge=1, description="lessons per user and day at most: some times what a busy day holds, against machines"
    )
    max_per_repository: int = Field(
        20_000, ge=1, description="lessons per repository and day at most: ten busy users' worth"
    )
    void_share: Share = Field(
        0.15, description="share of silence lessons per day at most; more teaches a model to say nothing"
    )
    length_share: Share = Field(
        0.5,
        description="share of lessons of one length (to 8, 32, 128, 512 characters, longer) per day at most: the "
        "shortest crowd out the others and save the least typing",
    )
    language_share: Share = Field(
        1.0, description="share of lessons of one language per day at most; 1: the mix that users ask for"
    )
    balanced_from: int = Field(
        1000, ge=0, description="lessons of a length or a language that these shares never take away"
    )
    evaluation_share: Share = Field(0.15, description="share of repositories (or users, or documents) held out")
    split_by: Literal["auto", "repository", "user", "document"] = Field(
        "auto", description="what is held out whole; auto: repository, else user, else document"
    )


class Quality(Section):
    """What must hold of a day; critical: the day is stopped, warning: somebody is told and the day goes on."""

    min_events: int = Field(1, ge=1, description="events of a day, fewer: critical")
    max_null_committed: Share = Field(0.9, description="share of lifecycles without a known commit, above: critical")
    max_invalid_share: Share = Field(
        0.01, description="share of rows whose positions, times or texts contradict each other, above: critical"
    )
    max_clock_skew_seconds: float = Field(
        3600.0, ge=0, description="seconds that a client's clock may be ahead of the server's"
    )
    max_skewed_share: Share = Field(0.2, description="share of events further ahead than that, above: critical")
    min_acceptance: Share = Field(0.02, description="share of shown proposals that are accepted, below: warning")
    max_acceptance: Share = Field(0.95, description="share of shown proposals that are accepted, above: warning")
    max_void_share: Share = Field(0.8, description="share of known commits that are empty, above: warning")
    max_silence_share: Share = Field(0.5, description="share of lessons to propose nothing, above: warning")
    min_shown: int = Field(
        100, ge=1, description="proposals shown from which it is told that none is accepted, or far fewer than usual"
    )
    max_user_share: Share = Field(
        0.4,
        description="share of a day's rows by one user, above: warning; of few users, 2.5 times the even share",
    )
    max_swapped_share: Share = Field(
        0.2,
        description="share of requests whose text changes on the wrong side of the caret, above: critical; real "
        "sessions have 0 to 0.8 %",
    )
    max_cut_share: Share = Field(
        0.2, description="share of prefixes that are neither whole nor 500 characters long, above: critical"
    )
    drift_days: int = Field(
        3, ge=2, le=7, description="published days of the trailing week below which nothing is compared with it"
    )
    drift_rows: int = Field(
        100, ge=1, description="rows behind a share or a mix below which a day is not compared; chance moves it too far"
    )
    drift_users: int = Field(
        5, ge=1, description="users below which a day is neither compared nor compared with: it tells of persons"
    )
    drift_share: Share = Field(
        0.05,
        description="a share may differ that much from the week's median, and by 0.5 / √users for chance; beyond: "
        "warning",
    )
    drift_mix: Share = Field(
        0.15,
        description="share of rows that may lie in other buckets (language, length, kind) than in the week, and "
        "0.5 / √users for chance; beyond: warning",
    )
    drift_deviations: float = Field(
        6.0, gt=0, description="where the week itself varies more: so many of its robust deviations (1.4826 MAD)"
    )
    drift_factor: float = Field(
        3.0, ge=1, description="an amount (rows, users) may leave the week's range by this factor; beyond: warning"
    )
    drift_vanished: Share = Field(
        0.05, description="usual share of a language whose absence is told; rarer ones come and go with one user"
    )


class Training(Section):
    """How the model learns."""

    window_days: int = Field(7, ge=1, description="days whose lessons are learned")
    held_out_days: int = Field(
        1,
        ge=0,
        description="newest days that are not learned from yet but compared on, where they hold as many held-out "
        "requests as an evaluation takes; 0: none, and every lesson serves a night sooner",
    )
    half_life_days: float | None = Field(
        None,
        gt=0,
        description="days after which a lesson of the window is seen half as often; unset: age does not count",
    )
    replay_share: Share = Field(0.2, description="share of rows from days before the window, against forgetting")
    static_set: Path | None = Field(
        None, description="JSONL or Parquet file of prefix, suffix and lesson that is replayed too, against forgetting"
    )
    static_share: float = Field(0.1, ge=0, lt=1, description="share of rows from that file, if one is named")
    method: Literal["lora", "full"] = Field("lora", description="adapter or all weights")
    lora_rank: int = Field(16, ge=1, description="rank of the adapter")
    learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate; unset: 2e-4 for lora, 2e-5 for full"
    )
    epochs: float = Field(1.0, gt=0, description="passes over the lessons")
    max_steps: int | None = Field(None, ge=1, description="optimizer steps at most, whatever the epochs")
    batch_size: int = Field(16, ge=1, description="lessons per optimizer step")
    device_batch_size: int = Field(
        16, ge=1, description="lessons per forward and backward pass; lower it when memory runs out"
    )
    gradient_checkpointing: bool | None = Field(
        None, description="compute activations again instead of keeping them: less memory, more time; unset: on GPUs"
    )
    gpus: int = Field(1, ge=1, description="GPUs of this machine that share a fine-tuning, by `accelerate launch`")
    checkpoint_steps: int = Field(
        200, ge=1, description="optimizer steps between checkpoints, from the last of which a killed run goes on"
    )
    orphan_minutes: float = Field(
        30.0,
        ge=0,
        description="minutes that a fine-tuning goes on when who asked for it was killed, for a retry to find",
    )
    queue: str | None = Field(
        None, description="queue of Airflow's workers that fine-tune and evaluate, e.g. gpu; unset: the default one"
    )
    executor: str | None = Field(
        None,
        description="Airflow's executor for these tasks, where it has several, e.g. EdgeExecutor; unset: the first",
    )
    pod_template: Path | None = Field(
        None, description="pod template file for these tasks, where KubernetesExecutor runs them; unset: Airflow's"
    )
    context_tokens: int = Field(1024, ge=64, description="tokens of context and lesson together")
    token_healing: bool = Field(
        False,
        description="write a word that is begun at the caret again, with what it goes on to, in training, in "
        "evaluation and in a student's scores: for small models, where the server heals tokens too",
    )
    seed: int = Field(0, description="seed of shuffling and initialisation")
    evaluation_rows: int = Field(
        400,
        ge=1,
        description="held-out requests per evaluation at most, chosen by hash; of users never learned from where they "
        "made as many",
    )
    max_new_tokens: int = Field(
        48, ge=1, description="tokens generated per held-out request, and kept free beside every context"
    )
    evaluation_batch_size: int = Field(32, ge=1, description="held-out requests that are completed together")
    threads: int | None = Field(
        None, ge=1, description="CPU threads of a training or an evaluation; unset: OMP_NUM_THREADS, else all cores"
    )


class EvaluationServer(ModelServer):
    """A server that completes the held-out requests of an evaluation; its settings are those of ``Evaluation``."""

    role = "evaluation"


class Evaluation(Section):
    """Who completes the held-out requests of an evaluation, and what else it measures."""

    url: str | None = Field(
        None,
        description="base URL of vLLM that serves the champion as `<model>/<version>`, and takes adapters at run time "
        "or serves the challenger too; unset: transformers, on this machine",
    )
    api_key: SecretStr | None = Field(None, description="bearer token for that URL")
    concurrency: int = Field(64, ge=1, le=1024, description="requests in flight")
    timeout: float = Field(60.0, gt=0, description="seconds before a request is given up and retried")
    infilling: Path | None = Field(
        None,
        description="JSONL file in the format of human-eval-infilling: a challenger that passes fewer of its problems, "
        "beyond chance, is not registered; needs ECHO_EVALUATION_RUN_CODE",
    )
    run_code: bool = Field(
        False,
        description="whether what models write for that file may be run: in a sandbox, on the machine that trains",
    )
    infilling_tokens: int = Field(
        256, ge=1, description="tokens generated per problem of that file, and half of the context at most"
    )
    samples: int = Field(
        3, ge=0, le=20, description="held-out lessons that a model card shows, redacted and cut short; 0: none"
    )

    @property
    def server(self) -> EvaluationServer:
        """How the server is asked."""
        return EvaluationServer(url=self.url, api_key=self.api_key, concurrency=self.concurrency, timeout=self.timeout)

    @model_validator(mode="after")
    def _must_be_allowed(self) -> Evaluation:
        if self.infilling is not None and not self.run_code:
            raise ValueError(
                "ECHO_EVALUATION_INFILLING makes models write code that is then run; ECHO_EVALUATION_RUN_CODE=true "
                "allows it, or unset the former"
            )
        return self


class Rollout(Section):
    """How a challenger earns its traffic."""

    shares: tuple[float, ...] = Field(
        (0.05, 0.25, 0.5),
        min_length=1,
        description="shares of users that the challenger gets, in order, each above 0 and below 1; after the last it "
        "becomes champion. With fewer than some hundred users, start at 0.25",
    )
    min_shown: int = Field(200, ge=1, description="proposals shown by each model at each share before they are judged")
    min_users: int = Field(5, ge=2, description="users of each model at each share before they are judged")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="confidence of each one-sided bound of the test, over all looks at a share"
    )
    margin: Share = Field(
        0.02,
        description="acceptance, in absolute terms, that all users together may lose by the next share: at a share of "
        "0.25, the challenger may be four times as much worse",
    )
    look_hours: float = Field(
        6.0, gt=0, description="hours between looks at the evidence of a share; more looks make each bound wider"
    )
    patience_days: float = Field(
        7.0, gt=0, description="days at a share after which a challenger that is not judged makes room for the next"
    )
    settle_minutes: float = Field(
        5.0, ge=0, le=1440, description="minutes that a request is given to be answered before it counts as evidence"
    )

    @field_validator("shares")
    @classmethod
    def _must_grow(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in shares) or any(b <= a for a, b in pairwise(shares)):
            raise ValueError(f"shares are {list(shares)}; each must lie above 0 and below 1, and above the one before")
        return shares

    @property
    def looks(self) -> int:
        """How often the evidence of a share is looked at, at most."""
        return max(1, math.floor(self.patience_days * 24 / self.look_hours))


class Mlflow(Section):
    """Where models are registered."""

    tracking_uri: str = Field("", description="MLflow tracking and registry URI; unset: SQLite under `<home>/mlflow`")
    model_name: str = Field(
        "echo-completion", pattern=r"^[\w.-]+$", description="name of the registered model: letters, digits, . _ -"
    )
    experiment: str = Field("echo-ops", min_length=1, description="experiment of the nightly runs")
    port: int = Field(
        5000, ge=1, le=65535, description="port of `echo-ops up`'s server; the next free one where it is taken"
    )


class Airflow(Section):
    """The Airflow that `echo-ops up` and the demo run on this machine."""

    database_url: SecretStr | None = Field(
        None,
        description="libpq URL of Airflow's own database; unset: database `airflow` of the Postgres that we start, "
        "SQLite under `<home>/airflow` for runs without a scheduler",
    )
    port: int = Field(
        8080, ge=1, le=65535, description="port of the web interface; the next free one where it is taken"
    )
    parallelism: int = Field(2, ge=1, description="tasks that run at the same time")


class Settings(BaseSettings):
    """Everything that a command or a task can be told."""

    model_config = SettingsConfigDict(
        env_prefix="ECHO_", env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="forbid"
    )

    home: Path = Field(Path(".echo"), description="folder of everything that is kept locally")
    alerts: SecretStr | None = Field(
        None,
        description="Apprise URLs (chat, pager, mail, web hook; comma between) told of stopped days and failed runs",
    )
    base_model: str | None = Field(
        None, description="path or hub id of the first champion; unset: a small one is made by `echo-ops base-model`"
    )
    postgres: Postgres = Postgres()
    lake: Lake = Lake()
    harvest: Harvest = Harvest()
    teacher: Teacher = Teacher()
    student: Student = Student()
    curation: Curation = Curation()
    quality: Quality = Quality()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    rollout: Rollout = Rollout()
    mlflow: Mlflow = Mlflow()
    airflow: Airflow = Airflow()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, Path(os.environ.get("ECHO_CONFIG", "echo.toml")))
        return init_settings, env_settings, toml

    @property
    def lake_uri(self) -> str:
        """URI of the lake, resolved."""
        return self.lake.uri or str(self.home.absolute() / "lake")

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry URI, resolved."""
        return self.mlflow.tracking_uri or f"sqlite:///{self.home.absolute()}/mlflow/mlflow.db"

    def with_postgres(self, url: str) -> Settings:
        """The same settings, with another database."""
        postgres = self.postgres.model_copy(update={"url": SecretStr(url)})
        return self.model_copy(update={"postgres": postgres})

    def shaping(self) -> str:
        """JSON of all that shapes a result; secrets and places are left out."""
        return self.model_dump_json(
            exclude={
                "home": True,
                "alerts": True,
                "postgres": True,
                "lake": True,
                "mlflow": True,
                "airflow": True,
                "teacher": {"api_key"},
                "student": {"api_key"},
                "evaluation": {"api_key"},
                "harvest": {"processes"},
            }
        )

    def digest(self) -> str:
        """Hash of ``shaping``."""
        return hashlib.sha256(self.shaping().encode()).hexdigest()[:16]


def load(**overrides: Any) -> Settings:
    """Settings from the environment and the TOML file; ``overrides`` come before both.

    Raises:
        InputError: a value is out of its limits, or a name is unknown.
    """
    config = os.environ.get("ECHO_CONFIG")
    if config and not Path(config).is_file():
        raise InputError(f"ECHO_CONFIG names {config}, which is no file; unset it or create the file")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "ECHO_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InputError(f"setting {name}: {first['msg']}") from None


def variables(settings: Settings | None = None) -> list[tuple[str, str, str]]:
    """Every variable with its default and its meaning; with ``settings``, their values in place of the defaults.

    A secret that is set is shown as stars.
    """
    rows = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            chosen = field.default if settings is None else getattr(settings, name)
            for inner, inner_field in section.model_fields.items():
                variable = f"ECHO_{name}_{inner}".upper()
                rows.append((variable, _shown(getattr(chosen, inner)), inner_field.description or ""))
        else:
            chosen = field.default if settings is None else getattr(settings, name)
            rows.append((f"ECHO_{name}".upper(), _shown(chosen), field.description or ""))
    return rows


def markdown() -> str:
    """The table of settings as it stands in README.md."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | {f'`{value}`' if value else ''} | {meaning} |" for name, value, meaning in variables()]
    return "\n".join(rows)


def _shown(value: object) -> str:
    if value is None or value == "":
        return ""
    return json.dumps(value) if isinstance(value, tuple) else str(value)
