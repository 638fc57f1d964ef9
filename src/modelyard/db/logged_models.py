"""SQL for logged models, and for the runs that made or read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, delete, exists, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.errors import NotFound
from modelyard.domain.logged_models import LoggedModel, LoggedModelStatus, ModelMetric
from modelyard.domain.runs import ModelLink
from modelyard.domain.search import comparisons

from .filters import Pairs, Source
from .statement import Statement
from .tables import (
    logged_model,
    logged_model_metric,
    logged_model_param,
    logged_model_tag,
    run,
    run_model,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from modelyard.domain.logged_models import DatasetChoice, ModelOrder
    from modelyard.domain.search import Kind, Node, OrderKey, Scalar

    from .transaction import Row, Transaction

COLUMNS = (
    logged_model.c.id,
    logged_model.c.experiment_id,
    logged_model.c.name,
    logged_model.c.artifact_uri,
    logged_model.c.created_ms,
    logged_model.c.updated_ms,
    logged_model.c.lifecycle,
    logged_model.c.status,
    logged_model.c.status_message,
    logged_model.c.model_type,
    logged_model.c.source_run,
)
_ids: Any = bindparam("ids", expanding=True)
_of: Any = bindparam("of")

_GET = Statement(select(*COLUMNS).where(logged_model.c.id == _of))
_KNOWN = Statement(select(logged_model.c.id).where(logged_model.c.id.in_(_ids)))
_PARAMS = Statement(
    select(logged_model_param.c.model_id, logged_model_param.c.key, logged_model_param.c.value)
    .where(logged_model_param.c.model_id.in_(_ids))
    .order_by(logged_model_param.c.model_id, logged_model_param.c.key)
)
_TAGS = Statement(
    select(logged_model_tag.c.model_id, logged_model_tag.c.key, logged_model_tag.c.value)
    .where(logged_model_tag.c.model_id.in_(_ids))
    .order_by(logged_model_tag.c.model_id, logged_model_tag.c.key)
)
_METRICS = Statement(
    select(
        logged_model_metric.c.model_id,
        run.c.uuid,
        logged_model_metric.c.key,
        logged_model_metric.c.value,
        logged_model_metric.c.is_nan,
        logged_model_metric.c.timestamp,
        logged_model_metric.c.step,
        logged_model_metric.c.dataset_name,
        logged_model_metric.c.dataset_digest,
    )
    .join(run, run.c.id == logged_model_metric.c.run_id)
    .where(logged_model_metric.c.model_id.in_(_ids))
    .order_by(
        logged_model_metric.c.model_id,
        logged_model_metric.c.key,
        logged_model_metric.c.timestamp,
        logged_model_metric.c.step,
    )
)
_INSERT = Statement(
    insert(logged_model).values(
        {column.name: bindparam(column.name) for column in COLUMNS}
        | {"deleted_ms": None, "created_by": bindparam("created_by")}
    )
)
_SET_STATUS = Statement(
    update(logged_model).where(logged_model.c.id == _of).values(status=bindparam("to"), updated_ms=bindparam("now"))
)
_DELETE = Statement(
    update(logged_model)
    .where(logged_model.c.id == _of, logged_model.c.lifecycle == "active")
    .values(lifecycle="deleted", deleted_ms=bindparam("now"), updated_ms=bindparam("now"))
)
_INSERT_PARAM = Statement(
    insert(logged_model_param).values(model_id=_of, key=bindparam("key"), value=bindparam("value"))
)
_tag = insert(logged_model_tag).values(model_id=_of, key=bindparam("key"), value=bindparam("value"))
_SET_TAG = Statement(
    _tag.on_conflict_do_update(index_elements=["model_id", "key"], set_={"value": _tag.excluded.value})
)
_DELETE_TAG = Statement(
    delete(logged_model_tag).where(logged_model_tag.c.model_id == _of, logged_model_tag.c.key == bindparam("key"))
)
_INSERT_METRIC = Statement(
    insert(logged_model_metric)
    .values(
        model_id=bindparam("model"),
        key=bindparam("key"),
        timestamp=bindparam("timestamp"),
        step=bindparam("step"),
        run_id=bindparam("run"),
        value=bindparam("value"),
        is_nan=bindparam("is_nan"),
        dataset_name=bindparam("dataset_name"),
        dataset_digest=bindparam("dataset_digest"),
    )
    .on_conflict_do_nothing()
)
_LINKS = Statement(
    select(run_model.c.run_id, run_model.c.model_id, run_model.c.direction, run_model.c.step)
    .where(run_model.c.run_id.in_(bindparam("runs", expanding=True)))
    .order_by(run_model.c.run_id, run_model.c.direction, run_model.c.step, run_model.c.model_id)
)
_link = insert(run_model).values(
    run_id=bindparam("run"), model_id=bindparam("model"), direction=bindparam("direction"), step=bindparam("step")
)
_LINK = Statement(
    _link.on_conflict_do_update(index_elements=["run_id", "model_id", "direction"], set_={"step": _link.excluded.step})
)
_FIELDS: dict[str, Any] = {
    "model_id": logged_model.c.id,
    "name": logged_model.c.name,
    "model_type": logged_model.c.model_type,
    "status": logged_model.c.status,
    "source_run_id": logged_model.c.source_run,
    "creation_timestamp": logged_model.c.created_ms,
    "last_updated_timestamp": logged_model.c.updated_ms,
}
_TEXTS = frozenset({"model_id", "name", "model_type", "status", "source_run_id"})
_ITS_METRICS = (logged_model_metric.c.model_id == logged_model.c.id, logged_model_metric.c.is_nan == 0)
_PAIRS: dict[Kind, Pairs] = {
    "tag": Pairs(
        logged_model_tag.c.key, logged_model_tag.c.value, on=(logged_model_tag.c.model_id == logged_model.c.id,)
    ),
    "param": Pairs(
        logged_model_param.c.key, logged_model_param.c.value, on=(logged_model_param.c.model_id == logged_model.c.id,)
    ),
}
_PAGES = Source(
    select(*COLUMNS).where(
        logged_model.c.lifecycle == "active", logged_model.c.experiment_id.in_(bindparam("experiments", expanding=True))
    ),
    _FIELDS,
    ((logged_model.c.created_ms, False), (logged_model.c.id, True)),
    {**_PAIRS, "metric": Pairs(logged_model_metric.c.key, logged_model_metric.c.value, on=_ITS_METRICS)},
    _TEXTS,
)


def not_found(model_id: str) -> NotFound:
    """The error for a logged model that does not exist."""
    return NotFound(f"Logged model with ID '{model_id}' not found.")


# ------------------------------------------------------------------------------------ links with runs


def links_for_runs(tx: Transaction, run_ids: Sequence[int]) -> dict[int, list[ModelLink]]:
    """The logged models that runs read or made; runs without any are left out."""
    found: dict[int, list[ModelLink]] = {}
    for number, model_id, direction, step in tx.rows(_LINKS, runs=run_ids):
        found.setdefault(number, []).append(ModelLink(model_id, direction, step))
    return found


def link(tx: Transaction, run_id: int, links: Iterable[ModelLink]) -> None:
    """Link a run with models, which need not exist; a link that is there gets the new step."""
    rows = {
        (each.model_id, each.direction): {
            "run": run_id,
            "model": each.model_id,
            "direction": each.direction,
            "step": each.step,
        }
        for each in links
    }
    tx.many(_LINK, list(rows.values()))


# ------------------------------------------------------------------------------------ metrics


def known(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Those of the ids that stand for a logged model, in the trash or not."""
    return {row[0] for row in tx.rows(_KNOWN, ids=sorted(set(ids)))}


