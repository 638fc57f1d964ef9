"""The database: connections, transactions and the translation of driver errors.

`Database.read` and `Database.write` run a function inside one transaction; nothing else begins or ends one. Writes go
through the writer (writer.py), so that any number of concurrent calls share one commit.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote, unquote

import msgspec

from modelyard.domain.errors import InvalidArgument, ModelyardError, Unavailable

from .keys import Keys
from .statement import Compiled, Statement
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.sql.elements import ClauseElement

P = ParamSpec("P")
T = TypeVar("T")
Row = tuple[Any, ...]

READ_THREADS = 4

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


class Transaction:
    """One unit of work on one connection. Begun and ended by `Database`; services and db functions only use it.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        keys: names of metrics, params and tags as numbers.
        touched: run ids by experiment id whose documents this transaction makes stale.
        writing: whether what it sees may still be rolled back.
    """

    __slots__ = ("_after_commit", "_cursor", "dialect", "keys", "touched", "writing")

    def __init__(self, connection: Any, database: Database, *, writing: bool = False) -> None:
        self._cursor = connection.cursor()
        self.dialect = database.dialect
        self.keys = database.keys
        self.writing = writing
        self.touched: dict[int, set[int]] = {}
        self._after_commit: list[Callable[[], None]] = []

    def _execute(self, statement: Statement | ClauseElement, params: Mapping[str, Any]) -> Any:
        compiled = (
            statement.compiled(self.dialect) if isinstance(statement, Statement) else Compiled(statement, self.dialect)
        )
        if compiled.expanding or compiled.defaults:
            text, params = compiled.bind(params)
        else:
            text = compiled.text
        return self._cursor.execute(text, params)

    def rows(self, statement: Statement | ClauseElement, **params: Any) -> list[Row]:
        """All rows of a query."""
        found: list[Row] = self._execute(statement, params).fetchall()
        return found

    def row(self, statement: Statement | ClauseElement, **params: Any) -> Row | None:
        """The first row of a query (or of a RETURNING clause), None if there is none."""
        found: Row | None = self._execute(statement, params).fetchone()
        if self.dialect == "sqlite":  # an unread RETURNING would stay open
            self._cursor.fetchall()
        return found

    def run(self, statement: Statement | ClauseElement, **params: Any) -> int:
        """Execute a statement; the number of rows it changed."""
        count: int = self._execute(statement, params).rowcount
        return count

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute one statement for each row of parameters; the rows of an upsert differ in their keys."""
        if not rows:
            return
        compiled = statement.compiled(self.dialect)
        if compiled.defaults:
            rows = [{**compiled.defaults, **row} for row in rows]
        if len(rows) == 1:
            self._cursor.execute(compiled.text, rows[0])
        elif compiled.for_each is not None:
            self._cursor.execute(compiled.for_each, {"rows": msgspec.json.encode(rows).decode()})
        else:
            self._cursor.executemany(compiled.text, rows)

    def each(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Execute an INSERT with RETURNING for each row of parameters; what it returned, in no particular order."""
        compiled = statement.compiled(self.dialect)
        if compiled.for_each is not None and len(rows) > 1:
            rows = [{**compiled.defaults, **row} for row in rows]
            found: list[Row] = self._cursor.execute(
                compiled.for_each, {"rows": msgspec.json.encode(rows).decode()}
            ).fetchall()
            return found
        return [returned for row in rows for returned in self.rows(statement, **row)]

    def sql(self, text: str) -> list[Row]:
        """Plain SQL without parameters, for pragmas and savepoints."""
        cursor = self._cursor.execute(text)
        return cursor.fetchall() if cursor.description else []

    def raw(self, text: str, params: Mapping[str, Any]) -> list[Row]:
        """SQL in the driver's own parameter style, for what only one of the databases has."""
        cursor = self._cursor.execute(text, params)
        return cursor.fetchall() if cursor.description else []

    def touch(self, experiment_id: int, run_ids: Iterable[int]) -> None:
        """Note runs whose documents and columns this transaction makes stale."""
        self.touched.setdefault(experiment_id, set()).update(run_ids)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do this once the transaction is durable; never if it fails."""
        self._after_commit.append(action)

    def savepoint(self) -> int:
        """Begin a part that may fail on its own. For the writer, as the next two."""
        self.sql("SAVEPOINT command")
        return len(self._after_commit)

    def roll_back_to(self, waiting: int) -> None:
        """Undo the part that began with the savepoint, and what it wanted done after the commit."""
        self.sql("ROLLBACK TO SAVEPOINT command")
        del self._after_commit[waiting:]

    def release(self) -> None:
        """End the part."""
        self.sql("RELEASE SAVEPOINT command")

    def committed(self) -> None:
        """Run the actions that waited for the commit. For the writer."""
        for action in self._after_commit:
            action()


class Database:
    """A SQLite file or a PostgreSQL database.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host:port/name`.
        full_sync: SQLite only: wait for the disk at each commit, so that a power cut loses nothing either.

    Raises:
        InvalidArgument: the URL names another kind of database.
        Unavailable: it cannot be opened.
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
        self.keys = Keys()
        self._file: tuple[int, int] | None = None
        self._file_lock = threading.Lock()
        self._generation = 0
        self.on_replaced: list[Callable[[], None]] = [self.keys.forget]
        self._local = threading.local()
        self._connections: list[Any] = []
        self.on_commit: list[Callable[[dict[int, set[int]]], None]] = []
        self.readers = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="modelyard-read")
        self.writer = Writer(self)

    # ------------------------------------------------------------------ connections

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
            options="-c search_path=modelyard -c application_name=modelyard",
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

    # ------------------------------------------------------------------ reading and writing

    def read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(tx, ...)` on this thread's read connection and return its value.

        Raises:
            Unavailable: the database cannot be reached; a broken connection is opened anew once before that.
        """
        for attempt in (1, 2):
            try:
                return self._read(work, *args, **kwargs)
            except Exception as error:
                if self.broken(error):
                    self.drop_reader()
                    if attempt == 1:
                        continue
                elif self.dialect == "sqlite" and self.down(error):
                    self.drop_reader()
                translated = self.translate(error)
                if translated is error:
                    raise
                raise translated from error
        raise AssertionError

    def _read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        connection = self.reader()
        if self.dialect != "sqlite":
            return work(Transaction(connection, self), *args, **kwargs)
        if connection.in_transaction:  # a read within a read sees the same state
            return work(Transaction(connection, self), *args, **kwargs)
        connection.execute("BEGIN")
        try:
            return work(Transaction(connection, self), *args, **kwargs)
        finally:
            if connection.in_transaction:  # an error of the disk has ended it
                connection.execute("COMMIT")

    def write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(tx, ...)` in a write transaction; returns once it is durable.

        Raises:
            Unavailable: the database cannot be reached or written; nothing of `work` remains.
        """
        result: T = self.writer.call(lambda tx: work(tx, *args, **kwargs))
        return result

    def close(self) -> None:
        """Finish what is queued, then close every connection."""
        self.writer.close()
        self.readers.shutdown(wait=True)
        for connection in self._connections:
            with suppress(Exception):
                connection.close()


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"
