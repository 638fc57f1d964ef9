"""SQL for runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.errors import InvalidState, ModelyardError, NotFound
from modelyard.domain.runs import NAME_TAG, Run, RunStatus
from modelyard.domain.runs import artifact_uri as artifact_uri_below

from .statement import Statement
from .tables import experiment, run, run_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.domain.experiments import Lifecycle
    from modelyard.domain.runs import NewRun, RunChange

    from .transaction import Row, Transaction

_uuid = run.c.uuid == bindparam("of")
_ids: BindParameter[Any] = bindparam("ids", expanding=True)
COLUMNS = (
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
_PLACES = Statement(
    select(experiment.c.id, experiment.c.artifact_location, experiment.c.lifecycle).where(experiment.c.id.in_(_ids))
)
_INSERT = Statement(
    insert(run)
    .values(
        uuid=bindparam("uuid"),
        experiment_id=bindparam("experiment"),
        name=bindparam("name"),
        status="RUNNING",
        start_ms=bindparam("start"),
        end_ms=None,
        lifecycle="active",
        user_id=bindparam("user"),
        artifact_uri=bindparam("uri"),
        created_by=bindparam("by"),
        rev=1,
    )
    .returning(run.c.uuid, run.c.id)
)
_TOUCH = Statement(
    update(run)
    .where(_uuid, run.c.lifecycle == "active")
    .values(rev=run.c.rev + 1)
    .returning(run.c.id, run.c.experiment_id)
)
_TOUCH_ALL = Statement(
    update(run)
    .where(run.c.uuid.in_(bindparam("uuids", expanding=True)), run.c.lifecycle == "active")
    .values(rev=run.c.rev + 1)
    .returning(*COLUMNS)
)
_UPDATE = Statement(
    update(run)
    .where(run.c.id == bindparam("number"))
    .values(status=bindparam("status"), end_ms=bindparam("end"), name=bindparam("name"))
)
_SET_LIFECYCLE = Statement(
    update(run)
    .where(_uuid, run.c.lifecycle != "purging")  # being deleted for good (trash.py): as good as gone
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


def absent(tx: Transaction, uuid: str) -> ModelyardError:
    """Why a run is not among the active ones."""
    if tx.row(_FIND, of=uuid) is None:
        return NotFound(f"Run with id={uuid} not found")
    return InvalidState(f"The run {uuid} must be in the 'active' state. Current state is deleted.")


def touch(tx: Transaction, uuid: str) -> tuple[int, int]:
    """Announce a change of an active run: its document and columns become stale. Its id and its experiment's.

    Raises:
        NotFound: there is no such run.
        InvalidState: it is in the trash.
    """
    row = tx.row(_TOUCH, of=uuid)
    if row is None:
        raise absent(tx, uuid)
    tx.touch(row[1], (row[0],))
    return row[0], row[1]


def create(tx: Transaction, wanted: Sequence[NewRun]) -> list[Run | ModelyardError]:
    """Insert runs with their first tags; for each the run, or why it cannot be."""
    places = {row[0]: row[1:] for row in tx.rows(_PLACES, ids=sorted({new.experiment_id for new in wanted}))}
    outcomes: list[Run | ModelyardError] = []
    rows: list[dict[str, object]] = []
    for new in wanted:
        location, lifecycle = places.get(new.experiment_id, ("", ""))
        if lifecycle != "active":
            outcomes.append(_no_place(new.experiment_id, lifecycle))
            continue
        uri = artifact_uri_below(location, new.run)
        rows.append(
            {
                "uuid": new.run,
                "experiment": new.experiment_id,
                "name": new.name,
                "start": new.start_ms,
                "user": new.user_id,
                "uri": uri,
                "by": new.created_by,
            }
        )
        outcomes.append(planned(new, uri))
    numbers: dict[str, int] = dict(tx.each(_INSERT, rows))
    tags = []
    for at, (new, outcome) in enumerate(zip(wanted, outcomes, strict=True)):
        if isinstance(outcome, Run):
            number = numbers[new.run]
            outcomes[at] = replace(outcome, id=number)
            tags += [(number, key, value) for key, value in new.tags]
            tx.touch(new.experiment_id, (number,))
    _put_tags(tx, tags)
    return outcomes


def planned(new: NewRun, uri: str) -> Run:
    """A run as it will be once it is inserted, all but its number."""
    return Run(
        id=0,
        uuid=new.run,
        experiment_id=new.experiment_id,
        name=new.name,
        status=RunStatus.RUNNING,
        start_ms=new.start_ms,
        end_ms=None,
        lifecycle="active",
        user_id=new.user_id,
        artifact_uri=uri,
        rev=1,
        tags=list(new.tags),
    )


def _no_place(experiment_id: int, lifecycle: str) -> ModelyardError:
    if not lifecycle:
        return NotFound(f"No Experiment with id={experiment_id} exists")
    return InvalidState(f"The experiment {experiment_id} must be in the 'active' state. Current state is {lifecycle}.")


def _put_tags(tx: Transaction, tags: Sequence[tuple[int, str, str]]) -> None:
    ids = tx.keys.intern(tx, {key for _, key, _ in tags})
    distinct = {(number, ids[key]): value for number, key, value in tags}
    tx.many(_SET_TAG, [{"run": number, "key": key, "value": value} for (number, key), value in distinct.items()])


def change(tx: Transaction, changes: Sequence[RunChange]) -> list[Run | ModelyardError]:
    """Apply changes; for each the run without metrics, params, tags and links, or why it cannot be."""
    rows = tx.rows(_TOUCH_ALL, uuids=sorted({change.run for change in changes}))
    found = {row[1]: from_row(row) for row in rows}
    before = dict(found)
    outcomes: list[Run | ModelyardError] = []
    tags = []
    for wish in changes:
        now = found.get(wish.run)
        if now is None:
            outcomes.append(absent(tx, wish.run))
            continue
        after = replace(
            now,
            status=wish.status or now.status,
            end_ms=now.end_ms if wish.end_ms is None else wish.end_ms,
            name=wish.name or now.name,
        )
        if after.name != now.name:
            tags.append((now.id, NAME_TAG, after.name))
        found[wish.run] = after
        outcomes.append(after)
    changed = [item for uuid, item in found.items() if item != before[uuid]]
    _update(tx, [{"number": r.id, "status": str(r.status), "end": r.end_ms, "name": r.name} for r in changed])
    if tags:
        _put_tags(tx, tags)
    for item in found.values():
        tx.touch(item.experiment_id, (item.id,))
    return outcomes


def _update(tx: Transaction, rows: list[dict[str, object]]) -> None:
    if tx.dialect == "sqlite" or len(rows) < 2:
        tx.many(_UPDATE, rows)
        return
    tx.raw(
        'UPDATE run SET status = x.status, end_ms = x."end", name = x.name '
        'FROM json_to_recordset(%(rows)s::json) AS x(number bigint, status text, "end" bigint, name text) '
        "WHERE run.id = x.number",
        {"rows": json.dumps(rows)},
    )


def get_tag(tx: Transaction, number: int, key: str) -> str | None:
    """A tag's value, None if it is not set."""
    row = tx.row(_GET_TAG, run=number, key=tx.keys.find(tx, [key]).get(key, 0))
    return None if row is None else str(row[0])


def set_tag(tx: Transaction, number: int, key: str, value: str) -> None:
    """Add or replace a tag."""
    _put_tags(tx, [(number, key, value)])


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


def from_row(row: Row) -> Run:
    """A run from its own columns, without metrics, params, tags and links."""
    number, uuid, experiment_id, name, status, *rest = row
    return Run(number, uuid, experiment_id, name, RunStatus(status), *rest)
