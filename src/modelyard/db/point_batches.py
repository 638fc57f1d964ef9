"""Applies `PointBatch`es: packed points of many runs, split and summed up in arrays.

Does what log.py does for a `LogBatch`'s points, with the same rows as result.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.domain.errors import InvalidState, ModelyardError, NotFound

from .log import INSERT_FRESH, TOUCH, UPSERT_METRIC, R, joined
from .runs import absent
from .series import FRESH, Floats, Integers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.domain.metrics import PointBatch

    from .transaction import Transaction

RECORD = np.dtype([("run", "<u4"), ("key", "<u4"), ("value", "<f8"), ("timestamp", "<i8"), ("step", "<i8")])
"""`domain.metrics.POINT` as an array's type."""

_RADIX = 2**16
_LEAST = -(2**63)


def apply(tx: Transaction, batches: Sequence[PointBatch]) -> list[ModelyardError | None]:
    """Write the batches; for each, None or why it was refused, with the places of the runs that are at fault."""
    wanted = list(dict.fromkeys(uuid for batch in batches for uuid in batch.runs))
    found: dict[str, tuple[int, int]] = {
        uuid: (number, experiment) for uuid, number, experiment in tx.rows(TOUCH, uuids=wanted)
    }
    errors = [_refusal(tx, batch, found) if len(found) < len(wanted) else None for batch in batches]
    accepted = [batch for batch, error in zip(batches, errors, strict=True) if error is None]
    ids = tx.keys.intern(tx, {key for batch in accepted for key in batch.keys})
    latest: dict[tuple[int, int], dict[str, Any]] = {}
    fresh: list[dict[str, Any]] = []
    for batch in accepted:
        numbers = [found[uuid][0] for uuid in batch.runs]
        fresh += split(batch, numbers, [ids[key] for key in batch.keys], latest)
        for uuid in batch.runs:
            number, experiment = found[uuid]
            tx.touch(experiment, (number,))
    tx.many(UPSERT_METRIC, [latest[at] for at in sorted(latest)])
    tx.many(INSERT_FRESH, fresh)
    return errors


def _refusal(tx: Transaction, batch: PointBatch, found: Mapping[str, object]) -> ModelyardError | None:
    """Why a batch cannot be applied: all of its runs that are not there, or in the trash."""
    refused = [(at, absent(tx, uuid)) for at, uuid in enumerate(batch.runs) if uuid not in found]
    if not refused:
        return None
    missing = any(isinstance(error, NotFound) for _, error in refused)
    return (NotFound if missing else InvalidState)(
        f"{len(refused)} of {len(batch.runs)} runs take no points, so nothing was stored: {refused[0][1].message}",
        [(f"/runs/{at}", error.message) for at, error in refused],
    )


def split(
    batch: PointBatch, runs: Sequence[R], key_ids: Sequence[int], latest: dict[tuple[R, int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """A batch as rows: its fresh records, run by run, are returned; its series are summed up in `latest`.

    Args:
        batch: of points.
        runs: what names each of its runs in the rows.
        key_ids: of its keys.
        latest: rows of `metric` by run and key.
    """
    records = np.frombuffer(batch.points, RECORD)
    if not len(records):
        return []
    # A run or key that is named twice is one.
    run_of, key_of = _distinct(runs), _distinct(key_ids)
    run_at, key_at = run_of[records["run"]], key_of[records["key"]]
    fresh = np.empty(len(records), FRESH)
    fresh["key_id"] = np.array(key_ids, np.int64)[key_at]
    for name in ("timestamp", "step", "value"):
        fresh[name] = records[name]
    by_series, firsts = _groups(run_at * len(key_ids) + key_at, len(runs) * len(key_ids))
    for row in _summaries(fresh[by_series], firsts, [runs[at] for at in run_at[by_series[firsts]].tolist()]):
        at = row["run"], row["key"]
        latest[at] = joined(latest[at], row) if at in latest else row
    return [{"run": runs[at], "body": body} for at, body in _pieces(fresh, run_at, len(runs))]


def _pieces(fresh: NDArray[Any], run_at: Integers, count: int) -> list[tuple[int, bytes]]:
    """The records of each run, in their order."""
    order, starts = _groups(run_at, count)
    if len(starts) > 1:
        fresh = fresh[order]
    bodies = [fresh[start:end].tobytes() for start, end in pairwise([*starts.tolist(), len(fresh)])]
    return list(zip(run_at[order[starts]].tolist(), bodies, strict=True))


def _distinct(names: Sequence[R]) -> Integers:
    """For each index of a name, the first index of the same name."""
    first: dict[R, int] = {}
    return np.array([first.setdefault(name, at) for at, name in enumerate(names)], np.int64)


def _groups(group: Integers, bound: int) -> tuple[Integers, Integers]:
    """An order that puts equal numbers together and keeps theirs, and where each group then starts."""
    if bound <= _RADIX:
        group = group.astype(np.uint16)  # sorted in two passes instead of log n
    order = np.argsort(group, kind="stable")
    group = group[order]
    return order, np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))


def _summaries(fresh: NDArray[Any], starts: Integers, runs: list[R]) -> list[dict[str, Any]]:
    """One row per series: its greatest (step, timestamp, value), where NaN counts as 0, and its extremes."""
    counts = np.diff(np.concatenate((starts, [len(fresh)])))
    nan = np.isnan(fresh["value"])
    values: Floats = np.where(nan, 0.0, fresh["value"])
    best = np.ones(len(fresh), np.bool_)
    for column, least in ((fresh["step"], _LEAST), (fresh["timestamp"], _LEAST), (values, -np.inf)):
        highest = np.maximum.reduceat(np.where(best, column, least), starts)
        best &= column == np.repeat(highest, counts)
    # The first of those that are equal.
    places = np.minimum.reduceat(np.where(best, np.arange(len(fresh)), len(fresh)), starts)
    columns = (
        runs,
        fresh["key_id"][starts].tolist(),
        fresh["step"][places].tolist(),
        fresh["timestamp"][places].tolist(),
        values[places].tolist(),
        nan[places].astype(np.int8).tolist(),
        _extremes(np.fmin, fresh["value"], starts),
        _extremes(np.fmax, fresh["value"], starts),
    )
    names = ("run", "key", "step", "timestamp", "value", "is_nan", "min_value", "max_value")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _extremes(kind: np.ufunc, values: Floats, starts: Integers) -> list[float | None]:
    """The least or greatest of each series; None if all of it is NaN."""
    return [None if value != value else value for value in kind.reduceat(values, starts).tolist()]  # noqa: PLR0124
