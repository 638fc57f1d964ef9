"""Worker processes, seen from the front: started, told what to load, watched, replaced."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import logging
import os
import signal
import socket
import subprocess
import sys
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Final

from modelyard.domain.errors import InvalidState, Timeout, Unavailable

from . import notes, spawning
from .batching import Link

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("modelyard.serving")

_BUFFER: Final = 2**20
_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER


class Worker:
    """One process.

    Args:
        ended: called once when it has gone, with how it went.

    Attributes:
        link: to it.
        slots: of the versions that it has, or is about to have.
        loads: held by those that have it load something.
        process: its number.
        retiring: whether another one is to take its place.
        closing: whether its end is our wish.
        settled: bytes of memory when its last model was ready.
    """

    def __init__(self, ended: Callable[[Worker, str], None]) -> None:
        self.link = Link(self._noted, self._lost)
        self.slots: set[int] = set()
        self.loads = asyncio.Lock()
        self.process = 0
        self.started = monotonic()
        self.retiring = False
        self.closing = False
        self.settled = 0
        self._ended = ended
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: dict[int, asyncio.Future[notes.Loaded]] = {}
        self._why = ""

    async def start(self, pair: socket.socket, child: subprocess.Popen[bytes] | None = None) -> None:
        """Talk to a process over our end of the pair; a forked one is not our child."""
        self._child = child
        self.process = child.pid if child is not None else 0
        pair.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            pair.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        await asyncio.get_running_loop().create_unix_connection(lambda: self.link, sock=pair)

    @property
    def loading(self) -> bool:
        """Whether it is to load something, or is at it."""
        return bool(self._answers)

    def expect(self, slot: int) -> None:
        """It is about to be told to load a model into this slot, or it is a copy that will come with one."""
        self.slots.add(slot)
        self._answers[slot] = asyncio.get_running_loop().create_future()
        if self.link.closed:
            self._give_up(self._answers[slot])

    async def load(self, note: notes.Load, timeout_s: float) -> notes.Loaded:
        """Have it load a model that it expects.

        Raises:
            LoadingFailed: it could not be loaded; the message says why.
            ProcessEnded: the process died over it.
            Timeout: it took too long.
        """
        if not self.link.closed:
            self.link.note(notes.write(note))
        return await self.loaded(note.slot, timeout_s)

    async def loaded(self, slot: int, timeout_s: float) -> notes.Loaded:
        """Wait for a model that it expects, and was told to load or brings with it.

        Raises:
            LoadingFailed: as for `load`.
            ProcessEnded: as for `load`.
            Timeout: as for `load`.
        """
        try:
            return await asyncio.wait_for(self._answers[slot], timeout_s)
        except TimeoutError:
            raise Timeout(
                f"Loading took more than {timeout_s:g} seconds. If that is what it needs, give it longer with "
                "--load-timeout."
            ) from None
        except LoadingFailed:
            self.slots.discard(slot)
            raise
        finally:
            self._answers.pop(slot, None)

    def drop(self, slot: int) -> None:
        """Have it forget a model."""
        self._answers.pop(slot, None)
        if slot in self.slots:
            self.slots.discard(slot)
            if not self.link.closed:
                self.link.note(notes.write(notes.Drop(slot)))

    def _noted(self, content: bytes) -> None:
        note = notes.for_front(content)
        if isinstance(note, notes.Loaded) and note.process and not self.process:
            self.process = note.process
            _copies.add(note.process)
        waiting = self._answers.get(note.slot)
        if waiting is None:  # nobody wants it any more
            if isinstance(note, notes.Loaded) and not self.link.closed:
                self.link.note(notes.write(notes.Drop(note.slot)))
        elif not waiting.done():  # a copy may be quicker to say so than its original
            if isinstance(note, notes.Loaded):
                waiting.set_result(note)
            else:
                waiting.set_exception(LoadingFailed(note))

    def _lost(self) -> None:
        self._why = self._why or ("" if self.closing else self._how())
        for waiting in self._answers.values():
            self._give_up(waiting)
        self._ended(self, self._why)

    def _give_up(self, waiting: asyncio.Future[notes.Loaded]) -> None:
        if not waiting.done():
            waiting.set_exception(
                ProcessEnded(
                    f"The model's process ended while it was loading: {self._why}. The server's log has what it wrote."
                )
            )
            waiting.exception()  # known, whether or not somebody waits

    def _how(self) -> str:
        if self._child is None:
            return "it was killed"
        try:
            code = self._child.wait(0.02)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        if code == -signal.SIGKILL:
            return "signal SIGKILL, which the system sends when memory runs out"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"

    def kill(self, why: str) -> None:
        """End it at once."""
        self._why = self._why or why
        if self._lives():
            os.kill(self.process, signal.SIGKILL)
        else:
            self.link.close()

    def close(self) -> None:
        """Let it end: it stops when its pair is closed."""
        self.closing = True
        self.link.close()

    def discard(self) -> None:
        """End it at once, as nobody needs it."""
        self.close()
        self.kill("it is not needed")

    async def gone(self, timeout_s: float) -> None:
        """Wait for the process' end, and kill it if it does not come."""
        until = perf_counter() + timeout_s
        while self._lives():
            if perf_counter() > until:
                os.kill(self.process, signal.SIGKILL)
                until += timeout_s
            await asyncio.sleep(0.01)

    def _lives(self) -> bool:
        """Whether the process is there; False for a copy that did not say its number yet."""
        if self._child is not None:
            return self._child.poll() is None
        reap()
        return self.process in _copies

    def resident(self) -> int:
        """Bytes of memory, those shared with forked siblings included; 0 if that is not known."""
        if not self.process:
            return 0
        try:
            with open(f"/proc/{self.process}/statm", "rb") as file:  # noqa: PTH123 - a pseudo-file, each second
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0


