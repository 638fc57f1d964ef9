"""Reading the history of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from modelyard.db import runs as db_runs
from modelyard.db import sampling
from modelyard.db.point_batches import RECORD
from modelyard.domain import validation
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.metrics import LARGEST, MOST_PACKED, PointBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.metrics import History
    from modelyard.db.series import Points
    from modelyard.db.transaction import Transaction


_MOST_PLACES: Final = 1000


def batch(runs: list[str], keys: list[str], points: bytes) -> PointBatch:
    """Packed points that may be stored; see `PointBatch`. Infinities are clamped.

    Raises:
        InvalidArgument: a run's id, a key, an index or a timestamp is not allowed; `places` names each of them, of very
            many the first thousand.
    """
    places: list[tuple[str, str]] = []
    for name, texts, check in (
        ("runs", runs, validation.check_run_id),
        ("keys", keys, validation.check_metric_key),
    ):
        for at, text in enumerate(texts):
            try:
                check(text, name)
            except InvalidArgument as error:
                places.append((f"/{name}/{at}", error.message))
    if len(points) % RECORD.itemsize:
        what = f"{len(points)} bytes are no whole number of points of {RECORD.itemsize} bytes."
        raise InvalidArgument(what, [*places, ("/points", what)])
    records = np.frombuffer(points, RECORD)
    if len(records) > MOST_PACKED:
        what = f"There are {len(records)} points; at most {MOST_PACKED} are taken at once."
        raise InvalidArgument(what, [*places, ("/points", what)])
    for wrong, what in (
        (records["run"] >= len(runs), f"The index of its run is not below {len(runs)}."),
        (records["key"] >= len(keys), f"The index of its key is not below {len(keys)}."),
        (records["timestamp"] < 0, "Its timestamp is negative; milliseconds since 1970 were expected."),
    ):
        places += [(f"/points/{at}", what) for at in np.flatnonzero(wrong)[:_MOST_PLACES].tolist()]
    if places:
        raise InvalidArgument(f"Nothing was stored; wrong at {places[0][0]}: {places[0][1]}", places[:_MOST_PLACES])
    if np.isinf(records["value"]).any():
        records = records.copy()
        np.clip(records["value"], -LARGEST, LARGEST, out=records["value"])
        points = records.tobytes()
    return PointBatch(runs, keys, points)


def history(tx: Transaction, source: History, run: str, key: str) -> Points:
    """A series in the order of history (timestamp, step, value); empty if run or key are unknown."""
    return source.read(tx, run, key)


def sampled(
    tx: Transaction,
    source: History,
    runs: Sequence[str],
    key: str,
    start_step: int | None,
    end_step: int | None,
    most: int,
) -> list[tuple[str, Points]]:
    """Points of several runs at common, evenly chosen steps; see `sampling.shared_steps`."""
    series = [(run, source.read(tx, run, key)) for run in dict.fromkeys(runs)]
    steps = sampling.shared_steps([points for _, points in series], start_step, end_step, most)
    return [(run, sampling.sample_for_chart(points, steps)) for run, points in series]


def drawn(
    tx: Transaction,
    source: History,
    run: str,
    key: str,
    most: int,
    by: Literal["step", "time"] = "step",
    start: int | None = None,
    end: int | None = None,
) -> tuple[Points, int]:
    """A series with at most so many points that draw the same line, and how many there are.

    Args:
        tx: the transaction.
        source: where series are read.
        run: the run's uuid.
        key: of the metric.
        most: see `sampling.downsample`.
        by: order by step or by time.
        start: leave out what lies before this step or time (ms).
        end: likewise, behind.

    Raises:
        InvalidArgument: `most` is too small.
    """
    points = source.read(tx, run, key)
    if start is not None or end is not None:
        axis = points.steps if by == "step" else points.timestamps
        inside = np.ones(len(points), np.bool_)
        if start is not None:
            inside &= axis >= start
        if end is not None:
            inside &= axis <= end
        points = points.take(inside)
    return sampling.downsample(points, most, by), len(points)


def drawn_of(
    tx: Transaction,
    source: History,
    run: str,
    key: str,
    most: int,
    by: Literal["step", "time"] = "step",
    start: int | None = None,
    end: int | None = None,
) -> tuple[Points, int]:
    """As `drawn`, of a run that must exist.

    Raises:
        NotFound: no such run.
        InvalidArgument: `most` is too small.
    """
    db_runs.find(tx, run)
    return drawn(tx, source, run, key, most, by, start, end)
