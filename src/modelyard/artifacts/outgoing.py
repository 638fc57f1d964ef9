"""A file on its way out of a local store, read on the event loop where that takes microseconds.

The kernel is asked whether the bytes are in its page cache; only if they are not does the read go to a thread.
"""

import asyncio
import os
from concurrent.futures import Future
from typing import Final

from modelyard.artifacts.threads import POOL
from modelyard.domain.errors import Unavailable

_READ: Final = 512 * 1024
_NOWAIT: Final = getattr(os, "RWF_NOWAIT", 0)  # Linux has it; elsewhere every read goes to a thread


class Outgoing:
    """The bytes [start, stop) of an open file, which it closes at the end.

    Args:
        fd: the open file, which belongs to this object from now on.
        path: what to call it in an error.
        start: first byte.
        stop: first byte that is not wanted any more.
    """

    def __init__(self, fd: int, path: str, start: int, stop: int) -> None:
        self._fd = fd
        self._path = path
        self._at = start
        self._stop = stop
        self._probe = bytearray(1)
        self._reading: Future[bytes] | None = None

    def __aiter__(self) -> "Outgoing":
        return self

    async def __anext__(self) -> bytes:
        want = min(_READ, self._stop - self._at)
        if want <= 0 or self._fd < 0:
            self._close()
            raise StopAsyncIteration
        try:
            if self._is_cached(self._at + want - 1):
                chunk = os.pread(self._fd, want, self._at)
            else:
                self._reading = POOL.submit(os.pread, self._fd, want, self._at)
                chunk = await asyncio.wrap_future(self._reading)
        except OSError as error:
            self._close()
            raise Unavailable(f"The artifact {self._path!r} could not be read: {error.strerror}.") from error
        if not chunk:
            self._close()
            raise Unavailable(f"The artifact {self._path!r} was cut short while it was read.")
        self._at += len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the file; allowed at any time."""
        self._close()

    def _is_cached(self, at: int) -> bool:
        """Whether the byte `at` is in the page cache, and so, most likely, the ones before it that are read next."""
        if not _NOWAIT:
            return False
        try:
            return os.preadv(self._fd, [self._probe], at, _NOWAIT) == 1
        except OSError:
            return False

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            if self._reading is not None:  # a cancelled read may still be running on the descriptor
                self._reading.add_done_callback(lambda _: os.close(fd))
            else:
                os.close(fd)

    def __del__(self) -> None:
        self._close()
