"""The process that keeps one lasting replica: it outlives whoever started it, and the model server ends with it.

It starts the model server again when that dies, bounds its log and its memory, and says in the replica's file how it
is. Whoever started it has locked that file and passes it on open, so that from its first moment nobody takes the
replica for one that nobody keeps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from modelyard.settings import ServeSettings

from . import states
from .base import STARTING
from .process import ServerProcess

_LONGEST_LOG: Final = 4 * 2**20


class Log:
    """What a replica writes: a file that is put aside, once, when it gets long. A full disk costs lines, nothing else.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._written = 0
        self._guard = threading.Lock()

    def write(self, line: str) -> None:
        """Add a line."""
        with self._guard, suppress(OSError):
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                self._written = os.fstat(self._descriptor).st_size
            self._written += os.write(self._descriptor, line.encode(errors="replace"))
            if self._written > _LONGEST_LOG:
                os.close(self._descriptor)
                self._descriptor = -1
                self._path.replace(self._path.with_suffix(".log.1"))


class Keeper:
    """Keeps one replica until it is told to stop.

    Args:
        path: of the replica's file.
        descriptor: of the same, locked.
        what: as `lasting` gives it.
    """

    def __init__(self, path: Path, descriptor: int, what: dict[str, Any]) -> None:
        os.set_inheritable(descriptor, False)
        self._file = states.StateFile(path, descriptor)
        self._what = what
        self._changed = threading.Event()
        self._stop = False
        self._told = states.Told(keeper=os.getpid(), boot=states.boot(), state=STARTING, reason="It is being started.")

    def run(self) -> None:
        """Keep it."""
        signal.signal(signal.SIGTERM, self._stopped)
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        self._file.write(self._told)
        number = int(self._file.path.stem)
        wish = states.read_wish(self._file.path.with_name("wish"))
        if wish is None or number not in wish.numbers:  # stopped before anybody knew our number
            return
        if self._what["leftover"]:
            threading.Thread(target=self._see_off, args=self._what["leftover"], daemon=True).start()
        own = {name: text for name, text in os.environ.items() if name.startswith(ServeSettings.PREFIX)}
        server = ServerProcess(
            self._what["models"],
            own,
            memory_bytes=self._what["memory_bytes"],
            stop_s=self._what["stop_s"],
            write=Log(self._file.path.with_suffix(".log")).write,
            changed=self._changed.set,
        )
        stopped = False
        while not server.gone:
            self._changed.wait()
            self._changed.clear()
            if self._stop and not stopped:
                stopped = True
                server.stop()
            self._tell(server)
            if stopped:
                server.wait()

    def _stopped(self, *_: object) -> None:
        self._stop = True
        self._changed.set()

    def _tell(self, server: ServerProcess) -> None:
        process = server.process
        now = replace(
            self._told,
            server=process,
            began=states.began(process) if process else 0,
            state=server.state,
            url=server.url,
            reason=states.shortened(server.reason),
        )
        if now != self._told:
            self._told = now
            with suppress(OSError):
                self._file.write(now)

    def _see_off(self, process: int, since: int, at_boot: str) -> None:
        """A model server whose keeper was killed ends by itself when it has answered what it was asked, or is ended."""
        until = monotonic() + self._what["stop_s"]
        pause = threading.Event()
        while states.lives(process, since, at_boot) and monotonic() < until:
            pause.wait(0.5)
        if states.lives(process, since, at_boot):
            with suppress(OSError):
                os.killpg(process, signal.SIGKILL)


def main() -> None:
    """Run as `python -m`, with the file's path, its descriptor, and what to keep as JSON."""
    path, descriptor, what = sys.argv[1:]
    Keeper(Path(path), int(descriptor), json.loads(what)).run()


if __name__ == "__main__":
    main()
