"""Statistics of predictions: counts that can be added up, and how two versions compare."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from . import checks
from .intervals import difference, wilson

SLOT_S: Final = 300
"""Predictions are counted by so many seconds; periods of statistics begin and end with them."""

HOUR_S: Final = 3600
DAY_S: Final = 86_400
BUCKETS: Final = len(checks.BOUNDS_S) + 1

_BOUNDS_US: Final = [bound * 1e6 for bound in checks.BOUNDS_S]

G = TypeVar("G", bound=Hashable)


def bucket(latency_us: int) -> int:
    """The index of the bucket of `checks.BOUNDS_S` that a latency in microseconds falls into."""
    return bisect_left(_BOUNDS_US, latency_us)


def slot_of(at_ms: int) -> int:
    """The slot that a time in ms falls into, by its beginning in seconds."""
    return at_ms // 1000 // SLOT_S * SLOT_S


@dataclass(slots=True)
class Count:
    """What was counted of some predictions.

    Attributes:
        calls: all of them.
        errors: answered with 5xx.
        labelled: whose answer has a label, or counts as positive or not.
        positives: whose answer counts as positive.
        told: that feedback says are right or wrong.
        right: that it says are right.
        pairs: of a shadow's answers, those that can be compared with what the caller was answered.
        disagreements: those of them that differ.
        latency: by bucket; see `checks.BOUNDS_S`.
    """

    calls: int = 0
    errors: int = 0
    labelled: int = 0
    positives: int = 0
    told: int = 0
    right: int = 0
    pairs: int = 0
    disagreements: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, other: Count) -> None:
        """Count the other's, too."""
        self.calls += other.calls
        self.errors += other.errors
        self.labelled += other.labelled
        self.positives += other.positives
        self.told += other.told
        self.right += other.right
        self.pairs += other.pairs
        self.disagreements += other.disagreements
        self.latency = [mine + theirs for mine, theirs in zip(self.latency, other.latency, strict=True)]

    @property
    def correctness(self) -> float | None:
        """The share of right ones of those with feedback; None without any."""
        return self.right / self.told if self.told else None

    @property
    def correctness_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval (Wilson); None without feedback."""
        return wilson(self.right, self.told) if self.told else None

    def quantile(self, wanted: float) -> float | None:
        """A quantile of the latency in seconds, to the bucket's upper bound; None without calls."""
        return checks.quantile(self.latency, wanted) if self.calls else None


class Of(NamedTuple):
    """Whose predictions a count is about."""

    revision: int
    endpoint: str
    model: str
    version: str
    role: str
    segment: str


def answerer(of: Of) -> tuple[str, str, str]:
    """Model, version and endpoint that answered; of a URL, which has no version, the revision stands for it."""
    if of.endpoint or of.model or of.version:
        return of.model, of.version, of.endpoint
    return "", f"revision {of.revision}", ""


class Slot(NamedTuple):
    """The count of one slot.

    Attributes:
        slot_s: its beginning, seconds since the epoch.
        of: whose predictions.
        counted: of them.
    """

    slot_s: int
    of: Of
    counted: Count


def grouped(slots: Iterable[Slot], key: Callable[[Slot], G]) -> dict[G, Count]:
    """The counts of slots that have the same key, added up; in the order of the keys' first slots."""
    found: dict[G, Count] = {}
    for slot in slots:
        group = key(slot)
        if group not in found:
            found[group] = Count()
        found[group].add(slot.counted)
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one version stands against another, by feedback.

    Attributes:
        difference: of the correctness, the first's less the second's; None without feedback about both.
        low, high: its 95 % interval.
        answers: with feedback, of both.
        decided: whether the interval leaves no doubt which is better.
        told: all of that in one sentence.
    """

    difference: float | None
    low: float | None
    high: float | None
    answers: int
    decided: bool
    told: str


def compared(name: str, count: Count, other_name: str, other: Count) -> Comparison:
    """Compare two versions that answered different requests, shared out by chance.

    Args:
        name: of the first, such as `version 4`.
        count: what was counted of it.
        other_name: of the second.
        other: what was counted of it.
    """
    if not count.told or not other.told:
        without = " and ".join(each for each, of in ((name, count), (other_name, other)) if not of.told)
        return Comparison(None, None, None, count.told + other.told, decided=False, told=f"no feedback about {without}")
    gap = count.right / count.told - other.right / other.told
    low, high = difference(count.right, count.told, other.right, other.told)
    answers = count.told + other.told
    if gap < 0:
        better, worse, least, most = other_name, name, -high, -low
    else:
        better, worse, least, most = name, other_name, low, high
    by = f"{_points(abs(gap))} points, 95 % interval {_points(least)} to {_points(most)}, {answers:,} answers"
    decided = least > 0
    told = (
        f"{better} is better by {by}"
        if decided
        else f"{better} and {worse} cannot be told apart: {better} is ahead by {by}"
        if gap
        else f"{better} and {worse} cannot be told apart: a difference of {by}"
    )
    return Comparison(gap, low, high, answers, decided=decided, told=told)


def _points(share: float) -> str:
    return f"{share * 100 + 0.0:.1f}".replace("-0.0", "0.0")
