"""What the gateway tells of what it answered: figures, predictions, feedback; shadows; and life without a server."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.serving.gateway.parts import (
    PATIENCE_S,
    Control,
    Gateway,
    Model,
    deployment,
    gateway,
    load,
    revision,
    shares,
    start,
)
from tests.serving.live.process import until


@pytest.fixture
def stable() -> Iterator[Model]:
    model = Model({"label": "yes", "score": 0.9})
    yield model
    model.close()


@pytest.fixture
def other() -> Iterator[Model]:
    model = Model({"label": "no", "score": 0.2})
    yield model
    model.close()


@pytest.fixture
def control(stable) -> Iterator[Control]:
    found = Control(deployment(revision(1, stable.url)))
    yield found
    found.close()


def test_answers_are_counted_once_however_often_they_are_told(control, stable, tmp_path):
    with gateway(tmp_path, "--server", control.url) as door:
        control.refuse = 3
        for number in range(20):
            door.predict({"x": number})
        stable.predict = lambda _: (500, {})
        assert door.predict({"x": 1})[0] == 500
        until(lambda: control.counted("requests") == 21 and not control.refuse)
    measured = {
        name: control.counted(name, deployment="d", revision=1, role="stable", segment="")
        for name in ("requests", "errors", "labelled", "positives")
    }
    assert measured == {"requests": 21, "errors": 1, "labelled": 20, "positives": 20}
    assert sum(sum(each.latency) for report in control.reports for each in report.measured) == 21
    assert sum(sum(each.scores) for report in control.reports for each in report.measured) == 20
    assert control.numbers == sorted(control.numbers)
    assert control.reports[-1].generation == "1"
    assert control.reports[-1].url == door.url


def test_a_shadow_gets_copies_and_nobody_waits_for_it(control, stable, other, tmp_path):
    control.change(revisions=[revision(1, stable.url), revision(2, other.url)], shadow={"to": 1, "share": 1.0})
    other.predict = lambda body: (time.sleep(0.3), 200, {"label": "yes" if body["x"] % 2 else "no"})[1:]
    with gateway(tmp_path, "--server", control.url) as door:
        began = time.monotonic()
        for number in range(10):
            status, told, _ = door.predict({"x": number})
            assert (status, told["modelyard-role"]) == (200, "stable")
        assert time.monotonic() - began < 2.5  # one answer of the shadow takes as long as all ten
        until(lambda: control.counted("pairs", role="shadow") == 10)
    assert sorted(each["x"] for each in other.bodies()) == list(range(10))
    assert control.counted("disagreements", role="shadow", revision=2) == 5
    assert control.counted("requests", role="stable") == 10


def test_a_shadow_gets_copies_even_if_callers_always_wait(control, stable, other, tmp_path):
    control.change(revisions=[revision(1, stable.url), revision(2, other.url)], shadow={"to": 1, "share": 1.0})
    release = threading.Event()
    stable.predict = lambda body: (body["x"] < 0 and release.wait(30), 200, {"label": "no"})[1:]
    with gateway(tmp_path, "--server", control.url) as door, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(door.predict, {"x": -1})
        until(lambda: {"x": -1} in stable.bodies())
        for number in range(5):
            assert door.predict({"x": number})[0] == 200
        until(lambda: control.counted("pairs", role="shadow") == 5)
        assert not waiting.done()
        release.set()
        assert waiting.result()[0] == 200
        until(lambda: control.counted("pairs", role="shadow") == 6)


def test_copies_that_a_shadow_has_no_room_for_are_dropped(control, stable, other, tmp_path):
    control.change(revisions=[revision(1, stable.url), revision(2, other.url)], shadow={"to": 1, "share": 1.0})
    other.predict = lambda _: (time.sleep(1.0), 200, {})[1:]
    with gateway(tmp_path, "--server", control.url, "--copies", "4") as door:
        for number in range(30):
            assert door.predict({"x": number})[0] == 200
        text = door.ask("GET", "/metrics")[2].decode()
        assert "modelyard_gateway_copies_dropped_total 0.0" not in text
        assert len(other.seen) <= 12


def test_feedback_and_the_words_of_a_proxy(control, stable, tmp_path):
    with gateway(tmp_path, "--server", control.url) as door:
        status, told, body = door.ask("POST", "/predictions", {"text": "very good", "is_positive": False})
        content = json.loads(body)
        assert status == 200
        assert stable.bodies()[-1] == {"text": "very good"}
        details = content.pop("details")
        assert content == {
            "id": told["modelyard-prediction"], "text": "very good", "answer": {"label": "yes", "score": 0.9},
            "is_positive": {"user_answered": False, "model_answered": True},
        }  # fmt: skip
        assert details.pop("elapsed_ms") > 0
        assert details.pop("timestamp").endswith("Z")
        assert details == {"run_id": "r1", "model": "m", "version": "1", "revision": 1, "role": "stable"}
        _, _, body = door.ask("POST", "/models/d/predictions", {"text": "so so", "label": "no"})
        assert json.loads(body)["label"] == {"user_answered": "no", "model_answered": "yes"}

        one = {"prediction": told["modelyard-prediction"], "truth": True}
        assert door.ask("POST", "/feedback", one)[2] == b'{"taken":1}'
        many = {"feedback": [{"key": "k1", "right": True}, {"deployment": "d", "key": "k2", "truth": "no"}]}
        assert door.ask("POST", "/feedback", many)[2] == b'{"taken":2}'
        for wrong in ({}, {"key": "k"}, {"truth": 1}, {"prediction": "x", "truth": 1}, [], {"text": 1}):
            assert door.ask("POST", "/feedback", wrong)[0] == 400, wrong
        for wrong in ([], {}, {"is_positive": True}, {"text": "x", "label": {}}, b"{"):
            assert door.ask("POST", "/predictions", wrong)[0] == 400, wrong


def test_the_table_on_disk_holds_when_the_server_is_gone(control, stable, tmp_path):
    with gateway(tmp_path, "--server", control.url) as door:
        until((tmp_path / "routing.json").exists)
        port = control.port
        control.close()
        assert [door.predict({"x": 1})[0] for _ in range(20)] == [200] * 20
        until(lambda: "cannot be reached" in door.get("/deployments")["trouble"])
        delivering = psutil.Process(door.process.pid).children()
        os.kill(door.process.pid, signal.SIGKILL)
        door.process.wait(PATIENCE_S)
        for each in delivering:  # it would go on for a while, and keep the output open
            each.kill()
    with gateway(tmp_path, "--server", control.url) as door:  # nobody there but the disk
        assert door.predict({"x": 1})[0] == 200
        assert door.told()["generation"] == "1"
        back = Control(deployment(revision(1, stable.url)), port)
        try:
            door.works_by(back.change(default=shares((0, "stable", 1.0))))
            until(lambda: back.counted("requests") >= 1)
        finally:
            back.close()


def test_without_a_server_and_without_a_table_there_is_no_gateway(tmp_path):
    process = start(tmp_path)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "--table FILE" in output


TABLE = """
deployments:
  d:
    recording: {{input: none}}
    segments: {{old: {{weights: {{legacy: 1.0}}}}}}
    segment: {{header: X-Kind}}
    revisions:
      - {{replicas: [{mine}], model: m, version: "7", weight: 0.5}}
      - {{endpoint: legacy, url: "{theirs}/score?k=1", weight: 0.5}}
