"""Concurrent writers that remember what was acknowledged, and the comparison with what a server has."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.reliability.process import Client, until


@dataclass
class Remembered:
    """What one writer did to its run.

    Attributes:
        points, params, tags, files, runs: acknowledged; tags with the last acknowledged value.
        maybe: the same kinds, sent without an answer, so that they may be there or not.
    """

    run: str
    folder: str
    points: dict[str, set[tuple[int, int, float]]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    maybe_points: dict[str, set[tuple[int, int, float]]] = field(default_factory=dict)
    maybe_params: dict[str, str] = field(default_factory=dict)
    maybe_tags: dict[str, set[str]] = field(default_factory=dict)
    maybe_files: dict[str, bytes] = field(default_factory=dict)
    maybe_runs: set[str] = field(default_factory=set)


class Load:
    """Writers on threads, one run each, until stopped.

    Args:
        url_of: where writer N finds its server now; asked again whenever a server does not answer.
        writers: how many.
        runs: their runs; made if not given.
        tolerated: statuses besides 200 that are no failure: the write then may be there or not.
        files: whether artifacts are written too.
    """

    def __init__(
        self,
        url_of: Callable[[int], str],
        writers: int = 16,
        *,
        tolerated: tuple[int, ...] = (0,),
        files: bool = True,
        runs: list[str] | None = None,
    ) -> None:
        self._url_of = url_of
        self._tolerated = tolerated
        self._files = files
        client = Client(url_of(0))
        names = runs or [client.create_run(name=f"writer {number}") for number in range(writers)]
        client.close()
        self.remembered = [Remembered(run, f"files{number}") for number, run in enumerate(names)]
        self.failures: list[Any] = []
        self.refusals: list[tuple[int, Any]] = []
        self.acknowledged = 0
        self._counting = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(writers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many more writes were acknowledged."""
        wanted = self.acknowledged + count
        until(lambda: self.acknowledged >= wanted or self.failures, seconds, f"{count} more acknowledged writes")
        assert not self.failures, self.failures[:3]

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"
        assert not self.failures, self.failures[:3]

    def _write(self, number: int) -> None:
        mine, rng = self.remembered[number], random.Random(number)
        client = Client(self._url_of(number))
        kinds = [self._metric] * 5 + [self._batch, self._param, self._tag, self._run] + [self._file] * self._files
        try:
            for count in itertools.count():
                if self._stop.is_set():
                    break
                status, answer = rng.choice(kinds)(client, mine, number, count, rng)
                if status == 200:
                    with self._counting:
                        self.acknowledged += 1
                    continue
                if status not in self._tolerated:
                    self.failures.append((status, answer))
                    break
                self.refusals.append((status, answer))
                if status == 0:
                    client = self._connect_again(client, number)
        except Exception as error:  # noqa: BLE001 - the test is told
            self.failures.append(error)

    def _connect_again(self, old: Client, number: int) -> Client:
        old.close()
        while not self._stop.is_set():
            client = Client(self._url_of(number))
            if client.send("GET", "/health")[0] == 200:
                return client
            client.close()
            self._stop.wait(0.02)
        return old

    # Each sends one write, and notes it as acknowledged or as uncertain.

    def _metric(self, client: Client, mine: Remembered, number: int, count: int, rng: random.Random) -> Any:
        key, point = f"m{number % 3}", (count, 1_700_000_000_000 + count, rng.random())
        message = {"key": key, "step": point[0], "timestamp": point[1], "value": point[2]}
        status, answer = client.post("runs/log-metric", run_id=mine.run, **message)
        (mine.points if status == 200 else mine.maybe_points).setdefault(key, set()).add(point)
        return status, answer

    def _batch(self, client: Client, mine: Remembered, number: int, count: int, rng: random.Random) -> Any:
        points = [(count, 1_700_000_000_000 + count, rng.random()) for _ in range(20)]
        metrics = [
            {"key": f"b{at}", "step": step, "timestamp": time, "value": value}
            for at, (step, time, value) in enumerate(points)
        ]
        text = str(rng.random())
        status, answer = client.post(
            "runs/log-batch",
            run_id=mine.run,
            metrics=metrics,
            params=[{"key": f"pb{number}/{count}", "value": text}],
            tags=[{"key": f"tb{number}", "value": text}],
        )
        for at, point in enumerate(points):
            (mine.points if status == 200 else mine.maybe_points).setdefault(f"b{at}", set()).add(point)
        (mine.params if status == 200 else mine.maybe_params)[f"pb{number}/{count}"] = text
        self._note_tag(mine, f"tb{number}", text, status)
        return status, answer

    def _param(self, client: Client, mine: Remembered, number: int, count: int, rng: random.Random) -> Any:
        key, text = f"p{number}/{count}", str(rng.random())
        status, answer = client.post("runs/log-parameter", run_id=mine.run, key=key, value=text)
        (mine.params if status == 200 else mine.maybe_params)[key] = text
        return status, answer

    def _tag(self, client: Client, mine: Remembered, number: int, count: int, rng: random.Random) -> Any:
        key, text = f"t{number}", str(rng.random())
        status, answer = client.post("runs/set-tag", run_id=mine.run, key=key, value=text)
        self._note_tag(mine, key, text, status)
        return status, answer

    def _note_tag(self, mine: Remembered, key: str, text: str, status: int) -> None:
        if status == 200:
            mine.tags[key] = text
            mine.maybe_tags.pop(key, None)
        else:
            mine.maybe_tags.setdefault(key, set()).add(text)

    def _run(self, client: Client, mine: Remembered, number: int, count: int, rng: random.Random) -> Any:
        name = f"run {number}.{count}"
        status, answer = client.post("runs/create", experiment_id="0", run_name=name)
        (mine.runs if status == 200 else mine.maybe_runs).add(name)
        return status, answer

    def _file(self, client: Client, mine: Remembered, number: int, count: int, rng: random.Random) -> Any:
        path, body = f"{mine.run}/{mine.folder}/{count}.bin", rng.randbytes(rng.choice([10, 3_000, 300_000]))
        status, answer = client.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", body)
        (mine.files if status == 200 else mine.maybe_files)[path] = body
        return status, answer


