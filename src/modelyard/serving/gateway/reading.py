"""A journal as its deliverer sees it; see `journal.py`."""

from __future__ import annotations

import mmap
import os
import shutil
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from modelyard.client.journal.journal import Taken, locked
from modelyard.client.journal.segments import COMMITTED, HEADER, KIND, MAGIC, SEALED

from .journal import DAMAGED, DELIVERED, DONE, HEAD, SEGMENT_KIND, state_page

if TYPE_CHECKING:
    from collections.abc import Iterator

_HALF_MADE_S: Final = 3600.0


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
            self._state_map, self.state = state_page(folder)
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

    def waiting(self) -> int:
        """Bytes that are not delivered yet; about, as segments are not filled to the last one."""
        done = self._done()
        sizes: dict[int, int] = {}
        for path in self.folder.glob("predictions-*"):
            number = int(path.name.rpartition("-")[2])
            if number >= done.segment:
                sizes[number] = path.stat().st_size
        if not sizes:
            return 0
        newest = max(sizes)
        with (self.folder / f"predictions-{newest:08}").open("rb", buffering=0) as file:
            sizes[newest] = int.from_bytes(os.pread(file.fileno(), 8, 8 * COMMITTED), "little")
        return sum(sizes.values()) - (done.offset if done.segment in sizes else 0)

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
        start = place.offset + HEAD.size
        if start <= committed:
            length, checksum, kind = HEAD.unpack_from(mapped, place.offset)
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
            if header[KIND] != SEGMENT_KIND or not header[MAGIC] or not HEADER <= header[COMMITTED] <= len(mapped):
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
