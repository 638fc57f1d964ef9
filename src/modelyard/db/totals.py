"""Counts everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from modelyard.domain.totals import Totals

from .statement import Statement
from .tables import experiment, logged_model, metric_chunk, metric_fresh, model_version, registered_model, run

if TYPE_CHECKING:
    from .transaction import Transaction

RECORD_BYTES = 32
"""Size of a packed fresh point; see series.py."""

_EXPERIMENTS = Statement(select(experiment.c.lifecycle, func.count()).group_by(experiment.c.lifecycle))
_RUNS = Statement(select(run.c.lifecycle, run.c.status, func.count()).group_by(run.c.lifecycle, run.c.status))
_LOGGED_MODELS = Statement(select(func.count()).select_from(logged_model).where(logged_model.c.lifecycle == "active"))
_MODELS = Statement(select(func.count()).select_from(registered_model))
_VERSIONS = Statement(select(func.count()).select_from(model_version))
_CHUNKS = Statement(select(func.coalesce(func.sum(metric_chunk.c.points), 0)))
_FRESH = Statement(select(func.coalesce(func.sum(func.length(metric_fresh.c.body)), 0)))


def count(tx: Transaction) -> Totals:
    """How much there is now."""
    experiments: dict[Any, int] = dict(tx.rows(_EXPERIMENTS))
    by_status: dict[str, int] = {}
    in_trash = 0
    for lifecycle, status, number in tx.rows(_RUNS):
        if lifecycle == "active":
            by_status[status] = number
        else:
            in_trash += number
    return Totals(
        experiments=experiments.get("active", 0),
        experiments_in_trash=experiments.get("deleted", 0),
        runs_by_status=by_status,
        runs_in_trash=in_trash,
        logged_models=_one(tx, _LOGGED_MODELS),
        models=_one(tx, _MODELS),
        versions=_one(tx, _VERSIONS),
        points=_one(tx, _CHUNKS) + _one(tx, _FRESH) // RECORD_BYTES,
    )


def _one(tx: Transaction, statement: Statement) -> int:
    row = tx.row(statement)
    return int(row[0]) if row else 0
