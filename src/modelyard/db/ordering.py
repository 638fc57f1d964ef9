"""Orders a run table's rows: the first so many by some keys, without sorting the rest.

Rules, as MLflow's: a missing value comes last in both directions, NaN after all numbers and before what is missing;
ties by start time, newest first, then by run id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .run_table import MISSING, NUMBER, NumberColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from modelyard.domain.search import OrderKey

    from .run_table import RunTable
    from .transaction import Transaction

    Rows = NDArray[np.int64]
    Keys = list[NDArray[Any]]


def first_rows(
    table: RunTable, tx: Transaction, rows: Rows, order: Sequence[OrderKey], count: int
) -> tuple[Rows, Keys]:
    """The first `count` of the rows in order, and their sort keys (most significant first) for merging tables."""
    keys = _keys(table, tx, rows, order)
    if len(rows) > 4 * count and count > 0:
        rows, keys = _narrow(rows, keys, count)
    chosen = np.lexsort(keys[::-1])[:count]
    return rows[chosen], [key[chosen] for key in keys]


def _narrow(rows: Rows, keys: Keys, count: int) -> tuple[Rows, Keys]:
    """Keep the rows that can be among the first: all up to the count-th value of the leading key, ties included."""
    leading = keys[0]
    if len(keys) > 1 and leading.dtype == np.int8:
        # The leading key only tells values from holes; where enough rows have values, those decide.
        present = np.flatnonzero(leading == leading.min())
        if len(present) < count:
            return rows, keys
        rows, keys = rows[present], [key[present] for key in keys]
        leading = keys[1]
    if len(rows) > count:
        kept = np.flatnonzero(leading <= np.partition(leading, count - 1)[count - 1])
        rows, keys = rows[kept], [key[kept] for key in keys]
    return rows, keys


def _keys(table: RunTable, tx: Transaction, rows: Rows, order: Sequence[OrderKey]) -> Keys:
    keys: Keys = []
    named = set()
    for item in order:
        field = item.field
        sign = 1 if item.ascending else -1
        if field.kind == "attribute" and field.key == "run_id":
            named.add("run_id")
            uuids = table.uuids[rows]
            keys.append(uuids if item.ascending else descending(uuids))
        elif field.kind == "attribute" and field.key == "start_time":
            named.add("start_time")
            keys.append(sign * table.starts[rows])
        else:
            keys += _column_keys(table, tx, rows, item, sign)
    if "start_time" not in named:
        keys.append(-table.starts[rows])
    if "run_id" not in named:
        keys.append(table.uuids[rows])
    return keys


def _column_keys(table: RunTable, tx: Transaction, rows: Rows, item: OrderKey, sign: int) -> Keys:
    column = table.column(tx, item.field.kind, item.field.key, item.field.aggregate)
    if column is None:
        return []
    if isinstance(column, NumberColumn):
        state = column.state[rows]
        # Numbers 0, NaN 1, missing 2.
        group = np.where(state == MISSING, 2, state - NUMBER).astype(np.int8)
        return [group, np.where(state == NUMBER, sign * column.values[rows], 0.0)]
    codes = column.codes[rows]
    ranks = column.ranks()
    place = ranks[codes] if len(ranks) else np.zeros(len(codes), np.int64)
    return [(codes < 0).astype(np.int8), np.where(codes < 0, 0, sign * place)]


def descending(uuids: NDArray[Any]) -> NDArray[Any]:
    """Hex texts of one length, turned so that ascending order is descending: each byte by its complement."""
    raw = np.ascontiguousarray(uuids).view(np.uint8)
    flipped: NDArray[Any] = (np.uint8(255) - raw).view(uuids.dtype)
    return flipped
