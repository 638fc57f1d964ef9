"""Evaluates a filter on a run table, all runs at once. What a filter means is said by `domain.search.matches`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import bindparam, select

from modelyard.domain.search import And, Comparison, Not, Op, Or, like_to_regex

from .run_table import MISSING, NUMBER, NumberColumn
from .statement import Statement
from .tables import dataset, run, run_input, run_input_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from modelyard.domain.experiments import View
    from modelyard.domain.search import Node

    from .run_table import RunTable, TextColumn
    from .transaction import Transaction

    Mask = NDArray[np.bool_]

_COMPARE: dict[Op, Callable[[Any, Any], Any]] = {
    Op.EQ: np.equal,
    Op.NE: np.not_equal,
    Op.GT: np.greater,
    Op.GE: np.greater_equal,
    Op.LT: np.less,
    Op.LE: np.less_equal,
}
_experiment = run.c.experiment_id == bindparam("experiment")
_DATASETS = {
    name: Statement(
        select(run.c.id, column)
        .join(run_input, run_input.c.run_id == run.c.id)
        .join(dataset, dataset.c.id == run_input.c.dataset_id)
        .where(_experiment)
    )
    for name, column in {"name": dataset.c.name, "digest": dataset.c.digest}.items()
}
_DATASETS["context"] = Statement(
    select(run.c.id, run_input_tag.c.value)
    .join(run_input, run_input.c.run_id == run.c.id)
    .join(run_input_tag, run_input_tag.c.input_id == run_input.c.id)
    .where(_experiment, run_input_tag.c.key == "mlflow.data.context")
)


def mask_of(table: RunTable, tx: Transaction, node: Node | None, view: View) -> Mask:
    """Which of the table's rows a search finds."""
    lifecycles = table.lifecycles[: table.n]
    mask: Mask = lifecycles >= 0 if view == "all" else lifecycles == (view == "active")
    if node is not None:
        mask = mask & _mask(table, tx, node)
    return mask


def _mask(table: RunTable, tx: Transaction, node: Node) -> Mask:
    if isinstance(node, And):
        every: Mask = np.logical_and.reduce([_mask(table, tx, item) for item in node.items])
        return every
    if isinstance(node, Or):
        some: Mask = np.logical_or.reduce([_mask(table, tx, item) for item in node.items])
        return some
    if isinstance(node, Not):
        return ~_mask(table, tx, node.item)
    field = node.field
    if field.kind == "dataset":
        return _dataset_mask(table, tx, node)
    if field.kind == "attribute" and field.key == "run_id":
        return _run_id_mask(table, node)
    if field.kind == "attribute" and field.key == "start_time":
        starts = table.starts[: table.n]
        return _numbers(starts, np.ones(table.n, np.bool_), node)
    column = table.column(tx, field.kind, field.key, field.aggregate)
    if column is None:
        return np.full(table.n, node.op is Op.IS_NULL)
    if isinstance(column, NumberColumn):
        state = column.state[: table.n]
        present: Mask = state != MISSING
        if node.op in (Op.IS_NULL, Op.IS_NOT_NULL):
            return present if node.op is Op.IS_NOT_NULL else ~present
        mask = _numbers(column.values[: table.n], state == NUMBER, node)
        # NaN differs from every number.
        return mask | (state > NUMBER) if node.op in (Op.NE, Op.NOT_IN) else mask
    return _texts(column, node)[: table.n]


def _numbers(values: NDArray[Any], present: Mask, node: Comparison) -> Mask:
    if node.op is Op.IS_NULL:
        return ~present
    if node.op is Op.IS_NOT_NULL:
        return present
    if node.op in (Op.IN, Op.NOT_IN):
        among = np.isin(values, np.array(node.value))
        result: Mask = present & (among if node.op is Op.IN else ~among)
        return result
    compared: Mask = _COMPARE[node.op](values, node.value) & present
    return compared


def _texts(column: TextColumn, node: Comparison) -> Mask:
    codes, op = column.codes, node.op
    present: Mask = codes >= 0
    if op is Op.IS_NOT_NULL:
        return present
    if op is Op.IS_NULL:
        return ~present
    if op not in (Op.EQ, Op.NE, Op.IN, Op.NOT_IN):
        return column.where(_text_test(node))
    among: Mask
    if isinstance(node.value, tuple):
        among = np.isin(codes, np.array([column.code(str(value)) for value in node.value]))
    else:
        among = codes == column.code(str(node.value))
    return among if op in (Op.EQ, Op.IN) else present & ~among


def _text_test(node: Comparison) -> Callable[[str], bool]:
    """The test that a clause makes of one text."""
    if node.op in (Op.LIKE, Op.ILIKE):
        regex = like_to_regex(str(node.value), ignore_case=node.op is Op.ILIKE)
        return lambda text: regex.match(text) is not None
    if node.op in (Op.IN, Op.NOT_IN):
        values = set(node.value)  # type: ignore[arg-type]
        return (lambda text: text in values) if node.op is Op.IN else (lambda text: text not in values)
    value = str(node.value)
    compare: dict[Op, Callable[[str], bool]] = {
        Op.EQ: lambda text: text == value,
        Op.NE: lambda text: text != value,
        Op.GT: lambda text: text > value,
        Op.GE: lambda text: text >= value,
        Op.LT: lambda text: text < value,
        Op.LE: lambda text: text <= value,
    }
    return compare[node.op]


def _run_id_mask(table: RunTable, node: Comparison) -> Mask:
    uuids = table.uuids[: table.n]
    if node.op in (Op.EQ, Op.NE):
        same: Mask = uuids == str(node.value).encode()
        return same if node.op is Op.EQ else ~same
    if node.op in (Op.IN, Op.NOT_IN):
        among = np.isin(uuids, np.array([str(value).encode() for value in node.value]))  # type: ignore[union-attr]
        return among if node.op is Op.IN else ~among
    if node.op in (Op.IS_NULL, Op.IS_NOT_NULL):
        return np.full(table.n, node.op is Op.IS_NOT_NULL)
    test = _text_test(node)
    return np.fromiter((test(uuid.decode()) for uuid in uuids), np.bool_, table.n)


def _dataset_mask(table: RunTable, tx: Transaction, node: Comparison) -> Mask:
    """A run may have several datasets; one of them must satisfy the clause."""
    rows = tx.rows(_DATASETS[node.field.key], experiment=table.experiment)
    if node.op in (Op.IS_NULL, Op.IS_NOT_NULL):
        numbers = {number for number, _ in rows}
    else:
        test = _text_test(node)
        numbers = {number for number, text in rows if test(text)}
    among = np.isin(table.ids[: table.n], np.fromiter(numbers, np.int64, len(numbers)))
    return ~among if node.op is Op.IS_NULL else among
