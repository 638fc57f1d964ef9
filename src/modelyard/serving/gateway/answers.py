"""What an answer says: label, score, whether it counts as positive. Read for statistics and checks; never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from modelyard.domain.predictions import text_of
from modelyard.serving.calls import INVOCATIONS, NATURAL

if TYPE_CHECKING:
    from modelyard.wire.routing import RoutedAnswer

_LONGEST: Final = 64 * 1024
"""Longer answers are not looked at."""
_SHORT: Final = 48
_MOST_KNOWN: Final = 1024
_LARGEST_SCORE: Final = 1e300
_POSITIVE: Final = frozenset({"1", "true", "yes", "positive"})
_LABELS: Final = ("label", "prediction")
_SCORES: Final = ("score", "probability")
_UNREAD: Final = (msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError, IndexError)
_decode: Final = msgspec.json.Decoder().decode


class Said(NamedTuple):
    """What an answer says.

    Attributes:
        label: of an answer for one row; None: there is none.
        score: likewise.
        positive: whether the label counts as positive; None: it says neither.
        rows: label, score and positive of each row, if the answer is for several.
    """

    label: str | None = None
    score: float | None = None
    positive: bool | None = None
    rows: tuple[Said, ...] = ()

    def over(self, threshold: float | None) -> Said:
        """The same, where a score from here on makes an answer positive."""
        if threshold is None or (self.score is None and not self.rows):
            return self
        if self.rows:
            return self._replace(rows=tuple(each.over(threshold) for each in self.rows))
        return self._replace(positive=self.score is not None and self.score >= threshold)

    def agrees(self, other: Said) -> bool | None:
        """Whether another answer has the same labels; None if one of them has none."""
        if self.rows or other.rows:
            if len(self.rows) != len(other.rows):
                return None
            found = [one.agrees(two) for one, two in zip(self.rows, other.rows, strict=True)]
            return None if None in found else all(found)
        if self.label is None or other.label is None:
            return None
        return self.label == other.label or _close(self.label, other.label)


NOTHING: Final = Said()


def _close(one: str, two: str) -> bool:
    """Whether two numbers are the same but for their last digits."""
    try:
        first, second = float(one), float(two)
    except ValueError:
        return False
    return abs(first - second) <= 1e-6 * max(abs(first), abs(second))


def _number(value: Any) -> float | None:
    """A score; None for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) <= _LARGEST_SCORE else None


class Reader:
    """Reads the answers of one deployment.

    Args:
        answer: where label and score stand.
    """

    def __init__(self, answer: RoutedAnswer) -> None:
        self._labels = (answer.label,) if answer.label else _LABELS
        self._scores = (answer.score,) if answer.score else _SCORES
        self._positive = answer.positive
        self._known: dict[tuple[int, bytes], Said] = {}

    def read(self, protocol: int, body: bytes) -> Said:
        """What an answer of status 200 says; nothing if that is not understood.

        Args:
            protocol: see `calls`.
            body: of the answer.
        """
        size = len(body)
        if size > _SHORT:
            return self._read(protocol, body) if size <= _LONGEST else NOTHING
        known = self._known.get((protocol, body))  # labels without scores repeat themselves
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[protocol, body] = self._read(protocol, body)
        return known

    def _read(self, protocol: int, body: bytes) -> Said:
        try:
            content = _decode(body)
            rows = self._rows(protocol, content)
        except _UNREAD:  # it is not ours to judge
            return NOTHING
        if len(rows) == 1:
            return self._row(rows[0])
        return Said(rows=tuple(self._row(each) for each in rows))

    def _rows(self, protocol: int, content: Any) -> list[Any]:
        if protocol == NATURAL:
            return content if isinstance(content, list) else [content]
        if protocol == INVOCATIONS:
            found = content["predictions"]
            return found if isinstance(found, list) else [found]
        outputs = {each["name"]: each["data"] for each in content["outputs"] if "data" in each}
        if len(outputs) == 1 and not set(outputs) & {*self._labels, *self._scores}:
            return list(next(iter(outputs.values())))
        named = {name: values for name, values in outputs.items() if name in (*self._labels, *self._scores)}
        return [dict(zip(named, values, strict=True)) for values in zip(*named.values(), strict=True)]

    def _row(self, row: Any) -> Said:
        score = None
        value = row
        if isinstance(row, dict):
            value = next((row[name] for name in self._labels if name in row), None)
            found = next((row[name] for name in self._scores if name in row), None)
            score = _number(found)
            if value is None and found is None and len(row) == 1:
                value = next(iter(row.values()))
        label = text_of(value)
        if label is None:
            return Said(None, score)
        if self._positive is not None:
            return Said(label, score, label == self._positive)
        if isinstance(value, float) and not value.is_integer():
            return Said(label, score)
        return Said(label, score, label.lower() in _POSITIVE)
