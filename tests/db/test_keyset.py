"""Paging behind marks: while runs come and go, those that are there throughout stand on exactly one page."""

import math
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.db import log, run_parts
from modelyard.db.columns import ColumnStore
from modelyard.db.engine import Database
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.metrics import LogBatch, Points
from modelyard.domain.principals import ANONYMOUS
from modelyard.domain.runs import plan
from modelyard.domain.search import parse_order_by
from modelyard.services import experiments, runs

ORDERS = [
    (),
    ("start_time",),
    ("run_id DESC",),
    ("metrics.loss",),
    ("metrics.loss DESC", "params.kind"),
    ("min(metrics.loss) DESC",),
    ("params.kind DESC", "metrics.loss"),
    ("status", "run_name DESC"),
    ("tags.absent", "end_time DESC"),
]
LOSSES = st.sampled_from([0.5, 1.0, -3.0, math.nan, 1e300])
KINDS = st.sampled_from(["a", "b", "c", "z", "Ä"])
RUNS = st.tuples(
    st.integers(0, 1),  # which experiment
    st.integers(0, 3),  # start
    st.none() | LOSSES,
    st.none() | KINDS,
)


def add(database: Database, homes: list[int], row: tuple[int, int, float | None, str | None]) -> str:
    home, start, loss, kind = row
    new = plan(homes[home], name=f"run {kind}", start_ms=start, user_id="", created_by=ANONYMOUS.name, uuid=uuid4().hex)
    run = database.write(runs.create, new)
    points = None if loss is None else Points(["loss"], [loss], [1], [0])
    batch = LogBatch(run.uuid, points, [] if kind is None else [("kind", kind)])
    assert database.write(log.apply, [batch]) == [None]
    return run.uuid


def uuids(database: Database, ids: list[int]) -> list[str]:
    return [run.uuid for run in database.read(run_parts.load, ids)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.sampled_from(ORDERS),
    before=st.lists(RUNS, min_size=1, max_size=12),
    between=st.lists(st.lists(RUNS, max_size=3), max_size=4),
    limit=st.integers(1, 4),
)
def test_every_run_stands_on_exactly_one_page(database, order, before, between, limit) -> None:
    store = ColumnStore(database)
    homes = [database.write(experiments.create, ANONYMOUS, uuid4().hex, "", "mlflow-artifacts:") for _ in range(2)]
    there = {add(database, homes, row) for row in before}
    keys = parse_order_by(order, "runs", "modelyard")
    insertions = iter(between)
    seen: list[str] = []
    found = database.read(lambda tx: store.page(tx, homes, None, keys, "active", limit))
    seen += uuids(database, found.ids)
    while found.last is not None:
        for row in next(insertions, ()):
            add(database, homes, row)
        after = found.last
        found = database.read(lambda tx, after=after: store.page(tx, homes, None, keys, "active", limit, after))
        assert len(found.ids) <= limit
        seen += uuids(database, found.ids)
    assert len(seen) == len(set(seen))
    assert there <= set(seen)
    if not any(between):
        whole = database.read(lambda tx: store.search(tx, homes, None, keys, "active", 100).ids)
        assert uuids(database, whole) == seen


def test_a_mark_of_another_order_is_refused(database) -> None:
    store = ColumnStore(database)
    by_loss = parse_order_by(["metrics.loss"], "runs", "modelyard")
    for mark in ((), ("x",), (1.0, 5, 7), ("text", 5, "uuid"), (5, "uuid")):
        with pytest.raises(InvalidArgument, match="another order"):
            database.read(lambda tx, mark=mark: store.page(tx, [0], None, by_loss, "active", 1, mark))
