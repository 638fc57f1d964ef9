"""Searches on columns against a naive search over what was done, with writes in between."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from modelyard.db import log, run_parts, runs
from modelyard.db.columns import ColumnStore
from modelyard.db.tables import experiment as experiments
from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound
from modelyard.domain.metrics import LogBatch, Points
from modelyard.domain.runs import RunChange, RunStatus, plan
from modelyard.domain.search import RULES, And, Comparison, Field, Not, Op, Or, OrderKey, matches

_numbers = itertools.count(1)

# ------------------------------------------------------------------------------------ the naive store


@dataclass
class Plain:
    """A run as a test knows it."""

    uuid: str
    experiment: int
    start: int
    name: str
    user: str
    status: str = "RUNNING"
    end: int | None = None
    lifecycle: str = "active"
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    latest: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    points: dict[str, list[float]] = field(default_factory=dict)

    def log(self, key, step, time, value):
        def rank(point):
            return (*point[:2], 0.0 if math.isnan(point[2]) else point[2])

        if key not in self.latest or rank((step, time, value)) > rank(self.latest[key]):
            self.latest[key] = (step, time, value)
        self.points.setdefault(key, []).append(value)

    def value(self, wanted):
        if wanted.kind == "attribute":
            names = {"run_id": "uuid", "run_name": "name", "user_id": "user", "start_time": "start", "end_time": "end"}
            if wanted.key == "artifact_uri":
                return f"mlflow-artifacts:/0/{self.uuid}/artifacts"
            if wanted.key == "duration":
                return None if self.end is None else self.end - self.start
            return getattr(self, names.get(wanted.key, wanted.key))
        if wanted.kind == "metric":
            if wanted.aggregate == "latest":
                return self.latest[wanted.key][2] if wanted.key in self.latest else None
            numbers = [value for value in self.points.get(wanted.key, []) if not math.isnan(value)]
            return (min if wanted.aggregate == "min" else max)(numbers, default=None)
        if wanted.kind == "dataset":
            return ()
        text = (self.params if wanted.kind == "param" else self.tags).get(wanted.key)
        if wanted.aggregate == "number":
            return float(text) if text in ("10", "9") else None
        return text


def place(run, order):
    """A sort key by the rules that ordering.py states."""
    keys = []
    for item in (
        *order,
        OrderKey(Field("attribute", "start_time"), ascending=False),
        OrderKey(Field("attribute", "run_id")),
    ):
        value = run.value(item.field)
        if value is None:
            keys.append((2, 0))
        elif isinstance(value, float) and math.isnan(value):
            keys.append((1, 0))
        elif isinstance(value, str):
            codes = [ord(char) for char in value] + [-1]
            keys.append((0, codes if item.ascending else [-code for code in codes]))
        else:
            keys.append((0, value if item.ascending else -value))
    return keys


def naive(plain, chosen, node, order, view):
    found = [
        run
        for run in plain.values()
        if run.experiment in chosen and view in ("all", run.lifecycle) and (node is None or matches(node, run.value))
    ]
    return [run.uuid for run in sorted(found, key=lambda run: place(run, order))]


# ------------------------------------------------------------------------------------ what is drawn

KEYS = ("a", "b", "c d")
TEXTS = ("", "x", "X", "xy", "é", "z%_", "ÀB", "straße", "10", "9")
numbers = st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0, 1e308, -1e308, math.nan]) | st.integers(-3, 3).map(float)
times = st.sampled_from([0, 1, 2, 3, 1_700_000_000_000, 2**52])
texts = st.sampled_from(TEXTS)
patterns = st.sampled_from(["%", "x%", "%y", "_", "%X%", "", "é", "Z%", "%ß%", "à_"])


@st.composite
def fields(draw, *, sorting=False):
    kind = draw(st.sampled_from(["attribute", "metric", "metric", "param", "tag"] + ["dataset"] * (not sorting)))
    if kind == "attribute":
        names = ["run_id", "run_name", "user_id", "status", "start_time", "end_time", "duration"]
        return Field(kind, draw(st.sampled_from(names)))
    if kind == "dataset":
        return Field(kind, draw(st.sampled_from(["name", "digest", "context"])))
    key = draw(st.sampled_from([*KEYS, "never logged"]))
    return Field(
        kind, key, draw(st.sampled_from(["latest", "min", "max"] if kind == "metric" else ["latest", "number"]))
    )


@st.composite
def clauses(draw):
    rules = RULES["runs", "modelyard"]
    wanted = draw(fields())
    op = Op(draw(st.sampled_from(rules.operators(wanted))))
    if op in (Op.IS_NULL, Op.IS_NOT_NULL):
        return Comparison(wanted, op, None)
    if rules.type_of(wanted) == "number":
        values = numbers.filter(lambda value: not math.isnan(value)) if wanted.kind == "metric" else times
    elif op in (Op.LIKE, Op.ILIKE):
        values = patterns
    elif wanted == Field("attribute", "status"):
        values = st.sampled_from(["RUNNING", "FINISHED", "other"])
    else:
        values = texts
    if op in (Op.IN, Op.NOT_IN):
        return Comparison(wanted, op, tuple(draw(st.lists(values, min_size=1, max_size=3))))
    return Comparison(wanted, op, draw(values))


def join(kind, items):
    return kind(tuple(leaf for item in items for leaf in (item.items if isinstance(item, kind) else (item,))))


trees = st.recursive(
    clauses(),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: join(And, items)),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: join(Or, items)),
    ),
    max_leaves=5,
)
which = st.integers(0, 30)
create = st.tuples(st.just("create"), st.integers(0, 1), times, texts.filter(bool), texts)
points = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(-1, 2), times, numbers), min_size=1, max_size=6)
changes = st.one_of(
    create,
    create,
    st.tuples(st.just("metrics"), which, points),
    st.tuples(st.just("metrics"), which, points),
    st.tuples(st.just("param"), which, st.sampled_from(KEYS), texts),
    st.tuples(st.just("tag"), which, st.sampled_from(KEYS), texts),
    st.tuples(st.just("delete tag"), which, st.sampled_from(KEYS)),
    st.tuples(st.just("update"), which, st.sampled_from(["FINISHED", "FAILED", None]), st.none() | times, texts),
    st.tuples(st.just("delete"), which),
    st.tuples(st.just("restore"), which),
)
orders = st.lists(st.tuples(fields(sorting=True), st.booleans()), max_size=3, unique_by=lambda item: item[0]).map(
    lambda items: tuple(OrderKey(*item) for item in items)
)
searches = st.tuples(
    st.just("search"),
    st.sampled_from([(0,), (1,), (0, 1), (1, 0), (0, 0)]),
    st.none() | trees,
    orders,
    st.sampled_from(["active", "active", "deleted", "all"]),
    st.integers(1, 7),
)


# ------------------------------------------------------------------------------------ doing it


class Both:
    """The same changes made to a database and to plain Python."""

    def __init__(self, database, columns):
        self.database = database
        self.columns = columns
        self.plain: dict[str, Plain] = {}
        self.places = [database.write(_new_experiment) for _ in range(2)]

    def do(self, step):
        kind, *rest = step
        if kind == "create":
            self._create(*rest)
        elif kind == "search":
            self._search(*rest)
        elif self.plain:
            run = list(self.plain.values())[rest[0] % len(self.plain)]
            getattr(self, "_" + kind.replace(" ", "_"))(run, *rest[1:])

    def _send(self, command):
        """As the server does; the command's value or its error."""

        async def send():
            return await asyncio.gather(self.database.writer.bulk(command), return_exceptions=True)

        return asyncio.run(send())[0]

    def _create(self, where, start, name, user):
        uuid = f"{next(_numbers) * 7919 % 2**32:08x}" + "0" * 24
        wanted = plan(self.places[where], name=name, start_ms=start, user_id=user, created_by="test", uuid=uuid)
        assert self._send(wanted).uuid == uuid
        self.plain[uuid] = Plain(uuid, where, start, name, user, tags={"mlflow.runName": name})

    def _log(self, run, batch):
        error = self._send(batch)
        if run.lifecycle != "active":
            assert isinstance(error, InvalidState)
            return False
        return error

    def _metrics(self, run, drawn):
        keys, steps, stamps, values = zip(*drawn, strict=True)
        if self._log(run, LogBatch(run.uuid, Points(list(keys), list(values), list(stamps), list(steps)))) is None:
            for point in drawn:
                run.log(*point)

    def _param(self, run, key, value):
        error = self._log(run, LogBatch(run.uuid, params=[(key, value)]))
        if run.lifecycle == "active":
            assert isinstance(error, InvalidArgument) == (run.params.get(key, value) != value)
            run.params.setdefault(key, value)

    def _tag(self, run, key, value):
        if self._log(run, LogBatch(run.uuid, tags=[(key, value)])) is None:
            run.tags[key] = value

    def _delete_tag(self, run, key):
        def work(tx):
            number, _ = runs.touch(tx, run.uuid)
            return runs.delete_tag(tx, number, key)

        if run.lifecycle == "active":
            assert self.database.write(work) == (run.tags.pop(key, None) is not None)
        else:
            with pytest.raises(InvalidState):
                self.database.write(work)

    def _update(self, run, status, end, name):
        change = RunChange(run.uuid, RunStatus(status) if status else None, end, name)
        outcome = self._send(change)
        if run.lifecycle != "active":
            assert isinstance(outcome, InvalidState)
            return
        run.status, run.name = status or run.status, name or run.name
        run.end = run.end if end is None else end
        if name:
            run.tags["mlflow.runName"] = name

    def _delete(self, run):
        self.database.write(runs.set_lifecycle, run.uuid, "deleted", 5)
        run.lifecycle = "deleted"

    def _restore(self, run):
        self.database.write(runs.set_lifecycle, run.uuid, "active", 5)
        run.lifecycle = "active"

    def _search(self, where, node, order, view, limit):
        expected = naive(self.plain, where, node, order, view)
        chosen = [self.places[number] for number in where]
        got: list[str] = []
        for offset in range(0, len(expected) + limit, limit):
            found = self.database.read(self._page, chosen, node, order, view, limit, offset)
            assert found[1] == len(expected), (node, order, view)
            got += found[0]
        assert got == expected, (node, order, view)

    def _page(self, tx, chosen, node, order, view, limit, offset):
        found = self.columns.search(tx, chosen, node, order, view, limit, offset)
        return [run.uuid for run in run_parts.load(tx, found.ids)], found.total


