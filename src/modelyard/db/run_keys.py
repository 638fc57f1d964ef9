"""Which params, metrics and tags runs have: quickly of the newest runs, and of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, func, select

from .run_table import number_in
from .statement import Statement
from .tables import metric, param, run, run_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transaction import Transaction

_here = run.c.experiment_id.in_(bindparam("experiments", expanding=True))
_NEWEST = Statement(
    select(run.c.id).where(_here, run.c.lifecycle == "active").order_by(run.c.start_ms.desc()).limit(bindparam("count"))
)
_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_TABLES = {"params": param, "metrics": metric, "tags": run_tag}
_SOME = {
    "params": Statement(select(param.c.key_id, param.c.value).where(param.c.run_id.in_(_ids))),
    "tags": Statement(select(run_tag.c.key_id, run_tag.c.value).where(run_tag.c.run_id.in_(_ids))),
    "metrics": Statement(select(metric.c.key_id, metric.c.value, metric.c.is_nan).where(metric.c.run_id.in_(_ids))),
}
_ALL = {
    kind: Statement(
        select(table.c.key_id, func.count())
        .join(run, run.c.id == table.c.run_id)
        .where(_here, run.c.lifecycle == "active")
        .group_by(table.c.key_id)
    )
    for kind, table in _TABLES.items()
}


@dataclass(slots=True)
class KeyUse:
    """How a key is used.

    Attributes:
        runs: how many runs have it.
        numeric: whether all values that were looked at are numbers; of a key that only older runs have, none were.
        low, high: least and greatest number among the values that were looked at.
    """

    key: str
    runs: int = 0
    numeric: bool = False
    low: float | None = None
    high: float | None = None


Uses = dict[str, dict[int, KeyUse]]


def newest(tx: Transaction, experiments: Sequence[int], count: int) -> tuple[Uses, int]:
    """The keys of the newest active runs, by kind and number of the key, and how many runs were looked at."""
    ids = [row[0] for row in tx.rows(_NEWEST, experiments=experiments, count=count)]
    found: Uses = {kind: {} for kind in _SOME}
    for kind, statement in _SOME.items():
        uses = found[kind]
        for number, value, *is_nan in tx.rows(statement, ids=ids):
            use = uses.get(number)
            if use is None:
                use = uses[number] = KeyUse("", numeric=True)
            use.runs += 1
            if use.numeric and not any(is_nan):
                _note(use, value if is_nan else number_in(value))
        names = tx.keys.names(tx, uses)
        for number, use in uses.items():
            use.key = names[number]
    return found, len(ids)


def _note(use: KeyUse, value: float | None) -> None:
    if value is None:
        use.numeric, use.low, use.high = False, None, None
    elif value == value:  # noqa: PLR0124 - NaN is a number, but in no range
        use.low = value if use.low is None else min(use.low, value)
        use.high = value if use.high is None else max(use.high, value)


def counts(tx: Transaction, experiments: Sequence[int]) -> dict[str, dict[str, int]]:
    """How many active runs have each key, by kind and key. Reads every value: about a second for a million."""
    found = {}
    for kind, statement in _ALL.items():
        rows = tx.rows(statement, experiments=experiments)
        names = tx.keys.names(tx, [row[0] for row in rows])
        found[kind] = {names[number]: int(count) for number, count in rows}
    return found
