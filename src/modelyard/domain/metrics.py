"""Metrics: numbers that a run logs, by key, step and time."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .logged_models import ModelMetric

LARGEST = 1.7976931348623157e308
"""Infinities are stored as this number with their sign, as MLflow does (`sanitize_metric_value`)."""

POINT: Final = struct.Struct("<IIdqq")
"""A packed point: index of its run, index of its key, value, timestamp (ms), step. 32 bytes, little-endian."""

MOST_PACKED: Final = 100_000
"""Points in one `PointBatch`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One point of a series.

    Attributes:
        value: a float; may be NaN, never infinite once stored.
        timestamp: ms since the epoch.
        step: the training step that it belongs to.
    """

    key: str
    value: float
    timestamp: int
    step: int = 0


@dataclass(frozen=True, slots=True)
class LatestMetric:
    """A series seen from a list of runs: the point with the greatest (step, timestamp, value), and the extremes.

    Attributes:
        minimum, maximum: over all points, ignoring NaN; None if there is no other point than NaN.
    """

    key: str
    value: float
    timestamp: int
    step: int
    minimum: float | None
    maximum: float | None


@dataclass(slots=True)
class Points:
    """Points of any number of series as columns: four lists of one length. The fast way to carry a batch."""

    keys: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points of several runs, stored together or not at all; packed, so that a point costs no Python object.

    Attributes:
        runs: 32-hex ids.
        keys: of metrics.
        points: `POINT` records, checked: indices are of `runs` and `keys`, no timestamp is negative.
    """

    runs: list[str]
    keys: list[str]
    points: bytes

    @property
    def run(self) -> str:
        """One of the runs; empty if there are none."""
        return self.runs[0] if self.runs else ""


@dataclass(slots=True)
class LogBatch:
    """What one call logs to one run; all of it or nothing.

    Attributes:
        run: the run's 32-hex id.
        params: key and value; an existing param may only be repeated with the same value.
        tags: key and value; the last one wins.
        model_metrics: points that also belong to a logged model.
    """

    run: str
    points: Points | None = None
    params: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    model_metrics: list[ModelMetric] = field(default_factory=list)
