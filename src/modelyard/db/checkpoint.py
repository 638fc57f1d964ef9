"""Moves SQLite's log into the database file, beside the writer instead of within its commits.

A checkpoint waits for the disk, which would be every thousandth commit's 10 to 100 ms. Here a thread does it: the bulk
while writes go on, and, only if the log has become long because writers never pause, the last few pages with the writer
held for a moment, after which the log starts over.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import Unavailable

from .rounds import Rounds

if TYPE_CHECKING:
    from .engine import Database

STEP_BYTES: Final = 8 * 2**20
"""The log is moved each time it has grown by this much."""

RESTART_BYTES: Final = 64 * 2**20
"""From this length on the writer is held for a moment so that the log can start over."""

_LOOK_S: Final = 0.25
_IDLE_S: Final = 2.0
_BRIEF_S: Final = 0.02
_ROUNDS: Final = 4
_HELD_MS: Final = 30  # a long reader must not hold the writer for longer than this; the next look tries again

log = logging.getLogger("modelyard.db")


class Checkpointer:
    """A thread for one SQLite database. With PostgreSQL it does nothing.

    Args:
        database: whose log it watches.
        step_bytes: see STEP_BYTES.
        restart_bytes: see RESTART_BYTES.
    """

    def __init__(self, database: Database, step_bytes: int = STEP_BYTES, restart_bytes: int = RESTART_BYTES) -> None:
        self._database = database
        self._step = step_bytes
        self._restart = restart_bytes
        self._rounds: Rounds | None = None
        self._connection: Any = None
        self._generation = 0
        self._moved_size = 0
        self._moved_at = 0
        self._said = 0.0

    def start(self) -> None:
        """Begin to watch."""
        if self._database.dialect == "sqlite" and self._rounds is None:
            self._rounds = Rounds("modelyard-checkpoint", _LOOK_S, self._look, self._failed)
            self._rounds.start()

    def stop(self) -> None:
        """Stop watching."""
        if self._rounds is not None:
            self._rounds.stop()
            self._rounds = None

    def finish(self) -> None:
        """Empty the log; once every other connection is closed."""
        if self._database.dialect != "sqlite":
            return
        with suppress(Exception):  # the log is as good as the file; the next start will move it
            self._run("TRUNCATE")
        self._forget()

    def log_bytes(self) -> int:
        """How long the log is now."""
        try:
            return os.stat(f"{self._database.path}-wal").st_size  # noqa: PTH116 - looked at four times a second
        except OSError:
            return 0

    def _failed(self, error: Exception) -> None:
        """A full disk ends the checkpoint, not the watching."""
        self._forget()
        if time.monotonic() - self._said > 60:
            self._said = time.monotonic()
            reason = self._database.translate(error)
            log.warning("The database's log could not be moved: %s", getattr(reason, "message", reason))

    def _look(self) -> None:
        try:
            found = os.stat(f"{self._database.path}-wal")  # noqa: PTH116
        except FileNotFoundError:
            return
        if found.st_mtime_ns == self._moved_at:
            return  # nothing was written since
        idle = time.time() - found.st_mtime > _IDLE_S
        # A log that started over is cut to `journal_size_limit` (engine.py) by its first commit.
        self._moved_size = min(self._moved_size, found.st_size)
        if not idle and found.st_size - self._moved_size < self._step:
            return
        all_moved = self._run("PASSIVE")
        self._moved_size = found.st_size
        if idle and all_moved:
            self._moved_at = found.st_mtime_ns
        elif found.st_size >= self._restart:  # whatever was moved, writers have gone on meanwhile
            self._start_over()

    def _start_over(self) -> None:
        # What came during the last one, again and again, until it is so little that the writer is held only briefly.
        for _ in range(_ROUNDS):
            began = time.monotonic()
            self._run("PASSIVE")
            if time.monotonic() - began < _BRIEF_S:
                break
        with self._database.writer.lanes[0].lock.first():
            self._run("RESTART")

    def _run(self, how: str) -> bool:
        """Checkpoint; whether the whole log was moved."""
        generation = self._database.check_file()
        if generation != self._generation:  # another file is in its place
            self._forget()
            self._generation = generation
        if self._connection is None:
            self._connection = self._database.connect()
            self._connection.execute(f"PRAGMA busy_timeout={_HELD_MS}")
        busy, pages, moved = self._connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        if pages == -1:
            raise Unavailable("The database has left WAL mode.")
        return not busy and bool(pages == moved)

    def _forget(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None
