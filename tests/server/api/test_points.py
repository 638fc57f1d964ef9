"""Packed points of many runs over the native API: the same as every other way to log, or nothing."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.metrics import POINT
from modelyard.wire.metrics import PointBatch
from tests.server.api.native import Native

PACKED = {"content-type": "application/x-msgpack"}
NOBODY = "f" * 32


def start(native: Native) -> str:
    return native("POST", "/runs", {"experiment_id": 0})["run_id"]


def pack(runs, keys, points) -> bytes:
    """Points as (index of the run, index of the key, value, timestamp, step)."""
    body = PointBatch(runs=runs, keys=keys, points=b"".join(POINT.pack(*point) for point in points))
    return msgspec.msgpack.encode(body)


def send(native: Native, runs, keys, points):
    return native.ask("POST", "/metrics/points", pack(runs, keys, points), PACKED)


def refused(native: Native, runs, keys, points) -> tuple[int, str, list[str]]:
    got = send(native, runs, keys, points)
    assert got.status >= 400, got.body
    assert got.headers["content-type"] == "application/problem+json"
    assert all(each["detail"] for each in got.json["errors"])
    return got.status, got.json["code"], [each["pointer"] for each in got.json["errors"]]


def everything(native: Native, run: str):
    """What is known of a run's metrics: summaries and series, without the ids."""
    summaries = native("GET", f"/runs/{run}", fields="metrics")["metrics"]
    series = [native("GET", f"/runs/{run}/metrics/{key}", by="time", points=10_000) for key in sorted(summaries)]
    return summaries, [{name: each[name] for name in each if name != "run_id"} for each in series]


values = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, math.nan, 1.0])
point = st.tuples(st.integers(0, 2), st.integers(0, 2), values, st.integers(0, 5), st.integers(-3, 3))
batches = st.lists(st.lists(point, max_size=30), min_size=1, max_size=3)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_the_same_as_logging_point_by_point(native, sent) -> None:
    keys = ["loss", "val/loss", "loss"]  # one of them twice
    packed = [start(native) for _ in range(3)]
    single = [start(native) for _ in range(3)]
    for points in sent:
        assert send(native, packed, keys, points).status == 204
        for run, uuid in enumerate(single):
            metrics = [
                {"key": keys[key], "value": "NaN" if math.isnan(value) else value, "timestamp": timestamp, "step": step}
                for at, key, value, timestamp, step in points
                if at == run
            ]
            body = json.dumps({"run_id": uuid, "metrics": metrics}).encode()  # infinity goes as Infinity
            body = body.replace(b"-Infinity", b'"-Infinity"').replace(b" Infinity", b' "Infinity"')
            got = native._pool.request(
                "POST",
                native.url + "/api/2.0/mlflow/runs/log-batch",
                body=body,
                headers={"content-type": "application/json"},
            )
            assert got.status == 200, got.data
    for one, other in zip(packed, single, strict=True):
        assert everything(native, one) == everything(native, other)


