"""SQL for experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.experiments import Experiment

from .filters import Pairs, Source
from .statement import Statement
from .tables import experiment, experiment_tag, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.domain.experiments import Lifecycle, View
    from modelyard.domain.search import Kind, Node, OrderKey, Scalar

    from .transaction import Row, Transaction

_COLUMNS = (
    experiment.c.id,
    experiment.c.name,
    experiment.c.artifact_location,
    experiment.c.lifecycle,
    experiment.c.created_ms,
    experiment.c.updated_ms,
    experiment.c.deleted_ms,
)
_GET = Statement(select(*_COLUMNS).where(experiment.c.id == bindparam("id")))
_PLACE = Statement(
    select(experiment.c.artifact_location, experiment.c.lifecycle).where(experiment.c.id == bindparam("id"))
)
_BY_NAME = Statement(select(*_COLUMNS).where(experiment.c.name == bindparam("name")))
_TAGS = Statement(
    select(experiment_tag.c.experiment_id, experiment_tag.c.key, experiment_tag.c.value)
    .where(experiment_tag.c.experiment_id.in_(bindparam("ids", expanding=True)))
    .order_by(experiment_tag.c.key)
)
_INSERT = Statement(
    insert(experiment)
    .values(
        name=bindparam("name"),
        artifact_location=bindparam("location"),
        lifecycle="active",
        created_ms=bindparam("now"),
        updated_ms=bindparam("now"),
        created_by=bindparam("by"),
    )
    .returning(experiment.c.id)
)
_LOCATE = Statement(
    update(experiment).where(experiment.c.id == bindparam("of")).values(artifact_location=bindparam("location"))
)
_RENAME = Statement(
    update(experiment)
    .where(experiment.c.id == bindparam("of"))
    .values(name=bindparam("to"), updated_ms=bindparam("now"))
)
_SET_LIFECYCLE = Statement(
    update(experiment)
    .where(experiment.c.id == bindparam("of"))
    .values(lifecycle=bindparam("to"), updated_ms=bindparam("now"), deleted_ms=bindparam("deleted"))
)
_RUNS_FOLLOW = Statement(
    update(run)
    .where(run.c.experiment_id == bindparam("of"), run.c.lifecycle == bindparam("was"))
    .values(lifecycle=bindparam("to"), deleted_ms=bindparam("deleted"), rev=run.c.rev + 1)
    .returning(run.c.id)
)
_tag = insert(experiment_tag).values(experiment_id=bindparam("of"), key=bindparam("key"), value=bindparam("value"))
_SET_TAG = Statement(
    _tag.on_conflict_do_update(index_elements=["experiment_id", "key"], set_={"value": _tag.excluded.value})
)
_DELETE_TAG = Statement(
    delete(experiment_tag).where(
        experiment_tag.c.experiment_id == bindparam("of"), experiment_tag.c.key == bindparam("key")
    )
)


def place(tx: Transaction, number: int) -> tuple[str, Lifecycle] | None:
    """Artifact location and lifecycle of an experiment."""
    row = tx.row(_PLACE, id=number)
    return (row[0], row[1]) if row else None


_BASE = select(*_COLUMNS).where(experiment.c.lifecycle.in_(bindparam("lifecycles", expanding=True)))
_FIELDS: dict[str, Any] = {
    "experiment_id": experiment.c.id,
    "name": experiment.c.name,
    "creation_time": experiment.c.created_ms,
    "last_update_time": experiment.c.updated_ms,
}
_PAIRS: dict[Kind, Pairs] = {
    "tag": Pairs(experiment_tag.c.key, experiment_tag.c.value, on=(experiment_tag.c.experiment_id == experiment.c.id,))
}
_TEXTS = frozenset({"name"})
# MLflow breaks ties the other way round once somebody asks for an ordering.
_NEWEST = Source(_BASE, _FIELDS, ((experiment.c.created_ms, False), (experiment.c.id, True)), _PAIRS, _TEXTS)
_SORTED = Source(_BASE, _FIELDS, ((experiment.c.id, False),), _PAIRS, _TEXTS)
_ACTIVE_IDS = Statement(select(experiment.c.id).where(experiment.c.lifecycle == "active"))
_LIFECYCLES = {"active": ["active"], "deleted": ["deleted"], "all": ["active", "deleted"]}


def get(tx: Transaction, number: int) -> Experiment | None:
    """The experiment with this id."""
    row = tx.row(_GET, id=number)
    return _with_tags(tx, [row])[0] if row else None


def get_by_name(tx: Transaction, name: str) -> Experiment | None:
    """The experiment with this name, deleted ones included."""
    row = tx.row(_BY_NAME, name=name)
    return _with_tags(tx, [row])[0] if row else None


def load(tx: Transaction, rows: Sequence[Row]) -> list[Experiment]:
    """Experiments from rows of this module's columns."""
    return _with_tags(tx, rows)


