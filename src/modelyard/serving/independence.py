"""Whether a row's answer depends on the rows beside it: to the last bit, by trying.

It does in ways that nobody sees: a matrix product of one row takes another way through the processor than one of two,
and rounds otherwise. It does in ways that everybody should see: batch norm in training mode, texts padded to the
longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from modelyard.serving import samples

Predict = Callable[[Any, int], Any]
"""Data in the shape of `Call.data`, and how many rows to fill up with, → the answer to all of them."""

_SLOW_S = 0.02
"""A prediction that takes longer is timed once."""


class Unlike(Exception):
    """The answer does not have one part for each row; the text says what it has."""


def parts(output: Any, rows: int) -> list[Any]:
    """The answer of each row, as values that are equal only if every bit is.

    Args:
        output: array, DataFrame, Series, list, or dictionary of these.
        rows: how many went in.

    Raises:
        Unlike: it does not have so many.
    """
    if isinstance(output, Mapping):
        columns = [parts(each, rows) for each in output.values()]
        return [tuple(zip(output, row, strict=True)) for row in zip(*columns, strict=True)] if columns else []
    if type(output).__name__ == "DataFrame":
        return parts({str(name): output.iloc[:, at] for at, name in enumerate(output.columns)}, rows)
    if type(output).__name__ == "Series":
        output = output.to_numpy()
    elif hasattr(output, "detach"):
        output = output.detach().cpu().numpy()
    elif hasattr(output, "todense"):
        output = output.toarray()
    if not isinstance(output, list | tuple | np.ndarray) or (isinstance(output, np.ndarray) and not output.ndim):
        raise Unlike(f"it answers {rows} rows with one {type(output).__name__}")
    if len(output) != rows:
        raise Unlike(f"it answers {rows} rows with {len(output)}")
    return [_bits(each) for each in output]


def _bits(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype != object:
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.generic):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, float):
        return ("float", value.hex())
    if isinstance(value, Mapping):
        return tuple((str(name), _bits(each)) for name, each in value.items())
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(_bits(each) for each in value)
    return (type(value).__name__, repr(value))


class Trial:
    """Asks one model the same rows alone and together.

    Args:
        predict: takes data in the shape of `Call.data`, and how many rows to fill up with.
        rows: the data; each size is tried with others of its rows.
    """

    def __init__(self, predict: Predict, rows: Any) -> None:
        self._predict = predict
        self._rows = rows
        self._count = samples.count(rows)

    def ask(self, places: Sequence[int], least: int = 1) -> list[Any]:
        """The answers to some rows in one prediction, filled up to a multiple of `least`."""
        fill = -len(places) % least
        return parts(self._predict(samples.take(self._rows, places), fill), len(places) + fill)[: len(places)]

    def alone(self, count: int, least: int) -> dict[int, Any]:
        """The answer of each of the first rows, alone."""
        return {at: self.ask([at], least)[0] for at in range(min(count, self._count))}

    def bearable(self, least: int, *, times: float, more_s: float) -> bool:
        """Whether one row that is filled up takes at most so many times as long as it does alone, or so much more.

        The best of some tries is compared: what else runs on this machine only ever adds.
        """
        alone = filled = float("inf")
        for _ in range(9):
            alone = min(alone, self._seconds(1))
            filled = min(filled, self._seconds(least))
            if filled <= max(times * alone, alone + more_s):
                return True
            if filled > _SLOW_S:
                break
        return False

    def _seconds(self, least: int) -> float:
        began = perf_counter()
        self.ask([0], least)
        return perf_counter() - began

    def steady(self) -> bool:
        """Whether the same rows get the same answers again."""
        places = list(range(min(3, self._count)))
        return self.ask(places) == self.ask(places) and self.ask([0]) == self.ask([0])

    def largest(
        self, must: Iterable[int], may: Iterable[int], least: int, alone: Mapping[int, Any], until: float
    ) -> int:
        """Up to which number of rows the answers are those of the rows alone.

        Args:
            must: sizes to try, ascending, each until all of `alone` have been compared.
            may: sizes to try after those, once each, until the time is over.
            least: fill up to a multiple of it.
            alone: place → the answer alone.
            until: when the time is over (`perf_counter`); sizes in `must` are tried all the same, once each.

        Returns:
            The largest size that was tried, below the smallest that differed; 1 if there is none.
        """
        good = {1}
        for size in must:
            rounds = range(max(1, len(alone) // size) if perf_counter() < until else 1)
            if not all(self._same(size, start * size, least, alone) for start in rounds):
                break
            good.add(size)
        for size in may:
            if perf_counter() > until:
                break
            if size < max(good) and not self._same(size, size * 7, least, alone):
                good = {each for each in good if each < size}
        return max(good)

    def _same(self, size: int, start: int, least: int, alone: Mapping[int, Any]) -> bool:
        places = [(start + at) % self._count for at in range(size)]
        known = list(alone)
        if len(known) < self._count:
            places[size // 2], places[-1] = known[size % len(known)], known[(size + 1) % len(known)]
        pairs = zip(places, self.ask(places, least), strict=True)
        return all(answer == alone[at] for at, answer in pairs if at in alone)
