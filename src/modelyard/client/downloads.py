"""One file on its way to the disk: resumed where it broke off, verified, moved into place when it is complete.

An unfinished file lies beside its target as `.modelyard-<hash of its name>.part`, and beside it, as `.etag`, the entity
tag of what was being read. So the next attempt, of this process or another, goes on with the same bytes or starts over.
The file is locked while somebody writes to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import secrets
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument, RangeNotSatisfiable, Unavailable

from .hashing import Hasher

if TYPE_CHECKING:
    from .folders import Folder, Opened
    from .progress import Progress

ATTEMPTS: Final = 5
"""How often a broken download is taken up again without a single new byte, before it fails."""

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
PREFIX: Final = ".modelyard-"

RESUMED_FROM: Final = 2**20
"""Bytes of a file from which on an unfinished download outlives its process; what is smaller comes again."""


def fetch(
    folder: Folder,
    path: str,
    target: Path,
    progress: Progress,
    *,
    size: int | None = None,
    digest: str | None = None,
    summed: bool = True,
) -> str:
    """Download one file.

    Args:
        folder: where from.
        path: which file.
        target: where to; its directory exists. Replaced only when everything has arrived.
        progress: is told of the bytes; the caller has told it to expect them.
        size: bytes that a listing promised; None if it did not say.
        digest: SHA-256 that the content has to have, 64 hex digits; None: what the folder says, if it does.
        summed: whether the caller wants the SHA-256; if not, it is computed only where there is one to compare with.

    Returns:
        The SHA-256 of what is now at `target`, 64 hex digits; empty if it was not computed.

    Raises:
        NotFound: there is no such file.
        Unavailable: it broke off too often; what has arrived is kept, and the next call goes on from there.
        DataCorrupted: it arrived twice with a digest that is not the promised one.
    """
    part = _Part(target)
    try:
        progress.advance(part.size, path)
        damaged = failures = 0
        received = False
        while True:
            begun = part.size
            try:
                return _attempt(folder, path, part, progress, size, digest, summed=summed)
            except (DataCorrupted, RangeNotSatisfiable) as error:
                progress.advance(-part.size, path)
                part.start_over("", 0)
                damaged += isinstance(error, DataCorrupted)
                failures += 1
                if damaged > 1 or failures >= ATTEMPTS:
                    raise
            except Unavailable:
                received = received or part.size > begun
                failures = 1 if part.size > begun else failures + 1
                if failures >= ATTEMPTS or not received:  # the transport has tried to get an answer long enough
                    raise
                pause = min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S)
                time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - not a secret
    finally:
        part.close()


def has(target: Path, size: int | None, digest: str) -> bool:
    """Whether a file is there and has this size and SHA-256."""
    try:
        with target.open("rb") as file:
            if size is not None and os.fstat(file.fileno()).st_size != size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def _attempt(
    folder: Folder, path: str, part: _Part, progress: Progress, size: int | None, digest: str | None, *, summed: bool
) -> str:
    opened = folder.open(path, part.size if part.etag else 0, part.etag)
    try:
        whole = opened.size if opened.size is not None else size
        if not part.size or not part.etag or opened.start != part.size or opened.etag != part.etag:
            if opened.start:  # another version, and not from its start
                opened.close()
                opened = folder.open(path)
            progress.advance(-part.size, path)
            part.start_over(opened.etag, whole or 0)
        promised = digest or opened.digest
        hasher = Hasher(whole, hashed=summed or promised is not None)
        try:
            part.hash_into(hasher)
            _copy(opened, part, hasher, progress, path)
        finally:
            actual = hasher.finish()
    finally:
        opened.close()
    if whole is not None and part.size < whole:
        raise Unavailable(f"{folder.uri}/{path} broke off after {part.size} of {whole} bytes.")
    if promised is not None and promised != actual:
        raise DataCorrupted(
            f"{folder.uri}/{path} is damaged: the SHA-256 of its {part.size} bytes is {actual}, expected {promised}."
        )
    part.publish()
    return actual


def _copy(opened: Opened, part: _Part, hasher: Hasher, progress: Progress, path: str) -> None:
    while True:
        buffer = hasher.buffer()
        count = opened.read_into(buffer)
        if not count:
            return
        part.append(buffer[:count])
        hasher.update(buffer, count)
        progress.advance(count, path)


class _Part:
    """The unfinished file of one target. An OSError of the disk becomes a sentence.

    Attributes:
        size: bytes that it has.
        etag: entity tag of the version that they are of; empty if it is not known, which forbids going on.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        name = hashlib.sha256(target.name.encode(errors="surrogateescape")).hexdigest()[:16]
        self._path = target.parent / f"{PREFIX}{name}.part"
        self._tag = target.parent / f"{PREFIX}{name}.etag"
        self._published = False
        self.size = 0
        self.etag = ""
        with self._explained():
            file = self._locked()
            while file is None:  # another process downloads the same file: two parts, and the last one counts
                self._path = target.parent / f"{PREFIX}{secrets.token_hex(8)}.part"
                self._tag = self._path.with_suffix(".etag")
                file = self._locked()
            self._file = file
            left = os.fstat(file.fileno()).st_size
            if left and self._tag.exists():
                self.size, self.etag = left, self._tag.read_text()
            elif left:
                self._empty()

    def start_over(self, etag: str, whole: int) -> None:
        """Forget the bytes; what comes is of the version with this entity tag, and has so many bytes."""
        with self._explained():
            if self.size:  # ext4 writes a file that was truncated, even at no length, to the disk when it is closed
                self._empty()
            self.etag = etag
            if etag and whole >= RESUMED_FROM:
                self._tag.write_text(etag)
            else:
                self._tag.unlink(missing_ok=True)

    def _empty(self) -> None:
        self._file.truncate(0)
        self._file.seek(0)
        self.size = 0

    def append(self, block: memoryview) -> None:
        """Write at the end."""
        written = 0
        with self._explained():
            while written < len(block):
                written += self._file.write(block[written:])
        self.size += written

    def hash_into(self, hasher: Hasher) -> None:
        """Let a hasher read what is there already, if it computes anything; the next byte is appended."""
        if not self.size:
            return
        with self._explained():
            self._file.seek(0 if hasher.hashed else self.size)
            while count := self._file.readinto(buffer := hasher.buffer()):
                hasher.update(buffer, count)
            hasher.update(buffer, 0)

    def publish(self) -> None:
        """Move it to the target."""
        with self._explained():
            self._path.replace(self._target)
            self._tag.unlink(missing_ok=True)
        self._published = True

    def close(self) -> None:
        """Let go; what nobody could resume is removed."""
        if not self._published and not (self.size and self._tag.exists()):
            self._path.unlink(missing_ok=True)
            self._tag.unlink(missing_ok=True)
        self._file.close()

    def _locked(self) -> FileIO | None:
        """Open and lock the part; None if another process has it."""
        file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
        if _lock(file.fileno()) and self._path.exists():  # whoever had it may have moved it away meanwhile
            return file
        file.close()
        return None

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InvalidArgument(f"{self._target} cannot be written: {error.strerror}.") from error


def _lock(fd: int) -> bool:
    try:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True  # no locks here: two writers of one target are then the user's affair
    return True
