"""Golden tests: inputs with the answers that a model gave, and how far an answer may be from them.

A model that answers otherwise after it was moved, rebuilt or retrained is another model; the comparison says where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be from the expected one. Texts, booleans and whole numbers must be equal.

    Attributes:
        relative: Of the expected number; the two are added.
        absolute: Beside that.
        whole: Whether whole numbers are given the same room: counts, say, but not classes and identities.
    """

    relative: float = 1e-5
    absolute: float = 1e-8
    whole: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.relative < math.inf and 0 <= self.absolute < math.inf and isinstance(self.whole, bool)):
            raise InvalidArgument("A tolerance is a number, zero or more; `whole` is True or False.")

    def allows(self, expected: float, actual: float) -> bool:
        """Whether the number is near enough; NaN is near NaN alone, and an infinity itself.

        Two whole numbers are compared as such; where one of them is not, the author of a test wrote 3 for 3.0.
        """
        if expected == actual:
            return True
        if isinstance(expected, int) and isinstance(actual, int) and not self.whole:
            return False
        try:
            if not (math.isfinite(expected) and math.isfinite(actual)):
                return math.isnan(expected) and math.isnan(actual)
            return abs(actual - expected) <= self.absolute + self.relative * abs(expected)
        except OverflowError:  # a whole number that is too large for a float
            return False


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """One input and its answer, as plain JSON-like values.

    Attributes:
        name: For the report.
        inputs: What goes in.
        expected: What has to come out.
        params: Params of the prediction, if any.
    """

    name: str
    inputs: Any
    expected: Any
    params: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case went.

    Attributes:
        name: The case.
        differences: Where the answer differs; empty if it does not.
        error: What was raised instead of an answer, "" if nothing was.
    """

    name: str
    differences: Sequence[str] = ()
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer was as expected."""
        return not self.differences and not self.error


@dataclass(frozen=True, slots=True)
class GoldenReport:
    """How all cases went."""

    results: Sequence[CaseResult] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        """Whether there were cases, and all went well: nothing tested is nothing shown."""
        return bool(self.results) and all(each.passed for each in self.results)

    def __str__(self) -> str:
        lines = [f"{sum(each.passed for each in self.results)} of {len(self.results)} golden tests passed"]
        failed = [each for each in self.results if not each.passed]
        return "\n".join([*lines, *(f"  {each.name}: {each.error or '; '.join(each.differences)}" for each in failed)])


def compare(expected: Any, actual: Any, tolerance: Tolerance, most: int = 5) -> list[str]:
    """Where the answer differs from what is expected, as `[2].score: expected 0.5, got 0.7`; at most `most` places.

    Args:
        expected: Plain values: numbers, texts, null, lists, dictionaries.
        actual: Likewise.
        tolerance: For numbers.
        most: Further places are counted, not listed.
    """
    found = list(_differences(expected, actual, tolerance, ""))
    return found if len(found) <= most else [*found[:most], f"{len(found) - most} more"]


def _differences(expected: Any, actual: Any, tolerance: Tolerance, where: str) -> list[str]:
    told = where or "answer"
    if isinstance(expected, dict) and isinstance(actual, dict):
        apart = {"missing": expected.keys() - actual.keys(), "unknown": actual.keys() - expected.keys()}
        keys = [f"{told}: {word} {sorted(names)}" for word, names in apart.items() if names]
        shared = [key for key in expected if key in actual]
        inner = [_differences(expected[key], actual[key], tolerance, f"{where}.{key}") for key in shared]
        return [*keys, *(each for part in inner for each in part)]
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return [f"{told}: expected {len(expected)} values, got {len(actual)}"]
        pairs = enumerate(zip(expected, actual, strict=True))
        return [each for at, (one, other) in pairs for each in _differences(one, other, tolerance, f"{where}[{at}]")]
    if _number(expected) and _number(actual):
        return [] if tolerance.allows(expected, actual) else [f"{told}: expected {expected}, got {actual}"]
    same = expected == actual and type(expected) is type(actual)
    return [] if same else [f"{told}: expected {_short(expected)}, got {_short(actual)}"]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
