"""The writer under concurrent callers: whose failure is whose, what is durable, and what is never done twice."""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import bindparam, insert, select

from modelyard.db import run_parts, runs
from modelyard.db.engine import Database
from modelyard.db.metrics import History
from modelyard.db.schema import prepare
from modelyard.db.statement import Statement
from modelyard.db.tables import experiment, name_key
from modelyard.domain.errors import InvalidArgument, ModelyardError, NotFound, Unavailable
from modelyard.domain.metrics import LogBatch, Points
from modelyard.domain.runs import plan

_INSERT_KEY = Statement(insert(name_key).values(id=bindparam("id"), name=bindparam("name")))
_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "sqlite in full sync", "postgresql"])
def database(request, tmp_path):
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        url = server.create()
    else:
        server, url = None, f"sqlite:///{tmp_path / 'modelyard.db'}"
    opened = Database(url, full_sync="full" in request.param)
    prepare(opened, "mlflow-artifacts:")
    yield opened
    opened.close()
    if server is not None:
        server.drop(url)


def new_run(database, name="run"):
    uuid = f"{next(_numbers):032x}"
    wanted = plan(0, name=name, start_ms=1, user_id="", created_by="test", tags=(), uuid=uuid)
    (made,) = database.write(runs.create, [wanted])
    assert made.uuid == uuid
    return uuid


def whole(database, uuid):
    number, _, _ = database.read(runs.find, uuid)
    return database.read(run_parts.load, [number])[0]


def params(database, uuid):
    return dict(whole(database, uuid).params)


def tags(database, uuid):
    return {key: value for key, value in whole(database, uuid).tags if key != "mlflow.runName"}


def one_point(key, value):
    return Points([key], [float(value)], [value], [value])


def set_tag(uuid, key, value):
    def work(tx):
        number, _ = runs.touch(tx, uuid)
        runs.set_tag(tx, number, key, value)
        return value

    return work


# Each makes a command that must fail, and says how; what it wrote before must not stay.


def refused(uuid, name):
    def work(tx):
        set_tag(uuid, f"trace of {name}", "x")(tx)
        raise NotFound(name)

    return work, NotFound


def duplicate(uuid, name):
    def work(tx):
        set_tag(uuid, f"trace of {name}", "x")(tx)
        taken = tx.row(select(name_key.c.id).limit(1))
        tx.run(_INSERT_KEY, id=taken[0], name=f"other {name}")

    return work, Exception


def mistaken(uuid, name):
    def work(tx):
        set_tag(uuid, f"trace of {name}", "x")(tx)
        raise ZeroDivisionError(name)

    return work, ZeroDivisionError


def of_nobody(uuid, name):
    return LogBatch("f" * 32, tags=[(f"trace of {name}", "x")]), NotFound


def unstorable(uuid, name):
    points = Points(["k"], [1.0], [2**70], [0])
    return LogBatch(uuid, points, tags=[(f"trace of {name}", "x")]), InvalidArgument


FAILURES = (refused, duplicate, mistaken, of_nobody, unstorable)


async def log(database, command):
    """Send one command from the event loop."""
    writer = database.writer
    return await (writer.bulk(command) if isinstance(command, LogBatch) else writer.submit(command))


