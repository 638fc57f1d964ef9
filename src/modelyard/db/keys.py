"""Names of metrics, params and run tags as small integers, remembered in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from .statement import Statement
from .tables import name_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_INSERT = Statement(insert(name_key).values(name=bindparam("name")).on_conflict_do_nothing())
_BY_NAME = Statement(
    select(name_key.c.id, name_key.c.name).where(name_key.c.name.in_(bindparam("names", expanding=True)))
)
_BY_ID = Statement(select(name_key.c.id, name_key.c.name).where(name_key.c.id.in_(bindparam("ids", expanding=True))))

MOST_REMEMBERED = 200_000


_MOST_NAMES = 500
"""Names in one query: SQLite finds a named parameter by going through all of them."""


class Statements(Protocol):
    """What is needed of a transaction here. A transaction holds the keys, so these cannot name it."""

    writing: bool

    def rows(self, statement: Statement, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        ...

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> object:
        """Execute one statement for each row of parameters."""
        ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do this once the transaction is durable."""
        ...


def _by_name(tx: Statements, names: list[str]) -> list[tuple[Any, ...]]:
    """Ids and names of those that exist."""
    parts = range(0, len(names), _MOST_NAMES)
    return [row for at in parts for row in tx.rows(_BY_NAME, names=names[at : at + _MOST_NAMES])]


class Keys:
    """Both directions of the table, for one database. Safe from several threads: entries are only ever added."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def known(self) -> dict[str, int]:
        """The ids that are remembered; not to be changed."""
        return self._ids

    def intern(self, tx: Statements, names: Iterable[str]) -> dict[str, int]:
        """The ids of the names; new names are written in this transaction."""
        ids = self._ids
        missing = sorted({name for name in names if name not in ids})
        if not missing:
            return ids
        tx.many(_INSERT, [{"name": name} for name in missing])
        rows = _by_name(tx, missing)
        # Remembered only once they are durable; this transaction uses a view with the new ones in it.
        self._seen(tx, rows)
        return {**ids, **{name: number for number, name in rows}}

    def find(self, tx: Statements, names: Iterable[str]) -> dict[str, int]:
        """The ids of those names that exist."""
        ids = self._ids
        found = {name: ids.get(name) for name in names}
        missing = sorted(name for name, number in found.items() if number is None)
        if missing:
            rows = _by_name(tx, missing)
            self._seen(tx, rows)
            found.update((name, number) for number, name in rows)
        return {name: number for name, number in found.items() if number is not None}

    def names(self, tx: Statements, ids: Iterable[int]) -> dict[int, str]:
        """The names of the ids."""
        known = self._names
        missing = [number for number in set(ids) if number not in known]
        if not missing:
            return known
        rows = tx.rows(_BY_ID, ids=missing)
        self._seen(tx, rows)
        return {**known, **dict(rows)}

    def forget(self) -> None:
        """Begin anew, because the database is another one."""
        self._ids, self._names = {}, {}

    def _seen(self, tx: Statements, rows: list[tuple[int, str]]) -> None:
        """Remember what a query found; what a transaction wrote itself, only once that is durable."""
        if tx.writing:
            tx.after_commit(lambda: self._remember(rows))
        else:
            self._remember(rows)

    def _remember(self, rows: list[tuple[int, str]]) -> None:
        if len(self._ids) > MOST_REMEMBERED:
            self.forget()
        for number, name in rows:
            self._ids[name] = number
            self._names[number] = name
