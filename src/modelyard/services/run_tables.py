"""What a table of runs is made of: its possible columns, the values in them, and groups of rows."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from modelyard.db import run_groups, run_keys
from modelyard.db.run_table import number_in
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import RULES, Field, parse_order_by

from . import runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelyard.db.columns import ColumnStore
    from modelyard.db.run_groups import Groups
    from modelyard.db.run_keys import KeyUse
    from modelyard.db.transaction import Transaction
    from modelyard.domain.experiments import View
    from modelyard.domain.search import Node

_REST: Final = 20
"""All keys are counted again at the earliest after so many times the time that it took."""

_ORDER: Final = re.compile(
    r"(runs|newest|group|(?:mean|min|max|std)\((.+)\))(?:\s+(asc|desc))?", re.IGNORECASE | re.DOTALL
)


class KeyCounts:
    """Counts of keys over all runs of experiments, which take long to make and may be some seconds old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, ...], tuple[float, dict[str, dict[str, int]]]] = {}

    def get(self, tx: Transaction, experiments: Sequence[int]) -> dict[str, dict[str, int]]:
        """Count, or say what was counted lately; see `run_keys.counts`."""
        asked = tuple(sorted(set(experiments)))
        with self._lock:
            until, found = self._kept.get(asked, (0.0, {}))
        began = time.monotonic()
        if began < until:
            return found
        found = run_keys.counts(tx, list(asked))
        now = time.monotonic()
        with self._lock:
            if len(self._kept) > 100:
                self._kept.clear()
            self._kept[asked] = (now + _REST * (now - began), found)
        return found


def keys(
    tx: Transaction, counts: KeyCounts, experiments: Sequence[int], newest: int, *, every: bool
) -> tuple[dict[str, list[KeyUse]], int]:
    """The params, metrics and tags that active runs have, the most used first, and how many runs were looked at.

    Args:
        tx: the transaction.
        counts: where counts of all runs are kept.
        experiments: ids.
        newest: how many of the newest runs are looked at.
        every: also count all runs, however long that takes.
    """
    uses, looked = run_keys.newest(tx, experiments, newest)
    found = {kind: {use.key: use for use in of.values()} for kind, of in uses.items()}
    if every:
        for kind, of in counts.get(tx, experiments).items():
            for key, count in of.items():
                found[kind].setdefault(key, run_keys.KeyUse(key)).runs = count
    return {kind: sorted(of.values(), key=lambda use: (-use.runs, use.key)) for kind, of in found.items()}, looked


def field_of(text: str) -> Field:
    """A field from its spelling: `params.kind`, `min(metrics.loss)`, `status`.

    Raises:
        InvalidArgument: it is none.
    """
    return parse_order_by([text], "runs", "modelyard")[0].field


def texts_of(names: Sequence[str]) -> list[Field]:
    """Fields that hold texts, to group by.

    Raises:
        InvalidArgument: one is a number.
    """
    fields = [field_of(name) for name in names]
    for at, field in enumerate(fields):
        if RULES["runs", "modelyard"].type_of(field) == "number" or field.key == "run_id":
            raise InvalidArgument(
                f"Runs can be grouped by params, tags, status, user_id and run_name, not by {names[at][:200]!r}.",
                [(f"/by/{at}", "This is a number, or different for every run.")],
            )
    return fields


def numbers_of(names: Sequence[str]) -> list[Field]:
    """Fields that hold numbers, to summarise.

    Raises:
        InvalidArgument: one is a text.
    """
    fields = [field_of(name) for name in names]
    for at, field in enumerate(fields):
        if RULES["runs", "modelyard"].type_of(field) != "number":
            raise InvalidArgument(
                f"Only numbers can be summarised, not {names[at][:200]!r}. A param is read as a number by "
                "`number(params.KEY)`.",
                [(f"/numbers/{at}", "This is a text.")],
            )
    return fields


