"""`modelyard` as its users have it: a process, its output, its exit code."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 60


def environment(**variables: str) -> dict[str, str]:
    """This process's, without settings of its own, nor what other tests left there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODELYARD_", "KERAS_"))}
    return {**kept, **variables}


def modelyard(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "modelyard.cli.main", *map(str, arguments)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Server:
    """A server process that answers.

    Attributes:
        process: it.
        line: what it printed when it was ready.
        url: where it answers.
    """

    def __init__(self, process: subprocess.Popen[str], line: str) -> None:
        self.process = process
        self.line = line
        self.url = line.rsplit(maxsplit=1)[-1]
        self.host, _, self.port = self.url.removeprefix("http://").rpartition(":")

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own."""
        return http.client.HTTPConnection(self.host.strip("[]"), int(self.port), timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        connection = self.connect()
        try:
            sent = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            if sent is not None:
                headers = {"content-type": "application/json", **headers}
            connection.request(method, path, sent, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST that must succeed."""
        status, _, answer = self.ask("POST", path, body)
        assert status == 200, answer
        return json.loads(answer)

    def run(self) -> str:
        """A new run in the default experiment; its id."""
        made = self.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
        return str(made["run"]["info"]["run_id"])

    def stop(self) -> tuple[int, str]:
        """Tell it to stop; its exit code and what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors


@contextmanager
def running(data: Path, *arguments: object, port: int = 0, **variables: str) -> Iterator[Server]:
    """A server on a free port, killed at the end if it still lives."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "modelyard.cli.main",
            "server",
            "--data",
            data,
            "--port",
            str(port),
            *map(str, arguments),
        ],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield Server(process, line)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
