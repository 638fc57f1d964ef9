"""Uploads and downloads: files and folders, streamed, several at once, verified where a digest is known.

`folders` knows where bytes lie and how to speak to that place, `uploads` and `downloads` handle one file, `Progress`
counts. Memory is bounded by a few blocks of a quarter of a MiB per file in flight; of those there are at most
`THREADS`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from modelyard.artifacts.paths import contained
from modelyard.domain.errors import InvalidArgument, NotFound

from . import downloads, uploads
from .folders import Folder, folder_at
from .progress import Progress

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = [
    "Folder",
    "Found",
    "Progress",
    "crew",
    "download",
    "download_file",
    "find_file",
    "folder_at",
    "upload_file",
    "upload_folder",
    "walk",
]

THREADS: Final = 8
"""Files in flight at once: what a transport's pool has connections for."""

T = TypeVar("T")


# ------------------------------------------------------------------------------------ up


def upload_file(folder: Folder, path: str, source: Path | bytes, progress: Progress | None = None) -> None:
    """Store one file or some bytes, replacing what was there.

    Args:
        folder: where to.
        path: where in it, with the file's name.
        source: the file, or its content.
        progress: is told of the bytes.

    Raises:
        InvalidArgument: the source cannot be read, or the path leads out of the folder.
        Unavailable: the place cannot be reached.
        DataCorrupted: what arrived is not what was sent.
    """
    counted = progress or Progress()
    if not contained(path):
        raise InvalidArgument("The artifact path is empty: a file needs a name.")
    if isinstance(source, bytes):
        counted.expect(1, len(source))
        folder.send(path, uploads.BytesBody(source, counted))
        counted.finish_file()
        return
    try:
        file = source.open("rb", buffering=0)
    except OSError as error:
        raise InvalidArgument(f"{source} cannot be read: {error.strerror}.") from error
    with file, contextlib.closing(uploads.FileBody(file, str(source), counted, hashed=folder.checks)) as body:
        counted.expect(1, body.size)
        folder.send(path, body)
    counted.finish_file()


def upload_folder(folder: Folder, path: str, source: Path, progress: Progress | None = None) -> list[str]:
    """Store all files below a directory. Empty directories are left out, links to files are followed.

    Args:
        folder: where to.
        path: folder in it that stands for `source`; empty: its root.
        source: the directory.
        progress: is told of the files and bytes.

    Returns:
        Where the files are now, in `folder`.

    Raises:
        As `upload_file`, of the first file that fails; others may have been stored.
    """
    prefix = contained(path)
    found = [("/".join(part for part in (prefix, name) if part), file) for name, file, _ in uploads.tree(source)]
    counted = progress or Progress()
    with crew(counted) as run:
        for name, file in found:
            run.start(upload_file, folder, name, file, counted)
    return [name for name, _ in found]