async def bulk(database, command):
    return await database.writer.bulk(command)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_failing_command_costs_nobody_else_anything(database, seed):
    uuids = [new_run(database) for _ in range(4)]
    expected: dict[str, dict[str, str]] = {uuid: {} for uuid in uuids}
    points: dict[str, list[int]] = {uuid: [] for uuid in uuids}

    async def caller(number, pause):
        rng, uuid = random.Random(f"{seed} {number}"), uuids[number % 4]
        for count in range(25):
            name = f"{number}.{count}"
            kind = rng.randrange(4)
            if kind == 0:
                command, error = rng.choice(FAILURES)(uuid, name)
                with pytest.raises(error) as raised:
                    await log(database, command)
                assert not isinstance(raised.value, Unavailable)
            elif kind == 1:
                assert await log(database, set_tag(uuid, name, "set")) == "set"
                expected[uuid][name] = "set"
            else:
                value = number * 1000 + count
                await log(database, LogBatch(uuid, one_point("m", value), [(name, "p")], [(name, "logged")]))
                expected[uuid][name] = "logged"
                points[uuid].append(value)
            await asyncio.sleep(pause)

    def from_a_thread(number):
        uuid = uuids[number % 4]
        for count in range(25):
            name = f"thread {number}.{count}"
            if count % 5 == 0:
                command, error = FAILURES[count % 3](uuid, name)
                with pytest.raises(error):
                    database.write(command)
            else:
                database.write(set_tag(uuid, name, "thread"))
                expected[uuid][name] = "thread"

    async def everybody():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(3) as threads:
            own = [loop.run_in_executor(threads, from_a_thread, number) for number in range(3)]
            await asyncio.gather(*(caller(number, 0.001 * (number % 2)) for number in range(12)), *own)

    asyncio.run(everybody())
    for uuid in uuids:
        assert tags(database, uuid) == expected[uuid]
        assert params(database, uuid) == {name: "p" for name, value in expected[uuid].items() if value == "logged"}
        history = database.read(History().read, uuid, "m")
        assert sorted(history.steps.tolist()) == sorted(points[uuid])


def test_a_batch_that_is_applied_again_is_still_whole(database):
    """The first of two batches spoils their transaction; the second held the same param, and must still write it."""
    uuid = new_run(database)

    async def both():
        spoilt = LogBatch(uuid, Points(["k"], [1.0], [2**70], [0]), params=[("p", "v")])
        good = LogBatch(uuid, params=[("p", "v"), ("q", "w")])
        return await asyncio.gather(log(database, spoilt), log(database, good), return_exceptions=True)

    first, second = asyncio.run(both())
    assert isinstance(first, InvalidArgument)
    assert second is None
    assert params(database, uuid) == {"p": "v", "q": "w"}


def test_a_refused_batch_takes_no_param_from_the_next(database):
    """Refused for an unknown logged model, after its params were looked at."""
    from modelyard.domain.logged_models import ModelMetric

    uuid = new_run(database)
    of_model = ModelMetric("m-unknown", uuid, "k", 1.0, 1, 1, None, None)

    async def all_three():
        bad = LogBatch(uuid, one_point("k", 1), params=[("p", "1")], model_metrics=[of_model])
        same, other = LogBatch(uuid, params=[("p", "1")]), LogBatch(uuid, params=[("p", "2")])
        return await asyncio.gather(*(log(database, batch) for batch in (bad, same, other)), return_exceptions=True)

    bad, same, other = asyncio.run(all_three())
    assert isinstance(bad, NotFound)
    assert same is None
    assert isinstance(other, InvalidArgument)
    assert params(database, uuid) == {"p": "1"}


def test_a_key_of_a_failed_command_means_nothing_later(database):
    """The number that a new key had in a rolled-back part may become another key's."""
    uuid = new_run(database)

    def fails(tx):
        set_tag(uuid, "lost key", "x")(tx)
        runs.delete_tag(tx, 1, "lost key")  # looks the key up in the same transaction
        raise NotFound("on purpose")

    async def together():
        works = [fails, set_tag(uuid, "kept key", "1"), fails]
        return await asyncio.gather(*(log(database, work) for work in works), return_exceptions=True)

    failed, kept, also_failed = asyncio.run(together())
    assert isinstance(failed, NotFound)
    assert isinstance(also_failed, NotFound)
    assert kept == "1"
    database.write(set_tag(uuid, "another key", "2"))
    database.write(set_tag(uuid, "lost key", "3"))
    expected = {"kept key": "1", "another key": "2", "lost key": "3"}
    assert tags(database, uuid) == expected
    again = Database(database.url)
    assert tags(again, uuid) == expected
    again.close()


