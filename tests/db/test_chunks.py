import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.db.chunks import (
    CHUNK_POINTS,
    MAX_CHUNK_POINTS,
    ChunkSummary,
    compact,
    decode_chunk,
    decode_chunks,
    decode_mixed_chunk,
    encode_chunk,
    encode_mixed_chunk,
    split,
    summarise,
)
from modelyard.db.series import Points, concatenate, empty
from modelyard.domain.errors import DataCorrupted

int64 = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1, 0]))
double = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
value = st.one_of(double, st.floats(), st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf]))
rows = st.lists(st.tuples(int64, int64, value), min_size=1, max_size=50)


def points_from(some):
    timestamps, steps, values = zip(*some, strict=True)
    return Points(np.array(timestamps, np.int64), np.array(steps, np.int64), np.array(values, np.float64))


def bits(points):
    return (
        points.timestamps.tolist(),
        points.steps.tolist(),
        np.ascontiguousarray(points.values).view(np.uint64).tolist(),
    )


def regular(values):
    count = len(values)
    return Points(1_700_000_000_000 + 100 * np.arange(count), np.arange(count), np.asarray(values, np.float64))


def sealed(body):
    return body + struct.pack("<I", zlib.crc32(body))


@given(rows)
def test_a_chunk_comes_back_bit_for_bit(some):
    points = points_from(some)
    assert bits(decode_chunk(encode_chunk(points))) == bits(points)


