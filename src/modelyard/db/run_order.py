"""All rows of a run table in order, kept until the table changes: any part of a long listing is then a slice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from .ordering import RUN_ID, complete, sorting

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from modelyard.domain.search import OrderKey

    from .run_table import RunTable
    from .transaction import Transaction

    Rows = NDArray[np.int64]

MOST_CELLS = 4_000_000
"""Ids kept over all listings, 8 bytes each; those used longest ago go first."""


def sort(table: RunTable, tx: Transaction, rows: Rows, order: Sequence[OrderKey]) -> Rows:
    """The rows in order. The table's lock is held.

    Run ids, which are slow to sort by, are only looked at where everything else is equal.
    """
    keys = complete(order)
    last = next(at for at, key in enumerate(keys) if key.field == RUN_ID)
    parts = [part for key in keys[:last] for part in sorting(table, tx, rows, key)]
    if not parts or not len(rows):
        parts = [np.zeros(len(rows), np.int8)]
    places = np.lexsort(parts[::-1])
    same = np.ones(max(len(rows) - 1, 0), np.bool_)
    for part in parts:
        inorder = part[places]
        same &= inorder[1:] == inorder[:-1]
    if same.any():
        tied = np.zeros(len(rows), np.bool_)
        tied[1:] |= same
        tied[:-1] |= same
        group = np.concatenate([[0], np.cumsum(~same)])
        at = np.flatnonzero(tied)
        (ids,) = sorting(table, tx, rows[places[at]], keys[last])
        places[at] = places[at[np.lexsort((ids, group[at]))]]
    return rows[places]


class Listings:
    """Ids of whole listings by what was asked and in which state. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Hashable, Rows]] = OrderedDict()
        self._cells = 0

    def get(self, asked: Hashable, state: Hashable) -> Rows | None:
        """The ids, unless something changed since they were kept."""
        with self._lock:
            kept = self._kept.get(asked)
            if kept is None or kept[0] != state:
                return None
            self._kept.move_to_end(asked)
            return kept[1]

    def keep(self, asked: Hashable, state: Hashable, ids: Rows) -> None:
        """Remember ids in the place of older ones."""
        with self._lock:
            old = self._kept.pop(asked, None)
            self._cells += len(ids) - (len(old[1]) if old else 0)
            self._kept[asked] = (state, ids)
            while self._cells > MOST_CELLS and len(self._kept) > 1:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._cells -= len(dropped)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._cells = 0