def test_more_keys_than_are_remembered_are_still_found(database, monkeypatch):
    monkeypatch.setattr("modelyard.db.keys.MOST_REMEMBERED", 3)
    uuid = new_run(database)
    for number in range(10):
        database.write(set_tag(uuid, f"k{number}", str(number)))
    expected = {f"k{number}": str(number) for number in range(10)}
    assert tags(database, uuid) == expected
    found = database.read(lambda tx: tx.keys.find(tx, [f"k{number}" for number in range(12)]))
    assert sorted(found) == sorted(expected)


def test_commands_of_one_caller_are_done_in_their_order(database):
    uuid = new_run(database)
    stop = threading.Event()

    def hold():
        """Another thread takes the connection again and again, so that drains go both ways."""
        while not stop.is_set():
            database.write(lambda tx: tx.sql("SELECT 1"))

    async def caller(number):
        waiting = []
        for count in range(200):
            waiting.append(asyncio.ensure_future(log(database, set_tag(uuid, f"t{number}", str(count)))))
            if count % 7 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    async def everybody():
        await asyncio.gather(*(caller(number) for number in range(4)))

    holder = threading.Thread(target=hold)
    holder.start()
    asyncio.run(everybody())
    stop.set()
    holder.join()
    assert tags(database, uuid) == {f"t{number}": "199" for number in range(4)}


def test_a_caller_that_has_gone_leaves_the_others_their_answers(database):
    uuid = new_run(database)

    async def everybody():
        waiting = [asyncio.ensure_future(log(database, set_tag(uuid, f"t{count}", "v"))) for count in range(100)]
        await asyncio.sleep(0)
        for future in waiting[::2]:
            future.cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    answers = asyncio.run(everybody())
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert answers[1::2] == ["v"] * 50
    assert tags(database, uuid).keys() >= {f"t{count}" for count in range(1, 100, 2)}


def test_closing_does_what_is_queued_and_refuses_the_rest(database):
    uuid = new_run(database)
    done: list[str] = []
    refusals: list[Exception] = []
    several_done = threading.Event()

    def write(number):
        for count in itertools.count():
            key = f"{number}.{count}"
            try:
                database.write(set_tag(uuid, key, "v"))
            except Unavailable as error:
                refusals.append(error)
                return
            done.append(key)
            if len(done) > 50:
                several_done.set()

    async def queue():
        futures = [asyncio.ensure_future(log(database, set_tag(uuid, f"q{count}", "v"))) for count in range(600)]
        await asyncio.sleep(0)
        closing = asyncio.get_running_loop().run_in_executor(None, database.writer.close)
        answers = await asyncio.gather(*futures)
        await closing
        return answers

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    assert several_done.wait(30)
    assert asyncio.run(queue()) == ["v"] * 600
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "a caller waits for an answer that never comes"
    assert len(refusals) == 6
    again = Database(database.url)
    assert tags(again, uuid).keys() >= {*done, *(f"q{count}" for count in range(600))}
    again.close()


def test_what_follows_a_commit_cannot_undo_or_repeat_it(database):
    uuid, calls = new_run(database), []

    def work(tx):
        calls.append(1)
        set_tag(uuid, "k", "v")(tx)
        tx.after_commit(lambda: 1 / 0)
        return "done"

    assert database.write(work) == "done"
    assert len(calls) == 1
    assert tags(database, uuid) == {"k": "v"}


