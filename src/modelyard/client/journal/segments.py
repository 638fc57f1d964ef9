"""Segments: preallocated, memory-mapped files. What was written to one survives the death of its process.

Layout, little-endian::

    0   u8  magic, which also is the version of the format
    8   u8  kind: 1 points, 2 records
    16  u8  base: how many bytes the segments before this one hold
    24  u8  committed: offset behind the last byte that counts
    32  u8  names: offset of the lowest name; names grow down from the end (points only)
    40  u8  sealed: 1 once nothing more is written
    64      what is kept

A store of eight bytes is one instruction, and a process that is killed has done everything before it: `committed` is
moved after the bytes are there, so that a reader never sees half of something.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Final

HEADER: Final = 64
POINTS: Final = 1
RECORDS: Final = 2
MAGIC, KIND, BASE, COMMITTED, NAMES, SEALED = range(6)

_MAGIC: Final = int.from_bytes(b"MYJOURN1", "little")


class Damaged(Exception):
    """A segment cannot be read: it is not one, or not whole."""


class Segment:
    """One segment of a stream.

    Attributes:
        path: of its file; None if it is kept in memory because no file could be made.
        size: of the file, in bytes.
        base: position in the stream of its first byte.
        map: the mapping while it is written or kept in memory; None otherwise.
        header: the first 64 bytes as eight integers, while `map` is there.
    """

    __slots__ = ("_end", "base", "header", "map", "path", "size")

    def __init__(self, path: Path | None, size: int, base: int, mapped: mmap.mmap | None, end: int) -> None:
        self.path = path
        self.size = size
        self.base = base
        self.map = mapped
        self.header = memoryview(mapped)[:HEADER].cast("Q") if mapped is not None else None
        self._end = end

    @classmethod
    def create(cls, path: Path | None, kind: int, base: int, size: int) -> Segment:
        """A new segment, whose blocks are reserved: a full disk says so here, not at a store into the mapping.

        Args:
            path: of its file; None: in memory.
            kind: `POINTS` or `RECORDS`.
            base: position in the stream of its first byte.
            size: in bytes.

        Raises:
            OSError: there is no room, or the directory cannot be written to.
        """
        mapped = mmap.mmap(-1, size) if path is None else _reserved(path, size)
        segment = cls(path, size, base, mapped, HEADER)
        header = segment.header
        assert header is not None  # noqa: S101 - it is mapped
        header[KIND], header[BASE], header[COMMITTED], header[NAMES], header[SEALED] = kind, base, HEADER, size, 0
        header[MAGIC] = _MAGIC
        return segment

    @classmethod
    def open(cls, path: Path, kind: int) -> Segment:
        """A segment that a dead process left behind.

        Raises:
            Damaged: it is not one, or its header says what cannot be.
        """
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                header = memoryview(file.read(HEADER))
        except OSError as error:
            raise Damaged(f"{path} cannot be read: {error.strerror}") from error
        if len(header) < HEADER:
            raise Damaged(f"{path} is shorter than a header")
        fields = header.cast("Q")
        if fields[MAGIC] != _MAGIC or fields[KIND] != kind:
            raise Damaged(f"{path} is not a segment of this kind")
        if not HEADER <= fields[COMMITTED] <= fields[NAMES] <= size:
            raise Damaged(f"{path} has an impossible header")
        return cls(path, size, fields[BASE], None, fields[COMMITTED])

    @property
    def committed(self) -> int:
        """Offset behind the last byte that counts."""
        header = self.header
        try:
            return self._end if header is None else header[COMMITTED]
        except ValueError:  # closed by another thread just now
            return self._end

    @property
    def end(self) -> int:
        """Position in the stream behind the last byte that counts."""
        return self.base + self.committed - HEADER

    def read(self, start: int, end: int) -> bytes:
        """The bytes from one offset to another; fewer if the file was cut.

        Raises:
            Damaged: they cannot be read.
        """
        if self.path is None:
            mapped = self.map
            return mapped[start:end] if mapped is not None else b""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.pread(descriptor, end - start, start)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Damaged(f"{self.path} cannot be read: {error.strerror}") from error

    def seal(self) -> None:
        """Nothing more is written: give the mapping back, unless it is all there is."""
        header = self.header
        if header is None:
            return
        self._end = header[COMMITTED]
        header[SEALED] = 1
        if self.path is not None:
            self.close()

    def save(self, path: Path | None) -> None:
        """Move to a file what was kept in memory; nobody writes to it any more.

        Raises:
            OSError: there is no room.
        """
        mapped = self.map
        if self.path is not None or mapped is None:
            return
        if path is None:
            raise OSError(errno.ENOENT, "no directory")
        copy = _reserved(path, self.size)
        copy[:] = mapped[:]
        copy.close()
        self.path = path
        self.close()

    def close(self) -> None:
        """Give the mapping back."""
        mapped, header = self.map, self.header
        if mapped is None:
            return
        self._end = self.committed
        self.header = self.map = None
        if header is not None:
            header.release()
        mapped.close()

    def remove(self) -> None:
        """Delete it; a file that has gone already is none the worse."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _reserved(path: Path, size: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except (AttributeError, OSError) as error:  # macOS; a file system that cannot
            if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            os.pwrite(descriptor, bytes(size), 0)
        return mmap.mmap(descriptor, size)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
