"""Processes that are killed, stopped, or grow while others ask: every request is answered, and rightly."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.serving.live.process import ModelServer, load, serving, until


def stopped(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def replaced(server: ModelServer, before: list[int], count: int) -> bool:
    """Whether there are so many processes, none of them among those before."""
    return len(server.workers()) == count and not set(server.workers()) & set(before)


def test_each_of_two_processes_may_be_killed_under_load_and_while_its_successor_loads(moody):
    with serving(moody, "--workers", "2") as server, load(server) as asked:
        first, second = server.workers()
        asked.goes_on()
        os.kill(first, signal.SIGKILL)
        (third,) = until(lambda: set(server.workers()) - {first, second})  # it is loading
        os.kill(third, signal.SIGKILL)
        asked.goes_on()
        os.kill(second, signal.SIGKILL)
        until(lambda: replaced(server, [first, second, third], 2))
        until(lambda: server.get("/models/moody")["workers"] == 2)
        asked.goes_on()
        assert server.readiness()[0] == 200


def test_a_process_that_stands_still_is_replaced_and_delays_only_what_it_had(moody):
    with serving(moody, "--workers", "2", "--timeout", "1") as server:
        first, second = server.workers()
        with load(server, callers=4) as asked:
            asked.goes_on()
            os.kill(first, signal.SIGSTOP)
            until(lambda: stopped(first))
            began = time.monotonic()
            until(lambda: first not in server.workers())
            assert time.monotonic() - began < 10
            until(lambda: len(server.workers()) == 2)
            late = [each for each in asked.wrong if isinstance(each, tuple) and each[0] == 504]
            assert len(late) <= 4  # one of each caller, who asks one at a time
            assert late == asked.wrong
            asked.wrong.clear()
            until(lambda: server.get("/models/moody")["workers"] == 2)
            asked.goes_on()
        assert second in server.workers()


def test_a_process_that_grows_is_replaced_without_a_failed_request(moody):
    with serving(moody, "--worker-memory", str(2**28 + 2**27)) as server, load(server, callers=4) as asked:
        (before,) = server.workers()
        asked.goes_on()
        for _ in range(6):
            assert server.post("/predict", {"mood": "leak"}) == "LEAK"
        until(lambda: replaced(server, [before], 1))
        asked.goes_on()
        assert server.written("has grown")
        assert server.readiness()[0] == 200


def test_models_leave_and_come_back_under_load(moody):
    # the limit is less than two processes, and a process alone is above what it should not grow to
    limits = ("--memory-limit", str(2**27), "--worker-memory", str(2**20))
    with serving(f"red={moody}", f"green={moody}", *limits) as server:
        for name in ("red", "green", "red"):
            with load(server, callers=3, path=f"/models/{name}/predict") as asked:
                asked.goes_on(20)
        states = {each["name"]: each["state"] for each in server.get("/models")["models"]}
        assert states == {"red": "ready", "green": "evicted"}
        until(lambda: len(server.workers()) == 1)
        assert server.readiness()[0] == 200
        assert not server.written("has grown")
