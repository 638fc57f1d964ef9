"""What a table of runs is made of: any part of a long listing, keys, values, groups, and changes of many runs."""

import math

import pytest

from tests.server.api.test_runs import names, start


@pytest.fixture
def home(native) -> int:
    return native("POST", "/experiments", {"name": "wine"})["id"]


def test_any_part_of_a_listing_is_read_by_position(native, home) -> None:
    ids = [start(native, home, at, name=f"run-{at}", metrics={"loss": [at % 3]}) for at in range(20)]
    asked = {"experiment_ids": [home], "fields": ["info"], "limit": 3, "count": True}
    page = native("POST", "/runs/search", {**asked, "offset": 10})
    assert (names(page), page["total"], page["next_cursor"]) == (["run-9", "run-8", "run-7"], 20, None)
    assert names(native("POST", "/runs/search", {**asked, "offset": 19})) == ["run-0"]
    assert native("POST", "/runs/search", {**asked, "offset": 20})["runs"] == []
    whole = native("POST", "/runs/search", {**asked, "limit": 20, "order_by": ["metrics.loss"]})
    parts = [
        name
        for at in range(0, 20, 3)
        for name in names(native("POST", "/runs/search", {**asked, "order_by": ["metrics.loss"], "offset": at}))
    ]
    assert parts == names(whole)
    found = native("POST", "/runs/search", {**asked, "offset": 0, "locate": ids[12]})
    assert found["place"] == 7
    start(native, home, 100, name="newer")
    found = native("POST", "/runs/search", {**asked, "offset": 0, "locate": ids[12]})
    assert (names(found)[0], found["place"], found["total"]) == ("newer", 8, 21)
    native("DELETE", f"/runs/{ids[12]}")
    found = native("POST", "/runs/search", {**asked, "offset": 8, "locate": ids[12]})
    assert (names(found)[0], found["place"], found["total"]) == ("run-11", None, 20)
    assert native.refused("POST", "/runs/search", {**asked, "offset": 1, "cursor": "abc"})[:2] == (
        400,
        "invalid_argument",
    )


def test_runs_that_start_together_are_ordered_alike_everywhere(native, home) -> None:
    for _ in range(12):
        start(native, home, 5)
    asked = {"experiment_ids": [home], "fields": ["info"], "order_by": ["run_id DESC"]}
    for order in ([], ["status"], ["run_id DESC"]):
        asked["order_by"] = order
        whole = [run["run_id"] for run in native("POST", "/runs/search", asked)["runs"]]
        parts = [native("POST", "/runs/search", {**asked, "limit": 1, "offset": at})["runs"] for at in range(12)]
        assert [run["run_id"] for (run,) in parts] == whole


def test_positions_over_several_experiments(native, home) -> None:
    other = native("POST", "/experiments", {"name": "beer"})["id"]
    for at in range(6):
        start(native, (home, other)[at % 2], at, name=f"run-{at}")
    asked = {"experiment_ids": [home, other], "fields": ["info"], "limit": 2, "offset": 2}
    assert names(native("POST", "/runs/search", asked)) == ["run-3", "run-2"]


def test_params_are_read_as_numbers(native, home) -> None:
    for at, value in enumerate(["0.1", "1e-3", "10", "9", "auto", "nan"]):
        start(native, home, at, name=value, params={"lr": value})
    asked = {"experiment_ids": [home], "fields": ["info"]}
    ordered = native("POST", "/runs/search", {**asked, "order_by": ["number(params.lr)"]})
    assert names(ordered) == ["1e-3", "0.1", "9", "10", "nan", "auto"]
    found = native("POST", "/runs/search", {**asked, "filter": "number(params.lr) > 0.05 AND number(params.lr) < 10"})
    assert sorted(names(found)) == ["0.1", "9"]
    first = native("POST", "/runs/search", {**asked, "order_by": ["number(params.lr)"], "limit": 4})
    rest = native("POST", "/runs/search", {**asked, "order_by": ["number(params.lr)"], "cursor": first["next_cursor"]})
    assert names(first) + names(rest) == names(ordered)


