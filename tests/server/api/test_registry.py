"""Models, versions, environments and history over the native API."""

import pytest


@pytest.fixture
def wine(native) -> str:
    native("POST", "/models", {"name": "wine", "description": "red", "tags": {"team": "cellar"}})
    return "/models/wine"


def version(native, model, **body) -> dict:
    return native("POST", f"{model}/versions", {"source": "s3://bucket/model", **body})


def test_a_model_from_start_to_end(native, wine) -> None:
    made = native.ask("POST", "/models", {"name": "a b"})
    assert (made.status, made.headers["location"]) == (201, "/api/v1/models/a%20b")
    assert native.refused("POST", "/models", {"name": "wine"})[:2] == (409, "already_exists")
    found = native("GET", wine)
    assert (found["description"], found["tags"], found["aliases"]) == ("red", {"team": "cellar"}, {})
    changed = native("PATCH", wine, {"description": None, "tags": {"team": None, "kind": "white"}, "name": "wines"})
    assert (changed["name"], changed["description"], changed["tags"]) == ("wines", None, {"kind": "white"})
    assert native.refused("GET", wine)[:2] == (404, "not_found")
    assert native.refused("PATCH", "/models/wines", {"name": "a b", "tags": {"x": "y"}})[:2] == (409, "already_exists")
    assert native("GET", "/models/wines")["tags"] == {"kind": "white"}
    listed = native("GET", "/models", filter="tags.kind = 'white' OR name = 'a b'", count="true", limit=1)
    assert (listed["models"][0]["name"], listed["total"]) == ("a b", 2)
    rest = native("GET", "/models", filter="tags.kind = 'white' OR name = 'a b'", limit=1, cursor=listed["next_cursor"])
    assert ([each["name"] for each in rest["models"]], rest["next_cursor"]) == (["wines"], None)
    native("DELETE", "/models/wines", reason="sour")
    assert native("GET", "/models/wines/history", limit=1)["events"][0]["reason"] == "sour"


def test_a_version_has_many_names(native, wine) -> None:
    made = version(native, wine, label="1.0-rc1", tags={"a": "b"}, user="ann")
    second = version(native, wine, label="1.0")
    assert (made["version"], second["version"]) == (1, 2)
    native("PUT", f"{wine}/aliases/champion", {"version": "1.0rc1"})
    native("PUT", f"{wine}/environments/production", {"version": 2, "reason": "better"})
    for reference in ("1", "1.0rc1", "v1.0-rc1", "@champion"):
        assert native("GET", f"{wine}/versions/{reference}")["version"] == 1
    for reference in ("2", "1.0", "1.0.0", "production", "latest", "@production"):
        assert native("GET", f"{wine}/versions/{reference}")["version"] == 2
    assert native("GET", wine)["aliases"] == {"champion": 1}
    assert native("GET", wine)["environments"] == {"production": 2}
    assert native("GET", f"{wine}/aliases/champion")["aliases"] == ["champion"]
    for reference in ("3", "2.0", "staging"):
        assert native.refused("GET", f"{wine}/versions/{reference}")[:2] == (404, "not_found")
    assert native.refused("GET", f"{wine}/versions/no-such thing")[:2] == (400, "invalid_argument")
    taken = {"source": "s3://b/x", "label": "1.0.0"}
    assert native.refused("POST", f"{wine}/versions", taken)[:2] == (409, "already_exists")


def test_changing_a_version(native, wine) -> None:
    version(native, wine, label="1.0", description="old")
    changed = native("PATCH", f"{wine}/versions/1.0", {"label": "1.1", "tags": {"a": "b"}})
    assert (changed["label"], changed["description"], changed["tags"]) == ("1.1", "old", {"a": "b"})
    changed = native("PATCH", f"{wine}/versions/1", {"label": None, "description": None, "tags": {"a": None}})
    assert (changed["label"], changed["description"], changed["tags"]) == (None, None, {})
    native("DELETE", f"{wine}/versions/1")
    assert native.refused("GET", f"{wine}/versions/1")[:2] == (404, "not_found")
    assert version(native, wine)["version"] == 2


def test_versions_page_by_page(native, wine) -> None:
    native("POST", "/models", {"name": "beer"})
    for at in range(5):
        version(native, wine, tags={"even": str(at % 2 == 0)})
    version(native, "/models/beer")
    first = native("GET", f"{wine}/versions", limit=3, count="true")
    assert ([each["version"] for each in first["versions"]], first["total"]) == ([5, 4, 3], 5)
    version(native, wine)
    second = native("GET", f"{wine}/versions", limit=3, cursor=first["next_cursor"])
    assert ([each["version"] for each in second["versions"]], second["next_cursor"]) == ([2, 1], None)
    even = native(
        "GET", f"{wine}/versions", filter="tags.even = 'True' AND version_number < 5", order_by="version_number"
    )
    assert [each["version"] for each in even["versions"]] == [1, 3]
    assert native("GET", "/versions", count="true", limit=1)["total"] == 7
    assert native.refused("GET", "/models/none/versions")[:2] == (404, "not_found")


