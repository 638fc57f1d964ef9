"""The runs of one experiment as columns."""

from __future__ import annotations

import math
import threading
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import BindParameter, bindparam, select

from modelyard.domain.metrics import LARGEST

from .statement import Statement
from .tables import metric, param, run, run_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from .transaction import Row, Transaction

MISSING, NUMBER, NAN = 0, 1, 2
MOST_OLD_TEXTS = 1000

_experiment = run.c.experiment_id == bindparam("experiment")
_some = run.c.id.in_(bindparam("ids", expanding=True))
_BASE = (run.c.id, run.c.uuid, run.c.start_ms, run.c.lifecycle)
_ALL_RUNS = Statement(select(*_BASE).where(_experiment).order_by(run.c.id))
_SOME_RUNS = Statement(select(*_BASE).where(_experiment, _some))

TEXT_ATTRIBUTES = {
    "run_name": run.c.name,
    "status": run.c.status,
    "user_id": run.c.user_id,
    "artifact_uri": run.c.artifact_uri,
}
NUMBER_ATTRIBUTES = {"end_time": run.c.end_ms, "duration": run.c.end_ms - run.c.start_ms}
_ATTRIBUTES = {
    name: (
        Statement(select(run.c.id, column).where(_experiment)),
        Statement(select(run.c.id, column).where(_experiment, _some)),
    )
    for name, column in {**TEXT_ATTRIBUTES, **NUMBER_ATTRIBUTES}.items()
}
_key: BindParameter[int] = bindparam("key")
_TEXTS = {
    kind: (
        Statement(
            select(table.c.run_id, table.c.value)
            .join(run, run.c.id == table.c.run_id)
            .where(_experiment, table.c.key_id == _key)
        ),
        Statement(
            select(table.c.run_id, table.c.value).where(
                table.c.key_id == _key, table.c.run_id.in_(bindparam("ids", expanding=True))
            )
        ),
    )
    for kind, table in {"param": param, "tag": run_tag}.items()
}
_in_experiment = (run.c.id == metric.c.run_id, _experiment, metric.c.key_id == _key)
_in_some = (metric.c.key_id == _key, metric.c.run_id.in_(bindparam("ids", expanding=True)))
# Whether a series is NaN now says nothing about its extremes, which leave NaN out.
_METRIC = {
    aggregate: (
        Statement(select(metric.c.run_id, *columns).join(run, _in_experiment[0]).where(*_in_experiment[1:])),
        Statement(select(metric.c.run_id, *columns).where(*_in_some)),
    )
    for aggregate, columns in {
        "latest": (metric.c.value, metric.c.is_nan),
        "min": (metric.c.min_value,),
        "max": (metric.c.max_value,),
    }.items()
}


class NumberColumn:
    """Numbers with holes: `values` where `state` is NUMBER."""

    __slots__ = ("state", "values")

    def __init__(self, size: int) -> None:
        self.values: NDArray[np.float64] = np.zeros(size)
        self.state: NDArray[np.int8] = np.zeros(size, np.int8)

    def grow(self, size: int) -> None:
        """Make room for so many rows; likewise in the other kind of column."""
        self.values = np.concatenate([self.values, np.zeros(size - len(self.values))])
        self.state = np.concatenate([self.state, np.zeros(size - len(self.state), np.int8)])

    def clear(self, rows: Sequence[int]) -> None:
        """Make holes of these rows."""
        self.state[rows] = MISSING

    def fill(self, places: Sequence[int], rows: Sequence[Row]) -> None:
        """Set rows, each once, from what their statement returned: ids, values, and for metrics whether they are NaN.

        Likewise in the other kinds of column.
        """
        told = list(zip(*rows, strict=True))
        values = np.array(told[1], np.float64)  # None becomes NaN, which no value is
        missing = np.isnan(values)
        self.values[places] = np.where(missing, 0.0, values)
        state = np.where(missing, MISSING, NUMBER)
        if len(told) > 2:
            state = np.where(np.array(told[2], np.bool_), NAN, state)
        self.state[places] = state


