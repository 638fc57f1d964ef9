"""Moves metric points from fresh records to compressed chunks, while the server has time for it.

Fresh records are cheap to write and dear to keep (32 bytes a point); chunks take 0.1 to 8 bytes a point and are read
ten times faster. A run is compacted when it has many fresh records, or when it has been quiet for a while.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from modelyard.db import changes, documents, metrics
from modelyard.db.rounds import Rounds
from modelyard.domain.errors import Conflict, ModelyardError

if TYPE_CHECKING:
    from modelyard.db.documents import Documents
    from modelyard.db.engine import Database

log = logging.getLogger("modelyard.compaction")

LOOK_S: Final = 2.0
QUIET_S: Final = 20.0
"""A run whose fresh records did not change for this long is compacted whatever their number."""

MANY: Final = 512
"""Fresh records from which on a run is compacted while it is written to."""

BACKLOG: Final = 20_000
"""Fresh records of one run from which on it is compacted although the server is busy."""

BUSY: Final = 300.0
"""Commands a second from which on the server counts as busy."""

PER_LOOK: Final = 200


class Compactor:
    """A thread that compacts one database's runs. With several servers on one PostgreSQL one of them works at a time.

    Args:
        database: to compact.
        rendered: documents to save for runs that have ended, so that the first reader need not wait for them.
        quiet_s: see QUIET_S.
    """

    def __init__(self, database: Database, rendered: Documents | None = None, quiet_s: float = QUIET_S) -> None:
        self._database = database
        self._rendered = rendered
        self._quiet_s = quiet_s
        self._seen: dict[int, tuple[int, int, float]] = {}
        self._commands = 0
        self._rounds = Rounds("modelyard-compact", LOOK_S, self.look, _failed, database.drop_reader)

    def start(self) -> None:
        """Begin to look after the database."""
        self._rounds.start()

    def stop(self) -> None:
        """Finish the run at hand and end the thread."""
        self._rounds.stop()

    def _busy(self) -> bool:
        commands = self._database.writer.commands
        rate = (commands - self._commands) / LOOK_S
        self._commands = commands
        return rate > BUSY

    def look(self) -> int:
        """Compact what is due; how many runs were."""
        busy = self._busy()
        if not self._database.read(changes.lead):
            return 0
        try:
            due = self._due(time.monotonic(), busy=busy)
            for count, number in enumerate(due):
                if self._rounds.stopping:
                    return count
                self.compact(number)
            if not busy:
                self._database.write(changes.trim)
            return len(due)
        finally:
            self._database.read(changes.yield_lead)

    def _due(self, now: float, *, busy: bool) -> list[int]:
        """Runs with many records, and those whose records did not change since they were first seen so."""
        seen: dict[int, tuple[int, int, float]] = {}
        due: list[int] = []
        for number, count, last in self._database.read(metrics.pending):
            before = self._seen.get(number)
            since = before[2] if before is not None and before[:2] == (count, last) else now
            if count >= (BACKLOG if busy else MANY) or (not busy and now - since >= self._quiet_s):
                due.append(number)
            else:
                seen[number] = (count, last, since)
        self._seen = seen
        return due[:PER_LOOK]

    def compact(self, number: int) -> None:
        """Compact one run now, and save its document if it has ended."""
        compaction = self._database.read(metrics.Compaction, number)
        if compaction.fresh:
            # Another server did the same: its chunks are as good.
            with suppress(Conflict):
                self._database.write(compaction.write)
        if self._rendered is not None:
            _, to_save = self._database.read(self._rendered.fetch, [number])
            if to_save:
                self._database.write(documents.save, to_save)


def _failed(error: Exception) -> None:
    if isinstance(error, ModelyardError):
        log.warning("compaction waits: %s", error)
    else:
        log.error("compaction failed; it is tried again", exc_info=error)
