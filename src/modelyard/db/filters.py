"""`domain.search` trees → SQL: the only compiler. What a filter means is said by `domain.search.matches`.

Runs are not searched this way but in memory (columns.py). LIKE minds case and ILIKE does not; with SQLite, ILIKE folds
the letters A to Z only.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Float, Text, and_, bindparam, func, literal_column, not_, or_, select, true

from modelyard.domain.search import And, Comparison, Field, Node, Not, Op, Or

from .statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Select

    from modelyard.domain.search import OrderKey, Scalar

    from .engine import Row, Transaction

SHAPES = 512

_TYPES: dict[str, Any] = {"i": BigInteger(), "f": Float(53), "s": Text()}


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A table of keys and values of something else.

    Attributes:
        owner: pairs of a column here and the column there that it must equal.
        key, value: the columns.
        is_nan: for numbers: where NaN is noted; the value is then of no account.
        also: what else must hold of a row for it to count.
    """

    owner: tuple[tuple[Column[Any], ColumnElement[Any]], ...]
    key: Column[str]
    value: Column[Any]
    is_nan: Column[int] | None = None
    also: ColumnElement[bool] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """Where the fields of a searchable noun are stored.

    Attributes:
        attributes: canonical names to columns (or scalar subqueries).
        tags, params, metrics: where those are, if it has them.
    """

    attributes: Mapping[str, ColumnElement[Any]]
    tags: Pairs | None = None
    params: Pairs | None = None
    metrics: Pairs | None = None

    def pairs(self, field: Field) -> Pairs:
        """Where tags, params or metrics are; the parser lets no others through."""
        found = {"tag": self.tags, "param": self.params, "metric": self.metrics}[field.kind]
        assert found is not None  # noqa: S101 - see above
        return found


def lift(node: Node | None, dialect: str) -> tuple[Node | None, dict[str, Any]]:
    """Take the values out of a tree: its shape, with parameter names in place of values, and the values by name.

    Filters that differ in their values alone have one shape, and so one compiled statement.
    """
    values: dict[str, Any] = {}
    return (None, values) if node is None else (_lift(node, dialect, values), values)


def _lift(node: Node, dialect: str, values: dict[str, Any]) -> Node:
    if isinstance(node, And | Or):
        return type(node)(tuple(_lift(item, dialect, values) for item in node.items))
    if isinstance(node, Not):
        return Not(_lift(node.item, dialect, values))
    value = node.value
    if value is None:
        return node
    if node.op is Op.LIKE and dialect == "sqlite":
        value = _glob(str(value))
    name = f"{_letter(value[0] if isinstance(value, tuple) else value)}{len(values)}_"
    values[name] = list(value) if isinstance(value, tuple) else value
    return replace(node, value=name)


def _letter(value: Scalar) -> str:
    return "s" if isinstance(value, str) else "i" if isinstance(value, int) else "f"


def _glob(pattern: str) -> str:
    """A LIKE pattern as a GLOB pattern, which minds case in SQLite."""
    return "".join({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}.get(char, char) for char in pattern)


def condition(shape: Node | None, noun: Noun, dialect: str) -> ColumnElement[bool]:
    """The WHERE clause of a lifted tree."""
    if shape is None:
        return true()
    if isinstance(shape, And):
        return and_(*(condition(item, noun, dialect) for item in shape.items))
    if isinstance(shape, Or):
        return or_(*(condition(item, noun, dialect) for item in shape.items))
    if isinstance(shape, Not):
        return not_(condition(shape.item, noun, dialect))
    field = shape.field
    if field.kind == "attribute":
        column = noun.attributes[field.key]
        if shape.op is Op.IS_NULL:
            return column.is_(None)
        if shape.op is Op.IS_NOT_NULL:
            return column.is_not(None)
        # Never unknown, so that NOT means the opposite.
        return and_(column.is_not(None), compare(column, shape, dialect))
    pairs = noun.pairs(field)
    if shape.op is Op.IS_NULL:
        return not_(_exists(pairs, field.key, true()))
    if shape.op is Op.IS_NOT_NULL:
        return _exists(pairs, field.key, true())
    return _exists(pairs, field.key, holds(pairs, shape, dialect))


def holds(pairs: Pairs, clause: Comparison, dialect: str) -> ColumnElement[bool]:
    """Whether the value in a row of pairs satisfies a lifted clause."""
    found = compare(pairs.value, clause, dialect)
    if pairs.is_nan is None:
        return found
    if clause.op in (Op.NE, Op.NOT_IN):  # NaN differs from every number
        return or_(pairs.is_nan == 1, found)
    return and_(pairs.is_nan == 0, found)


