"""One `modelyard serve` process: started, watched, started again when it dies or hangs, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final

from modelyard.settings import ServeSettings

from . import memory
from .base import FAILED, READY, STARTING, STOPPING

_PROBE_S: Final = 2.0
_BETWEEN_S: Final = 0.1
_BETWEEN_READY_S: Final = 1.0
_SILENT: Final = 5
"""A process that was ready and left so many questions unanswered is started again."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_LONG_LIFE_S: Final = 60.0
_STEADY_S: Final = 5.0
"""Who was ready for so long did not die of its start, and is started again at once."""
_STOP_S: Final = 35.0
"""Longer than a model server takes to answer what it was asked, unless its settings say otherwise."""
_WATCH_S: Final = 0.1
_SCARCE: Final = 0.03
"""A process that starts while less of the memory than this is left ends itself."""


def _to_stderr(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        sys.stderr.write(line)


class ServerProcess:
    """Keeps one model server running on this machine.

    Args:
        models: as `modelyard serve` takes them.
        variables: its environment, beyond this process's.
        host: where it listens, on a free port.
        memory_bytes: above which it is ended, and started again; 0: as much as there is.
        stop_s: seconds that it gets to answer what it was asked.
        write: takes what it writes, line by line.
        changed: called after state, reason or url changed.

    Attributes:
        state: as `base.Replica` has it.
        reason: why it is not ready.
        url: where it answers; empty while it does not listen.
    """

    def __init__(
        self,
        models: Sequence[str],
        variables: Mapping[str, str],
        host: str = "127.0.0.1",
        *,
        memory_bytes: int = 0,
        stop_s: float = _STOP_S,
        write: Callable[[str], None] = _to_stderr,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
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
        self._memory_bytes = memory_bytes
        self._stop_s = stop_s
        self._write = write
        self._changed = changed
        self._child: subprocess.Popen[str] | None = None
        self._said: deque[str] = deque(maxlen=20)
        self._why = ""
        self._ready_since = 0.0
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
            if self._stopping.is_set():  # a second signal would end it at once
                return
            self.state, self.reason = STOPPING, ""
            self._stopping.set()
            if self._child is not None and self._child.poll() is None:
                self._child.terminate()
        self._changed()

    def wait(self, timeout_s: float = 0.0) -> None:
        """Wait until it is gone; 0: for as long as that may take."""
        self._thread.join(timeout_s or self._stop_s + 5)

    # ------------------------------------------------------------ the thread

    def _keep(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            killed = memory.kernel_kills()
            self._why, self._ready_since = "", 0.0
            child = self._start()
            if child is None:
                return
            code = self._watch(child)
            self.url = ""
            if self._stopping.is_set():
                break
            how = self._why or _how(code, scarce=memory.kernel_kills() > killed)
            last = "" if self._why else next((line for line in reversed(self._said) if line), "")
            last = "" if " INFO " in last or '"level": "info"' in last else last  # no reason, and misleading
            self._tell(FAILED, f"It ended ({how}) and is started again. {last}".strip())
            steady = self._ready_since and monotonic() - self._ready_since > _STEADY_S
            pause = _FIRST_PAUSE_S if steady else min(_LONGEST_PAUSE_S, pause * 2)
            self._stopping.wait(pause / 2)
        self._changed()

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
        memory.rank(child.pid, memory.STARTING_SCORE)
        for read in (self._read_address, self._pass_on):
            threading.Thread(target=read, args=(child,), daemon=True).start()
        self._changed()
        return child

    def _read_address(self, child: subprocess.Popen[str]) -> None:
        if child.stdout is None:
            return
        with child.stdout as lines:
            for line in lines:
                if line.startswith("Listening at "):
                    self.url = line.split()[-1]
                    self._changed()

    def _pass_on(self, child: subprocess.Popen[str]) -> None:
        if child.stderr is None:
            return
        with child.stderr as lines:
            for line in lines:
                self._said.append(line.strip())
                self._write(line)

    def _watch(self, child: subprocess.Popen[str]) -> int:
        """Look after it until it ends; how it ended."""
        silent, settled = 0, False
        deadline = 0.0
        ended = _End(child)
        began = asked = monotonic()
        while child.poll() is None:
            now = monotonic()
            if self._stopping.is_set():
                deadline = deadline or now + self._stop_s
                if now > deadline:
                    self._kill(child)
                ended.wait(min(0.5, max(0.01, deadline - now)))
                continue
            if now >= asked:
                answered, ready, reason = self._probe()
                if answered:
                    silent = 0
                    self._ready_since = (self._ready_since or now) if ready else 0.0
                    self._tell(READY if ready else STARTING, reason)
                elif self.state == READY:
                    silent += 1
                    if silent >= _SILENT:
                        self._why = "it did not answer any more"
                        self._kill(child)
                asked = now + (_BETWEEN_READY_S if answered and (ready or now - began > _LONG_LIFE_S) else _BETWEEN_S)
            if not settled:
                settled = bool(self._ready_since) and now - self._ready_since > _LONG_LIFE_S
                if settled:
                    memory.rank(child.pid, memory.SETTLED_SCORE)
            if self._memory_bytes or not settled:
                self._check_memory(child, starting=not settled)
                ended.wait(min(_WATCH_S, max(0.0, asked - now)) if not settled else _WATCH_S * 2)
            else:
                ended.wait(max(0.0, asked - now))
        ended.close()
        if child.stdin is not None:
            child.stdin.close()
        return child.wait()

    def _check_memory(self, child: subprocess.Popen[str], *, starting: bool) -> None:
        """End a process that takes more than it is given, or that starts where there is no room for it."""
        limit = self._memory_bytes
        if limit and memory.used(child.pid) > limit and memory.proportional(child.pid) > limit:
            self._why = f"it needed more than the {_size(limit)} of memory that it is given"
        elif starting:
            free, whole = memory.left()
            if free < whole * _SCARCE:
                needed = _size(memory.used(child.pid))
                self._why = f"memory ran out while it started: it had {needed}, and {_size(free)} were left"
        if self._why:
            self._kill(child)

    def _kill(self, child: subprocess.Popen[str]) -> None:
        """End it with the processes of its models, which may be too busy to notice."""
        if child.poll() is None:  # else the number may be another's already
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)

    def _tell(self, state: str, reason: str) -> None:
        with self._guard:
            if self._stopping.is_set() or (self.state, self.reason) == (state, reason):
                return
            self.state, self.reason = state, reason
        self._changed()

    def _probe(self) -> tuple[bool, bool, str]:
        """Whether it answers, whether it is ready, and why not."""
        if not self.url:
            return False, False, ""
        try:
            status, body = _get(self.url, "/ready", _PROBE_S)
        except (OSError, ValueError):
            return False, False, ""
        return True, status == 200, missing(body) if status != 200 else ""


class _End:
    """Waits for a process without asking all the time."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        try:
            self._descriptor = os.pidfd_open(child.pid)
        except (OSError, AttributeError):  # not Linux, or it is forbidden
            self._descriptor = -1
        self._poll = select.poll()
        if self._descriptor >= 0:
            self._poll.register(self._descriptor, select.POLLIN)

    def wait(self, timeout_s: float) -> None:
        if self._descriptor >= 0:
            self._poll.poll(timeout_s * 1000)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_s)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _get(url: str, path: str, timeout_s: float) -> tuple[int, bytes]:
    """Status and body of an answer; an HTTP library would double the memory of who keeps a replica.

    Raises:
        OSError: there is no answer in time.
        ValueError: it is none of HTTP.
    """
    host, _, port = url.removeprefix("http://").rpartition(":")
    end = monotonic() + timeout_s
    with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
        answer = b""
        while (left_s := end - monotonic()) > 0:
            connection.settimeout(left_s)
            if not (part := connection.recv(65536)):
                head, _, body = answer.partition(b"\r\n\r\n")
                return int(head[9:12]), body
            answer += part
    raise TimeoutError(f"No answer within {timeout_s:g} seconds")


def missing(body: bytes) -> str:
    """What a model server says is missing, in one line."""
    try:
        told = json.loads(body)["missing"]
        named = [f"{each['name']}: {each['reason'] or each['state']}" for each in told]
    except (ValueError, KeyError, TypeError):
        return "It is not ready."
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return "; ".join(named[:5]) + more or "It is not ready."


def _how(code: int, *, scarce: bool) -> str:
    if code == -signal.SIGKILL and scarce:
        return "the system killed it: memory ran out"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count >> 20} MiB"
