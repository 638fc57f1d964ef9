"""Run searches in memory: one table of numpy columns per experiment, filled as filters ask for them.

A filter with an ordering over 100,000 runs takes about a millisecond on columns and 12 to 138 ms in SQL (measured, see
docs/decisions/0003). The database stays the truth: a column is loaded at its first use, and rows that a commit
touched are read again before the next search, so a search sees every write that was acknowledged before it began.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import changes, keyset
from .matching import mask_of
from .ordering import first_rows
from .run_order import Listings, sort
from .run_table import RunTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from modelyard.domain.experiments import View
    from modelyard.domain.search import Node, OrderKey

    from .engine import Database
    from .keyset import Mark
    from .transaction import Transaction

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


@dataclass(frozen=True, slots=True)
class Page:
    """Result of a search that goes on behind a mark.

    Attributes:
        ids: run ids of the page, in order.
        total: how many runs match, on all pages.
        last: the last row's mark if more rows follow, else None.
    """

    ids: list[int]
    total: int
    last: Mark | None


@dataclass(frozen=True, slots=True)
class Window:
    """Some of what a search finds, by position.

    Attributes:
        ids: run ids, in order.
        total: how many runs match.
        place: the position of the run that was looked for; None if it does not match.
    """

    ids: list[int]
    total: int
    place: int | None


class ColumnStore:
    """The tables of all experiments that were searched. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: OrderedDict[int, RunTable] = OrderedDict()
        self._listings = Listings()
        self._lock = threading.Lock()
        self._mark = 0
        self._looked = 0.0
        if database.dialect == "sqlite":
            database.on_commit.append(self._stale)
        database.on_replaced.append(self._tables.clear)
        database.on_replaced.append(self._listings.clear)

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

    def search(
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
            tx: the transaction.
            experiments: ids; unknown ones hold no runs.
            node: a checked filter for runs.
            order: keys; ties are broken by start time (newest first), then run id.
            view: active runs, those in the trash, or both.
            limit: how many runs at most.
            offset: how many to skip.
        """
        self._catch_up(tx)
        tables = [self._table(number) for number in sorted(set(experiments))]
        wanted = limit + offset
        total, ids = 0, np.zeros(0, np.int64)
        with ExitStack() as locks:
            parts = []
            _hold(tables, locks)
            for table in tables:
                table.refresh(tx)
                rows = np.flatnonzero(mask_of(table, tx, node, view))
                total += len(rows)
                best = first_rows(table, tx, rows, order, wanted)
                parts.append((table, best))
            if len(parts) == 1:
                ids = tables[0].ids[parts[0][1]]
            elif parts:
                together = np.concatenate([table.ids[rows] for table, rows in parts])
                ids = together[keyset.merged(parts, tx, order)]
        self._trim()
        return Found(ids[offset:wanted].tolist(), total)

    def page(
        self,
        tx: Transaction,
        experiments: Sequence[int],
        node: Node | None,
        order: Sequence[OrderKey],
        view: View,
        limit: int,
        after: Mark | None = None,
    ) -> Page:
        """Like `search`, but a page begins behind a mark: what is added or removed meanwhile moves nothing.

        Args:
            tx: the transaction.
            experiments: as for `search`.
            node: likewise.
            order: likewise.
            view: likewise.
            limit: how many runs at most; 0 only counts.
            after: the mark that the page before ended with.

        Raises:
            InvalidArgument: the mark belongs to another order.
        """
        if after is not None:
            keyset.check(after, order)
        self._catch_up(tx)
        total, left = 0, 0
        chosen: list[tuple[RunTable, int]] = []
        last = None
        # All locks are held until the mark is made, so that it says what the sorting saw; always taken in one order.
        with ExitStack() as locks:
            parts = []
            tables = [self._table(number) for number in sorted(set(experiments))]
            _hold(tables, locks)
            for table in tables:
                table.refresh(tx)
                rows = np.flatnonzero(mask_of(table, tx, node, view))
                total += len(rows)
                if limit and after is not None:
                    rows = keyset.rows_after(table, tx, rows, order, after)
                left += len(rows)
                if limit:
                    parts.append((table, first_rows(table, tx, rows, order, limit)))
            chosen = [(table, int(row)) for table, rows in parts for row in rows]
            if len(parts) > 1:
                chosen = [chosen[at] for at in keyset.merged(parts, tx, order)[:limit]]
            if chosen and left > len(chosen):
                table, row = chosen[-1]
                last = keyset.mark_of(table, tx, row, order)
            ids = [int(table.ids[row]) for table, row in chosen]
        self._trim()
        return Page(ids, total, last)

    def window(
        self,
        tx: Transaction,
        experiments: Sequence[int],
        node: Node | None,
        order: Sequence[OrderKey],
        view: View,
        limit: int,
        offset: int,
        locate: str = "",
    ) -> Window:
        """Like `search`, for whoever jumps about in a long listing: the whole order is kept until something changes.

        Args:
            tx: the transaction.
            experiments: as for `search`.
            node: likewise.
            order: likewise.
            view: likewise.
            limit: how many runs at most.
            offset: how many to skip.
            locate: uuid of a run whose position is wanted.
        """
        self._catch_up(tx)
        numbers = sorted(set(experiments))
        asked = (tuple(numbers), node, tuple(order), view)
        with ExitStack() as locks:
            tables = [self._table(number) for number in numbers]
            _hold(tables, locks)
            for table in tables:
                table.refresh(tx)
            state = tuple((id(table), table.version) for table in tables)
            ids = self._listings.get(asked, state)
            if ids is None:
                ids = self._all(tx, tables, node, order, view)
                self._listings.keep(asked, state, ids)
            wanted = [table.number(locate) for table in tables] if locate else ()
        self._trim()
        places = [int(at) for number in wanted if number for at in np.flatnonzero(ids == number)]
        return Window(ids[offset : offset + limit].tolist(), len(ids), places[0] if places else None)

    @staticmethod
    def _all(
        tx: Transaction, tables: Sequence[RunTable], node: Node | None, order: Sequence[OrderKey], view: View
    ) -> NDArray[np.int64]:
        parts = [(table, np.flatnonzero(mask_of(table, tx, node, view))) for table in tables]
        if len(parts) == 1:
            ((table, rows),) = parts
            return table.ids[sort(table, tx, rows, order)]
        if not parts:
            return np.zeros(0, np.int64)
        together = np.concatenate([table.ids[rows] for table, rows in parts])
        return together[keyset.merged(parts, tx, order)]

    @contextmanager
    def reading(
        self, tx: Transaction, experiments: Sequence[int], node: Node | None, view: View
    ) -> Iterator[list[tuple[RunTable, NDArray[np.int64]]]]:
        """The tables of experiments, up to date and locked, each with its rows that match.

        Call it before anything else in the transaction.
        """
        self._catch_up(tx)
        with ExitStack() as locks:
            tables = [self._table(number) for number in sorted(set(experiments))]
            _hold(tables, locks)
            for table in tables:
                table.refresh(tx)
            yield [(table, np.flatnonzero(mask_of(table, tx, node, view))) for table in tables]
        self._trim()

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


def _hold(tables: Sequence[RunTable], locks: ExitStack) -> None:
    """Lock the tables, in their one order, and let each take what is stale now.

    With SQLite the transaction sees one state, that of its first statement. What becomes stale after that must stay
    stale for the next search, so all tables take before any of them reads.
    """
    for table in tables:
        locks.enter_context(table.lock)
        table.take()
