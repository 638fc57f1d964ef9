"""The gateway's journal: what it answered, in memory-mapped files that outlive it and that another process delivers.

===================  ===============================================================================
`journal.json`       whose it is, since when
`lock`               locked (flock) while the gateway writes; the kernel unlocks for the dead
`reading`            locked while somebody delivers
`state`              how far it is delivered, and counts; the deliverer writes, the gateway looks
`predictions-N`      segments (`client.journal.segments`), their records one behind the other
`rejected.jsonl`     what the server refused, and why
===================  ===============================================================================

A record is `<u4 length, u4 CRC-32 of the body, u4 kind>` and the body, MessagePack. It counts once the segment's
`committed` was moved behind it, which is a single store: a process that is killed leaves whole records. Writing one is
no system call. The next segment is made by a thread while the last one fills.
"""

from __future__ import annotations

import mmap
import os
import shutil
import socket
import struct
import threading
import time
import zlib
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec

from modelyard.client.journal.journal import Taken, locked
from modelyard.client.journal.segments import COMMITTED, HEADER, Segment

if TYPE_CHECKING:
    pass

PREDICTION: Final = 1
FEEDBACK: Final = 2
"""Kinds of records."""

SEGMENT_KIND: Final = 3
HEAD: Final = struct.Struct("<III")
"""Before a record: length, checksum, kind."""

_SEGMENT: Final = 4 * 2**20
_STATE_BYTES: Final = 4096
_RETRY_S: Final = 0.5
_MADV_POPULATE_WRITE: Final = 23  # Linux 5.14
_POPULATED: Final = 2**16
"""Bytes at once, as all threads wait meanwhile."""

# Places in `state`. DONE is a segment's number, shifted by 32 bits, and an offset in it.
DONE, DELIVERED, REJECTED, DAMAGED, REACHED_MS = range(5)


class Full(Exception):
    """The bound is reached, or the disk takes nothing."""


