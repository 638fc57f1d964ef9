"""What every backend must do. A subclass gives the fixture `backend`, or `place` for what lasts."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import InvalidState
from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from modelyard.serving.backends.base import FAILED, READY, Backend, Replica, Spec, find
from tests.cli.process import environment
from tests.serving.live.process import until


class Pid(PythonModel):
    """Answers in which process it is, and whose child that is."""

    def predict(self, data: Any, params: Any = None) -> Any:
        import os

        return [os.getpid(), os.getppid()]


def ask(replica: Replica, path: str, body: Any = None) -> Any:
    """The JSON of an answer that must be a success."""
    connection = http.client.HTTPConnection(replica.url.removeprefix("http://"), timeout=30)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return json.loads(content)
    finally:
        connection.close()


def ready(backend: Backend, name: str, count: int) -> list[Replica]:
    """The replicas, once so many are there and all are ready."""

    def found() -> list[Replica] | None:
        replicas = list(backend.status(name).replicas)
        return replicas if len(replicas) == count and all(each.state == READY for each in replicas) else None

    found_replicas: list[Replica] = until(found) if count else []
    return found_replicas


class BackendContract:
    """Subclasses define the fixture `backend`, which has room for two replicas."""

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        path = tmp_path / "pid"
        models.save(Pid(), path, flavor="python_function", signature=False)
        return path

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        raise NotImplementedError

    @pytest.fixture
    def spec(self, model: Path, backend: Backend, request: pytest.FixtureRequest) -> Iterator[Spec]:
        name = request.node.name.replace("_", "-")[:40]
        yield Spec(name=name, models=(f"tea={model}",), settings={"batching": "off"}, env={"COLOUR": "green"})
        backend.stop(name)
        until(lambda: not backend.status(name).replicas)

    def test_as_many_replicas_as_asked_for(self, backend: Backend, spec: Spec) -> None:
        assert backend.status(spec.name).replicas == ()
        backend.ensure(replace(spec, replicas=2))
        assert spec.name in backend.list()
        first, second = ready(backend, spec.name, 2)
        assert first.url != second.url
        assert first.name != second.name
        told = [ask(each, "/models/tea")["batching"]["rows"] for each in (first, second)]
        assert told == [1, 1]  # the settings came along

        backend.ensure(replace(spec, replicas=2))
        assert {each.url for each in ready(backend, spec.name, 2)} == {first.url, second.url}
        with pytest.raises(InvalidState, match="runs already, with other models, settings or resources"):
            backend.ensure(replace(spec, settings={"batching": "on"}))

        backend.ensure(replace(spec, replicas=1))
        (left,) = ready(backend, spec.name, 1)
        assert left.url in (first.url, second.url)
        _, front = ask(left, "/predict", [1])
        environment = Path(f"/proc/{front}/environ").read_bytes().split(b"\0")
        assert b"COLOUR=green" in environment

        os.kill(front, signal.SIGKILL)
        until(lambda: [each.url for each in backend.status(spec.name).replicas] != [left.url])
        (again,) = ready(backend, spec.name, 1)
        assert again.name == left.name
        assert ask(again, "/predict", [1])[1] != front

        backend.stop(spec.name)
        backend.stop(spec.name)
        until(lambda: not backend.status(spec.name).replicas)
        assert spec.name not in backend.list()
        until(lambda: not Path(f"/proc/{ask_no_more(again)}").exists())

    def test_what_cannot_start_says_why(self, backend: Backend, spec: Spec) -> None:
        backend.ensure(replace(spec, models=("/no/such/model",)))

        def failed() -> Replica | None:
            (found,) = backend.status(spec.name).replicas
            return found if found.state == FAILED and "no such" in found.reason.replace("/", " ") else None

        assert "There is no directory '/no/such/model'" in until(failed).reason

    def test_what_does_not_run_is_nothing(self, backend: Backend) -> None:
        assert backend.status("nothing").replicas == ()
        backend.stop("nothing")
        assert "nothing" not in backend.list()


PROGRAM = """
import json, sys
from modelyard.serving.backends.base import Spec, find
name, address, told = sys.argv[1:]
backend = find(name, address, lasting=True)
told = json.loads(told)
print("begins", flush=True)
backend.ensure(Spec(**{**told, "models": tuple(told["models"])}))
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def starter(place: tuple[str, str], spec: Spec, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A process that asks a backend for a spec, and is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *place, json.dumps(asdict(spec))],
        env=environment(**variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


class LastingContract:
    """Subclasses define the fixture `place`: a backend's name and address, with room for two replicas."""

    @pytest.fixture
    def place(self) -> Any:
        raise NotImplementedError

    def test_what_a_killed_process_started_is_found_again(self, place: tuple[str, str]) -> None:
        env = {"MODELYARD_TRACKING_URI": "http://127.0.0.1:9", "MODELYARD_HTTP_RETRIES": "0"}
        spec = Spec(name="found-again", models=("models:/wine/1",), replicas=2, env=env)
        with starter(place, spec) as first:
            says(first, "begins")
            says(first, "done")
        backend = find(*place, lasting=True)
        try:
            assert backend.list() == ("found-again",)
            names = [each.name for each in backend.status(spec.name).replicas]
            assert len(names) == 2
            backend.ensure(spec)  # the same thing: nothing to do
            assert [each.name for each in backend.status(spec.name).replicas] == names
            until(lambda: "cannot be reached" in backend.status(spec.name).replicas[1].reason)
            with pytest.raises(InvalidState, match="runs already"):
                backend.ensure(replace(spec, models=("models:/wine/2",)))
            backend.ensure(replace(spec, replicas=1))
            until(lambda: len(backend.status(spec.name).replicas) == 1)
        finally:
            backend.stop(spec.name)
            until(lambda: not backend.list())
            backend.close()


def ask_no_more(replica: Replica) -> str:
    """A process that has gone; fails while the replica still answers."""
    try:
        return str(ask(replica, "/predict", [1])[1])
    except OSError:
        return "none"
