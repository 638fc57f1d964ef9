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

from modelyard.domain.errors import InvalidState, Timeout

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
        slots: what it was told to load and has not dropped, by slot.
        process: its number.
        retiring: whether its end is our wish.
        settled: bytes of memory when its last model was ready.
    """

    def __init__(self, ended: Callable[[Worker, str], None]) -> None:
        self.link = Link(self._noted, self._lost)
        self.slots: dict[int, notes.Load] = {}
        self.process = 0
        self.started = monotonic()
        self.retiring = False
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

    async def load(self, note: notes.Load, timeout_s: float) -> notes.Loaded:
        """Have it load a model.

        Raises:
            InvalidState: it could not be loaded, or the process died over it; the message says why.
            Timeout: it took too long; the process was killed.
        """
        waiting: asyncio.Future[notes.Loaded] = asyncio.get_running_loop().create_future()
        self._answers[note.slot] = waiting
        self.slots[note.slot] = replace_copies(note)
        self.link.note(notes.write(note))
        return await self.loaded(note.slot, timeout_s)

    async def loaded(self, slot: int, timeout_s: float) -> notes.Loaded:
        """Wait for a model that it was told to load, or that a fork brought.

        Raises:
            InvalidState: as for `load`.
            Timeout: as for `load`.
        """
        waiting = self._answers.setdefault(slot, asyncio.get_running_loop().create_future())
        try:
            return await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError:
            self.slots.pop(slot, None)
            self.kill(f"Loading took more than {timeout_s:g} seconds")
            raise Timeout(f"Loading took more than {timeout_s:g} seconds.") from None
        except InvalidState:
            self.slots.pop(slot, None)
            raise
        finally:
            self._answers.pop(slot, None)

    def drop(self, slot: int) -> None:
        """Have it forget a model."""
        if self.slots.pop(slot, None) is not None and not self.link.closed:
            self.link.note(notes.write(notes.Drop(slot)))

    def _noted(self, content: bytes) -> None:
        note = notes.for_front(content)
        if isinstance(note, notes.Loaded) and note.process and not self.process:
            self.process = note.process
            _copies.add(note.process)
        # a copy may be quicker to say so than its original
        waiting = self._answers.setdefault(note.slot, asyncio.get_running_loop().create_future())
        if waiting.done():
            return
        if isinstance(note, notes.Loaded):
            waiting.set_result(note)
        else:
            waiting.set_exception(LoadingFailed(note))

    def _lost(self) -> None:
        how = self._why or ("" if self.retiring else self._how())
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(InvalidState(f"The model's process ended while it was loading: {how}."))
        self._ended(self, how)

    def _how(self) -> str:
        if self._child is None:
            return "it was killed"
        try:
            code = self._child.wait(0.02)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"

    def kill(self, why: str) -> None:
        """End it at once."""
        self._why = why
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
        elif self._child is None and self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
        else:
            self.link.close()

    def close(self) -> None:
        """Let it end: it stops when its pair is closed."""
        self.retiring = True
        self.link.close()

    async def gone(self, timeout_s: float) -> None:
        """Wait for the process' end, and kill it if it does not come."""
        if self._child is None:
            return
        until = perf_counter() + timeout_s
        while self._child.poll() is None:
            if perf_counter() > until:
                self._child.kill()
                self._child.wait()
                return
            await asyncio.sleep(0.01)

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


def replace_copies(note: notes.Load) -> notes.Load:
    """The note without its descriptors, which are good for one time only."""
    return notes.Load(**{name: getattr(note, name) for name in note.__struct_fields__ if name != "copies"})


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
) -> tuple[Worker, list[Worker], list[int]]:
    """Start a process.

    Args:
        ended: see `Worker`.
        threads: bound of its libraries' pools.
        form: of its log lines.
        level: likewise.
        copies: how many forks of it there shall be.

    Returns:
        It, workers for the forks to come, and the forks' descriptors in the process, for `notes.Load.copies`.
    """
    if copies:
        adopt()
    spawned = spawning.spawn(spawning.Kind(threads, form, level, copies))
    _children.append(spawned.child)
    worker = Worker(ended)
    await worker.start(spawned.pair, spawned.child)
    forks = []
    for pair in spawned.forks:
        fork = Worker(ended)
        await fork.start(pair)
        forks.append(fork)
    return worker, forks, spawned.descriptors