def check(url: str, load: Load) -> None:
    """What was acknowledged is there, once; what is there was sent."""
    client = Client(url)
    together: dict[str, list[Remembered]] = {}
    for mine in load.remembered:
        together.setdefault(mine.run, []).append(mine)
    for run, several in together.items():
        _check_run(client, run, several)
    names = [run["info"]["run_name"] for run in client.search()]
    for mine in load.remembered:
        own = [name for name in names if name in mine.runs or name in mine.maybe_runs]
        assert len(own) == len(set(own)), "a run was made twice"
        assert mine.runs <= set(own)


def _check_run(client: Client, run: str, several: list[Remembered]) -> None:
    found = client.must_get("runs/get", run_id=run)["run"]["data"]
    params = {pair["key"]: pair["value"] for pair in found.get("params", [])}
    tags = {pair["key"]: pair["value"] for pair in found.get("tags", [])}
    latest = {
        metric["key"]: (metric["step"], metric["timestamp"], metric["value"]) for metric in found.get("metrics", [])
    }
    sent: dict[str, str] = {}
    points: dict[str, set[tuple[int, int, float]]] = {}
    maybe: dict[str, set[tuple[int, int, float]]] = {}
    for mine in several:
        sent |= mine.params | mine.maybe_params
        assert mine.params.items() <= params.items()
        for key, text in mine.tags.items():
            assert tags.get(key) in {text} | mine.maybe_tags.get(key, set()), (key, text)
        for key, these in mine.points.items():
            points.setdefault(key, set()).update(these)
        for key, these in mine.maybe_points.items():
            maybe.setdefault(key, set()).update(these)
        _check_files(client, mine)
    assert params.items() <= sent.items()
    for key in points | maybe:
        history = client.history(run, key)
        assert len(history) == len(set(history))
        assert points.get(key, set()) <= set(history), f"acknowledged points of {key} are gone"
        assert set(history) <= points.get(key, set()) | maybe.get(key, set())
        assert latest.get(key) == max(history, default=None)


def _check_files(client: Client, mine: Remembered) -> None:
    prefix = "/api/2.0/mlflow-artifacts/artifacts"
    for path, body in mine.files.items():
        assert client.send("GET", f"{prefix}/{path}") == (200, body), path
    for path, body in mine.maybe_files.items():
        status, answer = client.send("GET", f"{prefix}/{path}")
        assert status == 404 or (status, answer) == (200, body), f"{path}: a part of it is visible"
    status, listing = client.send("GET", f"{prefix}?path={mine.run}/{mine.folder}")
    assert status in (200, 404)
    files = {f"{mine.run}/{mine.folder}/{entry['path']}" for entry in json.loads(listing).get("files", [])}
    assert mine.files.keys() <= files <= mine.files.keys() | mine.maybe_files.keys()
