"""PostgreSQL is killed under the running server: calls say so, and all goes on when it is back."""

from __future__ import annotations

import random

import pytest

from tests.reliability.load import Load, check
from tests.reliability.process import Client, ServerProcess


@pytest.fixture
def server(tmp_path, cluster):
    process = ServerProcess(tmp_path / "data", "--database", cluster.url)
    yield process.start()
    if process.running:
        process.stop()


def what_is_said(server):
    """While the database is gone."""
    client = Client(server.url)
    calls = {
        "write": client.post("runs/create", experiment_id="0"),
        "log": client.post("runs/log-metric", run_id="0" * 32, key="k", value=1.0, timestamp=1),
        "get": client.get("runs/get", run_id="0" * 32),
        "search": client.post("runs/search", experiment_ids=["0"]),
        "history": client.get("metrics/get-history", run_id="0" * 32, metric_key="k"),
    }
    for name, (status, answer) in calls.items():
        assert status == 503, (name, status, answer)
        assert answer["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert "PostgreSQL" in answer["message"] or "database" in answer["message"]
    assert client.send("GET", "/health")[0] == 200
    status, answer = client.send("GET", "/health/ready")
    assert status == 503
    assert b"PostgreSQL" in answer


def kill_and_check(server, cluster, kills):
    rng = random.Random(kills)
    load = Load(lambda _: server.url, tolerated=(503,))
    load.start()
    for _ in range(kills):
        load.wait_for(rng.randrange(150, 600))
        cluster.kill()
        what_is_said(server)
        cluster.start()
    load.wait_for(300)
    load.stop()
    assert server.running
    assert load.refusals
    assert all(answer["message"] for _, answer in load.refusals)
    check(server.url, load)
    return load


def test_a_server_survives_its_postgres_killed_twice(server, cluster):
    kill_and_check(server, cluster, 2)


@pytest.mark.soak
def test_a_server_survives_its_postgres_killed_twenty_times(server, cluster):
    load = kill_and_check(server, cluster, 20)
    print(f"{load.acknowledged} acknowledged writes, {len(load.refusals)} refused with 503")


def test_an_idle_server_notices_nothing_of_a_restart_of_postgres(server, cluster):
    client = Client(server.url)
    run = client.create_run()
    assert client.search("tags.k = 'v'") == []
    cluster.kill()
    cluster.start()
    # The kept connections are dead; neither a write nor a read is told.
    assert client.post("runs/set-tag", run_id=run, key="k", value="v")[0] == 200
    assert client.get("runs/get", run_id=run)[0] == 200
    assert len(client.search("tags.k = 'v'")) == 1
    assert client.send("GET", "/health/ready")[0] == 200