def _exists(pairs: Pairs, key: str, holds: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(literal_column("1")).where(*belongs(pairs, key), holds).correlate_except(pairs.key.table).exists()


def belongs(pairs: Pairs, key: str | None) -> list[ColumnElement[bool]]:
    """That a row of pairs belongs to the noun, has the key (any if None) and counts."""
    found: list[ColumnElement[bool]] = [here == there for here, there in pairs.owner]
    if key is not None:
        found.append(pairs.key == key)
    if pairs.also is not None:
        found.append(pairs.also)
    return found


_COMPARE: dict[Op, Callable[[ColumnElement[Any], Any], Any]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.IN: lambda column, values: column.in_(values),
    Op.NOT_IN: lambda column, values: column.not_in(values),
    # No character is an escape. SQLite has none unless told so; PostgreSQL has the backslash unless told otherwise.
    Op.LIKE: lambda column, pattern: column.like(pattern, escape=""),
    Op.ILIKE: lambda column, pattern: column.ilike(pattern, escape=""),
}
_COMPARE_IN_SQLITE = _COMPARE | {
    Op.LIKE: lambda column, pattern: column.op("GLOB", is_comparison=True)(pattern),
    Op.ILIKE: lambda column, pattern: column.like(pattern),
}


def compare(column: ColumnElement[Any], clause: Comparison, dialect: str) -> ColumnElement[bool]:
    """One lifted comparison."""
    name = str(clause.value)
    value: Any = bindparam(name, expanding=clause.op in (Op.IN, Op.NOT_IN), type_=_TYPES[name[0]])
    table = _COMPARE_IN_SQLITE if dialect == "sqlite" else _COMPARE
    found: ColumnElement[bool] = table[clause.op](column, value)
    return found


def sort_key(column: ColumnElement[Any], dialect: str, *, ascending: bool) -> list[ColumnElement[Any]]:
    """ORDER BY one column: texts by their bytes, what is missing last in both directions."""
    by: ColumnElement[Any] = column
    if dialect == "postgresql" and isinstance(column.type, Text):
        by = column.collate("C")
    return [column.is_(None), by.asc() if ascending else by.desc()]


class Query:
    """A search over one noun. Statements are compiled once per shape of filter and ordering.

    Args:
        noun: where its fields are.
        base: the SELECT without filter and ordering; its own parameters are passed to `rows` by name.
        default: how it is sorted if nothing is said.
        ties: what follows an ordering that somebody asked for.
    """

    def __init__(
        self,
        noun: Noun,
        base: Select[Any],
        default: Sequence[ColumnElement[Any]],
        ties: Sequence[ColumnElement[Any]],
    ) -> None:
        self._noun = noun
        self._base = base
        self._default = default
        self._ties = ties
        self._page = lru_cache(maxsize=SHAPES)(self._build_page)
        self._count = lru_cache(maxsize=SHAPES)(self._build_count)

    def rows(
        self, tx: Transaction, node: Node | None, order: Sequence[OrderKey], *, limit: int, offset: int, **params: Any
    ) -> list[Row]:
        """One page of what matches."""
        shape, values = lift(node, tx.dialect)
        statement = self._page(shape, tuple(order), tx.dialect)
        return tx.rows(statement, limit=limit, offset=offset, **params, **values)

    def count(self, tx: Transaction, node: Node | None, **params: Any) -> int:
        """How many match."""
        shape, values = lift(node, tx.dialect)
        row = tx.row(self._count(shape, tx.dialect), **params, **values)
        return int(row[0]) if row else 0

    def _build_page(self, shape: Node | None, order: tuple[OrderKey, ...], dialect: str) -> Statement:
        keys: list[ColumnElement[Any]] = list(self._ties if order else self._default)
        for key in reversed(order):
            keys[:0] = sort_key(self._noun.attributes[key.field.key], dialect, ascending=key.ascending)
        found = self._base.where(condition(shape, self._noun, dialect)).order_by(*keys)
        return Statement(found.limit(bindparam("limit")).offset(bindparam("offset")))

    def _build_count(self, shape: Node | None, dialect: str) -> Statement:
        found = self._base.where(condition(shape, self._noun, dialect)).order_by(None)
        return Statement(select(func.count()).select_from(found.subquery()))
