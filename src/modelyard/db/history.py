"""SQL for the registry's history, which is only ever appended to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.history import Change, Event

from .statement import Statement
from .tables import registry_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transaction import Row, Transaction

LOCK = 0x6D6F64656C  # any number that nobody else takes

_e = registry_event.c
_COLUMNS = (
    _e.id,
    _e.at_ms,
    _e.principal,
    _e.model_id,
    _e.model_name,
    _e.version,
    _e.kind,
    _e.subject,
    _e.old,
    _e.new,
    _e.reason,
)
_BEGIN = Statement(select(func.pg_advisory_xact_lock(LOCK)))
_APPEND = Statement(
    insert(registry_event).values(
        at_ms=bindparam("at_ms"),
        principal=bindparam("principal"),
        model_id=bindparam("model_id"),
        model_name=bindparam("model_name"),
        version=bindparam("version"),
        kind=bindparam("kind"),
        subject=bindparam("subject"),
        old=bindparam("old"),
        new=bindparam("new"),
        reason=bindparam("reason"),
    )
)
_of: Any = bindparam("of")
_before: Any = bindparam("before")
_newest = select(*_COLUMNS).where(_e.id < _before).order_by(_e.id.desc()).limit(bindparam("limit"))
_ALL = Statement(_newest)
_OF_MODEL = Statement(_newest.where(_e.model_id == _of))
_OF_VERSION = Statement(_newest.where(_e.model_id == _of, _e.version == bindparam("version")))
_POINTED = Statement(
    select(_e.new)
    .where(
        _e.model_id == _of,
        _e.kind == Change.ENVIRONMENT_MOVED.value,
        _e.subject == bindparam("environment"),
        _e.at_ms <= bindparam("at_ms"),
    )
    .order_by(_e.id.desc())
    .limit(1)
)
_GONE = Statement(
    select(_e.model_id)
    # The two kinds are spelt out: a partial index serves no parameters.
    .where(_e.model_name == bindparam("name"), text("kind IN ('model.renamed', 'model.deleted')"))
    .order_by(_e.id.desc())
    .limit(1)
)
LAST = 2**62


def begin(tx: Transaction) -> None:
    """Let the registry be changed by one transaction at a time, until this one ends.

    SQLite has one writer anyway. Servers that share a PostgreSQL would lock models in any order and meet in deadlocks,
    each of which costs a second.
    """
    if tx.dialect == "postgresql":
        tx.row(_BEGIN)


def append(
    tx: Transaction,
    kind: Change,
    *,
    at_ms: int,
    principal: str,
    model_id: int,
    model_name: str,
    version: int | None = None,
    subject: str | None = None,
    old: str | None = None,
    new: str | None = None,
    reason: str | None = None,
) -> None:
    """Record a change, in the transaction that makes it."""
    tx.run(
        _APPEND,
        at_ms=at_ms,
        principal=principal,
        model_id=model_id,
        model_name=model_name,
        version=version,
        kind=kind.value,
        subject=subject,
        old=old,
        new=new,
        reason=reason,
    )


def page(
    tx: Transaction, model_id: int | None, version: int | None, limit: int, before: int | None = None
) -> list[Event]:
    """Events, newest first: of a version, of a model, or all; only those with a smaller id than `before`."""
    upper = LAST if before is None else before
    if model_id is None:
        return _events(tx.rows(_ALL, before=upper, limit=limit))
    if version is None:
        return _events(tx.rows(_OF_MODEL, of=model_id, before=upper, limit=limit))
    return _events(tx.rows(_OF_VERSION, of=model_id, version=version, before=upper, limit=limit))


def _events(rows: Sequence[Row]) -> list[Event]:
    events: list[tuple[Any, ...]] = [(*row[:6], Change(row[6]), *row[7:]) for row in rows]
    return [Event(*event) for event in events]


def pointed_at(tx: Transaction, model_id: int, environment: str, at_ms: int) -> int | None:
    """The version that an environment pointed to at a time (ms since the epoch); None if to none."""
    row = tx.row(_POINTED, of=model_id, environment=environment, at_ms=at_ms)
    return int(row[0]) if row and row[0] is not None else None


def once_named(tx: Transaction, name: str) -> int | None:
    """The number of the model that last lost this name, by a rename or its deletion."""
    row = tx.row(_GONE, name=name)
    return int(row[0]) if row else None
