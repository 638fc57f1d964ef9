"""A journal: one directory of the spool, written by one process, delivered by it or by whoever finds it.

===================  ===============================================================================
`journal.json`       for which server (without a password), whose, since when
`lock`               locked (flock) while somebody writes or delivers it; the kernel unlocks for the dead
`state`              what was delivered, dropped and refused; the last sign of life
`points-N`           segments of points
`records-N`          segments of records
`runs.jsonl`         the ledger of runs
`files/`             artifacts that records refer to
`rejected.jsonl`     what the server refused, and why
===================  ===============================================================================
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from modelyard import settings

from . import records, spool
from .ledger import Ledger
from .segments import HEADER, POINTS, RECORDS, Damaged
from .streams import Budget, Stream

POINT_SEGMENT: Final = 2**20
RECORD_SEGMENT: Final = 2**18
RESERVE: Final = 64 * 2**20
"""What records may take when points have filled the journal."""

_STATE_SIZE: Final = 4096
POINTS_DONE, RECORDS_DONE, ALIVE_MS, DROPPED_POINTS, DROPPED_RECORDS, REJECTED = range(6)


class Taken(Exception):
    """Another process holds the journal, or it has gone."""


class Journal:
    """An open journal, locked by this process.

    Attributes:
        folder: its directory; None if none could be made, and everything is in memory.
        uri: the tracking URI that it is for, without a password.
        points, records: its streams.
        ledger: its runs.
        damaged: what cannot be read of it.
    """

    def __init__(self, folder: Path | None, uri: str, lock: int, budget: Budget) -> None:
        self.folder = folder
        self.uri = uri
        self.budget = budget
        self.points = Stream(folder, POINTS, "points", POINT_SEGMENT, budget)
        self.records = Stream(folder, RECORDS, "records", RECORD_SEGMENT, budget, reserve=RESERVE)
        self.ledger = Ledger(folder / "runs.jsonl" if folder is not None else None)
        self.damaged: list[str] = []
        self._lock = lock
        self._state_map, self.state = _state(folder)

    # -------------------------------------------------------------------------------- making and finding

    @classmethod
    def create(cls, uri: str, shown: str) -> Journal:
        """A new journal in the spool directory; one in memory if the disk takes nothing at all.

        Args:
            uri: the tracking URI, without a password.
            shown: what a person calls this process, such as its script.
        """
        import msgspec

        budget = Budget(settings.SPOOL_BYTES.get())
        lock = -1
        folder = None
        try:
            parent = spool.directory()
            # made under a name that nobody adopts, and renamed once it is locked
            making = parent / f".making-{uuid4().hex}"
            folder = parent / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}-{uuid4().hex[:8]}"
            making.mkdir(mode=0o700)
            lock = locked(making / "lock")
            about = {"uri": uri, "pid": os.getpid(), "host": socket.gethostname(), "program": shown,
                     "made_ms": time.time_ns() // 1_000_000, "format": 1}  # fmt: skip
            with os.fdopen(os.open(making / "journal.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.encode(about))
            making.rename(folder)
        except (OSError, Taken):
            folder = None
        return cls(folder, uri, lock, budget)

    @classmethod
    def adopt(cls, folder: Path) -> Journal:
        """A journal whose process is dead, with what it left.

        Raises:
            Taken: somebody else holds it.
        """
        lock = locked(folder / "lock")
        try:
            journal = cls(folder, about(folder).get("uri", ""), lock, Budget(0))
        except OSError as error:
            os.close(lock)
            raise Taken(f"{folder} cannot be read: {error}") from error
        journal.ledger = Ledger.read(folder / "runs.jsonl")
        journal.damaged = [*journal.points.load(), *journal.records.load()]
        return journal

    @classmethod
    def glance(cls, folder: Path) -> tuple[int, int]:
        """How many points and records a journal holds that another process is working on; about."""
        journal = cls.__new__(cls)
        budget = Budget(0)
        journal.points = Stream(folder, POINTS, "points", POINT_SEGMENT, budget)
        journal.records = Stream(folder, RECORDS, "records", RECORD_SEGMENT, budget)
        try:
            page = (folder / "state").read_bytes()
        except OSError:
            return 0, 0
        journal.state = memoryview(page.ljust(_STATE_SIZE, b"\0")).cast("Q")
        journal.points.load()
        journal.records.load()
        return journal.points_left, journal.records_waiting()

    # -------------------------------------------------------------------------------- what is left

    @property
    def points_left(self) -> int:
        """How many points are not delivered."""
        return self.points.left(int(self.state[POINTS_DONE])) // 32

    @property
    def records_left(self) -> int:
        """How many bytes of records are not delivered."""
        return max(0, self.records.end - self.state[RECORDS_DONE])

    def records_waiting(self) -> int:
        """How many records are not delivered; counts them."""
        count, done = 0, int(self.state[RECORDS_DONE])
        while (segment := self.records.at(done)) is not None:
            try:
                found, _ = records.read(segment, done)
            except Damaged:
                found = []
            count += len(found)
            done = found[-1].end if found else segment.end
        return count

    def pending(self) -> bool:
        """Whether anything is not delivered."""
        return self.points.end > self.state[POINTS_DONE] or self.records.end > self.state[RECORDS_DONE]

    def delivered(self, stream: Stream, position: int) -> None:
        """Note that a stream is delivered up to a position, and delete what nobody needs any more."""
        self.state[POINTS_DONE if stream is self.points else RECORDS_DONE] = position
        stream.release(position)

    def alive(self) -> None:
        """Leave a sign of life: when the process dies, its runs ended about then."""
        self.state[ALIVE_MS] = time.time_ns() // 1_000_000

    def file(self, name: str) -> Path:
        """Where a file of the journal lies.

        Raises:
            OSError: the journal has no directory.
        """
        if self.folder is None:
            raise OSError("the journal has no directory")
        return self.folder / "files" / name

    # -------------------------------------------------------------------------------- the end

    def save(self) -> None:
        """Move to files what is only in memory; nobody writes any more. What finds no room counts as dropped."""
        if self.pending():
            for segment in self.points.save(int(self.state[POINTS_DONE])):
                self.state[DROPPED_POINTS] += (segment.committed - HEADER) // 32
            for segment in self.records.save(int(self.state[RECORDS_DONE])):
                self.state[DROPPED_RECORDS] += len(records.read(segment, segment.base, segment.size)[0])

    def close(self) -> None:
        """Give up the lock and the mappings, and leave everything where it is."""
        self.points.close()
        self.records.close()
        self.state.release()
        self._state_map.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Delete it, everything having been delivered; what was refused is kept beside it."""
        folder = self.folder
        if folder is not None:
            rejected = folder / "rejected.jsonl"
            if rejected.exists():
                kept = folder.parent / "rejected"
                kept.mkdir(mode=0o700, exist_ok=True)
                rejected.rename(kept / f"{folder.name}.jsonl")
            gone = folder.with_name(f".gone-{folder.name}")
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        self.close()

    def abandon(self) -> None:
        """In a forked child: forget the journal, which is the parent's, without touching it."""
        if self._lock >= 0:
            os.close(self._lock)  # only the child's copy: the parent's lock holds
            self._lock = -1