def _with_tags(tx: Transaction, rows: Sequence[Row]) -> list[Experiment]:
    tags: dict[int, dict[str, str]] = {}
    for number, key, value in tx.rows(_TAGS, ids=[row[0] for row in rows]):
        tags.setdefault(number, {})[key] = value
    return [Experiment(*(*row, tags.get(row[0], {}))) for row in rows]


def create(tx: Transaction, name: str, location: str, now: int, by: str) -> int:
    """Insert an experiment; its id."""
    row = tx.row(_INSERT, name=name, location=location, now=now, by=by)
    assert row is not None  # noqa: S101 - RETURNING of one inserted row
    tx.touch(int(row[0]), ())
    return int(row[0])


def locate(tx: Transaction, number: int, location: str) -> None:
    """Set the artifact location, which may hold the id that the insert gave."""
    tx.run(_LOCATE, of=number, location=location)


def rename(tx: Transaction, number: int, name: str, now: int) -> None:
    """Give it another name."""
    tx.run(_RENAME, of=number, to=name, now=now)
    tx.touch(number, ())


def set_lifecycle(tx: Transaction, number: int, to: Lifecycle, now: int) -> None:
    """Move it and its runs to the trash, or back."""
    deleted = now if to == "deleted" else None
    tx.run(_SET_LIFECYCLE, of=number, to=to, now=now, deleted=deleted)
    was = "active" if to == "deleted" else "deleted"
    tx.touch(number, (row[0] for row in tx.rows(_RUNS_FOLLOW, of=number, was=was, to=to, deleted=deleted)))


def set_tags(tx: Transaction, number: int, tags: Mapping[str, str]) -> None:
    """Add or replace tags; as in MLflow, that does not count as an update of the experiment."""
    tx.many(_SET_TAG, [{"of": number, "key": key, "value": value} for key, value in tags.items()])
    tx.touch(number, ())


def delete_tag(tx: Transaction, number: int, key: str) -> bool:
    """Remove a tag; whether it was there."""
    tx.touch(number, ())
    return tx.run(_DELETE_TAG, of=number, key=key) > 0


def search(
    tx: Transaction, node: Node | None, order: Sequence[OrderKey], view: View, limit: int, offset: int
) -> list[Experiment]:
    """One page of the experiments that match."""
    source = _SORTED if order else _NEWEST
    rows = source.page(tx, node, order, limit=limit, offset=offset, lifecycles=_LIFECYCLES[view])
    return load(tx, [row[: len(_COLUMNS)] for row in rows])


def page(
    tx: Transaction,
    node: Node | None,
    order: Sequence[OrderKey],
    view: View,
    limit: int,
    after: Sequence[Scalar] | None,
) -> tuple[list[Experiment], list[tuple[Scalar, ...]]]:
    """One page of the experiments that match, behind a position, and the position of each."""
    source = _SORTED if order else _NEWEST
    rows = source.page(tx, node, order, limit=limit, after=after, lifecycles=_LIFECYCLES[view])
    return load(tx, [row[: len(_COLUMNS)] for row in rows]), source.positions(rows, order)


def active_ids(tx: Transaction) -> list[int]:
    """All experiments that are not in the trash."""
    return [row[0] for row in tx.rows(_ACTIVE_IDS)]


def count(tx: Transaction, node: Node | None, view: View) -> int:
    """How many match."""
    return _NEWEST.count(tx, node, lifecycles=_LIFECYCLES[view])
