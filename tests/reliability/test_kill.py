"""Kill -9 under concurrent writers: what was acknowledged is there, and the database is in order."""

from __future__ import annotations

import random
import shutil
import sqlite3

import pytest

from tests.reliability.load import Load, check
from tests.reliability.process import ServerProcess


@pytest.fixture
def server(request, tmp_path):
    process = ServerProcess(tmp_path / "data", *getattr(request, "param", ()))
    yield process.start()
    if process.running:
        process.stop()


in_full_sync = pytest.mark.parametrize("server", [("--full-sync",)], indirect=True, ids=["full sync"])


def integrity(data, copy):
    """What SQLite says about the files as they lie there, recovered from a copy."""
    copy.mkdir()
    for name in ("modelyard.db", "modelyard.db-wal"):
        if (data / name).exists():
            shutil.copy(data / name, copy / name)
    connection = sqlite3.connect(copy / "modelyard.db")
    try:
        return connection.execute("PRAGMA integrity_check").fetchall()
    finally:
        connection.close()
        shutil.rmtree(copy)


def kill_and_check(server, kills, tmp_path):
    rng = random.Random(kills)
    load = Load(lambda _: server.url)
    load.start()
    for kill in range(kills):
        load.wait_for(rng.randrange(150, 900))
        server.kill()
        assert integrity(server.data, tmp_path / f"copy{kill}") == [("ok",)]
        server.start()
    load.wait_for(100)
    load.stop()
    assert len(load.refusals) >= kills, "the kills came when nothing was in flight"
    check(server.url, load)
    server.stop()
    assert integrity(server.data, tmp_path / "copy") == [("ok",)]
    server.start()
    check(server.url, load)
    return load


def test_acknowledged_writes_survive_two_kills(server, tmp_path):
    kill_and_check(server, 2, tmp_path)


@in_full_sync
def test_acknowledged_writes_survive_a_kill_in_full_sync(server, tmp_path):
    kill_and_check(server, 1, tmp_path)


def test_a_stop_under_writers_answers_what_it_took_and_loses_nothing(server):
    load = Load(lambda _: server.url, tolerated=(0, 503))
    load.start()
    for _ in range(2):
        load.wait_for(200)
        server.stop()
        server.start()
    load.wait_for(50)
    load.stop()
    check(server.url, load)


@pytest.mark.soak
def test_acknowledged_writes_survive_twenty_kills(server, tmp_path):
    load = kill_and_check(server, 20, tmp_path)
    print(f"{load.acknowledged} acknowledged writes, {len(load.refusals)} without an answer")
