"""Reads runs, whole or in parts: only the rows of the keys that somebody wants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, select

from modelyard.domain.metrics import LatestMetric
from modelyard.domain.selection import EVERYTHING

from . import datasets, logged_models, run_versions
from .runs import COLUMNS, from_row
from .statement import Statement
from .tables import metric, param, run, run_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from modelyard.domain.runs import Run
    from modelyard.domain.selection import Selection

    from .transaction import Row, Transaction

_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_INFOS = Statement(select(*COLUMNS).where(run.c.id.in_(_ids)))
_COLUMNS = {
    metric: (
        metric.c.value,
        metric.c.timestamp,
        metric.c.step,
        metric.c.is_nan,
        metric.c.min_value,
        metric.c.max_value,
    ),
    param: (param.c.value,),
    run_tag: (run_tag.c.value,),
}


def _statements(table: Table) -> tuple[Statement, Statement]:
    """All keys of some runs, and some keys of some runs."""
    every = (
        select(table.c.run_id, table.c.key_id, *_COLUMNS[table])
        .where(table.c.run_id.in_(_ids))
        .order_by(table.c.run_id, table.c.key_id)
    )
    return Statement(every), Statement(every.where(table.c.key_id.in_(bindparam("keys", expanding=True))))


_METRICS, _PARAMS, _TAGS = (_statements(table) for table in (metric, param, run_tag))


def load(tx: Transaction, ids: Sequence[int], wanted: Selection = EVERYTHING) -> list[Run]:
    """Runs in the order of the ids, with the parts that are wanted; ids that do not exist are left out."""
    found = {row[0]: from_row(row) for row in tx.rows(_INFOS, ids=ids)}
    if not found:
        return []
    metrics = _rows(tx, _METRICS, ids, wanted.metrics)
    params = _rows(tx, _PARAMS, ids, wanted.params)
    tags = _rows(tx, _TAGS, ids, wanted.tags)
    names = tx.keys.names(tx, {row[1] for rows in (metrics, params, tags) for row in rows})
    # A run that another server removes for good in between has rows, but is not found.
    for number, key, value, timestamp, step, is_nan, low, high in metrics:
        if number in found:
            latest = LatestMetric(names[key], math.nan if is_nan else value, timestamp, step, low, high)
            found[number].metrics.append(latest)
    for number, key, value in params:
        if number in found:
            found[number].params.append((names[key], value))
    for number, key, value in tags:
        if number in found:
            found[number].tags.append((names[key], value))
    if wanted.datasets:
        for number, inputs in datasets.load_for_runs(tx, ids).items():
            if number in found:
                found[number].datasets.extend(inputs)
    if wanted.models:
        for number, links in logged_models.links_for_runs(tx, ids).items():
            if number in found:
                found[number].models.extend(links)
    if wanted.versions:
        of_run = run_versions.of_runs(tx, [each.uuid for each in found.values()])
        for each in found.values():
            each.versions.extend(of_run.get(each.uuid, ()))
    return [found[number] for number in ids if number in found]


def _rows(
    tx: Transaction, statements: tuple[Statement, Statement], ids: Sequence[int], keys: frozenset[str] | None
) -> list[Row]:
    every, some = statements
    if keys is None:
        return tx.rows(every, ids=ids)
    numbers: dict[str, Any] = tx.keys.find(tx, keys) if keys else {}
    return tx.rows(some, ids=ids, keys=sorted(numbers.values())) if numbers else []
