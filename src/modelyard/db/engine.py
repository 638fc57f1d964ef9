"""The database: connections, transactions and the translation of driver errors.

`Database.read` and `Database.write` run a function inside one transaction and are the only places that begin or end one.
Writes go through the writer (writer.py), so that any number of concurrent calls share one commit.
"""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import unquote

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


class Transaction:
    """One unit of work on one connection. Begun and ended by `Database`; services and db functions only use it.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        keys: names of metrics, params and tags as numbers.
        touched: run ids by experiment id whose documents this transaction makes stale.
    """

    __slots__ = ("_after_commit", "_cursor", "dialect", "keys", "touched")

    def __init__(self, connection: Any, database: Database) -> None:
        self._cursor = connection.cursor()
        self.dialect = database.dialect
        self.keys = database.keys
        self.touched: dict[int, set[int]] = {}
        self._after_commit: list[Callable[[], None]] = []

    def _execute(self, statement: Statement | ClauseElement, params: Mapping[str, Any]) -> Any:
        compiled = (
            statement.compiled(self.dialect) if isinstance(statement, Statement) else Compiled(statement, self.dialect)
        )
        if compiled.expanding or compiled.defaults:
            text, params = compiled.bind(params, self.dialect)
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
        """Execute one statement for each row of parameters."""
        if not rows:
            return
        compiled = statement.compiled(self.dialect)
        if compiled.defaults:
            rows = [{**compiled.defaults, **row} for row in rows]
        self._cursor.executemany(compiled.text, rows)

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
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=1024, timeout=30
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
        import psycopg

        return psycopg.connect(
            self.url,
            autocommit=readonly,
            connect_timeout=10,
            options="-c search_path=modelyard -c application_name=modelyard",
        )

    def reader(self) -> Any:
        """This thread's own connection for reading."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.connect(readonly=True)
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
        if isinstance(error, sqlite3.OperationalError):
            return Unavailable(f"The database does not answer: {error}. Check the disk and retry.")
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError
        ):
            return Unavailable(f"The database cannot be used: {error}.")
        if self.dialect == "postgresql":
            import psycopg

            if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
                return Unavailable(f"PostgreSQL does not answer: {str(error).splitlines()[0]}. It is retried.")
        return error

    def broken(self, error: Exception) -> bool:
        """Whether the connection that raised this must be opened anew."""
        if self.dialect == "sqlite":
            return False
        import psycopg

        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)

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