def found() -> list[Path]:
    """The directories of all journals of this user, oldest first."""
    folders = [path for place in spool.places() for path in place.glob("*/journal.json") if path.parent.name[0] != "."]
    return sorted((path.parent for path in folders), key=lambda folder: folder.name)


def plain(uri: str) -> str:
    """A tracking URI without name and password: nothing secret is written down."""
    return re.sub(r"(\w://)[^/@]*@", r"\1", uri)


def about(folder: Path) -> dict[str, Any]:
    """What a journal says of itself; empty if it says nothing that can be read."""
    import msgspec

    try:
        told = msgspec.json.decode((folder / "journal.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return told if isinstance(told, dict) else {}


def left_by_the_dead(uri: str | None = None) -> Iterator[Journal]:
    """Every journal whose process is dead, locked by us; for one tracking URI, or for all."""
    for folder in found():
        if uri is None or about(folder).get("uri") == uri:
            try:
                yield Journal.adopt(folder)
            except Taken:
                continue


def locked(path: Path) -> int:
    """A descriptor that holds the lock of a journal.

    Raises:
        Taken: somebody else holds it, or it has been deleted meanwhile.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Taken(f"{path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    raise Taken(f"{path} is held by another process")


def _state(folder: Path | None) -> tuple[mmap.mmap, memoryview]:
    """The mapped page of counters; in memory if the disk has no room for it."""
    mapped = None
    if folder is not None:
        try:
            descriptor = os.open(folder / "state", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, _STATE_SIZE)
                else:
                    os.ftruncate(descriptor, _STATE_SIZE)
                mapped = mmap.mmap(descriptor, _STATE_SIZE)
            finally:
                os.close(descriptor)
        except OSError:
            mapped = None
    mapped = mapped if mapped is not None else mmap.mmap(-1, _STATE_SIZE)
    return mapped, memoryview(mapped).cast("Q")
