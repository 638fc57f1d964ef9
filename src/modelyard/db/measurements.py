"""SQL for what gateways counted: a row for a second while it is fresh, then ten seconds, then five minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.measurements import Counts, Whose

from .statement import Statement
from .tables import deployment, measurement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .transaction import Transaction

_m = measurement.c
_KEY: Final = (_m.deployment_id, _m.at_s, _m.revision, _m.endpoint, _m.role, _m.segment)
_IDS = Statement(select(deployment.c.name, deployment.c.id).where(deployment.c.deleted_ms.is_(None)))
_BETWEEN = Statement(
    select(_m.at_s, _m.revision, _m.endpoint, _m.role, _m.segment, _m.document)
    .where(_m.deployment_id == bindparam("of"), _m.at_s >= bindparam("since"), _m.at_s < bindparam("until"))
    .order_by(_m.at_s)
)
_ONE = Statement(
    select(_m.document).where(
        _m.deployment_id == bindparam("of"),
        _m.at_s == bindparam("at"),
        _m.revision == bindparam("revision"),
        _m.endpoint == bindparam("endpoint"),
        _m.role == bindparam("role"),
        _m.segment == bindparam("segment"),
    )
)
_put = insert(measurement).values(
    deployment_id=bindparam("of"),
    at_s=bindparam("at"),
    revision=bindparam("revision"),
    endpoint=bindparam("endpoint"),
    role=bindparam("role"),
    segment=bindparam("segment"),
    document=bindparam("document"),
)
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=[column.name for column in _KEY], set_={"document": _put.excluded.document}
    )
)
_DROP = Statement(
    delete(measurement).where(
        _m.deployment_id == bindparam("of"), _m.at_s >= bindparam("since"), _m.at_s < bindparam("until")
    )
)
_FINE = Statement(
    select(func.min(_m.at_s)).where(
        _m.deployment_id == bindparam("of"),
        _m.at_s >= bindparam("since"),
        _m.at_s < bindparam("until"),
        _m.at_s % bindparam("step") != 0,
    )
)
_FORGET = Statement(delete(measurement).where(_m.at_s < bindparam("before")))

_decode = msgspec.json.Decoder(dict).decode


def _write(counts: Counts) -> str:
    return msgspec.json.encode({name: value for name in Counts.__slots__ if (value := getattr(counts, name))}).decode()


def _read(document: str) -> Counts:
    return Counts(**_decode(document))


def ids(tx: Transaction) -> dict[str, int]:
    """The numbers of deployments by name."""
    return dict(tx.rows(_IDS))


def add(tx: Transaction, counted: Iterable[tuple[int, int, Whose, Counts]]) -> None:
    """Count more.

    Args:
        tx: the transaction.
        counted: number of the deployment, second since the epoch, of whom, and what.
    """
    for number, at, whose, counts in counted:
        key = {"of": number, "at": at, **whose._asdict()}
        row = tx.row(_ONE, **key)
        total = Counts() if row is None else _read(row[0])
        total.add(counts)
        tx.run(_PUT, **key, document=_write(total))


def between(tx: Transaction, deployment_id: int, since_s: int, until_s: int) -> Iterator[tuple[int, Whose, Counts]]:
    """What was counted of a deployment in rows that begin in `since_s` ... `until_s` (excluded), by time."""
    for at, revision, endpoint, role, segment, document in tx.rows(
        _BETWEEN, of=deployment_id, since=since_s, until=until_s
    ):
        yield at, Whose(revision, endpoint, role, segment), _read(document)


def roll_up(tx: Transaction, deployment_id: int, since_s: int, until_s: int, step_s: int) -> None:
    """Keep rows of `step_s` seconds instead of the finer ones; both ends are multiples of it."""
    found: dict[tuple[int, Whose], Counts] = {}
    for at, whose, counts in between(tx, deployment_id, since_s, until_s):
        found.setdefault((at - at % step_s, whose), Counts()).add(counts)
    tx.run(_DROP, of=deployment_id, since=since_s, until=until_s)
    for (at, whose), counts in found.items():
        tx.run(_PUT, of=deployment_id, at=at, **whose._asdict(), document=_write(counts))


def first_finer(tx: Transaction, deployment_id: int, since_s: int, until_s: int, step_s: int) -> int | None:
    """Where the first row begins that is finer than `step_s`; None if there is none."""
    row = tx.row(_FINE, of=deployment_id, since=since_s, until=until_s, step=step_s)
    return int(row[0]) if row and row[0] is not None else None


def forget(tx: Transaction, before_s: int) -> None:
    """Delete what is older."""
    tx.run(_FORGET, before=before_s)
