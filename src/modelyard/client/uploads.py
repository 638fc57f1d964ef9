"""Files on their way to a folder of artifacts: read in blocks, hashed beside, sent again from the start if need be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from modelyard.domain.errors import InvalidArgument

from .hashing import BESIDE, Hasher
from .progress import Progress


class BytesBody:
    """Bytes in memory.

    Args:
        data: the bytes.
        progress: is told of them.
    """

    def __init__(self, data: bytes, progress: Progress) -> None:
        self.size = len(data)
        self._data = data
        self._progress = progress
        self._sent = False
        self._digest = hashlib.sha256(data).hexdigest()

    def tell(self) -> int:
        """Always the start: they are sent in one piece."""
        return 0

    def seek(self, _at: int) -> None:
        """Nothing to do."""

    def __iter__(self) -> Iterator[memoryview]:
        if self._data:
            yield memoryview(self._data)
        if not self._sent:
            self._sent = True
            self._progress.advance(self.size)

    def promised(self) -> str | None:
        """Their SHA-256."""
        return self._digest

    def digest(self) -> str | None:
        """Their SHA-256."""
        return self._digest


class FileBody:
    """An open file, from its start to the size that it has now; it may grow meanwhile, like a log.

    Args:
        file: opened without a buffer; the caller closes it.
        name: for messages.
        progress: is told of what was read, and of what has to be read again.
        hashed: whether to compute the SHA-256 on the way.
    """

    def __init__(self, file: FileIO, name: str, progress: Progress, *, hashed: bool) -> None:
        self.size = os.fstat(file.fileno()).st_size
        self._file = file
        self._name = name
        self._progress = progress
        self._at = self._counted = 0
        self._hashed = hashed
        self._hasher: Hasher | None = None
        self._promised: str | None = None
        if hashed and self.size < BESIDE:
            self._promised = hashlib.sha256(file.read(self.size)).hexdigest()
            file.seek(0)

    def tell(self) -> int:
        """How far it was read."""
        return self._at

    def seek(self, at: int) -> None:
        """Go back to the start."""
        self._progress.advance(at - self._counted, self._name)
        self._file.seek(at)
        self._at = self._counted = at

    def __iter__(self) -> Iterator[memoryview]:
        self.close()
        hasher = self._hasher = Hasher(self.size, hashed=self._hashed and self._promised is None)
        while self._at < self.size:
            buffer = hasher.buffer()
            try:
                count = self._file.readinto(buffer[: self.size - self._at])
            except OSError as error:
                raise InvalidArgument(f"{self._name} cannot be read: {error.strerror}.") from error
            if not count:
                raise InvalidArgument(f"{self._name} became shorter while it was uploaded; it was not stored.")
            self._at += count
            yield buffer[:count]
            hasher.update(buffer, count)
            self._counted = self._at
            self._progress.advance(count, self._name)

    def promised(self) -> str | None:
        """Of a small file, its SHA-256."""
        return self._promised

    def digest(self) -> str | None:
        """SHA-256 of what was sent."""
        if not self._hashed or self._promised is not None or self._hasher is None:
            return self._promised
        return self._hasher.finish()

    def close(self) -> None:
        """Let the thread go that computes the digest."""
        if self._hasher is not None:
            self._hasher.finish()
            self._hasher = None


def tree(folder: Path) -> list[tuple[str, Path, int]]:
    """The regular files below a directory: path with "/" between names, the file, its size. Links to files count.

    Raises:
        InvalidArgument: it is not a directory.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is not a directory.")
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if file.is_file():  # no pipes and sockets: reading one would wait for somebody to write
                found.append((file.relative_to(folder).as_posix(), file, file.stat().st_size))
    return found
