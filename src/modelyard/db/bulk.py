"""Commands that are data: those of one drain are applied together, a handful of statements for all of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.metrics import POINT, LogBatch, PointBatch
from modelyard.domain.runs import NewRun, RunChange

from . import log, point_batches, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .transaction import Transaction

Bulk = LogBatch | PointBatch | NewRun | RunChange

# Each takes the commands of its kind and answers one by one: the value, or the ModelyardError that refuses it.
_APPLY: dict[type[Any], Callable[[Transaction, Sequence[Any]], Sequence[Any]]] = {
    NewRun: runs.create,
    LogBatch: log.apply,
    PointBatch: point_batches.apply,
    RunChange: runs.change,
}


_POINT = 128  # its record, and its share of a summary


def size(command: Bulk) -> int:
    """About how many bytes a command sends to the database."""
    if isinstance(command, PointBatch):
        return len(command.points) // POINT.size * _POINT + sum(map(len, command.keys))
    if isinstance(command, LogBatch):
        points = len(command.points.keys) if command.points is not None else 0
        return points * _POINT + sum(len(value) for pairs in (command.params, command.tags) for _, value in pairs)
    return sum(len(value) for _, value in command.tags) if isinstance(command, NewRun) else 0


def apply(tx: Transaction, commands: Sequence[Bulk]) -> list[Any]:
    """Apply the commands; for each its value, or the ModelyardError that refuses it."""
    outcomes: list[Any] = [None] * len(commands)
    for kind, work in _APPLY.items():
        places = [at for at, command in enumerate(commands) if type(command) is kind]
        if places:
            for at, outcome in zip(places, work(tx, [commands[at] for at in places]), strict=True):
                outcomes[at] = outcome
    return outcomes
