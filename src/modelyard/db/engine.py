"""The database: one function, one transaction.

`Database.read` and `Database.write` run a function inside one transaction; nothing else begins or ends one. Writes go
through the writer (writer.py), so that any number of concurrent calls share one commit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from .connections import Connections
from .keys import Keys
from .transaction import Transaction
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

READ_THREADS = 4


class Database(Connections):
    """A SQLite file or a PostgreSQL database, to be read and written.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host:port/name`.
        full_sync: SQLite only: wait for the disk at each commit, so that a power cut loses nothing either.

    Attributes:
        keys: names of metrics, params and tags as numbers.
        on_commit: told after each commit which runs it made stale, by experiment.

    Raises:
        InvalidArgument: the URL names another kind of database.
    """

    def __init__(self, url: str, *, full_sync: bool = False) -> None:
        super().__init__(url, full_sync=full_sync)
        self.keys = Keys()
        self.on_replaced.append(self.keys.forget)
        self.on_commit: list[Callable[[dict[int, set[int]]], None]] = []
        self.readers = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="modelyard-read")
        self.writer = Writer(self, self.keys, self.on_commit)

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
            return work(Transaction(connection, self.dialect, self.keys), *args, **kwargs)
        if connection.in_transaction:  # a read within a read sees the same state
            return work(Transaction(connection, self.dialect, self.keys), *args, **kwargs)
        connection.execute("BEGIN")
        try:
            return work(Transaction(connection, self.dialect, self.keys), *args, **kwargs)
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
        self.close_readers()


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"
