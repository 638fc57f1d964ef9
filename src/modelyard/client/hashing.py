"""SHA-256 beside a transfer, with the buffers that the bytes come in.

A fresh buffer for each block would cost more than its transfer: the kernel clears every page of it. So a few are used
again and again. Hashing a large file happens on a thread of its own: it takes longer than sending or receiving.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import Final

BLOCK: Final = 256 * 1024
"""Bytes of a buffer, at most, and of a write. The page cache takes writes of 32 KiB for a third more of the processor's
time, and those of 1 MiB for three times as much."""

BUFFERS: Final = 8
"""Buffers of a large file: one that fills, one that is hashed, and some for unevenness."""

BESIDE: Final = 4 * 2**20
"""Bytes of a file from which on a thread is worth its start."""


class Hasher:
    """A running SHA-256, and the buffers for what it shall take in.

    Args:
        size: bytes to expect; None if it is not known.
        hashed: whether to compute anything; False if only buffers are wanted.

    Attributes:
        hashed: as given.
    """

    def __init__(self, size: int | None, *, hashed: bool = True) -> None:
        self._sha = hashlib.sha256()
        self.hashed = hashed
        self._full: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        beside = hashed and (size is None or size >= BESIDE)
        length = BLOCK if size is None else max(1, min(BLOCK, size))
        for _ in range(BUFFERS if beside else 1):
            self._free.put(memoryview(bytearray(length)))
        if beside:
            self._thread = threading.Thread(target=self._run, name="modelyard-sha256", daemon=True)
            self._thread.start()

    def buffer(self) -> memoryview:
        """A buffer to fill; goes back by `update`."""
        return self._free.get()

    def update(self, buffer: memoryview, filled: int) -> None:
        """Take in the first bytes of a buffer, which must not be touched any more."""
        if self._thread is not None:
            self._full.put(buffer[:filled])
            return
        if self.hashed:
            self._sha.update(buffer[:filled])
        self._free.put(buffer)

    def finish(self) -> str:
        """64 hex digits of all that was taken in, after which nothing may come; empty if nothing was computed.

        May be called any number of times.
        """
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None
        return self._sha.hexdigest() if self.hashed else ""

    def _run(self) -> None:
        while (block := self._full.get()) is not None:
            self._sha.update(block)
            whole = block.obj
            self._free.put(memoryview(whole))
