"""One SQLite file is served by one server, for two would each keep their own truth: a lock beside the file."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING, Final, Self

from modelyard.domain.errors import InvalidState, Unavailable
from modelyard.domain.holders import lock_of

if TYPE_CHECKING:
    from types import TracebackType

    from modelyard.domain.holders import Holder

LOOK_S: Final = 0.3
"""How long the lock is tried for: somebody who only looks whether it is held has it for a moment."""


class ServerLock:
    """Held by a server as long as its process lives; the system lets go of it even after a crash.

    Args:
        database: path of the SQLite file.
        holder: who holds it, for whoever looks.

    Raises:
        InvalidState: another server holds it.
        Unavailable: the directory cannot be written.
    """

    def __init__(self, database: str, holder: Holder) -> None:
        path = lock_of(database)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(
                f"The directory {os.path.dirname(path)} cannot be written: {error.strerror}. "  # noqa: PTH120
                "Choose another with --data or --database, or mend its permissions."
            ) from None
        if not self._taken(time.monotonic() + LOOK_S):
            owner = os.read(self._file, 200).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise InvalidState(
                f"Another server uses the database {database} ({owner}). Stop it, give this one another --data, "
                "or use PostgreSQL, which any number of servers can share."
            ) from None
        self.tell(holder)

    def _taken(self, until: float) -> bool:
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.01)
            else:
                return True

    def tell(self, holder: Holder) -> None:
        """Write down who holds it."""
        text = f"{holder}\n".encode()
        os.pwrite(self._file, text, 0)  # first: a reader never finds the file empty
        os.ftruncate(self._file, len(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def held(database: str) -> str:
    """Who holds the lock of this SQLite file now, a line of text; empty if nobody does."""
    try:
        file = os.open(lock_of(database), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(file, 200).decode(errors="replace").partition("\n")[0]
    else:
        return ""
    finally:
        os.close(file)
