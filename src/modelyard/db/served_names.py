"""SQL from the names that were asked to the deployments that had them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from .statement import Statement
from .tables import deployment

if TYPE_CHECKING:
    from collections.abc import Collection

    from .transaction import Transaction

_d = deployment.c
_NAMED = Statement(select(_d.name, _d.id, _d.deleted_ms).where(_d.name.in_(bindparam("names", expanding=True))))
_NAMES = Statement(select(_d.id, _d.name).where(_d.id.in_(bindparam("ids", expanding=True))))
# Nobody's deployment: it was deleted when it was made, and only keeps a name.
_UNKNOWN = Statement(
    insert(deployment).values(
        name=bindparam("name"),
        environment="",
        spec="{}",
        state="{}",
        created_ms=bindparam("now"),
        updated_ms=bindparam("now"),
        deleted_ms=bindparam("now"),
    )
)


def homes(tx: Transaction, names: Collection[str], now: int) -> dict[str, int]:
    """For each name, the deployment that has it, else the one that last had it, else a place for it."""
    found = _newest(tx, names)
    unknown = [name for name in dict.fromkeys(names) if name not in found]
    if unknown:
        tx.many(_UNKNOWN, [{"name": name, "now": now} for name in unknown])
        found |= _newest(tx, unknown)
    return found


def _newest(tx: Transaction, names: Collection[str]) -> dict[str, int]:
    best: dict[str, tuple[bool, int]] = {}
    for name, number, deleted in tx.rows(_NAMED, names=list(names)):
        best[name] = max(best.get(name, (False, 0)), (deleted is None, number))
    return {name: number for name, (_, number) in best.items()}


def all_of(tx: Transaction, name: str) -> list[int]:
    """All deployments that have or had a name, the one that has it now first."""
    rows = tx.rows(_NAMED, names=[name])
    return [number for _, number, _ in sorted(rows, key=lambda row: (row[2] is not None, -row[1]))]


def names_of(tx: Transaction, ids: Collection[int]) -> dict[int, str]:
    """Names by number."""
    found: dict[int, str] = dict(tx.rows(_NAMES, ids=list(ids)))
    return found
