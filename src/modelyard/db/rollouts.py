"""SQL for rollouts, and for what happened to deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as into

from modelyard.domain.deployments import Event
from modelyard.domain.rollouts import Rollout

from .statement import Statement
from .tables import deployment_event, rollout

if TYPE_CHECKING:
    from .transaction import Transaction

_r = rollout.c
_e = deployment_event.c
_of: Any = bindparam("of")
_newest = select(_r.id, _r.state).where(_r.deployment_id == _of).order_by(_r.id.desc())
_LATEST = Statement(_newest.limit(1))
_LIST = Statement(_newest.limit(bindparam("limit")))
_GET = Statement(select(_r.state).where(_r.id == _of))
_INSERT = Statement(
    into(rollout)
    .values(
        deployment_id=_of,
        status=bindparam("status"),
        state=bindparam("state"),
        began_ms=bindparam("began"),
        ended_ms=bindparam("ended"),
    )
    .returning(_r.id)
)
_SET = Statement(
    update(rollout)
    .where(_r.id == _of)
    .values(
        status=bindparam("status_to"),
        state=bindparam("state_to"),
        ended_ms=func.coalesce(_r.ended_ms, bindparam("ended", type_=_r.ended_ms.type)),
    )
)
_ENDED = Statement(select(_r.id, _r.ended_ms).where(_r.deployment_id == _of))
_NOTE = Statement(
    into(deployment_event)
    .values(
        deployment_id=_of,
        rollout_id=bindparam("rollout"),
        at_ms=bindparam("now"),
        principal=bindparam("principal"),
        kind=bindparam("kind"),
        told=bindparam("told"),
        document=bindparam("document"),
    )
    .returning(_e.id)
)
_events = (
    select(_e.id, _e.rollout_id, _e.at_ms, _e.principal, _e.kind, _e.told, _e.document)
    .where(_e.deployment_id == _of)
    .limit(bindparam("limit"))
)
_AFTER = Statement(_events.where(_e.id > bindparam("after")).order_by(_e.id))
_BEFORE = Statement(_events.where(_e.id < bindparam("before")).order_by(_e.id.desc()))
_OF_KIND = Statement(_events.where(_e.kind == bindparam("kind")).order_by(_e.id.desc()))
_NEWEST_EVENT = Statement(select(func.max(_e.id)))
_NEWEST_OF = Statement(select(func.max(_e.id)).where(_e.deployment_id == _of))
LAST = 2**62

_decode = msgspec.json.Decoder(Rollout).decode


def _write(value: object) -> str:
    return msgspec.json.encode(value).decode()


def insert(tx: Transaction, deployment_id: int, begun: Rollout) -> int:
    """A new rollout; its number."""
    row = tx.row(
        _INSERT,
        of=deployment_id,
        status=begun.status.value,
        state=_write(begun),
        began=begun.began_ms,
        ended=begun.began_ms if begun.ended else None,
    )
    if row is None:
        raise AssertionError
    return int(row[0])


def set(tx: Transaction, rollout_id: int, moved: Rollout, now: int) -> None:
    """Write where a rollout stands.

    Args:
        tx: the transaction.
        rollout_id: its number.
        moved: all of it.
        now: ms since the epoch: when it ended, if it did.
    """
    ended = now if moved.ended else None
    tx.run(_SET, of=rollout_id, status_to=moved.status.value, state_to=_write(moved), ended=ended)


def get(tx: Transaction, rollout_id: int) -> Rollout | None:
    """The rollout of this number; None if there is none."""
    row = tx.row(_GET, of=rollout_id)
    return _decode(row[0]) if row else None


def latest(tx: Transaction, deployment_id: int) -> tuple[int, Rollout] | None:
    """A deployment's newest rollout with its number; None if it never had one."""
    row = tx.row(_LATEST, of=deployment_id)
    return (row[0], _decode(row[1])) if row else None


def listing(tx: Transaction, deployment_id: int, limit: int) -> list[tuple[int, Rollout]]:
    """A deployment's rollouts with their numbers, newest first."""
    return [(row[0], _decode(row[1])) for row in tx.rows(_LIST, of=deployment_id, limit=limit)]


def ended_ms(tx: Transaction, deployment_id: int) -> dict[int, int]:
    """When those of a deployment's rollouts ended that did: by number, ms since the epoch."""
    return {number: ended for number, ended in tx.rows(_ENDED, of=deployment_id) if ended is not None}


# ------------------------------------------------------------------------------------ events


def note(
    tx: Transaction,
    deployment_id: int,
    rollout_id: int | None,
    kind: str,
    told: str,
    principal: str,
    now: int,
    document: object = None,
) -> int:
    """Record that something happened, in the transaction that makes it; the event's number.

    Args:
        tx: the transaction.
        deployment_id: to what.
        rollout_id: of which rollout, if any.
        kind: one of `domain.deployments.Happened`.
        told: in words.
        principal: who did it.
        now: ms since the epoch.
        document: more of it, as JSON can say it.
    """
    row = tx.row(
        _NOTE,
        of=deployment_id,
        rollout=rollout_id,
        now=now,
        principal=principal,
        kind=str(kind),
        told=told,
        document=None if document is None else _write(document),
    )
    if row is None:
        raise AssertionError
    return int(row[0])


def events(tx: Transaction, deployment_id: int, after_id: int, limit: int) -> list[Event]:
    """What happened after an event, oldest first."""
    return _read(tx.rows(_AFTER, of=deployment_id, after=after_id, limit=limit))


def events_before(tx: Transaction, deployment_id: int, before_id: int | None, limit: int) -> list[Event]:
    """What happened before an event (None: the newest), newest first."""
    before = LAST if before_id is None else before_id
    return _read(tx.rows(_BEFORE, of=deployment_id, before=before, limit=limit))


def newest_event(tx: Transaction, deployment_id: int | None = None) -> int:
    """The number of the newest event of a deployment, or of all; 0: there is none."""
    row = tx.row(_NEWEST_EVENT) if deployment_id is None else tx.row(_NEWEST_OF, of=deployment_id)
    return int(row[0]) if row and row[0] is not None else 0


def last_of_kind(tx: Transaction, deployment_id: int, kind: str) -> Event | None:
    """What happened last of a kind to a deployment; None: nothing."""
    return next(iter(_read(tx.rows(_OF_KIND, of=deployment_id, kind=str(kind), limit=1))), None)


def _read(rows: list[tuple[Any, ...]]) -> list[Event]:
    columns: list[tuple[Any, ...]] = [(*row[:6], msgspec.json.decode(row[6]) if row[6] else None) for row in rows]
    return [Event(*each) for each in columns]
