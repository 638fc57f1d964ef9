"""Everything needed to repeat a run, captured while it begins, beside it: `start` takes the caller well under a ms.

What is captured, and what is not: docs/reproduce.md. Capturing never fails a run: what cannot be found out is left out.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from modelyard.client.recorder import RunRecorder

PATIENCE_S: Final = 5.0
"""How long the end of a process waits for a capture that is under way."""

NUMBER_TAG: Final = "modelyard.number"
"""Tag of a run: how many runs its process had started before."""


class Seen(NamedTuple):
    """What a process knows of its start: gathered by the caller's thread, since a script forgets its name at its end.

    Attributes:
        argv: the interpreter's.
        script: the script's.
        file: of `__main__`; empty if it has none.
        spawned: of the script whose functions a process of multiprocessing runs; empty if this is none.
        directory: the working directory now.
    """

    argv: tuple[str, ...]
    script: tuple[str, ...]
    file: str
    spawned: str
    directory: str


_waiting: deque[tuple[RunRecorder, bool, int, Seen]] = deque()
_guard = threading.Lock()
_threads: list[threading.Thread] = []  # the one that works, if any
_seen: list[Seen] = []
_numbers = itertools.count()


def start(run: RunRecorder, *, nested: bool = False) -> None:
    """Capture what repeats this run, in the background.

    Args:
        run: that begins.
        nested: it belongs to a parent, which has the files: only tags are set.
    """
    if not _seen or interactive():
        _seen[:] = [_look()]
    with _guard:
        _waiting.append((run, nested, next(_numbers), _seen[0]))
        if not _threads:
            _threads.append(threading.Thread(target=_work, name="modelyard-capture", daemon=True))
            _threads[0].start()
    from modelyard.client import exits

    exits.before_flush(_finish)


def interactive() -> bool:
    """Whether code comes in piece by piece, so that what was true of the last run may not be of the next."""
    return "ipykernel" in sys.modules or hasattr(sys, "ps1") or bool(sys.flags.interactive)


def _look() -> Seen:
    main, spawned = (getattr(sys.modules.get(name), "__file__", None) for name in ("__main__", "__mp_main__"))
    try:
        directory = os.getcwd()  # noqa: PTH109 - a text is wanted
    except OSError:  # it was deleted
        directory = ""
    return Seen(tuple(sys.orig_argv), tuple(sys.argv), main or "", spawned or "", directory)


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
            run, nested, number, seen = _waiting.popleft()
        try:
            _capture(run, nested, number, seen)
        except Exception as error:  # noqa: BLE001 - whatever it is, training goes on
            reports.once("capture", "What repeats this run could not be captured: %s: %s", type(error).__name__, error)


def _capture(run: RunRecorder, nested: bool, number: int, seen: Seen) -> None:  # noqa: FBT001
    from . import snapshot

    found = snapshot.snapshot(seen, again=interactive())
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
