"""Delivering gives way to heavy traffic, and makes up for it."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from modelyard.domain.predictions import Ids
from modelyard.serving.gateway.entries import Entry
from modelyard.serving.gateway.pacing import HEAVY, PACE, Pace
from modelyard.serving.gateway.recorder import Recorder
from tests.reliability.process import until

IDS = Ids(b"pace!")
RATE = 12_000
EACH = 100
"""Bytes of a record."""


def record(recorder: Recorder, seconds: float) -> int:
    """At a steady rate; how many."""
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        while count < RATE * passed:
            now = time.time_ns() // 1_000_000
            recorder.record(
                Entry(IDS.next(now), "wine", now, 1, "", "wine", "3", "stable", "", 900, 200, 0, b'{"x": 1}', b'"red"')
            )
            count += 1
        time.sleep(0.005)
    return count


def test_heavy_traffic_is_delivered_at_a_pace_and_then_at_once(tmp_path, sqlite_server):
    recorder = Recorder(tmp_path, sqlite_server.url, "test")
    recorder.start()
    count = record(recorder, 0.1)
    until(lambda: not recorder.pending, why="the delivering process has begun")
    count += record(recorder, 2.0)
    before, began = count - recorder.pending, time.monotonic()
    count += record(recorder, 1.5)
    delivered, took = count - recorder.pending - before, time.monotonic() - began
    assert delivered <= PACE * took + 1000  # a batch
    assert recorder.pending
    until(lambda: not recorder.pending, why="the rest is delivered")
    recorder.close()
    assert (recorder.dropped, recorder.rejected) == (0, 0)
    with urllib.request.urlopen(f"{sqlite_server.url}/api/v1/statistics?deployment=wine") as answer:
        assert json.loads(answer.read())["total"]["calls"] == count


def rests(rate: float, waiting: list[int], most: int = 10**9) -> list[float]:
    """What a pace says once a second, at so many new records a second of which so many bytes wait."""
    pace = Pace(most)
    return [pace.rest_s(at, 1000, 1000 * EACH, each, int(at * rate * EACH) - each) for at, each in enumerate(waiting)]


@pytest.mark.parametrize("rate", [0, PACE - 2, PACE + 10, HEAVY])
def test_what_can_be_stored_as_it_comes_is(rate):
    assert rests(rate, [0, 0, 10**6, 0]) == [0.0, 0.0, 0.0, 0.0]


def test_a_journal_that_fills_is_delivered_whatever_the_traffic():
    slow = 1000 / PACE
    assert rests(10_000, [0, 500_000, 1_000_000, 1_500_000, 900_000], most=10**6) == [0.0, slow, 0.0, 0.0, slow]