class Journal:
    """The journal of one gateway, as it writes it. One thread at a time may append.

    Args:
        root: the folder of all journals.
        gateway: its name, for people.
        limit_bytes: the most that it may take on disk.

    Attributes:
        folder: its own; None while none could be made.
        records: how many were appended.
    """

    def __init__(self, root: Path, gateway: str, limit_bytes: int) -> None:
        self.root = root
        self.gateway = gateway
        self.limit_bytes = limit_bytes
        self.folder: Path | None = None
        self.records = 0
        self._lock = -1
        self._state_map: mmap.mmap | None = None
        self._state: memoryview | None = None
        self._sizes: deque[tuple[int, int]] = deque()
        self._number = 0
        self._try_at = 0.0
        self._segment: Segment | None = None
        self._map: Any = None
        self._header: Any = None
        self._at = self._size = 0
        self._half = 0
        self._ahead: Segment | None = None
        self._swap = threading.Lock()
        self._wanted = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    # -------------------------------------------------------------------------------- writing

    def append(self, kind: int, body: bytes) -> None:
        """Write one record.

        Raises:
            Full: there is no room for it.
        """
        length = len(body)
        at = self._at
        end = at + HEAD.size + length
        if end > self._size or self._map is None:
            self._roll(HEAD.size + length)
            at = self._at
            end = at + HEAD.size + length
        HEAD.pack_into(self._map, at, length, zlib.crc32(body), kind)
        self._map[at + HEAD.size : end] = body
        self._header[COMMITTED] = self._at = end
        self.records += 1
        if end > self._half:
            self._half = self._size
            self._wanted.set()

    def _roll(self, need: int) -> None:
        """Seal the segment, and begin another."""
        if self._segment is not None:
            self._segment.seal()
            self._drop()
        if self._closing:
            raise Full("the journal is closed")
        if time.monotonic() < self._try_at:
            raise Full("the disk takes nothing")
        size = max(_SEGMENT, HEADER + need)
        if self.used + size > self.limit_bytes:
            self._try_at = time.monotonic() + _RETRY_S
            raise Full(f"the journal holds its {self.limit_bytes:,} bytes")
        try:
            self._begin()
            self._take(self._made(size), size)
        except OSError as error:
            self._try_at = time.monotonic() + _RETRY_S
            raise Full(f"no room in {self.root}: {error.strerror}") from error

    def _take(self, segment: Segment, size: int) -> None:
        self._number += 1
        self._sizes.append((self._number, size))
        self._segment, self._map, self._header = segment, segment.map, segment.header
        self._at, self._size = HEADER, size
        self._half = size // 2

    def _drop(self) -> None:
        self._segment = self._map = self._header = None
        self._at = self._size = 0

    def _made(self, size: int) -> Segment:
        """The segment that was made ahead, or one made now."""
        path = self._path(f"predictions-{self._number + 1:08}")
        with self._swap:
            ahead, self._ahead = self._ahead, None
        if ahead is not None:
            if ahead.size >= size and ahead.path is not None:
                ahead.path.rename(path)
                ahead.path = path
                return ahead
            ahead.remove()
        return Segment.create(path, SEGMENT_KIND, 0, size)

    def _path(self, name: str) -> Path:
        assert self.folder is not None  # noqa: S101 - it was made before
        return self.folder / name

    def _make_ahead(self) -> None:
        """On its own thread: the next segment, before it is needed."""
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closing:
                return
            if self._ahead is None:
                with suppress(OSError):
                    made = Segment.create(self._path(f"ahead-{uuid4().hex}"), SEGMENT_KIND, 0, _SEGMENT)
                    _populate(made)
                    with self._swap:
                        self._ahead = made

    # -------------------------------------------------------------------------------- its folder

    def _begin(self) -> None:
        """Make the folder, if there is none yet.

        Raises:
            OSError: that cannot be.
        """
        if self.folder is not None:
            return
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        making = self.root / f".making-{uuid4().hex}"
        making.mkdir(mode=0o700)
        try:
            lock = locked(making / "lock")
            about = {"gateway": self.gateway, "pid": os.getpid(), "host": socket.gethostname(),
                     "made_ms": time.time_ns() // 1_000_000, "format": 1}  # fmt: skip
            (making / "journal.json").write_bytes(msgspec.json.encode(about))
            state_map, state = state_page(making)
            folder = self.root / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}-{uuid4().hex[:8]}"
            making.rename(folder)
        except Taken as error:
            raise OSError(0, str(error)) from error
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            raise
        self._lock, self._state_map, self._state, self.folder = lock, state_map, state, folder
        self._thread = threading.Thread(target=self._make_ahead, name="modelyard-journal", daemon=True)
        self._thread.start()

    def begin(self) -> Path | None:
        """Make the folder now rather than with the first record; None if that cannot be."""
        with suppress(OSError):
            self._begin()
        return self.folder

    @property
    def used(self) -> int:
        """Bytes on disk."""
        done = (self._state[DONE] >> 32) if self._state is not None else 0
        while self._sizes and self._sizes[0][0] < done:
            self._sizes.popleft()
        return sum(size for _, size in self._sizes)

    def told(self, place: int) -> int:
        """What the deliverer says in `state`."""
        return int(self._state[place]) if self._state is not None else 0

    def close(self) -> None:
        """Write no more, and let whoever wants deliver it."""
        self._closing = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(1.0)
        if self._segment is not None:
            self._segment.seal()
            self._drop()
        if self._ahead is not None:
            self._ahead.remove()
            self._ahead = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _populate(segment: Segment) -> None:
    """Have the pages of a mapping there before they are written to: a fault costs as much as a record."""
    if segment.map is not None:
        with suppress(OSError, AttributeError):  # an older system, or another
            for at in range(0, segment.size, _POPULATED):
                segment.map.madvise(_MADV_POPULATE_WRITE, at, _POPULATED)


def state_page(folder: Path) -> tuple[mmap.mmap, memoryview]:
    """The page of counters of a journal: mapped, and as eight-byte integers."""
    descriptor = os.open(folder / "state", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < _STATE_BYTES:
            os.pwrite(descriptor, bytes(_STATE_BYTES), 0)  # blocks of its own: a store into a hole may fail later
        mapped = mmap.mmap(descriptor, _STATE_BYTES)
    finally:
        os.close(descriptor)
    return mapped, memoryview(mapped).cast("Q")
