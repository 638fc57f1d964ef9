"""Downloaded models, kept for the next time: immutable, verified, bounded, shared between processes.

::

    <cache>/models/<key>/           a model; complete, since it was moved here in one step
    <cache>/models/<key>.json       its digest and size; its time is that of the last use
    <cache>/locks/<key>.use         held by every process that uses the model: it is not removed meanwhile
    <cache>/locks/<key>.fetch       held by the one process that fetches it; others wait
    <cache>/incoming/<key>/         being fetched; what is left of a broken download is gone on with

The key is a hash of the model's digest, where the server tells it, else of server, name and version.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from modelyard import settings
from modelyard.domain.errors import DataCorrupted, ModelyardError
from modelyard.packaging import digest as digests

_log: Final = logging.getLogger("modelyard")

STALE_S: Final = 7 * 86_400
"""Age after which a download that nobody went on with is removed."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_held: dict[Path, int] = {}  # lock → descriptor, kept open: a loaded model may read its files at any time
_verified: set[Path] = set()
_sizes: dict[Path, int] = {}  # cache → bytes, as far as this process knows
_guard = threading.Lock()


def directory() -> Path:
    """Where the cache is: MODELYARD_CACHE, else below XDG_CACHE_HOME or `~/.cache`."""
    told = settings.CACHE.get()
    if told:
        return Path(told).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path("~/.cache").expanduser()) / "modelyard"


def get(identity: str, digest: str | None, fetch: Callable[[Path], object], *, again: bool = False) -> Path:
    """A model's directory, fetched if it is not here or is damaged. It stays until this process ends, or releases it.

    Args:
        identity: names the content for ever.
        digest: of the content, `sha256:<64 hex digits>`; None if it is not known.
        fetch: downloads the model into a directory, which may hold parts of it already.
        again: read its content even if this process has done so before.

    Raises:
        DataCorrupted: what was fetched has another digest.
        OSError: the cache cannot be written, or there is no room for it, also without all models that nobody uses.
    """
    root = directory()
    key = hashlib.sha256((digest or identity).encode()).hexdigest()[:40]
    for name in ("models", "locks", "incoming"):
        (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    model = root / "models" / key
    _use(root / "locks" / f"{key}.use")
    grown = 0
    if again:
        _verified.discard(model)
    seen = _stamp(model)
    if not _is_good(model, digest):
        with _lock(root / "locks" / f"{key}.fetch"):
            if _stamp(model) == seen or not _is_good(model, digest):
                _remove(model)
                grown = _fetched(fetch, root / "incoming" / key, model, digest)
    _touch(model)
    known = _sizes.get(root)
    if known is None or (grown and known + grown > settings.CACHE_BYTES.get()):
        evict(root)
    else:  # looking at every model for every model would take long where there are many
        _sizes[root] = known + grown
    return model


def release(model: Path) -> None:
    """Say that this process does not use a model any more: it goes when the cache is full and nobody else uses it.

    Args:
        model: what `get` answered.
    """
    with _guard:
        fd = _held.pop(model.parent.parent / "locks" / f"{model.name}.use", None)
    if fd is not None:
        os.close(fd)


def _fetched(fetch: Callable[[Path], object], incoming: Path, model: Path, digest: str | None) -> int:
    """Its size in bytes."""
    root = model.parent.parent
    while True:
        try:
            incoming.mkdir(exist_ok=True)
            fetch(incoming)
            return _publish(incoming, model, digest)
        except (OSError, ModelyardError) as error:
            fault = error if isinstance(error, OSError) else error.__cause__
            if not (isinstance(fault, OSError) and fault.errno in _NO_ROOM):
                raise
            if evict(root, 0):  # each time something less
                continue
            shutil.rmtree(incoming, ignore_errors=True)  # nobody goes on with it, and others need the room
            raise OSError(fault.errno, fault.strerror, str(root)) from error


def _publish(incoming: Path, model: Path, digest: str | None) -> int:
    """Its size in bytes."""
    found = digests.files(incoming)
    try:
        digests.verify(incoming, digest, found)
    except DataCorrupted:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    size = 0
    for file in incoming.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
            size += file.stat().st_size
    actual = digests.combined(found)
    incoming.replace(model)
    note = {"digest": actual, "size": size}
    part = model.with_suffix(".part")
    part.write_text(json.dumps(note), encoding="utf-8")
    part.replace(model.with_suffix(".json"))
    _verified.add(model)
    return size


def _is_good(model: Path, digest: str | None) -> bool:
    """Whether a model is here and undamaged; its content is read once per process."""
    note = _note(model)
    if note is None or not model.is_dir():
        return False
    if model in _verified:
        return True
    try:
        digests.verify(model, digest or str(note["digest"]))
    except (DataCorrupted, OSError) as error:
        _log.warning("A model in the cache is damaged and is fetched again: %s", error)
        return False
    _verified.add(model)
    return True


def _stamp(model: Path) -> tuple[int, int] | None:
    """Changes with each use and each fetch."""
    try:
        stat = model.with_suffix(".json").stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _note(model: Path) -> dict[str, Any] | None:
    try:
        note = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
        return {"digest": str(note["digest"]), "size": int(note["size"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _touch(model: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(model.with_suffix(".json"))


def _remove(model: Path) -> None:
    _verified.discard(model)
    model.with_suffix(".json").unlink(missing_ok=True)
    shutil.rmtree(model, ignore_errors=True)


def evict(root: Path, most: int | None = None) -> list[Path]:
    """Remove what was not used for longest until the cache fits, and downloads that nobody goes on with.

    Args:
        root: of the cache.
        most: bytes; None: MODELYARD_CACHE_BYTES. What a process uses stays, also beyond it.

    Returns:
        The models that were removed.
    """
    limit = settings.CACHE_BYTES.get() if most is None else most
    entries = []
    for path in (root / "models").glob("*.json"):
        with contextlib.suppress(OSError):
            note = _note(path.with_suffix(""))
            entries.append((path.stat().st_mtime_ns, path.with_suffix(""), note["size"] if note else 0))
    total = sum(size for _, _, size in entries)
    removed = []
    for _, model, size in sorted(entries):
        if total <= limit:
            break
        with _lock(root / "locks" / f"{model.name}.use", wait=False) as alone:
            if alone:
                _remove(model)
                removed.append(model)
                total -= size
    _sizes[root] = total
    with contextlib.suppress(OSError):
        for left in (root / "incoming").iterdir():
            if time.time() - left.stat().st_mtime > STALE_S:
                with _lock(root / "locks" / f"{left.name}.fetch", wait=False) as alone:
                    if alone:
                        shutil.rmtree(left, ignore_errors=True)
    return removed


# ------------------------------------------------------------------------------------ locks


def _use(path: Path) -> None:
    """Hold a lock together with others until this process ends. Nothing where the file system has no locks."""
    import fcntl

    with _guard:
        if path not in _held:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_SH)
            _held[path] = fd


@contextlib.contextmanager
def _lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock alone for the block; False if it is not had, which without waiting means that others hold it."""
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            held = False
        else:
            held = True
        yield held
    finally:
        os.close(fd)
