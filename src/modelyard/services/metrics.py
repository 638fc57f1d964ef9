"""Reading the history of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.engine import Transaction
    from modelyard.db.metrics import History
    from modelyard.db.series import Points


def history(tx: Transaction, source: History, run: str, key: str) -> Points:
    """A series in the order of history (timestamp, step, value); empty if run or key are unknown."""
    return source.read(tx, run, key)


def sampled(  # noqa: PLR0913 - what MLflow's chart call takes
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
