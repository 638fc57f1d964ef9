"""Reading the history of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from modelyard.db import runs as db_runs
from modelyard.db import sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.metrics import History
    from modelyard.db.series import Points
    from modelyard.db.transaction import Transaction


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