def log_metrics(tx: Transaction, run_id: int, metrics: Sequence[ModelMetric]) -> None:
    """Add points to logged models; a point that is there (same model, key, time, step and run) stays as it is.

    Args:
        tx: the transaction.
        run_id: the run that logs them.
        metrics: the points; their own `run` is not looked at.

    Raises:
        NotFound: one of the models does not exist; then nothing is written.
    """
    there = known(tx, (metric.model_id for metric in metrics))
    for metric in metrics:
        if metric.model_id not in there:
            raise not_found(metric.model_id)
    tx.many(
        _INSERT_METRIC,
        [
            {
                "model": metric.model_id,
                "key": metric.key,
                "timestamp": metric.timestamp,
                "step": metric.step,
                "run": run_id,
                "value": 0.0 if math.isnan(metric.value) else metric.value,
                "is_nan": int(math.isnan(metric.value)),
                "dataset_name": metric.dataset_name,
                "dataset_digest": metric.dataset_digest,
            }
            for metric in metrics
        ],
    )


# ------------------------------------------------------------------------------------ models


def get(tx: Transaction, model_id: str) -> LoggedModel | None:
    """A logged model by id, in the trash or not."""
    found = load(tx, tx.rows(_GET, of=model_id))
    return found[0] if found else None


def load(tx: Transaction, rows: Sequence[Row]) -> list[LoggedModel]:
    """Logged models from rows of `COLUMNS`, with params, tags and metrics."""
    models = {row[0]: LoggedModel(*(*row[:7], LoggedModelStatus(row[7]), *row[8:])) for row in rows}
    if not models:
        return []
    ids = list(models)
    for model_id, key, value in tx.rows(_PARAMS, ids=ids):
        models[model_id].params[key] = value
    for model_id, key, value in tx.rows(_TAGS, ids=ids):
        models[model_id].tags[key] = value
    for model_id, uuid, key, value, is_nan, *rest in tx.rows(_METRICS, ids=ids):
        models[model_id].metrics.append(ModelMetric(model_id, uuid, key, math.nan if is_nan else value, *rest))
    return list(models.values())


