"""How many rows a model should be asked at once: measured when it is loaded, and proven not to change an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.enforcement import enforce_params
from modelyard.packaging.function import LoadedFunction
from modelyard.serving import samples
from modelyard.serving.assembly import Assembly
from modelyard.serving.calls import Call, Plan
from modelyard.serving.independence import Trial, Unlike, parts

MODES: Final = ("auto", "on", "off")
MOST_ROWS: Final = 1024
QUICK_ROWS: Final = 64
BUDGET_S: Final = 0.005
"""A batch may take so long, whatever one row takes: what others wait while it runs."""
TIMES_ONE: Final = 4
"""Or so many times what one row takes."""
_FREE_S: Final = 0.001
"""Up to this, a batch may grow though its rows are no cheaper together: it saves hand-overs between processes."""
_ABOUT: Final = 1.1
_MEASURING_S: Final = 0.2
_PROVING_S: Final = 0.3
_CHEAP_S: Final = 0.004
_CALLS: Final = 8
"""Slow models are asked so often in either part, however long it takes."""
_FILLINGS: Final = (2, 4, 8, 16)
_FILLING_TIMES: Final = 3
_FILLING_S: Final = 200e-6
"""A single row that is filled up may take three times as long, or so much longer: many together gain far more."""
_SMALL: Final = (2, 3, 5, 8)
_EVERY_SIZE: Final = 66
_TAILS: Final = (-1, 0, 1)

Rows = Callable[[int], Any]


def plan(
    function: LoadedFunction,
    *,
    mode: str = "auto",
    max_rows: int | None = None,
    budget_ms: float | None = None,
    quick: bool = False,
    assembly: Assembly | None = None,
) -> Plan:
    """Warm a model, measure what numbers of rows cost, and decide how its calls are put together.

    Takes up to half a second; for a model that takes long, about twenty predictions.

    Args:
        function: the model, tuned.
        mode: `auto`: together if answers stay the same to the last bit; `on`: together in any case that works at all;
            `off`: only measured.
        max_rows: at most so many; None or 0: what the measurement says.
        budget_ms: a batch may take so long; None: 5 ms, or four times what one row takes.
        quick: be content with few rows and a tenth of the time: the model is one of many.
        assembly: of this model, if there is one already.

    Raises:
        InvalidArgument: there is no such mode.
    """
    if mode not in MODES:
        raise InvalidArgument(f"batching is one of {', '.join(MODES)}, not {mode!r}.")
    signature = function.metadata.signature
    if signature is None or signature.inputs is None:
        _warm(function)
        return Plan(reason="The model has no signature, so it is not known what its rows are. Save it with one.")
    try:
        asking = _Asking(function, assembly)
    except _Refused as fault:
        return Plan(reason=f"The model could not be tried with rows like those of {fault.found}: {fault}")
    most = min(max_rows or MOST_ROWS, MOST_ROWS)
    if quick:
        most = min(most, QUICK_ROWS)
    try:
        seconds = _measured(asking, 1 if mode == "off" else most, budget_ms, _MEASURING_S / (10 if quick else 1))
    except Unlike as fault:
        return Plan(reason=f"The model does not answer row by row: {fault}.")
    worth = _worth(seconds, budget_ms)
    if mode == "off" or most == 1:
        return Plan(seconds=seconds, reason="One row at a time, as asked for.")
    if mode == "on":
        worth = max(worth, min(most, max(seconds)))
    if worth == 1:
        return Plan(seconds=seconds, reason="Rows are not cheaper together.")
    return _proven(asking, worth, seconds, quick=quick, forced=mode == "on")


def known(function: LoadedFunction, rows: int, least: int) -> Plan:
    """The plan of a model that was measured before, in another process: warmed, and not measured again.

    Args:
        function: the model, tuned.
        rows: of the plan then.
        least: likewise.
    """
    if rows == 1 and least == 1:
        _warm(function)
        return Plan()
    try:
        return Plan(rows, least, filler=_Asking(function).filler if least > 1 else None)
    except _Refused:  # it did not, before
        return Plan()


def _warm(function: LoadedFunction) -> None:
    given = function.input_example
    if given is not None:
        for _ in range(2):
            function.predict(given)


class _Refused(Exception):
    """The model takes none of the rows there are; the text says what it raised."""

    def __init__(self, fault: Exception, found: str) -> None:
        super().__init__(f"{type(fault).__name__}: {fault}")
        self.found = found


class _Asking:
    """The model, asked as calls will ask it, and rows that it takes: the freest that it does."""

    def __init__(self, function: LoadedFunction, assembly: Assembly | None = None) -> None:
        self._assembly = assembly or Assembly(function)
        self._samples = samples.Samples(function)
        params = function.metadata.signature.params if function.metadata.signature else None
        self._params = enforce_params(None, params)
        self.filler: tuple[Any, ...] | None = None
        refused: Exception | None = None
        for liberty in self._samples.liberties:
            self._liberty = liberty
            try:
                for size in (1, 1, 8):  # the first calls set things up
                    self(self.rows(size), 0)
            except Exception as fault:  # noqa: BLE001 - the model's own code, given what nobody promised it would take
                refused = fault
            else:
                self.filler = self._filler()
                return
        assert refused is not None  # noqa: S101 - there is at least one liberty
        raise _Refused(refused, self._samples.found)

    def _filler(self) -> tuple[Any, ...] | None:
        self.filler = self._samples.filler(self._liberty)
        try:
            self(self.rows(1), 1)
        except Exception:  # noqa: BLE001 - as above
            return None
        return self.filler

    def rows(self, count: int) -> Any:
        return self._samples.rows(count, self._liberty)

    def __call__(self, data: Any, fill: int) -> Any:
        calls = [Call(data, samples.count(data))]
        if fill and self.filler is not None:
            calls.append(Call([self.filler] * fill, fill))
            fill = 0
        return self._assembly.predict(self._assembly.make(calls, fill), self._params)


# ---------------------------------------------------------------- cost


def _measured(asking: _Asking, most: int, budget_ms: float | None, measuring_s: float) -> dict[int, float]:
    """Seconds by number of rows: doubling, as long as it is bearable.

    Raises:
        Unlike: an answer does not have one part for each row.
    """
    began, seconds = perf_counter(), dict[int, float]()
    size = 1
    while size <= most:
        data = asking.rows(size)
        parts(asking(data, 0), size)
        times: list[float] = []
        while len(times) < 3 or (len(times) < 7 and sum(times) < measuring_s / 20):
            start = perf_counter()
            asking(data, 0)
            times.append(perf_counter() - start)
            if times[-1] > measuring_s / 4:
                break
        seconds[size] = min(times)  # what else runs on this machine only ever adds
        slow = perf_counter() - began > measuring_s and len(seconds) >= _CALLS // 2
        if slow or seconds[size] > 1.5 * _limit(seconds, budget_ms):
            break
        size = min(size * 2, most) if size < most else size + 1
    least = float("inf")
    for size in reversed(seconds):  # nor do more rows ever take less
        least = min(least, seconds[size])
        seconds[size] = least
    return seconds


def _limit(seconds: Mapping[int, float], budget_ms: float | None) -> float:
    return max(TIMES_ONE * seconds[1], BUDGET_S) if budget_ms is None else budget_ms / 1000


def _worth(seconds: Mapping[int, float], budget_ms: float | None) -> int:
    """The smallest number of rows, within the limit, that are about as cheap together as any; more where it is free."""
    limit = _limit(seconds, budget_ms)
    bearable = {size: taken for size, taken in seconds.items() if size == 1 or taken <= limit}
    cheapest = min(taken / size for size, taken in bearable.items())
    enough = min(size for size, taken in bearable.items() if taken / size <= _ABOUT * cheapest)
    return max(enough, *(size for size, taken in bearable.items() if size == 1 or taken <= _FREE_S))


# ---------------------------------------------------------------- proof


def _proven(asking: _Asking, worth: int, seconds: Mapping[int, float], *, quick: bool, forced: bool) -> Plan:
    """The plan for at most `worth` rows: as many as do not change an answer, filled up if that helps."""
    cheap = seconds[1] < _CHEAP_S
    # fewer than 40 rows have been seen to prove what is not so: rounding shows in one row of twenty
    many, few = (40, 40) if quick and cheap else (64, 61) if cheap else (9, 4)
    proving_s = _PROVING_S / (2 if quick else 1)
    trial, again = Trial(asking, asking.rows(many)), Trial(asking, asking.rows(many + 1))
    if not trial.steady():
        told = "The model is random: its answers to the same row differ from call to call"
        return _without(told, worth, seconds, forced=forced)
    best, filling = 1, 1
    for least in (1, *(each for each in _FILLINGS if each <= worth)):
        if least > 1 and not trial.bearable(least, times=_FILLING_TIMES, more_s=_FILLING_S):
            break
        small = [size for size in _SMALL if size <= worth]
        if trial.largest(small, (), least, trial.alone(_SMALL[-1], least), 0.0) < small[-1]:
            continue
        good = worth
        for each in (trial, again):  # other rows: rounding shows in few of them
            until = perf_counter() + proving_s / 2
            sizes = _sizes(good, cheap=cheap)
            good = each.largest(*sizes, least, each.alone(few, least), until) if good > 1 else good
        # what only begins to differ at some size has more often not been seen yet
        if good == worth or good >= max(_EVERY_SIZE // 2, best + 1):
            best, filling = good, least
        if good == worth:
            break
    filler = asking.filler if filling > 1 else None
    if best == worth:
        filled = f", filled up to {filling} rows or a multiple" if filling > 1 else ""
        told = f"Answers are the same to the last bit alone and together{filled}."
        return Plan(worth // filling * filling, filling, seconds, told, filler)
    if best > 1 and not forced:
        told = f"With more than {best} rows together an answer may differ from the row's alone, in the last bits."
        return Plan(best // filling * filling, filling, seconds, told, filler)
    return _without("A row's answer depends on the rows beside it", worth, seconds, forced=forced)


def _without(told: str, worth: int, seconds: Mapping[int, float], *, forced: bool) -> Plan:
    if forced:
        return Plan(worth, 1, seconds, f"{told}; together all the same, as asked for.")
    return Plan(1, 1, seconds, f"{told}; every call is answered alone. Ask for batching to have it all the same.")


def _sizes(worth: int, *, cheap: bool) -> tuple[Sequence[int], Sequence[int]]:
    """What must be tried, around powers of two, where libraries change their ways; and what may be."""
    must = {2, 3, worth} | ({5} if cheap else set())
    size = 4
    while size <= worth:
        must |= {size + tail for tail in (_TAILS if cheap else (0,))}
        size *= 2
    may = {*range(2, _EVERY_SIZE), *(each * 3 // 2 for each in must), *(each * 5 // 4 for each in must)} - must
    return sorted(each for each in must if each <= worth), sorted(each for each in may if each < worth)
