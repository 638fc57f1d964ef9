"""Checks: rules over what was measured of a canary, alone or beside stable, in each segment and in all together.

A rate fails only if chance does not explain it: the lower end of its 99.9 % interval is over the limit. Over the limit,
but not surely so, is inconclusive, and *suspicious*: no step ends on it. With 95 % one of twenty rollouts of a version
that is as good as stable would be rolled back by each check in each segment, since a check looks again and again; what
is really broken is found as soon.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .intervals import difference, wilson

BOUNDS_S: Final = tuple(round(0.0002 * 1.5**n, 7) for n in range(30))
"""Upper bounds of latency's buckets in seconds, 0.2 ms to 25 s; one more bucket is above."""
SCORE_BINS: Final = 20
"""Equal bins of scores between 0 and 1; scores outside fall into the outer ones."""
_CONFIDENCE: Final = 0.999
_CHANCE: Final = 1e-4
"""How unlikely it must be that answers are all alike by chance."""


class Measure(enum.StrEnum):
    """What a check looks at."""

    ERROR_RATE = "error_rate"
    """Share of answers that are an error of ours, from 0 to 1: 5xx, or 400 to an input that `inputs` put together."""
    LATENCY = "latency"
    """A quantile of the time to an answer, seconds."""
    DISAGREEMENT = "disagreement"
    """Share of pairs in which the canary's label differs from stable's, from 0 to 1."""
    CORRECTNESS = "correctness"
    """Share of feedback that says right, from 0 to 1; a least value."""
    POSITIVE_SHARE = "positive_share"
    """Difference of the shares of positive answers, canary and stable, from 0 to 1."""
    CONSTANT_OUTPUT = "constant_output"
    """Share of the commonest answer, from 0 to 1, where stable's is not as common."""
    SCORE_SHIFT = "score_shift"
    """Population stability index of the canary's scores against stable's; 0.25 is held to be a large shift."""


class Verdict(enum.StrEnum):
    """Of a check."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A rule.

    Attributes:
        measure: what is looked at.
        limit: the most (of correctness the least) that is allowed; None with `margin`: only stable counts.
        margin: how far the canary may be worse than stable: absolute for rates, a factor for latency; None: stable does
            not count.
        quantile: of latency.
        least: answers (pairs, feedback) without which there is no verdict.
        segments: whether it must hold in every segment, too.
    """

    measure: Measure
    limit: float | None = None
    margin: float | None = None
    quantile: float = 0.99
    least: int = 20
    segments: bool = True