class LoadingFailed(InvalidState):
    """A model could not be made ready.

    Attributes:
        note: what the worker said.
    """

    def __init__(self, note: notes.Failed) -> None:
        super().__init__(note.reason)
        self.note = note


class ProcessEnded(InvalidState):
    """A process died while it was loading a model."""


_children: Final[list[subprocess.Popen[bytes]]] = []
_copies: Final[set[int]] = set()


@functools.cache
def adopt() -> None:
    """Become the parent of the copies that workers make of themselves, where the system knows that; once."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SUBREAPER, 1)


def reap() -> None:
    """Take note of the children that ended, so that no zombie stays."""
    _children[:] = [each for each in _children if each.poll() is None]
    for process in tuple(_copies):
        try:
            gone = os.waitpid(process, os.WNOHANG)[0] == process
        except ChildProcessError:
            gone = True
        if gone:
            _copies.discard(process)


async def start(
    ended: Callable[[Worker, str], None], threads: int, form: str, level: str, copies: int = 0
) -> tuple[list[Worker], list[int]]:
    """Start a process.

    Args:
        ended: see `Worker`.
        threads: bound of its libraries' pools.
        form: of its log lines.
        level: likewise.
        copies: how many forks of it there shall be.

    Returns:
        It and workers for the forks to come, and the forks' descriptors in the process, for `notes.Load.copies`.

    Raises:
        Unavailable: the system does not let us.
    """
    if copies:
        adopt()
    try:
        spawned = spawning.spawn(spawning.Kind(threads, form, level, copies))
    except OSError as error:
        raise Unavailable(f"No process could be started for the model: {error.strerror}.") from error
    _children.append(spawned.child)
    worker = Worker(ended)
    await worker.start(spawned.pair, spawned.child)
    workers = [worker]
    for pair in spawned.forks:
        fork = Worker(ended)
        await fork.start(pair)
        workers.append(fork)
    return workers, spawned.descriptors
