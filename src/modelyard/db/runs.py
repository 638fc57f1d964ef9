"""SQL for runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.errors import InvalidState, NotFound
from modelyard.domain.metrics import LatestMetric
from modelyard.domain.runs import Run, RunStatus

from . import datasets, logged_models
from .statement import Statement
from .tables import metric, param, run, run_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelyard.domain.experiments import Lifecycle

    from .engine import Transaction

_uuid = run.c.uuid == bindparam("of")
_ids = bindparam("ids", expanding=True)
_COLUMNS = (
    run.c.id,
    run.c.uuid,
    run.c.experiment_id,
    run.c.name,
    run.c.status,
    run.c.start_ms,
    run.c.end_ms,
    run.c.lifecycle,
    run.c.user_id,
    run.c.artifact_uri,
    run.c.rev,
)
_FIND = Statement(select(run.c.id, run.c.experiment_id, run.c.lifecycle).where(_uuid))
_LOCATE = Statement(select(run.c.artifact_uri).where(_uuid))
_LOAD = Statement(select(*_COLUMNS).where(run.c.id.in_(_ids)))
_METRICS = Statement(
    select(
        metric.c.run_id,
        metric.c.key_id,
        metric.c.value,
        metric.c.timestamp,
        metric.c.step,
        metric.c.is_nan,
        metric.c.min_value,
        metric.c.max_value,
    )
    .where(metric.c.run_id.in_(_ids))
    .order_by(metric.c.run_id, metric.c.key_id)
)
_PARAMS = Statement(
    select(param.c.run_id, param.c.key_id, param.c.value)
    .where(param.c.run_id.in_(_ids))
    .order_by(param.c.run_id, param.c.key_id)
)
_TAGS = Statement(
    select(run_tag.c.run_id, run_tag.c.key_id, run_tag.c.value)
    .where(run_tag.c.run_id.in_(_ids))
    .order_by(run_tag.c.run_id, run_tag.c.key_id)
)
_INSERT = Statement(
    insert(run)
    .values(
        uuid=bindparam("uuid"),
        experiment_id=bindparam("experiment"),
        name=bindparam("name"),
        status=bindparam("status"),
        start_ms=bindparam("start"),
        end_ms=None,
        lifecycle="active",
        user_id=bindparam("user"),
        artifact_uri=bindparam("uri"),
        created_by=bindparam("by"),
        rev=1,
    )
    .returning(run.c.id)
)
_TOUCH = Statement(
    update(run)
    .where(_uuid, run.c.lifecycle == "active")
    .values(rev=run.c.rev + 1)
    .returning(run.c.id, run.c.experiment_id)
)
_TOUCH_INFO = Statement(
    update(run).where(_uuid, run.c.lifecycle == "active").values(rev=run.c.rev + 1).returning(*_COLUMNS)
)
_UPDATE = Statement(
    update(run)
    .where(run.c.id == bindparam("number"))
    .values(status=bindparam("status"), start_ms=bindparam("start"), end_ms=bindparam("end"), name=bindparam("name"))
)
_SET_LIFECYCLE = Statement(
    update(run)
    .where(_uuid)
    .values(lifecycle=bindparam("to"), deleted_ms=bindparam("deleted"), rev=run.c.rev + 1)
    .returning(run.c.id, run.c.experiment_id)
)
_tag = insert(run_tag).values(run_id=bindparam("run"), key_id=bindparam("key"), value=bindparam("value"))
_SET_TAG = Statement(
    _tag.on_conflict_do_update(index_elements=["run_id", "key_id"], set_={"value": _tag.excluded.value})
)
_GET_TAG = Statement(
    select(run_tag.c.value).where(run_tag.c.run_id == bindparam("run"), run_tag.c.key_id == bindparam("key"))
)
_DELETE_TAG = Statement(
    delete(run_tag).where(run_tag.c.run_id == bindparam("run"), run_tag.c.key_id == bindparam("key"))
)


def find(tx: Transaction, uuid: str) -> tuple[int, int, Lifecycle]:
    """Id, experiment and lifecycle of a run.

    Raises:
        NotFound: there is none.
    """
    row = tx.row(_FIND, of=uuid)
    if row is None:
        raise NotFound(f"Run with id={uuid} not found")
    return row[0], row[1], row[2]


def artifact_uri(tx: Transaction, uuid: str) -> str:
    """Where a run keeps its artifacts.

    Raises:
        NotFound: there is no such run.
    """
    row = tx.row(_LOCATE, of=uuid)
    if row is None:
        raise NotFound(f"Run with id={uuid} not found")
    return str(row[0])


def touch(tx: Transaction, uuid: str) -> tuple[int, int]:
    """Announce a change of an active run: its document and columns become stale. Its id and its experiment's.

    Raises:
        NotFound: there is no such run.
        InvalidState: it is in the trash.
    """
    row = tx.row(_TOUCH, of=uuid)
    if row is None:
        find(tx, uuid)
        raise InvalidState(f"The run {uuid} must be in the 'active' state. Current state is deleted.")
    tx.touch(row[1], (row[0],))
    return row[0], row[1]


def touch_info(tx: Transaction, uuid: str) -> Run:
    """As `touch`; the run without metrics, params, tags and links.

    Raises:
        NotFound: there is no such run.
        InvalidState: it is in the trash.
    """
    row = tx.row(_TOUCH_INFO, of=uuid)
    if row is None:
        touch(tx, uuid)
        raise AssertionError
    found = _run(row)
    tx.touch(found.experiment_id, (found.id,))
    return found


def create(  # noqa: PLR0913 - a row has many columns
    tx: Transaction,
    *,
    uuid: str,
    experiment_id: int,
    name: str,
    status: RunStatus,
    start_ms: int,
    user_id: str,
    uri: str,
    by: str,
    tags: Sequence[tuple[str, str]],
) -> int:
    """Insert a run with its first tags; its id."""
    row = tx.row(
        _INSERT,
        uuid=uuid,
        experiment=experiment_id,
        name=name,
        status=str(status),
        start=start_ms,
        user=user_id,
        uri=uri,
        by=by,
    )
    assert row is not None  # noqa: S101 - RETURNING of one inserted row
    number = int(row[0])
    _put_tags(tx, number, tags)
    tx.touch(experiment_id, (number,))
    return number


def _put_tags(tx: Transaction, number: int, tags: Sequence[tuple[str, str]]) -> None:
    ids = tx.keys.intern(tx, [key for key, _ in tags])
    tx.many(_SET_TAG, [{"run": number, "key": ids[key], "value": value} for key, value in dict(tags).items()])


def update_info(tx: Transaction, found: Run) -> None:
    """Write status, times and name as the given run has them; the caller has touched it."""
    tx.run(
        _UPDATE,
        number=found.id,
        status=str(found.status),
        start=found.start_ms,
        end=found.end_ms,
        name=found.name,
    )


def get_tag(tx: Transaction, number: int, key: str) -> str | None:
    """A tag's value, None if it is not set."""
    row = tx.row(_GET_TAG, run=number, key=tx.keys.find(tx, [key]).get(key, 0))
    return None if row is None else str(row[0])


