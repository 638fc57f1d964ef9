"""Fewer points for a chart: MLflow's sampling by steps, and our own by shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from modelyard.db.series import Floats, Integers, Points
from modelyard.domain.errors import InvalidArgument

# MLflow's limits for get-history-bulk-interval
MAX_SAMPLED_RUNS = 100
MAX_SAMPLED_STEPS = 2500  # also the default of max_results
MAX_POINTS_PER_RUN = 25_000

MIN_DOWNSAMPLED = 4  # room for the first, the last, the least and the greatest

_LEAST_STEP, _GREATEST_STEP = -(2**63), 2**63 - 1


# ---------------------------------------------------------------- MLflow's


def sample_steps(
    all_steps: Integers,
    start_step: int | None,
    end_step: int | None,
    max_results: int,
    boundaries: Iterable[int] = (),
) -> Integers:
    """Choose the steps that MLflow's get-history-bulk-interval shows.

    The steps of all runs asked for are sampled together, so that every run is shown at the same steps. Both ends of
    the range are included. Without a range it is 0 to the greatest step of any run, so that negative steps are left
    out unless asked for. If at most ``max_results`` distinct steps lie in the range, all are chosen. Otherwise the
    ``i``-th of ``max_results`` choices is the step at position ``floor(i * count / max_results)`` within the range,
    computed in floating point, and the range's last step is added. Finally each run's own first and last step are
    added, if they lie in the range, so the answer may exceed ``max_results`` by 1 + 2 x runs.
    Source: MLflow 3.11.1, ``SqlAlchemyStore.get_metric_history_bulk_interval``.

    Args:
        all_steps: Distinct steps of all runs, ascending.
        start_step: First step of the range; both ends or neither.
        end_step: Last step of the range.
        max_results: How many steps to sample, at least 1; the edge refuses more than ``MAX_SAMPLED_STEPS``.
        boundaries: Each run's least and greatest step.

    Returns:
        Distinct steps, ascending.

    Raises:
        InvalidArgument: Half a range, a range that ends before it starts, or ``max_results`` below 1.
    """
    if max_results < 1:
        raise InvalidArgument(f"max_results must be between 1 and {MAX_SAMPLED_STEPS}.")
    if (start_step is None) != (end_step is None):
        raise InvalidArgument("If either start step or end step are specified, both must be specified.")
    if start_step is None or end_step is None:
        start_step, end_step = 0, int(all_steps[-1]) if len(all_steps) else 0
    elif start_step > end_step:
        raise InvalidArgument(
            f"end_step must be greater than start_step. Found start_step={start_step} and end_step={end_step}."
        )
    extra = np.array([step for step in boundaries if start_step <= step <= end_step], np.int64)
    start = 0 if start_step <= _LEAST_STEP else int(np.searchsorted(all_steps, min(start_step, _GREATEST_STEP), "left"))
    if start_step > _GREATEST_STEP or end_step < _LEAST_STEP:
        return np.empty(0, np.int64)
    stop = int(np.searchsorted(all_steps, min(end_step, _GREATEST_STEP), "right"))
    sampled = all_steps[start:stop]
    if len(sampled) > max_results:
        positions = (np.arange(max_results) * (len(sampled) / max_results)).astype(np.int64)
        positions = np.append(positions[positions < len(sampled)], len(sampled) - 1)
        sampled = sampled[positions]
    return np.union1d(sampled, extra)


def shared_steps(runs: Sequence[Points], start_step: int | None, end_step: int | None, max_results: int) -> Integers:
    """Choose the steps at which several runs' histories of one metric are shown; see ``sample_steps``.

    Raises:
        InvalidArgument: See ``sample_steps``.
    """
    steps = [_distinct(points.steps) for points in runs if len(points)]
    boundaries = [int(step) for of_run in steps for step in (of_run[0], of_run[-1])]
    together = steps[0] if len(steps) == 1 else _distinct(np.concatenate([np.empty(0, np.int64), *steps]))
    return sample_steps(together, start_step, end_step, max_results, boundaries)


def sample_for_chart(points: Points, steps: Integers, limit: int = MAX_POINTS_PER_RUN) -> Points:
    """Return one run's points at the sampled steps, ordered by step, timestamp, value, and no more than ``limit``.

    Every point logged at a sampled step is returned, not one per step; the limit is MLflow's, per run.

    Args:
        points: In the order of history (``series.merge``).
        steps: Distinct steps, ascending.
        limit: The greatest number of points; those of the greatest steps are left out.
    """
    if not len(steps) or not len(points):
        return points.take(slice(0, 0))
    if (points.steps[1:] >= points.steps[:-1]).all():
        starts = np.searchsorted(points.steps, steps, "left")
        counts = np.searchsorted(points.steps, steps, "right") - starts
        # the stretches [start, start + count), laid end to end
        shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
        return points.take((shift + np.arange(len(shift)))[:limit])
    places = np.searchsorted(steps, points.steps)
    places[places == len(steps)] = 0
    chosen = points.take(steps[places] == points.steps)
    # stable, so that each step keeps the order of history: timestamp, value
    return chosen.take(np.argsort(chosen.steps, kind="stable")[:limit])


def _distinct(steps: Integers) -> Integers:
    return steps if (steps[1:] > steps[:-1]).all() else np.unique(steps)


# ---------------------------------------------------------------- ours


def downsample(points: Points, n: int, by: Literal["step", "time"] = "step") -> Points:
    """Return at most ``n`` points that draw the same line (MinMaxLTTB), ordered by step or by time.

    The first and the last point, the least and the greatest value are always among them. NaN are left out, except as
    first or last point, and infinities weigh as the greatest finite numbers. All points are returned if no more
    than ``n``.

    Args:
        points: In the order of history (``series.merge``).
        n: At least ``MIN_DOWNSAMPLED``.
        by: The chart's horizontal axis.

    Raises:
        InvalidArgument: ``n`` is too small.
    """
    if n < MIN_DOWNSAMPLED:
        raise InvalidArgument(f"A series cannot be down-sampled to {n} points: ask for at least {MIN_DOWNSAMPLED}.")
    axis = points.steps if by == "step" else points.timestamps
    if (axis[1:] < axis[:-1]).any():
        order = np.argsort(axis, kind="stable")
        points, axis = points.take(order), axis[order]
    if len(points) <= n:
        return points
    known = np.flatnonzero(~np.isnan(points.values))
    keep = {0, len(points) - 1}
    if not len(known):
        return points.take(np.array(sorted(keep)))
    values = points.values[known]
    keep |= {int(known[values.argmin()]), int(known[values.argmax()])}
    heights = _tame(values)
    inner = n - len(keep - {int(known[0]), int(known[-1])})  # the sampler keeps its own first and last
    if len(known) <= inner:
        chosen = known
    elif inner < 3:  # fewer than the sampler can do
        chosen = known[:0]
    else:
        chosen = known[_line_sample(_distances(axis[known]), heights, inner)]
    return points.take(np.union1d(chosen, np.array(sorted(keep))))


def _tame(values: Floats) -> Floats:
    """Scale values so that areas under them stay finite; their order stays."""
    greatest = np.finfo(np.float64).max
    values = np.clip(values, -greatest, greatest)
    return values * 2.0**-600 if np.abs(values).max() > 1e150 else values


def _distances(axis: Integers) -> Floats:
    """Distance of each place from the first, which may exceed a signed integer."""
    return (axis.view(np.uint64) - axis[:1].view(np.uint64)).astype(np.float64)


def _line_sample(distances: Floats, heights: Floats, n: int) -> Integers:
    from tsdownsample import MinMaxLTTBDownsampler  # noqa: PLC0415 - the server's start does not pay for it

    sampler = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]
    # it panics if all points between the first and the last share one place: then their number is their place
    if distances[1] == distances[-2]:
        chosen = sampler.downsample(heights, n_out=n)
    else:
        chosen = sampler.downsample(distances, heights, n_out=n)
    return np.asarray(chosen).astype(np.int64)
