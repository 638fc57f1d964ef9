"""Artifacts as plain files in a directory, laid out exactly as their paths say.

Small files are read and written on the event loop: the page cache answers in microseconds, a hop to a thread takes
longer. Everything larger, colder or slower goes to a small pool of threads.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import stat as stat_bits
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from modelyard.artifacts.base import (
    MULTIPART_UPLOAD_UNSUPPORTED,
    PRESIGN_UNSUPPORTED,
    Download,
    Entry,
    MultipartUpload,
    Part,
    Stat,
    Written,
)
from modelyard.artifacts.incoming import TRASH, Incoming, entity_tag, recorded_digest, sweep
from modelyard.artifacts.outgoing import Outgoing
from modelyard.artifacts.paths import RESERVED
from modelyard.artifacts.threads import POOL, in_thread
from modelyard.domain.errors import (
    InvalidArgument,
    ModelyardError,
    NotFound,
    NotSupported,
    RangeNotSatisfiable,
    Unavailable,
)

_Entries = list[Entry]  # the class below has a method called list

_BATCH: Final = 1024 * 1024
_INLINE: Final = 64 * 1024

_FD: Final = "/proc/self/fd" if Path("/proc/self/fd").is_dir() else None

# What these say about the request; every other OSError says something about the store.
_REQUEST_ERRORS: Final = {
    errno.EISDIR: "it is a folder",
    errno.ENOTEMPTY: "it is a folder",
    errno.EEXIST: "a file of that name, or of the name of one of its folders, exists",
    errno.ENOTDIR: "one of its folders is a file",
    errno.ENAMETOOLONG: "it is too long for this file system",
    errno.ELOOP: "it leads through a circle of symbolic links",
    errno.EILSEQ: "this file system does not accept such a name",
    errno.EINVAL: "this file system does not accept such a name",
}


def connect(uri: str, options: Mapping[str, str]) -> "LocalStore":
    """The store in the directory `uri`, a path or a `file:` URI.

    Args:
        uri: see `base.store_for`.
        options: `sync` = "full" makes each upload survive a power failure, at the price of a disk flush.
    """
    if uri[:5].lower() == "file:":
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise InvalidArgument(f"{uri} names the host {parts.netloc}; use file:///path for a directory on this one.")
        uri = unquote(parts.path)
    return LocalStore(uri, sync=options.get("sync") == "full")


class LocalStore:
    """An `ArtifactStore` in a directory.

    Args:
        root: the directory; made by the first upload if it has never been there. A root that was there and has gone,
            such as a disk that is no longer mounted, is not made again: that would hide the loss.
        sync: whether an upload waits for the disk.
    """

    def __init__(self, root: str | os.PathLike[str], *, sync: bool = False) -> None:
        self._root = os.path.realpath(root)
        self._inside = self._root.rstrip("/") + "/"
        self._sync = sync
        self._seen = os.path.isdir(self._root)
        self._above = os.path.dirname(self._root)
        self._above_seen = os.path.isdir(self._above)

    @property
    def uri(self) -> str:
        """The root as a `file:` URI."""
        return Path(self._root).as_uri()

    async def ready(self) -> None:
        """Return if a file can be written now; also removes what dead writers left unfinished."""
        await in_thread(self._check)

    async def stat(self, path: str) -> Stat:
        """Describe one artifact. See `ArtifactStore.stat`."""
        fd, stat = self._open(path)
        os.close(fd)
        return stat

    async def open(self, path: str, start: int = 0, stop: int | None = None) -> Download:
        """Open the bytes [start, stop) of an artifact. See `ArtifactStore.open`."""
        fd, stat = self._open(path)
        end = stat.size if stop is None else stop
        if not 0 <= start <= end <= stat.size:
            os.close(fd)
            raise RangeNotSatisfiable(f"{path} has {stat.size} bytes; [{start}, {end}) is not within it.")
        return Download(stat, Outgoing(fd, path, start, end))

    async def write(
        self, path: str, chunks: AsyncIterator[bytes], *, size: int | None = None, digest: str | None = None
    ) -> Written:
        """Store all of `chunks` as the artifact `path`. See `ArtifactStore.write`."""
        if not path:
            raise InvalidArgument("Invalid path: it is empty; the name of a file was expected")
        incoming: Incoming | None = None
        job: Future[Any] | None = None
        batch: list[bytes] = []
        held = 0
        try:
            async for chunk in chunks:
                batch.append(chunk)
                held += len(chunk)
                if held >= _BATCH:
                    if job is not None:
                        await asyncio.wrap_future(job)
                    if incoming is None:
                        incoming = await in_thread(self._begin, path, size)
                    # Written while the next chunks arrive: at most two batches are in memory.
                    job = POOL.submit(_append, incoming, path, batch)
                    batch, held = [], 0
            if job is not None:
                await asyncio.wrap_future(job)
            if incoming is None:
                if held <= _INLINE and not self._sync:
                    return self._write_whole(path, batch, digest)
                return await in_thread(self._write_whole, path, batch, digest)
            job = last = POOL.submit(self._finish, incoming, path, batch, digest)
            return await asyncio.wrap_future(last)
        except BaseException:
            if job is not None and incoming is not None:
                job.add_done_callback(lambda _: incoming.discard())
            elif incoming is not None:
                incoming.discard()
            raise

    async def list(self, path: str = "") -> Sequence[Entry]:
        """One level of a folder. See `ArtifactStore.list`."""
        return await in_thread(self._scan, path)

    async def delete(self, path: str) -> bool:
        """Delete a file or a folder. See `ArtifactStore.delete`."""
        return await in_thread(self._remove, path)

    async def presign_get(self, path: str, expires_s: int) -> str:
        """Not offered: a directory has no URL."""
        raise NotSupported(PRESIGN_UNSUPPORTED)

    async def presign_put(self, path: str, expires_s: int) -> str:
        """Not offered: a directory has no URL."""
        raise NotSupported(PRESIGN_UNSUPPORTED)

    async def multipart_create(self, path: str, parts: int, expires_s: int) -> MultipartUpload:
        """Not offered: a directory has no URL to send parts to."""
        raise NotSupported(MULTIPART_UPLOAD_UNSUPPORTED)

    async def multipart_complete(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Not offered."""
        raise NotSupported(MULTIPART_UPLOAD_UNSUPPORTED)

    async def multipart_abort(self, path: str, upload_id: str) -> None:
        """Not offered."""
        raise NotSupported(MULTIPART_UPLOAD_UNSUPPORTED)

    # ------------------------------------------------------------------ reading

    def _open(self, path: str) -> tuple[int, Stat]:
        """Open one file for reading; the caller closes the descriptor."""
        fd = -1
        try:
            # NONBLOCK, because somebody may have put a pipe there
            fd = os.open(self._inside + path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            self._check_inside(fd, path)
            found = os.fstat(fd)
            digest = recorded_digest(fd, found)
            _check_regular(found, path)
        except BaseException as error:
            if fd >= 0:
                os.close(fd)
            if isinstance(error, OSError):
                raise self._translate(error, path, writing=False) from error
            raise
        return fd, Stat(found.st_size, entity_tag(found, digest), found.st_mtime_ns // 1_000_000, digest)

    def _scan(self, path: str) -> Sequence[Entry]:
        found: _Entries = []
        with self._translated(path):
            try:
                fd = os.open(self._inside + path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                self._check_root()
                return found
            try:
                self._check_inside(fd, path)
                with os.scandir(fd) as entries:
                    for entry in entries:
                        if entry.name == RESERVED or (entry.is_symlink() and not self._leads_inside(path, entry.name)):
                            continue
                        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                            if entry.is_dir():
                                found.append(Entry(entry.name, is_dir=True, size=None))
                            elif entry.is_file():
                                found.append(Entry(entry.name, is_dir=False, size=entry.stat().st_size))
            finally:
                os.close(fd)
        found.sort(key=lambda entry: entry.name)
        return found

    # ------------------------------------------------------------------ writing

    def _begin(self, path: str, size: int | None = None) -> Incoming:
        with self._translated(path, writing=True):
            self._check_root(create=True)
            if size is not None:
                self._check_room(size)
            return Incoming(self._root)

    def _write_whole(self, path: str, chunks: Sequence[bytes], digest: str | None) -> Written:
        incoming = self._begin(path)
        try:
            return self._finish(incoming, path, chunks, digest)
        finally:
            incoming.discard()

    def _finish(self, incoming: Incoming, path: str, chunks: Sequence[bytes], digest: str | None) -> Written:
        parent, _, name = path.rpartition("/")
        with self._translated(path, writing=True):
            if chunks:
                incoming.append(chunks)
            for attempt in (1, 2):
                folder = self._folder(parent, path)
                try:
                    return incoming.publish(folder, name, digest=digest, sync=self._sync)
                except FileNotFoundError:
                    if attempt == 2:  # the folder was deleted between the two calls, twice
                        raise
                finally:
                    os.close(folder)
        raise AssertionError

    def _folder(self, parent: str, path: str) -> int:
        """Open the folder `parent`, made if need be. The caller closes it."""
        full = self._inside + parent
        try:
            fd = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            if not (os.path.realpath(full) + "/").startswith(self._inside):
                raise _outside(path) from None
            os.makedirs(full, exist_ok=True)
            fd = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._check_inside(fd, path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _remove(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        with self._translated(path):
            if not path:
                self._check_root()
                if not self._seen:
                    return False
                shutil.rmtree(self._root)
                self._seen = False
                return True
            try:
                folder = os.open(self._inside + parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                self._check_root()
                return False
            try:
                self._check_inside(folder, path)
                return self._remove_from(folder, name)
            finally:
                os.close(folder)

    def _remove_from(self, folder: int, name: str) -> bool:
        try:
            found = os.lstat(name, dir_fd=folder)
        except FileNotFoundError:
            return False
        if not stat_bits.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=folder)
            return True
        # Out of sight first, in one step: nobody sees half a folder, and a crash leaves only trash.
        os.makedirs(f"{self._root}/{TRASH}", exist_ok=True)
        trash = f"{self._root}/{TRASH}/{secrets.token_hex(12)}"
        os.rename(name, trash, src_dir_fd=folder)
        _remove_tree(trash)
        return True

    # ------------------------------------------------------------------ checks

    def _check(self) -> None:
        with self._translated("", writing=True):
            self._check_root(create=True)
            sweep(self._root)
            with contextlib.suppress(FileNotFoundError), os.scandir(f"{self._root}/{TRASH}") as left:
                for folder in left:
                    _remove_tree(folder.path)
            probe = Incoming(self._root)
            try:
                probe.append([b"ready?"])
            finally:
                probe.discard()

    def _check_root(self, *, create: bool = False) -> None:
        seen = self._seen  # first, since another thread may make the root between the two looks
        if os.path.isdir(self._root):
            self._seen = True
        elif seen:
            raise Unavailable(f"The artifact directory {self._root} has gone. Is its disk mounted?")
        elif create:
            if self._above_seen and not os.path.isdir(self._above):
                raise Unavailable(f"The directory {self._above} has gone. Is its disk mounted?")
            os.makedirs(self._root, exist_ok=True)
            self._seen = True

    def _check_room(self, size: int) -> None:
        disk = os.statvfs(self._root)
        free = disk.f_bavail * disk.f_frsize
        if size > free:
            raise Unavailable(f"The artifact directory {self._root} has {free} bytes left; the upload needs {size}.")

    def _check_inside(self, fd: int, path: str) -> None:
        """Refuse what a symbolic link led out of the root. Looks at what was opened, so there is no gap to slip by."""
        real = os.readlink(f"{_FD}/{fd}") if _FD else os.path.realpath(self._inside + path)
        if not (real + "/").startswith(self._inside):
            raise _outside(path)

    def _leads_inside(self, path: str, name: str) -> bool:
        return (os.path.realpath(f"{self._inside}{path}/{name}") + "/").startswith(self._inside)

    @contextlib.contextmanager
    def _translated(self, path: str, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translate(error, path, writing=writing) from error

    def _translate(self, error: OSError, path: str, *, writing: bool) -> ModelyardError:
        if isinstance(error, FileNotFoundError):
            self._check_root()
            if writing:
                return Unavailable(f"Folders were removed while {path!r} was written. Send it again.")
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not writing:
            return NotFound(f"There is no artifact {path!r}.")
        return _explain(error, path, self._root)


def _append(incoming: Incoming, path: str, chunks: Sequence[bytes]) -> None:
    try:
        incoming.append(chunks)
    except OSError as error:
        raise _explain(error, path, "") from error


def _remove_tree(folder: str) -> None:
    """Remove a folder that somebody else may be removing too."""

    def missing_is_fine(_: object, __: str, failure: tuple[type[BaseException], BaseException, object]) -> None:
        if not isinstance(failure[1], FileNotFoundError):
            raise failure[1]

    shutil.rmtree(folder, onerror=missing_is_fine)


def _check_regular(found: os.stat_result, path: str) -> None:
    if not stat_bits.S_ISREG(found.st_mode):
        raise NotFound(f"There is no artifact {path!r}: that is a folder. List it instead.")


def _outside(path: str) -> InvalidArgument:
    return InvalidArgument(f"Invalid path: {path!r} leads outside the artifact root through a symbolic link")


def _explain(error: OSError, path: str, root: str) -> ModelyardError:
    if error.errno in _REQUEST_ERRORS:
        return InvalidArgument(f"Invalid path: {path!r} cannot be used, {_REQUEST_ERRORS[error.errno]}")
    return Unavailable(f"The artifact directory {root} cannot be used now: {error.strerror}.".replace("  ", " "))
