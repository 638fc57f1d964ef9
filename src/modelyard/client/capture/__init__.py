"""Everything needed to repeat a run, captured while it begins, beside it: `start` takes the caller well under a ms.

What is captured, and what is not: docs/reproduce.md. Capturing never fails a run: what cannot be found out is left out.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from modelyard.client.recorder import RunRecorder

    from .command import Command

PATIENCE_S: Final = 5.0
"""How long the end of a process waits for a capture that is under way."""

NUMBER_TAG: Final = "modelyard.number"
"""Tag of a run: how many runs its process had started before."""

_waiting: deque[tuple[RunRecorder, bool, int]] = deque()
_guard = threading.Lock()
_threads: list[threading.Thread] = []  # the one that works, if any
_commands: list[Command] = []
_numbers = itertools.count()


def start(run: RunRecorder, *, nested: bool = False) -> None:
    """Capture what repeats this run, in the background.

    Args:
        run: that begins.
        nested: it belongs to a parent, which has the files: only tags are set.
    """
    with _guard:
        _waiting.append((run, nested, next(_numbers)))
        if not _threads:
            _threads.append(threading.Thread(target=_work, name="modelyard-capture", daemon=True))
            _threads[0].start()
    from modelyard.client import exits

    exits.before_flush(_finish)


def wait(timeout_s: float = PATIENCE_S) -> bool:
    """Wait until everything is captured; whether it is."""
    with _guard:
        working = list(_threads)
    for thread in working:
        thread.join(timeout_s)
    return not any(thread.is_alive() for thread in working)


def _finish(status: str) -> None:
    """At the end of the process."""
    wait(1.0 if status == "KILLED" else PATIENCE_S)


def _work() -> None:
    from modelyard.client import reports

    while True:
        with _guard:
            if not _waiting:
                _threads.clear()
                return
            run, nested, number = _waiting.popleft()
        try:
            _capture(run, nested, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, training goes on
            reports.once("capture", "What repeats this run could not be captured: %s: %s", type(error).__name__, error)


def _capture(run: RunRecorder, nested: bool, number: int) -> None:  # noqa: FBT001
    from . import command, snapshot

    if not _commands or command.interactive():
        _commands[:] = [command.current()]
    found = snapshot.snapshot(_commands[0])
    run.set_tags({**found.tags, NUMBER_TAG: str(number)})
    if not nested:
        for path, content in found.files.items():
            run.log_artifact(path, content)


def _forked() -> None:
    """In a child process: what the parent's thread had to do is the parent's."""
    global _guard  # noqa: PLW0603 - there is one per process
    _guard = threading.Lock()
    _waiting.clear()
    _threads.clear()


os.register_at_fork(after_in_child=_forked)
