"""Rendered runs: whatever is kept, in memory or in the database, a reader gets the run as it is now."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.db import documents, log, run_parts, runs
from modelyard.db.documents import Documents
from modelyard.db.engine import Database
from modelyard.db.schema import prepare
from modelyard.domain.metrics import LogBatch
from modelyard.domain.runs import RunChange, RunStatus, plan

_numbers = itertools.count(1)


def render(run):
    tags = {key: value for key, value in run.tags if key != "mlflow.runName"}
    return json.dumps({"id": run.id, "status": str(run.status), "lifecycle": run.lifecycle, "tags": tags}).encode()


def new_run(database):
    uuid = f"{next(_numbers):032x}"
    (made,) = database.write(runs.create, [plan(0, name="r", start_ms=1, user_id="", created_by="test", uuid=uuid)])
    return made


def send(database, command):
    if database.writer.threaded:
        asyncio.run(bulk(database, command))
    else:  # which serves one event loop; here are several threads
        database.write(log.apply if isinstance(command, LogBatch) else runs.change, [command])


async def bulk(database, command):
    return await database.writer.bulk(command)


def tag(database, run, key, value):
    send(database, LogBatch(run.uuid, tags=[(key, value)]))


def end(database, run):
    send(database, RunChange(run.uuid, RunStatus.FINISHED))


def fetch(database, store, ids):
    bodies, to_save = database.read(store.fetch, ids)
    return [json.loads(body) for body in bodies], to_save


def truth(database, ids):
    return [json.loads(render(run)) for run in database.read(run_parts.load, ids)]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("tag"), st.integers(0, 2), st.sampled_from("ab"), st.sampled_from("xyz")),
        st.tuples(st.just("end"), st.integers(0, 2)),
        st.tuples(st.just("delete"), st.integers(0, 2)),
        st.tuples(st.just("restore"), st.integers(0, 2)),
        st.tuples(st.just("fetch"), st.lists(st.integers(0, 3), max_size=4, unique=True), st.integers(0, 1)),
        st.tuples(st.just("save"), st.integers(0, 30)),
        st.tuples(st.just("restart"), st.integers(0, 1)),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves)
def test_a_document_is_the_run_as_it_is_now(database, drawn):
    """Two servers' memories, and saves that come late."""
    made = [new_run(database) for _ in range(3)]
    ids = [run.id for run in made] + [made[-1].id + 1_000_000]
    stores = [Documents(render), Documents(render)]
    unsaved: list[dict[str, object]] = []
    for kind, *rest in drawn:
        if kind == "fetch":
            chosen = [ids[at] for at in rest[0]]
            bodies, to_save = fetch(database, stores[rest[1]], chosen)
            assert bodies == truth(database, chosen)
            unsaved += to_save
        elif kind == "save":
            if unsaved:
                database.write(documents.save, [unsaved[rest[0] % len(unsaved)]])
        elif kind == "restart":
            stores[rest[0]] = Documents(render)
        elif kind in ("delete", "restore"):
            lifecycle = "deleted" if kind == "delete" else "active"
            database.write(runs.set_lifecycle, made[rest[0]].uuid, lifecycle, 5)
        elif truth(database, [made[rest[0]].id])[0]["lifecycle"] == "active":
            if kind == "tag":
                tag(database, made[rest[0]], *rest[1:])
            else:
                end(database, made[rest[0]])
    for store in (*stores, Documents(render)):
        assert fetch(database, store, ids)[0] == truth(database, ids)


def test_what_has_ended_is_saved_and_read_from_there(database):
    run = new_run(database)
    assert fetch(database, Documents(render), [run.id])[1] == [], "it still runs: saving it would be in vain"
    end(database, run)
    _, to_save = fetch(database, Documents(render), [run.id])
    database.write(documents.save, to_save)

    def never(_):
        raise AssertionError

    assert fetch(database, Documents(never), [run.id])[0] == truth(database, [run.id])


def test_documents_of_another_form_are_not_used(database, monkeypatch):
    run = new_run(database)
    end(database, run)
    _, to_save = fetch(database, Documents(render), [run.id])
    database.write(documents.save, to_save)
    monkeypatch.setattr(documents, "FORM", documents.FORM + 1)
    again = Documents(lambda run: b'"another form"')
    assert fetch(database, again, [run.id])[0] == ["another form"]


def test_memory_is_bounded(database, monkeypatch):
    monkeypatch.setattr(documents, "MEMORY_BYTES", 2000)
    store, ids = Documents(render), [new_run(database).id for _ in range(60)]
    for _ in range(3):
        assert len(fetch(database, store, ids)[0]) == 60
        assert sum(len(body) for _, body in store._kept.values()) <= 2000
    assert store._bytes == sum(len(body) for _, body in store._kept.values())


@pytest.fixture(params=["sqlite", "two servers on postgresql"])
def servers(request, tmp_path):
    if request.param == "sqlite":
        url, server = f"sqlite:///{tmp_path / 'modelyard.db'}", None
    else:
        server = request.getfixturevalue("postgres")
        url = server.create()
    opened = [Database(url) for _ in range(1 if server is None else 2)]
    prepare(opened[0], "mlflow-artifacts:")
    yield opened
    for database in opened:
        database.close()
    if server is not None:
        server.drop(url)


def test_a_reader_sees_what_was_acknowledged_while_others_write(servers):
    made = [new_run(servers[0]) for _ in range(4)]
    acknowledged = [0] * 4
    done, failures = threading.Event(), []
    stores = [Documents(render) for _ in servers]

    def write(number):
        database = servers[number % len(servers)]
        for count in range(1, 200):
            tag(database, made[number], "count", str(count))
            acknowledged[number] = count
            if count == 100:
                end(database, made[number])

    def read(number):
        rng, database, store = random.Random(number), servers[-1], stores[-1]
        try:
            while not done.is_set():
                before = list(acknowledged)
                chosen = rng.sample(range(4), 3)
                bodies, to_save = fetch(database, store, [made[at].id for at in chosen])
                for at, body in zip(chosen, bodies, strict=True):
                    assert int(body["tags"].get("count", 0)) >= before[at]
                if to_save and rng.random() < 0.3:
                    database.write(documents.save, to_save)
        except BaseException as error:
            failures.append(error)
            raise

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not failures
    for database, store in zip(servers, stores, strict=True):
        ids = [run.id for run in made]
        assert fetch(database, store, ids)[0] == truth(database, ids)
        assert [body["tags"]["count"] for body in fetch(database, Documents(render), ids)[0]] == ["199"] * 4
