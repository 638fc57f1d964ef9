"""What the native API does with requests that are not quite right."""

import http.client
from urllib.parse import urlsplit

import pytest

from tests.conftest import serve
from tests.server.api.native import Native


@pytest.fixture
def native(sqlite_native):
    return sqlite_native


def test_an_unknown_field_is_named_with_those_that_are_known(native) -> None:
    got = native.ask("POST", "/runs/search", {"filtr": "x"})
    assert got.status == 400
    assert got.headers["content-type"] == "application/problem+json"
    problem = got.json
    assert problem.keys() == {"type", "title", "status", "code", "detail", "errors"}
    assert problem["type"] == "/docs#invalid_argument"
    assert problem["errors"][0]["pointer"] == "/filtr"
    assert "'filtr'" in problem["detail"]
    assert "filter, order_by" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"metrics": [{"key": "a", "value": 1}, {"key": "b", "value": 1, "stp": 2}]}, "/metrics/1/stp", "timestamp_ms"),
        ({"metrics": [{"value": 1}]}, "/metrics/0", "key"),
        ({"metrics": {}}, "/metrics", "array"),
        ({"params": {"a": 1}}, "/params/...", "str"),
        ([], "", "object"),
    ],
)
def test_a_wrong_place_is_pointed_at(native, body, pointer, said) -> None:
    run_id = native("POST", "/runs", {"experiment_id": 0})["run_id"]
    got = native.ask("POST", f"/runs/{run_id}/log", body)
    assert got.status == 400
    assert got.json["errors"][0]["pointer"] == pointer
    assert said in got.json["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"name": NaN}', b"\xff\xfe", b'{"name": "\\ud800"}', b"[" * 100_000]
)
def test_what_is_not_json_is_refused(native, body) -> None:
    assert native.refused("POST", "/experiments", body)[:2] == (400, "invalid_argument")


def test_nul_cannot_be_kept(native) -> None:
    assert "U+0000" in native.refused("POST", "/experiments", b'{"name": "a\\u0000"}')[2]
    assert "U+0000" in native.refused("GET", "/experiments", filter="name = 'a\0'")[2]
    assert "U+0000" in native.refused("GET", "/models/a%00b")[2]
    assert native("POST", "/experiments", b'{"name": "a\\\\u0000"}')["name"] == "a\\u0000"


def test_a_query_is_as_strict(native) -> None:
    assert "limit, cursor" in native.refused("GET", "/experiments", limits=1)[2]
    assert native.refused("GET", "/experiments", limit="x")[0] == 400
    assert native.refused("GET", "/experiments", limit=0)[0] == 400
    assert native.refused("GET", "/experiments", limit=["1", "2"])[0] == 400
    assert native.refused("GET", "/models/x/history", version="null")[0] == 400


def test_there_are_only_so_many_endpoints(native) -> None:
    assert native.refused("GET", "/nothing")[:2] == (404, "no_such_endpoint")
    assert native.refused("GET", "/runs/a/b/c")[:2] == (404, "no_such_endpoint")
    got = native.ask("DELETE", "/experiments")
    assert (got.status, got.json["code"]) == (405, "method_not_allowed")
    assert got.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    asked = native.ask("OPTIONS", "/runs")
    assert (asked.status, asked.headers["allow"]) == (204, "OPTIONS, POST")


def test_only_json_goes_in_and_out(native) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        got = native.ask("POST", "/experiments", b'{"name": "x"}', {"content-type": kind})
        assert (got.status, got.json["code"]) == (415, "unsupported_media_type")
    assert native.ask("POST", "/experiments", b"{}", {"content-type": "application/json; charset=utf-8"}).status == 400
    for accept in ("text/html", "application/xml, text/*"):
        got = native.ask("GET", "/experiments", None, {"accept": accept})
        assert (got.status, got.json["code"]) == (406, "not_acceptable")
    for accept in ("*/*", "application/json", "text/html, application/*;q=0.5", "text/html, */*;q=0.1", ""):
        assert native.ask("GET", "/experiments", None, {"accept": accept}).status == 200


def test_head_is_get_without_a_body(native) -> None:
    get, head = native.ask("GET", "/experiments"), native.ask("HEAD", "/experiments")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert native.ask("HEAD", "/experiments/77").status == 404


def test_a_body_over_the_limit_is_refused_before_it_is_read(native) -> None:
    address = urlsplit(native.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.putrequest("POST", "/api/v1/experiments")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_an_origin_that_is_named_may_use_it(tmp_path) -> None:
    running = serve(tmp_path / "data", cors_origins="https://board.example, http://localhost:5173/")
    native = Native(next(running).url)
    friend = {"origin": "http://localhost:5173", "sec-fetch-site": "cross-site", "content-type": "application/json"}
    asked = native.ask("OPTIONS", "/experiments", None, {**friend, "access-control-request-method": "POST"})
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, "http://localhost:5173")
    assert "POST" in asked.headers["access-control-allow-methods"]
    made = native.ask("POST", "/experiments", b'{"name": "x"}', friend)
    assert (made.status, made.headers["access-control-allow-origin"]) == (201, "http://localhost:5173")
    refused = native.ask("POST", "/experiments", b"{}", friend)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (400, "http://localhost:5173")
    stranger = {**friend, "origin": "https://elsewhere.example"}
    assert native.ask("POST", "/experiments", b'{"name": "y"}', stranger).status == 403
    assert "access-control-allow-origin" not in native.ask("GET", "/experiments", None, stranger).headers
    next(running, None)


def test_pages_of_other_sites_change_nothing(native) -> None:
    stranger = {"sec-fetch-site": "cross-site", "content-type": "application/json"}
    got = native.ask("POST", "/experiments", b'{"name": "x"}', stranger)
    assert (got.status, got.json["code"]) == (403, "permission_denied")
    got = native.ask("GET", "/experiments", None, stranger)
    assert got.status == 200
    assert not any(name.lower().startswith("access-control") for name in got.headers)
    assert native.ask("POST", "/experiments", {"name": "x"}, {"sec-fetch-site": "same-origin"}).status == 201
