"""Becoming the one server of a SQLite file: the lock, who had it before, and who may know."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from modelyard.db.lock import ServerLock, held
from modelyard.domain.errors import InvalidState
from modelyard.domain.holders import Holder, read

if TYPE_CHECKING:
    from types import TracebackType

    from modelyard.settings import Settings


class Claim:
    """The lock of a SQLite file, and what it says about its holder.

    A server that a script started (it stops when idle) makes room for one that a person starts. What is in flight there
    is finished, and its clients find the next one.

    Args:
        database: path of the file.
        url: where this server will answer.
        settings: of this server.

    Raises:
        InvalidState: another server holds the lock; the message says where it answers.
        Unavailable: the directory cannot be written.
    """

    def __init__(self, database: str, url: str, settings: Settings) -> None:
        self._holder = Holder(os.getpid(), url, passing=settings.idle_exit_s > 0)
        try:
            self._lock = ServerLock(database, self._holder)
        except InvalidState:
            before = read(f"{held(database)}\n")
            if self._holder.passing or before is None or not before.passing:
                raise
            self._lock = self._after(database, settings.stop_timeout_s)

    def _after(self, database: str, patience_s: float) -> ServerLock:
        """The lock, once the holder has gone, who is asked to.

        Raises:
            InvalidState: it does not go, or is not ours to ask.
        """
        until = time.monotonic() + patience_s + 5
        asked = None
        while True:
            now = read(f"{held(database)}\n")
            if now is not None and now.passing and now.process != asked:
                try:
                    os.kill(now.process, signal.SIGTERM)
                except PermissionError:  # somebody else's
                    return ServerLock(database, self._holder)
                except ProcessLookupError:
                    pass
                asked = now.process
            try:
                return ServerLock(database, self._holder)
            except InvalidState:
                if time.monotonic() > until:
                    raise

    def tell(self, *, ready: bool) -> None:
        """Say whether requests are taken."""
        self._lock.tell(replace(self._holder, ready=ready))

    def __enter__(self) -> Self:
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)