class ReadNumberColumn(NumberColumn):
    """Texts of which those that spell a number are one; the others are holes."""

    __slots__ = ()

    def fill(self, places: Sequence[int], rows: Sequence[Row]) -> None:
        """Set rows from what their statement returned: ids and texts."""
        numbers = [(row[0], number_in(row[1])) for row in rows]
        super().fill(places, [(id, number, number is not None and math.isnan(number)) for id, number in numbers])


def number_in(text: str) -> float | None:
    """The number that a text spells, infinities clamped as in metrics; None if it spells none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return min(max(value, -LARGEST), LARGEST) if not math.isnan(value) else value


class TextColumn:
    """Texts as codes into `texts`; -1 is a hole."""

    __slots__ = ("_code", "_ranks", "codes", "texts")

    def __init__(self, size: int) -> None:
        self.codes: NDArray[np.int32] = np.full(size, -1, np.int32)
        self.texts: list[str] = []
        self._code: dict[str, int] = {}
        self._ranks: NDArray[np.int64] | None = None

    def grow(self, size: int) -> None:
        """Make room for so many rows."""
        self.codes = np.concatenate([self.codes, np.full(size - len(self.codes), -1, np.int32)])

    def clear(self, rows: Sequence[int]) -> None:
        """Make holes of these rows."""
        self.codes[rows] = -1

    def fill(self, places: Sequence[int], rows: Sequence[Row]) -> None:
        """Set rows from what their statement returned: ids and texts."""
        code = self._code
        self.codes[places] = [-1 if row[1] is None else code.setdefault(row[1], len(code)) for row in rows]
        if len(code) > len(self.texts):
            self.texts.extend(islice(code, len(self.texts), None))
            self._ranks = None

    def code(self, text: str) -> int:
        """The code of a text, -2 if no row ever had it."""
        return self._code.get(text, -2)

    def where(self, test: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Rows whose text passes; each distinct text is tested once."""
        passed = np.fromiter((test(text) for text in self.texts), np.bool_, len(self.texts))
        return np.append(passed, False)[self.codes]

    def ranks(self) -> NDArray[np.int64]:
        """Each code's place in the order of its text (by code points, as the databases' binary order)."""
        if self._ranks is None:
            order = sorted(range(len(self.texts)), key=self.texts.__getitem__)
            self._ranks = np.empty(len(self.texts), np.int64)
            self._ranks[order] = np.arange(len(order))
        return self._ranks


Column = NumberColumn | TextColumn


