"""`modelyard gc` beside a running server: what is in the trash goes, what is needed stays."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modelyard.cli.main import main
from tests.cli.process import Server, modelyard, running

API = "/api/2.0/mlflow"


class Trash:
    """A server with things to throw away."""

    def __init__(self, server: Server, data: Path, database: str) -> None:
        self.server = server
        self.data = data
        self.options = ("--data", data, *(("--database", database) if database else ()))

    def gc(self, *arguments: object) -> Result:
        """In this process, which saves the time that a new one takes to begin."""
        return CliRunner().invoke(main, ["gc", *map(str, self.options), *map(str, arguments)])

    def upload(self, uri: str, content: bytes) -> None:
        path = uri.removeprefix("mlflow-artifacts:/")
        assert self.server.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", content)[0] == 200

    def run_with_everything(self, experiment: str = "0") -> dict[str, Any]:
        """A run with a metric's history, a param, a tag, a dataset and an artifact; its info."""
        post = self.server.post
        info = post(f"{API}/runs/create", {"experiment_id": experiment})["run"]["info"]
        points = [{"key": "m", "value": step, "timestamp": 1, "step": step} for step in range(50)]
        batch = {"metrics": points, "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "1"}]}
        post(f"{API}/runs/log-batch", {"run_id": info["run_id"], **batch})
        data = {"name": "d", "digest": info["run_id"][:8], "source_type": "http", "source": "{}"}
        tags = [{"key": "context", "value": "x"}]
        post(f"{API}/runs/log-inputs", {"run_id": info["run_id"], "datasets": [{"tags": tags, "dataset": data}]})
        self.upload(f"{info['artifact_uri']}/model/weights.bin", b"w" * 1000)
        return dict(info)

    def folder(self, info: dict[str, Any]) -> Path:
        path = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        return Path(self.data / "artifacts" / path).parent

    def search(self, view: str = "ALL") -> set[str]:
        found = self.server.post(f"{API}/runs/search", {"experiment_ids": ["0"], "run_view_type": view})
        return {run["info"]["run_id"] for run in found.get("runs", [])}


@pytest.fixture
def trash(request, tmp_path) -> Iterator[Trash]:
    if getattr(request, "param", "sqlite") == "sqlite":
        with running(tmp_path) as server:
            yield Trash(server, tmp_path, "")
        return
    postgres = request.getfixturevalue("postgres")
    url = postgres.create()
    with running(tmp_path, "--database", url) as server:
        yield Trash(server, tmp_path, url)
    postgres.drop(url)


BOTH = pytest.mark.parametrize("trash", ["sqlite", "postgresql"], indirect=True)


@BOTH
def test_deleted_runs_go_with_all_they_had_and_the_server_notices(trash):
    kept, gone = trash.run_with_everything(), trash.run_with_everything()
    trash.server.post(f"{API}/runs/delete", {"run_id": gone["run_id"]})
    assert trash.search() == {kept["run_id"], gone["run_id"]}

    preview = trash.gc("--older-than", "0s", "--dry-run")
    assert preview.stdout == "Would delete 1 run, 0 logged models, 0 experiments; 1 artifact of 1,000 bytes.\n"
    assert preview.exit_code == 0
    young = trash.gc()
    assert young.stdout.startswith("Deleted 0 runs"), young
    assert trash.folder(gone).is_dir()

    done = modelyard("gc", *trash.options, "--older-than", "0s")

    assert done.stdout == "Deleted 1 run, 0 logged models, 0 experiments; 1 artifact of 1,000 bytes.\n"
    assert (done.stderr, done.returncode) == ("", 0)
    assert not trash.folder(gone).exists()
    assert trash.folder(kept).is_dir()
    assert trash.server.ask("GET", f"{API}/runs/get?run_id={gone['run_id']}")[0] == 404
    assert trash.server.ask("POST", f"{API}/runs/restore", {"run_id": gone["run_id"]})[0] == 404
    deadline = time.monotonic() + 20
    while trash.search() != {kept["run_id"]}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    checked = modelyard("db", "check", *trash.options)
    assert "orphans    none" in checked.stdout
    assert checked.returncode == 0


def test_what_a_model_version_points_to_stays_until_the_version_goes(trash):
    post = trash.server.post
    info = trash.run_with_everything()
    post(f"{API}/registered-models/create", {"name": "winetest"})
    source = f"{info['artifact_uri']}/model"
    version = {"name": "winetest", "source": source, "run_id": info["run_id"]}
    post(f"{API}/model-versions/create", version)
    post(f"{API}/runs/delete", {"run_id": info["run_id"]})

    kept = trash.gc("--older-than", "0s")

    assert kept.stdout.startswith("Deleted 0 runs")
    assert (
        f"Kept 1 whose artifacts a model version or an active logged model needs:\n  run {info['run_id']}\n"
        in kept.stdout
    )
    assert (trash.folder(info) / "artifacts" / "model" / "weights.bin").is_file()
    post(f"{API}/runs/restore", {"run_id": info["run_id"]})  # it was not even marked
    post(f"{API}/runs/delete", {"run_id": info["run_id"]})

    assert trash.server.ask("DELETE", f"{API}/model-versions/delete", {"name": "winetest", "version": "1"})[0] == 200
    assert trash.gc("--older-than", "0s").stdout.startswith("Deleted 1 run")
    assert not trash.folder(info).exists()


@BOTH
def test_logged_models_and_experiments_go_and_those_in_use_stay(trash):
    post = trash.server.post
    experiment = post(f"{API}/experiments/create", {"name": "old"})["experiment_id"]
    info = trash.run_with_everything(experiment)
    models = []
    for name in ("used", "unused"):
        body = {"experiment_id": experiment, "name": name, "source_run_id": info["run_id"]}
        model = post(f"{API}/logged-models", body)["model"]["info"]
        trash.upload(f"{model['artifact_uri']}/MLmodel", b"flavors: {}\n")
        models.append(model)
    used, unused = models
    post(f"{API}/registered-models/create", {"name": "m"})
    version = {"name": "m", "source": f"models:/{used['model_id']}", "model_id": used["model_id"]}
    post(f"{API}/model-versions/create", version)
    post(f"{API}/experiments/delete", {"experiment_id": experiment})

    wanted = ("--experiments", experiment)
    assert trash.gc(*wanted, "--dry-run").stdout.startswith("Would delete 1 run, 1 logged model, 0 experiments; 2 art")
    assert trash.gc(*wanted).stdout.startswith("Deleted 1 run, 1 logged model, 0 experiments; 2 artifacts of 1,")
    assert (trash.folder(used) / "artifacts" / "MLmodel").is_file()
    assert not trash.folder(unused).exists()
    assert trash.server.get(f"{API}/experiments/get?experiment_id={experiment}")

    assert trash.server.ask("DELETE", f"{API}/model-versions/delete", {"name": "m", "version": "1"})[0] == 200
    assert trash.gc(*wanted).stdout.startswith("Deleted 0 runs, 1 logged model, 1 experiment; 1 artifact of 12 bytes")
    assert trash.server.ask("GET", f"{API}/experiments/get?experiment_id={experiment}")[0] == 404
    again = post(f"{API}/experiments/create", {"name": "old"})["experiment_id"]  # its name is free again
    assert again != experiment


def test_named_runs_only(trash):
    first, second, active = (trash.run_with_everything() for _ in range(3))
    for info in (first, second):
        trash.server.post(f"{API}/runs/delete", {"run_id": info["run_id"]})
    refused = trash.gc("--runs", f"{first['run_id']},{active['run_id']}")
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: Not in the trash: {active['run_id']}. Only what was deleted can be deleted for good.\n"
    )
    assert trash.gc("--runs", first["run_id"]).stdout.startswith("Deleted 1 run,")
    assert trash.search() >= {second["run_id"], active["run_id"]}
    assert trash.folder(second).is_dir()


