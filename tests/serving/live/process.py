"""`modelyard serve` as its users have it: a process with workers of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.cli.process import PATIENCE_S, Server, environment


def until(found: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What a function answers as soon as it is not false; a failure if that takes too long."""
    end = time.monotonic() + patience_s
    while not (answer := found()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return answer


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
        while not (line := lines.get(timeout=PATIENCE_S)).startswith("Listening at"):
            assert line, f"it ended: {''.join(self.output)}"
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
        """The processes that hold models."""
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if parent == self.process.pid:
                found.append(int(name))
        return found

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
