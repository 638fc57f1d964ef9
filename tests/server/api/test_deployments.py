"""Deployments over the native API, without a controller: what is refused, what is told, what is awaited."""

import threading
import time

import pytest

from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import ColSpec, Schema
from modelyard.packaging.signature import ModelSignature
from tests.conftest import serve
from tests.server.api.native import Native

SPEC = {"name": "reviews", "environment": "production", "model": "sentiment"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from serve(tmp_path_factory.mktemp("deployments"))


@pytest.fixture(scope="module")
def api(server):
    """A server with a model in production that takes `text` and `language`."""
    native = Native(server.url)
    run = native("POST", "/runs", {"experiment_id": 0})
    signature = ModelSignature(inputs=Schema([ColSpec("string", "text"), ColSpec("string", "language")]))
    manifest = Model(flavors={"python_function": {}}, signature=signature).to_yaml().encode()
    put = native.ask(
        "PUT", f"/runs/{run['run_id']}/artifacts/model/MLmodel", manifest, {"content-type": "application/octet-stream"}
    )
    assert put.status == 201
    native("POST", "/models", {"name": "sentiment"})
    source = f"{run['info']['artifact_uri']}/model"
    native("POST", "/models/sentiment/versions", {"source": source, "run_id": run["run_id"]})
    native("PUT", "/models/sentiment/environments/production", {"version": 1})
    return native


@pytest.fixture
def deployed(api):
    """A deployment of the test's own."""
    api("PUT", "/deployments/reviews", {"spec": SPEC, "reason": "the first"})
    yield api
    if api.ask("GET", "/deployments/reviews").status == 200:
        api("DELETE", "/deployments/reviews")


def test_a_deployment_is_made_read_listed_changed_and_deleted(api):
    made = api("PUT", "/deployments/reviews", {"spec": SPEC, "reason": "the first"})
    assert (made["created"], made["ok"], made["problems"], made["notes"]) == (True, True, [], [])
    found = api("GET", "/deployments/reviews")
    assert found["spec"] == SPEC
    assert (found["phase"], found["stable"], found["rollout"]) == ("starting", None, None)
    assert found["wanted"] == {"model": "sentiment", "version": "1", "label": "", "url": ""}
    assert found["traffic"] == [{"segment": "", "shares": []}]
    assert api("GET", "/deployments") == {"deployments": [found]}
    changed = api("PUT", "/deployments/reviews", {"spec": {**SPEC, "replicas": 2}})
    assert changed["changes"] == [{"place": "/replicas", "old": None, "new": 2}]
    assert not changed["created"]
    assert api("DELETE", "/deployments/reviews", reason="enough") is None
    assert api.refused("GET", "/deployments/reviews")[:2] == (404, "not_found")
    told = api("GET", "/deployments/reviews/events")["events"]
    assert [each["kind"] for each in told] == ["created", "changed", "deleted"]
    assert told[-1]["told"] == "anonymous deleted the deployment: enough"


def test_a_spec_that_cannot_be_is_refused_with_every_place(api):
    bad = {**SPEC, "replicas": 0, "steps": [{"weight": 10}], "segments": {"de": {}}}
    got = api.ask("PUT", "/deployments/reviews", {"spec": bad})
    assert (got.status, got.json["code"]) == (400, "invalid_argument")
    assert [each["pointer"] for each in got.json["errors"]] == [
        "/spec/replicas", "/spec/segments", "/spec/steps/0/weight",
    ]  # fmt: skip
    assert "did you mean 10%?" in got.json["errors"][2]["detail"]
    unknown = api.ask("PUT", "/deployments/reviews", {"spec": {**SPEC, "model": "sentimant"}})
    assert unknown.json["errors"][0]["pointer"] == "/spec/model"
    assert api.refused("PUT", "/deployments/others", {"spec": SPEC})[2].startswith("the spec is for 'reviews'")
    assert api.refused("PUT", "/deployments/reviews", {"spec": SPEC, "forse": True})[0] == 400
    assert api("GET", "/deployments") == {"deployments": []}


def test_the_models_own_signature_is_read(api):
    spec = {**SPEC, "segment": {"field": "language"}, "segments": {"fr": {"inputs": {"txt": "avis"}}}}
    refused = api.ask("PUT", "/deployments/reviews", {"spec": spec})
    assert refused.json["errors"] == [
        {
            "pointer": "/spec/segments/fr/inputs/txt",
            "detail": "sentiment version 1 has no input column 'txt'; it has language, text",
        }
    ]
    checked = api("POST", "/deployments/check", {"spec": spec})
    assert (checked["ok"], checked["problems"], checked["created"]) == (False, [], True)
    assert checked["doubts"][0]["place"] == "/segments/fr/inputs/txt"
    forced = api("PUT", "/deployments/reviews", {"spec": spec, "force": True})
    assert forced["doubts"] == checked["doubts"]
    assert [each["kind"] for each in api("GET", "/deployments/reviews/events")["events"]][-2:] == ["created", "forced"]
    api("DELETE", "/deployments/reviews")
    right = {**spec, "segments": {"fr": {"inputs": {"text": "avis"}}}}
    assert api("POST", "/deployments/check", {"spec": right})["ok"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("ftp://nowhere/model", "could not be read"),
        ("mlflow-artifacts:/nothing/there", "could not be read"),
        ("mlflow-artifacts:/broken", "does not decode"),
    ],
)
def test_a_signature_that_cannot_be_read_refuses_nothing(api, source, told):
    api("POST", "/models", {"name": "other"})
    run = api("POST", "/runs", {"experiment_id": 0})
    api.ask("PUT", f"/runs/{run['run_id']}/artifacts/MLmodel", b"a: [", {"content-type": "application/octet-stream"})
    used = run["info"]["artifact_uri"] if "broken" in source else source
    api("POST", "/models/other/versions", {"source": used, "run_id": run["run_id"]})
    api("PUT", "/models/other/environments/production", {"version": 1})
    spec = {**SPEC, "model": "other", "defaults": {"inputs": {"anything": "x"}}}
    checked = api("POST", "/deployments/check", {"spec": spec})
    api("DELETE", "/models/other")
    assert checked["ok"]
    assert any("The inputs of other version 1 were not checked" in each and told in each for each in checked["notes"])


