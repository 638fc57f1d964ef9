"""Orders a run table's rows: the first so many by some keys, without sorting the rest.

Rules, as MLflow's: a missing value comes last in both directions, NaN after all numbers and before what is missing;
ties by start time, newest first, then by run id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelyard.domain.search import Field, OrderKey

from .run_table import MISSING, NUMBER, NumberColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .run_table import RunTable
    from .transaction import Transaction

    Rows = NDArray[np.int64]
    Keys = list[NDArray[Any]]

START = Field("attribute", "start_time")
RUN_ID = Field("attribute", "run_id")


def complete(order: Sequence[OrderKey]) -> list[OrderKey]:
    """The order keys with the tie-breaks that every search adds: newest first, then by run id."""
    named = {key.field for key in order}
    keys = list(order)
    if START not in named:
        keys.append(OrderKey(START, ascending=False))
    if RUN_ID not in named:
        keys.append(OrderKey(RUN_ID))
    return keys


def first_rows(table: RunTable, tx: Transaction, rows: Rows, order: Sequence[OrderKey], count: int) -> Rows:
    """The first `count` of the rows, in order. The table's lock is held."""
    keys = complete(order)
    if len(rows) > 4 * count > 0:
        rows = _narrow(table, tx, rows, keys[0], count)
    columns = [column for key in keys for column in sorting(table, tx, rows, key)]
    return rows[np.lexsort(columns[::-1])[:count]]


def _narrow(table: RunTable, tx: Transaction, rows: Rows, key: OrderKey, count: int) -> Rows:
    """Keep the rows that can be among the first: all up to the count-th value of the leading key, ties included."""
    leading, *values = sorting(table, tx, rows, key) or [np.zeros(len(rows))]
    if values:
        # The leading column only tells values from holes; where enough rows have values, those decide.
        present = np.flatnonzero(leading == leading.min())
        if len(present) < count:
            return rows
        rows, leading = rows[present], values[0][present]
    if len(rows) <= count or leading.dtype.kind == "S":
        return rows
    early: Rows = rows[leading <= np.partition(leading, count - 1)[count - 1]]
    return early


def sorting(table: RunTable, tx: Transaction, rows: Rows, key: OrderKey) -> Keys:
    """What sorts the rows by a key, ascending: one column, or two of which the first tells values from holes."""
    field, sign = key.field, 1 if key.ascending else -1
    if field == START:
        return [sign * table.starts[rows]]
    if field == RUN_ID:
        uuids = table.uuids[rows]
        return [uuids if key.ascending else descending(uuids)]
    column = table.column(tx, field.kind, field.key, field.aggregate)
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
