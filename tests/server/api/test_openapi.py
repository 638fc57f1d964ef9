"""The native API's description and its page: whole, true and offline."""

import json
import re
from pathlib import Path

import pytest

from modelyard.server.api import openapi
from modelyard.server.api.edge import PREFIX
from modelyard.server.api.routes import ROUTES
from tests.architecture.source import ROOT

DESCRIPTION = json.loads(openapi.document())
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}
GUIDE = ROOT / "docs" / "api.md"


def plain(path: str) -> str:
    return re.sub(r"\{(\w+)\*\}", r"{\1}", path)


def test_the_description_is_valid() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(DESCRIPTION)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_endpoint_is_described(route) -> None:
    operation = OPERATIONS[route.method, PREFIX + plain(route.path)]
    assert operation["summary"].endswith(".")
    assert operation["tags"] == [route.group]
    assert route.group in openapi.GROUPS
    assert ("requestBody" in operation) == (
        route.method in ("POST", "PUT", "PATCH") and bool(route.takes or route.media)
    )
    described = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
    assert described == re.findall(r"\{(\w+)\*?\}", route.path)
    good = [int(status) for status in operation["responses"] if int(status) < 300]
    assert route.media or good == [route.status if route.gives else 204]


def test_nothing_else_is_described() -> None:
    assert OPERATIONS.keys() == {(route.method, PREFIX + plain(route.path)) for route in ROUTES}
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


def test_the_guide_knows_every_endpoint_and_no_other() -> None:
    named = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)", GUIDE.read_text()))
    assert named == {(route.method, plain(route.path)) for route in ROUTES}


def test_the_guide_knows_every_problem() -> None:
    text = GUIDE.read_text()
    assert [each["code"] for each in DESCRIPTION["x-problems"] if f"`{each['code']}`" not in text] == []


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = Path(openapi.__file__).with_name("docs.html").read_text()
    assert re.findall(r"(?:src|href|url|import|fetch)\W{1,3}(?:https?:)?//[^\s\"')]+", page) == []


def test_page_and_description_are_served(sqlite_native) -> None:
    got = sqlite_native.ask("GET", "/openapi.json")
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.json == DESCRIPTION
    page = sqlite_native._pool.request("GET", sqlite_native.url + "/docs")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"api/v1/openapi.json" in page.data
    packed = sqlite_native._pool.request(
        "GET", sqlite_native.url + "/docs", headers={"accept-encoding": "gzip"}, decode_content=True
    )
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.data == page.data
    assert sqlite_native._pool.request("POST", sqlite_native.url + "/docs").status == 405
