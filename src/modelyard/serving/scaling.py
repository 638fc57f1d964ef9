"""How many replicas there shall be: a function of what was measured, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

_TOLERANCE: Final = 0.1
"""So much above the target, as a part of one replica's, calls for no further one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What somebody wants.

    Attributes:
        least: replicas; 0: none while nobody asks.
        most: replicas.
        target: requests in flight that one replica is to have.
        cool_down_s: how long fewer must have been enough before there are fewer.
        smooth_s: over how long measurements are averaged.
    """

    least: int
    most: int
    target: float
    cool_down_s: float
    smooth_s: float = 2.0

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to decide."""
        return self.least == self.most


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Attributes:
        at: seconds, on any clock that only goes forward.
        in_flight: requests that are not answered yet, those that wait for a replica included.
    """

    at: float
    in_flight: int


def decide(samples: Sequence[Sample], policy: Policy, now: float, current: int) -> int:
    """The number of replicas from now on.

    More at once when the average of the last moments asks for more; fewer only when fewer would have been enough for
    the whole cool-down. The first request after a pause counts at once, since it waits.

    Args:
        samples: in the order in which they were taken; older ones than `history_s(policy)` are not needed.
        policy: the bounds and the target.
        now: on the samples' clock.
        current: the last decision.
    """
    since = now - policy.cool_down_s
    means = (mean for at, mean in _averages(samples, policy.smooth_s) if at > since)
    peak = max((_needed(mean, policy.target) for mean in means), default=0)
    if samples and samples[-1].in_flight > 0:
        peak = max(peak, 1)
    watched = bool(samples) and samples[0].at <= since
    wanted = peak if watched or peak > current else current
    return min(max(wanted, policy.least), policy.most)


def history_s(policy: Policy) -> float:
    """How far back `decide` looks."""
    return policy.cool_down_s + policy.smooth_s + 1.0


def _averages(samples: Sequence[Sample], over_s: float) -> Iterator[tuple[float, float]]:
    """For each sample its time, and the mean of those shortly before it and itself."""
    total, first = 0, 0
    for index, sample in enumerate(samples):
        total += sample.in_flight
        while samples[first].at <= sample.at - over_s:
            total -= samples[first].in_flight
            first += 1
        yield sample.at, total / (index - first + 1)


def _needed(in_flight: float, target: float) -> int:
    return 0 if in_flight <= 0 else max(1, ceil(in_flight / target - _TOLERANCE))
