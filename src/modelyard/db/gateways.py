"""SQL for what gateways work by, and for who they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from .statement import Statement
from .tables import gateway, routing

if TYPE_CHECKING:
    from .transaction import Transaction

_GENERATION = Statement(select(routing.c.generation).where(routing.c.id == 1))
_ROUTING = Statement(select(routing.c.generation, routing.c.document).where(routing.c.id == 1))
_INSTANCE = Statement(select(routing.c.instance).where(routing.c.id == 1))
_FIRST = Statement(
    insert(routing).values(id=1, instance=bindparam("instance"), generation="0", document="[]").on_conflict_do_nothing()
)
_new_table = insert(routing).values(
    id=1, instance=bindparam("instance"), generation=bindparam("generation"), document=bindparam("document")
)
_PUBLISH = Statement(
    _new_table.on_conflict_do_update(
        index_elements=["id"],
        set_={"generation": _new_table.excluded.generation, "document": _new_table.excluded.document},
    )
)

_g = gateway.c
_heard = insert(gateway).values(
    name=bindparam("name"),
    url=bindparam("url"),
    generation=bindparam("generation"),
    number=bindparam("number"),
    seen_ms=bindparam("now"),
)
_HEARD = Statement(
    _heard.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "url": case((_heard.excluded.url != "", _heard.excluded.url), else_=_g.url),
            "generation": _heard.excluded.generation,
            "number": case((_heard.excluded.number > _g.number, _heard.excluded.number), else_=_g.number),
            "seen_ms": _heard.excluded.seen_ms,
        },
    )
)
_NUMBER = Statement(select(_g.number).where(_g.name == bindparam("of")))
_LOCKED_NUMBER = Statement(select(_g.number).where(_g.name == bindparam("of")).with_for_update())
_LIST = Statement(select(_g.name, _g.url, _g.generation, _g.number, _g.seen_ms).order_by(_g.name))
_FORGET = Statement(delete(gateway).where(_g.seen_ms < bindparam("before")))
_NEWEST = Statement(select(func.max(_g.seen_ms)))


@dataclass(frozen=True, slots=True)
class Row:
    """A gateway that was heard of.

    Attributes:
        name: its own.
        url: where it answers; empty if it did not say.
        generation: of the routing that it works by; empty: of none yet.
        number: of its last report.
        seen_ms: when it last said something, ms since the epoch.
    """

    name: str
    url: str
    generation: str
    number: int
    seen_ms: int


def generation(tx: Transaction) -> str:
    """Of the newest routing; `0` before there is one."""
    row = tx.row(_GENERATION)
    return str(row[0]) if row else "0"


def newest(tx: Transaction) -> tuple[str, str]:
    """The newest routing: generation, and its deployments as JSON."""
    row = tx.row(_ROUTING)
    return (row[0], row[1]) if row else ("0", "[]")


def instance(tx: Transaction) -> str:
    """What tells this database's replicas from another one's: 8 hex digits, made at the first call; writes then."""
    row = tx.row(_INSTANCE)
    if row is None:
        tx.run(_FIRST, instance=os.urandom(4).hex())
        row = tx.row(_INSTANCE)
    return str(row[0]) if row else ""


def publish(tx: Transaction, document: str, now: int) -> str:
    """Have gateways work by something else; its generation, which is a number greater than any before.

    Args:
        tx: the transaction.
        document: the deployments as JSON.
        now: ms since the epoch, so that a database that was set back does not count the same numbers again.
    """
    before = generation(tx)
    after = str(max(int(before) + 1, now))
    tx.run(_PUBLISH, instance=os.urandom(4).hex(), generation=after, document=document)
    return after


def heard(tx: Transaction, name: str, url: str, generation: str, number: int, now: int) -> None:
    """A gateway said something.

    Args:
        tx: the transaction.
        name: its own.
        url: where it answers; empty: as before.
        generation: of the routing that it works by.
        number: of its report; 0: it is none.
        now: ms since the epoch.
    """
    tx.run(_HEARD, name=name, url=url, generation=generation, number=number, now=now)


def last_number(tx: Transaction, name: str) -> int:
    """Of a gateway's last report; 0 before the first. Nobody else reports in its name until the transaction ends."""
    row = tx.row(_LOCKED_NUMBER if tx.dialect == "postgresql" else _NUMBER, of=name)
    return int(row[0]) if row else 0


def listing(tx: Transaction) -> list[Row]:
    """All of them, by name."""
    return [Row(*row) for row in tx.rows(_LIST)]


def forget(tx: Transaction, before_ms: int) -> None:
    """Forget those that were not heard of since."""
    tx.run(_FORGET, before=before_ms)


def last_seen_ms(tx: Transaction) -> int:
    """When any of them last said something; 0: never."""
    row = tx.row(_NEWEST)
    return int(row[0]) if row and row[0] is not None else 0
