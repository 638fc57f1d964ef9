"""A few threads that take what is to be done one after another, and that nobody waits for when the process ends."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger("modelyard.controller")


class Threads:
    """Threads that are started as they are needed.

    Args:
        most: how many at once.
        name: of each.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._started = 0
        self._busy = 0

    def do(self, work: Callable[[], None]) -> None:
        """Have something done; it must see to its own errors."""
        with self._guard:
            self._busy += 1
            if self._busy > self._started < self._most:
                self._started += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._queue.put(work)

    def close(self) -> None:
        """Take no more; what is being done is finished, or ends with the process."""
        with self._guard:
            for _ in range(self._started):
                self._queue.put(None)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception:
                log.exception("What was to be done failed")
            finally:
                with self._guard:
                    self._busy -= 1