def grouped(
    tx: Transaction,
    columns: ColumnStore,
    experiments: Sequence[int],
    node: Node | None,
    view: View,
    by: Sequence[Field],
    numbers: Sequence[Field],
    order: str,
) -> tuple[Groups, NDArray[np.int64]]:
    """The runs that match, put together, and the order of the groups.

    Args:
        tx: the transaction; nothing was read in it yet.
        columns: the tables in memory.
        experiments: ids.
        node: a checked filter.
        view: active runs, those in the trash, or both.
        by: fields that hold texts.
        numbers: what is summarised.
        order: such as `runs DESC`, `newest`, `group`, `mean(metrics.loss)`.

    Raises:
        InvalidArgument: the order cannot be read, or names a number that is not summarised.
    """
    read = _ORDER.fullmatch(order.strip())
    if read is None:
        raise InvalidArgument(
            f"Groups cannot be sorted by {order[:200]!r}. Use runs, newest, group, or mean, min, max or std of a "
            "number, such as `mean(metrics.loss) DESC`.",
            [("/order_by", "This is none of them.")],
        )
    what, inner, way = read.group(1).lower(), read.group(2), (read.group(3) or "asc").lower()
    place = numbers.index(field_of(inner)) if inner and field_of(inner) in numbers else -1
    if inner and place < 0:
        raise InvalidArgument(
            f"Groups cannot be sorted by {inner[:200]!r}, which is not among `numbers`.",
            [("/order_by", "Name it in `numbers`, too.")],
        )
    with columns.reading(tx, experiments, node, view) as parts:
        found = run_groups.group(tx, parts, by, numbers)
    sign = 1 if way == "asc" else -1
    keys: list[NDArray[np.float64] | NDArray[np.int64]] = []
    if what == "runs":
        keys = [sign * found.runs]
    elif what == "newest":
        keys = [sign * found.newest]
    elif what == "group":
        keys = [part for values in found.values for part in _ranks(values, sign)]
    else:
        statistic = what.partition("(")[0]
        chosen = {"mean": found.means, "min": found.lows, "max": found.highs, "std": found.deviations}[statistic][place]
        keys = [np.isnan(chosen).astype(np.int64), sign * chosen]
    keys += [part for values in found.values for part in _ranks(values, 1)]
    places = np.lexsort(keys[::-1]) if keys else np.arange(len(found.runs))
    return found, places


def _ranks(values: Sequence[str | None], sign: int) -> list[NDArray[np.int64]]:
    """What sorts texts, those that spell numbers by these and before the others; what is missing comes last."""
    distinct = {value for value in values if value is not None}

    def key(text: str) -> tuple[bool, float, str]:
        number = number_in(text)
        return (True, 0.0, text) if number is None or number != number else (False, number, text)  # noqa: PLR0124

    rank = {text: at for at, text in enumerate(sorted(distinct, key=key))}
    missing = np.array([value is None for value in values], np.int64)
    return [missing, np.array([0 if value is None else sign * rank[value] for value in values], np.int64)]


@dataclass(frozen=True, slots=True)
class Values:
    """What a field holds.

    Attributes:
        texts: with the number of runs that have each; the most frequent first. Empty for numbers.
        distinct: how many texts there are.
        low, high: of numbers.
    """

    texts: list[tuple[str, int]]
    distinct: int
    low: float | None
    high: float | None


def values(
    tx: Transaction,
    columns: ColumnStore,
    experiments: Sequence[int],
    node: Node | None,
    view: View,
    field: Field,
    part: str,
    limit: int,
) -> Values:
    """The values of a field over the runs that match; of texts, those that contain `part` in any case."""
    with columns.reading(tx, experiments, node, view) as parts:
        if RULES["runs", "modelyard"].type_of(field) == "number":
            return Values([], 0, *run_groups.extent(tx, parts, field))
        return Values(*run_groups.values(tx, parts, field, part, limit), None, None)


def change(tx: Transaction, uuids: Sequence[str], tags: Mapping[str, str | None], lifecycle: str | None) -> int:
    """Change tags of runs, or move them to the trash or back: all of them, or none. How many they are.

    Raises:
        NotFound: one of them does not exist.
        InvalidState: tags of a run that is in the trash, and does not come back.
        InvalidArgument: a tag is not allowed.
    """
    distinct = list(dict.fromkeys(uuids))
    for uuid in distinct:
        if lifecycle == "active":
            runs.restore(tx, uuid)
        if tags:
            runs.change(tx, uuid, tags=tags)
        if lifecycle == "deleted":
            runs.delete(tx, uuid)
    return len(distinct)