@given(st.integers(0, 12), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_rounded_values_come_back_bit_for_bit(places, values):
    points = regular([round(value, places) for value in values])
    assert bits(decode_chunk(encode_chunk(points))) == bits(points)


def test_rounded_values_take_their_digits_only():
    values = np.random.default_rng(1).random(CHUNK_POINTS)
    rounded, full = (len(encode_chunk(regular(some))) / CHUNK_POINTS for some in (np.round(values, 6), values))
    assert rounded < 3 < full


@given(st.integers(1, 5000), st.sampled_from(["smooth", "noise", "float32", "constant"]))
def test_a_chunk_of_a_usual_series_comes_back_bit_for_bit(count, shape):
    places = np.arange(count)
    points = regular(
        {
            "smooth": np.exp(-places / 500),
            "noise": np.random.default_rng(count).normal(size=count),
            "float32": np.exp(-places / 500).astype(np.float32).astype(np.float64),
            "constant": np.full(count, 0.1),
        }[shape]
    )
    assert bits(decode_chunk(encode_chunk(points))) == bits(points)


@given(st.dictionaries(int64, rows, min_size=1, max_size=5))
def test_a_mixed_chunk_gives_each_series_back(series):
    series = {key: points_from(some) for key, some in series.items()}
    found = decode_mixed_chunk(encode_mixed_chunk(series))
    assert {key: bits(points) for key, points in found.items()} == {key: bits(points) for key, points in series.items()}
    assert list(found) == sorted(series)


@given(rows, st.data())
def test_a_flipped_bit_is_reported(some, data):
    chunk = bytearray(encode_chunk(points_from(some)))
    for place in data.draw(st.sets(st.integers(0, 8 * len(chunk) - 1), min_size=1, max_size=3)):
        chunk[place // 8] ^= 1 << place % 8
    with pytest.raises(DataCorrupted, match="checksum"):
        decode_chunk(bytes(chunk))


@given(rows, st.data())
def test_a_chunk_cut_short_is_reported(some, data):
    chunk = encode_chunk(points_from(some))
    with pytest.raises(DataCorrupted):
        decode_chunk(chunk[: data.draw(st.integers(0, len(chunk) - 1))])


@given(rows, st.data())
def test_damage_under_a_valid_checksum_is_an_error_or_points_but_no_crash(some, data):
    body = bytearray(encode_chunk(points_from(some))[:-4])
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
        body[place] = data.draw(st.integers(0, 255))
    chunk = sealed(bytes(body[: data.draw(st.integers(0, len(body)))]))
    try:
        found = decode_chunk(chunk)
    except DataCorrupted:
        return
    assert len(found.timestamps) == len(found.steps) == len(found.values)


def test_a_chunk_of_a_later_release_says_so():
    chunk = encode_chunk(points_from([(1, 2, 3.0)]))
    with pytest.raises(DataCorrupted, match="later release"):
        decode_chunk(sealed(b"\x02" + chunk[1:-4]))


def test_one_series_and_several_are_not_confused():
    points = points_from([(1, 2, 3.0)])
    with pytest.raises(DataCorrupted, match="several series where one"):
        decode_chunk(encode_mixed_chunk({7: points}))
    with pytest.raises(DataCorrupted, match="one series where several"):
        decode_mixed_chunk(encode_chunk(points))


def test_a_chunk_holds_neither_nothing_nor_too_much():
    for points in (empty(), regular(np.zeros(MAX_CHUNK_POINTS + 1))):
        with pytest.raises(ValueError, match="a chunk holds"):
            encode_chunk(points)
    largest = regular(np.random.default_rng(0).normal(size=MAX_CHUNK_POINTS))
    assert bits(decode_chunk(encode_chunk(largest))) == bits(largest)


def test_a_long_series_becomes_chunks_in_order():
    points = regular(np.random.default_rng(0).normal(size=2 * CHUNK_POINTS + 10))
    chunks = compact(points)
    assert [summary.points for summary, _ in chunks] == [CHUNK_POINTS, CHUNK_POINTS, 10]
    assert bits(decode_chunks(body for _, body in chunks)) == bits(points)
    assert bits(concatenate(list(split(points, 7)))) == bits(points)
    assert list(split(empty())) == []


def test_a_summary_ignores_nan():
    points = points_from([(5, 9, math.nan), (6, -3, 2.0), (7, 4, -math.inf), (7, 5, math.nan)])
    assert summarise(points) == ChunkSummary(
        points=4, first_ms=5, last_ms=7, min_step=-3, max_step=9, min_value=-math.inf, max_value=2.0, nan_count=2
    )
    only_nan = summarise(points_from([(5, 9, math.nan)]))
    assert (only_nan.min_value, only_nan.max_value, only_nan.nan_count) == (None, None, 1)
    with pytest.raises(ValueError, match="at least one"):
        summarise(empty())


@given(rows)
def test_a_summary_equals_a_plain_count(some):
    numbers = [v for _, _, v in some if not math.isnan(v)]
    assert summarise(points_from(some)) == ChunkSummary(
        points=len(some),
        first_ms=min(ms for ms, _, _ in some),
        last_ms=max(ms for ms, _, _ in some),
        min_step=min(step for _, step, _ in some),
        max_step=max(step for _, step, _ in some),
        min_value=min(numbers, default=None),
        max_value=max(numbers, default=None),
        nan_count=len(some) - len(numbers),
    )


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        (lambda n: np.exp(-n / 20000) + 0.05, 5.5),
        (lambda n: (n * 7919 % 100003) / 100003, 6.0),
        (lambda n: (np.exp(-n / 20000) + np.sin(n)).astype(np.float32).astype(np.float64), 4.0),
        (lambda n: np.full(len(n), 0.5), 0.1),
        (lambda n: np.random.default_rng(0).normal(size=len(n)), 7.5),
    ],
    ids=["smooth", "scattered", "float32", "constant", "noise"],
)
def test_a_point_costs_at_most_ten_bytes(shape, most):
    count = 20 * CHUNK_POINTS
    gaps = np.random.default_rng(1).integers(20, 60, count)
    points = Points(1_700_000_000_000 + np.cumsum(gaps), np.arange(count), shape(np.arange(count)))
    size = sum(len(body) for _, body in compact(points)) / count
    assert size <= most + 0.8  # the jitter of the clock
    assert size <= 10
