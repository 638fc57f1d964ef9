"""SQL by which a server finds out, twice a second, what to tell the pages that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, func, select

from .statement import Statement
from .tables import deployment, deployment_event, feedback, measurement, prediction, registry_event, rollout, run

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Table

    from .transaction import Transaction

MOST: Final = 1_000
"""Rows of a look; where there are more, the newest are enough."""

_d = deployment.c
_after: Any = bindparam("after")
_REGISTRY = Statement(
    select(registry_event.c.id, registry_event.c.kind, registry_event.c.model_name, registry_event.c.new)
    .where(registry_event.c.id > _after)
    .order_by(registry_event.c.id.desc())
    .limit(MOST)
)
_EVENTS = Statement(
    select(deployment_event.c.id, _d.name)
    .join(deployment, _d.id == deployment_event.c.deployment_id)
    .where(deployment_event.c.id > _after)
    .order_by(deployment_event.c.id.desc())
    .limit(MOST)
)
_its = rollout.alias("its")
_newest_rollout = select(func.max(_its.c.id)).where(_its.c.deployment_id == _d.id).correlate(deployment)
_STATES = Statement(
    select(_d.name, _d.id, _d.updated_ms, rollout.c.state)
    .select_from(deployment)
    .outerjoin(rollout, and_(rollout.c.id == _newest_rollout.scalar_subquery(), rollout.c.ended_ms.is_(None)))
    .where(_d.deleted_ms.is_(None))
)
_measured = select(func.max(measurement.c.at_s)).where(measurement.c.deployment_id == _d.id).scalar_subquery()
_MEASURED = Statement(select(_d.name, _measured).where(_d.deleted_ms.is_(None)))
_UUIDS = Statement(select(run.c.uuid).where(run.c.id.in_(bindparam("ids", expanding=True))))


def _since(table: Table) -> tuple[Statement, Statement]:
    newest = select(func.max(table.c.id))
    rows = select(table.c.id, table.c.deployment_id).where(table.c.id > _after).order_by(table.c.id.desc()).limit(MOST)
    recent = rows.subquery()
    names = select(_d.name).where(_d.id.in_(select(recent.c.deployment_id)))
    return Statement(newest), Statement(names)


_PREDICTIONS = _since(prediction)
_FEEDBACK = _since(feedback)


def registry(tx: Transaction, after: int) -> list[tuple[int, str, str, str | None]]:
    """The newest events of the registry after one of them: number, kind, the model's name, the new value."""
    rows: list[Any] = tx.rows(_REGISTRY, after=after)
    return rows


def events(tx: Transaction, after: int) -> list[tuple[int, str]]:
    """The newest events of deployments after one of them: number, and the deployment's name."""
    rows: list[Any] = tx.rows(_EVENTS, after=after)
    return rows


def states(tx: Transaction) -> dict[str, tuple[Any, ...]]:
    """Something that is another value whenever a deployment, or its rollout under way, changed: by name."""
    return {row[0]: tuple(row[1:]) for row in tx.rows(_STATES)}


def measured(tx: Transaction) -> dict[str, int | None]:
    """The last second that was measured of each deployment, by name."""
    return dict(tx.rows(_MEASURED))


def predicted(tx: Transaction, after: int) -> tuple[int, set[str]]:
    """The newest prediction's number, and the deployments that have predictions after a number."""
    return _newer(tx, _PREDICTIONS, after)


def told(tx: Transaction, after: int) -> tuple[int, set[str]]:
    """The newest feedback's number, and the deployments that have feedback after a number."""
    return _newer(tx, _FEEDBACK, after)


def _newer(tx: Transaction, statements: tuple[Statement, Statement], after: int) -> tuple[int, set[str]]:
    newest, names = statements
    row = tx.row(newest)
    last = (row[0] or 0) if row else 0
    return last, {name for (name,) in tx.rows(names, after=after)} if last > after >= 0 else set()


def uuids(tx: Transaction, runs: Collection[int]) -> set[str]:
    """The ids of runs by their numbers; those that are gone are left out."""
    return {uuid for (uuid,) in tx.rows(_UUIDS, ids=list(runs))} if runs else set()