def test_an_environment_points_to_a_version_and_history_remembers(native, wine) -> None:
    version(native, wine)
    version(native, wine)
    production = f"{wine}/environments/production"
    assert native.refused("GET", production)[:2] == (404, "not_found")
    moved = native("PUT", production, {"version": 1, "reason": "first"})
    assert (moved["version"], moved["aliases"]) == (1, ["production"])
    native("PUT", production, {"version": 2, "reason": "better"})
    assert native("GET", production)["version"] == 2
    pointers = native("GET", f"{wine}/environments")["environments"]
    assert [(each["environment"], each["version"]) for each in pointers] == [("staging", None), ("production", 2)]
    native("DELETE", production, reason="bad")
    moves = [e for e in native("GET", f"{wine}/history")["events"] if e["change"] == "environment.moved"]
    assert [(e["old"], e["new"], e["reason"], e["principal"]) for e in moves] == [
        ("2", None, "bad", "anonymous"),
        ("1", "2", "better", "anonymous"),
        (None, "1", "first", "anonymous"),
    ]
    last = moves[0]["at_ms"]
    assert native("GET", f"{production}/at", time_ms=last + 1)["version"] is None
    assert native("GET", f"{production}/at", time_ms=1)["version"] is None
    if moves[0]["at_ms"] > moves[1]["at_ms"]:
        assert native("GET", f"{production}/at", time_ms=moves[1]["at_ms"]) == {
            "model": "wine",
            "environment": "production",
            "time_ms": moves[1]["at_ms"],
            "version": 2,
        }
    assert native.refused("PUT", f"{wine}/environments/nowhere", {"version": 1})[:2] == (404, "not_found")
    assert native.refused("GET", f"{production}/at")[:2] == (400, "invalid_argument")


def test_the_list_of_environments(native, wine) -> None:
    def names() -> list[str]:
        return [each["name"] for each in native("GET", "/environments")["environments"]]

    assert names() == ["staging", "production"]
    made = native("POST", "/environments", {"name": "canary", "after": "staging"})
    assert (made["position"], made["stage"]) == (2, None)
    native("PUT", "/environments", {"environments": ["dev", "staging", "qa", "canary", "production"]})
    assert names() == ["dev", "staging", "qa", "canary", "production"]
    native("PUT", "/environments", {"environments": ["staging", "canary", "dev", "production"], "reason": "tidy"})
    assert names() == ["staging", "canary", "dev", "production"]
    changes = {(e["change"], e["subject"]) for e in native("GET", "/history")["events"] if e["reason"] == "tidy"}
    assert ("environment.removed", "qa") in changes
    assert ("environment.placed", "dev") in changes
    native("DELETE", "/environments/canary")
    assert names() == ["staging", "dev", "production"]
    assert native.refused("DELETE", "/environments/production")[:2] == (409, "invalid_state")
    assert native.refused("PUT", "/environments", {"environments": ["dev"]})[:2] == (409, "invalid_state")
    for wrong in (
        ["production", "staging"],
        ["staging", "dev", "dev", "production"],
        ["staging", "Prod", "production"],
    ):
        assert native.refused("PUT", "/environments", {"environments": wrong})[:2] == (400, "invalid_argument")
    assert names() == ["staging", "dev", "production"]


def test_history_page_by_page(native, wine) -> None:
    version(native, wine)
    version(native, wine)
    native("POST", "/models", {"name": "beer"})
    whole = native("GET", "/history")["events"]
    assert [(e["model"], e["change"]) for e in whole[-4:]] == [
        ("beer", "model.created"),
        ("wine", "version.created"),
        ("wine", "version.created"),
        ("wine", "model.created"),
    ]
    first = native("GET", f"{wine}/history", limit=2)
    second = native("GET", f"{wine}/history", limit=2, cursor=first["next_cursor"])
    assert [e["id"] for e in first["events"] + second["events"]] == [e["id"] for e in whole if e["model"] == "wine"]
    assert second["next_cursor"] is None
    assert [e["version"] for e in native("GET", f"{wine}/history", version=2)["events"]] == [2]
    other = native.refused("GET", "/models/beer/history", limit=2, cursor=first["next_cursor"])
    assert other[:2] == (400, "invalid_argument")
    assert native.refused("GET", "/models/none/history")[:2] == (404, "not_found")


def test_an_alias_comes_and_goes(native, wine) -> None:
    version(native, wine)
    assert native("PUT", f"{wine}/aliases/best", {"version": 1, "reason": "only one"})["aliases"] == ["best"]
    native("DELETE", f"{wine}/aliases/best")
    assert native("GET", wine)["aliases"] == {}
    for path in ("aliases/best", "versions/@best"):
        assert native.refused("GET", f"{wine}/{path}")[:2] == (404, "not_found")
    assert native.refused("PUT", f"{wine}/aliases/best", {"version": 7})[:2] == (404, "not_found")
    assert native.refused("PUT", f"{wine}/aliases/v7", {"version": 1})[:2] == (400, "invalid_argument")
