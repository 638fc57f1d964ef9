"""Search trees to SQL: the only compiler. Runs alone are searched in memory; see matching.py.

A `Source` says where an entity's fields live. `Source.page` compiles a filter and an ordering to one statement; the
statement is kept by the shape of the tree, so that only a shape seen for the first time costs a compilation.

Meaning: that of `modelyard.domain.search.matching`, with one exception: ILIKE on SQLite minds the case of letters other
than a to z.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Float,
    Text,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from modelyard.domain.search import And, Comparison, Field, Kind, Node, Not, Op, OrderKey, Scalar, Value

from .statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.selectable import Select

    from .transaction import Row, Transaction

MOST_SHAPES = 1000

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A table of keys and values that belong to rows of the entity's table.

    Attributes:
        key, value: its columns.
        on: how its rows are tied to the entity's row; with `key` the primary key, so that each of the entity's rows
            costs one look-up. (Values have no index: they may be longer than PostgreSQL can index.)
    """

    key: ColumnElement[Any]
    value: ColumnElement[Any]
    on: tuple[Condition, ...]


@dataclass(slots=True)
class Source:
    """Where an entity's fields live.

    Attributes:
        base: the select that filter, order and limit are added to; its tables must be those that the columns belong to.
        columns: attribute → column.
        ties: column and whether it ascends; they make every ordering total, so none may be NULL.
        pairs: tags, params or metrics → their table.
        texts: attributes that are texts; compared and sorted by byte.
    """

    base: Select[Any]
    columns: Mapping[str, ColumnElement[Any]]
    ties: tuple[tuple[ColumnElement[Any], bool], ...]
    pairs: Mapping[Kind, Pairs] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    _shapes: dict[Any, Statement] = field(default_factory=dict)

    def page(
        self,
        tx: Transaction,
        where: Node | None,
        order: Sequence[OrderKey] = (),
        *,
        limit: int,
        offset: int = 0,
        after: Sequence[Scalar] | None = None,
        **fixed: Any,
    ) -> list[Row]:
        """One page of rows. Each has the columns of `base`, then those that `positions` reads.

        Args:
            tx: the transaction.
            where: the filter.
            order: the ordering; the ties follow it.
            limit: the most rows.
            offset: how many to leave out.
            after: one of `positions`, of the row that the page begins behind; with the same `order`.
            fixed: the parameters of `base` itself.
        """
        shape: list[Any] = [tx.dialect, offset > 0, after is not None]
        params: dict[str, Any] = {}
        if where is not None:
            _describe(where, shape, params, tx.dialect)
        shape.extend((key.field.kind, key.ascending, key.field.key) for key in order)
        known = tuple(shape)
        statement = self._shapes.get(known)
        if statement is None:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            statement = self._shapes[known] = Statement(self._select(where, order, shape))
        params["limit"] = limit
        if offset > 0:
            params["offset"] = offset
        for number, value in enumerate(after or ()):
            params[f"after{number}"] = value
        return tx.rows(statement, **params, **fixed)

    def count(self, tx: Transaction, where: Node | None, **fixed: Any) -> int:
        """How many rows a filter lets through."""
        params: dict[str, Any] = {}
        if where is not None:
            _describe(where, [], params, tx.dialect)
        statement = self.base.with_only_columns(func.count(), maintain_column_froms=True)
        if where is not None:
            statement = statement.where(self.condition(where, tx.dialect))
        row = tx.row(Statement(statement), **params, **fixed)
        return int(row[0]) if row else 0

    def positions(self, rows: Sequence[Row], order: Sequence[OrderKey]) -> list[tuple[Scalar, ...]]:
        """Where each row stands in an ordering; for `after`."""
        width = sum(1 if self._is_plain(key.field) else 2 for key in order) + len(self.ties)
        return [row[-width:] for row in rows]

    def values(self, where: Node, dialect: str) -> dict[str, Any]:
        """The values in a filter, by the names that `condition` gives them."""
        params: dict[str, Any] = {}
        _describe(where, [], params, dialect)
        return params

    def condition(self, where: Node, dialect: str) -> Condition:
        """A filter as SQL; its values are the parameters p0, p1, ... in the order of the tree."""
        return _Compiler(self, dialect).node(where)

    def _select(self, where: Node | None, order: Sequence[OrderKey], shape: Sequence[Any]) -> Select[Any]:
        dialect, has_offset, has_after = shape[:3]
        sorting = self._sorting(order, dialect)
        statement = self.base.add_columns(
            *(expression.label(f"sort{number}") for number, (expression, _) in enumerate(sorting))
        )
        if where is not None:
            statement = statement.where(self.condition(where, dialect))
        if has_after:
            statement = statement.where(_behind(sorting))
        statement = statement.order_by(*(expr.asc() if up else expr.desc() for expr, up in sorting))
        statement = statement.limit(bindparam("limit"))
        return statement.offset(bindparam("offset")) if has_offset else statement

    def _is_plain(self, sorted_by: Field) -> bool:
        """Whether a field always has a value."""
        return sorted_by.kind == "attribute" and not getattr(self.columns[sorted_by.key], "nullable", True)

    def _sorting(self, order: Sequence[OrderKey], dialect: str) -> list[tuple[ColumnElement[Any], bool]]:
        """Expressions that are never NULL, and whether they ascend. A missing value comes last in both directions."""
        sorting: list[tuple[ColumnElement[Any], bool]] = []
        for number, key in enumerate(order):
            value = self._value(key.field, number)
            text = key.field.kind in ("tag", "param") or key.field.key in self.texts
            plain = self._is_plain(key.field)
            if not plain:
                sorting.append((case((value.is_(None), 1), else_=0), True))
                value = func.coalesce(value, "" if text else 0)
            if text and dialect == "postgresql":
                value = value.collate("C")
            sorting.append((value, key.ascending))
        return sorting + list(self.ties)

    def _value(self, wanted: Field, number: int) -> ColumnElement[Any]:
        if wanted.kind == "attribute":
            return self.columns[wanted.key]
        pairs = self.pairs[wanted.kind]
        name: Any = bindparam(f"sort_key{number}", wanted.key)
        return select(pairs.value).where(*pairs.on, pairs.key == name).limit(1).scalar_subquery()


