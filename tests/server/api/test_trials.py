"""Trying a deployment through the server: who is asked, what is said, what is refused."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import ColSpec, ParamSchema, ParamSpec, Schema
from modelyard.packaging.signature import ModelSignature
from tests.conftest import serve
from tests.server.api.native import Native

SPEC = {
    "name": "reviews",
    "environment": "production",
    "model": "sentiment",
    "segment": {"header": "x-language"},
    "key": {"field": "order"},
    "defaults": {"inputs": {"text": "review"}},
}
BYTES = {"content-type": "application/octet-stream"}


class Answering(BaseHTTPRequestHandler):
    """Answers what it was asked; `how` in the body says otherwise."""

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, dict(self.headers), asked))
        how = json.loads(asked).get("how", "")
        body = b"x" * (2**20 + 10) if how == "much" else b'{"label": "positive", "score": NaN}'
        self.send_response({"moved": 302, "broken": 500}.get(how, 200))
        told = {"prediction": "0" * 32, "model": "sentiment", "version": "1", "revision": "1", "role": "stable"}
        for name, value in told.items():
            self.send_header(f"Modelyard-{name}", value)
        if how == "moved":
            self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as made:
        made.seen = []
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A server with a deployment of a model that takes `text` and `stars`."""
    for server in serve(tmp_path_factory.mktemp("trials")):
        native = Native(server.url)
        run = native("POST", "/runs", {"experiment_id": 0})
        signature = ModelSignature(
            inputs=Schema([ColSpec("string", "text"), ColSpec("long", "stars", required=False)]),
            params=ParamSchema([ParamSpec("top", "long", 3)]),
        )
        info = {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"}
        manifest = Model(flavors={"python_function": {}}, signature=signature, saved_input_example_info=info)
        example = {"columns": ["text", "stars"], "data": [["good", 4], ["bad", 1]]}
        files = {"MLmodel": manifest.to_yaml().encode(), "input_example.json": json.dumps(example).encode()}
        for name, content in files.items():
            put = native.ask("PUT", f"/runs/{run['run_id']}/artifacts/model/{name}", content, BYTES)
            assert put.status == 201
        native("POST", "/models", {"name": "sentiment"})
        source = f"{run['info']['artifact_uri']}/model"
        native("POST", "/models/sentiment/versions", {"source": source, "run_id": run["run_id"]})
        native("PUT", "/models/sentiment/environments/production", {"version": 1})
        native("PUT", "/deployments/reviews", {"spec": SPEC})
        yield native


def live(api, name, port):
    """A gateway says that it is there."""
    number = live.number = getattr(live, "number", 0) + 1
    url = f"http://127.0.0.1:{port}"
    api("POST", "/gateways/report", {"gateway": name, "number": number, "url": url})


def tried(api, body, **more):
    return api("POST", "/deployments/reviews/try", {"body": json.dumps(body), **more})


def test_without_anybody_to_ask_it_says_what_to_start(api):
    status, code, detail = api.refused("POST", "/deployments/reviews/try", {"body": "{}"})
    assert (status, code) == (503, "unavailable")
    assert "no gateway has reported itself within a minute" in detail
    assert "modelyard up" in detail


def test_a_live_gateway_is_asked_and_who_answered_is_told(api, gateway):
    live(api, "here", gateway.server_port)
    found = tried(api, {"text": "ä"}, headers={"X-Language": "de"})
    assert (found["by"], found["status"], found["body"]) == ("gateway", 200, '{"label": "positive", "score": NaN}')
    told = {name: found[name] for name in ("prediction", "model", "version", "revision", "role", "cut")}
    assert told == {
        "prediction": "0" * 32, "model": "sentiment", "version": "1", "revision": "1", "role": "stable", "cut": False,
    }  # fmt: skip
    [(path, headers, asked)] = gateway.seen
    assert (path, headers["x-language"], json.loads(asked)) == ("/models/reviews/predict", "de", {"text": "ä"})
    tried(api, {"inputs": []}, protocol="infer")
    tried(api, {"inputs": []}, protocol="invocations")
    assert [path for path, _, _ in gateway.seen[1:]] == ["/v2/models/reviews/infer", "/models/reviews/invocations"]


def test_one_that_is_gone_is_passed_over(api, gateway):
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as gone:
        port = gone.server_port
    live(api, "here", gateway.server_port)
    live(api, "newest", port)
    assert tried(api, {})["url"] == f"http://127.0.0.1:{gateway.server_port}/models/reviews/predict"
    live(api, "here", port)
    assert "Nobody answers" in api.refused("POST", "/deployments/reviews/try", {"body": "{}"})[2]


def test_errors_and_redirections_are_answers_and_lead_nowhere(api, gateway):
    live(api, "here", gateway.server_port)
    assert tried(api, {"how": "broken"})["status"] == 500
    assert tried(api, {"how": "moved"})["status"] == 302
    assert len(gateway.seen) == 2


def test_of_a_long_answer_the_beginning_is_shown(api, gateway):
    live(api, "here", gateway.server_port)
    found = tried(api, {"how": "much"})
    assert (len(found["body"]), found["cut"]) == (2**20, True)


def test_only_headers_that_the_deployment_looks_at_are_sent(api, gateway):
    live(api, "here", gateway.server_port)
    for name, value in (("authorization", "me"), ("x-langage", "de"), ("x-language", "de\r\nx-evil: 1")):
        got = api.ask("POST", "/deployments/reviews/try", {"body": "{}", "headers": {name: value}})
        assert (got.status, got.json["errors"][0]["pointer"]) == (400, f"/headers/{name}")
    assert api.refused("POST", "/deployments/reviews/try", {"body": "{}", "url": "http://evil"})[0] == 400
    assert api.refused("POST", "/deployments/nothing/try", {"body": "{}"})[0] == 404
    assert gateway.seen == []


def test_what_may_be_asked_is_read_from_the_version(api):
    found = api("GET", "/deployments/reviews/try")
    assert found == {
        "model": "sentiment",
        "version": "1",
        "fields": [
            {"name": "review", "type": "string", "required": True, "shape": None, "default": "good"},
            {"name": "stars", "type": "long", "required": False, "shape": None, "default": 4},
        ],
        "params": [{"name": "top", "type": "long", "required": False, "shape": None, "default": 3}],
        "more": ["order"],
        "headers": ["x-language"],
        "example": {"review": "good", "stars": 4},
        "told": "",
    }


def test_why_nothing_is_known_is_said(api):
    api("PUT", "/deployments/old", {"spec": {"name": "old", "environment": "production", "url": "http://127.0.0.1:9/"}})
    found = api("GET", "/deployments/old/try")
    assert (found["fields"], found["told"]) == ([], "Nothing answers yet, and nothing is to.")
    api("DELETE", "/deployments/old")
