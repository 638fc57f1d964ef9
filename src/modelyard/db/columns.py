"""Run searches in memory: one table of numpy columns per experiment, filled as filters ask for them.

A filter with an ordering over 100,000 runs takes about a millisecond on columns and 12 to 138 ms in SQL (measured, see
docs/decisions/0003). The database stays the truth: a column is loaded at its first use, and rows that a commit
touched are read again before the next search, so a search sees every write that was acknowledged before it began.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import changes
from .matching import mask_of
from .ordering import first_rows
from .run_table import RunTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.domain.experiments import View
    from modelyard.domain.search import Node, OrderKey

    from .engine import Database, Transaction

MOST_CELLS = 12_000_000
"""Cells kept over all tables, about 8 bytes each; the tables used longest ago go first."""


@dataclass(frozen=True, slots=True)
class Found:
    """Result of a search.

    Attributes:
        ids: run ids of the page, in order.
        total: how many runs match.
    """

    ids: list[int]
    total: int


class ColumnStore:
    """The tables of all experiments that were searched. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: OrderedDict[int, RunTable] = OrderedDict()
        self._lock = threading.Lock()
        self._mark = 0
        self._looked = 0.0
        if database.dialect == "sqlite":
            database.on_commit.append(self._stale)

    def _stale(self, touched: dict[int, set[int]]) -> None:
        for experiment, runs in touched.items():
            table = self._tables.get(experiment)
            if table is not None:
                table.mark(runs)

    def _catch_up(self, tx: Transaction) -> None:
        """PostgreSQL: learn what this and other servers committed since the last look."""
        if tx.dialect == "sqlite":
            return
        with self._lock:
            now = time.monotonic()
            if now - self._looked > changes.KEEP_MS / 2000:
                self._tables.clear()
            mark, touched = changes.since(tx, self._mark)
            self._mark, self._looked = mark, now
            self._stale(touched)

    def search(  # noqa: PLR0913 - a search has these parts
        self,
        tx: Transaction,
        experiments: Sequence[int],
        node: Node | None,
        order: Sequence[OrderKey],
        view: View,
        limit: int,
        offset: int = 0,
    ) -> Found:
        """Runs that match, in order: one page of them. Call it before anything else in its transaction.

        Args:
            experiments: ids; unknown ones hold no runs.
            node: a checked filter for runs.
            order: keys; ties are broken by start time (newest first), then run id.
            limit, offset: the page.
        """
        self._catch_up(tx)
        tables = [self._table(number) for number in dict.fromkeys(experiments)]
        selections = []
        for table in tables:
            with table.lock:
                table.refresh(tx)
                rows = np.flatnonzero(mask_of(table, tx, node, view))
                wanted = limit + offset
                best, keys = first_rows(table, tx, rows, order, wanted)
                selections.append((table.ids[best], keys, len(rows)))
        total = sum(count for _, _, count in selections)
        if len(selections) == 1:
            ids = selections[0][0]
        elif selections:
            together = [np.concatenate(column) for column in zip(*(keys for _, keys, _ in selections), strict=True)]
            ids = np.concatenate([chosen for chosen, _, _ in selections])[np.lexsort(together[::-1])]
        else:
            return Found([], 0)
        self._trim()
        return Found(ids[offset : offset + limit].tolist(), total)

    def _table(self, experiment: int) -> RunTable:
        with self._lock:
            table = self._tables.get(experiment)
            if table is None:
                # Registered before its first read, so that no commit in between is missed.
                table = self._tables[experiment] = RunTable(experiment)
            self._tables.move_to_end(experiment)
            return table

    def _trim(self) -> None:
        with self._lock:
            cells = sum(table.cells for table in self._tables.values())
            while cells > MOST_CELLS and len(self._tables) > 1:
                _, dropped = self._tables.popitem(last=False)
                cells -= dropped.cells
