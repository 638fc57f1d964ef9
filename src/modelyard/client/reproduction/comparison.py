"""Two runs side by side: their metrics against a tolerance, and what else is not the same."""

from __future__ import annotations

import fnmatch
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelyard.client.entities import Run

    from .recorded import Recorded

_MEASURED: Final = re.compile(
    r"(?:^|[^a-z])(?:time|duration|elapsed|latency|throughput|speed|seconds?|secs?|ms|fps|per_(?:second|sec|s))(?:$|[^a-z])"
)
"""Keys of what is measured with a clock, which is never the same twice."""

_MOST_SHOWN: Final = 8

Verdict = Literal["same", "differs", "missing", "new", "not compared"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of both runs.

    Attributes:
        key: of the metric.
        before, after: its latest values; None where the run has none.
        verdict: `missing` is what the second run lacks, `new` what the first one lacks.
    """

    key: str
    before: float | None
    after: float | None
    verdict: Verdict

    @property
    def apart(self) -> float | None:
        """How far apart the values are."""
        return None if self.before is None or self.after is None else self.after - self.before


def metrics(before: Run, after: Run, tolerance: float, ignored: Sequence[str] = ()) -> list[Difference]:
    """The latest values of all metrics; those that differ first.

    Args:
        before: the run.
        after: the same again.
        tolerance: absolute for values up to 1, relative for larger ones.
        ignored: patterns of keys that are not compared, besides system metrics and what clocks measure.
    """
    one, other = before.data.metrics, after.data.metrics
    found = []
    for key in sorted({*one, *other}):
        first, second = one.get(key), other.get(key)
        verdict: Verdict
        if is_measured(key) or any(fnmatch.fnmatchcase(key, pattern) for pattern in ignored):
            verdict = "not compared"
        elif first is None or second is None:
            verdict = "new" if first is None else "missing"
        else:
            verdict = "same" if close(first, second, tolerance) else "differs"
        found.append(Difference(key, first, second, verdict))
    order = ("differs", "missing", "new", "same", "not compared")
    return sorted(found, key=lambda each: order.index(each.verdict))


def is_measured(key: str) -> bool:
    """Whether a metric tells about the machine or the clock, not about the model."""
    return key.startswith("system/") or _MEASURED.search(key.lower()) is not None


def close(one: float, other: float, tolerance: float) -> bool:
    """Whether two values are the same as far as anybody asked; NaN is the same as NaN."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= tolerance * max(1.0, abs(one), abs(other))


def causes(before: Run, after: Run, one: Recorded, other: Recorded | None) -> list[str]:
    """What is not the same about two runs besides their metrics: a sentence each, empty if nothing is known.

    Args:
        before: the run.
        after: the same again.
        one: what the first recorded.
        other: what the second recorded, if anything.
    """
    found = []
    params = _changed(before.data.params, after.data.params)
    if params:
        found.append(f"Params: {_listed(params)}")
    datasets = _changed(_digests(before), _digests(after))
    if datasets:
        found.append(f"Datasets: {_listed(datasets)}")
    if other is None:
        return found
    was, now = one.environment, other.environment
    if was.python.version != now.python.version:
        found.append(f"Python: {was.python.version} → {now.python.version}")
    packages = _changed(_versions(one.requirements), _versions(other.requirements))
    if packages:
        found.append(f"Packages: {_listed(packages)}")
    for name, first, second in (
        ("Architecture", was.machine.architecture, now.machine.architecture),
        ("Processor", was.machine.cpu, now.machine.cpu),
        ("GPUs", _gpus(was.machine.gpus), _gpus(now.machine.gpus)),
    ):
        if first != second:
            found.append(f"{name}: {first or 'none'} → {second or 'none'}")
    return found


def _changed(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [
        f"{key} {one.get(key, 'none')} → {other.get(key, 'none')}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]


def _listed(changes: Sequence[str]) -> str:
    more = len(changes) - _MOST_SHOWN
    return ", ".join(changes[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _digests(run: Run) -> dict[str, str]:
    return {each.dataset.name: each.dataset.digest for each in run.inputs.dataset_inputs}


def _versions(requirements: Iterable[str]) -> dict[str, str]:
    pairs = [line.partition("==") for line in requirements if "==" in line and not line.startswith("#")]
    return {name: version for name, _, version in pairs}


def _gpus(gpus: Sequence[dict[str, str | int]]) -> str:
    return ", ".join(str(each.get("name", "")) for each in gpus)