"""


@pytest.fixture
def alone(stable, other, tmp_path) -> Iterator[Gateway]:
    path = tmp_path / "table.yaml"
    path.write_text(TABLE.format(mine=stable.url, theirs=other.url))
    with gateway(tmp_path / "state", "--table", path, "--cors-origins", "http://page") as found:
        yield found


def test_alone_by_a_file_and_before_somebody_elses_endpoint(alone, other, tmp_path):
    other.ready = False  # it has no such page; it is reached, that is enough
    told = [alone.predict({"x": 1})[1] for _ in range(20)]
    assert 8 <= sum(each["modelyard-role"] == "endpoint" for each in told) <= 12
    theirs = next(each for each in told if each["modelyard-role"] == "endpoint")
    assert (theirs["modelyard-model"], "modelyard-revision" in theirs) == ("legacy", False)
    assert {path for _, path, _, _ in other.seen} == {"/score?k=1"}
    assert alone.predict({"x": 1}, x_kind="old")[1]["modelyard-role"] == "endpoint"
    assert alone.ask("POST", "/models/d/invocations", {"inputs": [1]}, x_kind="old")[0] == 200
    assert {path for _, path, _, _ in other.seen} == {"/score?k=1"}
    assert alone.ask("GET", "/predictions")[0] == 404
    assert alone.ask("POST", "/feedback", {"key": "k", "right": True})[0] == 400

    path = tmp_path / "table.yaml"
    path.write_text(path.read_text().replace("weight: 0.5}", "weight: 0.0}", 1).replace("weight: 0.5}", "weight: 1}"))
    until(lambda: {alone.predict({"x": 1})[1]["modelyard-role"] for _ in range(5)} == {"endpoint"})
    path.write_text("deployments: {d: {revision: []}}")
    until(lambda: "revision" in alone.get("/deployments")["trouble"])
    assert alone.predict({"x": 1})[0] == 200


def test_pages_of_allowed_origins_may_ask(alone):
    wanted = {"origin": "http://page", "access_control_request_method": "POST"}
    status, told, _ = alone.ask("OPTIONS", "/predict", access_control_request_headers="content-type", **wanted)
    assert (status, told["access-control-allow-origin"]) == (200, "http://page")
    assert told["access-control-allow-headers"] == "content-type"
    for path, method, body in (("/predict", "POST", {"x": 1}), ("/health", "GET", None), ("/no", "POST", {})):
        assert alone.ask(method, path, body, origin="http://page")[1]["access-control-allow-origin"] == "http://page"
        assert "access-control-allow-origin" not in alone.ask(method, path, body, origin="http://other")[1]


def test_a_model_server_that_breaks_off_is_replaced_by_another(control, stable, other, tmp_path):
    control.change(revisions=[revision(1, stable.url, other.url)])
    with gateway(tmp_path, "--server", control.url) as door, load(door) as asked:
        asked.goes_on(100)
        stable.close()
        asked.goes_on(100)
    assert asked.failed() == []
