"""What is counted while a model answers: plain lists of numbers, since this happens for each request."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

SECONDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of the latency's buckets, seconds."""

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds of the buckets of rows in a batch, and of calls in a frame."""


class Histogram:
    """Counts by bucket, and their sum.

    Args:
        bounds: upper bounds, ascending; one more bucket holds what is above.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counts:
    """One model's, over all its versions.

    Attributes:
        answered: answers by protocol and status.
        latency: seconds from a request's arrival to its answer.
        batch: rows in a frame that went to a worker.
        calls: requests in a frame.
        rows: rows answered.
        work_s: seconds that workers spent on it.
        retried: requests sent to a second worker after the first one died.
        gone: requests whose client did not wait.
    """

    __slots__ = ("answered", "batch", "calls", "gone", "latency", "retried", "rows", "work_s")

    def __init__(self) -> None:
        self.answered: dict[tuple[int, int], int] = {}
        self.latency = Histogram(SECONDS)
        self.batch = Histogram(SIZES)
        self.calls = Histogram(SIZES)
        self.rows = 0
        self.work_s = 0.0
        self.retried = 0
        self.gone = 0
