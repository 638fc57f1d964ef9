"""Statistics of predictions as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from .message import Answer, Millis, Request
from .predictions import Segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelyard.domain import statistics

Versions = Annotated[
    str,
    Meta(
        max_length=600,
        description="A version's number; `MODEL/NUMBER` where several models answer; `endpoint:NAME`; `revision:N`.",
    ),
]


class PeriodQuery(Request):
    """Statistics of what and when. Periods begin and end with five minutes; the answer says which it is about."""

    deployment: Annotated[str, Meta(min_length=1, max_length=255)]
    segment: Segment | None = None
    since_ms: Millis | None = None
    until_ms: Millis | None = None


class StatisticsQuery(PeriodQuery):
    """Which statistics."""

    version: Versions = ""
    window: Annotated[
        Literal["", "hour", "day"], Meta(description="Also by hour, or by day (UTC); empty: not by time.")
    ] = ""


class ComparisonQuery(PeriodQuery, kw_only=True):
    """Which versions are compared."""

    a: Versions
    b: Versions


class Numbers(Answer):
    """What was counted. Shares are from 0 to 1; null where there is nothing to judge by."""

    calls: int
    errors: Annotated[int, Meta(description="Answered with 5xx.")]
    error_rate: float | None
    answered: Annotated[int, Meta(description="With feedback.")]
    right: int
    correctness: float | None
    correctness_low: Annotated[float | None, Meta(description="Lower end of the 95 % interval (Wilson).")]
    correctness_high: float | None
    labelled: Annotated[int, Meta(description="Whose answer has a label, or counts as positive or not.")]
    positives: int
    positive_share: float | None
    latency_p50_ms: Annotated[float | None, Meta(description="To the upper bound of a bucket.")]
    latency_p95_ms: float | None
    latency_p99_ms: float | None


class VersionNumbers(Numbers):
    """What was counted of one version, or of one endpoint."""

    model: str
    version: Annotated[str, Meta(description="Its number; `revision NUMBER` of a URL, which has no version.")]
    endpoint: Annotated[str, Meta(description="Empty: a version's.")]


class SegmentNumbers(Numbers):
    """What was counted in one segment."""

    segment: str
    versions: list[VersionNumbers]


class WindowNumbers(Numbers):
    """What was counted in an hour or a day."""

    start_ms: int
    versions: list[VersionNumbers]


class ShadowNumbers(VersionNumbers):
    """What was counted of a version that got copies."""

    pairs: Annotated[int, Meta(description="Answers that can be compared with the caller's.")]
    disagreements: int
    agreement: float | None


class Statistics(Answer):
    """Statistics of a deployment: of the answers that callers got, and apart from them of shadows'."""

    deployment: str
    since_ms: Annotated[int, Meta(description="From here on; 0: from the beginning.")]
    until_ms: int
    total: Numbers
    versions: list[VersionNumbers]
    segments: list[SegmentNumbers]
    windows: list[WindowNumbers]
    shadows: list[ShadowNumbers]


class Comparison(Answer):
    """How version `a` stands against version `b` by feedback."""

    deployment: str
    since_ms: int
    until_ms: int
    a: VersionNumbers
    b: VersionNumbers
    difference: Annotated[float | None, Meta(description="Correctness of `a` less that of `b`; null: no feedback.")]
    low: Annotated[float | None, Meta(description="Lower end of its 95 % interval (Newcombe).")]
    high: float | None
    answers: Annotated[int, Meta(description="With feedback, of both.")]
    decided: Annotated[bool, Meta(description="Whether the interval leaves no doubt which is better.")]
    told: Annotated[str, Meta(description="All of that in a sentence.")]


def _shown(of: statistics.Count) -> dict[str, Any]:
    low, high = of.correctness_interval or (None, None)
    quantiles = [of.quantile(wanted) for wanted in (0.5, 0.95, 0.99)]
    p50, p95, p99 = (None if each is None else each * 1000 for each in quantiles)
    return {
        "calls": of.calls, "errors": of.errors, "error_rate": _share(of.errors, of.calls), "answered": of.told,
        "right": of.right, "correctness": of.correctness, "correctness_low": low, "correctness_high": high,
        "labelled": of.labelled, "positives": of.positives, "positive_share": _share(of.positives, of.labelled),
        "latency_p50_ms": p50, "latency_p95_ms": p95, "latency_p99_ms": p99,
    }  # fmt: skip


def _share(part: int, of: int) -> float | None:
    return part / of if of else None


def numbers(of: statistics.Count) -> Numbers:
    """The message that holds counts."""
    return Numbers(**_shown(of))


def version_numbers(of: tuple[str, str, str], counted: statistics.Count) -> VersionNumbers:
    """The message that holds the counts of a model, version and endpoint."""
    return VersionNumbers(model=of[0], version=of[1], endpoint=of[2], **_shown(counted))


def segment_numbers(
    segment: str, counted: statistics.Count, versions: Mapping[tuple[str, str, str], statistics.Count]
) -> SegmentNumbers:
    """The message that holds the counts of a segment, and of each version in it."""
    theirs = [version_numbers(of, each) for of, each in versions.items()]
    return SegmentNumbers(segment=segment, versions=theirs, **_shown(counted))


def window_numbers(
    start_ms: int, counted: statistics.Count, versions: Mapping[tuple[str, str, str], statistics.Count]
) -> WindowNumbers:
    """The message that holds the counts of an hour or a day, and of each version in it."""
    theirs = [version_numbers(of, each) for of, each in versions.items()]
    return WindowNumbers(start_ms=start_ms, versions=theirs, **_shown(counted))


def shadow_numbers(of: tuple[str, str, str], counted: statistics.Count) -> ShadowNumbers:
    """The message that holds the counts of a shadow."""
    agreed = None if not counted.pairs else 1 - counted.disagreements / counted.pairs
    return ShadowNumbers(
        model=of[0], version=of[1], endpoint=of[2], pairs=counted.pairs, disagreements=counted.disagreements,
        agreement=agreed, **_shown(counted),
    )  # fmt: skip