def test_another_process_that_writes_keeps_the_event_loop_from_nothing(tmp_path):
    """SQLite: a write waits for it on a thread, in its order, and everything else goes on."""
    database = Database(f"sqlite:///{tmp_path / 'modelyard.db'}")
    prepare(database, "mlflow-artifacts:")
    uuid = new_run(database)
    other = sqlite3.connect(tmp_path / "modelyard.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def scene():
        waiting = [asyncio.ensure_future(log(database, set_tag(uuid, "k", str(count)))) for count in range(3)]
        for _ in range(20):
            began = time.monotonic()
            await asyncio.sleep(0.005)
            assert database.read(runs.find, uuid)
            assert time.monotonic() - began < 1
        assert not any(future.done() for future in waiting)
        waiting += [asyncio.ensure_future(log(database, set_tag(uuid, "k", "last")))]
        await asyncio.sleep(0)
        other.execute("COMMIT")
        return await asyncio.wait_for(asyncio.gather(*waiting), 10)

    assert asyncio.run(scene()) == ["0", "1", "2", "last"]
    assert tags(database, uuid) == {"k": "last"}
    other.close()
    database.close()


# ------------------------------------------------------------------------------------ PostgreSQL alone


@pytest.fixture
def on_postgres(postgres):
    url = postgres.create()
    opened = Database(url)
    prepare(opened, "mlflow-artifacts:")
    yield opened
    opened.close()
    postgres.drop(url)


def ask(database, sql):
    import psycopg

    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def end_writers(database, state):
    """Cut the connections of the writers that are in this state; how many there were."""
    return ask(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        f"AND application_name = 'modelyard' AND {state}",
    )


def wait_until(condition):
    ticks = threading.Event()
    for _ in range(3000):
        found = condition()
        if found:
            return found
        ticks.wait(0.01)
    raise AssertionError("it did not happen within 30 s")


def test_a_connection_lost_while_idle_costs_no_caller_anything(on_postgres):
    uuid = new_run(on_postgres)
    assert end_writers(on_postgres, "state = 'idle'")
    on_postgres.write(set_tag(uuid, "k", "v"))
    assert tags(on_postgres, uuid) == {"k": "v"}
    assert end_writers(on_postgres, "state = 'idle'")
    asyncio.run(log(on_postgres, LogBatch(uuid, params=[("p", "v")])))
    assert params(on_postgres, uuid) == {"p": "v"}


def test_a_connection_lost_while_idle_costs_not_even_a_create_anything(on_postgres):
    def create(name):
        wanted = plan(0, name=name, start_ms=1, user_id="", created_by="t", tags=(), uuid=f"{next(_numbers):032x}")
        return asyncio.run(bulk(on_postgres, wanted))

    assert create("first").name == "first"
    assert end_writers(on_postgres, "state = 'idle'")
    wait_until(lambda: not ask(on_postgres, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'modelyard'"))
    assert create("second").name == "second"
    assert ask(on_postgres, "SELECT count(*) FROM modelyard.run") == [(2,)]


def test_two_servers_that_log_the_same_param_at_once_agree(on_postgres):
    """Neither sees the other's when it begins; one of them must look again."""
    other = Database(on_postgres.url)
    uuid = new_run(on_postgres)
    asyncio.run(bulk(on_postgres, LogBatch(uuid, params=[(f"p{at}", "x") for at in range(40)])))
    third = new_run(on_postgres)
    for database in (on_postgres, other):
        database.read(lambda tx: tx.keys.find(tx, [f"p{at}" for at in range(40)]))
    barrier = threading.Barrier(2)

    def log_all(database, value):
        async def each():
            answers = []
            for at in range(40):
                barrier.wait(10)
                batch = LogBatch(third, params=[(f"p{at}", value if at % 2 else "same")])
                answers += await asyncio.gather(bulk(database, batch), return_exceptions=True)
            return answers

        return asyncio.run(each())

    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(log_all, (on_postgres, other), ("a", "b")))
    stored = params(on_postgres, third)
    for at, pair in enumerate(zip(*both, strict=True)):
        if at % 2:
            taken = [value for value, answer in zip("ab", pair, strict=True) if answer is None]
            assert taken == [stored[f"p{at}"]], pair
            assert [type(answer) for answer in pair if answer is not None] == [InvalidArgument]
        else:
            assert pair == (None, None)
    other.close()


def test_a_connection_lost_before_the_commit_is_begun_again(on_postgres):
    calls = []

    def work(tx):
        calls.append(1)
        tx.run(
            insert(experiment).values(
                name="once", artifact_location="", lifecycle="active", created_ms=1, updated_ms=1, created_by="test"
            )
        )
        if len(calls) == 1:
            assert end_writers(on_postgres, "state = 'idle in transaction'")
            tx.sql("SELECT 1")

    on_postgres.write(work)
    assert len(calls) == 2
    assert ask(on_postgres, "SELECT count(*) FROM modelyard.experiment WHERE name = 'once'") == [(1,)]


def slow_commit(database):
    """From now on a commit that inserted a run takes long."""
    body = "'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'"
    ask(database, f"CREATE FUNCTION modelyard.linger() RETURNS trigger AS {body} LANGUAGE plpgsql")
    ask(
        database,
        "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON modelyard.run DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION modelyard.linger()",
    )


@pytest.mark.parametrize("how", ["function", "data"])
def test_a_connection_lost_at_the_commit_is_said_to_be_so_and_nothing_is_done_twice(on_postgres, how):
    slow_commit(on_postgres)
    calls = []
    wanted = plan(0, name="perhaps", start_ms=1, user_id="", created_by="test", tags=(), uuid="a" * 32)

    def work(tx):
        calls.append(1)
        return runs.create(tx, [wanted])

    async def create():
        return await (on_postgres.writer.submit(work) if how == "function" else on_postgres.writer.bulk(wanted))

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(asyncio.run, create())
        wait_until(lambda: end_writers(on_postgres, "wait_event = 'PgSleep'"))
        with pytest.raises(Unavailable, match="lost while it committed"):
            waiting.result(30)
    assert len(calls) <= 1
    assert ask(on_postgres, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == []
    ask(on_postgres, "DROP TRIGGER linger ON modelyard.run")
    uuid = new_run(on_postgres)  # the next one has a connection again
    assert tags(on_postgres, uuid) == {}


def test_two_servers_in_a_deadlock_both_get_through(on_postgres):
    other = Database(on_postgres.url)
    first, second = new_run(on_postgres), new_run(on_postgres)
    barrier, tries = threading.Barrier(2), []

    def crossing(one, two, who):
        def work(tx):
            set_tag(one, who, "one")(tx)
            tries.append(who)
            if tries.count(who) == 1:
                barrier.wait(10)
            set_tag(two, who, "two")(tx)

        return work

    with ThreadPoolExecutor(2) as threads:
        waiting = [
            threads.submit(on_postgres.write, crossing(first, second, "a")),
            threads.submit(other.write, crossing(second, first, "b")),
        ]
        for future in waiting:
            future.result(30)
    assert len(tries) > 2, "one of them was chosen to be ended, and began again"
    assert tags(on_postgres, first) == {"a": "one", "b": "two"}
    assert tags(on_postgres, second) == {"a": "two", "b": "one"}
    other.close()


def test_a_server_that_cannot_be_reached_refuses_all_at_once(tmp_path, on_postgres):
    gone = Database(f"postgresql:///nothing?host={tmp_path}")

    async def everybody():
        return await asyncio.gather(
            *(log(gone, LogBatch(f"{number:032x}", tags=[("k", "v")])) for number in range(300)), return_exceptions=True
        )

    answers = asyncio.run(everybody())
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert gone.writer.commands == 0
    gone.close()


def test_a_driver_error_is_a_domain_error_or_a_fault_of_ours(database):
    uuid = new_run(database)
    with pytest.raises(InvalidArgument, match="cannot be stored"):
        database.write(set_tag(uuid, "k", "\ud800"))
    with pytest.raises(ModelyardError):
        database.write(lambda tx: tx.run(_INSERT_KEY, id=2**70, name="k"))
    with pytest.raises((sqlite3.IntegrityError, Exception)) as raised:
        database.write(duplicate(uuid, "x")[0])
    assert not isinstance(raised.value, ModelyardError)
    assert tags(database, uuid) == {}
