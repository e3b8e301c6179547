"""Registry, tracking and a rollout on the real MLflow: on SQLite, and on a server over the same store."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from echo_ops.errors import InputError, UnavailableError
from echo_ops.pipeline.promote import step
from echo_ops.rollout.evidence import Counts
from echo_ops.rollout.gate import Judgement
from echo_ops.rollout.registry import CONTENT_HASH, MlflowRegistry, content_hash
from echo_ops.rollout.tracking import Live, Run, run
from echo_ops.settings import Mlflow, Rollout, Settings


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in it: making one takes seconds."""
    home = tmp_path_factory.mktemp("template")
    MlflowRegistry(Settings(home=home)).champion()
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def settings(template: Path, tmp_path: Path) -> Settings:
    (tmp_path / "home" / "mlflow").mkdir(parents=True)
    (tmp_path / "home" / "mlflow" / "mlflow.db").write_bytes(template.read_bytes())
    return Settings(home=tmp_path / "home")


def checkpoint(folder: Path, weights: str) -> Path:
    (folder / "nested").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "nested" / "weights").write_text(weights)
    return folder


def test_nothing_is_registered_yet(settings: Settings) -> None:
    registry = MlflowRegistry(settings)
    assert (registry.champion(), registry.challenger(), registry.previous_champion()) == (None, None, None)
    with pytest.raises(InputError, match="no version 7"):
        registry.version("7")
    registry.set_alias("challenger", None)


def test_a_checkpoint_comes_back_as_it_was(settings: Settings, tmp_path: Path) -> None:
    registry = MlflowRegistry(settings)
    made = registry.register(checkpoint(tmp_path / "a", "1"), run_id=None, tags={"echo.day": "2026-11-04"})
    assert made.served_name == "echo-completion/1"
    assert made.tags["echo.day"] == "2026-11-04"
    place = registry.download(made)
    assert content_hash(place) == content_hash(tmp_path / "a") == made.tags[CONTENT_HASH]
    assert sorted(path.name for path in place.iterdir()) == ["config.json", "nested"]


def test_a_retry_registers_nothing_twice(settings: Settings, tmp_path: Path) -> None:
    first = MlflowRegistry(settings).register(checkpoint(tmp_path / "a", "1"), run_id=None, tags={"try": "1"})
    again = MlflowRegistry(settings).register(checkpoint(tmp_path / "b", "1"), run_id=None, tags={"try": "2"})
    assert again == first
    assert MlflowRegistry(settings).register(checkpoint(tmp_path / "c", "2"), run_id=None, tags={}).version == "2"


def test_aliases_move_and_go(settings: Settings, tmp_path: Path) -> None:
    registry = MlflowRegistry(settings)
    one, two = (registry.register(checkpoint(tmp_path / name, name), run_id=None, tags={}) for name in ("a", "b"))
    registry.set_alias("champion", one)
    registry.set_alias("previous_champion", two)
    registry.set_alias("champion", two)
    registry.set_alias("previous_champion", None)
    assert (registry.champion(), registry.previous_champion()) == (two, None)
    with pytest.raises(InputError, match="no version 9"):
        registry.set_alias("champion", type(one)(one.name, "9"))
    assert registry.champion() == two


def test_what_was_changed_or_moved_away_is_not_handed_out(settings: Settings, tmp_path: Path) -> None:
    registry = MlflowRegistry(settings)
    made = registry.register(checkpoint(tmp_path / "a", "1"), run_id=None, tags={})
    place = registry.download(made)
    (place / "nested" / "weights").write_text("2")
    with pytest.raises(UnavailableError, match="it was changed or is broken"):
        registry.download(made)
    place.rename(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError, match="is not at"):
        registry.download(made)


