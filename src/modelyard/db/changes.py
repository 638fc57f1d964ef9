"""PostgreSQL only: tells every server which runs changed, so that each can refresh what it holds in memory.

A transaction leaves one row with its transaction id. A reader remembers the oldest transaction that was still open
when it last looked, and takes every row from there on: rows seen twice do no harm, and none is missed although
transactions commit in another order than they began.
"""

from __future__ import annotations

import sys
import time
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .transaction import Transaction

KEEP_MS = 600_000
_LEAD = 7_130_421  # an arbitrary number, the same in every server
_RECORD = "INSERT INTO change_log (txid, at_ms, runs) VALUES (pg_current_xact_id()::text::bigint, %(at)s, %(runs)s)"
_SINCE = "SELECT runs FROM change_log WHERE txid >= %(since)s"
_NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def record(tx: Transaction) -> None:
    """Write this transaction's touched runs, as pairs of experiment and run."""
    pairs = array("q")
    for experiment, runs in tx.touched.items():
        for number in runs or (0,):  # 0: none of its runs, but the experiment itself
            pairs.append(experiment)
            pairs.append(number)
    if sys.byteorder == "little":
        pairs.byteswap()
    tx.raw(_RECORD, {"at": int(time.time() * 1000), "runs": pairs.tobytes()})


def since(tx: Transaction, mark: int) -> tuple[int, dict[int, set[int]]]:
    """What changed since the mark, and the next mark. The mark 0 asks for a mark alone."""
    next_mark = int(tx.raw(_NOW, {})[0][0])
    touched: dict[int, set[int]] = {}
    if mark:
        for (body,) in tx.raw(_SINCE, {"since": mark}):
            pairs = array("q")
            pairs.frombytes(body)
            if sys.byteorder == "little":  # PostgreSQL's own order is big-endian (log_at_once.py)
                pairs.byteswap()
            for experiment, number in zip(pairs[::2], pairs[1::2], strict=True):
                runs = touched.setdefault(experiment, set())
                if number:
                    runs.add(number)
    return next_mark, touched


def trim(tx: Transaction) -> None:
    """PostgreSQL: forget what every reader has seen; one that slept half as long starts anew (see columns.py)."""
    if tx.dialect == "postgresql":
        tx.raw("DELETE FROM change_log WHERE at_ms < %(before)s", {"before": int(time.time() * 1000) - KEEP_MS})


def lead(tx: Transaction) -> bool:
    """Whether this server may do what one server at a time does, such as compaction; held until `yield_lead`."""
    return tx.dialect == "sqlite" or bool(tx.raw("SELECT pg_try_advisory_lock(%(key)s)", {"key": _LEAD})[0][0])


def yield_lead(tx: Transaction) -> None:
    """Let another server lead; on the same thread that took the lead."""
    if tx.dialect == "postgresql":
        tx.raw("SELECT pg_advisory_unlock(%(key)s)", {"key": _LEAD})
