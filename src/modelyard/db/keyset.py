"""Where a page of a run search ended, and which rows come after that place.

A mark holds the values of the last row, not its number, so it stays right while runs are added or removed: a run that
is there throughout stands on exactly one page.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import Field, OrderKey

from .ordering import RUN_ID, START, complete, descending
from .run_table import MISSING, NAN, NUMBER, NUMBER_ATTRIBUTES, NumberColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .run_table import RunTable, TextColumn
    from .transaction import Transaction

    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]

Mark = tuple[str | int | float | None, ...]
"""A row's values of `complete` order keys: None is missing."""


def is_text(field: Field) -> bool:
    """Whether a run's field is sorted as a text."""
    if field.kind == "attribute":
        return field != START and field.key not in NUMBER_ATTRIBUTES
    return field.kind != "metric" and field.aggregate != "number"


def check(mark: Mark, order: Sequence[OrderKey]) -> None:
    """Refuse a mark that cannot have come from a search in this order.

    Raises:
        InvalidArgument: so it is.
    """
    keys = complete(order)
    if len(mark) != len(keys) or not all(_fits(value, key.field) for key, value in zip(keys, mark, strict=True)):
        raise InvalidArgument("The cursor belongs to a search in another order. Begin again without a cursor.")


def _fits(value: str | float | None, field: Field) -> bool:
    if field in (START, RUN_ID):
        return isinstance(value, int if field == START else str)
    return value is None or isinstance(value, str) == is_text(field)


def mark_of(table: RunTable, tx: Transaction, row: int, order: Sequence[OrderKey]) -> Mark:
    """The mark of a row. The table's lock is held."""
    return tuple(_value(table, tx, row, key.field) for key in complete(order))


def _value(table: RunTable, tx: Transaction, row: int, field: Field) -> str | int | float | None:
    if field == START:
        return int(table.starts[row])
    if field == RUN_ID:
        return bytes(table.uuids[row]).decode()
    column = table.column(tx, field.kind, field.key, field.aggregate)
    if column is None:
        return None
    if isinstance(column, NumberColumn):
        state = column.state[row]
        return None if state == MISSING else math.nan if state == NAN else float(column.values[row])
    code = column.codes[row]
    return None if code < 0 else column.texts[code]


def rows_after(table: RunTable, tx: Transaction, rows: Rows, order: Sequence[OrderKey], mark: Mark) -> Rows:
    """Those of the rows that come after the mark. The table's lock is held."""
    later: Mask = np.zeros(len(rows), np.bool_)
    level: Rows = np.arange(len(rows))  # those that the keys so far do not tell from the mark
    for key, value in zip(complete(order), mark, strict=True):
        behind, same = _compare(table, tx, rows[level], key, value)
        later[level[behind]] = True
        level = level[same]
        if not len(level):
            break
    return rows[later]


def _compare(table: RunTable, tx: Transaction, rows: Rows, key: OrderKey, value: Any) -> tuple[Mask, Mask]:
    """Which rows come behind a value of a key, and which are level with it."""
    field = key.field
    if field == START:
        return _sides(table.starts[rows], value, ascending=key.ascending)
    if field == RUN_ID:
        return _sides(table.uuids[rows], value.encode(), ascending=key.ascending)
    column = table.column(tx, field.kind, field.key, field.aggregate)
    if column is None:  # missing everywhere
        everywhere = np.ones(len(rows), np.bool_)
        return (~everywhere, everywhere) if value is None else (everywhere, ~everywhere)
    if isinstance(column, NumberColumn):
        state = column.state[rows]
        if value is None:
            return np.zeros(len(rows), np.bool_), state == MISSING
        if math.isnan(value):
            return state == MISSING, state == NAN
        number = state == NUMBER
        behind, same = _sides(column.values[rows], value, ascending=key.ascending)
        return behind | ~number, same & number
    codes = column.codes[rows]
    missing = codes < 0
    if value is None:
        return np.zeros(len(rows), np.bool_), missing
    place, found = _place(column, value)
    ranks = column.ranks()[codes] if len(column.texts) else np.zeros(len(codes), np.int64)
    behind = (ranks >= place + found) if key.ascending else (ranks < place)
    return missing | behind, (ranks == place) & found & ~missing


def _sides(values: NDArray[Any], bound: Any, *, ascending: bool) -> tuple[Mask, Mask]:
    return (values > bound) if ascending else (values < bound), values == bound


def _place(column: TextColumn, text: str) -> tuple[int, bool]:
    """How many of the column's texts sort before this one, and whether it is among them."""
    ranks = column.ranks()
    order = np.empty(len(ranks), np.int64)
    order[ranks] = np.arange(len(ranks))
    place = bisect_left(range(len(order)), text, key=lambda at: column.texts[order[at]])
    return place, place < len(order) and column.texts[order[place]] == text


def merged(parts: Sequence[tuple[RunTable, Rows]], tx: Transaction, order: Sequence[OrderKey]) -> Rows:
    """The order of rows of several tables: indices into all rows, one table's after the other. The locks are held."""
    keys: list[NDArray[Any]] = []
    for key in complete(order):
        field, sign = key.field, 1 if key.ascending else -1
        if field == START:
            keys.append(np.concatenate([sign * table.starts[rows] for table, rows in parts]))
        elif field == RUN_ID:
            uuids = np.concatenate([table.uuids[rows] for table, rows in parts])
            keys.append(uuids if key.ascending else descending(uuids))
        elif is_text(field):
            texts = [_value(table, tx, int(row), field) for table, rows in parts for row in rows]
            keys.append(np.array([text is None for text in texts], np.int8))
            distinct = {text: at for at, text in enumerate(sorted({str(text) for text in texts if text is not None}))}
            keys.append(np.array([0 if text is None else sign * distinct[str(text)] for text in texts], np.int64))
        else:
            found = [(table.column(tx, field.kind, field.key, field.aggregate), rows) for table, rows in parts]
            groups, values = [], []
            for column, rows in found:
                assert isinstance(column, NumberColumn) or column is None  # noqa: S101 - not a text
                state = np.zeros(len(rows), np.int8) if column is None else column.state[rows]
                groups.append(np.where(state == MISSING, 2, state - NUMBER))
                number = state == NUMBER
                values.append(
                    np.zeros(len(rows)) if column is None else np.where(number, sign * column.values[rows], 0.0)
                )
            keys += [np.concatenate(groups), np.concatenate(values)]
    return np.lexsort(keys[::-1])
