"""The server goes and comes back while processes log: loops go on, and every point arrives exactly once."""

from __future__ import annotations

import signal

import pytest

from tests.client.logging_process import Reader, left_in, start, status, sync, tags
from tests.reliability.process import ServerProcess, until

LOOP = """
run = begin(os.environ["NAME"])
log = run.log_metric
slowest, step = 0.0, 0
end = time.monotonic() + float(os.environ["SECONDS"])
say("ready")
while (now := time.monotonic()) < end:
    log("loss", 1.0, step, step)
    step += 1
    slowest = max(slowest, time.monotonic() - now)
    if step % 100 == 0:
        run.set_tags({"step": str(step)})
        time.sleep(0.001)
say(step, slowest)
"""


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path / "data", "--port", "0")
    process.start()
    yield process
    process.stop()


def restarted(server: ServerProcess) -> None:
    """The same server, on the same port."""
    port = server.url.rpartition(":")[2]
    server._flags = ("--port", port)
    server.start()


def test_a_server_that_is_killed_in_the_middle_costs_nothing(server, tmp_path) -> None:
    spool = tmp_path / "spool"
    process = start(LOOP, server.url, spool, NAME="run", SECONDS="3")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    victim = start(LOOP, server.url, spool, NAME="victim", SECONDS="60")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "ready\n"
    reader = Reader(server.url)
    until(lambda: reader.steps(reader.named("run")["info"]["run_id"], "loss"), why="points arrive")

    for _ in range(2):
        server.kill()
        restarted(server)
        until(lambda: len(reader.search()) == 2, why="the server answers")
    server.kill()
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    restarted(server)
    out, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    steps, slowest = out.split()
    assert float(slowest) < 1.0  # nobody waited for a server that takes a second to start
    synced = sync(spool)
    assert synced.returncode == 0, synced.stderr
    found = reader.named("run")
    assert reader.steps(found["info"]["run_id"], "loss") == list(range(int(steps)))
    assert status(found) == "FINISHED"
    killed = reader.named("victim")
    got = reader.steps(killed["info"]["run_id"], "loss")
    assert got == list(range(len(got)))
    assert len(got) >= int(tags(killed)["step"]) > 0  # the tag was set when so many calls had returned
    assert status(killed) == "KILLED"
    assert left_in(spool) == []
