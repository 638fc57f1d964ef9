"""A model's process: loads what it is told, answers frames of calls, one after the other, until the front has gone.

Started as `python -m modelyard.serving.worker DESCRIPTOR FORM LEVEL [DIRECTORY GRAPHS]`, see `spawning`, with the
thread pools of numeric libraries bounded by its environment. It reads and writes nothing but the socket pair; what a
model prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final, NoReturn

from modelyard.serving import frames, notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.serving.servable import Servable

log = logging.getLogger("modelyard.serving.worker")

_RECEIVE: Final = 256 * 1024
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


class Worker:
    """One process' models and its end of the socket pair.

    Args:
        pair: to the front.
    """

    def __init__(self, pair: socket.socket) -> None:
        self._pair = pair
        self._models: dict[int, Servable] = {}
        self._sending = threading.Lock()
        self._loading = threading.Lock()  # models bring modules of the same names: one is imported at a time

    def run(self) -> None:
        """Answer until the front closes the pair."""
        reader = frames.Reader()
        while data := self._pair.recv(_RECEIVE):
            for kind, content in reader.feed(data):
                if kind == frames.CALLS:
                    self._answer(content)
                else:
                    self._heed(notes.for_worker(content))

    def _answer(self, content: memoryview) -> None:
        slot, tickets, asked = frames.read_calls(content)
        began = perf_counter()
        answered = self._models[slot].answer(asked)
        self._send(frames.answers(tickets, answered, perf_counter() - began))

    def _send(self, frame: bytes) -> None:
        with self._sending:
            self._pair.sendall(frame)

    def _heed(self, note: notes.Load | notes.Drop) -> None:
        if isinstance(note, notes.Drop):
            self._models.pop(note.slot, None)
            gc.collect()
            _trim()
        elif self._models or note.quick:  # the others go on answering
            threading.Thread(target=self._load, args=(note,), daemon=True).start()
        else:
            self._load(note)

    def _load(self, note: notes.Load) -> None:
        from modelyard.serving import loading

        began, before = perf_counter(), _resident()
        try:
            with self._loading:
                ready = loading.load(note)
        except BaseException as fault:  # noqa: BLE001 - a model's own code; whatever it raises is why it is not ready
            self._send(frames.note(notes.write(loading.failed(note, fault))))
            return
        forked = bool(note.copies) and self._fork(note, ready)
        first = not self._models
        self._models[note.slot] = ready.servable
        told = ready.note
        told.size, told.seconds, told.forked = max(0, _resident() - before), perf_counter() - began, forked
        if first:
            gc.collect()
            gc.freeze()  # what is loaded stays: the collector need not look at it again
        self._send(frames.note(notes.write(told)))

    def _fork(self, note: notes.Load, ready: Any) -> bool:
        """Make the copies, which share the model's memory; False if a library has threads, which a fork loses."""
        if _tasks() != 1:
            return False
        gc.collect()
        gc.freeze()
        front = os.getppid()
        for descriptor in note.copies:
            between = os.fork()
            if between == 0:
                if os.fork():  # so that the copy becomes the front's child, and does not end with us
                    os._exit(0)
                self._be_copy(note, ready, descriptor, front)
            os.waitpid(between, 0)
        for descriptor in note.copies:
            os.close(descriptor)
        return True

    def _be_copy(self, note: notes.Load, ready: Any, descriptor: int, front: int) -> NoReturn:
        """A forked process' life."""
        for _ in range(1000):
            if os.getppid() == front:  # the one between has gone
                break
            sleep(0.001)
        _settle_in()
        self._pair.close()
        for other in note.copies:
            if other != descriptor:
                os.close(other)
        self._pair = socket.socket(fileno=descriptor)
        self._models[note.slot] = ready.servable
        ready.note.forked, ready.note.process = True, os.getpid()
        self._send(frames.note(notes.write(ready.note)))
        self.run()
        os._exit(0)


def _tasks() -> int:
    """Threads of this process, without that of pyarrow's memory manager, which looks after itself at a fork."""
    try:
        names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    except OSError:  # not Linux
        return threading.active_count()
    return len(names) - names.count("jemalloc_bg_thd")


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _trim() -> None:
    """Give freed memory back to the system, where the C library can."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _settle_in() -> None:
    """What every worker does first: signals to stop are the front's, and without the front there is nothing to do.

    A service manager sends SIGTERM to all processes at once: what is under way is to be answered, then, too. It is not
    ignored but handled, so that a model's own child processes do not inherit it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _is_deserted(descriptor: int) -> bool:
    """Whether the front has gone already, before its end could be ours."""
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    return bool(poll.poll(0))


def main(arguments: Sequence[str]) -> int:
    """Be a worker; the exit code."""
    from modelyard.http import logs

    _settle_in()
    descriptor, form, level = int(arguments[0]), arguments[1], arguments[2]
    if _is_deserted(descriptor):
        return 0
    os.dup2(2, 1)  # what a model prints
    logs.configure(form, level)
    if len(arguments) > 3:
        from modelyard.serving import preparing

        preparing.prepare(arguments[3], graphs=bool(arguments[4]))
    Worker(socket.socket(fileno=descriptor)).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # nothing of a model's or a library's keeps the process


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
