"""The history of metrics: reading it from fresh records and chunks, and moving the one to the other."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.errors import Conflict

from . import chunks, series
from .series import Points
from .statement import Statement
from .tables import metric_chunk, metric_fresh, run

if TYPE_CHECKING:
    from .transaction import Transaction

MIXED = 0
"""`key_id` of a chunk that holds several short series."""

LONG = 512
"""A series of at least this many points gets chunks of its own."""

CACHE_POINTS = 2_000_000

_run: BindParameter[Any] = bindparam("run")
_FRESH = Statement(
    select(metric_fresh.c.id, metric_fresh.c.body).where(metric_fresh.c.run_id == _run).order_by(metric_fresh.c.id)
)
_CHUNKS = Statement(
    select(metric_chunk.c.key_id, metric_chunk.c.body)
    .where(metric_chunk.c.run_id == _run, metric_chunk.c.key_id.in_(bindparam("keys", expanding=True)))
    .order_by(metric_chunk.c.key_id, metric_chunk.c.first_ms, metric_chunk.c.id)
)
_SHORT_CHUNKS = Statement(
    select(metric_chunk.c.id, metric_chunk.c.key_id, metric_chunk.c.body)
    .where(metric_chunk.c.run_id == _run, metric_chunk.c.points < chunks.CHUNK_POINTS)
    .order_by(metric_chunk.c.id)
)
_REV = Statement(select(run.c.id, run.c.rev).where(run.c.uuid == bindparam("uuid")))
_INSERT_CHUNK = Statement(
    insert(metric_chunk).values(
        run_id=_run,
        key_id=bindparam("key"),
        points=bindparam("points"),
        first_ms=bindparam("first_ms"),
        last_ms=bindparam("last_ms"),
        min_step=bindparam("min_step"),
        max_step=bindparam("max_step"),
        min_value=bindparam("min_value"),
        max_value=bindparam("max_value"),
        body=bindparam("body"),
    )
)
_PENDING = Statement(
    select(metric_fresh.c.run_id, func.count(), func.max(metric_fresh.c.id)).group_by(metric_fresh.c.run_id)
)
_DROP_FRESH = Statement(
    delete(metric_fresh).where(metric_fresh.c.run_id == _run, metric_fresh.c.id <= bindparam("last"))
)
_DROP_CHUNKS = Statement(delete(metric_chunk).where(metric_chunk.c.id.in_(bindparam("ids", expanding=True))))


class History:
    """Reads series; the last few stay decoded in memory. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, str], tuple[int, Points]] = OrderedDict()
        self._points = 0

    def read(self, tx: Transaction, uuid: str, key: str) -> Points:
        """All points of a series in the order of history; none if run or key are unknown."""
        row = tx.row(_REV, uuid=uuid)
        if row is None:
            return series.empty()
        number, rev = row
        kept = self._kept.get((number, key))
        if kept is not None and kept[0] == rev:
            return kept[1]
        key_id = tx.keys.find(tx, [key]).get(key)
        if key_id is None:
            return series.empty()
        points = _read(tx, number, key_id)
        self._keep((number, key), rev, points)
        return points

    def forget(self) -> None:
        """Begin anew, because the database is another one."""
        with self._lock:
            self._kept.clear()
            self._points = 0

    def _keep(self, at: tuple[int, str], rev: int, points: Points) -> None:
        with self._lock:
            old = self._kept.pop(at, None)
            if old is not None:
                self._points -= len(old[1]) + 64
            if len(points) > CACHE_POINTS:
                return
            self._kept[at] = (rev, points)
            self._points += len(points) + 64
            while self._points > CACHE_POINTS:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._points -= len(dropped) + 64


def _read(tx: Transaction, number: int, key_id: int) -> Points:
    parts: list[Points] = []
    own: list[bytes] = []
    # Before the chunks: on PostgreSQL each statement sees its own state, and a compaction between the two then makes
    # points appear twice, which `merge` mends, where the other order would lose them.
    fresh = [body for _, body in tx.rows(_FRESH, run=number)]
    for chunk_key, body in tx.rows(_CHUNKS, run=number, keys=[MIXED, key_id]):
        if chunk_key == MIXED:
            mixed = chunks.decode_mixed_chunk(body).get(key_id)
            if mixed is not None:
                parts.append(mixed)
        else:
            own.append(body)
    if own:
        parts.append(chunks.decode_chunks(own))
    if fresh:
        parts.append(series.points_of(fresh, key_id))
    return series.merge(parts) if parts else series.empty()


class Compaction:
    """One run's fresh records as chunks: made by a reader (it takes time), written by the writer."""

    def __init__(self, tx: Transaction, number: int) -> None:
        rows = tx.rows(_FRESH, run=number)
        self.run = number
        self.fresh = len(rows)
        self.last = rows[-1][0] if rows else 0
        self.replaced: list[int] = []
        self.chunks: list[dict[str, object]] = []
        if not rows:
            return
        together: dict[int, list[Points]] = {}
        for chunk_id, key_id, body in tx.rows(_SHORT_CHUNKS, run=number):
            self.replaced.append(chunk_id)
            if key_id == MIXED:
                for key, points in chunks.decode_mixed_chunk(body).items():
                    together.setdefault(key, []).append(points)
            else:
                together.setdefault(key_id, []).append(chunks.decode_chunk(body))
        for key, points in series.split_by_key([body for _, body in rows]).items():
            together.setdefault(key, []).append(points)
        self._encode({key: series.merge(parts) for key, parts in together.items()})

    def _encode(self, whole: dict[int, Points]) -> None:
        short: dict[int, Points] = {}
        size = 0
        for key, points in whole.items():
            if len(points) >= LONG:
                for summary, body in chunks.compact(points):
                    self._add(key, summary, body)
                continue
            if size + len(points) > chunks.CHUNK_POINTS:
                self._add_mixed(short)
                short, size = {}, 0
            short[key] = points
            size += len(points)
        self._add_mixed(short)

    def _add_mixed(self, short: dict[int, Points]) -> None:
        if short:
            summary = chunks.summarise(series.concatenate(list(short.values())))
            self._add(MIXED, summary, chunks.encode_mixed_chunk(short))

    def _add(self, key: int, summary: chunks.ChunkSummary, body: bytes) -> None:
        self.chunks.append(
            {
                "run": self.run,
                "key": key,
                "points": summary.points,
                "first_ms": summary.first_ms,
                "last_ms": summary.last_ms,
                "min_step": summary.min_step,
                "max_step": summary.max_step,
                "min_value": summary.min_value,
                "max_value": summary.max_value,
                "body": body,
            }
        )

    def write(self, tx: Transaction) -> None:
        """Put the chunks in the place of what they were made from.

        Raises:
            Conflict: another server compacted the same run meanwhile; nothing is lost.
        """
        replaced = tx.run(_DROP_CHUNKS, ids=self.replaced) if self.replaced else 0
        if tx.run(_DROP_FRESH, run=self.run, last=self.last) != self.fresh or replaced != len(self.replaced):
            raise Conflict("Another server compacted this run meanwhile.")
        tx.many(_INSERT_CHUNK, self.chunks)


def pending(tx: Transaction) -> list[tuple[int, int, int]]:
    """Runs with fresh records, how many each has, and the number of the last."""
    return [(row[0], row[1], row[2]) for row in tx.rows(_PENDING)]
