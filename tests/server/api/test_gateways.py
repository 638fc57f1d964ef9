"""What gateways ask and tell."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
import pytest

from modelyard.db import deployments, gateways
from modelyard.domain.deployments import Spec
from modelyard.services.clock import now_ms
from modelyard.wire.routing import Routing


def measured(second: int, **counts: Any) -> dict[str, Any]:
    return {"deployment": "wine", "revision": 1, "role": "stable", "second": second, **counts}


def publish(server: Any) -> str:
    """Another routing, as a controller of any server would make it."""
    return str(server.state.database.write(gateways.publish, "[]", now_ms()))


@pytest.fixture
def wine(server: Any) -> int:
    made = server.state.database.write(deployments.insert, Spec(name="wine", environment="prod", models=("w",)), 1)
    return int(made.id)


def test_who_knows_nothing_is_answered_at_once(native):
    began = time.monotonic()
    answer = native("GET", "/routing", wait_s=30)
    assert (answer, time.monotonic() - began < 5) == ({"generation": "0", "deployments": []}, True)
    msgspec.convert(answer, Routing)


def test_who_has_the_newest_waits_for_the_next(server, native):
    answers: list[Any] = []
    first = publish(server)
    waiting = threading.Thread(target=lambda: answers.append(native("GET", "/routing", since=first, wait_s=30)))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    second = publish(server)
    waiting.join(5)
    assert [each["generation"] for each in answers] == [second]


def test_a_wait_ends(native):
    assert native("GET", "/routing", since="0", wait_s=0.2) == {"generation": "0", "deployments": []}


def test_many_wait_without_threads(server, native):
    first = publish(server)
    before = threading.active_count()
    answers: list[str] = []

    def wait() -> None:
        answers.append(native("GET", "/routing", since=first, wait_s=30)["generation"])

    waiting = [threading.Thread(target=wait) for _ in range(20)]
    for each in waiting:
        each.start()
    while len(server.state.board._waiting) < 20:
        time.sleep(0.01)
    assert threading.active_count() - before <= 20 + 6  # the askers', and those that read the database
    second = publish(server)
    for each in waiting:
        each.join(10)
    assert answers == [second] * 20


def test_asking_says_by_what_a_gateway_works(server, native):
    generation = publish(server)
    native("GET", "/routing", gateway="west")
    native("GET", "/routing", gateway="west", since=generation, wait_s=0.01)
    until = time.monotonic() + 5
    while (found := native("GET", "/gateways"))["gateways"][0]["generation"] != generation:
        assert time.monotonic() < until, found
    assert found["generation"] == generation
    assert [(each["name"], each["live"]) for each in found["gateways"]] == [("west", True)]


def test_a_report_is_counted_once(native, wine):
    second = int(time.time())
    report = {"gateway": "west", "number": 7, "measured": [measured(second, requests=3, errors=1)]}
    assert native("POST", "/gateways/report", report) == {"known": True}
    assert native("POST", "/gateways/report", report) == {"known": False}
    assert native("POST", "/gateways/report", {**report, "gateway": "east"}) == {"known": True}
    series = native("GET", "/deployments/wine/measurements")["series"]
    assert [(each["segment"], each["requests"], each["errors"]) for each in series] == [
        ("", [6], [2]),
        (None, [6], [2]),
    ]


def test_what_was_measured_by_segment_and_step(native, wine):
    second = int(time.time()) // 60 * 60
    rows = [
        measured(second - 60, segment="de", requests=2, latency=[0, 2], labelled=2, positives=1),
        measured(second - 59, segment="de", requests=1, latency=[0, 1]),
        measured(second - 58, segment="en", requests=4, latency=[0, 0, 0, 4], scores=[0, 4]),
        measured(second - 58, segment="en", requests=5, role="shadow", pairs=5, disagreements=2),
        {**measured(second - 58, requests=9), "deployment": "unknown"},
    ]
    native("POST", "/gateways/report", {"gateway": "west", "number": 1, "measured": rows})
    page = native("GET", "/deployments/wine/measurements", since_ms=(second - 60) * 1000, step_s=60)
    found = {(each["role"], each["segment"]): each for each in page["series"]}
    assert {key: each["requests"] for key, each in found.items()} == {
        ("shadow", "en"): [5], ("shadow", None): [5],
        ("stable", "de"): [3], ("stable", "en"): [4], ("stable", None): [7],
    }  # fmt: skip
    assert found["stable", None]["at_s"] == [second - 60]
    assert found["stable", "de"]["p50_s"] == [0.0003]
    assert found["stable", "en"]["mean_score"] == [0.075]
    assert found["stable", "de"]["mean_score"] == [None]
    assert (found["shadow", None]["pairs"], found["shadow", None]["disagreements"]) == ([5], [2])


def test_a_gateway_whose_clock_is_wrong(native, wine):
    now = int(time.time())
    ahead = {"gateway": "west", "number": 1, "now_ms": (now + 7200) * 1000}
    native("POST", "/gateways/report", {**ahead, "measured": [measured(now + 7199, requests=1)]})
    series = native("GET", "/deployments/wine/measurements", step_s=1)["series"]
    assert now - 2 <= series[0]["at_s"][0] <= now


def test_of_no_deployment(native):
    assert native.refused("GET", "/deployments/none/measurements")[0] == 404


def test_rates_tell_how_much_is_asked_now(server, native, wine):
    assert native("GET", "/rates")["rates"] == []
    second = int(time.time()) // 10 * 10 - 15
    told = [
        measured(second, requests=30, errors=3),
        measured(second + 1, requests=10),
        measured(second, requests=7, role="shadow", revision=2),
        measured(second - 3600, requests=500),
    ]
    native("POST", "/gateways/report", {"gateway": "g", "number": 1, "measured": told})
    found = native("GET", "/rates")
    [rate] = found["rates"]
    assert (rate["deployment"], len(rate["requests"]), found["step_s"]) == ("wine", 60, 10)
    at = (second - found["from_s"]) // 10
    assert (sum(rate["requests"]), sum(rate["errors"]), rate["requests"][at], rate["errors"][at]) == (40, 3, 40, 3)
