"""Who answers: shares, segments, keys, fallbacks, and tables that change under load."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.gateway.parts import Control, Gateway, Model, deployment, gateway, load, revision, shares
from tests.serving.live.process import until

PAGE = Path(__file__).resolve().parents[3] / "docs" / "gateway.md"
HALF = shares((1, "canary", 0.5), (0, "stable", 0.5))


@pytest.fixture(scope="module")
def stable() -> Iterator[Model]:
    model = Model({"label": "yes", "score": 0.9})
    yield model
    model.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Model]:
    model = Model({"label": "no", "score": 0.2})
    yield model
    model.close()


@pytest.fixture(scope="module")
def control(stable, canary) -> Iterator[Control]:
    found = Control(deployment(revision(1, stable.url), revision(2, canary.url)))
    yield found
    found.close()


@pytest.fixture(scope="module")
def door(control, tmp_path_factory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), "--server", control.url) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(door, control, stable, canary) -> None:
    """Each test begins with all traffic at stable, which is ready."""
    stable.predict = lambda _: (200, {"label": "yes", "score": 0.9})
    canary.predict = lambda _: (200, {"label": "no", "score": 0.2})
    for each in (stable, canary):
        each.ready = True
        each.seen.clear()
    begun = deployment(revision(1, stable.url), revision(2, canary.url))
    door.works_by(control.change(**begun))
    door.all_ready()


def roles(door: Gateway, count: int, **headers: str) -> Counter[str]:
    connection = door.connect()
    seen: Counter[str] = Counter()
    for _ in range(count):
        connection.request("POST", "/models/d/predict", b'{"x":1}', {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        seen[answer.headers["modelyard-role"]] += 1
    connection.close()
    return seen


def test_an_answer_says_who_gave_it(door, stable):
    status, told, content = door.predict({"x": 1})
    assert (status, content) == (200, {"label": "yes", "score": 0.9})
    said = {name: told[f"modelyard-{name}"] for name in ("model", "version", "revision", "role")}
    assert said == {"model": "m", "version": "1", "revision": "1", "role": "stable"}
    assert len(bytes.fromhex(told["modelyard-prediction"])) == 16
    assert stable.seen[-1][3] == b'{"x": 1}'


def test_details_come_in_the_body_where_they_are_asked_for(door):
    _, told, content = door.predict({"x": 1}, modelyard_details="true")
    assert content["prediction"] == {"label": "yes", "score": 0.9}
    details = content["details"]
    assert details.pop("milliseconds") > 0
    assert details == {
        "id": told["modelyard-prediction"], "deployment": "d", "model": "m", "version": "1", "revision": 1,
        "endpoint": "", "role": "stable", "segment": "", "label": "yes", "score": 0.9, "positive": True,
    }  # fmt: skip


def test_a_split_is_honest(door, control):
    door.works_by(control.change(default=shares((1, "canary", 0.1), (0, "stable", 0.9))))
    assert 48 <= roles(door, 500)["canary"] <= 52


def test_a_key_stays_with_one_revision_and_the_canary_only_grows(door, control):
    keys = [str(each) for each in range(60)]

    def canary_has(weight: float) -> set[str]:
        parts = shares((1, "canary", weight), (0, "stable", 1 - weight))
        door.works_by(control.change(default=parts, sticky={"header": "x-user", "field": ""}))
        first = {key for key in keys if roles(door, 1, **{"x-user": key})["canary"]}
        assert first == {key for key in keys if roles(door, 1, **{"x-user": key})["canary"]}
        return first

    few, many = canary_has(0.2), canary_has(0.6)
    assert 3 <= len(few) <= 22
    assert 24 <= len(many) <= 48
    assert few < many


def test_segments_have_shares_of_their_own(door, control):
    segments = {"de": shares((1, "canary", 1.0)), "en": shares((0, "stable", 1.0))}
    door.works_by(control.change(segment={"header": "", "field": "language"}, segments=segments))
    for body, role in (
        ({"language": "de", "x": 1}, "canary"),
        ({"language": "en", "x": 1}, "stable"),
        ({"language": "fr", "x": 1}, "stable"),
        ([{"language": "de"}, {"language": "en"}], "canary"),
        ({"inputs": {"language": "de"}, "params": {}}, "canary"),
        ({"x": 1}, "stable"),
    ):
        assert door.predict(body)[1]["modelyard-role"] == role, body
    split = {"dataframe_split": {"columns": ["x", "language"], "data": [[1, "de"]]}}
    assert door.ask("POST", "/models/d/invocations", split)[1]["modelyard-role"] == "canary"
    tensors = {"inputs": [{"name": "language", "datatype": "BYTES", "shape": [1], "data": ["de"]}]}
    assert door.ask("POST", "/v2/models/d/infer", tensors)[1]["modelyard-role"] == "canary"


def test_inputs_are_renamed_as_the_revision_that_answers_wants_it(door, control, stable, canary):
    mine = {
        "default": {"inputs": {}, "threshold": None},
        "segments": {"de": {"inputs": {"x": "wert"}, "threshold": 0.95}},
    }
    control.change(segment={"header": "x-language", "field": ""}, segments={"de": shares((0, "stable", 1.0))})
    door.works_by(control.change(revisions=[revision(1, stable.url, **mine), revision(2, canary.url)]))
    _, _, content = door.predict({"wert": 3, "y": 4}, x_language="de", modelyard_details="true")
    assert stable.bodies()[-1] == {"x": 3, "y": 4}
    assert content["details"]["positive"] is False  # the threshold, and not the label
    door.predict({"wert": 3}, x_language="en")
    assert stable.bodies()[-1] == {"wert": 3}


def test_a_revision_that_is_not_ready_has_its_share_answered_by_stable(door, control, canary):
    door.works_by(control.change(default=HALF))
    canary.ready = False
    until(lambda: not door.told()["revisions"][1]["replicas"][0]["ready"])
    assert roles(door, 20) == {"stable": 20}
    canary.ready = True
    door.all_ready()
    assert 8 <= roles(door, 20)["canary"] <= 12


def test_stable_that_is_away_is_stood_in_for_by_a_canary_with_traffic(door, control, stable):
    door.works_by(control.change(default=shares((1, "canary", 0.01), (0, "stable", 0.99))))
    stable.ready = False
    until(lambda: not door.told()["revisions"][0]["replicas"][0]["ready"])
    assert roles(door, 20) == {"canary": 20}
    stable.ready = True


def test_a_canary_that_cannot_answer_now_costs_nobody_an_answer_but_is_counted(door, control, canary):
    door.works_by(control.change(default=HALF))
    canary.predict = lambda _: (503, {})
    assert roles(door, 20) == {"stable": 20}
    until(lambda: control.counted("errors", role="canary") in (9, 10, 11))


def test_requests_wait_while_nobody_is_ready(door, control, stable):
    stable.ready = False
    until(lambda: not door.told()["ready"])
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(door.predict({"x": 1})[0])) for _ in range(5)]
    for each in threads:
        each.start()
    until(lambda: door.told()["waiting"] == 5)
    assert not seen
    stable.ready = True
    for each in threads:
        each.join()
    assert seen == [200] * 5


def test_tables_change_under_load_and_no_request_fails(door, control, stable, canary):
    with load(door) as asked:
        for number in range(3, 9):
            asked.goes_on()
            fresh = Model({"label": str(number)})
            both = [revision(1, stable.url), revision(number, fresh.url)]
            door.works_by(control.change(revisions=both, default=HALF))
            asked.goes_on()
            door.works_by(control.change(revisions=both, default=shares((1, "stable", 1.0))))
            until(lambda number=number: asked.answers[-1][2] == str(number))
            door.works_by(control.change(revisions=both[:1], default=shares((0, "stable", 1.0))))
            asked.goes_on()
            fresh.close()
    assert asked.failed() == []
    assert len({each[2] for each in asked.answers}) == 7


def test_a_table_that_nothing_can_be_routed_by_is_not_taken(door, control):
    before = door.told()["generation"]
    control.change(default=shares((5, "stable", 1.0)))
    until(lambda: "there is no revision at 5" in door.get("/deployments")["trouble"])
    assert door.told()["generation"] == before
    assert door.predict({"x": 1})[0] == 200


def test_pages_are_stables_and_others_the_servers(door, control):
    assert door.get("/models/d")["path"] == "/models/d"
    assert door.get("/docs/d?x=y")["path"] == "/docs/d?x=y"
    assert door.get("/v2/models/d")["path"] == "/v2/models/d"
    assert door.get("/openapi.json")["path"] == "/openapi.json"
    assert door.get("/v2/health/ready") == {"ready": True}
    assert door.get("/predictions?limit=3") == {"from": "/api/v1/deployments/d/predictions?limit=3"}
    assert door.get("/statistics") == {"from": "/api/v1/deployments/d/statistics"}
    assert door.get("/models/other/statistics") == {"from": "/api/v1/deployments/other/statistics"}
    assert door.ask("GET", "/health")[0] == door.ask("GET", "/ping")[0] == 200
    assert door.ask("GET", "/models/d/predict")[0] == 405
    status, _, body = door.ask("POST", "/models/nobody/predict", {})
    assert status == 404
    assert "There is d." in json.loads(body)["detail"]


def test_a_version_that_is_named_answers_or_nobody_does(door, control):
    door.works_by(control.change(default=HALF))
    tensors = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]}]}
    for version in ("1", "2"):
        seen = [door.ask("POST", f"/v2/models/d/versions/{version}/infer", tensors)[1] for _ in range(4)]
        assert {each["modelyard-version"] for each in seen} == {version}
    status, _, body = door.ask("POST", "/v2/models/d/versions/7/infer", tensors)
    assert status == 404
    assert "not answered by version 7" in json.loads(body)["error"]


def test_the_short_paths_mean_the_only_deployment(door, stable):
    for path, asked in (("/predict", "/models/d/predict"), ("/invocations", "/models/d/invocations")):
        assert door.ask("POST", path, {"x": 1})[0] == 200
        assert stable.seen[-1][1] == asked


def test_metrics_count_by_revision_and_role_and_are_documented(door, control):
    documented = set(re.findall(r"^\| `(modelyard_\w+)` \|", PAGE.read_text(), re.MULTILINE))
    door.works_by(control.change(default=HALF))
    roles(door, 10)

    def counted() -> bool:
        text = door.ask("GET", "/metrics")[2].decode()
        assert set(re.findall(r"^# TYPE (modelyard_\w+)", text, re.MULTILINE)) == documented
        line = 'modelyard_gateway_requests_total{deployment="d",revision="2",role="canary",segment=""}'
        return any(each.startswith(line) and float(each.split()[-1]) >= 5 for each in text.splitlines())

    until(counted)
