"""Points of metrics: 32 bytes each, beside the names that they refer to, written without a system call.

A point is `<u4 run, u4 key, f8 value, i8 timestamp in ms, i8 step>`, where run and key are the numbers, from 1, of
names at the end of the same segment: the very bytes that our server takes (`/api/v1/metrics/points`). A name is its
UTF-8, its length in two bytes, its kind in one and a zero; the last name stands lowest.

The hot path must hold against threads (a lock), against a signal's handler that logs in the middle of it, and against
an exception that a signal raises there. Python handles signals only after calls and at jumps back: from the look at
`_at` to the commit there is neither, so nothing is ever reserved and left empty.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from modelyard.domain.validation import check_metric_key

from .segments import COMMITTED, HEADER, NAMES, Damaged, Segment
from .streams import Full

SIZE: Final = 32
RUN, KEY = 1, 2
FULL_S: Final = 0.1
"""How long a journal that took no more is not asked again."""

_RECORD: Final = struct.Struct("<Qdqq")
_pack = _RECORD.pack
_TRAILER: Final = struct.Struct("<HBB")


class Series(dict[str, int]):
    """Key → run number and key number of one run in the segment that is being written."""

    __slots__ = ("run",)

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class PointWriter:
    """Appends points to the last segment of a stream.

    Args:
        next_segment: seals the last segment and begins another; may raise `Full` or an `OSError`.
    """

    __slots__ = (
        "_aside", "_at", "_counts", "_full", "_full_until", "_header", "_last", "_lock", "_map", "_named", "_next",
        "_numbers", "_rolling", "_segment",
    )  # fmt: skip

    def __init__(self, next_segment: Callable[[], Segment]) -> None:
        self._next = next_segment
        self.forget()

    def forget(self) -> None:
        """Begin anew with the next point, as a forked child must: the mapping is its parent's."""
        self._lock = threading.RLock()
        self._rolling = False
        self._full: Full | None = None
        self._full_until = 0.0
        self._aside: list[tuple[Series, str, float, int, int]] = []  # logged by a signal's handler during a roll
        self._named: list[Series] = getattr(self, "_named", [])
        self._drop()

    def _drop(self) -> None:
        """Write no more to the segment."""
        self._segment: Segment | None = None
        self._last = -1
        self._at = 0
        self._map: Any = None
        self._header: Any = None
        for series in self._named:
            series.clear()
        self._named = []
        self._numbers: dict[tuple[int, str], int] = {}
        self._counts = [0, 0, 0]

    def append(self, series: Series, key: str, value: float, timestamp: int, step: int) -> None:
        """Write one point; it is there when this returns, even if the process is killed at once.

        Args:
            series: of the run.
            key: of the metric.
            value: a number.
            timestamp: ms since the epoch.
            step: any 64-bit integer.

        Raises:
            struct.error, TypeError: a part is not a number, or too large.
            InvalidArgument: the key is not allowed.
            Full: the journal takes no more.
        """
        with self._lock:
            while True:
                segment = self._segment
                try:
                    head = series[key]
                except KeyError:
                    if self._rolling:
                        self._aside.append((series, key, value, timestamp, step))
                        return
                    self._name(series, key)
                    continue
                record = _pack(head, value, timestamp, step)
                # no call from here to the commit
                at = self._at
                if segment is self._segment:
                    if at <= self._last:
                        self._map[at : at + SIZE] = record
                        self._at = at = at + SIZE
                        self._header[COMMITTED] = at
                        return
                    if self._rolling:
                        self._aside.append((series, key, value, timestamp, step))
                        return
                    self._roll()

    def _roll(self) -> None:
        self._rolling = True
        try:
            self._drop()
            try:
                segment = self._next()
            except Full as full:  # dropping must cost no more than logging
                self._full, self._full_until = full, time.monotonic() + FULL_S
                raise
            self._map = segment.map
            self._header = segment.header
            self._at = HEADER
            self._last = segment.size - SIZE
            self._segment = segment
        finally:
            self._rolling = False
        while self._aside:
            self.append(*self._aside.pop(0))

    def _name(self, series: Series, key: str) -> None:
        """Give a run and a key their numbers in this segment."""
        if self._full is not None:
            if time.monotonic() < self._full_until:
                raise self._full
            self._full = None
        check_metric_key(key)
        need = SIZE + 2 * _TRAILER.size + len(key.encode()) + len(series.run.encode())
        if self._segment is None or self._at + need > self._last:
            self._roll()
        segment = self._segment
        run = self._number(RUN, series.run)
        number = self._number(KEY, key)
        if not series:
            self._named.append(series)
        if run and number and segment is self._segment:
            series[key] = run | number << 32

    def _number(self, kind: int, name: str) -> int:
        """The number of a name, which is written if it is new; 0 if a signal's handler took its room."""
        known = self._numbers.get((kind, name))
        if known:
            return known
        text = name.encode()
        entry = text + _TRAILER.pack(len(text), kind, 0)
        length = len(entry)
        about = (kind, name)
        # no call from here on
        end = self._header[NAMES]
        start = end - length
        if start - SIZE < self._at:
            return 0
        self._map[start:end] = entry
        self._header[NAMES] = start
        self._last = start - SIZE
        self._counts[kind] = number = self._counts[kind] + 1
        self._numbers[about] = number
        return number


