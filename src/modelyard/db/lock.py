"""One SQLite file is served by one server, for two would each keep their own truth: a lock beside the file."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from modelyard.domain.errors import InvalidState, Unavailable

if TYPE_CHECKING:
    from types import TracebackType


class ServerLock:
    """Held by a server as long as its process lives; the system lets go of it even after a crash.

    Args:
        database: path of the SQLite file.
        holder: who holds it, for the message that the next one gets.

    Raises:
        InvalidState: another server holds it.
        Unavailable: the directory cannot be written.
    """

    def __init__(self, database: str, holder: str) -> None:
        path = f"{database}.lock"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(
                f"The directory {os.path.dirname(path)} cannot be written: {error.strerror}. "  # noqa: PTH120
                "Choose another with --data or --database, or mend its permissions."
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._file, 200).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise InvalidState(
                f"Another server uses the database {database} ({owner}). Stop it, give this one another --data, "
                "or use PostgreSQL, which any number of servers can share."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()}, {holder}\n".encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def held(database: str) -> str:
    """Who holds the lock of this SQLite file now; empty if nobody does."""
    try:
        file = os.open(f"{database}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(file, 200).decode(errors="replace").strip()
    else:
        return ""
    finally:
        os.close(file)
