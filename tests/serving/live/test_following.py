"""A server follows the registry: new versions without a failed request, bad ones kept out, and all without it."""

from __future__ import annotations

import json
import os
import signal
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from modelyard.client.client import Client
from modelyard.packaging import digest
from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from tests.conftest import serve
from tests.serving.live.process import serving, until


class Constant(PythonModel):
    """Answers what lies in its file."""

    def load(self, context: Any) -> None:
        from pathlib import Path

        self.answer = Path(context.artifacts["answer"]).read_text(encoding="utf-8")

    def predict(self, data: Any, params: Any = None) -> Any:
        return [f"{text} {self.answer}" for text in data["text"].tolist()]


class Registry:
    """Versions of models that answer with what they were made with."""

    def __init__(self, url: str, folder: Path) -> None:
        self.client, self.folder, self.made = Client(url), folder, 0

    def save(self, answer: str) -> Path:
        import pandas as pd

        self.made += 1
        (self.folder / "answer.txt").write_text(answer)
        path = self.folder / f"model-{self.made}"
        models.save(
            Constant(), path, flavor="python_function", artifacts={"answer": str(self.folder / "answer.txt")},
            input_example=pd.DataFrame({"text": ["so"]}), golden=True,
        )  # fmt: skip
        return path

    def register(self, name: str, path: Path, **tags: str) -> str:
        logged = self.client.create_logged_model("0", name=name)
        self.client.log_model_artifacts(logged.model_id, path)
        self.client.finalize_logged_model(logged.model_id, "READY")
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name, tags)
        made = self.client.create_model_version(name, f"models:/{logged.model_id}", model_id=logged.model_id)
        return str(made.version)


@pytest.fixture
def registry(sqlite_server, tmp_path) -> Registry:
    return Registry(sqlite_server.url, tmp_path)


def variables(tmp_path: Path, url: str) -> dict[str, str]:
    return {"MODELYARD_TRACKING_URI": url, "MODELYARD_CACHE": str(tmp_path / "cache"), "MODELYARD_SERVE_POLL_S": "0.1"}


def test_a_moved_alias_is_followed_without_a_failed_request_and_a_bad_version_is_kept_out(
    registry, sqlite_server, tmp_path
):
    first = registry.register("tea", registry.save("one"))
    registry.client.set_registered_model_alias("tea", "champion", first)
    with serving("models:/tea@champion", **variables(tmp_path, sqlite_server.url)) as server:
        stop = threading.Event()
        seen: list[tuple[int, str, str]] = []

        def load() -> None:
            connection = server.connect()
            while not stop.is_set():
                connection.request("POST", "/predict", b'{"text": "so"}', {"content-type": "application/json"})
                answer = connection.getresponse()
                seen.append((answer.status, answer.headers["modelyard-version"], json.loads(answer.read())))
            connection.close()

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        second = registry.register("tea", registry.save("two"))
        registry.client.set_registered_model_alias("tea", "champion", second)
        until(lambda: seen and seen[-1][1] == second)

        spoiled = registry.save("three")
        (answer,) = spoiled.rglob("answer.txt")
        answer.write_text("something else")
        digest.write(spoiled)
        third = registry.register("tea", spoiled)
        registry.client.set_registered_model_alias("tea", "champion", third)
        refused = until(lambda: server.get("/models/tea")["reason"])
        stop.set()
        for thread in threads:
            thread.join()

        assert "golden" in refused
        assert set(seen) == {(200, first, "so one"), (200, second, "so two")}
        changes = [one[1] for one, other in pairwise(seen) if one[1] != other[1]]
        assert len(changes) <= 8  # four callers, who may see the change in turns
        assert server.readiness()[0] == 200
        assert server.get("/models/tea")["version"] == second
        # the processes of the versions that went are gone, too
        (worker,) = until(lambda: len(found := server.workers()) == 1 and found)
        registry.client.set_registered_model_alias("tea", "champion", second)
        until(lambda: not server.get("/models/tea")["reason"])
        until(lambda: server.workers() == [worker])  # what answers already is not loaded again