def test_runs_are_found_by_how_long_they_took(native, home) -> None:
    for at, took in enumerate((500, 50, None)):
        run = start(native, home, at, name=str(took))
        if took:
            native("PATCH", f"/runs/{run}", {"status": "FINISHED", "end_ms": at + took})
    asked = {"experiment_ids": [home], "fields": ["info"]}
    assert names(native("POST", "/runs/search", {**asked, "order_by": ["duration"]})) == ["50", "500", "None"]
    assert names(native("POST", "/runs/search", {**asked, "filter": "duration > 100"})) == ["500"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("metrics.loss < 1 AND nonsense = 1", "21,31"),
        ("params.a = 'x' AND params.b > 'x'", "19,33"),
        ("params.a = 1", "0,12"),
        ("metrics.loss <", "14,14"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_at_the_place(native, text, place) -> None:
    told = native.ask("POST", "/runs/search", {"filter": text}).json
    (part,) = told["errors"]
    assert part["pointer"] == f"/filter#char={place}"
    assert part["detail"]


def test_the_keys_that_runs_have(native, home) -> None:
    start(native, home, 1, params={"old": "1"})
    for at in range(3):
        start(native, home, 10 + at, params={"lr": f"0.{at}", "kind": "a"}, metrics={"loss": [at]}, tags={"team": "x"})
    start(native, home, 20, params={"lr": "auto"})
    run = start(native, home, 30, metrics={"deleted": [1]})
    native("DELETE", f"/runs/{run}")
    some = native("POST", "/runs/keys", {"experiment_ids": [home], "newest": 4})
    assert some["of_newest"] == 4
    assert some["params"] == [
        {"key": "lr", "runs": 4, "numeric": False, "min": None, "max": None},
        {"key": "kind", "runs": 3, "numeric": False, "min": None, "max": None},
    ]
    assert some["metrics"] == [{"key": "loss", "runs": 3, "numeric": True, "min": 0, "max": 2}]
    every = native("POST", "/runs/keys", {"experiment_ids": [home], "newest": 1, "every": True})
    assert [(use["key"], use["runs"]) for use in every["params"]] == [("lr", 4), ("kind", 3), ("old", 1)]
    assert ("team", 3) in [(use["key"], use["runs"]) for use in every["tags"]]
    assert native("POST", "/runs/keys", {"experiment_ids": [12345]}) == {
        "params": [],
        "metrics": [],
        "tags": [],
        "of_newest": 0,
    }


def test_nan_is_a_number_without_a_range(native, home) -> None:
    start(native, home, params={"lr": "nan"}, metrics={"loss": [None]})
    found = native("POST", "/runs/keys", {"experiment_ids": [home]})
    for kind in ("params", "metrics"):
        assert found[kind] == [{**found[kind][0], "numeric": True, "min": None, "max": None}]


def test_the_values_that_a_field_has(native, home) -> None:
    for at, kind in enumerate(("forest", "forest", "Linear", "lineage")):
        start(native, home, at, params={"kind": kind}, metrics={"loss": [at, None]})
    asked = {"experiment_ids": [home], "field": "params.kind"}
    assert native("POST", "/runs/values", asked)["values"][0] == {"value": "forest", "runs": 2}
    found = native("POST", "/runs/values", {**asked, "contains": "LINE", "limit": 1})
    assert (found["values"], found["distinct"]) == ([{"value": "Linear", "runs": 1}], 2)
    assert native("POST", "/runs/values", {**asked, "filter": "params.kind = 'x'"})["values"] == []
    found = native("POST", "/runs/values", {**asked, "field": "max(metrics.loss)"})
    assert (found["min"], found["max"]) == (0, 3)
    assert native("POST", "/runs/values", {**asked, "field": "params.absent"})["distinct"] == 0
    assert native.refused("POST", "/runs/values", {**asked, "field": "nonsense"})[0] == 400


def test_runs_are_grouped_and_summarised(native, home) -> None:
    runs = (("a", 1, "x"), ("a", 3, "x"), ("b", 2, "x"), ("b", None, "y"), (None, 5, "x"))
    for at, (kind, loss, team) in enumerate(runs):
        params = {} if kind is None else {"kind": kind}
        start(native, home, at + 1, params=params, metrics={"loss": [loss]}, tags={"team": team})
    asked = {"experiment_ids": [home], "by": ["params.kind"], "numbers": ["metrics.loss"]}
    found = native("POST", "/runs/groups", asked)
    assert (found["total"], found["runs"]) == (3, 5)
    first, second, third = found["groups"]
    assert (first["values"], first["runs"], first["newest_ms"]) == (["a"], 2, 2)
    assert first["numbers"] == [{"count": 2, "mean": 2, "min": 1, "max": 3, "std": 1}]
    assert (second["values"], second["numbers"][0]["count"]) == (["b"], 1)
    assert (third["values"], third["runs"]) == ([None], 1)

    def order(by, **more):
        return [
            group["values"] for group in native("POST", "/runs/groups", {**asked, "order_by": by, **more})["groups"]
        ]

    assert order("mean(metrics.loss) DESC") == [[None], ["a"], ["b"]]
    assert order("newest DESC") == [[None], ["b"], ["a"]]
    assert order("group desc") == [["b"], ["a"], [None]]
    assert order("group", offset=1, limit=1) == [["b"]]
    two = native("POST", "/runs/groups", {**asked, "by": ["tags.team", "params.kind"], "filter": "params.kind = 'b'"})
    assert sorted(group["values"] for group in two["groups"]) == [["x", "b"], ["y", "b"]]
    empty = next(group for group in two["groups"] if group["values"][0] == "y")
    assert empty["numbers"] == [{"count": 0, "mean": None, "min": None, "max": None, "std": None}]
    assert native("POST", "/runs/groups", {**asked, "experiment_ids": []}) == {"groups": [], "total": 0, "runs": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": ["metrics.loss"]},
        {"by": ["params.kind"], "numbers": ["params.kind"]},
        {"by": ["params.kind"], "order_by": "size"},
        {"by": ["params.kind"], "order_by": "mean(metrics.loss)"},
        {"by": []},
    ],
)
def test_groups_that_make_no_sense_are_refused(native, home, wrong) -> None:
    start(native, home, params={"kind": "a"}, metrics={"loss": [1]})
    assert native.refused("POST", "/runs/groups", {"experiment_ids": [home], **wrong})[:2] == (400, "invalid_argument")


def test_numbers_of_any_size_are_summarised(native, home) -> None:
    for value in (1e308, 1e308, math.inf):
        start(native, home, params={"kind": "a"}, metrics={"loss": [min(value, 1.7e308)]})
    (group,) = native(
        "POST", "/runs/groups", {"experiment_ids": [home], "by": ["params.kind"], "numbers": ["metrics.loss"]}
    )["groups"]
    assert (group["numbers"][0]["min"], group["numbers"][0]["mean"]) == (1e308, None)


def test_several_runs_change_at_once_or_not_at_all(native, home) -> None:
    runs = [start(native, home, at, tags={"old": "1"}) for at in range(3)]
    assert native("POST", "/runs/change", {"run_ids": runs, "tags": {"keep": "yes", "old": None}}) == {"changed": 3}
    found = native(
        "POST", "/runs/search", {"experiment_ids": [home], "filter": "tags.keep = 'yes' AND tags.old IS NULL"}
    )
    assert len(found["runs"]) == 3
    assert native.refused("POST", "/runs/change", {"run_ids": [runs[0], "0" * 32], "lifecycle": "deleted"})[0] == 404
    assert native("POST", "/runs/count", {"experiment_ids": [home]})["count"] == 3
    native("POST", "/runs/change", {"run_ids": runs[:2], "lifecycle": "deleted"})
    assert native("POST", "/runs/count", {"experiment_ids": [home], "view": "deleted"})["count"] == 2
    assert native.refused("POST", "/runs/change", {"run_ids": runs, "tags": {"a": "b"}})[0] == 409
    native("POST", "/runs/change", {"run_ids": runs[:2], "lifecycle": "active", "tags": {"a": "b"}})
    assert native("POST", "/runs/count", {"experiment_ids": [home], "filter": "tags.a = 'b'"})["count"] == 2


def test_a_run_tells_the_versions_that_come_from_it(native, home) -> None:
    runs = [start(native, home, at) for at in range(2)]
    native("POST", "/models", {"name": "wine"})
    for number, run in enumerate((runs[0], runs[0], runs[1]), 1):
        native("POST", "/models/wine/versions", {"source": f"s3://x/{number}", "run_id": run})
    native("PUT", "/models/wine/aliases/champion", {"version": "2"})
    native("PUT", "/models/wine/environments/production", {"version": "2"})
    found = native("GET", f"/runs/{runs[0]}", fields=["versions"])["versions"]
    assert [(each["model"], each["version"], each["aliases"], each["environments"]) for each in found] == [
        ("wine", 1, [], []),
        ("wine", 2, ["champion"], ["production"]),
    ]
    assert found[1]["stage"] == "Production"
    assert native("GET", f"/runs/{runs[0]}")["versions"] is None
