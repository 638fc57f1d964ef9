"""Series of metrics over the native API."""

import math

import pytest


@pytest.fixture
def run_id(native) -> str:
    return native("POST", "/runs", {"experiment_id": 0})["run_id"]


def log(native, run_id, key, values, first_ms=1000) -> None:
    points = [
        {"key": key, "value": value, "step": step, "timestamp_ms": first_ms + step} for step, value in enumerate(values)
    ]
    native("POST", f"/runs/{run_id}/log", {"metrics": points})


def test_a_short_series_comes_whole(native, run_id) -> None:
    log(native, run_id, "val/loss", [3.0, 2.0, 1.0])
    assert native("GET", f"/runs/{run_id}/metrics/val/loss") == {
        "run_id": run_id,
        "key": "val/loss",
        "steps": [0, 1, 2],
        "timestamps_ms": [1000, 1001, 1002],
        "values": [3.0, 2.0, 1.0],
        "total": 3,
        "sampled": False,
    }
    assert native("GET", f"/runs/{run_id}/metrics/val%2Floss")["total"] == 3


def test_a_long_series_keeps_its_shape(native, run_id) -> None:
    values = [math.sin(step / 50) for step in range(5000)]
    values[777] = 9.0
    values[3333] = -9.0
    log(native, run_id, "loss", values)
    found = native("GET", f"/runs/{run_id}/metrics/loss", points=100)
    assert len(found["steps"]) == len(found["values"]) == len(found["timestamps_ms"]) <= 100
    assert (found["total"], found["sampled"]) == (5000, True)
    assert {0, 777, 3333, 4999} <= set(found["steps"])
    assert found["steps"] == sorted(found["steps"])
    assert all(values[step] == value for step, value in zip(found["steps"], found["values"], strict=True))


def test_a_stretch_of_a_series(native, run_id) -> None:
    log(native, run_id, "loss", range(100))
    found = native("GET", f"/runs/{run_id}/metrics/loss", start=10, end=19)
    assert (found["steps"], found["total"]) == (list(range(10, 20)), 10)
    by_time = native("GET", f"/runs/{run_id}/metrics/loss", by="time", start=1090)
    assert by_time["steps"] == list(range(90, 100))
    assert native("GET", f"/runs/{run_id}/metrics/loss", start=500)["total"] == 0


def test_a_series_follows_its_run(native, run_id) -> None:
    log(native, run_id, "loss", [1.0])
    assert native("GET", f"/runs/{run_id}/metrics/loss")["total"] == 1
    log(native, run_id, "loss", [5.0, 6.0], first_ms=5000)
    assert native("GET", f"/runs/{run_id}/metrics/loss", by="time")["values"] == [1.0, 5.0, 6.0]


def test_several_series_at_once(native, run_id) -> None:
    other = native("POST", "/runs", {"experiment_id": 0})["run_id"]
    log(native, run_id, "loss", [1, 2])
    log(native, run_id, "f1", [3])
    log(native, other, "loss", [4])
    body = {"run_ids": [run_id, other, "0" * 32, run_id], "keys": ["loss", "f1", "absent"]}
    found = native("POST", "/metrics/series", body)["series"]
    assert [(each["run_id"], each["key"], each["values"]) for each in found] == [
        (run_id, "loss", [1, 2]),
        (run_id, "f1", [3]),
        (other, "loss", [4]),
    ]


def test_what_is_not_there(native, run_id) -> None:
    assert native.refused("GET", f"/runs/{'0' * 32}/metrics/loss")[:2] == (404, "not_found")
    assert native("GET", f"/runs/{run_id}/metrics/loss")["total"] == 0
    assert native.refused("GET", f"/runs/{run_id}/metrics/loss", points=3)[:2] == (400, "invalid_argument")
    body = {"run_ids": [f"{at:032}" for at in range(500)], "keys": [str(at) for at in range(100)], "points": 1000}
    status, _, detail = native.refused("POST", "/metrics/series", body)
    assert status == 400
    assert "fewer" in detail