def _new_experiment(tx):
    row = tx.row(
        insert(experiments)
        .values(
            name=f"columns {next(_numbers)}",
            artifact_location="mlflow-artifacts:/0",
            lifecycle="active",
            created_ms=1,
            updated_ms=1,
            created_by="test",
        )
        .returning(experiments.c.id)
    )
    return row[0]


def check(database, steps):
    both = Both(database, ColumnStore(database))
    for step in steps:
        both.do(step)


histories = st.lists(changes | searches, min_size=5, max_size=40).map(
    lambda steps: [("create", 0, 1, "x", ""), ("create", 1, 1, "y", ""), *steps]
)
calm = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(calm, max_examples=80)
@given(histories)
def test_a_search_on_sqlite_finds_what_a_naive_one_finds(sqlite_database, steps):
    check(sqlite_database, steps)


@settings(calm, max_examples=25)
@given(histories)
def test_a_search_on_postgresql_finds_what_a_naive_one_finds(postgres_database, steps):
    check(postgres_database, steps)


@pytest.mark.soak
@settings(calm, max_examples=3000)
@given(histories)
def test_a_search_on_sqlite_finds_what_a_naive_one_finds_for_long(sqlite_database, steps):
    check(sqlite_database, steps)


@pytest.mark.soak
@settings(calm, max_examples=500)
@given(histories)
def test_a_search_on_postgresql_finds_what_a_naive_one_finds_for_long(postgres_database, steps):
    check(postgres_database, steps)


