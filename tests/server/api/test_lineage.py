"""What a version's page shows: where it comes from, where it goes, what it holds, and how it is moved."""

import json

import pytest

from tests.server.api.native import Native

MLMODEL = """
flavors:
  python_function: {loader_module: modelyard_loader_1, python_version: 3.11.7}
  sklearn: {}
model_size_bytes: 4711
signature:
  inputs: >-
    [{"type": "double", "name": "hue"},
    {"type": "array", "items": {"type": "long"}, "name": "marks", "required": false}]
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
  params: '[{"name": "factor", "type": "double", "default": 1.5, "shape": null}]'
utc_time_created: '2026-11-21 12:15:44.791791'
"""
GOLDEN = {
    "tolerance": {"relative": 1e-5, "absolute": 1e-8, "whole": False},
    "cases": [{"name": "one", "kind": "dataframe", "inputs": {"columns": ["hue"], "data": [[0.5]]}, "expected": [1]}],
}


@pytest.fixture
def wine(native) -> str:
    native("POST", "/models", {"name": "wine"})
    return "/models/wine"


def logged(native, experiment, run, **files) -> str:
    made = native("POST", "/logged-models", {"experiment_id": experiment, "source_run": run})
    for name, text in files.items():
        path = name.replace("__", "/")
        got = native.ask("PUT", f"/logged-models/{made['id']}/artifacts/{path}", text.encode())
        assert got.status == 201
    native("PATCH", f"/logged-models/{made['id']}", {"status": "READY"})
    return made["id"]


def a_run(native, experiment, name) -> str:
    return native("POST", "/runs", {"experiment_id": experiment, "name": name})["run_id"]


def test_where_versions_come_from_and_where_they_go(native, wine) -> None:
    experiment = native("POST", "/experiments", {"name": "cellar"})["id"]
    first, second, judge = (a_run(native, experiment, name) for name in ("first", "second", "judge"))
    data = {"name": "vintage", "digest": "d1", "source_type": "local", "source": "{}", "tags": {"a": "b"}}
    native("POST", f"/runs/{first}/inputs", {"datasets": [data]})
    native("POST", f"/runs/{first}/log", {"metrics": [{"key": "f1", "value": 0.5}], "params": {"depth": "3"}})
    one, two = logged(native, experiment, first), logged(native, experiment, second)
    for run in (second, judge):
        native("POST", f"/runs/{run}/inputs", {"models": [one]})
    for model_id, label in ((one, "1.0"), (two, None)):
        body = {"source": f"models:/{model_id}", "logged_model_id": model_id, "label": label}
        native("POST", f"{wine}/versions", body)
    native("POST", f"{wine}/versions", {"source": "s3://elsewhere/model"})
    native("PUT", f"{wine}/environments/production", {"version": 1})

    found = native("GET", f"{wine}/lineage")["versions"]
    assert [each["version"] for each in found] == [3, 2, 1]
    assert found[0]["run"] is None
    assert found[1]["parents"] == [{"model": "wine", "version": 1, "label": "1.0"}]
    assert (found[2]["experiment"], found[2]["run"]["run_id"]) == ("cellar", first)
    assert found[2]["run"]["metrics"]["f1"]["value"] == 0.5
    assert [each["digest"] for each in found[2]["run"]["datasets"]] == ["d1"]
    made = {"model": "wine", "version": 2, "label": None}
    assert [(each["name"], each["made"]) for each in found[2]["read_by"]] == [("judge", None), ("second", made)]

    (one_of_them,) = native("GET", f"{wine}/lineage", version="production", fields=["info", "params.depth"])["versions"]
    assert (one_of_them["version"], one_of_them["run"]["metrics"]) == (1, None)
    assert one_of_them["run"]["params"] == {"depth": "3"}
    assert [each["version"] for each in native("GET", f"{wine}/lineage", limit=1, before=3)["versions"]] == [2]
    assert native.refused("GET", f"{wine}/lineage", version="@nobody")[:2] == (404, "not_found")
    assert native.refused("GET", "/models/beer/lineage")[:2] == (404, "not_found")


def test_which_deployments_use_a_version(controlled_server) -> None:
    native, wine = Native(controlled_server.url), "/models/wine"
    native("POST", "/models", {"name": "wine"})
    native("POST", "/models", {"name": "wine,more"})
    for name in ("wine", "wine,more"):
        native("POST", f"/models/{name}/versions", {"source": "s3://bucket/model"})
        native("PUT", f"/models/{name}/environments/production", {"version": 1})
        spec = {"name": name.replace(",", "-"), "environment": "production", "model": name}
        native("PUT", f"/deployments/{spec['name']}", {"spec": spec, "force": True})
    native("POST", "/models/wine/versions", {"source": "s3://bucket/model"})
    # The controller makes the revision.
    for _ in range(200):
        if native("GET", "/deployments/wine/revisions")["revisions"]:
            break
        native("GET", "/deployments/wine/events", wait_s=0.1, after=10_000)
    second, first = native("GET", f"{wine}/lineage")["versions"]
    (use,) = first["used_by"]
    assert (use["deployment"], use["environment"], use["revision"]) == ("wine", "production", 1)
    assert second["used_by"] == []
    assert native("GET", f"{wine}/lineage", version="1")["versions"][0]["used_by"] == [use]