def test_a_run_keeps_all_that_a_training_was(settings: Settings, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    with run(settings, "nightly 2026-11-04", {"echo.lake.examples": "3"}) as training:
        training.params({"method": "lora", "rank": 16})
        for number, loss in enumerate((2.5, 2.0, 1.5)):
            training.metrics({"loss": loss}, step=number)
        training.metrics({"exact_match": 0.25, "perplexity": None}, prefix="champion.")
        training.dataset(
            "examples", uri="/lake/examples", table_version=3, digest="a" * 64, rows=120, context="training"
        )
        training.json("comparison.json", {"rows": 7})
        (tmp_path / "plot.txt").write_text("a plot")
        training.file(tmp_path / "plot.txt", "plots")
        made = MlflowRegistry(settings).register(
            checkpoint(tmp_path / "a", "1"), run_id=training.run_id, tags={}, metrics={"exact_match": 0.5}
        )
    client = MlflowClient(settings.tracking_uri)
    kept = client.get_run(training.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params == {"method": "lora", "rank": "16"}
    assert [point.value for point in client.get_metric_history(training.run_id, "loss")] == [2.5, 2.0, 1.5]
    assert kept.data.metrics == {"loss": 1.5, "champion.exact_match": 0.25, "exact_match": 0.5}
    assert kept.data.tags["echo.lake.examples"] == "3"
    assert kept.data.tags["echo.version"]
    (data,) = kept.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.tags[0].value) == ("examples", "a" * 36, "training")
    assert json.loads(data.dataset.source) == {"path": "/lake/examples", "delta_table_version": 3}
    assert made.run_id == training.run_id
    artifacts = settings.home.absolute() / "mlflow" / "artifacts"
    assert kept.info.artifact_uri == (artifacts / training.run_id / "artifacts").as_uri()
    assert json.loads((artifacts / training.run_id / "artifacts" / "comparison.json").read_text()) == {"rows": 7}
    assert (artifacts / training.run_id / "artifacts" / "plots" / "plot.txt").is_file()


def test_a_curve_is_sent_in_batches_and_survives_a_server_that_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(settings.tracking_uri)

    def steps() -> list[int]:
        return [point.step for point in client.get_metric_history(part.run_id, "loss")]

    with run(settings, "night", {}) as night, run(settings, "finetune", {}, parent=night.run_id) as part:
        live = Live(part, seconds=3600)
        for step in range(1, 1202):
            live.add(step, {"loss": 1 / step, "tokens": None})
        assert steps() == [1]  # the first is sent at once; the others wait for their time
        with monkeypatch.context() as patch:
            patch.setattr(Run, "series", lambda *_: (_ for _ in ()).throw(UnavailableError("away")))
            live.send()
        live.send()
        assert steps() == list(range(1, 1202))
    assert client.get_run(part.run_id).data.tags["mlflow.parentRunId"] == night.run_id
    assert "tokens" not in client.get_run(part.run_id).data.metrics


def test_a_version_is_described(settings: Settings, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    registry = MlflowRegistry(settings)
    made = registry.register(checkpoint(tmp_path / "a", "1"), run_id=None, tags={})
    registry.describe(made, "# Card\n" + "x" * 10_000)
    description = MlflowClient(settings.tracking_uri).get_model_version(made.name, made.version).description
    assert description.startswith("# Card\n")
    assert len(description) == 5000


def test_a_run_says_how_it_ended_and_can_be_gone_on_with(settings: Settings) -> None:
    from mlflow import MlflowClient

    def status() -> str:
        return str(MlflowClient(settings.tracking_uri).get_run(training.run_id).info.status)

    with pytest.raises(ZeroDivisionError), run(settings, "night", {}) as training:
        raise ZeroDivisionError
    assert status() == "FAILED"
    with pytest.raises(KeyboardInterrupt), run(settings, "night", {}, resume=training.run_id):
        _interrupt_if(status() == "RUNNING")
    assert status() == "KILLED"
    with run(settings, "night", {"try": "3"}, resume=training.run_id) as again:
        assert again.run_id == training.run_id
    assert status() == "FINISHED"


def test_a_deleted_experiment_is_said(settings: Settings) -> None:
    from mlflow import MlflowClient

    with run(settings, "night", {}):
        pass
    client = MlflowClient(settings.tracking_uri)
    found = client.get_experiment_by_name("echo-ops")
    assert found is not None
    client.delete_experiment(found.experiment_id)
    with pytest.raises(InputError, match="experiment echo-ops was deleted"), run(settings, "night", {}):
        pass


def test_metrics_without_a_run_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without a run"):
        MlflowRegistry(settings).register(checkpoint(tmp_path / "a", "1"), run_id=None, tags={}, metrics={"x": 1.0})


def test_a_database_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="check that it runs, or ECHO_MLFLOW_TRACKING_URI") as caught:
        MlflowRegistry(Settings(home=tmp_path / "file")).champion()
    assert "\n" not in str(caught.value)


def test_a_server_that_is_down_is_one_line_without_the_password(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = Settings(home=tmp_path, mlflow=Mlflow(tracking_uri=f"http://echo:s3cret@127.0.0.1:{_free_port()}"))
    with pytest.raises(
        UnavailableError, match=r"MLflow at http://echo:\*\*\*@127\.0\.0\.1:\d+ does not answer"
    ) as caught:
        step(down, database_url)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rollout_moves_the_aliases(settings: Settings, tmp_path: Path, database_url: str) -> None:
    def better(champion: Counts, challenger: Counts, next_share: float, settings: Rollout) -> Judgement:
        return Judgement("better", "as told")

    registry = MlflowRegistry(settings)
    now = datetime(2026, 11, 4, tzinfo=UTC)
    assert step(settings, database_url, now=now).entry.plan.reason.startswith("no champion")
    one, two = (registry.register(checkpoint(tmp_path / name, name), run_id=None, tags={}) for name in ("a", "b"))
    registry.set_alias("champion", one)
    registry.set_alias("challenger", two)
    made = [step(settings, database_url, gate=better, now=now + timedelta(hours=hour)) for hour in range(1, 6)]
    assert [decision.entry.plan.decision for decision in made] == ["advance", "advance", "advance", "promote", "hold"]
    assert (registry.champion(), registry.challenger(), registry.previous_champion()) == (two, None, one)


@pytest.mark.slow
def test_transformers_loads_what_was_registered(settings: Settings, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(tmp_path / "model")
    registry = MlflowRegistry(settings)
    place = registry.download(registry.register(tmp_path / "model", run_id=None, tags={}))
    loaded = transformers.AutoModelForCausalLM.from_pretrained(place)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    assert registry.download(registry.version("1")) == place


# -- a server on the same store


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[str]:
    port = _free_port()
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.tracking_uri, "--artifacts-destination", str(tmp_path / "served")),
    ]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.mark.slow
def test_a_server_on_the_same_store(settings: Settings, server: str, tmp_path: Path) -> None:
    made = MlflowRegistry(settings).register(checkpoint(tmp_path / "a", "1"), run_id=None, tags={})
    MlflowRegistry(settings).set_alias("champion", made)

    through = settings.model_copy(update={"mlflow": Mlflow(tracking_uri=server)})
    champion = MlflowRegistry(through).champion()
    assert champion == made
    assert content_hash(MlflowRegistry(through).download(champion)) == made.tags[CONTENT_HASH]
    with run(through, "through the server", {}) as training:
        training.json("comparison.json", {"rows": 7})
    assert (settings.home / "mlflow" / "artifacts" / training.run_id / "artifacts" / "comparison.json").is_file()

    # an experiment that the server made: artifacts travel through it, and are kept here by their hash
    remote = settings.model_copy(
        update={"mlflow": Mlflow(tracking_uri=server, experiment="remote", model_name="other")}
    )
    registry = MlflowRegistry(remote)
    with run(remote, "remote", {}) as training:
        version = registry.register(
            checkpoint(tmp_path / "b", "2"), run_id=training.run_id, tags={}, metrics={"x": 1.0}
        )
    assert list((tmp_path / "served").rglob("weights"))
    place = registry.download(version)
    assert place == settings.home.absolute() / "models" / version.tags[CONTENT_HASH]
    assert (place / "nested" / "weights").read_text() == "2"
    (place / "nested" / "weights").write_text("broken")
    assert (registry.download(version) / "nested" / "weights").read_text() == "2"
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def _interrupt_if(true: bool) -> None:
    if true:
        raise KeyboardInterrupt


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not answer within two minutes")
