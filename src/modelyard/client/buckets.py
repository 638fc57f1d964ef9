"""Artifacts in an object store, reached from here and not through a server: S3, Google Cloud Storage, Azure.

So it is where a stock MLflow server does not proxy artifacts. Credentials are those of the environment, as for the
libraries of these stores. The stores of `modelyard.artifacts` are asynchronous: one loop on a thread of its own runs
them for all threads of this process.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from modelyard.artifacts.base import Entry, store_for
from modelyard.artifacts.paths import contained

from .folders import Opened, entry_name

if TYPE_CHECKING:
    from modelyard.artifacts.base import ArtifactStore, Chunks

    from .folders import Body

T = TypeVar("T")

_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a forked child has none of its parent's threads
_starting = threading.Lock()


def connect(uri: str) -> BucketFolder:
    """The folder at `s3://BUCKET/PREFIX`, `gs://...`, `az://...` or what else `artifacts.base.STORES` names.

    Raises:
        InvalidArgument: the URI is not understood.
        MissingExtraError: the library for it is not installed.
    """
    return BucketFolder(store_for(uri))


class BucketFolder:
    """A `Folder` in an object store.

    Args:
        store: what speaks to it.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    @property
    def uri(self) -> str:
        """Without credentials."""
        return self._store.uri

    @property
    def checks(self) -> bool:
        """What it computes is not SHA-256."""
        return False

    def list(self, path: str = "") -> Sequence[Entry]:
        """One level. See `Folder.list`."""
        found = _run(self._store.list(contained(path)))
        return [Entry(entry_name(entry.name), entry.is_dir, entry.size) for entry in found]

    def open(self, path: str, start: int = 0, etag: str = "") -> Opened:
        """Begin to read. See `Folder.open`."""
        whole = contained(path)
        if start and etag and _run(self._store.stat(whole)).etag != etag:
            start = 0
        found = _run(self._store.open(whole, start))
        reader = _Reader(found.chunks)
        return Opened(start, found.stat.size, found.stat.etag, found.stat.digest, reader.read_into, reader.close)

    def send(self, path: str, body: Body) -> None:
        """Store a file. See `Folder.send`."""
        _run(self._store.write(contained(path), _blocks(body), size=body.size, digest=body.promised()))


class _Reader:
    """Pieces of any size, poured into buffers."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def read_into(self, buffer: memoryview) -> int:
        """Fill the buffer from its start. See `Opened`."""
        if not self._left:
            self._left = memoryview(_run(_next(self._chunks)))
        count = min(len(self._left), len(buffer))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        """Let go."""
        _run(self._chunks.aclose())


async def _next(chunks: Chunks) -> bytes:
    return await anext(chunks, b"")


async def _blocks(body: Body) -> AsyncIterator[bytes]:
    """The body's blocks, copied: their buffer is used again while the store still sends."""
    blocks = iter(body)
    while block := await asyncio.to_thread(_following, blocks):
        yield block


def _following(blocks: Any) -> bytes:
    return bytes(next(blocks, b""))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run on the loop, and wait."""
    with _starting:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="modelyard-buckets", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, loop).result()


def _after_fork() -> None:
    global _starting  # noqa: PLW0603 - whoever held it is not here
    _starting = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