@pytest.fixture
def sqlite_database(tmp_path):
    from modelyard.db.engine import Database
    from modelyard.db.schema import prepare

    opened = Database(f"sqlite:///{tmp_path / 'modelyard.db'}")
    prepare(opened, "mlflow-artifacts:")
    yield opened
    opened.close()


@pytest.fixture
def postgres_database(postgres):
    from modelyard.db.engine import Database
    from modelyard.db.schema import prepare

    url = postgres.create()
    opened = Database(url)
    prepare(opened, "mlflow-artifacts:")
    yield opened
    opened.close()
    postgres.drop(url)


# ------------------------------------------------------------------------------------ at the same time


def test_searches_see_every_acknowledged_run_while_others_write(database):
    """Also those over several experiments, which must not take a write of a moment ago for one they have seen."""
    columns = ColumnStore(database)
    places = [database.write(_new_experiment) for _ in range(3)]
    acknowledged: dict[int, int] = {}
    stop, failures = threading.Event(), []

    def write(number):
        rng, mine = random.Random(number), []
        for count in itertools.count(1):
            if stop.is_set():
                return
            if not mine or (rng.random() < 0.1 and len(mine) < 50):
                uuid = f"{next(_numbers):032x}"
                wanted = plan(rng.choice(places), name="r", start_ms=count, user_id="", created_by="t", uuid=uuid)
                mine += database.write(runs.create, [wanted])
            run = rng.choice(mine[-5:])
            database.write(log.apply, [LogBatch(run.uuid, Points(["m"], [float(count)], [count], [count]))])
            acknowledged[run.id] = count

    def look(tx, chosen, least):
        node = Comparison(Field("metric", "m"), Op.GE, float(least))
        order = [OrderKey(Field("metric", "m"), ascending=False)]
        return set(columns.search(tx, chosen, node, order, "active", 100_000).ids)

    def watch(number):
        rng = random.Random(number)
        try:
            for _ in range(200):
                chosen = rng.choice([places, places[::-1], places[:2], places[1:]])
                before = dict(acknowledged)
                assert before.keys() <= database.read(look, places, 0)
                database.read(look, chosen, 0)
                if before:
                    run, value = rng.choice(list(before.items()))
                    assert run in database.read(look, places, value)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    watchers = [threading.Thread(target=watch, args=(number,)) for number in range(2)]
    for thread in threads + watchers:
        thread.start()
    for thread in watchers:
        thread.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    # When all is quiet nothing has stayed stale.
    for run, value in acknowledged.items():
        assert run in database.read(look, places, value)


