"""Looks for what changed, whoever changed it: this server, another one on the same database, the command line."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from modelyard.db import changes as change_log
from modelyard.db import news
from modelyard.domain.changes import MOST_NAMED, Changed
from modelyard.domain.history import Change

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction

    Touched = dict[int, set[int]]

MEASURED_EVERY_S: Final = 2.0
"""Gateways measure each second, as long as anybody asks: pages are told less often."""

_ENVIRONMENTS: Final = frozenset(
    (
        Change.ENVIRONMENT_MOVED.value,
        Change.ENVIRONMENT_CREATED.value,
        Change.ENVIRONMENT_PLACED.value,
        Change.ENVIRONMENT_REMOVED.value,
        Change.POLICY_SET.value,
    )
)


class Looks:
    """One look after the other; each tells what changed since the one before. For one thread at a time."""

    def __init__(self) -> None:
        self._begun = False
        self._log = 0
        self._registry = _Appended()
        self._events = _Appended()
        self._states: dict[str, tuple[Any, ...]] = {}
        self._measured: dict[str, int | None] = {}
        self._measured_s = 0.0
        self._predicted = -1
        self._told = -1

    def look(self, tx: Transaction, touched: Touched, *, many: bool = False) -> Changed:
        """What changed since the last look; the first one tells nothing.

        Args:
            tx: the transaction.
            touched: runs that this process changed meanwhile, by experiment; with PostgreSQL the database has them.
            many: whether more runs did than are in `touched`.
        """
        found = Changed(every_run=many)
        if tx.dialect == "postgresql":
            self._log, touched = change_log.since(tx, self._log)
        found.experiments = set(touched)
        numbers = sorted({number for runs in touched.values() for number in runs}, reverse=True)
        found.every_run = many or len(numbers) > MOST_NAMED
        found.runs = news.uuids(tx, numbers[:MOST_NAMED])
        self._look_at_registry(tx, found)
        self._look_at_deployments(tx, found)
        last, names = news.predicted(tx, self._predicted)
        self._predicted, found.predictions = last, names
        last, names = news.told(tx, self._told)
        self._told = last
        found.predictions |= names
        if self._begun:
            return found.bounded()
        self._begun = True
        return Changed()

    def _look_at_registry(self, tx: Transaction, found: Changed) -> None:
        rows = self._registry.fresh(news.registry(tx, self._registry.after))
        if rows is None:
            found.all = True
            return
        for _, kind, model, new in rows:
            found.environments = found.environments or kind in _ENVIRONMENTS
            found.models |= {name for name in (model, new if kind == Change.MODEL_RENAMED.value else "") if name}

    def _look_at_deployments(self, tx: Transaction, found: Changed) -> None:
        rows = self._events.fresh(news.events(tx, self._events.after))
        if rows is None:
            found.all = True
            return
        found.deployments = {name for _, name in rows}
        states = news.states(tx)
        found.deployments |= _differing(self._states, states)
        self._states = states
        now = monotonic()
        if now - self._measured_s >= MEASURED_EVERY_S:
            measured = news.measured(tx) if states else {}
            found.deployments |= _differing(self._measured, measured)
            self._measured, self._measured_s = measured, now


class _Appended:
    """Which rows of a table that is only appended to are new.

    Transactions that run at the same time commit in another order than they took their numbers, so the last rows before
    the newest are looked at again.
    """

    _BACK: Final = 100

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._newest = 0

    @property
    def after(self) -> int:
        """Behind which number to look."""
        return max(0, self._newest - self._BACK)

    def fresh(self, rows: list[Any]) -> list[Any] | None:
        """Those that were not there before, None if the database is another one.

        Args:
            rows: all after `after`; each begins with its number.
        """
        if not rows and self._seen:
            self._seen, self._newest = set(), 0
            return None
        before, self._seen = self._seen, {row[0] for row in rows}
        self._newest = max(self._seen, default=0)
        return [row for row in rows if row[0] not in before]


def _differing(before: dict[str, Any], now: dict[str, Any]) -> set[str]:
    if before == now:
        return set()
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
