"""A file on its way into a local store: written out of sight, then moved into place in one step.

A process that is killed leaves its unfinished file in the store's own folder, where nobody can see it; the file is
locked while its writer lives, so `sweep` can tell a dead one from a slow one.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from typing import Final

from modelyard.artifacts.base import Written
from modelyard.artifacts.paths import RESERVED
from modelyard.domain.errors import InvalidArgument

FOLDER: Final = f"{RESERVED}/incoming"
TRASH: Final = f"{RESERVED}/trash"

DIGEST: Final = "user.modelyard.sha256"
"""Extended attribute that keeps an artifact's SHA-256, with size and time, so that a later edit is noticed."""

# A file younger than this may have been created but not yet locked.
_GRACE_S: Final = 60

# Linux has them; elsewhere the digest is told to the uploader and not kept.
_HAS_ATTRIBUTES: Final = hasattr(os, "setxattr")

_MAX_BUFFERS: Final = 512  # well below IOV_MAX


class Incoming:
    """One file being received. Blocking; belongs to one thread at a time.

    Args:
        root: directory of the store.

    Raises:
        OSError: from every method, untranslated.
    """

    def __init__(self, root: str) -> None:
        self._sha = hashlib.sha256()
        self._size = 0
        self._path = f"{root}/{FOLDER}/{secrets.token_hex(12)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._fd = os.open(self._path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(f"{root}/{FOLDER}", exist_ok=True)
            self._fd = os.open(self._path, flags, 0o666)
        self._open = True
        with contextlib.suppress(OSError):  # some network file systems cannot lock; then age alone decides
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, chunks: Sequence[bytes]) -> None:
        """Write the chunks at the end."""
        for chunk in chunks:
            self._sha.update(chunk)
            self._size += len(chunk)
        if len(chunks) == 1:
            chunk = chunks[0]
            written = os.write(self._fd, chunk)
            while written < len(chunk):
                written += os.write(self._fd, memoryview(chunk)[written:])
            return
        for at in range(0, len(chunks), _MAX_BUFFERS):
            _write_all(self._fd, chunks[at : at + _MAX_BUFFERS])

    def publish(self, folder: int, name: str, *, digest: str | None, sync: bool) -> Written:
        """Move the file to `name` in the open directory `folder`; from then on it is visible.

        Raises:
            InvalidArgument: if the bytes do not have the `digest` that was promised.
        """
        actual = self._sha.hexdigest()
        if digest is not None and digest != actual:
            raise InvalidArgument(
                f"The {self._size} bytes received have the SHA-256 {actual}, but {digest} was promised. Send it again."
            )
        stat = os.fstat(self._fd)
        if _HAS_ATTRIBUTES:
            with contextlib.suppress(OSError):  # this file system keeps none: the digest is lost, nothing else
                os.setxattr(self._fd, DIGEST, _seal(actual, stat))
        if sync:
            os.fsync(self._fd)
        os.rename(self._path, name, dst_dir_fd=folder)
        self._open = False
        os.close(self._fd)
        if sync:
            os.fsync(folder)
        return Written(size=self._size, digest=actual, etag=entity_tag(stat, actual))

    def discard(self) -> None:
        """Remove the file, unless it was published. Never raises."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(self._fd)

    def __del__(self) -> None:  # an upload cancelled before it took hold of its file
        if getattr(self, "_open", False):
            self.discard()


def _write_all(fd: int, chunks: Sequence[bytes]) -> None:
    rest: list[bytes | memoryview] = list(chunks)
    while rest:
        written = os.writev(fd, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest[0])
            rest.pop(0)
        if rest:
            rest[0] = memoryview(rest[0])[written:]


def _seal(digest: str, stat: os.stat_result) -> bytes:
    return f"{digest}:{stat.st_size}:{stat.st_mtime_ns}".encode()


def recorded_digest(fd: int, stat: os.stat_result) -> str | None:
    """The SHA-256 kept with an open file; None if there is none, or if the file has changed since."""
    if not _HAS_ATTRIBUTES:
        return None
    try:
        kept = os.getxattr(fd, DIGEST)
    except OSError:
        return None
    digest = kept[:64].decode("ascii", "replace")
    return digest if kept == _seal(digest, stat) else None


def entity_tag(stat: os.stat_result, digest: str | None) -> str:
    """A strong HTTP validator: from the content where its digest is known, else from the file's identity."""
    if digest is not None:
        return f'"{digest[:32]}"'
    return f'"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"'


def sweep(root: str) -> int:
    """Remove what writers that are dead have left unfinished in the store at `root`; how many files that was."""
    removed = 0
    try:
        leftovers = list(os.scandir(f"{root}/{FOLDER}"))
    except OSError:
        return 0
    for leftover in leftovers:
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime < _GRACE_S:
                continue
            fd = os.open(leftover.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(leftover.path)
                removed += 1
            finally:
                os.close(fd)
    return removed