class RunTable:
    """Columns of one experiment's runs, one row each; `n` rows are in use, arrays may be longer.

    Attributes:
        lock: held while the table is refreshed and read.
        version: grows whenever the table is brought up to date with a change.
        ids, uuids, starts, lifecycles: the columns that every search needs; a run that is gone has lifecycle -1.
    """

    def __init__(self, experiment: int) -> None:
        self.experiment = experiment
        self.lock = threading.Lock()
        self.n = 0
        self.version = 0
        self.ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self.uuids: NDArray[np.bytes_] = np.zeros(0, "S32")
        self.starts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.lifecycles: NDArray[np.int8] = np.zeros(0, np.int8)
        self._row: dict[int, int] = {}
        self._columns: dict[tuple[str, str, str], Column] = {}
        self._stale: set[int] = set()
        self._due: set[int] = set()
        self._stale_lock = threading.Lock()
        self._loaded = False

    @property
    def cells(self) -> int:
        """Roughly how much memory it takes, in cells of 8 bytes."""
        return len(self.ids) * (12 + 2 * len(self._columns))

    def mark(self, runs: Iterable[int]) -> None:
        """These runs changed: read them again before the next search."""
        with self._stale_lock:
            self._stale.update(runs)

    def take(self) -> None:
        """Note what is stale now, for the refresh that follows in a transaction that has not read yet."""
        with self._stale_lock:
            self._due |= self._stale
            self._stale = set()

    def refresh(self, tx: Transaction) -> None:
        """Bring every loaded column up to date, but for what became stale since `take`. The lock is held."""
        if not self._loaded:
            self._add(tx.rows(_ALL_RUNS, experiment=self.experiment))
            self._loaded = True
            self.version += 1
        elif self._due:
            self._reread(tx, sorted(self._due))
            self.version += 1
        self._due = set()

    def _add(self, rows: list[Row]) -> None:
        first, self.n = self.n, self.n + len(rows)
        if self.n > len(self.ids):
            self._grow(max(self.n, len(self.ids) * 5 // 4 + 64))
        part = slice(first, self.n)
        self.ids[part] = [row[0] for row in rows]
        self.uuids[part] = [row[1].encode() for row in rows]
        self.starts[part] = [row[2] or 0 for row in rows]
        self.lifecycles[part] = [row[3] == "active" for row in rows]
        self._row.update((row[0], first + at) for at, row in enumerate(rows))

    def _grow(self, size: int) -> None:
        def longer(array: NDArray[np.generic]) -> NDArray[np.generic]:
            return np.concatenate([array, np.zeros(size - len(array), array.dtype)])

        self.ids, self.starts, self.lifecycles = longer(self.ids), longer(self.starts), longer(self.lifecycles)  # type: ignore[assignment]
        self.uuids = longer(self.uuids)  # type: ignore[assignment]
        for column in self._columns.values():
            column.grow(size)

    def _reread(self, tx: Transaction, stale: list[int]) -> None:
        rows = tx.rows(_SOME_RUNS, experiment=self.experiment, ids=stale)
        self._add([row for row in rows if row[0] not in self._row])
        present = set()
        for number, _, start, lifecycle in rows:
            at = self._row[number]
            present.add(number)
            self.starts[at] = start or 0
            self.lifecycles[at] = lifecycle == "active"
        for number in stale:
            if number not in present and number in self._row:
                self.lifecycles[self._row[number]] = -1
        ids = sorted(present)
        places = [self._row[number] for number in ids]
        for (kind, key, aggregate), column in self._columns.items():
            column.clear(places)
            self._fill(tx, column, kind, key, aggregate, ids)
        # A text that every run keeps changing leaves its old values behind; such a column is loaded anew.
        for name, column in list(self._columns.items()):
            if isinstance(column, TextColumn) and len(column.texts) > 2 * self.n + MOST_OLD_TEXTS:
                del self._columns[name]

    def number(self, uuid: str) -> int | None:
        """The id of a run; None if it is not here. The lock is held."""
        found = np.flatnonzero(self.uuids[: self.n] == uuid.encode())
        return int(self.ids[found[0]]) if len(found) else None

    def column(self, tx: Transaction, kind: str, key: str, aggregate: str = "latest") -> Column | None:
        """A column by kind (`attribute`, `metric`, `param`, `tag`) and key; None if no run ever had the key."""
        found = self._columns.get((kind, key, aggregate))
        if found is None:
            if kind != "attribute" and key not in tx.keys.find(tx, [key]):
                return None
            found = _empty(kind, key, aggregate, len(self.ids))
            self._fill(tx, found, kind, key, aggregate, None)
            self._columns[kind, key, aggregate] = found
        return found

    def _fill(
        self, tx: Transaction, column: Column, kind: str, key: str, aggregate: str, ids: list[int] | None
    ) -> None:
        whole, some = _statements(kind, key, aggregate)
        params: dict[str, object] = {"experiment": self.experiment}
        if kind != "attribute":
            params["key"] = tx.keys.find(tx, [key])[key]
        rows = tx.rows(whole, **params) if ids is None else tx.rows(some, ids=ids, **params)
        row_of = self._row
        places = [row_of.get(row[0], -1) for row in rows]
        if -1 in places:  # of a later commit than the ids were read from: they are stale, and come again
            rows = [row for row, at in zip(rows, places, strict=True) if at >= 0]
            places = [at for at in places if at >= 0]
        if rows:
            column.fill(places, rows)


def _empty(kind: str, key: str, aggregate: str, size: int) -> Column:
    if aggregate == "number":
        return ReadNumberColumn(size)
    if kind == "metric" or (kind == "attribute" and key in NUMBER_ATTRIBUTES):
        return NumberColumn(size)
    return TextColumn(size)


def _statements(kind: str, key: str, aggregate: str) -> tuple[Statement, Statement]:
    if kind == "attribute":
        return _ATTRIBUTES[key]
    if kind == "metric":
        return _METRIC[aggregate]
    return _TEXTS[kind]
