"""Several processes on one socket: one of them is killed, the others go on, and another takes its place."""

from __future__ import annotations

import pytest

from tests.reliability.load import Load, check
from tests.reliability.process import ServerProcess, until


@pytest.fixture
def server(tmp_path, postgres):
    url = postgres.create()
    process = ServerProcess(tmp_path / "data", "--database", url, "--workers", "2")
    yield process.start()
    process.stop()
    postgres.drop(url)


def test_a_killed_worker_costs_only_what_it_had_not_acknowledged(server):
    import psutil

    supervisor = psutil.Process(server.pid)
    load = Load(lambda _: server.url, tolerated=(0,))
    load.start()
    for _ in range(2):
        load.wait_for(150)
        victim = supervisor.children()[0]
        victim.kill()
        until(lambda victim=victim: len({child.pid for child in supervisor.children()} - {victim.pid}) == 2)
    load.wait_for(100)
    load.stop()
    assert load.refusals, "the kills came when nothing was in flight"
    check(server.url, load)
