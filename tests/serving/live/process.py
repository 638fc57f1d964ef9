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


def children(process: int) -> list[int]:
    """The processes that a process has started or adopted."""
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
        """The processes that hold models."""
        return children(self.process.pid)

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


class Load:
    """Callers who ask one question after the other, and look at every answer.

    Attributes:
        answered: how many were answered.
        wrong: answers that are not what they should be, and connections that broke.
    """

    def __init__(self, server: ModelServer, path: str) -> None:
        self.answered = 0
        self.wrong: list[object] = []
        self._server = server
        self._path = path
        self._over = threading.Event()

    def ask(self, caller: int) -> None:
        """Until it is over."""
        connection = self._server.connect()
        headers = {"content-type": "application/json"}
        number = 0
        while not self._over.is_set():
            number += 1
            mood = f"caller {caller} number {number}"
            try:
                connection.request("POST", self._path, json.dumps({"mood": mood}), headers)
                answer = connection.getresponse()
                body = answer.read()
            except OSError as error:
                self.wrong.append(error)
                break
            if answer.status != 200 or json.loads(body) != mood.upper():
                self.wrong.append((answer.status, body))
            self.answered += 1
        connection.close()

    def goes_on(self, answers: int = 50) -> None:
        """Wait for so many more answers."""
        before = self.answered
        until(lambda: self.answered > before + answers)

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()


@contextmanager
def load(server: ModelServer, *, callers: int = 8, path: str = "/predict") -> Iterator[Load]:
    """Questions to the moody model in the meantime, each of which has to be answered, and rightly."""
    asked = Load(server, path)
    threads = [threading.Thread(target=asked.ask, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        asked.stop()
        for thread in threads:
            thread.join()
    assert not asked.wrong
