"""What services and database functions are given: statements on one connection, and no way to end the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .statement import Compiled, Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.sql.elements import ClauseElement

    from .keys import Keys

Row = tuple[Any, ...]


class Transaction:
    """One unit of work on one connection. Begun and ended by `Database`; services and db functions only use it.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        keys: names of metrics, params and tags as numbers.
        touched: run ids by experiment id whose documents this transaction makes stale; none: the experiment changed.
        writing: whether what it sees may still be rolled back.
    """

    __slots__ = ("_after_commit", "_cursor", "dialect", "keys", "touched", "writing")

    def __init__(self, connection: Any, dialect: str, keys: Keys, *, writing: bool = False) -> None:
        self._cursor = connection.cursor()
        self.dialect = dialect
        self.keys = keys
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

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute one statement for each row of parameters; the rows of an upsert differ in their keys.

        Returns:
            How many rows it changed.
        """
        if not rows:
            return 0
        compiled = statement.compiled(self.dialect)
        if compiled.defaults:
            rows = [{**compiled.defaults, **row} for row in rows]
        if len(rows) == 1:
            self._cursor.execute(compiled.text, rows[0])
        elif compiled.for_each is not None:
            self._cursor.execute(compiled.for_each, {"rows": msgspec.json.encode(rows).decode()})
        elif compiled.by_place is not None:
            text, place = compiled.by_place
            self._cursor.executemany(text, map(place, rows))
        else:
            self._cursor.executemany(compiled.text, rows)
        count: int = self._cursor.rowcount
        return count

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
        """Note runs whose documents and columns this transaction makes stale; none: the experiment alone changed."""
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
