"""Applies many `LogBatch`es at once: the path that every metric, param and tag takes.

A handful of statements serves all runs of a drain. Whatever can be refused is found before anything of that batch
is written, so a refused batch leaves nothing behind and costs the others nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import BindParameter, bindparam, case, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.domain.runs import NAME_TAG

from . import logged_models
from .runs import absent
from .series import pack_points
from .statement import Statement
from .tables import metric, metric_fresh, name_key, param, run, run_tag

if TYPE_CHECKING:
    from modelyard.domain.metrics import LogBatch, Points

    from .transaction import Transaction

Pairs = Sequence[tuple[str, str]]

_uuids: BindParameter[Any] = bindparam("uuids", expanding=True)
TOUCH = Statement(
    update(run)
    .where(run.c.uuid.in_(_uuids), run.c.lifecycle == "active")
    .values(rev=run.c.rev + 1)
    .returning(run.c.uuid, run.c.id, run.c.experiment_id)
)
_PARAMS = Statement(
    select(param.c.run_id, name_key.c.name, param.c.value)
    .join(name_key, name_key.c.id == param.c.key_id)
    .where(param.c.run_id.in_(bindparam("runs", expanding=True)))
)
_INSERT_PARAM = Statement(
    insert(param).values(run_id=bindparam("run"), key_id=bindparam("key"), value=bindparam("value"))
)
_tag = insert(run_tag).values(run_id=bindparam("run"), key_id=bindparam("key"), value=bindparam("value"))
_UPSERT_TAG = Statement(
    _tag.on_conflict_do_update(index_elements=["run_id", "key_id"], set_={"value": _tag.excluded.value})
)
_SET_NAME = Statement(update(run).where(run.c.id == bindparam("run")).values(name=bindparam("value")))
INSERT_FRESH = Statement(insert(metric_fresh).values(run_id=bindparam("run"), body=bindparam("body")))


R = TypeVar("R", int, str)
"""What names a run: its number, or its uuid where that is not known yet."""


def upsert_metric() -> Statement:
    """Latest point and extremes in one statement; `latest` compares (step, timestamp, value) as MLflow does."""
    columns = ("step", "timestamp", "value", "is_nan", "min_value", "max_value")
    new = insert(metric).values(
        run_id=bindparam("run"), key_id=bindparam("key"), **{name: bindparam(name) for name in columns}
    )
    given = new.excluded
    later = tuple_(given.step, given.timestamp, given.value) > tuple_(metric.c.step, metric.c.timestamp, metric.c.value)
    values: dict[str, Any] = {
        name: case((later, given[name]), else_=metric.c[name]) for name in ("step", "timestamp", "value", "is_nan")
    }
    for name, further in (
        ("min_value", given.min_value < metric.c.min_value),
        ("max_value", given.max_value > metric.c.max_value),
    ):
        keep = func.coalesce(metric.c[name], given[name])
        values[name] = case((further, given[name]), else_=keep)
    return Statement(new.on_conflict_do_update(index_elements=["run_id", "key_id"], set_=values))


UPSERT_METRIC = upsert_metric()


def apply(tx: Transaction, batches: Sequence[LogBatch]) -> list[ModelyardError | None]:
    """Write the batches; for each, None or why it was refused."""
    found: dict[str, tuple[int, int]] = {
        uuid: (number, experiment)
        for uuid, number, experiment in tx.rows(TOUCH, uuids=list({batch.run for batch in batches}))
    }
    errors = [None if batch.run in found else absent(tx, batch.run) for batch in batches]
    if any(batch.model_metrics for batch in batches):
        _check_models(tx, batches, errors)
    new_params: list[Pairs] = [()] * len(batches)
    if any(batch.params for batch in batches):
        new_params = _check_params(tx, batches, found, errors)
    accepted = [
        (batch, params) for batch, params, error in zip(batches, new_params, errors, strict=True) if error is None
    ]
    names: set[str] = set()
    for batch, params in accepted:
        if batch.points is not None:
            names.update(batch.points.keys)
        names.update(key for key, _ in params)
        names.update(key for key, _ in batch.tags)
    ids = tx.keys.intern(tx, names)
    _write(tx, accepted, found, ids)
    for batch, _ in accepted:
        number, experiment = found[batch.run]
        tx.touch(experiment, (number,))
        if batch.model_metrics:
            logged_models.log_metrics(tx, number, batch.model_metrics)
    return errors


def _check_models(tx: Transaction, batches: Sequence[LogBatch], errors: list[ModelyardError | None]) -> None:
    """Refuse batches that name a logged model that does not exist."""
    known = logged_models.known(tx, {m.model_id for batch in batches for m in batch.model_metrics})
    for index, batch in enumerate(batches):
        unknown = next((m.model_id for m in batch.model_metrics if m.model_id not in known), None)
        if unknown is not None and errors[index] is None:
            errors[index] = logged_models.not_found(unknown)


def _check_params(
    tx: Transaction,
    batches: Sequence[LogBatch],
    found: dict[str, tuple[int, int]],
    errors: list[ModelyardError | None],
) -> list[Pairs]:
    """Refuse batches that change a param; of each of the others, what is not stored already.

    The last of the checks: what it lets pass counts as stored for the batches behind it.
    """
    runs = sorted({found[b.run][0] for b in batches if b.params and b.run in found})
    stored: dict[int, dict[str, str]] = {number: {} for number in runs}
    for number, key, value in tx.rows(_PARAMS, runs=runs):
        stored[number][key] = value
    new: list[Pairs] = [()] * len(batches)
    for index, batch in enumerate(batches):
        if not batch.params or errors[index] is not None:
            continue
        known = stored[found[batch.run][0]]
        changed = [(key, known[key], value) for key, value in batch.params if known.get(key, value) != value]
        if changed:
            errors[index] = _param_changed(batch, changed)
            continue
        # The batch itself stays as it is: if this transaction fails, it is applied again.
        new[index] = [(key, value) for key, value in batch.params if key not in known]
        known.update(new[index])
    return new


def _param_changed(batch: LogBatch, changed: list[tuple[str, str, str]]) -> InvalidArgument:
    refusal = "Changing param values is not allowed."
    if len(batch.params) == 1:
        key, old, new = changed[0]
        return InvalidArgument(
            f"{refusal} Param with key='{key}' was already logged with value='{old}' for run ID='{batch.run}'. "
            f"Attempted logging new value '{new}'."
        )
    shown = [{"key": key, "old_value": old, "new_value": new} for key, old, new in changed]
    return InvalidArgument(f"{refusal} Params were already logged='{shown}' for run ID='{batch.run}'.")


def _write(
    tx: Transaction,
    accepted: list[tuple[LogBatch, Pairs]],
    found: dict[str, tuple[int, int]],
    ids: dict[str, int],
) -> None:
    params: dict[tuple[int, int], str] = {}
    tags: dict[tuple[int, int], str] = {}
    latest: dict[tuple[int, int], dict[str, Any]] = {}
    fresh: list[dict[str, Any]] = []
    for batch, new_params in accepted:
        number = found[batch.run][0]
        for key, value in new_params:
            params[number, ids[key]] = value
        for key, value in batch.tags:
            if key == NAME_TAG:
                if not value:  # a run keeps its name, as in MLflow
                    continue
                tx.run(_SET_NAME, run=number, value=value)
            tags[number, ids[key]] = value
        points = batch.points
        if points is not None and points.keys:
            key_ids = [ids[key] for key in points.keys]
            fresh.append({"run": number, "body": pack_points(key_ids, points.timestamps, points.steps, points.values)})
            fold(latest, number, key_ids, points)
    if params:
        tx.many(_INSERT_PARAM, [{"run": r, "key": k, "value": v} for (r, k), v in sorted(params.items())])
    if tags:
        tx.many(_UPSERT_TAG, [{"run": r, "key": k, "value": v} for (r, k), v in sorted(tags.items())])
    if latest:
        tx.many(UPSERT_METRIC, [latest[at] for at in sorted(latest)])
    tx.many(INSERT_FRESH, fresh)


def fold(latest: dict[tuple[R, int], dict[str, Any]], number: R, key_ids: list[int], points: Points) -> None:
    """Reduce a batch's points to one row per series: its greatest (step, timestamp, value) and its extremes."""
    series: dict[int, list[tuple[int, int, float]]] = {}
    for key, point in zip(key_ids, zip(points.steps, points.timestamps, points.values, strict=True), strict=True):
        if key in series:
            series[key].append(point)
        else:
            series[key] = [point]
    for key, several in series.items():
        row = _summary(number, key, several)
        before = latest.get((number, key))
        latest[number, key] = row if before is None else joined(before, row)


