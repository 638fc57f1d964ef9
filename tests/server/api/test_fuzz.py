"""Requests that schemathesis invents from our description: no 500, and every answer is as described."""

import base64
import json
import os
from collections.abc import Iterator

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from modelyard.server.api import openapi
from tests.conftest import Postgres, RunningServer, serve
from tests.server.api.native import Native

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
KNOWN = {
    "experiment_id": 0,
    "name": "wine",
    "version": "1",
    "alias": "best",
    "environment": "production",
    "key": "loss",
}
CONFIG = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}})
# How much is invented by the long test; its many cases are only made if it is to run (`make soak`).
LONG = int(os.environ.get("MODELYARD_FUZZ", "0"))
# A stream does not end.
quick = schemathesis.openapi.from_dict(json.loads(openapi.document()), config=CONFIG).exclude(path="/api/v1/changes")
long = schemathesis.openapi.from_dict(json.loads(openapi.document())).exclude(path="/api/v1/changes")
RELAXED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@schemathesis.serializer("application/x-msgpack")
def packed(context, value) -> bytes:
    """As JSON would have it, but for bytes, which JSON has not, and for numbers that MessagePack has not."""
    return msgspec.msgpack.encode(_packable(value))


def _packable(value, name=""):
    if isinstance(value, dict):
        return {key: _packable(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_packable(each) for each in value]
    if isinstance(value, str) and name == "points":
        return value.encode(errors="replace")
    if isinstance(value, str) and name in ("id", "parent", "prediction"):
        try:
            return base64.b64decode(value)
        except ValueError:
            return value
    return value if not isinstance(value, int) or -(2**63) <= value < 2**64 else str(value)


@quick.hook
@long.hook
def map_path_parameters(context, path_parameters):
    """Every other time, name things that are there: else most requests would end as a 404."""
    if path_parameters and sum(map(len, map(str, path_parameters.values()))) % 2:
        return {name: KNOWN.get(name, value) for name, value in path_parameters.items()}
    return path_parameters


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stocked(request, tmp_path_factory) -> Iterator[RunningServer]:
    """A server that holds one of everything that `KNOWN` names."""
    url = ""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create()
    running = serve(tmp_path_factory.mktemp("fuzz"), url)
    server = next(running)
    native = Native(server.url)
    KNOWN["run_id"] = native("POST", "/runs", {"experiment_id": 0})["run_id"]
    native("POST", f"/runs/{KNOWN['run_id']}/log", {"metrics": [{"key": "loss", "value": 1}], "params": {"a": "b"}})
    KNOWN["model_id"] = native("POST", "/logged-models", {"experiment_id": 0})["id"]
    native("POST", "/models", {"name": "wine"})
    native("POST", "/models/wine/versions", {"source": "mlflow-artifacts:/0/model", "label": "1.0"})
    native("PUT", "/models/wine/aliases/best", {"version": 1})
    yield server
    assert native("GET", "/totals")["experiments"] >= 0
    next(running, None)
    if url:
        postgres.drop(url)


@quick.parametrize()
@settings(max_examples=3, derandomize=True, **RELAXED)
def test_invented_requests(case, stocked) -> None:
    case.call_and_validate(base_url=stocked.url, checks=CHECKS)


if LONG:

    @pytest.mark.soak
    @long.parametrize()
    @settings(max_examples=LONG, **RELAXED)
    def test_many_invented_requests(case, stocked) -> None:
        case.call_and_validate(base_url=stocked.url, checks=CHECKS)