def test_what_a_versions_files_say(native, wine) -> None:
    experiment = native("POST", "/experiments", {"name": "cellar"})["id"]
    files = {"MLmodel": MLMODEL, "modelyard__golden.json": json.dumps(GOLDEN), "requirements.txt": "numpy==2.0\n"}
    files |= {"modelyard__profile.json": "{broken"}
    whole = logged(native, experiment, a_run(native, experiment, "first"), **files)
    native("POST", f"{wine}/versions", {"source": f"models:/{whole}", "logged_model_id": whole})
    found = native("GET", f"{wine}/versions/1/package")
    assert (found["flavors"], found["python"], found["bytes"]) == (["python_function", "sklearn"], "3.11.7", 4711)
    assert found["signature"]["inputs"] == [
        {"name": "hue", "type": "double", "shape": None, "required": True, "default": None},
        {"name": "marks", "type": "list of long", "shape": None, "required": False, "default": None},
    ]
    assert found["signature"]["outputs"][0]["shape"] == [-1, 2]
    assert found["signature"]["params"][0]["default"] == 1.5
    assert (found["golden"]["total"], found["golden"]["cases"][0]["expected"]) == (1, [1])
    assert (found["requirements"], found["example"]) == (["numpy==2.0"], None)
    assert found["notes"] == ["modelyard/profile.json does not decode."]

    empty = logged(native, experiment, a_run(native, experiment, "second"), notes="nothing")
    native("POST", f"{wine}/versions", {"source": f"models:/{empty}", "logged_model_id": empty})
    found = native("GET", f"{wine}/versions/2/package")
    assert (found["flavors"], found["signature"], found["golden"]) == ([], None, None)
    assert "no MLmodel" in found["notes"][0]


def test_a_version_changes_its_stage(native, wine) -> None:
    for _ in range(2):
        native("POST", f"{wine}/versions", {"source": "s3://bucket/model"})
    assert native("GET", f"{wine}/versions/1")["stage"] == "None"
    native("PATCH", f"{wine}/versions/1", {"stage": "Production", "reason": "good"})
    changed = native("PATCH", f"{wine}/versions/2", {"stage": "Production", "archive_others": True})
    assert changed["stage"] == "Production"
    assert native("GET", f"{wine}/versions/1")["stage"] == "Archived"
    assert native("GET", wine)["environments"] == {"production": 2}
    assert native.refused("PATCH", f"{wine}/versions/1", {"archive_others": True})[0] == 400
    assert native.refused("PATCH", f"{wine}/versions/1", {"stage": "Live"})[0] == 400


def test_a_model_says_its_newest_version_and_where_which_is(native, wine) -> None:
    assert (native("GET", wine)["newest"], native("GET", wine)["places"]) == (None, {})
    for label in ("1.0", "1.1", None):
        native("POST", f"{wine}/versions", {"source": "s3://bucket/model", "label": label})
    native("PUT", f"{wine}/environments/production", {"version": 1})
    native("POST", "/environments", {"name": "canary", "after": "staging"})
    native("PUT", f"{wine}/environments/canary", {"version": 2})
    (found,) = native("GET", "/models")["models"]
    assert (found["newest"]["version"], found["newest"]["label"], found["newest"]["stage"]) == (3, None, "None")
    assert {name: (each["version"], each["label"]) for name, each in found["places"].items()} == {
        "production": (1, "1.0"),
        "canary": (2, "1.1"),
    }
    assert all(each["moved_ms"] > 0 for each in found["places"].values())
    native("DELETE", "/environments/canary")


def test_a_promotion_tells_whether_it_can_be_undone(native, wine) -> None:
    for label in ("1.0", "2.0"):
        native("POST", f"{wine}/versions", {"source": "s3://bucket/model", "label": label})
    path = f"{wine}/environments/production/promote"
    assert native.refused("GET", path)[:2] == (404, "not_found")
    native("POST", path, {"version": 1, "allowance": "<=1.0"})
    native("POST", path, {"version": 2, "allowance": "<=2.0", "reason": "new code"})
    found = native("GET", path)
    assert (found["before"], found["after"], found["obstacle"]) == (1, 2, "")
    assert (found["allowance_before"], found["allowance_after"]) == ("<=1.0", "<=2.0")
    native("PUT", f"{wine}/environments/production", {"version": 1})
    assert native("GET", path)["obstacle"] == "it points to 1 now"
    assert native.refused("DELETE", path)[0] == 409
