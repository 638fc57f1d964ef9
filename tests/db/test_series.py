import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.db.series import Points, empty, merge, pack_points, points_of, split_by_key, unpack_points
from modelyard.domain.errors import DataCorrupted, InvalidArgument

int64 = st.integers(-(2**63), 2**63 - 1)
few = st.integers(-2, 2)  # so that points collide
value = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1.0]))
rows = st.lists(st.tuples(st.one_of(few, int64), st.one_of(few, int64), value), max_size=60)


def points_from(some):
    timestamps, steps, values = zip(*some, strict=True) if some else ((), (), ())
    return Points(np.array(timestamps, np.int64), np.array(steps, np.int64), np.array(values, np.float64))


def bits(points):
    return (
        points.timestamps.tolist(),
        points.steps.tolist(),
        np.ascontiguousarray(points.values).view(np.uint64).tolist(),
    )


def in_order(points):
    """The points as tuples that compare as history does: NaN as 0, after 0."""
    return [
        (ms, step, 0.0 if math.isnan(v) else v, math.isnan(v))
        for ms, step, v in zip(points.timestamps.tolist(), points.steps.tolist(), points.values.tolist(), strict=True)
    ]


@given(rows, st.lists(st.integers(1, 3), min_size=60, max_size=60), st.booleans())
def test_packed_points_come_back_bit_for_bit_and_per_key(some, keys, large):
    some = some * 8 if large else some  # above and below the size at which packing changes its method
    keys = (keys * 8)[: len(some)]
    points = points_from(some)
    columns = points.timestamps.tolist(), points.steps.tolist(), points.values.tolist()
    blob = pack_points(keys, *columns)
    half = len(some) // 2 * 32
    blobs = [blob[:half], blob[half:]]
    assert len(blob) == 32 * len(some)

    key_ids, found = unpack_points(blobs)
    assert key_ids.tolist() == keys
    assert bits(found) == bits(points)

    per_key = split_by_key(blobs)
    assert list(per_key) == sorted(set(keys))
    for key in (1, 2, 3):
        expected = points_from([row for row, of in zip(some, keys, strict=True) if of == key])
        assert bits(points_of(blobs, key)) == bits(expected)
        assert bits(per_key.get(key, empty())) == bits(expected)


def test_a_record_is_little_endian_key_timestamp_step_value():
    assert pack_points([1], [2], [3], [0.5]) == struct.pack("<qqqd", 1, 2, 3, 0.5)


@pytest.mark.parametrize("count", [1, 1000])
@pytest.mark.parametrize("row", [(2**63, 0, 0.0), (0, -(2**63) - 1, 0.0), (0, 1.5, 0.0), (0, 0, "1"), (None, 0, 0.0)])
def test_a_number_that_does_not_fit_is_refused(row, count):
    timestamp, step, number = row
    with pytest.raises(InvalidArgument, match="64 bits"):
        pack_points([1] * count, [timestamp] * count, [step] * count, [number] * count)


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one length"):
        pack_points([1, 1], [1, 2], [1, 2], [0.5])


def test_a_blob_that_was_cut_short_is_reported():
    blob = pack_points([1, 1], [1, 2], [1, 2], [0.5, 0.25])
    with pytest.raises(DataCorrupted, match="63 bytes"):
        points_of([blob[:-1]], 1)


@given(st.lists(rows, max_size=4))
def test_merge_equals_a_set_and_a_sort(parts):
    merged = merge([points_from(part) for part in parts])
    naive = {row for part in parts for row in in_order(points_from(part))}
    assert in_order(merged) == sorted(naive)


@given(st.lists(st.tuples(few, few, value), max_size=300), st.integers(1, 2**40))
def test_merge_of_points_that_collide_equals_a_set_and_a_sort(some, apart):
    points = points_from([(ms * apart, step, v) for ms, step, v in some])
    once = merge([points])
    assert in_order(once) == sorted(set(in_order(points)))
    assert bits(merge([once, once])) == bits(once)


def test_merge_sorts_many_scattered_points():
    count = 20_000
    shuffled = np.random.default_rng(0).permutation(count)
    points = Points(shuffled // 3, shuffled % 3, shuffled * 0.5)
    merged = merge([points, points])
    assert merged.values.tolist() == (np.arange(count) * 0.5).tolist()


def test_merge_keeps_the_first_of_two_equal_zeros():
    assert bits(merge([points_from([(1, 1, -0.0), (1, 1, 0.0)])])) == bits(points_from([(1, 1, -0.0)]))


def test_points_already_in_order_are_not_copied():
    points = points_from([(1, 5, 2.0), (1, 6, 1.0), (2, 1, math.nan)])
    assert merge([points]) is points
