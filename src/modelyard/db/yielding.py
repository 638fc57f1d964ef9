"""A lock that its busy users leave to a rare one."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class YieldingLock:
    """A lock for many short holds in a row; whoever takes it with `first` is next.

    A plain lock that is released and taken again at once never reaches a waiting thread. SQLite's writer does just that
    under load, and the checkpointer would wait for its pause for ever.
    """

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take it; without blocking, False if somebody has it or comes first."""
        if not self._open.is_set():
            if not blocking:
                return False
            self._open.wait()
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Hold it, before everybody who asks from now on. For one thread at a time."""
        self._open.clear()
        try:
            with self._lock:
                yield
        finally:
            self._open.set()