def test_checking_changes_nothing_and_says_everything(deployed):
    checked = deployed("POST", "/deployments/check", {"spec": {**SPEC, "replicas": 3}})
    assert (checked["ok"], checked["created"]) == (True, False)
    assert checked["changes"] == [{"place": "/replicas", "old": None, "new": 3}]
    assert deployed("GET", "/deployments/reviews")["spec"] == SPEC
    malformed = deployed("POST", "/deployments/check", {"spec": {"name": "x", "replicas": 0}})
    assert not malformed["ok"]
    assert {each["place"] for each in malformed["problems"]} == {"", "/replicas"}
    assert deployed("POST", "/deployments/check", {"spec": {"name": ["x"]}})["name"] == ""


def test_what_people_say(deployed):
    paused = deployed("POST", "/deployments/reviews/pause", {"reason": "lunch"})
    assert (paused["phase"], paused["paused"]) == ("paused", True)
    assert deployed.refused("POST", "/deployments/reviews/pause", {})[:2] == (409, "invalid_state")
    assert deployed("POST", "/deployments/reviews/resume", {})["phase"] == "starting"
    for word in ("abort", "rollback", "approve"):
        assert deployed.refused("POST", f"/deployments/reviews/{word}", {})[:2] == (409, "invalid_state")
        assert deployed.refused("POST", f"/deployments/nobody/{word}", {})[0] == 404
    assert deployed.refused("POST", "/deployments/reviews/approve", {"all": True})[0] == 400
    assert deployed("POST", "/deployments/reviews/rehearse", {}) == {"name": "reviews-rehearsal"}
    assert deployed.refused("POST", "/deployments/reviews/rehearse", {})[0] == 409
    deployed("DELETE", "/deployments/reviews-rehearsal")


def test_the_past_of_what_never_ran_is_empty(deployed):
    assert deployed("GET", "/deployments/reviews/revisions") == {"revisions": []}
    assert deployed("GET", "/deployments/reviews/rollouts") == {"rollouts": []}
    assert deployed.refused("GET", "/deployments/nobody/revisions")[0] == 404


def test_events_are_waited_for(deployed):
    last = deployed("GET", "/deployments/reviews/events")["next_after"]
    assert deployed("GET", "/deployments/reviews/events", after=last) == {"events": [], "next_after": last}
    began = time.monotonic()
    assert deployed("GET", "/deployments/reviews/events", after=last, wait_s=0.3)["events"] == []
    assert 0.25 < time.monotonic() - began < 5
    heard = []
    waiting = threading.Thread(
        target=lambda: heard.append(deployed("GET", "/deployments/reviews/events", after=last, wait_s=20))
    )
    waiting.start()
    other = Native(deployed.url)
    other("POST", "/deployments/reviews/pause", {})
    waiting.join(15)
    assert [each["kind"] for each in heard[0]["events"]] == ["paused"]
    assert heard[0]["next_after"] > last
    assert deployed.refused("GET", "/deployments/nobody/events", wait_s=20)[0] == 404
    assert deployed.refused("GET", "/deployments/reviews/events", wait_s=31)[0] == 400
