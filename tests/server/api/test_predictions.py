"""Predictions, feedback and statistics over HTTP."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from modelyard.domain.predictions import Ids
from tests.server.api.native import Native

IDS = Ids(b"tests")
PACKED = {"content-type": "application/x-msgpack"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def prediction(**values: Any) -> dict[str, Any]:
    at = values.get("at_ms", now_ms())
    known = {
        "id": IDS.next(at), "deployment": "wine", "at_ms": at, "revision": 1, "model": "wine", "version": "3",
        "role": "stable", "latency_us": 1500, "status": 200, "input": '{"text": "dry"}', "output": '"red"',
        "label": "red", "positive": True,
    }  # fmt: skip
    return {**known, **values}


def send(native: Native, *found: dict[str, Any], feedback: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    body = msgspec.msgpack.encode({"gateway": "g", "predictions": found, "feedback": feedback or []})
    got = native.ask("POST", "/predictions/batch", body, PACKED)
    assert got.status == 200, got.body
    return got.json


def hexes(*found: dict[str, Any]) -> list[str]:
    return [each["id"].hex() for each in found]


def test_a_batch_is_stored_once_and_read_whole(native: Native) -> None:
    made = prediction(key="k", segment="de", score=0.5)
    assert send(native, made) == {"stored": 1, "feedback": 0}
    assert send(native, made, made) == {"stored": 0, "feedback": 0}
    read = native("GET", f"/predictions/{made['id'].hex()}")
    assert read == {
        "id": made["id"].hex(), "deployment": "wine", "at_ms": made["at_ms"], "revision": 1, "endpoint": "",
        "model": "wine", "version": "3", "role": "stable", "segment": "de", "latency_ms": 1.5, "status": 200,
        "input": {"text": "dry"}, "input_hash": None, "output": "red", "label": "red", "score": 0.5, "positive": True,
        "key": "k", "parent": None, "truth": None, "right": None, "feedback": [], "shadows": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        ({"id": bytes(16)}, "/predictions/0/id"),
        ({"input": "{"}, "/predictions/0/input"),
        ({"output": '"\x01"'}, "/predictions/0/output"),
        ({"id": b"short"}, "/predictions/0/id"),
        ({"role": "king"}, "/predictions/0/role"),
        ({"colour": "red"}, "/predictions/0/colour"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(sqlite_native: Native, spoilt, place) -> None:
    body = msgspec.msgpack.encode({"predictions": [prediction(**spoilt)]})
    got = sqlite_native.ask("POST", "/predictions/batch", body, PACKED)
    assert got.status == 400
    assert got.json["errors"][0]["pointer"].replace("[...]", "/0").replace("...", "0") == place


def test_a_text_that_no_database_takes_is_stored_as_near_as_can_be(native: Native) -> None:
    send(native, prediction(segment="a\0b", score=float("nan"), input='"\\u0000"'))
    (read,) = native("GET", "/predictions")["predictions"]
    assert (read["segment"], read["score"], read["input"]) == ("a\ufffdb", None, "\0")


def test_pages_and_the_export_hold_everything_once(sqlite_native: Native) -> None:
    made = [prediction(segment="ab"[at % 2]) for at in range(2300)]
    for at in range(0, 2300, 1000):
        send(sqlite_native, *made[at : at + 1000])
    found, cursor = [], ""
    while cursor is not None:
        page = sqlite_native("GET", "/predictions", deployment="wine", segment="a", limit=400, cursor=cursor)
        found += [each["id"] for each in page["predictions"]]
        cursor = page["next_cursor"]
    assert found == sorted(hexes(*made[::2]), reverse=True)
    exported = sqlite_native.ask("GET", "/predictions/export", None, None, deployment="wine")
    assert exported.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["id"] for line in exported.body.splitlines()] == sorted(hexes(*made), reverse=True)
    refused = sqlite_native.refused("GET", "/predictions", deployment="wine", cursor=cursor or "AAAA")
    assert refused[1] == "invalid_argument"


def test_names_that_nothing_was_served_under_are_not_found(sqlite_native: Native) -> None:
    for path in ("/predictions?deployment=x", "/predictions/export?deployment=x", "/statistics?deployment=x",
                 "/statistics/compare?deployment=x&a=1&b=2", "/deployments/x/predictions", "/deployments/x/statistics",
                 f"/predictions/{'0' * 32}", "/predictions/x"):  # fmt: skip
        assert sqlite_native.refused("GET", path)[:2] == (404, "not_found")
    assert sqlite_native("GET", "/predictions") == {"predictions": [], "next_cursor": None}


def test_feedback_one_or_many_by_id_or_key(native: Native) -> None:
    one, two, three = prediction(key="a"), prediction(key="b", label="white", positive=False), prediction()
    send(native, one, two)
    assert native("POST", "/feedback", {"prediction": one["id"].hex(), "truth": "red"}) == {"taken": 1, "joined": 1}
    many = [{"deployment": "wine", "key": "b", "truth": True}, {"prediction": three["id"].hex(), "right": False}]
    assert native("POST", "/feedback", {"feedback": many}) == {"taken": 2, "joined": 1}
    send(native, three)
    read = [native("GET", f"/predictions/{id}") for id in hexes(one, two, three)]
    assert [(each["truth"], each["right"]) for each in read] == [("red", True), ("true", False), (None, False)]
    assert read[0]["feedback"][0]["principal"] == "anonymous"
    again = {"prediction": one["id"].hex(), "truth": "white", "id": "0" * 32}
    for joined in (1, 0):
        assert native("POST", "/feedback", again) == {"taken": 1, "joined": joined}
    corrected = native("GET", f"/predictions/{one['id'].hex()}")
    assert (corrected["right"], [each["truth"] for each in corrected["feedback"]]) == (False, ["white", "red"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"truth": "red"}, ""),
        ({"prediction": "0" * 32}, ""),
        ({"key": "k", "truth": "red"}, "/deployment"),
        ({"feedback": [{"truth": 1}]}, "/feedback/0"),
        ({"feedback": [], "truth": "red"}, "/feedback"),
        ({"prediction": "xyz", "truth": "red"}, "/prediction"),
    ],
)
def test_feedback_that_says_nothing_is_refused(sqlite_native: Native, body, pointer) -> None:
    got = sqlite_native.ask("POST", "/feedback", json.dumps(body).encode())
    assert got.status == 400
    assert got.json["errors"][0]["pointer"] == pointer


def test_statistics_by_version_segment_and_time_without_shadows(native: Native) -> None:
    hour = 3_600_000
    at = now_ms() // hour * hour - hour
    old = [prediction(at_ms=at, segment="de", latency_us=1000) for _ in range(4)]
    new = [prediction(at_ms=at + hour, version="4", status=500 if n else 200, label=None) for n in range(2)]
    shadow = prediction(at_ms=at, role="shadow", version="4", parent=old[0]["id"], label="white")
    send(native, *old, *new, shadow)
    said = [{"prediction": id, "truth": "red" if n < 3 else "white"} for n, id in enumerate(hexes(*old))]
    native("POST", "/feedback", {"feedback": said})
    told = native("GET", "/statistics", deployment="wine", window="hour")
    total = told["total"]
    assert (total["calls"], total["errors"], total["answered"], total["right"]) == (6, 1, 4, 3)
    assert total["correctness"] == 0.75
    assert total["correctness_low"] == pytest.approx(0.3006, abs=1e-4)
    assert total["correctness_high"] == pytest.approx(0.9544, abs=1e-4)
    assert (total["labelled"], total["positives"], total["positive_share"]) == (6, 6, 1.0)
    assert total["latency_p50_ms"] is not None
    assert [(each["version"], each["calls"]) for each in told["versions"]] == [("3", 4), ("4", 2)]
    segments = {
        each["segment"]: (each["calls"], [one["version"] for one in each["versions"]]) for each in told["segments"]
    }
    assert segments == {"de": (4, ["3"]), "": (2, ["4"])}
    assert [(each["start_ms"], each["calls"]) for each in told["windows"]] == [(at, 4), (at + hour, 2)]
    (seen,) = told["shadows"]
    assert (seen["version"], seen["calls"], seen["pairs"], seen["agreement"], seen["correctness"]) == (
        "4",
        1,
        1,
        0.0,
        0.0,
    )
    later = native("GET", "/statistics", deployment="wine", since_ms=at + hour + 1000)
    assert (later["since_ms"], later["total"]["calls"]) == (at + hour, 2)
    assert native("GET", "/statistics", deployment="wine", until_ms=at + hour)["total"]["calls"] == 4
    assert native("GET", "/statistics", deployment="wine", version="4", segment="")["total"]["calls"] == 2
    assert native("GET", "/statistics", deployment="wine", segment="nowhere")["total"]["correctness"] is None


def test_versions_are_compared_in_a_sentence(sqlite_native: Native) -> None:
    sides = {"3": 60, "4": 90}
    for version, right in sides.items():
        made = [prediction(version=version) for _ in range(100)]
        send(sqlite_native, *made)
        said = [{"prediction": id, "right": at < right} for at, id in enumerate(hexes(*made))]
        sqlite_native("POST", "/feedback", {"feedback": said})
    told = sqlite_native("GET", "/statistics/compare", deployment="wine", a="4", b="wine/3")
    assert told["told"] == "version 4 is better by 30.0 points, 95 % interval 18.3 to 40.8, 200 answers"
    assert told["decided"]
    assert (told["a"]["correctness"], told["b"]["correctness"]) == (0.9, 0.6)
    assert sqlite_native.refused("GET", "/statistics/compare", deployment="wine", a="4", b="4")[0] == 400
    assert sqlite_native.refused("GET", "/statistics/compare", deployment="wine", a="4", b="5")[0] == 404
    send(sqlite_native, prediction(model="grape"))
    status, _, detail = sqlite_native.refused("GET", "/statistics/compare", deployment="wine", a="4", b="3")
    assert status == 400
    assert "grape/3, wine/3" in detail


def test_revisions_of_a_url_and_endpoints_are_told_apart(sqlite_native: Native) -> None:
    urls = [prediction(model="", version="", revision=number) for number in (1, 2, 2)]
    legacy = prediction(model="", version="", revision=0, endpoint="legacy", role="endpoint")
    send(sqlite_native, *urls, legacy)
    sqlite_native(
        "POST", "/feedback", {"feedback": [{"prediction": id, "truth": "red"} for id in hexes(*urls, legacy)]}
    )
    told = sqlite_native("GET", "/statistics", deployment="wine")["versions"]
    assert [(each["version"], each["endpoint"], each["calls"]) for each in told] == [
        ("", "legacy", 1), ("revision 1", "", 1), ("revision 2", "", 2),
    ]  # fmt: skip
    compared = sqlite_native("GET", "/statistics/compare", deployment="wine", a="revision:2", b="endpoint:legacy")
    assert compared["told"].startswith("revision 2 and endpoint legacy cannot be told apart: ")
    rates = sqlite_native("GET", "/deployments/wine/statistics")["versions"]
    assert {name: each["predictions"] for name, each in rates.items()} == {
        "legacy": 1,
        "revision 1": 1,
        "revision 2": 2,
    }


def test_a_proxys_words(native: Native) -> None:
    """Three of four right gives 0.75, for each version too; the run is the version's."""
    run = native("POST", "/runs", {"experiment_id": 0})["run_id"]
    native("POST", "/models", {"name": "wine"})
    for _ in range(3):
        native("POST", "/models/wine/versions", {"source": "s3://bucket/model", "run_id": run})
    made = [prediction(at_ms=1_800_000_000_000 + at, positive=at % 2 == 0, label=None) for at in range(4)]
    send(native, *made, prediction(role="shadow", parent=made[0]["id"]))
    said = [{"prediction": id, "truth": at % 2 == 0 or at == 3} for at, id in enumerate(hexes(*made))]
    native("POST", "/feedback", {"feedback": said})
    rates = {"correctness_rate": 0.75, "right": 3, "answered": 4, "predictions": 4}
    assert native("GET", "/deployments/wine/statistics") == {"statistics": rates, "versions": {"3": rates}}
    listed = native("GET", "/deployments/wine/predictions")
    assert [each["id"] for each in listed] == hexes(*made)[::-1]
    assert listed[0] == {
        "id": made[3]["id"].hex(),
        "text": "dry",
        "is_positive": {"user_answered": True, "model_answered": False},
        "details": {
            "run_id": run, "model": "wine", "version": "3", "revision": 1, "role": "stable", "elapsed_ms": 1.5,
            "timestamp": "2027-01-15T08:00:00.003Z",
        },
    }  # fmt: skip
