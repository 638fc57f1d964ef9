"""A loaded model, ready to answer requests: reads them, puts them together, asks it once, words the answers."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
from msgspec import UNSET

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging.function import LoadedFunction

from .assembly import Assembly
from .calls import NATURAL, Answered, Asked, Call, Plan, Wire
from .outputs import empty, length, normal, split
from .protocols import table
from .refusals import ModelFailed, refuse, status_of

_logger = logging.getLogger("modelyard.serving")

_FLOAT32: Final = float(np.finfo(np.float32).max)

Place = tuple[int, Wire, Call]
"""Of a call: where its answer goes, its protocol, itself."""


class Servable:
    """One model, as it answers.

    Args:
        function: the model, loaded and tuned.
        name: as people know it.
        version: likewise.
        plan: how many rows are put together, and how many are needed.
        unknown_columns: `refuse` or `ignore`.

    Attributes:
        predictions: how often the model was asked so far.
    """

    def __init__(
        self, function: LoadedFunction, *, name: str, version: str, plan: Plan, unknown_columns: str = "refuse"
    ) -> None:
        if unknown_columns not in ("refuse", "ignore"):
            raise InvalidArgument(f"unknown_columns is 'refuse' or 'ignore', not {unknown_columns!r}.")
        self.name = name
        self.version = version
        self.plan = plan
        self.predictions = 0
        self.assembly = Assembly(function)
        signature = function.metadata.signature
        self._outputs = signature.outputs if signature else None
        self._wires = table.wires(function.metadata, name=name, version=version, unknown_columns=unknown_columns)

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        """The answers, in the same order. Whatever is wrong with a request, or with the model, is an answer too."""
        answers: list[Answered | None] = [None] * len(asked)
        groups: dict[Hashable, list[Place]] = {}
        for at, each in enumerate(asked):
            wire = self._wires.get(each.protocol)
            if wire is None:
                answers[at] = refuse(NATURAL, 404, "This protocol is not spoken here.")
                continue
            try:
                call = wire.read(each)
                key = self._key(call, at)
            except Exception as fault:  # noqa: BLE001 - every request has an answer
                answers[at] = self._refusal(wire, fault, "reading a request")
                continue
            if call.rows == 0:
                answers[at] = self._write(wire, call, empty(self._outputs))
            elif key in groups:
                groups[key].append((at, wire, call))
            else:
                groups[key] = [(at, wire, call)]
        for places in groups.values():
            for batch in self._batches(places):
                self._predict(batch, answers)
        return [each if each is not None else refuse(NATURAL, 500, "No answer was made.") for each in answers]

    def _key(self, call: Call, at: int) -> Hashable:
        found = self.assembly.key(call)
        if found is None:
            return at
        params = call.params
        return found if not params else (found, repr(sorted(params.items(), key=lambda each: each[0])))

    def _batches(self, places: list[Place]) -> list[list[Place]]:
        """As many calls together as the plan allows rows; a larger one alone."""
        most = self.plan.rows
        if len(places) == 1:
            return [places]
        batches: list[list[Place]] = []
        open_: list[Place] = []
        room = 0
        for place in places:
            rows = place[2].rows
            if rows <= room:
                open_.append(place)
                room -= rows
            elif rows >= most:
                batches.append([place])
            else:
                open_ = [place]
                room = most - rows
                batches.append(open_)
        return batches

    def _predict(self, places: list[Place], answers: list[Answered | None]) -> None:
        calls = [call for _, _, call in places]
        sizes = [call.rows for call in calls]
        total = sum(sizes)
        fill = self.plan.missing(total) if sizes[0] > 0 else 0
        params = calls[0].params
        params = dict(params) if params is not None else None  # the model's to change
        self.predictions += 1
        try:
            output = normal(self.assembly.predict(self._made(calls, fill), params))
            if len(calls) == 1 and not fill:
                parts: list[Any] | None = [output]
            else:
                parts = split(output, sizes, total + fill)
                if parts is None and len(calls) == 1:  # no rows to cut off: filling up was of no use
                    self.predictions += 1
                    parts = [normal(self.assembly.predict(self.assembly.make(calls), params))]
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - whatever a model does
            if len(places) == 1:
                at, wire, call = places[0]
                answers[at] = self._refusal(wire, _blamed(fault, call), "a prediction")
                return
            parts = None
        if parts is None:
            for place in places:
                self._predict([place], answers)
            return
        for (at, wire, call), part in zip(places, parts, strict=True):
            answers[at] = self._write(wire, call, part)

    def _made(self, calls: list[Call], fill: int) -> Any:
        first = calls[0].data
        if fill and self.plan.filler is not None and type(first) is list and UNSET not in first[0]:
            return self.assembly.make([*calls, Call([self.plan.filler] * fill, fill)])
        return self.assembly.make(calls, fill)

    def _write(self, wire: Wire, call: Call, output: Any) -> Answered:
        try:
            answered = wire.write(call, output)
        except Exception as fault:  # noqa: BLE001 - every request has an answer
            return self._refusal(wire, fault, "writing an answer")
        if not answered.rows:
            answered.rows = call.rows if call.rows >= 0 else max(1, length(output))
        return answered

    def _refusal(self, wire: Wire, fault: BaseException, doing: str) -> Answered:
        if isinstance(fault, ModelyardError):
            status = status_of(fault)
            error = fault
        else:
            status = 500
            error = ModelFailed(f"The model failed with {type(fault).__name__}; the server's log has the details.")
        if status >= 500:
            cause = fault.__cause__ or fault
            _logger.error(
                "%s version %s failed at %s: %s", self.name, self.version, doing, cause,
                exc_info=(type(cause), cause, cause.__traceback__),
            )  # fmt: skip
        try:
            return wire.refuse(error, status)
        except Exception:
            _logger.exception("%s version %s: an error could not be worded", self.name, self.version)
            return refuse(NATURAL, 500, "The model failed.")


def _blamed(fault: BaseException, call: Call) -> BaseException:
    """Whose fault it is: a missing value or a huge one, on which the model fails, is the request's."""
    if isinstance(fault, ModelyardError):
        return fault
    if isinstance(fault, ValueError | TypeError | AttributeError) and _is_odd(call.data):
        text = (str(fault).strip().splitlines() or [""])[0] if isinstance(fault, ValueError) else type(fault).__name__
        return InvalidArgument(f"The model does not take missing, infinite or huge values here: {text[:300]}")
    return fault


def _is_odd(data: Any) -> bool:
    """Whether data holds NaN, infinity, a missing value or a number that 32 bits do not hold."""
    if isinstance(data, list | tuple):
        return any(map(_is_odd, data))
    if isinstance(data, dict):
        return any(map(_is_odd, data.values()))
    if data is None:
        return True
    if isinstance(data, float | int):
        return not abs(data) <= _FLOAT32
    if isinstance(data, np.ndarray) and data.dtype.kind == "f":
        return not bool(np.all(np.abs(data) <= _FLOAT32))
    if hasattr(data, "iloc"):
        return any(_is_odd(data.iloc[:, at].tolist()) for at in range(data.shape[1]))
    return False
