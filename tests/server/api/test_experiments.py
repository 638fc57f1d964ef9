"""Experiments over the native API."""


def test_an_experiment_from_start_to_trash_and_back(native) -> None:
    made = native.ask("POST", "/experiments", {"name": "wine", "tags": {"team": "cellar"}})
    experiment = made.json
    path = f"/experiments/{experiment['id']}"
    assert (made.status, made.headers["location"]) == (201, f"/api/v1{path}")
    assert experiment["artifact_location"].endswith(f"/{experiment['id']}")
    assert native("GET", path) == experiment
    changed = native("PATCH", path, {"name": "wines", "tags": {"team": None, "kind": "red", "absent": None}})
    assert (changed["name"], changed["tags"]) == ("wines", {"kind": "red"})
    assert native("DELETE", path) is None
    deleted = native("GET", path)
    assert deleted["lifecycle"] == "deleted"
    assert deleted["deleted_ms"] >= experiment["created_ms"]
    assert native.refused("PATCH", path, {"name": "x"})[:2] == (409, "invalid_state")
    assert native.refused("DELETE", path)[:2] == (404, "not_found")
    assert native.refused("POST", "/experiments", {"name": "wines"})[:2] == (409, "already_exists")
    assert native("POST", path + "/restore")["lifecycle"] == "active"


def test_a_name_is_given_once(native) -> None:
    native("POST", "/experiments", {"name": "a"})
    number = native("POST", "/experiments", {"name": "b"})["id"]
    assert native.refused("PATCH", f"/experiments/{number}", {"name": "a"})[:2] == (409, "already_exists")
    refused = {"name": "c", "tags": {"x": "y", "a//b": "z"}}
    assert native.refused("PATCH", f"/experiments/{number}", refused)[:2] == (400, "invalid_argument")
    unchanged = native("GET", f"/experiments/{number}")
    assert (unchanged["name"], unchanged["tags"]) == ("b", {})


def test_pages(native) -> None:
    for name in "abcde":
        native("POST", "/experiments", {"name": f"wine {name}", "tags": {"letter": name}})

    def pages(**query) -> list[list[str]]:
        found, cursor = [], ""
        while cursor is not None:
            page = native("GET", "/experiments", limit=2, cursor=cursor, **query)
            found.append([each["name"] for each in page["experiments"]])
            cursor = page["next_cursor"]
        return found

    assert pages(filter="name LIKE 'wine %'", order_by="name") == [
        ["wine a", "wine b"],
        ["wine c", "wine d"],
        ["wine e"],
    ]
    assert pages(filter="tags.letter IN ('a', 'e') OR name = 'wine c'", order_by="name DESC") == [
        ["wine e", "wine c"],
        ["wine a"],
    ]
    everything = pages()
    assert sum(map(len, everything)) == 6
    assert native("GET", "/experiments", count="true", limit=1)["total"] == 6
    assert native("GET", "/experiments")["total"] is None


def test_ids_that_cannot_be(native) -> None:
    for number in ("77", "x", "-1", "1.0", str(2**63), "9" * 5000, "²"):
        assert native.refused("GET", f"/experiments/{number}")[:2] == (404, "not_found")


def test_a_listing_tells_what_goes_on(native) -> None:
    home, other = (native("POST", "/experiments", {"name": name})["id"] for name in ("busy", "idle"))
    runs = [native("POST", "/runs", {"experiment_id": home, "start_ms": at})["run_id"] for at in (10, 30, 20)]
    native("PATCH", f"/runs/{runs[0]}", {"status": "FINISHED"})
    gone = native("POST", "/runs", {"experiment_id": home, "start_ms": 99})["run_id"]
    native("DELETE", f"/runs/{gone}")

    def told(**query):
        found = native("GET", "/experiments", activity="true", **query)["experiments"]
        return {each["id"]: each["activity"] for each in found}

    active = told()
    assert active[home] == {"runs": 3, "running": 2, "last_start_ms": 30}
    assert active[other] == {"runs": 0, "running": 0, "last_start_ms": None}
    native("DELETE", f"/experiments/{home}")
    assert told(view="deleted")[home]["runs"] == 4  # its runs are in the trash like itself
    assert native("GET", "/experiments")["experiments"][0]["activity"] is None
