"""Connections: which file is open, what an error of a driver means, and whose connection is whose."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from sqlalchemy import select

from modelyard.db.engine import Database
from modelyard.db.schema import prepare
from modelyard.db.statement import Statement
from modelyard.db.tables import experiment, name_key
from modelyard.domain.errors import InvalidArgument, ModelyardError, Unavailable

_NAMES = Statement(select(experiment.c.name).order_by(experiment.c.id))


def names(tx):
    return [name for (name,) in tx.rows(_NAMES)]


def add(tx, name):
    tx.raw(
        "INSERT INTO name_key (name) VALUES (" + (":name" if tx.dialect == "sqlite" else "%(name)s") + ")",
        {"name": name},
    )


@pytest.fixture
def sqlite(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'modelyard.db'}")
    prepare(opened, "mlflow-artifacts:")
    yield opened
    opened.close()


def test_another_kind_of_database_is_refused():
    with pytest.raises(InvalidArgument, match="mysql"):
        Database("mysql://x/y")


@pytest.mark.parametrize("name", ["with space.db", "a%20b.db", "ümläut?#.db"])
def test_a_path_may_hold_any_character(tmp_path, name):
    from urllib.parse import quote

    database = Database(f"sqlite:///{tmp_path}/{quote(name)}")
    prepare(database, "mlflow-artifacts:")
    assert database.read(names) == ["Default"]
    database.close()
    assert (tmp_path / name).exists()


def test_a_directory_that_does_not_exist_is_said_to_be_missing(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'modelyard.db'}")
    with pytest.raises(Unavailable, match="unable to open"):
        prepare(database, "mlflow-artifacts:")
    database.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "modelyard.db"
    path.write_bytes(b"precious notes " * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(Unavailable, match="not a database"):
        prepare(database, "mlflow-artifacts:")
    database.close()
    assert path.read_bytes() == b"precious notes " * 100


def test_a_file_that_is_gone_is_not_made_anew(sqlite, tmp_path):
    path = tmp_path / "modelyard.db"
    path.rename(tmp_path / "elsewhere.db")
    for attempt in (lambda: sqlite.read(names), lambda: sqlite.write(add, "k")):
        with pytest.raises(Unavailable, match="cannot be found"):
            attempt()
    assert not path.exists()
    (tmp_path / "elsewhere.db").rename(path)
    assert sqlite.read(names) == ["Default"]
    sqlite.write(add, "k")


def test_readers_on_every_thread_notice_another_file(sqlite, tmp_path):
    path = tmp_path / "modelyard.db"
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    prepare(other, "mlflow-artifacts:")
    other.write(lambda tx: tx.sql("UPDATE experiment SET name = 'another'"))
    other.close()
    before, after, seen = threading.Barrier(3), threading.Barrier(3), []

    def look():
        first = sqlite.read(names)
        before.wait(10)
        after.wait(10)
        seen.append((first, sqlite.read(names)))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    before.wait(10)
    for ending in ("-wal", "-shm"):
        (tmp_path / f"modelyard.db{ending}").unlink(missing_ok=True)
    (tmp_path / "other.db").replace(path)
    after.wait(10)
    for thread in threads:
        thread.join()
    assert seen == [(["Default"], ["another"])] * 2
    sqlite.write(add, "new")
    assert sqlite.read(names) == ["another"]


def test_a_read_within_a_read_sees_the_same_state(sqlite):
    def outer(tx):
        first = tx.rows(select(name_key.c.name))
        sqlite.write(add, "meanwhile")
        return first, sqlite.read(lambda inner: inner.rows(select(name_key.c.name)))

    first, second = sqlite.read(outer)
    assert first == second
    assert ("meanwhile",) in sqlite.read(lambda tx: tx.rows(select(name_key.c.name)))


def test_a_reader_cannot_write(database):
    if database.dialect == "sqlite":
        with pytest.raises(ModelyardError):
            database.read(add, "k")
    assert database.read(names) == ["Default"]


def test_a_failed_read_leaves_the_connection_in_order(database):
    with pytest.raises(ZeroDivisionError):
        database.read(lambda tx: (tx.rows(_NAMES), 1 / 0))
    with pytest.raises((sqlite3.OperationalError, ModelyardError, Exception)):
        database.read(lambda tx: tx.sql("SELECT nonsense FROM nowhere"))
    assert database.read(names) == ["Default"]


def test_a_text_that_is_not_unicode_is_an_invalid_argument(database):
    with pytest.raises(InvalidArgument, match="cannot be stored"):
        database.write(add, "\ud800")
    with pytest.raises(InvalidArgument, match="cannot be stored"):
        database.read(lambda tx: tx.keys.find(tx, ["\ud800"]))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_a_number_of_more_than_64_bits_is_an_invalid_argument(sqlite, value):
    with pytest.raises(InvalidArgument, match="cannot be stored"):
        sqlite.write(add, value)


def test_a_database_that_is_down_tells_so_and_why(database):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    assert database.down(error)
    assert "disk I/O error" in str(database.translate(error))
    assert not database.down(ZeroDivisionError())
    assert isinstance(database.translate(ZeroDivisionError()), ZeroDivisionError)


def test_a_broken_reader_is_replaced_without_a_word(postgres):
    import psycopg

    url = postgres.create()
    database = Database(url)
    prepare(database, "mlflow-artifacts:")
    assert database.read(names) == ["Default"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'modelyard'"
        )
    assert database.read(names) == ["Default"]
    database.close()
    postgres.drop(url)
