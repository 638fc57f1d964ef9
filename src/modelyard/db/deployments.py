"""SQL for deployments and their revisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as into

from modelyard.domain.deployments import Revision, Spec, State, Target

from .statement import Statement
from .tables import deployment
from .tables import revision as table

if TYPE_CHECKING:
    from .transaction import Row as Columns
    from .transaction import Transaction

_d = deployment.c
_r = table.c
_id: Any = bindparam("of")
_COLUMNS = (_d.id, _d.name, _d.environment, _d.spec, _d.state, _d.created_ms, _d.updated_ms)
_alive = select(*_COLUMNS).where(_d.deleted_ms.is_(None))
_LIST = Statement(_alive.order_by(_d.name))
_GET = Statement(_alive.where(_d.name == _id))
_BY_ID = Statement(select(*_COLUMNS).where(_d.id == _id))
_NAMED = Statement(select(_d.id).where(_d.name == _id).order_by(_d.id.desc()).limit(1))
_LOCK = Statement(select(_d.id).where(_d.id == _id).with_for_update())
_INSERT = Statement(
    into(deployment)
    .values(
        name=bindparam("name"),
        environment=bindparam("environment"),
        spec=bindparam("spec"),
        state=bindparam("state"),
        created_ms=bindparam("now"),
        updated_ms=bindparam("now"),
        deleted_ms=None,
    )
    .returning(_d.id)
)
_its_row = update(deployment).where(_d.id == _id)
_SET_SPEC = Statement(
    _its_row.values(spec=bindparam("to"), environment=bindparam("environment_to"), updated_ms=bindparam("now"))
)
_SET_STATE = Statement(_its_row.values(state=bindparam("to"), updated_ms=bindparam("now")))
_DELETE = Statement(_its_row.values(deleted_ms=bindparam("now"), updated_ms=bindparam("now")))
_REVISION_COLUMNS = (_r.number, _r.spec, _r.target, _r.created_ms, _r.principal, _r.reason, _d.name)
_with_name = select(*_REVISION_COLUMNS).join(deployment, _d.id == _r.deployment_id).where(_r.deployment_id == _id)
_REVISIONS = Statement(_with_name.order_by(_r.number.desc()))
_REVISION = Statement(_with_name.where(_r.number == bindparam("number")))
_NEWEST = Statement(select(func.max(_r.number)).where(_r.deployment_id == _id))
_ADD = Statement(
    into(table).values(
        deployment_id=_id,
        number=bindparam("number"),
        spec=bindparam("spec"),
        target=bindparam("target"),
        created_ms=bindparam("now"),
        principal=bindparam("principal"),
        reason=bindparam("reason"),
    )
)

_spec = msgspec.json.Decoder(Spec).decode
_state = msgspec.json.Decoder(State).decode
_target = msgspec.json.Decoder(Target).decode


@dataclass(slots=True)
class Row:
    """A deployment as it is stored.

    Attributes:
        id: its number, which no other deployment ever has.
        name: as in `spec`.
        environment: likewise.
        spec: what is wanted.
        state: what is true besides.
        created_ms, updated_ms: ms since the epoch.
    """

    id: int
    name: str
    environment: str
    spec: Spec
    state: State
    created_ms: int
    updated_ms: int


def _write(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _row(columns: Columns) -> Row:
    id_, name, environment, spec, state, created, updated = columns
    return Row(id_, name, environment, _spec(spec), _state(state), created, updated)


def insert(tx: Transaction, spec: Spec, now: int, state: State | None = None) -> Row:
    """A new deployment; its name must not be taken.

    Args:
        tx: the transaction.
        spec: what is wanted.
        now: ms since the epoch.
        state: what is true already; usually nothing.
    """
    begun = State() if state is None else state
    row = tx.row(_INSERT, name=spec.name, environment=spec.environment, spec=_write(spec), state=_write(begun), now=now)
    if row is None:
        raise AssertionError
    return Row(row[0], spec.name, spec.environment, spec, begun, now, now)


def get(tx: Transaction, name: str) -> Row | None:
    """The deployment of this name; None if there is none."""
    row = tx.row(_GET, of=name)
    return _row(row) if row else None


def by_id(tx: Transaction, deployment_id: int) -> Row | None:
    """The deployment of this number, deleted or not."""
    row = tx.row(_BY_ID, of=deployment_id)
    return _row(row) if row else None


def last_named(tx: Transaction, name: str) -> int | None:
    """The number of the deployment that has this name or, if none has, had it last."""
    row = tx.row(_NAMED, of=name)
    return int(row[0]) if row else None


def listing(tx: Transaction) -> list[Row]:
    """All deployments, by name."""
    return [_row(row) for row in tx.rows(_LIST)]


def lock(tx: Transaction, deployment_id: int) -> None:
    """Let nobody else change a deployment or its rollout until the transaction ends; they lock it, too.

    To be called before what the change depends on is read. SQLite has one writer anyway.
    """
    if tx.dialect == "postgresql":
        tx.row(_LOCK, of=deployment_id)


def set_spec(tx: Transaction, deployment_id: int, spec: Spec, now: int) -> None:
    """Want something else."""
    tx.run(_SET_SPEC, of=deployment_id, to=_write(spec), environment_to=spec.environment, now=now)


def set_state(tx: Transaction, deployment_id: int, state: State, now: int) -> None:
    """Write what is true."""
    tx.run(_SET_STATE, of=deployment_id, to=_write(state), now=now)


def delete(tx: Transaction, deployment_id: int, now: int) -> None:
    """Delete it; its revisions, rollouts and events stay, its name is free."""
    tx.run(_DELETE, of=deployment_id, now=now)


# ------------------------------------------------------------------------------------ revisions


def add_revision(tx: Transaction, deployment_id: int, made: Revision) -> None:
    """Keep a revision. Its number must be new: `newest_revision` and one."""
    tx.run(
        _ADD,
        of=deployment_id,
        number=made.number,
        spec=_write(made.spec),
        target=_write(made.target),
        now=made.created_ms,
        principal=made.principal,
        reason=made.reason,
    )


def newest_revision(tx: Transaction, deployment_id: int) -> int:
    """The greatest number of its revisions; 0: it has none."""
    row = tx.row(_NEWEST, of=deployment_id)
    return int(row[0]) if row and row[0] is not None else 0


def revisions(tx: Transaction, deployment_id: int) -> list[Revision]:
    """All revisions, newest first."""
    return [_revision(row) for row in tx.rows(_REVISIONS, of=deployment_id)]


def revision(tx: Transaction, deployment_id: int, number: int) -> Revision | None:
    """One revision; None if there is none of this number."""
    row = tx.row(_REVISION, of=deployment_id, number=number)
    return _revision(row) if row else None


def _revision(columns: Columns) -> Revision:
    number, spec, target, created, principal, reason, name = columns
    return Revision(name, number, _spec(spec), _target(target), created, principal, reason)
