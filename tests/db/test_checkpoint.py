"""SQLite's log stays bounded while writers never pause, and is empty after the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.db.checkpoint import Checkpointer
from modelyard.db.engine import Database, sqlite_url
from modelyard.db.transaction import Transaction

MIB = 2**20


@pytest.fixture
def opened(tmp_path):
    database = Database(sqlite_url(tmp_path / "a.db"))
    database.write(lambda tx: tx.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)"))
    yield database
    database.close()


def write_some(tx: Transaction) -> None:
    tx.sql("INSERT INTO t (body) VALUES (randomblob(60000))")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_log_starts_over_under_writing_that_never_pauses(opened, tmp_path):
    checkpointer = Checkpointer(opened, step_bytes=2 * MIB, restart_bytes=6 * MIB)
    checkpointer.start()
    starts, length, written, waited = 0, 0, 0, 0.0
    # How long the log gets between two starts is for the disk to say; that it starts over again and again is for us.
    while starts < 3:
        began = time.perf_counter()
        opened.write(write_some)
        waited = max(waited, time.perf_counter() - began)
        written += 60_000
        before, length = length, checkpointer.log_bytes()
        starts += length < before
        assert written < 2000 * MIB, f"the log started over {starts} times while {written / MIB:.0f} MiB were written"
    checkpointer.stop()
    assert waited < 5
    assert Path(tmp_path / "a.db").stat().st_size > MIB  # it went where it belongs


def test_a_log_that_became_long_is_cut_once_it_starts_over(opened):
    for _ in range(400):
        opened.write(write_some)
    checkpointer = Checkpointer(opened, step_bytes=MIB, restart_bytes=2 * MIB)
    before = checkpointer.log_bytes()
    assert before > 20 * MIB
    checkpointer.start()

    def cut() -> bool:
        opened.write(lambda tx: tx.sql("INSERT INTO t (body) VALUES (1)"))
        return checkpointer.log_bytes() <= 8 * MIB

    wait_for(cut)
    checkpointer.stop()


def test_an_idle_database_is_moved_entirely(opened, tmp_path):
    opened.write(write_some)
    checkpointer = Checkpointer(opened)
    before = Path(tmp_path / "a.db").stat().st_size
    checkpointer.start()
    wait_for(lambda: Path(tmp_path / "a.db").stat().st_size > before)
    checkpointer.stop()


def test_a_long_reader_holds_no_writer_up(opened):
    opened.write(write_some)
    reading, enough = threading.Event(), threading.Event()

    def read(tx: Transaction) -> None:
        tx.sql("SELECT count(*) FROM t")
        reading.set()
        enough.wait(30)

    reader = threading.Thread(target=opened.read, args=(read,))
    reader.start()
    reading.wait(30)
    checkpointer = Checkpointer(opened, step_bytes=MIB, restart_bytes=MIB)
    checkpointer.start()
    waited = 0.0
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        began = time.perf_counter()
        opened.write(write_some)
        waited = max(waited, time.perf_counter() - began)
    enough.set()
    reader.join()
    checkpointer.stop()
    assert waited < 2


def test_the_log_is_empty_after_the_end(opened, tmp_path):
    checkpointer = Checkpointer(opened)
    checkpointer.start()
    opened.write(write_some)
    checkpointer.stop()
    opened.close()
    checkpointer.finish()
    assert checkpointer.log_bytes() == 0
    again = Database(sqlite_url(tmp_path / "a.db"))
    assert again.read(lambda tx: tx.sql("SELECT length(body) FROM t")) == [(60000,)]
    again.close()
