"""How far a transfer has come: bytes and files, counted from several threads, told a few times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 0.1


class StoppedError(Exception):
    """Another file of the same transfer failed, or the user interrupted it; never seen by a caller."""


class Progress:
    """A transfer's counters.

    Args:
        report: called with this object at most ten times a second, and once at the end, from whichever thread counted;
            never from two at once.
        within: a larger transfer that this one is a part of; it counts too, and is not stopped with it.

    Attributes:
        files: how many files are known of so far.
        done_files: how many of them have arrived.
        size: bytes of all files known of so far, as far as their sizes are known.
        done: bytes that have arrived; falls when a transfer starts over.
        name: the file that was last worked on.
    """

    def __init__(self, report: Callable[[Progress], None] | None = None, *, within: Progress | None = None) -> None:
        self.files = self.done_files = 0
        self.size = self.done = 0
        self.name = ""
        self._stopped = False
        self._report = report
        self._within = within
        self._lock = threading.Lock()
        self._told = 0.0

    def expect(self, files: int, size: int) -> None:
        """More is to come: so many files, so many bytes."""
        with self._lock:
            self.files += files
            self.size += size
        if self._within is not None:
            self._within.expect(files, size)

    def advance(self, size: int, name: str = "") -> None:
        """So many bytes more have arrived; less than none if they have to come again.

        Raises:
            StoppedError: nobody waits for them any more.
        """
        with self._lock:
            if self._stopped and size > 0:
                raise StoppedError
            self.done += size
            self.name = name or self.name
            now = time.monotonic()
            if self._report is not None and now - self._told >= EVERY_S:
                self._told = now
                self._report(self)
        if self._within is not None:
            self._within.advance(size, name)

    def finish_file(self) -> None:
        """One file more is complete."""
        with self._lock:
            self.done_files += 1
        if self._within is not None:
            self._within.finish_file()

    def stop(self) -> None:
        """Let every transfer that counts here end at its next block."""
        self._stopped = True

    def finish(self) -> None:
        """Nothing more comes; told in any case."""
        with self._lock:
            if self._report is not None:
                self._report(self)
