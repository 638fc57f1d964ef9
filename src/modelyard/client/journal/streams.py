"""Streams: segments in a row, bounded together; positions count bytes from the first segment on."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from .segments import HEADER, Damaged, Segment

SPARE_BYTES: Final = 8 * 2**20
"""What a stream may hold in memory when no file can be made."""

RETRY_S: Final = 0.5


class Full(Exception):
    """The bound is reached, or the disk is full."""


class Budget:
    """How many bytes the streams of one journal may take together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def fits(self, size: int, reserve: int = 0) -> bool:
        """Whether so much more may be taken; `reserve` is what some may take beyond the limit."""
        return self.used + size <= self.limit + reserve


class Stream:
    """The segments of one kind in a journal; the last one is written to.

    Args:
        folder: where its files are; None: it has none.
        kind: of its segments.
        name: the beginning of its files' names.
        size: of a segment, in bytes.
        budget: shared with the journal's other stream.
        reserve: bytes that it may take beyond the budget.
    """

    def __init__(self, folder: Path | None, kind: int, name: str, size: int, budget: Budget, reserve: int = 0) -> None:
        self.folder = folder
        self.kind = kind
        self.name = name
        self.size = size
        self._budget = budget
        self._reserve = reserve
        self._lock = threading.RLock()
        self._segments: deque[Segment] = deque()
        self._number = 0
        self._try_at = 0.0  # before then, a full disk is not asked again
        self._end = 0  # of what has been released, when nothing else is there

    def load(self) -> list[str]:
        """Find the segments that a dead process left.

        Returns:
            What is wrong with those that cannot be read; they are left out.
        """
        wrong = []
        for path in sorted(self.folder.glob(f"{self.name}-*")) if self.folder is not None else []:
            self._number = max(self._number, int(path.name.rpartition("-")[2]))
            try:
                segment = Segment.open(path, self.kind)
            except Damaged as error:
                wrong.append(str(error))
                continue
            self._segments.append(segment)
            self._budget.used += segment.size
            self._end = max(self._end, segment.end)
        self._segments = deque(sorted(self._segments, key=lambda segment: segment.base))
        return wrong

    @property
    def end(self) -> int:
        """Position behind everything that was committed."""
        try:
            return self._segments[-1].end
        except IndexError:
            return self._end

    def next_segment(self, need: int = 0) -> Segment:
        """Seal the last segment, and begin another with room for `need` bytes.

        Raises:
            Full: the bound is reached, or the disk is full and memory has taken its share.
        """
        size = max(self.size, HEADER + need)
        with self._lock:
            if self._segments:
                self._segments[-1].seal()  # whatever happens next: its end is where the next one begins
            if not self._budget.fits(size, self._reserve):
                raise Full(f"the journal holds its {self._budget.limit:,} bytes")
            if time.monotonic() < self._try_at:
                raise Full(f"no room in {self.folder}")
            self._number += 1
            path = self.folder / f"{self.name}-{self._number:08}" if self.folder is not None else None
            try:
                segment = Segment.create(path, self.kind, self.end, size)
            except OSError as error:
                # memory is a small help: it bridges the moment until somebody has made room
                if size + sum(each.size for each in self._segments if each.path is None) > SPARE_BYTES:
                    self._try_at = time.monotonic() + RETRY_S
                    raise Full(f"no room in {self.folder}: {error.strerror}") from error
                segment = Segment.create(None, self.kind, self.end, size)
            self._segments.append(segment)
            self._budget.used += size
            return segment

    def at(self, position: int) -> Segment | None:
        """The segment that holds what comes after a position; None if nothing does."""
        with self._lock:
            return next((each for each in self._segments if each.end > position), None)

    def release(self, position: int, *, all: bool = False) -> None:
        """Delete the segments that end at or before a position; the last one too, if nobody writes to it any more."""
        with self._lock:
            while self._segments and self._segments[0].end <= position and (all or len(self._segments) > 1):
                segment = self._segments.popleft()
                self._end = max(self._end, segment.end)
                self._budget.used -= segment.size
                segment.remove()

    def left(self, position: int) -> int:
        """How many bytes come after a position."""
        with self._lock:
            return sum(max(0, each.end - max(each.base, position)) for each in self._segments)

    def save(self, position: int) -> list[Segment]:
        """Move to files what is only in memory, at the end of writing.

        Args:
            position: what comes before it is not needed any more.

        Returns:
            The segments that found no room, which are no longer part of it.
        """
        lost = []
        with self._lock:
            for segment in [each for each in self._segments if each.path is None and each.end > position]:
                self._number += 1
                try:
                    segment.save(self.folder / f"{self.name}-{self._number:08}" if self.folder is not None else None)
                except OSError:
                    self._segments.remove(segment)
                    lost.append(segment)
        return lost

    def close(self) -> None:
        """Give all mappings back."""
        with self._lock:
            for segment in self._segments:
                if segment.path is not None:
                    segment.close()