def set_tag(tx: Transaction, number: int, key: str, value: str) -> None:
    """Add or replace a tag."""
    _put_tags(tx, number, [(key, value)])


def delete_tag(tx: Transaction, number: int, key: str) -> bool:
    """Remove a tag; whether it was there."""
    key_id = tx.keys.find(tx, [key]).get(key)
    return key_id is not None and tx.run(_DELETE_TAG, run=number, key=key_id) > 0


def set_lifecycle(tx: Transaction, uuid: str, to: Lifecycle, now: int) -> None:
    """Move a run to the trash, or back.

    Raises:
        NotFound: there is no such run.
    """
    row = tx.row(_SET_LIFECYCLE, of=uuid, to=to, deleted=now if to == "deleted" else None)
    if row is None:
        raise NotFound(f"Run with id={uuid} not found")
    tx.touch(row[1], (row[0],))


def _run(row: tuple[object, ...]) -> Run:
    return Run(*row[:4], RunStatus(row[4]), *row[5:])  # type: ignore[arg-type]


def load(tx: Transaction, ids: Iterable[int]) -> dict[int, Run]:
    """Whole runs by id; ids that do not exist are left out."""
    numbers = list(ids)
    runs = {row[0]: _run(row) for row in tx.rows(_LOAD, ids=numbers)}
    if not runs:
        return runs
    metrics, params, tags = tx.rows(_METRICS, ids=numbers), tx.rows(_PARAMS, ids=numbers), tx.rows(_TAGS, ids=numbers)
    names = tx.keys.names(tx, {row[1] for rows in (metrics, params, tags) for row in rows})
    for number, key, value, timestamp, step, is_nan, low, high in metrics:
        if number in runs:
            latest = LatestMetric(names[key], math.nan if is_nan else value, timestamp, step, low, high)
            runs[number].metrics.append(latest)
    for number, key, value in params:
        if number in runs:
            runs[number].params.append((names[key], value))
    for number, key, value in tags:
        if number in runs:
            runs[number].tags.append((names[key], value))
    for number, inputs in datasets.load_for_runs(tx, numbers).items():
        runs[number].datasets.extend(inputs)
    for number, links in logged_models.links_for_runs(tx, numbers).items():
        runs[number].models.extend(links)
    return runs