DEFAULT: Final = (
    Check(measure=Measure.ERROR_RATE, limit=0.01, margin=0.01, least=20),
    Check(measure=Measure.LATENCY, margin=3.0, quantile=0.95, least=100, segments=False),
    Check(measure=Measure.CONSTANT_OUTPUT, limit=0.98, least=50),
    Check(measure=Measure.POSITIVE_SHARE, limit=0.25, least=100),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was measured of a revision in a segment, in a window.

    Attributes:
        requests: that were answered.
        errors: of them, with a server's error.
        latency: how many by bucket of `BOUNDS_S`, one more at the end.
        labelled: answers with a label.
        positives: of them.
        commonest: how often the commonest of the answers came.
        outputs: answers that were compared for that.
        scores: how many by bin, `SCORE_BINS`.
        pairs: shadow's answers that were compared with what the caller got.
        disagreements: of them, with another label.
        feedback: answers of which the truth is known.
        right: of them.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = ()
    labelled: int = 0
    positives: int = 0
    commonest: int = 0
    outputs: int = 0
    scores: tuple[int, ...] = ()
    pairs: int = 0
    disagreements: int = 0
    feedback: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a check said.

    Attributes:
        measure: what was looked at.
        segment: empty for all together.
        verdict: it.
        value: what was measured; None if nothing was.
        limit: what is allowed; None if nothing could be said.
        count: how many answers (pairs, feedback) it rests on.
        told: in words.
        suspicious: inconclusive, but over the limit.
    """

    measure: Measure
    segment: str
    verdict: Verdict
    value: float | None
    limit: float | None
    count: int
    told: str
    suspicious: bool = False


_NOTHING: Final = Sample()


def judge(
    rules: Sequence[Check], canary: Mapping[str, Sample], stable: Mapping[str, Sample], *, error: str = ""
) -> tuple[Result, ...]:
    """What every check says, over all and by segment.

    Args:
        rules: the checks.
        canary: of it, by segment, "" for all together.
        stable: likewise.
        error: why nothing could be measured.
    """
    return tuple(_judge(rules, canary, stable, error))


def _judge(
    rules: Sequence[Check], canary: Mapping[str, Sample], stable: Mapping[str, Sample], error: str
) -> Iterator[Result]:
    for check in rules:
        if error:
            yield Result(check.measure, "", Verdict.ERROR, None, None, 0, f"{check.measure}: {error}")
            continue
        for segment in sorted({"", *canary} if check.segments else {""}):
            sample = canary.get(segment, _NOTHING)
            yield _one(check, segment, sample, stable.get(segment, _NOTHING))


def _one(check: Check, segment: str, canary: Sample, stable: Sample) -> Result:
    match check.measure:
        case Measure.ERROR_RATE:
            return _rate(check, segment, (canary.errors, canary.requests), (stable.errors, stable.requests))
        case Measure.DISAGREEMENT:
            return _rate(check, segment, (canary.disagreements, canary.pairs), (0, 0))
        case Measure.CORRECTNESS:
            wrong, worse = canary.feedback - canary.right, stable.feedback - stable.right
            return _rate(check, segment, (wrong, canary.feedback), (worse, stable.feedback), mirrored=True)
        case Measure.POSITIVE_SHARE:
            return _positives(check, segment, canary, stable)
        case Measure.CONSTANT_OUTPUT:
            return _constant(check, segment, canary, stable)
        case Measure.LATENCY:
            return _latency(check, segment, canary, stable)
        case Measure.SCORE_SHIFT:
            return _shift(check, segment, canary, stable)


def _rate(
    check: Check, segment: str, canary: tuple[int, int], stable: tuple[int, int], *, mirrored: bool = False
) -> Result:
    """A rate that must not be over a limit, nor over stable's by more than the margin."""
    hits, count = canary
    if count < check.least:
        return _thin(check, segment, count)
    rate, low = hits / count, wilson(hits, count, _CONFIDENCE)[0]
    limits = []
    if check.limit is not None:
        limits.append((1 - check.limit if mirrored else check.limit, low))
    if check.margin is not None and stable[1] >= check.least:
        base = stable[0] / stable[1]
        limits.append((base + check.margin, base + difference(hits, count, *stable, _CONFIDENCE)[0]))
    elif check.margin is not None and check.limit is None:
        return _thin(check, segment, stable[1], "of stable")
    # where both are said, the canary has to break both: a stable that errs as much is no reason to go back
    limit, surely = max(limits, default=(math.inf, 0.0), key=lambda each: each[0])
    shown, shown_limit = (1 - rate, 1 - limit) if mirrored else (rate, limit)
    return _verdict(check, segment, shown, shown_limit, count, over=rate > limit, surely=surely > limit)


def _positives(check: Check, segment: str, canary: Sample, stable: Sample) -> Result:
    count = min(canary.labelled, stable.labelled)
    if not canary.labelled and not stable.labelled and min(canary.requests, stable.requests) >= check.least:
        told = f"{_named(check, segment)}: answers have no label, so there is nothing to compare"
        return Result(check.measure, segment, Verdict.PASS, None, None, 0, told)
    if count < check.least:
        return _thin(check, segment, count)
    limit = check.limit if check.limit is not None else (check.margin or 0.0)
    apart = abs(canary.positives / canary.labelled - stable.positives / stable.labelled)
    low, high = difference(canary.positives, canary.labelled, stable.positives, stable.labelled, _CONFIDENCE)
    surely = low > limit or high < -limit
    return _verdict(check, segment, apart, limit, count, over=apart > limit, surely=surely)


def _constant(check: Check, segment: str, canary: Sample, stable: Sample) -> Result:
    if canary.outputs < check.least:
        return _thin(check, segment, canary.outputs)
    limit = 0.98 if check.limit is None else check.limit
    share = canary.commonest / canary.outputs
    low = wilson(canary.commonest, canary.outputs, _CONFIDENCE)[0]
    surely = low > limit
    if stable.outputs >= check.least:
        if stable.commonest / stable.outputs > limit:
            return _verdict(check, segment, share, limit, canary.outputs, over=False, surely=False)
        # all alike is what is looked for: the interval's end would ask for hundreds of them
        usual = wilson(stable.commonest, stable.outputs, _CONFIDENCE)[1]
        surely = surely or (canary.commonest == canary.outputs and usual**canary.outputs < _CHANCE)
    return _verdict(check, segment, share, limit, canary.outputs, over=share > limit, surely=surely)


def _latency(check: Check, segment: str, canary: Sample, stable: Sample) -> Result:
    count = sum(canary.latency)
    if count < check.least:
        return _thin(check, segment, count)
    value = quantile(canary.latency, check.quantile)
    limits = [] if check.limit is None else [check.limit]
    if check.margin is not None:
        if sum(stable.latency) >= check.least:
            limits.append(quantile(stable.latency, check.quantile) * check.margin)
        elif check.limit is None:
            return _thin(check, segment, sum(stable.latency), "of stable")
    limit = max(limits, default=math.inf)
    above = sum(canary.latency[bucket(limit) + 1 :])  # those that are surely above; a bucket has no finer places
    over = above > (1 - check.quantile) * count
    surely = wilson(above, count, _CONFIDENCE)[0] > 1 - check.quantile
    return _verdict(check, segment, value if over else min(value, limit), limit, count, over=over, surely=surely)


def _shift(check: Check, segment: str, canary: Sample, stable: Sample) -> Result:
    count = min(sum(canary.scores), sum(stable.scores))
    if count < check.least:
        return _thin(check, segment, count)
    value = stability_index(canary.scores, stable.scores)
    limit = 0.25 if check.limit is None else check.limit
    # the index of two samples of one distribution is about (bins - 1) (1/n + 1/m), spread as chi-squared
    noise = 2.0 * (SCORE_BINS - 1) * (1 / sum(canary.scores) + 1 / sum(stable.scores))
    return _verdict(check, segment, value, limit, count, over=value > limit, surely=value - noise > limit)


def _thin(check: Check, segment: str, count: int, whose: str = "") -> Result:
    what = {
        Measure.DISAGREEMENT: "pairs", Measure.CORRECTNESS: "answers with feedback", Measure.SCORE_SHIFT: "scores",
        Measure.POSITIVE_SHARE: "answers with a label",
    }.get(check.measure, "answers")  # fmt: skip
    told = f"{_named(check, segment)}: {count} of the {check.least} {what}{f' {whose}' if whose else ''} that it needs"
    return Result(check.measure, segment, Verdict.INCONCLUSIVE, None, None, count, told)


def _verdict(check: Check, segment: str, value: float, limit: float, count: int, *, over: bool, surely: bool) -> Result:
    verdict = Verdict.PASS if not over else Verdict.FAIL if surely else Verdict.INCONCLUSIVE
    least = check.measure is Measure.CORRECTNESS
    bound = f"limit {limit:.4g}" if limit < math.inf else "no limit"
    told = f"{_named(check, segment)} {value:.4g} ({'least' if least else 'at most'}: {bound}, {count} answers)"
    told = told.replace("limit ", "")
    known = limit if limit < math.inf else None
    return Result(check.measure, segment, verdict, value, known, count, told, suspicious=over and not surely)


def _named(check: Check, segment: str) -> str:
    name = f"{check.measure} p{check.quantile * 100:g}" if check.measure is Measure.LATENCY else str(check.measure)
    return f"{name} in segment {segment!r}" if segment else name


def bucket(seconds: float) -> int:
    """The index of the bucket of `BOUNDS_S` that a time falls into."""
    for index, bound in enumerate(BOUNDS_S):
        if seconds <= bound:
            return index
    return len(BOUNDS_S)


def quantile(counts: Sequence[int], wanted: float) -> float:
    """The upper bound, in seconds, of the bucket in which a quantile lies; 0 without counts."""
    total = sum(counts)
    if not total:
        return 0.0
    upto = 0
    for index, count in enumerate(counts):
        upto += count
        if upto >= wanted * total:
            return BOUNDS_S[min(index, len(BOUNDS_S) - 1)]
    return BOUNDS_S[-1]


def stability_index(counts: Sequence[int], base: Sequence[int]) -> float:
    """The population stability index of two histograms: the sum of (p - q) ln(p / q) over their bins.

    That is the symmetric Kullback-Leibler divergence; each bin is given half a count, so that none is empty.
    """
    bins = max(len(counts), len(base))
    one = [(counts[at] if at < len(counts) else 0) + 0.5 for at in range(bins)]
    other = [(base[at] if at < len(base) else 0) + 0.5 for at in range(bins)]
    total, other_total = sum(one), sum(other)
    pairs = ((a / total, b / other_total) for a, b in zip(one, other, strict=True))
    return sum((p - q) * math.log(p / q) for p, q in pairs)