# ------------------------------------------------------------------------------------ down


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder: its path in it, and its size in bytes if the listing says."""

    path: str
    size: int | None


def find_file(folder: Folder, path: str) -> Found | None:
    """The file that a path names, from the listing of the folder that it is in; None if there is none."""
    whole = contained(path)
    parent, _, name = whole.rpartition("/")
    listed = folder.list(parent) if name else ()
    return next((Found(whole, entry.size) for entry in listed if entry.name == name and not entry.is_dir), None)


def walk(folder: Folder, path: str = "") -> Iterator[Found]:
    """All files below a folder, level by level; none if there is no such folder."""
    waiting = [contained(path)]
    while waiting:
        parent = waiting.pop(0)
        for entry in folder.list(parent):
            whole = f"{parent}/{entry.name}" if parent else entry.name
            if entry.is_dir:
                waiting.append(contained(whole))  # also what stops a listing that never ends: the path is bounded
            else:
                yield Found(whole, entry.size)


def download_file(
    folder: Folder,
    path: str,
    target: Path,
    progress: Progress | None = None,
    *,
    digest: str | None = None,
    summed: bool = True,
) -> str:
    """Download one file; see `downloads.fetch`. Its directory is made if it is missing."""
    counted = progress or Progress()
    _make(target.parent)
    counted.expect(1, 0)
    actual = downloads.fetch(folder, path, target, counted, digest=digest, summed=summed)
    counted.finish_file()
    return actual


def download(
    folder: Folder,
    path: str,
    into: Path,
    progress: Progress | None = None,
    *,
    digests: Callable[[str], str | None] | None = None,
    listed: list[Found] | None = None,
    threads: int = THREADS,
    summed: bool = True,
) -> dict[str, str]:
    """Download a file or all that is below a folder, several files at once.

    Args:
        folder: where from.
        path: a file or a folder in it; empty: all.
        into: an existing or a new directory. A file `a/b.txt` arrives as `b.txt`, what is below a folder without the
            folder's own path.
        progress: is told of the files and bytes.
        digests: SHA-256 that a file has to have, by its path relative to `into`; None where it is not known. A file
            that is there already and has it is not fetched again.
        listed: the files, if the caller has walked the folder already.
        threads: how many files at once.
        summed: whether the caller wants the SHA-256; what is promised is compared in any case.

    Returns:
        Path relative to `into` → SHA-256 of what arrived, 64 hex digits; empty if it was not computed.

    Raises:
        NotFound: there is nothing under this path.
        InvalidArgument: a name would lead out of `into`, or the disk refuses.
        Unavailable, DataCorrupted: see `downloads.fetch`; other files may have arrived, and are not fetched again
            from the start.
    """
    counted = progress or Progress()
    prefix = contained(path)
    found = list(walk(folder, prefix)) if listed is None else listed
    strip = len(prefix) + 1 if prefix else 0
    if not found:
        single = find_file(folder, prefix)
        if single is None:
            raise NotFound(f"There is no artifact {path!r} in {folder.uri}." if path else f"{folder.uri} is empty.")
        found = [single]
        strip = prefix.rfind("/") + 1
    _make(into)
    root = into.resolve()
    counted.expect(len(found), sum(each.size or 0 for each in found))
    made: set[Path] = set()
    done: dict[str, Future[str]] = {}
    with crew(counted, threads) as run:
        for each in found:
            name = each.path[strip:]
            target = _inside(root, name, made)
            wanted = digests(name) if digests is not None else None
            done[name] = run.start(_fetch, folder, each, target, counted, wanted, summed)
    return {name: future.result() for name, future in done.items()}


def _fetch(
    folder: Folder,
    found: Found,
    target: Path,
    progress: Progress,
    digest: str | None,
    summed: bool,  # noqa: FBT001 - goes through a pool's submit
) -> str:
    if digest is not None and downloads.has(target, found.size, digest):
        progress.advance(found.size or 0, found.path)
        actual = digest
    else:
        actual = downloads.fetch(folder, found.path, target, progress, size=found.size, digest=digest, summed=summed)
    progress.finish_file()
    return actual


def _inside(root: Path, name: str, made: set[Path]) -> Path:
    """Where a file goes, its directory made. What leads out is refused, also by a link that lies there already."""
    target = root / contained(name)
    parent = target.parent
    if parent not in made:
        _make(parent)
        real = parent.resolve()
        if real != root and root not in real.parents:
            raise InvalidArgument(f"Invalid path: {name!r} leads out of {root}, by a link in it.")
        made.add(parent)
    if target.is_dir():
        raise InvalidArgument(f"{target} cannot be written: it is a directory.")
    return target


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{directory} cannot be made: {error.strerror}.") from error


# ------------------------------------------------------------------------------------ several at once


class Crew:
    """Jobs on a few threads; the first that fails ends them all."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.jobs: list[Future[Any]] = []

    def start(self, job: Callable[..., T], *args: Any) -> Future[T]:
        """Run `job(*args)` as soon as a thread is free."""
        future = self._pool.submit(job, *args)
        self.jobs.append(future)
        return future


@contextlib.contextmanager
def crew(progress: Progress, threads: int = THREADS) -> Iterator[Crew]:
    """Threads for the body of a `with`, at whose end all jobs are done.

    Args:
        progress: what the jobs count with; stops them all if one fails, or if the caller is interrupted.
        threads: how many jobs run at once.

    Raises:
        The first failure of a job.
    """
    # Not above: a process that is at its end may still upload a file, but refuses the first import of a pool.
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(threads, thread_name_prefix="modelyard-transfer") as pool:
        run = Crew(pool)
        try:
            yield run
            done, _ = wait(run.jobs, return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()
        except BaseException:
            progress.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