def test_artifacts_that_cannot_be_deleted_keep_their_row_for_the_next_time(trash):
    info = trash.run_with_everything()
    trash.server.post(f"{API}/runs/delete", {"run_id": info["run_id"]})
    root = trash.data / "artifacts"
    shutil.move(root, trash.data / "away")
    root.write_text("in the way")

    failed = trash.gc("--older-than", "0s")

    assert failed.exit_code == 1
    assert failed.stdout.startswith("Deleted 0 runs")
    assert re.search(f"Could not delete the artifacts of 1; .*\n  run {info['run_id']}: .+\n", failed.stderr)
    restored = trash.server.ask("POST", f"{API}/runs/restore", {"run_id": info["run_id"]})
    assert restored[0] == 404, "it is marked: half of it may be gone already"

    root.unlink()
    shutil.move(trash.data / "away", root)
    assert trash.gc().stdout.startswith("Deleted 1 run"), "what was begun is finished whatever its age"
    assert not trash.folder(info).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--older-than", "soon"], "'soon' is not a duration; expected something like 30d, 12h or 1d6h30m."),
        (["--runs", "a", "--experiments", "1"], "Give --runs or --experiments, not both."),
        (["--experiments", "x"], "--experiments takes experiments' numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, arguments, message):
    done = modelyard("gc", "--data", tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_no_database_is_made(tmp_path):
    done = modelyard("gc", "--data", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: There is no database {tmp_path}/modelyard.db. Say where it is with --data or --database.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_a_client_says_makes_gc_delete_outside_a_runs_own_folder(tmp_path):
    """An experiment's artifact location comes from a client; only folders with the run's own id are ever deleted."""
    with running(tmp_path) as server:
        trash = Trash(server, tmp_path, "")
        bystander = trash.run_with_everything()
        made = server.post(f"{API}/experiments/create", {"name": "e", "artifact_location": "mlflow-artifacts:/0"})
        info = trash.run_with_everything(made["experiment_id"])
        server.post(f"{API}/experiments/delete", {"experiment_id": made["experiment_id"]})
        assert trash.gc("--older-than", "0s").stdout.startswith("Deleted 1 run, 0 logged models, 1 experiment")
        assert not trash.folder(info).exists()
        assert (trash.folder(bystander) / "artifacts" / "model" / "weights.bin").is_file()
        assert json.dumps(server.get(f"{API}/experiments/get?experiment_id=0"))
