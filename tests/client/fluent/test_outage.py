"""A server that is not there stops no script: one warning, provisional ids, and everything arrives later."""

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from modelyard.client.recorder import recorder_for
from modelyard.domain.errors import Unavailable
from tests.client.faulty import DROP, Faulty


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_script_goes_through(nobody, said, monkeypatch) -> None:
    import modelyard as mlflow

    monkeypatch.setenv("MODELYARD_HTTP_RETRIES", "0")
    mlflow.set_tracking_uri(nobody)
    experiment = mlflow.set_experiment("/tests/away")
    assert (experiment.name, experiment.experiment_id) == ("/tests/away", "")
    with mlflow.start_run(run_name="first") as run:
        assert len(run.info.run_id) == 32
        assert (run.info.artifact_uri, run.info.experiment_id) == ("", "")
        for step in range(10):
            mlflow.log_metric("loss", 1.0, step=step)
        mlflow.log_param("depth", 3)
        mlflow.log_text("hello", "a.txt")
        mlflow.log_table({"a": [1]}, "t.json")
        mlflow.log_table({"a": [2]}, "t.json")
        with mlflow.stage("features"), mlflow.start_run(nested=True):
            mlflow.set_tag("a", 1)
    assert len(said) == 1
    assert "127.0.0.1" in said[0]
    with pytest.raises(Unavailable):
        mlflow.get_run(run.info.run_id)
    with pytest.raises(Unavailable):
        mlflow.get_artifact_uri()


def test_choosing_an_experiment_waits_for_nobody(nobody, monkeypatch) -> None:
    import modelyard as mlflow
    from modelyard.client import transport

    pauses = []
    monkeypatch.setattr(transport, "_pause", lambda *told: pauses.append(told))
    mlflow.set_tracking_uri(nobody)
    assert mlflow.set_experiment("/tests/away").experiment_id == ""
    assert pauses == []


def test_a_server_that_stumbles_is_asked_again_for_the_experiment(sqlite_server, name, monkeypatch) -> None:
    import modelyard as mlflow

    monkeypatch.setattr("modelyard.client.transport.FIRST_PAUSE_S", 0.001)
    with closing(Faulty(sqlite_server.url)) as proxy:
        proxy.faults.extend([DROP, (503, {}, b""), DROP])
        mlflow.set_tracking_uri(proxy.url)
        assert mlflow.set_experiment(name).experiment_id
        assert not proxy.faults


def test_a_run_begun_while_the_server_was_away_is_found_by_its_first_id(any_server, name, monkeypatch) -> None:
    import modelyard as mlflow

    monkeypatch.setenv("MODELYARD_HTTP_RETRIES", "0")
    with closing(Faulty(any_server)) as proxy:
        proxy.faults.extend([DROP] * 1000)
        mlflow.set_tracking_uri(proxy.url)
        mlflow.set_experiment(name)
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", 0.5, step=1)
        first = run.info.run_id
        monkeypatch.setenv("MODELYARD_HTTP_RETRIES", "5")
        proxy.faults.clear()
        assert not recorder_for(proxy.url).flush(30)

        client = mlflow.MlflowClient()
        stored = client.get_run(first)
        assert (stored.info.status, stored.data.metrics) == ("FINISHED", {"loss": 0.5})
        client.log_metric(first, "loss", 0.25, step=2)
        client.set_tag(first, "seen", "yes")
        client.log_text(first, "hello", "a.txt")
        assert [each.path for each in client.list_artifacts(first)] == ["a.txt"]
        assert [point.value for point in client.get_metric_history(first, "loss")] == [0.5, 0.25]
        assert client.get_run(stored.info.run_id).data.tags["seen"] == "yes"
        client.create_registered_model(name.replace("/", "."))
        version = client.create_model_version(name.replace("/", "."), f"runs:/{first}/model", run_id=first)
        assert version.run_id == stored.info.run_id


SCRIPT = """
import os
import modelyard as mlflow
mlflow.set_experiment("/tests/later")
with mlflow.start_run(run_name="made offline") as parent:
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_params({"depth": 3})
    mlflow.log_table({"a": [1]}, "t.json")
    mlflow.log_table({"a": [2]}, "t.json")
    with mlflow.start_run(run_name="child", nested=True):
        mlflow.log_metric("loss", 0.5)
"""


def test_what_was_logged_offline_arrives(any_server, nobody, tmp_path) -> None:
    import os

    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MODELYARD_", "MLFLOW_"))}
    spool = tmp_path / "spool"
    settings = {"MODELYARD_SPOOL": str(spool), "MODELYARD_HTTP_RETRIES": "0", "MODELYARD_CAPTURE": "0"}
    script = SCRIPT.replace("/tests/later", f"/tests/{tmp_path.name}")

    done = subprocess.run(
        [sys.executable, "-c", script], env={**kept, **settings, "MLFLOW_TRACKING_URI": nobody},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "modelyard sync" in done.stderr.splitlines()[-1]
    moved(spool, nobody, any_server)
    program = Path(sys.executable).parent / "modelyard"
    subprocess.run([program, "sync"], env={**kept, **settings}, capture_output=True, text=True, check=True, timeout=60)

    import modelyard as mlflow

    mlflow.set_tracking_uri(any_server)
    mlflow.set_experiment(f"/tests/{tmp_path.name}")
    runs = {run.info.run_name: run for run in mlflow.search_runs(output_format="list")}
    assert sorted(runs) == ["child", "made offline"]
    parent = runs["made offline"]
    assert (parent.info.status, parent.data.params) == ("FINISHED", {"depth": "3"})
    assert runs["child"].data.tags["mlflow.parentRunId"] == parent.info.run_id
    history = mlflow.MlflowClient().get_metric_history(parent.info.run_id, "loss")
    assert [point.step for point in history] == list(range(100))
    assert list(mlflow.load_table("t.json")["a"]) == [1, 2]


def moved(spool: Path, before: str, after: str) -> None:
    """The journals, as if the server were back at another address."""
    changed = 0
    for path in spool.rglob("*.json"):
        content = json.loads(path.read_text())
        if isinstance(content, dict) and content.get("uri") == before:
            path.write_text(json.dumps({**content, "uri": after}))
            changed += 1
    assert changed