def test_many_points_of_many_runs_and_keys(native) -> None:
    runs, keys = [start(native) for _ in range(5)], [f"m{at}" for at in range(300)]
    points = [(at % 5, at // 5 % 300, at / 7, 1000 + at, at) for at in range(15_000)]
    assert send(native, runs, keys, points).status == 204
    assert send(native, runs, keys, points).status == 204  # a retry stores nothing twice
    for run, uuid in enumerate(runs):
        assert len(native("GET", f"/runs/{uuid}", fields="metrics")["metrics"]) == 300
        found = native("GET", f"/runs/{uuid}/metrics/m7")
        expected = [point for point in points if point[:2] == (run, 7)]
        assert (found["steps"], found["values"]) == ([p[4] for p in expected], [p[2] for p in expected])


def test_nan_and_infinities(native) -> None:
    run = start(native)
    given_points = [(0, 0, math.inf, 1, 1), (0, 0, -math.inf, 2, 2), (0, 0, math.nan, 3, 3), (0, 1, math.nan, 1, 1)]
    assert send(native, [run], ["a", "b"], given_points).status == 204
    largest = 1.7976931348623157e308
    assert native("GET", f"/runs/{run}/metrics/a")["values"] == [largest, -largest, None]
    found = native("GET", f"/runs/{run}", fields="metrics")["metrics"]
    assert (found["a"]["value"], found["a"]["min"], found["a"]["max"]) == (None, -largest, largest)
    assert (found["b"]["value"], found["b"]["min"], found["b"]["max"]) == (None, None, None)


def test_what_is_refused_is_named_and_nothing_is_stored(native) -> None:
    run, trashed = start(native), start(native)
    native("DELETE", f"/runs/{trashed}")
    good = (0, 0, 1.0, 1, 1)
    assert refused(native, [run, NOBODY, trashed], ["a"], [good]) == (404, "not_found", ["/runs/1", "/runs/2"])
    assert refused(native, [run, trashed], ["a"], [good]) == (409, "invalid_state", ["/runs/1"])
    assert refused(native, [run, "no id!", "a\0b"], ["a", "b$", "c" * 251, ""], [good]) == (
        400,
        "invalid_argument",
        ["/runs/1", "/runs/2", "/keys/1", "/keys/2", "/keys/3"],
    )
    wrong = [good, (1, 0, 1.0, 1, 1), (0, 1, 1.0, 1, 1), (0, 0, 1.0, -1, 1)]
    assert refused(native, [run], ["a"], wrong) == (400, "invalid_argument", ["/points/1", "/points/2", "/points/3"])
    assert native("GET", f"/runs/{run}", fields="metrics")["metrics"] == {}
    assert send(native, [run], ["a"], [good]).status == 204
    assert native("GET", f"/runs/{run}/metrics/a")["values"] == [1.0]


def test_as_many_new_keys_as_points(native) -> None:
    run, keys = start(native), [f"layer/{at}" for at in range(40_000)]
    began = time.monotonic()
    assert send(native, [run], keys, [(0, at, 1.0, 1, 1) for at in range(len(keys))]).status == 204
    assert time.monotonic() - began < 15  # a second; not a time that grows with the square
    assert native("GET", f"/runs/{run}/metrics/layer/39999")["total"] == 1


def test_one_that_is_refused_costs_the_others_nothing(native) -> None:
    run = start(native)

    def one(step: int) -> int:
        runs = [run, NOBODY] if step % 3 == 0 else [run]
        return send(native, runs, ["loss"], [(0, 0, float(step), 1000 + step, step)]).status

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(one, range(60)))
    assert statuses == [404 if step % 3 == 0 else 204 for step in range(60)]
    assert native("GET", f"/runs/{run}/metrics/loss")["steps"] == [step for step in range(60) if step % 3]


def test_nothing_and_too_much(sqlite_native) -> None:
    run = start(sqlite_native)
    assert send(sqlite_native, [], [], []).status == 204
    assert send(sqlite_native, [run], ["a"], []).status == 204
    body = {"runs": [run], "keys": ["a"], "points": bytes(32 * 100_001)}
    got = sqlite_native.ask("POST", "/metrics/points", msgspec.msgpack.encode(body), PACKED)
    assert (got.status, [each["pointer"] for each in got.json["errors"]]) == (400, ["/points"])
    body["points"] = bytes(33)
    got = sqlite_native.ask("POST", "/metrics/points", msgspec.msgpack.encode(body), PACKED)
    assert (got.status, [each["pointer"] for each in got.json["errors"]]) == (400, ["/points"])


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_another_content_type(sqlite_native, kind) -> None:
    got = sqlite_native.ask("POST", "/metrics/points", pack([], [], []), {"content-type": kind})
    assert (got.status, got.json["code"]) == (415, "unsupported_media_type")
    assert "application/x-msgpack" in got.json["detail"]


texts = st.text(max_size=5) | st.sampled_from([NOBODY, "loss"])
shaped = st.fixed_dictionaries(
    {"runs": st.lists(texts, max_size=3), "keys": st.lists(texts, max_size=3), "points": st.binary(max_size=100)},
    optional={"more": st.none()},
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | (shaped | odd).map(msgspec.msgpack.encode))
def test_whatever_is_sent_the_server_does_not_fail(sqlite_native, body) -> None:
    got = sqlite_native.ask("POST", "/metrics/points", body, PACKED)
    assert got.status in (204, 400, 404), got.body


@pytest.mark.parametrize("byte", [b"\x91", b"\x81\xa1a", b"\x82\xa1a\x81\xa1a"])
def test_a_body_that_nests_without_end(sqlite_native, byte) -> None:
    got = sqlite_native.ask("POST", "/metrics/points", b"\x81\xa4runs" + byte * 100_000, PACKED)
    assert got.status == 400
