import bisect
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.db.sampling import (
    MIN_DOWNSAMPLED,
    downsample,
    sample_for_chart,
    sample_steps,
    shared_steps,
)
from modelyard.db.series import Points, empty, merge
from modelyard.domain.errors import InvalidArgument

int64 = st.integers(-(2**63), 2**63 - 1)
value = st.one_of(st.floats(), st.sampled_from([0.0, math.nan, math.inf, -math.inf, sys.float_info.max]))


def points_from(some):
    timestamps, steps, values = zip(*some, strict=True) if some else ((), (), ())
    return merge([Points(np.array(timestamps, np.int64), np.array(steps, np.int64), np.array(values, np.float64))])


def as_rows(points):
    return [
        (ms, step, None if math.isnan(v) else v)
        for ms, step, v in zip(points.timestamps.tolist(), points.steps.tolist(), points.values.tolist(), strict=True)
    ]


def naive_steps(runs, start, end, most):
    everything = sorted({step for run in runs for step in run})
    if start is None:
        start, end = 0, everything[-1] if everything else 0
    inside = everything[bisect.bisect_left(everything, start) : bisect.bisect_right(everything, end)]
    chosen = set(inside)
    if len(inside) > most:
        chosen = {inside[int(i * (len(inside) / most))] for i in range(most)} | {inside[-1]}
    return sorted(chosen | {step for run in runs if run for step in (min(run), max(run)) if start <= step <= end})


steps_of_runs = st.lists(st.lists(st.one_of(st.integers(-5, 200), int64), max_size=80), max_size=4)
ends = st.one_of(
    st.none(),
    st.tuples(st.integers(-10, 210), st.integers(-10, 210)).map(sorted),
    st.tuples(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70)).map(sorted),
)


@given(steps_of_runs, ends, st.integers(1, 30))
def test_sampled_steps_equal_the_rule_spelled_out(runs, interval, most):
    start, end = interval or (None, None)
    histories = [points_from([(1, step, 0.5) for step in run]) for run in runs]
    assert shared_steps(histories, start, end, most).tolist() == naive_steps(runs, start, end, most)


def test_without_a_range_negative_steps_are_left_out_and_with_one_they_are_not():
    steps = np.arange(-3, 3)
    assert sample_steps(steps, None, None, 10).tolist() == [0, 1, 2]
    assert sample_steps(steps, -2, 1, 10).tolist() == [-2, -1, 0, 1]


def test_the_last_step_and_each_runs_ends_come_on_top():
    steps = np.arange(100)
    assert sample_steps(steps, None, None, 4).tolist() == [0, 25, 50, 75, 99]
    assert sample_steps(steps, None, None, 4, boundaries=[3, 42, 99]).tolist() == [0, 3, 25, 42, 50, 75, 99]
    assert sample_steps(steps, 10, 20, 2, boundaries=[3, 42]).tolist() == [10, 15, 20]


@pytest.mark.parametrize(
    ("start", "end", "most", "message"),
    [
        (1, None, 5, "both must be specified"),
        (None, 1, 5, "both must be specified"),
        (2, 1, 5, "Found start_step=2 and end_step=1"),
        (None, None, 0, "max_results must be between 1 and 2500"),
    ],
)
def test_a_bad_interval_is_refused(start, end, most, message):
    with pytest.raises(InvalidArgument, match=message):
        sample_steps(np.arange(3), start, end, most)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 9), value), max_size=60),
    st.booleans(),
    st.sets(st.integers(-4, 10)),
    st.integers(1, 70),
)
def test_a_run_shows_every_point_of_the_sampled_steps_by_step_time_and_value(some, orderly, steps, limit):
    some = [(step, step, v) for _, step, v in some] if orderly else some
    points = points_from(some)
    found = sample_for_chart(points, np.array(sorted(steps), np.int64), limit)
    # sorted() is stable and the points are in the order of history already
    expected = sorted((row for row in as_rows(points) if row[1] in steps), key=lambda row: row[1])[:limit]
    assert as_rows(found) == expected


def test_nothing_sampled_is_nothing():
    assert len(sample_for_chart(empty(), np.arange(3))) == 0
    assert len(sample_for_chart(points_from([(1, 1, 1.0)]), np.empty(0, np.int64))) == 0
    assert shared_steps([], None, None, 5).tolist() == []


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 3), st.integers(0, 10**13), int64),
            st.one_of(st.integers(0, 3), st.integers(0, 10**6), int64),
            value,
        ),
        max_size=120,
    ),
    st.integers(MIN_DOWNSAMPLED, 60),
    st.sampled_from(["step", "time"]),
)
def test_a_downsampled_series_keeps_its_ends_and_extremes(some, n, by):
    points = points_from(some)
    found = downsample(points, n, by)
    axis = (lambda row: row[1]) if by == "step" else (lambda row: row[0])
    everything, shown = sorted(as_rows(points), key=axis), as_rows(found)
    if len(everything) <= n:
        assert shown == everything
        return
    assert len(shown) <= n
    assert set(shown) <= set(everything)
    assert [axis(row) for row in shown] == sorted(axis(row) for row in shown)
    assert (shown[0], shown[-1]) == (everything[0], everything[-1])
    numbers = [v for _, _, v in everything if v is not None]
    if numbers:
        shown_numbers = [v for _, _, v in shown if v is not None]
        assert (min(shown_numbers), max(shown_numbers)) == (min(numbers), max(numbers))


@pytest.mark.parametrize("by", ["step", "time"])
def test_a_long_series_uses_its_budget_and_shows_its_spikes(by):
    count = 100_000
    values = np.sin(np.arange(count) / 3000)
    values[::10] = np.nan
    values[54_321], values[65_432] = 9.0, -9.0
    points = Points(1_700_000_000_000 + 100 * np.arange(count), np.arange(count), values)
    found = downsample(points, 500, by)
    assert 450 <= len(found) <= 500
    assert {54_321, 65_432, 0, count - 1} <= set(found.steps.tolist())
    assert not np.isnan(found.values[1:]).any()


def test_points_that_share_one_place_are_downsampled_as_well():
    points = merge([Points(np.full(1000, 7), np.arange(1000), np.arange(1000.0))])
    found = downsample(points, 50, "time")
    assert len(found) == 50
    assert found.values[[0, -1]].tolist() == [0.0, 999.0]


def test_an_infinity_is_shown_beside_the_greatest_finite_number():
    values = np.zeros(100)
    values[40], values[60] = sys.float_info.max, math.inf
    assert math.inf in downsample(Points(np.arange(100), np.arange(100), values), 4).values.tolist()


def test_too_few_points_are_refused():
    with pytest.raises(InvalidArgument, match="at least 4"):
        downsample(empty(), 3)
