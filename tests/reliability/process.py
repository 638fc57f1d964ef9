"""A real `modelyard server` process, and the plainest client that can talk to it."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

START_S = 30.0


class ServerProcess:
    """One server, started and stopped (or worse) as often as a test likes, always on the same data.

    Attributes:
        url: where it listens now.
    """

    def __init__(self, data: Path, *flags: str, environ: dict[str, str] | None = None, **options: Any) -> None:
        self.data = data
        self.url = ""
        self.log = data.parent / f"{data.name}.log"
        self._flags = flags
        self._environ = {**os.environ, **(environ or {})}
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> ServerProcess:
        program = Path(sys.executable).with_name("modelyard")
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [program, "server", "--port", "0", "--data", self.data, *self._flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environ,
                **self._options,
            )
        self.url = self._ready_at()
        return self

    def _ready_at(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            assert selector.select(START_S), f"not ready within {START_S} s"
        line = self._process.stdout.readline()
        assert " is ready at http" in line, f"{line!r}\n{self.log.read_text()[-2000:]}"
        return line.split(" is ready at ")[1].strip()

    def kill(self) -> None:
        """Kill -9, as the system does when memory runs out."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """Ask it to stop; it must do so, and call it a success."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(40)
        finally:
            self._process.kill()
            self._end()
        assert code == 0, f"exit code {code}\n{self.log.read_text()[-2000:]}"

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait(10)
        self._process.stdout.close()
        self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        return self.log.read_text()


class Client:
    """Requests over one kept connection. A request that got no answer has the status 0."""

    def __init__(self, url: str, timeout: float = 60) -> None:
        address = urlsplit(url)
        self.url = url
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        try:
            self._connection.request(
                method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
            )
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, b""

    def post(self, path: str, **message: Any) -> tuple[int, Any]:
        body = json.dumps(message).encode()
        status, answer = self.send("POST", f"/api/2.0/mlflow/{path}", body, content_type="application/json")
        return status, json.loads(answer) if answer else None

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        status, answer = self.send("GET", f"/api/2.0/mlflow/{path}?{urlencode(query, doseq=True)}")
        return status, json.loads(answer) if answer else None

    def must_post(self, path: str, **message: Any) -> Any:
        status, answer = self.post(path, **message)
        assert status == 200, (path, message, status, answer)
        return answer

    def must_get(self, path: str, **query: Any) -> Any:
        status, answer = self.get(path, **query)
        assert status == 200, (path, query, status, answer)
        return answer

    def create_run(self, experiment: str = "0", name: str = "") -> str:
        return str(self.must_post("runs/create", experiment_id=experiment, run_name=name)["run"]["info"]["run_id"])

    def history(self, run: str, key: str) -> list[tuple[int, int, float]]:
        """All points of a series as (step, timestamp, value)."""
        points, token = [], ""
        while True:
            query = {"run_id": run, "metric_key": key, "max_results": 10_000}
            page = self.must_get("metrics/get-history", **query, **({"page_token": token} if token else {}))
            points += [(p["step"], p["timestamp"], float(p["value"])) for p in page.get("metrics", [])]
            token = page.get("next_page_token", "")
            if not token:
                return points

    def search(self, filter: str = "", experiments: tuple[str, ...] = ("0",), **more: Any) -> list[dict[str, Any]]:
        """All runs that match."""
        found, token = [], ""
        while True:
            message = {"experiment_ids": experiments, "filter": filter, "page_token": token, **more}
            page = self.must_post("runs/search", **message)
            found += page.get("runs", [])
            token = page.get("next_page_token", "")
            if not token:
                return found

    def close(self) -> None:
        self._connection.close()

    def __del__(self) -> None:
        self.close()


def until(what: Any, seconds: float = 30.0, why: str = "") -> Any:
    """The first true value of `what()`, asked again and again; fails if it takes longer."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {why or what}"
        time.sleep(0.01)