def _summary(number: int | str, key: int, several: list[tuple[int, int, float]]) -> dict[str, Any]:
    values = [value for _, _, value in several]
    is_nan = 0
    if math.isnan(sum(values)):
        # NaN counts as 0 in the comparison, as MLflow stores it.
        nan = [value != value for value in values]  # noqa: PLR0124 - only NaN differs from itself
        values = [value for value, hole in zip(values, nan, strict=True) if not hole]
        several = [
            (step, time, 0.0) if hole else (step, time, value)
            for (step, time, value), hole in zip(several, nan, strict=True)
        ]
        best = max(range(len(several)), key=several.__getitem__)
        (step, timestamp, value), is_nan = several[best], int(nan[best])
    else:
        step, timestamp, value = max(several) if len(several) > 1 else several[0]
    return {
        "run": number,
        "key": key,
        "step": step,
        "timestamp": timestamp,
        "value": value,
        "is_nan": is_nan,
        "min_value": min(values, default=None),
        "max_value": max(values, default=None),
    }


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two summaries of one series as one."""
    later = max(one, other, key=lambda row: (row["step"], row["timestamp"], row["value"]))
    lows = [row["min_value"] for row in (one, other) if row["min_value"] is not None]
    highs = [row["max_value"] for row in (one, other) if row["max_value"] is not None]
    return {**later, "min_value": min(lows, default=None), "max_value": max(highs, default=None)}