def _behind(sorting: Sequence[tuple[ColumnElement[Any], bool]]) -> Condition:
    """Rows that come after the one whose sort values are the parameters after0, after1, ..."""
    result: Condition = false()
    for number in reversed(range(len(sorting))):
        expression, ascending = sorting[number]
        value: Any = bindparam(f"after{number}")
        beyond = expression > value if ascending else expression < value
        result = or_(beyond, and_(expression == value, result)) if number < len(sorting) - 1 else beyond
    return result


def _describe(node: Node, shape: list[Any], params: dict[str, Any], dialect: str) -> None:
    """Append the tree without its values to `shape`, and its values to `params`."""
    if isinstance(node, Comparison):
        kind = node.field.kind
        shape.append((kind, node.op, node.field.key if kind == "attribute" else "", _kind(node.value)))
        if kind != "attribute":
            params[f"p{len(params)}"] = node.field.key
        value = node.value
        if node.op is Op.LIKE and dialect == "sqlite":
            value = _glob(str(value))
        if value is not None:
            params[f"p{len(params)}"] = _listed(value) if isinstance(value, tuple) else value
    elif isinstance(node, Not):
        shape.append("not")
        _describe(node.item, shape, params, dialect)
    else:
        shape.append(("and" if isinstance(node, And) else "or", len(node.items)))
        for item in node.items:
            _describe(item, shape, params, dialect)


def _listed(values: tuple[Scalar, ...]) -> list[Scalar]:
    """A list of one type, which PostgreSQL wants."""
    return [float(value) for value in values] if _kind(values) is float else list(values)


def _kind(value: Value) -> type[Scalar]:
    """What a value is compared as; a list with a float in it is a list of floats."""
    kinds = {type(item) for item in (value if isinstance(value, tuple) else (value,))}
    return float if float in kinds else int if int in kinds else str


# Said of every value, because PostgreSQL would round 9.5 to compare it with whole numbers.
_TYPES: dict[type[Scalar], TypeEngine[Any]] = {float: Float(53), int: BigInteger(), str: Text()}


class _Compiler:
    """Walks a tree as `_describe` does, and so gives the same names to the values."""

    def __init__(self, source: Source, dialect: str) -> None:
        self._source = source
        self._dialect = dialect
        self._count = 0

    def _param(self, value: Value, *, many: bool = False) -> Any:
        name = f"p{self._count}"
        self._count += 1
        return bindparam(name, expanding=many, type_=_TYPES[_kind(value)])

    def node(self, node: Node) -> Condition:
        if isinstance(node, Comparison):
            return self._clause(node)
        if isinstance(node, Not):
            return not_(func.coalesce(self.node(node.item), false()))
        items = [self.node(item) for item in node.items]
        return and_(*items) if isinstance(node, And) else or_(*items)

    def _clause(self, clause: Comparison) -> Condition:
        if clause.field.kind == "attribute":
            return self._test(self._source.columns[clause.field.key], clause)
        pairs = self._source.pairs[clause.field.kind]
        key = pairs.key == self._param(clause.field.key)
        if clause.op is Op.IS_NULL:
            return not_(exists(literal(1)).where(*pairs.on, key))
        if clause.op is Op.IS_NOT_NULL:
            return exists(literal(1)).where(*pairs.on, key)
        test = self._test(pairs.value, clause)
        return exists(literal(1)).where(*pairs.on, key, test)

    def _test(self, column: ColumnElement[Any], clause: Comparison) -> Condition:
        op = clause.op
        if op is Op.IS_NULL:
            return column.is_(None)
        if op is Op.IS_NOT_NULL:
            return column.is_not(None)
        if op in (Op.IN, Op.NOT_IN):
            values = self._param(clause.value, many=True)
            return column.in_(values) if op is Op.IN else column.not_in(values)
        value = self._param(clause.value)
        if op is Op.LIKE:
            # SQLite's own LIKE does not mind case. PostgreSQL would take a backslash for an escape.
            return column.op("GLOB", is_comparison=True)(value) if self._dialect == "sqlite" else column.like(value, "")
        if op is Op.ILIKE:
            return column.ilike(value) if self._dialect == "sqlite" else column.ilike(value, "")
        test: Condition = column.op(op.value, is_comparison=True)(value)
        return test


_GLOB = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})


def _glob(pattern: str) -> str:
    """A LIKE pattern as a GLOB pattern."""
    return pattern.translate(_GLOB)
