"""Commands that are data: those of one drain are applied together, a handful of statements for all of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.metrics import LogBatch, PointBatch
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


def apply(tx: Transaction, commands: Sequence[Bulk]) -> list[Any]:
    """Apply the commands; for each its value, or the ModelyardError that refuses it."""
    outcomes: list[Any] = [None] * len(commands)
    for kind, work in _APPLY.items():
        places = [at for at, command in enumerate(commands) if type(command) is kind]
        if places:
            for at, outcome in zip(places, work(tx, [commands[at] for at in places]), strict=True):
                outcomes[at] = outcome
    return outcomes
