"""`modelyard serve` as its users have it: a process with workers of its own."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.process import PATIENCE_S, Server, environment


def until(found: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What a function answers as soon as it is not false; a failure if that takes too long."""
    end = time.monotonic() + patience_s
    while not (answer := found()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return answer


def _children(process: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_bytes().rpartition(b")")[2].split()[1])
        except OSError:  # it ended meanwhile
            continue
        if parent == process:
            found.append(int(stat.parent.name))
    return found


class ModelServer(Server):
    """A model server that listens.

    Attributes:
        output: every line that it and its workers have written so far.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.output: list[str] = []
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            for line in process.stdout or ():
                self.output.append(line)
                lines.put(line)
            lines.put("")

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        self.process = process
        line = lines.get(timeout=PATIENCE_S)
        while line and not line.startswith("Listening at"):
            line = lines.get(timeout=PATIENCE_S)
        if not line:
            self.close()
            raise AssertionError(f"it ended: {''.join(self.output)}")
        super().__init__(process, line)

    def close(self) -> None:
        """Its output ends with it."""
        self._reader.join(PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def readiness(self) -> tuple[int, Any]:
        """Status and content of `/ready`."""
        status, _, body = self.ask("GET", "/ready")
        return status, json.loads(body)

    def wait_ready(self) -> None:
        """Wait until everything is ready."""
        try:
            until(lambda: self.readiness()[0] == 200)
        except AssertionError:
            raise AssertionError(f"{self.readiness()}\n{''.join(self.output)}") from None

    def workers(self) -> list[int]:
        """The processes that hold models and were started by the server itself."""
        return _children(self.process.pid)

    def tree(self) -> list[int]:
        """Those, each followed by its forked copies."""
        return [each for worker in self.workers() for each in (worker, *_children(worker))]

    def written(self, text: str) -> bool:
        """Whether it has written this."""
        return any(text in line for line in self.output)


@contextmanager
def serving(*arguments: object, ready: bool = True, **variables: str) -> Iterator[ModelServer]:
    """A model server, waited for if it is to be ready, and stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "modelyard.cli.main", "serve", *map(str, arguments), "--port", "0"],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = None
    try:
        server = ModelServer(process)
        if ready:
            server.wait_ready()
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            if server is not None:
                server.close()