def create(tx: Transaction, model: LoggedModel, by: str) -> None:
    """Insert a logged model with its params and tags."""
    row = {column.name: getattr(model, column.name) for column in COLUMNS}
    tx.run(_INSERT, **{**row, "status": str(model.status)}, created_by=by)
    add_params(tx, model.id, model.params)
    set_tags(tx, model.id, model.tags)


def set_status(tx: Transaction, model_id: str, to: LoggedModelStatus, now: int) -> bool:
    """Write the status; whether there is such a model."""
    return tx.run(_SET_STATUS, of=model_id, to=str(to), now=now) > 0


def discard(tx: Transaction, model_id: str, now: int) -> None:
    """Move a logged model to the trash; it may be there already."""
    tx.run(_DELETE, of=model_id, now=now)


def add_params(tx: Transaction, model_id: str, params: Mapping[str, str]) -> None:
    """Add params that are not there yet."""
    tx.many(_INSERT_PARAM, [{"of": model_id, "key": key, "value": value} for key, value in params.items()])


def set_tags(tx: Transaction, model_id: str, tags: Mapping[str, str]) -> None:
    """Add or replace tags."""
    tx.many(_SET_TAG, [{"of": model_id, "key": key, "value": value} for key, value in tags.items()])


def delete_tag(tx: Transaction, model_id: str, key: str) -> bool:
    """Remove a tag; whether it was there."""
    return tx.run(_DELETE_TAG, of=model_id, key=key) > 0


# ------------------------------------------------------------------------------------ search


def search(
    tx: Transaction,
    experiments: Sequence[int],
    node: Node | None,
    datasets: Sequence[DatasetChoice],
    order: Sequence[ModelOrder],
    offset: int,
    limit: int,
) -> list[LoggedModel]:
    """One page of the logged models that match; see the service."""
    wanted = [or_(*(_measured_on(each.name, each.digest) for each in datasets))] if datasets else []
    metrics = Pairs(logged_model_metric.c.key, logged_model_metric.c.value, on=(*_ITS_METRICS, *wanted))
    query = select(*COLUMNS).where(
        logged_model.c.lifecycle == "active", logged_model.c.experiment_id.in_(bindparam("experiments", expanding=True))
    )
    source = Source(query, _FIELDS, (), {**_PAIRS, "metric": metrics}, _TEXTS)
    values: dict[str, Any] = {}
    if node is not None:
        query, values = query.where(source.condition(node, tx.dialect)), source.values(node, tx.dialect)
    if datasets and not any(clause.field.kind == "metric" for clause in comparisons(node)):
        query = query.where(exists(literal(1)).where(logged_model_metric.c.model_id == logged_model.c.id, *wanted))
    keys: list[ColumnElement[Any]] = []
    for key in order:
        column = _FIELDS[key.key] if key.kind == "attribute" else _latest(key)
        by = column.collate("C") if key.key in _TEXTS and key.kind == "attribute" and tx.dialect != "sqlite" else column
        keys += [column.is_(None), by.asc() if key.ascending else by.desc()]
    if not any(key.key == "creation_timestamp" for key in order):
        keys.append(logged_model.c.created_ms.desc())
    query = query.order_by(*keys, logged_model.c.id).limit(limit).offset(offset)
    return load(tx, tx.rows(query, experiments=experiments, **values))


def page(
    tx: Transaction,
    experiments: Sequence[int],
    node: Node | None,
    order: Sequence[OrderKey],
    limit: int,
    after: Sequence[Scalar] | None,
) -> tuple[list[LoggedModel], list[tuple[Scalar, ...]]]:
    """One page of the logged models that match, behind a position, and the position of each; not sorted by metrics."""
    rows = _PAGES.page(tx, node, order, limit=limit, after=after, experiments=experiments)
    return load(tx, [row[: len(COLUMNS)] for row in rows]), _PAGES.positions(rows, order)


def _measured_on(name: str, digest: str | None) -> ColumnElement[bool]:
    right = logged_model_metric.c.dataset_name == name
    return right if digest is None else and_(right, logged_model_metric.c.dataset_digest == digest)


def _latest(key: ModelOrder) -> ColumnElement[Any]:
    """A metric's latest value; missing if that is NaN."""
    points = logged_model_metric.c
    wanted = [points.model_id == logged_model.c.id, points.key == key.key]
    if key.dataset_name is not None:
        wanted.append(points.dataset_name == key.dataset_name)
    if key.dataset_digest is not None:
        wanted.append(points.dataset_digest == key.dataset_digest)
    return (
        select(case((points.is_nan == 0, points.value)))
        .where(*wanted)
        .order_by(points.timestamp.desc(), points.step.desc())
        .limit(1)
        .correlate(logged_model)
        .scalar_subquery()
    )
