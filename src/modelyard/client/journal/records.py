"""Records: everything but points. A length, a checksum, where the points stood, and a JSON object.

`<u4 length of the JSON, u4 CRC-32 of what follows, u8 position of the points stream>` and the JSON. The position says
which points were logged before: they are delivered before the run's end is.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .segments import COMMITTED, HEADER, Segment

_HEAD: Final = struct.Struct("<IIQ")
LONGEST: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Record:
    """One record that was read.

    Attributes:
        content: what it says; `kind` and `run` are always there.
        points: position of the points stream when it was written.
        end: position in the records stream behind it: its ticket.
    """

    content: dict[str, Any]
    points: int
    end: int

    @property
    def kind(self) -> str:
        """What is to be done."""
        return str(self.content["kind"])

    @property
    def run(self) -> str:
        """The run that it is about, by the id that this journal knows."""
        return str(self.content["run"])


class RecordWriter:
    """Appends records to the last segment of a stream; see `PointWriter` for what it must hold against."""

    def __init__(self, next_segment: Callable[[int], Segment]) -> None:
        self._next = next_segment
        self.forget()

    def forget(self) -> None:
        """Begin anew with the next record."""
        self._lock = threading.RLock()
        self._rolling = False
        self._aside: list[bytes] = []  # written by a signal's handler during a roll
        self._drop()

    def _drop(self) -> None:
        """Write no more to the segment."""
        self._segment: Segment | None = None
        self._size = 0
        self._at = 0
        self._base = 0
        self._map: Any = None
        self._header: Any = None

    def append(self, content: dict[str, Any], points: int) -> int:
        """Write one record.

        Args:
            content: a JSON object with `kind` and `run`.
            points: position of the points stream.

        Returns:
            The position behind it.

        Raises:
            Full: the journal takes no more.
        """
        import msgspec

        body = points.to_bytes(8, "little") + msgspec.json.encode(content)
        record = _HEAD.pack(len(body) - 8, zlib.crc32(body), points) + body[8:]
        return self._put(record)

    def _put(self, record: bytes) -> int:
        length = len(record)
        with self._lock:
            while True:
                # no call from here to the commit
                at = self._at
                end = at + length
                if self._segment is not None and end <= self._size:
                    self._map[at:end] = record
                    self._header[COMMITTED] = self._at = end
                    return self._base + end - HEADER
                if self._rolling:
                    self._aside.append(record)
                    return self._base
                self._roll(length)

    def _roll(self, need: int) -> None:
        self._rolling = True
        try:
            self._drop()
            segment = self._next(need)
            self._map, self._header = segment.map, segment.header
            self._at, self._size, self._base = HEADER, segment.size, segment.base
            self._segment = segment
        finally:
            self._rolling = False
        while self._aside:
            self._put(self._aside.pop(0))


def read(segment: Segment, position: int, most_bytes: int = 2**20) -> tuple[list[Record], str]:
    """Some of the records of a segment that come after a position, one at least if there is a whole one.

    Returns:
        The records, and what is wrong with the one after them; empty if nothing is.

    Raises:
        Damaged: the segment cannot be read.
    """
    start = HEADER + max(0, position - segment.base)
    data = segment.read(start, min(segment.committed, start + most_bytes))
    if len(data) >= _HEAD.size:
        first = _HEAD.size + _HEAD.unpack_from(data)[0]
        if len(data) < first <= LONGEST:
            data = segment.read(start, min(segment.committed, start + first))
    records = list(parse(data, segment.base + start - HEADER))
    whole = records[-1].end if records else segment.base + start - HEADER
    if not records and segment.committed > start:
        return [], f"a damaged record at {whole:,}"
    return records, ""


def parse(data: bytes, position: int) -> Iterator[Record]:
    """The records that some bytes begin with, up to the first that is cut or damaged.

    Args:
        data: where a record begins.
        position: in the stream, of the first byte.
    """
    import msgspec

    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum, points = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if not length or end > len(data) or zlib.crc32(data[at + 8 : end]) != checksum:
            return
        try:
            content = msgspec.json.decode(data[at + _HEAD.size : end])
        except (msgspec.DecodeError, RecursionError):
            return
        if not isinstance(content, dict) or "kind" not in content or "run" not in content:
            return
        yield Record(content, points, position + end)
        at = end
