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
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import msgspec

from modelyard.client.journal.journal import Taken, locked
from modelyard.client.journal.segments import COMMITTED, HEADER, KIND, MAGIC, SEALED, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

PREDICTION: Final = 1
FEEDBACK: Final = 2
"""Kinds of records."""

_OURS: Final = 3  # the kind of segment
_HEAD: Final = struct.Struct("<III")
_SEGMENT: Final = 4 * 2**20
_STATE_BYTES: Final = 4096
_RETRY_S: Final = 0.5
_HALF_MADE_S: Final = 3600.0

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
        end = at + _HEAD.size + length
        if end > self._size or self._map is None:
            self._roll(_HEAD.size + length)
            at = self._at
            end = at + _HEAD.size + length
        self._map[at : at + _HEAD.size] = _HEAD.pack(length, zlib.crc32(body), kind)
        self._map[at + _HEAD.size : end] = body
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
        return Segment.create(path, _OURS, 0, size)

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
                    made = Segment.create(self._path(f"ahead-{uuid4().hex}"), _OURS, 0, _SEGMENT)
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
            state_map, state = _state(making)
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


class Place(NamedTuple):
    """Where reading stands: the offset of the next record in a segment."""

    segment: int
    offset: int

    @property
    def packed(self) -> int:
        """As in `state`."""
        return self.segment << 32 | self.offset


class Record(NamedTuple):
    """One record that was read.

    Attributes:
        kind: `PREDICTION` or `FEEDBACK`.
        body: MessagePack.
        end: the place behind it.
    """

    kind: int
    body: bytes
    end: Place