def test_what_changes_while_a_search_reads_stays_stale_for_the_next(sqlite_database):
    """A search over two experiments sees one state; a commit after its first statement must reach the next search."""
    database, columns = sqlite_database, ColumnStore(sqlite_database)
    first, second = (database.write(_new_experiment) for _ in range(2))
    uuids = {}
    for place_of in (first, second):
        uuids[place_of] = f"{next(_numbers):032x}"
        database.write(
            runs.create, [plan(place_of, name="r", start_ms=1, user_id="", created_by="t", uuid=uuids[place_of])]
        )
    node = Comparison(Field("tag", "t"), Op.EQ, "new")

    def total(tx):
        return columns.search(tx, [first, second], node, (), "active", 10).total

    assert database.read(total) == 0

    database.write(log.apply, [LogBatch(uuids[first], tags=[("t", "new")])])
    tables = list(columns._tables.values())
    refresh = tables[0].refresh

    def refresh_and_write(tx):
        refresh(tx)
        database.write(log.apply, [LogBatch(uuids[second], tags=[("t", "new")])])

    tables[0].refresh = refresh_and_write
    assert database.read(total) == 1, "the second was written after the state that this search sees"
    del tables[0].refresh
    assert database.read(total) == 2


def test_a_tag_that_changes_for_ever_takes_no_memory_for_its_past(sqlite_database):
    database, columns = sqlite_database, ColumnStore(sqlite_database)
    uuid = f"{next(_numbers):032x}"
    database.write(runs.create, [plan(0, name="r", start_ms=1, user_id="", created_by="t", uuid=uuid)])

    async def change(first):
        for count in range(first, first + 250):
            await database.writer.bulk(LogBatch(uuid, tags=[("t", f"value {count}")]))
            node = Comparison(Field("tag", "t"), Op.EQ, f"value {count}")
            assert database.read(lambda tx, node=node: columns.search(tx, [0], node, (), "active", 1).total) == 1

    for first in range(0, 3000, 250):
        asyncio.run(change(first))
    texts = columns._tables[0].column(None, "tag", "t").texts
    assert len(texts) < 1500


def test_nothing_is_found_in_an_unknown_experiment(database):
    columns = ColumnStore(database)
    assert database.read(lambda tx: columns.search(tx, [12345], None, (), "all", 5).ids) == []
    assert database.read(lambda tx: columns.search(tx, [], None, (), "all", 5).total) == 0
    with pytest.raises(NotFound):
        database.read(runs.find, "f" * 32)
