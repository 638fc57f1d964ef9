"""The ends of a process: its last statement, an exception, SIGTERM, the end of a multiprocessing child.

`os._exit` and SIGKILL leave no time for anything: the journal stays as it is, and is delivered by the next process or
by `modelyard sync`.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from modelyard import settings

SIGTERM_S: Final = 5.0
"""What a process that is told to end takes for delivery."""


class Left(Protocol):
    """What could not be delivered; false when there is nothing."""

    @property
    def points(self) -> int:
        """How many points of metrics."""

    @property
    def records(self) -> int:
        """How many other records."""

    @property
    def path(self) -> str:
        """Where it is kept; empty: nowhere."""

    def __bool__(self) -> bool: ...


class Watched(Protocol):
    """What is brought to an end with the process: a recorder."""

    def open_runs(self) -> Sequence[Any]:
        """The runs that this process began and has not ended."""

    def close(self, timeout_s: float) -> Left:
        """Deliver what is there, within a time."""


_watched: list[Watched] = []
_before: list[Callable[[str], None]] = []
_installed = {"pid": 0, "finalizer": 0}


def before_flush(ends: Callable[[str], None]) -> None:
    """Have something called at the end of the process, before what was logged is delivered.

    Args:
        ends: takes the status that active runs end with: FINISHED, FAILED or KILLED.
    """
    if ends not in _before:
        _before.append(ends)
    _watch_terminate()  # the first to log may have been a thread, which cannot


def watch(recorder: Watched) -> None:
    """See to it that a recorder is flushed when the process ends."""
    if recorder not in _watched:
        _watched.append(recorder)
    if not _installed["pid"]:
        _installed["pid"] = os.getpid()
        atexit.register(_at_exit)
    _watch_terminate()
    _watch_multiprocessing()


# ------------------------------------------------------------------------------------ how it ended


def _at_exit() -> None:
    end(_status(), settings.EXIT_TIMEOUT_S.get())


def _status() -> str:
    """How the runs end that are still active when the interpreter does."""
    if hasattr(sys, "ps1"):  # at a prompt, an exception ends a statement, not the work
        return "FINISHED"
    kind = getattr(sys, "last_type", None)
    if kind is None:
        return "FINISHED"
    return "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"


def end(status: str, timeout_s: float) -> None:
    """End the active runs, deliver what was logged, and name what remains in one line.

    Args:
        status: of the runs.
        timeout_s: the longest wait altogether.
    """
    deadline = time.monotonic() + timeout_s
    for ends in _before:
        try:
            ends(status)
        except Exception as error:  # noqa: BLE001 - the process is about to end anyway
            _say(f"modelyard: {type(error).__name__} at the end of the process: {error}")
    left: list[Left] = []
    for recorder in _watched:
        try:
            for run in recorder.open_runs():
                run.update(status=status, end_time_ms=time.time_ns() // 1_000_000)
            remaining = recorder.close(max(0.0, deadline - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - likewise
            _say(f"modelyard: {type(error).__name__} at the end of the process: {error}")
            continue
        if remaining:
            left.append(remaining)
    _watched.clear()
    if left:
        _say(told(left))


def told(left: list[Left]) -> str:
    """What remains, in one line."""
    points, records = sum(each.points for each in left), sum(each.records for each in left)
    what = " and ".join(
        f"{number:,} {name}{'' if number == 1 else 's'}"
        for number, name in ((points, "metric point"), (records, "other record"))
        if number
    )
    places = ", ".join(each.path for each in left if each.path)
    if not places:
        return f"modelyard: {what} could not be delivered, and no disk took them: they are lost."
    return f"modelyard: {what} not delivered yet: kept in {places}; the next run delivers them, or `modelyard sync`."


def _say(line: str) -> None:
    stream = sys.stderr
    if stream is not None:
        try:
            stream.write(f"{line}\n")
            stream.flush()
        except (OSError, ValueError):  # closed already
            pass


# ------------------------------------------------------------------------------------ SIGTERM


def _watch_terminate() -> None:
    """Only where nobody else does: a handler of the user's, or of a launcher's, knows better."""
    if threading.current_thread() is not threading.main_thread():
        return
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminated)
    except ValueError:  # not the main interpreter
        pass


def _terminated(number: int, frame: Any) -> None:
    del frame
    signal.signal(number, signal.SIG_DFL)  # a second one ends us at once
    end("KILLED", SIGTERM_S)
    os.kill(os.getpid(), number)


# ------------------------------------------------------------------------------------ children


def _watch_multiprocessing() -> None:
    """A child of multiprocessing ends by `os._exit`, after its finalizers."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is None or process is None or process.parent_process() is None or _installed["finalizer"] == os.getpid():
        return
    _installed["finalizer"] = os.getpid()
    util.Finalize(None, _child_ends, exitpriority=-100)


def _child_ends() -> None:
    end("FINISHED", settings.EXIT_TIMEOUT_S.get())


def _after_fork() -> None:
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
