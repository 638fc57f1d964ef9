"""One `modelyard serve` process: started, watched, started again when it dies or hangs, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Final

from modelyard.settings import ServeSettings

from .base import FAILED, READY, STARTING, STOPPING

_PROBE_S: Final = 2.0
_BETWEEN_S: Final = 0.1
_BETWEEN_READY_S: Final = 1.0
_SILENT: Final = 5
"""A process that was ready and left so many questions unanswered is started again."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_LONG_LIFE_S: Final = 60.0
_STOP_S: Final = 35.0
"""Longer than a model server takes to answer what it was asked."""


class ServerProcess:
    """Keeps one model server running on this machine.

    Args:
        models: as `modelyard serve` takes them.
        variables: its environment, beyond this process's.
        host: where it listens, on a free port.

    Attributes:
        state: as `base.Replica` has it.
        reason: why it is not ready.
        url: where it answers; empty while it does not listen.
    """

    def __init__(self, models: Sequence[str], variables: Mapping[str, str], host: str = "127.0.0.1") -> None:
        self.state = STARTING
        self.reason = "It is being started."
        self.url = ""
        self._command = [
            sys.executable, "-m", "modelyard.cli.main", "serve", *models,
            "--host", host, "--port", "0", "--allow-remote", "--exit-with-stdin",
        ]  # fmt: skip
        # what is said of the gateway, such as the number of replicas, is not said of a replica
        own = {name: value for name, value in os.environ.items() if not name.startswith(ServeSettings.PREFIX)}
        self._environment = {**own, **variables, "PYTHONUNBUFFERED": "1"}
        self._child: subprocess.Popen[str] | None = None
        self._said: deque[str] = deque(maxlen=20)
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="modelyard-replica", daemon=True)
        self._thread.start()

    @property
    def process(self) -> int:
        """Its number; 0 if there is none now."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else 0

    @property
    def gone(self) -> bool:
        """Whether it was stopped and has ended."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Have it answer what it was asked, and end; returns at once."""
        with self._guard:
            self.state, self.reason = STOPPING, ""
            self._stopping.set()
            if self._child is not None and self._child.poll() is None:
                self._child.terminate()

    def wait(self, timeout_s: float = _STOP_S + 5) -> None:
        """Wait until it is gone."""
        self._thread.join(timeout_s)

    # ------------------------------------------------------------ the thread

    def _keep(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = monotonic()
            child = self._start()
            if child is None:
                return
            code = self._watch(child)
            self.url = ""
            if self._stopping.is_set():
                return
            last = next((line for line in reversed(self._said) if line), "")
            self._tell(FAILED, f"It ended ({_how(code)}) and is started again. {last}".strip())
            pause = _FIRST_PAUSE_S if monotonic() - began > _LONG_LIFE_S else min(_LONGEST_PAUSE_S, pause * 2)
            self._stopping.wait(pause / 2)

    def _start(self) -> subprocess.Popen[str] | None:
        with self._guard:
            if self._stopping.is_set():
                return None
            # its standard input ends with this process, however that ends
            self._child = child = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                process_group=0,  # Ctrl-C is for the one who started it
            )
        for read in (self._read_address, self._pass_on):
            threading.Thread(target=read, args=(child,), daemon=True).start()
        return child

    def _read_address(self, child: subprocess.Popen[str]) -> None:
        if child.stdout is None:
            return
        with child.stdout as lines:
            for line in lines:
                if line.startswith("Listening at "):
                    self.url = line.split()[-1]

    def _pass_on(self, child: subprocess.Popen[str]) -> None:
        if child.stderr is None:
            return
        with child.stderr as lines:
            for line in lines:
                self._said.append(line.strip())
                with contextlib.suppress(OSError, ValueError):  # nobody reads it
                    sys.stderr.write(line)

    def _watch(self, child: subprocess.Popen[str]) -> int:
        """Look after it until it ends; how it ended."""
        silent = 0
        deadline = 0.0
        while child.poll() is None:
            if self._stopping.is_set():
                deadline = deadline or monotonic() + _STOP_S
                if monotonic() > deadline:
                    child.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(0.05)
                continue
            answered, ready, reason = self._probe()
            if answered:
                silent = 0
                self._tell(READY if ready else STARTING, reason)
            elif self.state == READY:
                silent += 1
                if silent >= _SILENT:
                    self._said.append("It did not answer any more.")
                    child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_BETWEEN_READY_S if self.state == READY and answered else _BETWEEN_S)
        if child.stdin is not None:
            child.stdin.close()
        return child.wait()

    def _tell(self, state: str, reason: str) -> None:
        with self._guard:
            if not self._stopping.is_set():
                self.state, self.reason = state, reason

    def _probe(self) -> tuple[bool, bool, str]:
        """Whether it answers, whether it is ready, and why not."""
        if not self.url:
            return False, False, ""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=_PROBE_S)
        try:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            return True, answer.status == 200, missing(answer.read()) if answer.status != 200 else ""
        except (OSError, http.client.HTTPException):
            return False, False, ""
        finally:
            connection.close()


def missing(body: bytes) -> str:
    """What a model server says is missing, in one line."""
    try:
        told = json.loads(body)["missing"]
        named = [f"{each['name']}: {each['reason'] or each['state']}" for each in told]
    except (ValueError, KeyError, TypeError):
        return "It is not ready."
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return "; ".join(named[:5]) + more or "It is not ready."


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
