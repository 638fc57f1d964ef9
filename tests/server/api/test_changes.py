"""The stream of changes: everything that pages show is told, whoever wrote it, and nobody waits for it in vain."""

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from modelyard.db import deployments, rollouts
from modelyard.db.engine import Database
from modelyard.domain.changes import MOST_NAMED
from modelyard.domain.deployments import Spec
from modelyard.domain.errors import Unavailable
from modelyard.domain.predictions import Feedback, Ids, Prediction
from modelyard.domain.principals import ANONYMOUS
from modelyard.server import feed
from modelyard.server.api import changes
from modelyard.services import changes as services
from modelyard.services import models, predictions
from modelyard.services.clock import now_ms
from tests.conftest import serve
from tests.server.api.native import Native

PATIENCE_S = 20.0


class Ears:
    """Listens, on a thread of its own."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self._connection.request("GET", "/api/v1/changes", headers={"accept": "text/event-stream"})
        self.answer = self._connection.getresponse()
        self.lines: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.broken = ""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while line := self.answer.readline():
                with self._news:
                    self.lines.append(line.decode().rstrip("\n"))
                    if line.startswith(b"data: "):
                        self.messages.append(json.loads(line[6:]))
                    self._news.notify_all()
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            self.broken = repr(error)

    def hears(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for a message that was not there before; forgets those before it."""
        with self._news:
            assert self._news.wait_for(lambda: any(map(wanted, self.messages)), PATIENCE_S), self.messages
            found = next(each for each in self.messages if wanted(each))
            self.messages.clear()
            return found

    def reads(self, line: str, times: int = 1) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.lines.count(line) >= times, PATIENCE_S), self.lines

    def wait(self) -> str:
        """Until the stream ends; how it broke, if it did."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.broken

    def close(self) -> None:
        if self._connection.sock is not None:
            with suppress(OSError):  # it was closed already
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self.answer.close()
        self._connection.close()


@contextmanager
def listening(url: str) -> Iterator[Ears]:
    ears = Ears(url)
    try:
        yield ears
    finally:
        ears.close()


@pytest.fixture(autouse=True)
def _often(monkeypatch) -> None:
    monkeypatch.setattr(feed, "LOOK_S", 0.05)
    monkeypatch.setattr(services, "MEASURED_EVERY_S", 0.1)


@pytest.fixture
def ears(server) -> Iterator[Ears]:
    with listening(server.url) as listener:
        yield listener


@pytest.fixture
def elsewhere(server) -> Iterator[Database]:
    """The same database, opened by somebody else."""
    other = Database(server.state.settings.database_url)
    yield other
    other.close()


@pytest.fixture
def short_breath(monkeypatch) -> None:
    """That a client has gone shows when something is sent to it."""
    monkeypatch.setattr(changes, "HEARTBEAT_S", 0.1)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_a_stream_of_events(ears) -> None:
    assert ears.answer.status == 200
    assert ears.answer.getheader("content-type") == "text/event-stream; charset=utf-8"
    assert ears.answer.getheader("cache-control") == "no-store, no-transform"
    ears.reads("retry: 2000")


def test_runs_and_experiments(server, native, ears) -> None:
    made = native("POST", "/experiments", {"name": "vine"})["id"]
    heard = ears.hears(lambda told: made in told["experiments"])
    assert heard == {
        "runs": [], "every_run": False, "experiments": [made], "models": [], "deployments": [], "predictions": [],
        "environments": False, "all": False,
    }  # fmt: skip
    run = native("POST", "/runs", {"experiment_id": made})["run_id"]
    assert ears.hears(lambda told: run in told["runs"])["experiments"] == [made]
    native("POST", f"/runs/{run}/log", {"metrics": [{"key": "loss", "value": 1}]})
    ears.hears(lambda told: told["runs"] == [run])
    for change in ({"name": "wine"}, {"tags": {"a": "b"}}, {"tags": {"a": None}}):
        native("PATCH", f"/experiments/{made}", change)
        assert ears.hears(lambda told: told["experiments"] == [made])["runs"] == []
    model = native("POST", "/logged-models", {"experiment_id": made})["id"]
    ears.hears(lambda told: told["experiments"] == [made])
    native("DELETE", f"/logged-models/{model}")
    ears.hears(lambda told: told["experiments"] == [made])
    native("DELETE", f"/experiments/{made}")
    ears.hears(lambda told: told["runs"] == [run])


def test_the_registry_and_environments(native, ears) -> None:
    native("POST", "/models", {"name": "vine"})
    assert ears.hears(lambda told: told["models"] == ["vine"])["environments"] is False
    native("PATCH", "/models/vine", {"name": "wine"})
    ears.hears(lambda told: told["models"] == ["vine", "wine"])
    native("POST", "/models/wine/versions", {"source": "s3://bucket/model"})
    ears.hears(lambda told: told["models"] == ["wine"])
    native("PUT", "/models/wine/environments/production", {"version": 1})
    assert ears.hears(lambda told: told["environments"])["models"] == ["wine"]


def test_what_others_write(server, elsewhere, ears) -> None:
    elsewhere.write(models.create, ANONYMOUS, "wine")
    ears.hears(lambda told: told["models"] == ["wine"])
    spec = Spec(name="wine", environment="production", models=("wine",))
    made = elsewhere.write(deployments.insert, spec, now_ms())
    ears.hears(lambda told: told["deployments"] == ["wine"])
    elsewhere.write(rollouts.note, made.id, None, "changed", "something happened", "somebody", now_ms())
    ears.hears(lambda told: told["deployments"] == ["wine"])
    elsewhere.write(deployments.set_spec, made.id, spec, now_ms() + 1)
    ears.hears(lambda told: told["deployments"] == ["wine"])
    id_ = Ids(b"tests").next(now_ms())
    predicted = Prediction(id_, "wine", now_ms(), 1, "", "wine", "1", "stable", "", 900, 200, label="red")
    predictions.take_all(elsewhere, [predicted], [])
    assert ears.hears(lambda told: told["predictions"] == ["wine"])["deployments"] == []
    predictions.take_all(elsewhere, [], [Feedback(os.urandom(16), "", id_, None, "red", None, now_ms())])
    ears.hears(lambda told: told["predictions"] == ["wine"])
    elsewhere.write(deployments.delete, made.id, now_ms())
    ears.hears(lambda told: told["deployments"] == ["wine"])


def test_what_gateways_measure(server, native, ears) -> None:
    spec = Spec(name="wine", environment="production", models=("wine",))
    server.state.database.write(deployments.insert, spec, now_ms())
    ears.hears(lambda told: told["deployments"] == ["wine"])
    row = {"deployment": "wine", "revision": 1, "role": "stable", "second": int(time.time()), "requests": 3}
    native("POST", "/gateways/report", {"gateway": "west", "number": 7, "measured": [row]})
    ears.hears(lambda told: told["deployments"] == ["wine"])


def test_another_server_on_the_same_database(postgres, tmp_path) -> None:
    url = postgres.create()
    running = [serve(tmp_path / "one", url), serve(tmp_path / "other", url)]
    one, other = (next(each) for each in running)
    with listening(one.url) as ears:
        run = Native(other.url)("POST", "/runs", {"experiment_id": 0})["run_id"]
        ears.hears(lambda told: told["runs"] == [run] and told["experiments"] == [0])
        made = Native(other.url)("POST", "/experiments", {"name": "wine"})["id"]
        assert ears.hears(lambda told: told["experiments"] == [made])["runs"] == []
    for each in running:
        next(each, None)
    postgres.drop(url)


def test_too_much_is_told_in_short(sqlite_server, monkeypatch) -> None:
    monkeypatch.setattr(feed, "LOOK_S", 0.5)
    native = Native(sqlite_server.url)
    with listening(sqlite_server.url) as ears:
        gathered: set[str] = set()
        while not any(told["every_run"] for told in ears.messages):
            gathered |= {native("POST", "/runs", {"experiment_id": 0})["run_id"] for _ in range(2 * MOST_NAMED)}
            assert len(gathered) < 20 * MOST_NAMED
        told = ears.hears(lambda told: told["every_run"])
        assert len(told["runs"]) == MOST_NAMED
        assert told["experiments"] == [0]
        assert set(told["runs"]) <= gathered


def test_nobody_looks_while_nobody_listens(sqlite_server, short_breath) -> None:
    with listening(sqlite_server.url) as first, listening(sqlite_server.url) as second:
        Native(sqlite_server.url)("POST", "/models", {"name": "wine"})
        first.hears(lambda told: told["models"] == ["wine"])
        second.hears(lambda told: told["models"] == ["wine"])
        assert len(sqlite_server.state.feed._listeners) == 2
    until(lambda: not sqlite_server.state.feed._listeners)
    until(lambda: sqlite_server.state.feed._looking is None)
    Native(sqlite_server.url)("POST", "/models", {"name": "beer"})
    with listening(sqlite_server.url) as third:
        Native(sqlite_server.url)("POST", "/models", {"name": "cider"})
        third.hears(lambda told: told["models"] == ["cider"])


def test_many_listen_without_threads(sqlite_server) -> None:
    before = threading.active_count()
    many = [Ears(sqlite_server.url) for _ in range(40)]
    assert threading.active_count() - before <= len(many) + feed.MOST_LISTENERS // 100
    Native(sqlite_server.url)("POST", "/models", {"name": "wine"})
    for each in many:
        each.hears(lambda told: told["models"] == ["wine"])
        each.close()


def test_there_is_room_for_so_many(sqlite_server, monkeypatch, short_breath) -> None:
    monkeypatch.setattr(feed, "MOST_LISTENERS", 1)
    native = Native(sqlite_server.url)
    with listening(sqlite_server.url):
        refused = native.ask("GET", "/changes")
        assert (refused.status, refused.json["code"]) == (503, "unavailable")
    until(lambda: not sqlite_server.state.feed._listeners)
    with listening(sqlite_server.url) as ears:
        assert ears.answer.status == 200


def test_a_quiet_stream_shows_that_it_lives(sqlite_server, short_breath) -> None:
    with listening(sqlite_server.url) as ears:
        ears.reads(":", times=3)
        assert ears.messages == []


def test_the_end_of_the_server_is_the_end_of_the_stream(tmp_path) -> None:
    running = serve(tmp_path / "data")
    server = next(running)
    ears = Ears(server.url)
    began = time.monotonic()
    assert next(running, None) is None
    assert ears.wait() == ""
    assert time.monotonic() - began < 5
    ears.close()


def test_what_could_not_be_read_may_be_anything(sqlite_server, monkeypatch) -> None:
    database = sqlite_server.state.database
    with listening(sqlite_server.url) as ears:
        read, failed = database.read, threading.Event()

        def fail(work, *args, **kwargs):
            if getattr(work, "__name__", "") != "look":
                return read(work, *args, **kwargs)
            failed.set()
            raise Unavailable("The disk has gone.")

        monkeypatch.setattr(type(database), "read", lambda self, *args, **kwargs: fail(*args, **kwargs))
        assert failed.wait(PATIENCE_S)
        monkeypatch.undo()
        ears.hears(lambda told: told["all"])


def test_its_head_ends(sqlite_native) -> None:
    got = sqlite_native.ask("HEAD", "/changes")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"", "text/event-stream; charset=utf-8")
