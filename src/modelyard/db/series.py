"""Metric history as arrays: packed fresh points, and the order in which history is read.

A *fresh* record is one point as it was logged, 32 bytes, little-endian: key id, timestamp (ms), step, value. Records
of one run simply follow each other, so a command's points are one blob whatever their number and keys. Compaction
turns fresh records into the chunks of ``db.chunks``.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from modelyard.domain.errors import DataCorrupted, InvalidArgument

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_RECORD = struct.Struct("<qqqd")
FRESH = np.dtype([("key_id", "<i8"), ("timestamp", "<i8"), ("step", "<i8"), ("value", "<f8")])
"""A fresh record as an array's type."""

_FEW = 128  # up to here struct beats numpy's fixed costs
_FEW_RUNS = 1024  # an input made of this many sorted stretches is better merged than sorted


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points of one metric of one run: three columns of equal length.

    Attributes:
        timestamps: Milliseconds since the epoch.
        steps: As logged; negative ones are allowed.
        values: As logged; NaN and infinities are allowed.
    """

    timestamps: Integers
    steps: Integers
    values: Floats

    def __len__(self) -> int:
        return len(self.timestamps)

    def take(self, which: Integers | Mask | slice) -> Points:
        """Return the points at these indices, in the order of the indices; a slice or mask works as well."""
        return Points(self.timestamps[which], self.steps[which], self.values[which])


def empty() -> Points:
    """Return no points."""
    return Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def concatenate(parts: Sequence[Points]) -> Points:
    """Return the points of all parts, one part after the other; a single part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    return Points(
        np.concatenate([part.timestamps for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


# ---------------------------------------------------------------- fresh records


def pack_points(
    key_ids: Sequence[int], timestamps: Sequence[int], steps: Sequence[int], values: Sequence[float]
) -> bytes:
    """Pack points into fresh records, in the order given.

    Raises:
        InvalidArgument: A number does not fit: key, timestamp and step are 64-bit integers, the value is a number.
        ValueError: The columns differ in length.
    """
    count = len(key_ids)
    if not count == len(timestamps) == len(steps) == len(values):
        raise ValueError("the columns of a block of points must have one length")
    try:
        if count <= _FEW:
            return b"".join(map(_RECORD.pack, key_ids, timestamps, steps, values))
        # array() is as quick as numpy here and, unlike numpy, refuses to cut a float down to an integer
        records = np.empty(count, FRESH)
        records["key_id"] = array("q", key_ids)
        records["timestamp"] = array("q", timestamps)
        records["step"] = array("q", steps)
        records["value"] = array("d", values)
    except (struct.error, OverflowError, TypeError) as error:
        raise InvalidArgument(
            "A metric's timestamp and step must be integers of 64 bits and its value a number: " + str(error)
        ) from error
    return records.tobytes()


def unpack_points(blobs: Iterable[bytes]) -> tuple[Integers, Points]:
    """Return the key ids and the points of all fresh records, in stored order.

    Raises:
        DataCorrupted: A blob is not a whole number of records.
    """
    blobs = list(blobs)
    for blob in blobs:
        if len(blob) % _RECORD.size:
            raise DataCorrupted(
                f"A block of fresh metric points has {len(blob)} bytes, not a multiple of {_RECORD.size}: "
                "it was cut short."
            )
    records = np.frombuffer(b"".join(blobs), FRESH)
    points = Points(
        records["timestamp"].astype(np.int64), records["step"].astype(np.int64), records["value"].astype(np.float64)
    )
    return records["key_id"].astype(np.int64), points


def points_of(blobs: Iterable[bytes], key_id: int) -> Points:
    """Return the fresh points of one key, in stored order.

    Raises:
        DataCorrupted: A blob is not a whole number of records.
    """
    key_ids, points = unpack_points(blobs)
    wanted = key_ids == key_id
    return points if wanted.all() else points.take(wanted)


def split_by_key(blobs: Iterable[bytes]) -> dict[int, Points]:
    """Return the fresh points of each key, in stored order, the keys ascending.

    Raises:
        DataCorrupted: A blob is not a whole number of records.
    """
    return group(*unpack_points(blobs))


def group(key_ids: Integers, points: Points) -> dict[int, Points]:
    """Return the points of each key, in the order given, the keys ascending."""
    if not len(points):
        return {}
    if (key_ids[1:] < key_ids[:-1]).any():
        order = np.argsort(key_ids, kind="stable")
        key_ids, points = key_ids[order], points.take(order)
    starts = [0, *(np.flatnonzero(key_ids[1:] != key_ids[:-1]) + 1).tolist(), len(key_ids)]
    return {int(key_ids[start]): points.take(slice(start, stop)) for start, stop in pairwise(starts)}


# ---------------------------------------------------------------- order


def merge(parts: Sequence[Points]) -> Points:
    """Return all points in the order of history, each once.

    The rule is MLflow's: order by timestamp, step, value, where NaN ranks as 0 (it is stored as 0 with a mark); a
    point equal to another in all three is a repeat and is dropped. Among equals the first given stays. 0 and -0 are
    equal; NaN equals NaN but not 0, and follows it.
    """
    points = concatenate(parts)
    if _is_history(points):
        return points
    rank, is_nan = _rank(points.values)
    order = _history_order(points, rank, is_nan)
    points, rank, is_nan = points.take(order), rank[order], is_nan[order]
    fresh = np.ones(len(points), np.bool_)
    fresh[1:] = points.timestamps[1:] != points.timestamps[:-1]
    fresh[1:] |= points.steps[1:] != points.steps[:-1]
    fresh[1:] |= rank[1:] != rank[:-1]
    fresh[1:] |= is_nan[1:] != is_nan[:-1]
    return points if fresh.all() else points.take(fresh)


def _rank(values: Floats) -> tuple[Floats, Mask]:
    is_nan = np.isnan(values)
    return np.where(is_nan, 0.0, values), is_nan


def _is_history(points: Points) -> bool:
    """Whether every point comes after the one before it, which is how training logs them."""
    timestamps, steps = points.timestamps, points.steps
    if (timestamps[1:] < timestamps[:-1]).any():
        return False
    left = np.flatnonzero(timestamps[1:] == timestamps[:-1])
    if not len(left):
        return True
    before, after = steps[left], steps[left + 1]
    if (after < before).any():
        return False
    left = left[after == before]
    if not len(left):
        return True
    before_rank, before_nan = _rank(points.values[left])
    after_rank, after_nan = _rank(points.values[left + 1])
    after_it = (after_rank > before_rank) | ((after_rank == before_rank) & (after_nan > before_nan))
    return bool(after_it.all())


def _history_order(points: Points, rank: Floats, is_nan: Mask) -> Integers:
    timestamps, steps = points.timestamps, points.steps
    first_ms, first_step = int(timestamps.min()), int(steps.min())
    step_span = int(steps.max()) - first_step + 1
    if (int(timestamps.max()) - first_ms + 1) * step_span >= 2**63:
        return np.lexsort((is_nan, rank, steps, timestamps))
    # timestamp and step fit in one integer, and one sort of integers is several times quicker than lexsort
    joint = (timestamps - first_ms) * step_span + (steps - first_step)
    few_runs = np.count_nonzero(joint[1:] < joint[:-1]) <= _FEW_RUNS
    order = np.argsort(joint, kind="stable" if few_runs else None)
    joint = joint[order]
    tied = np.zeros(len(joint) + 1, np.bool_)
    tied[1:-1] = joint[1:] == joint[:-1]
    places = np.flatnonzero(tied[1:] | tied[:-1])
    if len(places):
        some = order[places]
        if not _is_ascending(joint[places], rank[some], is_nan[some], some):  # repeats usually are
            order[places] = some[np.lexsort((some, is_nan[some], rank[some], joint[places]))]
    return order


def _is_ascending(joint: Integers, rank: Floats, is_nan: Mask, given: Integers) -> bool:
    """Whether the points, sorted by ``joint``, are sorted by the other columns within it as well."""
    same = joint[1:] == joint[:-1]
    wrong = rank[1:] < rank[:-1]
    equal = rank[1:] == rank[:-1]
    wrong |= equal & (is_nan[1:] < is_nan[:-1])
    wrong |= equal & (is_nan[1:] == is_nan[:-1]) & (given[1:] < given[:-1])
    return not (wrong & same).any()
