"""SQL for leases: who of several servers may do a timed work now.

With PostgreSQL the database's clock counts, so that servers need not agree on the time. A SQLite file has one server,
which takes what a server before it left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.errors import Conflict

from .statement import Statement
from .tables import lease

if TYPE_CHECKING:
    from .transaction import Transaction

CONTROLLER: Final = "controller"
"""Looking after deployments."""

_new = insert(lease).values(name=bindparam("name"), holder=bindparam("holder"), until_ms=bindparam("until"))
_TAKE = Statement(
    _new.on_conflict_do_update(
        index_elements=["name"], set_={"holder": _new.excluded.holder, "until_ms": _new.excluded.until_ms}
    )
)
_RELEASE = Statement(delete(lease).where(lease.c.name == bindparam("of"), lease.c.holder == bindparam("holder")))

_NOW: Final = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
_TAKE_IF_FREE: Final = (
    "INSERT INTO lease AS l (name, holder, until_ms) "  # noqa: S608 - the clock is ours
    f"VALUES (%(name)s, %(holder)s, {_NOW} + %(for_ms)s) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms "
    f"WHERE l.holder = excluded.holder OR l.until_ms < {_NOW} RETURNING holder"
)
_STILL: Final = f"SELECT 1 FROM lease WHERE name = %(name)s AND holder = %(holder)s AND until_ms >= {_NOW} FOR SHARE"  # noqa: S608 - the clock is ours


def take(tx: Transaction, name: str, holder: str, for_ms: int, now: int) -> bool:
    """Take a lease, or keep it; False while somebody else has it.

    Args:
        tx: the transaction.
        name: of the work.
        holder: who wants to do it; each life of a server has a name of its own.
        for_ms: how long it holds unless it is taken again.
        now: ms since the epoch; PostgreSQL's own clock is used instead.
    """
    if tx.dialect == "postgresql":
        return bool(tx.raw(_TAKE_IF_FREE, {"name": name, "holder": holder, "for_ms": for_ms}))
    tx.run(_TAKE, name=name, holder=holder, until=now + for_ms)
    return True


def check(tx: Transaction, name: str, holder: str) -> None:
    """See that it is still held, and stays so until the transaction ends.

    Raises:
        Conflict: somebody else has it, or may take it.
    """
    if tx.dialect == "postgresql" and not tx.raw(_STILL, {"name": name, "holder": holder}):
        raise Conflict(f"Another server does the work {name!r} now.")


def release(tx: Transaction, name: str, holder: str) -> None:
    """Give it back, if it is held."""
    tx.run(_RELEASE, of=name, holder=holder)