@dataclass(slots=True)
class Points:
    """Points that were read, with their names.

    Attributes:
        runs, keys: names by number; number 0 has none.
        data: 32 bytes for each point.
        end: position in the stream behind them.
    """

    runs: list[str]
    keys: list[str]
    data: bytes
    end: int

    def __len__(self) -> int:
        return len(self.data) // SIZE

    def numbers(self) -> tuple[set[int], set[int]]:
        """Which runs and which keys occur; 0 among them: some points are void."""
        words = memoryview(self.data).cast("I")
        return set(words[::8].tolist()), set(words[1::8].tolist())

    def rows(self) -> list[tuple[int, int, float, int, int]]:
        """Run number, key number, value, timestamp and step of each point that names a run and a key."""
        runs, keys = len(self.runs), len(self.keys)
        return [row for row in struct.iter_unpack("<IIdqq", self.data) if 0 < row[0] < runs and 0 < row[1] < keys]


def read(segment: Segment, position: int, most: int, until: int | None = None) -> Points:
    """Some of the points of a segment that come after a position.

    Args:
        segment: holds the position.
        position: in the stream.
        most: how many points at most.
        until: position in the stream where to stop.

    Raises:
        Damaged: the segment cannot be read.
    """
    start = HEADER + max(0, position - segment.base)
    stop = segment.committed if until is None else min(segment.committed, HEADER + until - segment.base)
    stop = min(stop, start + most * SIZE)
    stop = start + (stop - start) // SIZE * SIZE
    data = segment.read(start, stop)
    if len(data) < stop - start:
        raise Damaged(f"{segment.path} is shorter than its header says")
    runs, keys = _names(segment)
    return Points(runs, keys, data, segment.base + stop - HEADER)


def _names(segment: Segment) -> tuple[list[str], list[str]]:
    """Runs and keys by their numbers, as far as they can be read."""
    lowest = segment.header[NAMES] if segment.header is not None else int.from_bytes(segment.read(32, 40), "little")
    lowest = min(max(lowest, HEADER), segment.size)
    heap = segment.read(lowest, segment.size)
    names: tuple[list[str], list[str]] = ([""], [""])
    end = len(heap)
    while end >= _TRAILER.size:
        length, kind, zero = _TRAILER.unpack_from(heap, end - _TRAILER.size)
        start = end - _TRAILER.size - length
        if start < 0 or zero or kind not in (RUN, KEY):
            break
        names[kind - 1].append(heap[start : start + length].decode(errors="replace"))
        end = start
    return names
