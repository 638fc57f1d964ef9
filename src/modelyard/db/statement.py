"""A SQLAlchemy Core statement, compiled once per dialect and run on the raw driver connection.

Core gives one spelling for both databases; running its text directly saves the 50 to 100 µs that its execution layer
costs per statement, which is most of a short request.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, Integer, LargeBinary
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ClauseElement

DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.psycopg.dialect(),  # type: ignore[no-untyped-call]
}

_EXPANDING = "__[POSTCOMPILE_"
_IN_LIST = re.compile(r"(NOT )?IN \(__\[POSTCOMPILE_(\w+)\]\)")
_VALUES = re.compile(r"VALUES \((.*?)\)(?= ON CONFLICT| RETURNING|$)", re.DOTALL)
_PARAMETER = re.compile(r"%\((\w+)\)s(?:::\w+)?")


class Compiled:
    """SQL text with named parameters, and what is needed to bind them.

    Attributes:
        defaults: values that the statement itself brings.
        expanding: parameters that are lists, which SQLite has spelt out in the text.
        for_each: PostgreSQL only: an INSERT whose rows come as one JSON parameter `rows`, None if it is no INSERT. The
            driver spends 50 µs and more per row that it binds; the server reads a JSON row in one or two.
        by_place: SQLite only: an INSERT whose parameters are bound by their places, and what makes a row of parameters
            one of values; None if it is no INSERT. By their names, a row of twenty takes half as long again.
    """

    __slots__ = ("by_place", "defaults", "expanding", "for_each", "text")

    def __init__(self, statement: ClauseElement, dialect: str) -> None:
        compiled: Any = statement.compile(dialect=DIALECTS[dialect])
        self.text: str = str(compiled)
        self.defaults: dict[str, Any] = {
            name: bind.effective_value for bind, name in compiled.bind_names.items() if not bind.required
        }
        expanding = {name: bind for bind, name in compiled.bind_names.items() if bind.expanding}
        self.for_each: str | None = None
        self.by_place: tuple[str, Callable[[Mapping[str, Any]], Any]] | None = None
        if compiled.isinsert and dialect == "sqlite":
            placed: Any = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
            if len(placed.positiontup) > 1:
                self.by_place = str(placed), itemgetter(*placed.positiontup)
        if dialect == "postgresql":
            self.text = _IN_LIST.sub(lambda found: _any_of(found, expanding), self.text)
            kinds = {name: _kind(bind) for bind, name in compiled.bind_names.items()}
            if compiled.isinsert:
                self.for_each = _from_json(self.text, kinds)
            expanding = {}
        self.expanding: tuple[str, ...] = tuple(expanding)

    def bind(self, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The text and parameters to execute."""
        if self.defaults:
            params = {**self.defaults, **params}
        if not self.expanding:
            return self.text, params
        text, bound = self.text, dict(params)
        for name in self.expanding:
            values = bound.pop(name)
            pieces = []
            for index, value in enumerate(values):
                if type(value) is int:
                    pieces.append(str(value))
                else:
                    key = f"{name}__{index}"
                    bound[key] = value
                    pieces.append(f":{key}")
            text = text.replace(f"{_EXPANDING}{name}]", ", ".join(pieces) or "NULL", 1)
        return text, bound


def _kind(bind: Any) -> str:
    """The PostgreSQL type that carries a parameter in JSON."""
    if isinstance(bind.type, Integer):
        return "bigint"
    if isinstance(bind.type, Float):
        return "double precision"
    return "bytea" if isinstance(bind.type, LargeBinary) else "text"


def _any_of(found: re.Match[str], expanding: Mapping[str, Any]) -> str:
    """A list as one array parameter, so that the text does not depend on its length and stays prepared."""
    name = found[2]
    array = f"%({name})s::{_kind(expanding[name])}[]"
    return f"<> ALL({array})" if found[1] else f"= ANY({array})"


def _from_json(text: str, kinds: Mapping[str, str]) -> str:
    """An INSERT of one row of parameters, turned to take its rows from a JSON array."""

    def column(found: re.Match[str]) -> str:
        name = found[1]
        return f"decode(x.\"{name}\", 'base64')" if kinds[name] == "bytea" else f'x."{name}"'

    values = _VALUES.search(text)
    if values is None:
        raise ValueError(f"no VALUES in {text!r}")
    names = dict.fromkeys(_PARAMETER.findall(values[1]))
    types = ", ".join(f'"{name}" {"text" if kinds[name] == "bytea" else kinds[name]}' for name in names)
    source = f"SELECT {_PARAMETER.sub(column, values[1])} FROM json_to_recordset(%(rows)s::json) AS x({types})"  # noqa: S608 - from names in our own statements
    return text[: values.start()] + source + text[values.end() :]


class Statement:
    """A module-level statement; compiles itself at its first use on each dialect."""

    __slots__ = ("_compiled", "_statement")

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: str) -> Compiled:
        """The statement in a dialect."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = Compiled(self._statement, dialect)
        return found
