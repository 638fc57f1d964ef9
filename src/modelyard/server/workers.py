"""Several server processes on one socket, forked from one that only watches them; for PostgreSQL, which they share."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from modelyard.domain.errors import ModelyardError
from modelyard.http.listener import url_of
from modelyard.settings import masked

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import FrameType

    from modelyard.settings import Settings

    from .app import App
    from .metrics import Metrics

log = logging.getLogger("modelyard.workers")

_SIGNAL_OF_PARENT: Final = 1  # PR_SET_PDEATHSIG
_PAUSE_S: Final = 1.0
"""At least so long between two starts of the same worker, so that one that cannot live does not spin."""


def supervise(
    settings: Settings,
    listener: socket.socket,
    open_app: Callable[[Settings, Metrics], App],
    ready: Callable[[], None],
    *,
    parent: int = -1,
) -> int:
    """Run `settings.workers` processes until a signal, start those anew that die; the exit code.

    With a `parent` it also ends with the process that started it.

    The first worker brings the database up to date before the others start. Libraries are loaded here, before the
    fork, so that all processes share their memory.
    """
    from modelyard.http import loop  # noqa: F401, PLC0415

    from .app import counters  # noqa: PLC0415

    if parent >= 0:
        _end_with_parent()
    return _Supervisor(settings, listener, open_app, counters(settings.workers)).run(ready)


def _end_with_parent() -> None:
    """Have the system send a signal: this process waits for its children, and can wait for nothing else."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENT, signal.SIGTERM)


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        open_app: Callable[[Settings, Metrics], App],
        metrics: Metrics,
    ) -> None:
        self._open_app = open_app
        self._settings = settings
        self._listener = listener
        self._metrics = metrics
        self._workers: dict[int, int] = {}  # process → number
        self._started: dict[int, float] = {}
        self._stopping = 0
        # Its writing end lives as long as this process: workers that see it close stop by themselves.
        self._life, self._alive = os.pipe()

    def run(self, ready: Callable[[], None]) -> int:
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        for number in range(self._settings.workers):
            if not self._stopping and not self._start_and_wait(number):
                self._stop(signal.SIGTERM, None)
                self._reap()
                return 1
        if not self._stopping:
            ready()
        self._reap()
        return 0

    def _stop(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's signature
        self._stopping += 1
        self._listener.close()  # else the system would go on taking connections that nobody answers
        for process in self._workers:
            os.kill(process, signal.SIGTERM)

    def _reap(self) -> None:
        """Wait for the workers, starting anew those that die on their own."""
        while self._workers:
            process, status = os.wait()
            number = self._workers.pop(process, None)
            if number is None or self._stopping:
                continue
            log.error("Worker %d (process %d) ended with %d; starting it anew", number, process, status)
            time.sleep(max(0.0, self._started[number] + _PAUSE_S - time.monotonic()))
            if not self._stopping:
                _, told = self._start(number)
                os.close(told)

    def _start_and_wait(self, number: int) -> bool:
        """Start a worker; whether it answers requests."""
        process, told = self._start(number)
        try:
            if os.read(told, 1):
                return True
        finally:
            os.close(told)
        os.waitpid(process, 0)
        del self._workers[process]
        return bool(self._stopping)

    def _start(self, number: int) -> tuple[int, int]:
        told, telling = os.pipe()
        self._started[number] = time.monotonic()
        # Until the child has handlers of its own, a signal must wait: the parent's would stop the siblings.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        process = os.fork()
        if process == 0:
            code = 1
            try:
                # Ctrl-C reaches the whole group; only the parent hears it, and tells.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                os.close(told)
                os.close(self._alive)
                code = self._work(number, telling)
            finally:
                os._exit(code)
        self._workers[process] = number
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(telling)
        return process, told

    def _work(self, number: int, telling: int) -> int:
        from modelyard.http import loop  # noqa: PLC0415

        self._metrics.become(number)

        def tell(*, ready: bool) -> None:
            if not ready:
                app.stopping()
                return
            with suppress(BrokenPipeError):  # started anew, nobody waits
                os.write(telling, b"1")
            os.close(telling)

        try:
            app = self._open_app(self._settings, self._metrics)
            app.state.url = url_of(self._settings.host, self._listener)
            loop.run(app, self._settings, self._listener, tell, parent=self._life)
        except ModelyardError as error:
            sys.stderr.write(f"Error: {masked(error.message)}\n")
            sys.stderr.flush()
            return 1
        except Exception:
            log.exception("Worker %d failed", number)
            return 1
        return 0