def test_without_the_registry_a_server_starts_with_what_it_served_last(tmp_path):
    running = serve(tmp_path / "data")
    url = next(running).url
    registry = Registry(url, tmp_path)
    version = registry.register("tea", registry.save("one"))
    registry.client.set_registered_model_alias("tea", "champion", version)
    with serving("models:/tea@champion", **variables(tmp_path, url)) as server:
        assert server.post("/predict", {"text": "so"}) == "so one"
        next(running, None)  # the registry stops
        until(lambda: server.readiness()[1].get("registry"))
        assert server.readiness()[0] == 200
        assert server.post("/predict", {"text": "so"}) == "so one"

    again = {"data": tmp_path / "data", "port": int(url.rpartition(":")[2])}
    running = serve(**again)
    next(running)
    second = registry.register("tea", registry.save("two"))
    registry.client.set_registered_model_alias("tea", "champion", second)
    next(running, None)
    never = {**variables(tmp_path, url), "MODELYARD_SERVE_POLL_S": "0"}
    with serving("models:/tea@champion", **never) as server:
        assert server.post("/predict", {"text": "so"}) == "so one"
        status, told = server.readiness()
        assert status == 200
        assert told["registry"]
        # also who never looks again does so until the registry was there once
        running = serve(**again)
        next(running)
        until(lambda: server.post("/predict", {"text": "so"}) == "so two")
        until(lambda: "registry" not in server.readiness()[1])
    next(running, None)


def test_many_models_share_processes_are_routed_by_name_and_evicted_by_the_limit(registry, sqlite_server, tmp_path):
    names = [f"tea-{number:02}" for number in range(12)]
    for name in names:
        registry.register(name, registry.save(name), team="green")
    arguments = ("--filter", "tags.team = 'green'", "--memory-limit", str(2**27))
    with serving(*arguments, **variables(tmp_path, sqlite_server.url)) as server:
        assert 1 <= len(server.workers()) <= 4
        for _ in range(2):
            for name in names:
                assert server.post(f"/models/{name}/predict", {"text": "so"}) == f"so {name}"
        states = {each["name"]: each["state"] for each in server.get("/models")["models"]}
        assert set(states) == set(names)
        assert "evicted" in states.values()
        assert server.ask("POST", "/predict", {"text": "so"})[0] == 404
        registry.register("tea-99", registry.save("late"), team="green")
        until(lambda: server.ask("POST", "/models/tea-99/predict", {"text": "so"})[0] == 200)


def test_a_model_whose_files_are_lost_is_named(registry, sqlite_server, tmp_path):
    for name in ("black", "green", "white"):
        registry.register(name, registry.save(name), team="all")
    place = registry.client.get_model_version_download_uri("green", "1").removeprefix("mlflow-artifacts:/")
    (lost,) = (tmp_path / "data/artifacts" / place).rglob("answer.txt")
    lost.unlink()
    with serving("--filter", "tags.team = 'all'", ready=False, **variables(tmp_path, sqlite_server.url)) as server:
        until(lambda: server.readiness()[1]["models_ready"] == 2)
        until(lambda: server.readiness()[1]["missing"][0]["state"] == "failed")
        status, told = server.readiness()
        assert status == 503
        assert (told["models"], [each["name"] for each in told["missing"]]) == (3, ["green"])
        assert "answer.txt" in told["missing"][0]["reason"]
        assert server.ask("GET", "/ping")[0] == 503
        assert server.ask("GET", "/health")[0] == 200
        assert server.post("/models/white/predict", {"text": "so"}) == "so white"
        status, _, body = server.ask("POST", "/models/green/predict", {"text": "so"})
        assert status == 503
        assert b"answer.txt" in body


def test_files_that_suffered_while_they_were_served_are_fetched_again(registry, sqlite_server, tmp_path):
    version = registry.register("tea", registry.save("one"))
    with serving(f"models:/tea/{version}", **variables(tmp_path, sqlite_server.url)) as server:
        (answer,) = (tmp_path / "cache/models").rglob("answer.txt")
        answer.chmod(0o600)
        answer.write_text("two")
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        assert until(lambda: server.ask("POST", "/predict", {"text": "so"})[2]) == b'"so one"'
        assert server.written("is damaged and is fetched again")


def test_a_version_that_is_deleted_is_served_on_and_that_is_said(registry, sqlite_server, tmp_path):
    version = registry.register("tea", registry.save("one"))
    registry.client.set_registered_model_alias("tea", "champion", version)
    with serving("models:/tea@champion", **variables(tmp_path, sqlite_server.url)) as server:
        registry.client.delete_model_version("tea", version)
        until(lambda: server.written("What was served stays."))
        until(lambda: "not found" in server.get("/models/tea")["reason"])
        assert server.readiness()[0] == 200
        assert server.post("/predict", {"text": "so"}) == "so one"
