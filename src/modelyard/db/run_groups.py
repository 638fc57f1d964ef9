"""Runs put together by what they have in common, with statistics of their numbers; and the values that a field has."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelyard.domain.search import Field

from .run_table import NUMBER, NumberColumn, TextColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .run_table import RunTable
    from .transaction import Transaction

    Floats = NDArray[np.float64]
    Part = tuple[RunTable, NDArray[np.int64]]

START = Field("attribute", "start_time")


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups as columns of one length.

    Attributes:
        values: of each field that groups were made by, one text per group; None where it is missing.
        runs: how many runs are in each group.
        newest: when its newest run began, ms.
        counts, means, lows, highs, deviations: of each number, over the runs that have it; NaN where none has.
    """

    values: list[list[str | None]]
    runs: NDArray[np.int64]
    newest: NDArray[np.int64]
    counts: list[NDArray[np.int64]]
    means: list[Floats]
    lows: list[Floats]
    highs: list[Floats]
    deviations: list[Floats]


def _texts(tx: Transaction, parts: Sequence[Part], field: Field) -> tuple[NDArray[np.int64], list[str]]:
    """A text field's values as codes into a list, of which not all need to occur; -1 is missing."""
    if len(parts) == 1:  # a table's own codes will do
        ((table, rows),) = parts
        column = table.column(tx, field.kind, field.key)
        if isinstance(column, TextColumn):
            return column.codes[rows].astype(np.int64), column.texts
    known: dict[str, int] = {}
    codes = [np.zeros(0, np.int64)]
    for table, rows in parts:
        column = table.column(tx, field.kind, field.key)
        if not isinstance(column, TextColumn):
            codes.append(np.full(len(rows), -1, np.int64))
            continue
        used, places = np.unique(column.codes[rows], return_inverse=True)
        new = [-1 if code < 0 else known.setdefault(column.texts[code], len(known)) for code in used]
        codes.append(np.array(new, np.int64)[places] if len(used) else np.zeros(0, np.int64))
    return np.concatenate(codes), list(known)


def _numbers(tx: Transaction, parts: Sequence[Part], field: Field) -> Floats:
    """A number's values, NaN where it is missing."""
    values = [np.zeros(0)]
    for table, rows in parts:
        column = table.column(tx, field.kind, field.key, field.aggregate) if field != START else None
        if field == START:
            values.append(table.starts[rows].astype(np.float64))
        elif isinstance(column, NumberColumn):
            values.append(np.where(column.state[rows] == NUMBER, column.values[rows], np.nan))
        else:
            values.append(np.full(len(rows), np.nan))
    return np.concatenate(values)


def group(tx: Transaction, parts: Sequence[Part], by: Sequence[Field], numbers: Sequence[Field]) -> Groups:
    """Put the rows together by text fields. The tables' locks are held."""
    size = sum(len(rows) for _, rows in parts)
    together = np.zeros(size, np.int64)
    columns = [_texts(tx, parts, field) for field in by]
    for codes, texts in columns:
        # Each step numbers the combinations anew, so that they never outgrow the rows.
        _, together = np.unique(together * (len(texts) + 1) + codes + 1, return_inverse=True)
    count = int(together.max()) + 1 if size else 0
    order = np.argsort(together, kind="stable")
    runs = np.bincount(together, minlength=count)
    first = order[np.cumsum(runs) - runs] if count else order
    starts = np.concatenate([table.starts[rows] for table, rows in parts]) if parts else np.zeros(0, np.int64)
    newest = np.zeros(count, np.int64)
    np.maximum.at(newest, together, starts)
    found = Groups(
        values=[[None if code < 0 else texts[code] for code in codes[first]] for codes, texts in columns],
        runs=runs,
        newest=newest,
        counts=[],
        means=[],
        lows=[],
        highs=[],
        deviations=[],
    )
    for field in numbers:
        _summarise(found, together, _numbers(tx, parts, field), count)
    return found


def _summarise(groups: Groups, together: NDArray[np.int64], values: Floats, count: int) -> None:
    known = ~np.isnan(values)
    at, values = together[known], values[known]
    counts = np.bincount(at, minlength=count)
    lows, highs = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(lows, at, values)
    np.maximum.at(highs, at, values)
    with np.errstate(all="ignore"):  # of no values, or of such as do not add up
        means = np.bincount(at, values, count) / counts
        deviations = np.sqrt(np.bincount(at, (values - means[at]) ** 2, count) / counts)
    empty = counts == 0
    lows[empty] = highs[empty] = np.nan
    groups.counts.append(counts)
    groups.means.append(means)
    groups.lows.append(lows)
    groups.highs.append(highs)
    groups.deviations.append(deviations)


def values(
    tx: Transaction, parts: Sequence[Part], field: Field, contained: str, limit: int
) -> tuple[list[tuple[str, int]], int]:
    """The texts that a field has, with how many runs have each, the most frequent first; and how many texts they are.

    The tables' locks are held.

    Args:
        tx: the transaction.
        parts: tables and rows.
        field: it.
        contained: only texts that contain this, in any case.
        limit: the most that are listed; all are counted.
    """
    codes, texts = _texts(tx, parts, field)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts)).tolist()
    wanted = contained.casefold()
    found = [
        (-count, text)
        for text, count in zip(texts, counts, strict=True)
        if count and (not wanted or wanted in text.casefold())
    ]
    return [(text, -count) for count, text in heapq.nsmallest(limit, found)], len(found)


def extent(tx: Transaction, parts: Sequence[Part], field: Field) -> tuple[float | None, float | None]:
    """The least and the greatest of a field's numbers. The tables' locks are held."""
    numbers = _numbers(tx, parts, field)
    numbers = numbers[~np.isnan(numbers)]
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (None, None)
