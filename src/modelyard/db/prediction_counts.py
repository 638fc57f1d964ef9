"""SQL for the counts of predictions, five minutes a row; they stay when predictions are deleted."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.statistics import BUCKETS, Count, Of, Slot

from .statement import Statement
from .tables import prediction_count

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .transaction import Row, Transaction

Place = tuple[int, int, Of]
"""A row's key: deployment, slot, whose."""

_LATENCY: Final = struct.Struct(f"<{BUCKETS}I")
_KEYS: Final = ("deployment_id", "slot_s", *Of._fields)
_NUMBERS: Final = (
    "calls", "errors", "labelled", "positives", "told", "right", "pairs", "disagreements", "latency",
)  # fmt: skip

_c = prediction_count.c
_all = select(*(_c[name] for name in (*_KEYS, *_NUMBERS)))
_OF_SLOT = Statement(_all.where(_c.deployment_id == bindparam("deployment"), _c.slot_s == bindparam("slot")))
_BETWEEN = Statement(
    _all.where(
        _c.deployment_id.in_(bindparam("deployments", expanding=True)),
        _c.slot_s >= bindparam("first"),
        _c.slot_s < bindparam("end"),
    ).order_by(_c.slot_s)
)
_put = insert(prediction_count).values({name: bindparam(name) for name in (*_KEYS, *_NUMBERS)})
_PUT = Statement(
    _put.on_conflict_do_update(index_elements=_KEYS, set_={name: _put.excluded[name] for name in _NUMBERS})
)


def add(tx: Transaction, changes: Mapping[Place, Count]) -> None:
    """Count more; `predictions.alone` was called before, so that nobody else counts at the same time."""
    places = [place for place, _ in changes.items()]
    known: dict[Place, Count] = {}
    for deployment, slot in dict.fromkeys((place[0], place[1]) for place in places):
        known |= dict(map(_read, tx.rows(_OF_SLOT, deployment=deployment, slot=slot)))
    rows: list[dict[str, Any]] = []
    for place, change in changes.items():
        count = known.get(place, Count())
        count.add(change)
        rows.append(
            {
                "deployment_id": place[0],
                "slot_s": place[1],
                **place[2]._asdict(),
                **{name: max(0, getattr(count, name)) for name in _NUMBERS[:-1]},
                "latency": _LATENCY.pack(*count.latency),
            }
        )
    tx.many(_PUT, rows)


def between(tx: Transaction, deployments: Collection[int], first_s: int, end_s: int) -> list[Slot]:
    """What was counted of deployments from one slot on and before another."""
    found = map(_read, tx.rows(_BETWEEN, deployments=list(deployments), first=first_s, end=end_s))
    return [Slot(place[1], place[2], count) for place, count in found]


def _read(row: Row) -> tuple[Place, Count]:
    keys = len(_KEYS)
    numbers: tuple[Any, ...] = (*row[keys:-1], list(_LATENCY.unpack(row[-1])))
    return (row[0], row[1], Of(*row[2:keys])), Count(*numbers)