class Reading:
    """A journal as its deliverer sees it: the only one, of a gateway that lives or is dead.

    Args:
        folder: the journal's.

    Attributes:
        state: the mapped page.
        damaged: what cannot be read of it, since last asked.

    Raises:
        Taken: somebody else delivers it.
        OSError: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reading = locked(folder / "reading")
        self._owner = -1
        try:
            self._state_map, self.state = _state(folder)
        except OSError:
            os.close(self._reading)
            raise
        self.damaged: list[str] = []
        self._open: tuple[int, mmap.mmap, memoryview] | None = None

    @property
    def orphaned(self) -> bool:
        """Whether nobody writes to it any more; it is then ours for good."""
        if self._owner < 0:
            with suppress(Taken):
                self._owner = locked(self.folder / "lock")
        return self._owner >= 0

    def some(self, most: int, most_bytes: int) -> list[Record]:
        """Some of what is not delivered, in order; empty if nothing is."""
        found: list[Record] = []
        size = 0
        place = self._done()
        while len(found) < most and size < most_bytes:
            record = self._next(place)
            if record is None:
                break
            found.append(record)
            size += len(record.body)
            place = record.end
        return found

    def delivered(self, upto: Place, count: int) -> None:
        """Everything before a place is delivered; segments that nobody needs any more are deleted."""
        self.state[DONE] = upto.packed
        self.state[DELIVERED] += count
        self._release(upto)

    def finished(self) -> bool:
        """Whether it is orphaned, and everything is delivered."""
        return self.orphaned and self._next(self._done()) is None

    def _done(self) -> Place:
        packed = int(self.state[DONE])
        return Place(max(1, packed >> 32), max(HEADER, packed & 0xFFFFFFFF))

    def _next(self, place: Place) -> Record | None:
        while True:
            header = self._header(place.segment)
            if header is None:
                following = self._after(place.segment)
                if following is None:
                    return None
                place = Place(following, HEADER)  # a segment that has gone
                continue
            sealed = header[SEALED]
            committed = int(header[COMMITTED])
            if place.offset < committed:
                record = self._record(place, committed)
                if record is not None:
                    return record
                self._spoilt(place)
            elif not sealed and not (self._owner >= 0 and self._after(place.segment) is not None):
                return None
            following = self._after(place.segment)
            if following is None:
                return None
            place = Place(following, HEADER)

    def _record(self, place: Place, committed: int) -> Record | None:
        assert self._open is not None  # noqa: S101 - its header was just read
        mapped = self._open[1]
        start = place.offset + _HEAD.size
        if start <= committed:
            length, checksum, kind = _HEAD.unpack_from(mapped, place.offset)
            end = start + length
            if end <= committed:
                body = mapped[start:end]
                if zlib.crc32(body) == checksum:
                    return Record(kind, body, Place(place.segment, end))
        return None

    def _header(self, number: int) -> memoryview | None:
        """The header of a segment, mapped; None if there is no such segment, or nobody began it."""
        if self._open is None or self._open[0] != number:
            self._forget()
            path = self.folder / f"predictions-{number:08}"
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return None
            try:
                if os.fstat(descriptor).st_size < HEADER:
                    return None
                mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            finally:
                os.close(descriptor)
            header = memoryview(mapped)[:HEADER].cast("Q")
            if header[KIND] != _OURS or not header[MAGIC] or not HEADER <= header[COMMITTED] <= len(mapped):
                begun = bool(header[MAGIC])
                header.release()
                mapped.close()
                if begun:
                    self._spoilt(Place(number, 0))
                return None
            self._open = number, mapped, header
        return self._open[2]

    def _after(self, number: int) -> int | None:
        """The number of the next segment, if there is one."""
        later = (int(path.name.rpartition("-")[2]) for path in self.folder.glob("predictions-*"))
        return min((each for each in later if each > number), default=None)

    def _spoilt(self, place: Place) -> None:
        """Put aside a segment that cannot be read from here on: a power cut, or a disk that lies."""
        self._forget()
        path = self.folder / f"predictions-{place.segment:08}"
        with suppress(OSError):
            kept = path.with_name(f"damaged-{place.segment:08}")
            path.rename(kept)
            self.damaged.append(f"{kept} cannot be read from byte {place.offset:,} on")
            self.state[DAMAGED] += 1

    def _release(self, upto: Place) -> None:
        """Delete what was read: segments before the place, and its own if nothing more comes into it."""
        for path in self.folder.glob("predictions-*"):
            if int(path.name.rpartition("-")[2]) < upto.segment:
                path.unlink(missing_ok=True)
        header = self._header(upto.segment)
        if header is not None and header[SEALED] and upto.offset >= header[COMMITTED]:
            self._forget()
            self.state[DONE] = Place(upto.segment + 1, HEADER).packed
            (self.folder / f"predictions-{upto.segment:08}").unlink(missing_ok=True)

    def _forget(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened[2].release()
            opened[1].close()

    def remove(self) -> None:
        """Delete it, everything having been delivered; what was refused or damaged is kept beside it."""
        for path in [*self.folder.glob("rejected.jsonl"), *self.folder.glob("damaged-*")]:
            kept = self.folder.parent / "rejected"
            kept.mkdir(mode=0o700, exist_ok=True)
            path.rename(kept / f"{self.folder.name}-{path.name}")
        gone = self.folder.with_name(f".gone-{self.folder.name}")
        self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let somebody else deliver it."""
        self._forget()
        self.state.release()
        self._state_map.close()
        for descriptor in (self._reading, self._owner):
            if descriptor >= 0:
                os.close(descriptor)
        self._reading = self._owner = -1


def found(root: Path) -> Iterator[Path]:
    """The folders of all journals, oldest first."""
    for path in sorted(root.glob("*/journal.json")):
        if not path.parent.name.startswith("."):
            yield path.parent


def tidy(root: Path) -> None:
    """Remove what is left of folders whose making or removal was cut short."""
    for path in [*root.glob(".gone-*"), *root.glob(".making-*")]:
        with suppress(OSError):
            if path.name.startswith(".gone-") or time.time() - path.stat().st_mtime > _HALF_MADE_S:
                shutil.rmtree(path, ignore_errors=True)


def process_of(folder: Path) -> int:
    """The process that writes or wrote a journal; 0 if that cannot be read."""
    try:
        told = msgspec.json.decode((folder / "journal.json").read_bytes())
        return int(told["pid"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return 0


def _state(folder: Path) -> tuple[mmap.mmap, memoryview]:
    descriptor = os.open(folder / "state", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < _STATE_BYTES:
            os.pwrite(descriptor, bytes(_STATE_BYTES), 0)  # blocks of its own: a store into a hole may fail later
        mapped = mmap.mmap(descriptor, _STATE_BYTES)
    finally:
        os.close(descriptor)
    return mapped, memoryview(mapped).cast("Q")
