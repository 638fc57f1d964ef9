"""Connections of the two drivers, the file below SQLite, and what the drivers' errors mean."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from modelyard.domain.errors import InvalidArgument, ModelyardError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("modelyard.db")

# The disk or the file is at fault, not the statement: what else waits would meet the same.
_SQLITE_DOWN = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
# Classes of SQLSTATE: insufficient resources, operator intervention, system error, read-only server.
_POSTGRES_DOWN = ("53", "57", "58", "25006")


class Connections:
    """Makes connections to a SQLite file or a PostgreSQL database, and keeps one per thread for reading.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host:port/name`.
        full_sync: SQLite only: wait for the disk at each commit, so that a power cut loses nothing either.

    Attributes:
        on_replaced: what to do when another file is in SQLite's place: forget what was remembered of the old one.

    Raises:
        InvalidArgument: the URL names another kind of database.
    """

    def __init__(self, url: str, *, full_sync: bool = False) -> None:
        self.url = url
        self.full_sync = full_sync
        if url.startswith("sqlite:///"):
            self.dialect = "sqlite"
            self.path = unquote(url.removeprefix("sqlite:///"))
        elif url.startswith(("postgresql://", "postgres://")):
            self.dialect = "postgresql"
            self.path = ""
        else:
            raise InvalidArgument(
                f"The database URL begins with {url.split(':', 1)[0]!r}; expected sqlite:///PATH or postgresql://..."
            )
        self.on_replaced: list[Callable[[], None]] = []
        self._file: tuple[int, int] | None = None
        self._file_lock = threading.Lock()
        self._generation = 0
        self._local = threading.local()
        self._connections: list[Any] = []

    def connect(self, *, readonly: bool = False) -> Any:
        """A new raw driver connection.

        Raises:
            Unavailable: the database cannot be opened now.
        """
        try:
            return self._sqlite(readonly=readonly) if self.dialect == "sqlite" else self._postgresql(readonly=readonly)
        except Exception as error:
            raise self.translate(error) from error

    def _sqlite(self, *, readonly: bool) -> sqlite3.Connection:
        # A file that was there once is not made anew: an empty one in its place would hide that it is gone.
        mode = "rwc" if self._file is None else "rw"
        connection = sqlite3.connect(
            f"file:{quote(self.path)}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=1024,
            timeout=30,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if self.full_sync else 'NORMAL'}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA mmap_size=268435456")
        connection.execute("PRAGMA cache_size=-16000")
        if readonly:
            connection.execute("PRAGMA query_only=1")
        else:
            # The checkpointer does it beside the writer; see checkpoint.py.
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute("PRAGMA journal_size_limit=8388608")
        return connection

    def _postgresql(self, *, readonly: bool) -> Any:
        import psycopg  # noqa: PLC0415 - optional

        return psycopg.connect(
            self.url,
            autocommit=readonly,
            connect_timeout=10,
            # A host that vanished without a word is noticed within half a minute, not a quarter of an hour.
            tcp_user_timeout=30_000,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=4,
            # Our statements are few and their plans obvious: planning them anew costs more than executing them.
            options="-c search_path=modelyard -c application_name=modelyard -c jit=off"
            " -c plan_cache_mode=force_generic_plan",
        )

    def check_file(self) -> int:
        """SQLite: see that the file is still the one that is open. A number that grows when it was replaced by another.

        Raises:
            Unavailable: it is gone. What was written to the open file then would be lost with it.
        """
        try:
            found = os.stat(self.path)  # noqa: PTH116 - before every transaction
        except OSError as error:
            if self._file is None:  # about to be made
                return self._generation
            raise Unavailable(
                f"The database file {self.path} cannot be found: {error.strerror}. Put it back, and the server goes on."
            ) from None
        identity = (found.st_dev, found.st_ino)
        if identity != self._file:
            with self._file_lock:
                if self._file is None:
                    self._file = identity
                elif identity != self._file:
                    log.warning("The database file %s was replaced; everything is read anew.", self.path)
                    self._file = identity
                    self._generation += 1
                    for forget in self.on_replaced:
                        forget()
        return self._generation

    def reader(self) -> Any:
        """This thread's own connection for reading."""
        local = self._local
        connection = getattr(local, "connection", None)
        if self.dialect == "sqlite":
            generation = self.check_file()
            if connection is not None and local.generation != generation and not connection.in_transaction:
                self.drop_reader()
                connection = None
            local.generation = generation
        if connection is None:
            connection = local.connection = self.connect(readonly=True)
            self._connections.append(connection)
        return connection

    def drop_reader(self) -> None:
        """Forget this thread's connection, because it broke."""
        connection = self._local.__dict__.pop("connection", None)
        if connection is not None:
            with suppress(Exception):
                connection.close()
            with suppress(ValueError):
                self._connections.remove(connection)

    def translate(self, error: Exception) -> Exception:
        """The domain error that a driver error stands for; anything else as it is."""
        if isinstance(error, ModelyardError):
            return error
        if isinstance(error, UnicodeEncodeError | OverflowError | sqlite3.DataError):
            return InvalidArgument(f"A value cannot be stored: {error}.")
        if isinstance(error, sqlite3.OperationalError):
            return Unavailable(f"The database does not answer: {error}. Check the disk and retry.")
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.IntegrityError | sqlite3.ProgrammingError
        ):
            return Unavailable(f"The database cannot be used: {error}.")
        if self.dialect == "postgresql":
            import psycopg  # noqa: PLC0415 - optional

            first = str(error).partition("\n")[0]
            if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
                return Unavailable(f"PostgreSQL does not answer: {first}. It is retried.")
            if isinstance(error, psycopg.DataError):
                return InvalidArgument(f"A value cannot be stored: {first}.")
        return error

    def broken(self, error: Exception) -> bool:
        """Whether the connection that raised this must be opened anew."""
        if self.dialect == "sqlite":
            return False
        import psycopg  # noqa: PLC0415 - optional

        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return False
        return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))

    def down(self, error: Exception) -> bool:
        """Whether it is the database that fails, not the statement, so that any other would fail now as well."""
        if isinstance(error, Unavailable):
            return True
        if isinstance(error, sqlite3.Error):
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DOWN
        if self.dialect == "sqlite":
            return False
        import psycopg  # noqa: PLC0415 - optional

        state = error.sqlstate or "" if isinstance(error, psycopg.Error) else ""
        return self.broken(error) or state.startswith(_POSTGRES_DOWN)

    def passing(self, error: Exception) -> bool:
        """Whether the same transaction may well succeed if it is begun again: a lost connection, a deadlock."""
        if self.dialect == "sqlite":
            return False
        import psycopg  # noqa: PLC0415 - optional

        return self.broken(error) or (isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("40"))

    def spoils(self, error: Exception) -> bool:
        """Whether an error within a savepoint ends the whole transaction."""
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError):
            return False
        if isinstance(error, sqlite3.DatabaseError):
            return True
        if self.dialect == "sqlite":
            return False
        import psycopg  # noqa: PLC0415 - optional

        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError)

    def close_readers(self) -> None:
        """Close every thread's connection; nobody reads any more."""
        for connection in self._connections:
            with suppress(Exception):
                connection.close()
