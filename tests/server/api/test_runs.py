"""Runs over the native API: from their start to their search."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.api.native import Native


@pytest.fixture
def home(native) -> int:
    return native("POST", "/experiments", {"name": "wine"})["id"]


def start(native: Native, home: int, start_ms: int = 0, **body) -> str:
    logged = {key: body.pop(key) for key in ("metrics", "params") if key in body}
    run_id = native("POST", "/runs", {"experiment_id": home, "start_ms": start_ms, **body})["run_id"]
    if "metrics" in logged:
        points = [{"key": k, "value": v, "step": at} for k, vs in logged["metrics"].items() for at, v in enumerate(vs)]
        logged["metrics"] = points
    if logged:
        native("POST", f"/runs/{run_id}/log", logged)
    return run_id


def names(page) -> list[str]:
    return [run["info"]["name"] for run in page["runs"]]


def test_a_run_from_start_to_end(native, home) -> None:
    made = native.ask("POST", "/runs", {"experiment_id": home, "name": "first", "user": "ann", "tags": {"team": "x"}})
    run = made.json
    assert made.status == 201
    assert made.headers["location"] == f"/api/v1/runs/{run['run_id']}"
    assert run["info"]["start_ms"] > 1_600_000_000_000
    native(
        "POST",
        f"/runs/{run['run_id']}/log",
        {
            "metrics": [
                {"key": "loss", "value": 0.5, "step": 1, "timestamp_ms": 10},
                {"key": "loss", "value": 0.25, "step": 2, "timestamp_ms": 20},
                {"key": "loss", "value": 0.75, "step": 3, "timestamp_ms": 30},
            ],
            "params": {"lr": "0.1"},
            "tags": {"stage": "dev"},
        },
    )
    ended = native("PATCH", f"/runs/{run['run_id']}", {"status": "FINISHED", "name": "renamed", "tags": {"team": None}})
    assert ended["info"]["end_ms"] >= ended["info"]["start_ms"]
    found = native("GET", f"/runs/{run['run_id']}", best="min")
    assert found["metrics"] == {
        "loss": {"value": 0.75, "step": 3, "timestamp_ms": 30, "min": 0.25, "max": 0.75, "best": 0.25}
    }
    assert found["params"] == {"lr": "0.1"}
    assert found["tags"] == {"mlflow.runName": "renamed", "stage": "dev"}
    assert found["info"] == {
        "name": "renamed",
        "status": "FINISHED",
        "start_ms": run["info"]["start_ms"],
        "end_ms": ended["info"]["end_ms"],
        "lifecycle": "active",
        "user": "ann",
        "artifact_uri": run["info"]["artifact_uri"],
    }


def test_only_what_is_asked_for_is_answered(native, home) -> None:
    run_id = start(native, home, metrics={"loss": [1, 2], "f1": [0.5]}, params={"lr": "1", "depth": "3"})
    asked = native("GET", f"/runs/{run_id}", fields=["params.lr", "metrics.loss"])
    assert asked["params"] == {"lr": "1"}
    assert list(asked["metrics"]) == ["loss"]
    assert (asked["info"], asked["tags"], asked["datasets"], asked["models"]) == (None, None, None, None)
    assert native("GET", f"/runs/{run_id}", fields="tags.*")["tags"].keys() == {"mlflow.runName"}
    assert native("GET", f"/runs/{run_id}", fields="params.absent")["params"] == {}
    status, code, detail = native.refused("GET", f"/runs/{run_id}", fields="param.lr")
    assert (status, code) == (400, "invalid_argument")
    assert "'param.lr'" in detail
    assert "params" in detail


def test_nan_is_null_in_both_directions(native, home) -> None:
    run_id = start(native, home, metrics={"loss": [2.0, None]})
    assert native("GET", f"/runs/{run_id}")["metrics"]["loss"] | {"timestamp_ms": 0} == {
        "value": None,
        "step": 1,
        "timestamp_ms": 0,
        "min": 2.0,
        "max": 2.0,
        "best": None,
    }
    assert native("GET", f"/runs/{run_id}/metrics/loss")["values"] == [2.0, None]


def test_a_log_is_kept_whole_or_not_at_all(native, home) -> None:
    run_id = start(native, home, params={"lr": "1"})
    body = {"metrics": [{"key": "loss", "value": 1.0}], "params": {"lr": "2"}, "tags": {"a": "b"}}
    status, _, detail = native.refused("POST", f"/runs/{run_id}/log", body)
    assert status == 400
    assert "'lr'" in detail
    after = native("GET", f"/runs/{run_id}")
    assert (after["metrics"], after["params"]) == ({}, {"lr": "1"})
    assert "a" not in after["tags"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"metrics": [{"key": "a*b", "value": 1}]}, "metrics[0].key"),
        ({"metrics": [{"key": "", "value": 1}]}, "/metrics/0/key"),
        ({"metrics": [{"key": "a", "value": "1"}]}, "/metrics/0/value"),
        ({"params": {"": "x"}}, "empty"),
        ({"params": {"a": "x" * 6001}}, "6000"),
        ({"tags": {"../a": "x"}}, "tags"),
        ({"tags": {"a": "x" * 8001}}, "8000"),
        ({"metrics": [{"key": "a", "value": 1, "step": 2**63}]}, "/metrics/0/step"),
        ({"metrics": [{"key": "a", "value": 1, "timestamp_ms": -1}]}, "/metrics/0/timestamp_ms"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(sqlite_native, body, said) -> None:
    run_id = start(sqlite_native, 0)
    status, code, detail = sqlite_native.refused("POST", f"/runs/{run_id}/log", body)
    assert (status, code) == (400, "invalid_argument")
    assert said in detail


def test_trash_and_back(native, home) -> None:
    run_id = start(native, home)
    assert native("DELETE", f"/runs/{run_id}") is None
    assert native("GET", f"/runs/{run_id}")["info"]["lifecycle"] == "deleted"
    body = {"metrics": [{"key": "loss", "value": 1.0}]}
    assert native.refused("POST", f"/runs/{run_id}/log", body)[:2] == (409, "invalid_state")
    assert native.refused("PATCH", f"/runs/{run_id}", {"name": "x"})[:2] == (409, "invalid_state")
    assert native("POST", "/runs/search", {"experiment_ids": [home]})["runs"] == []
    assert len(native("POST", "/runs/search", {"experiment_ids": [home], "view": "deleted"})["runs"]) == 1
    assert native("POST", f"/runs/{run_id}/restore")["info"]["lifecycle"] == "active"
    assert native("POST", "/runs/count", {"experiment_ids": [home]}) == {"count": 1}
    for method, path, sent in [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("POST", "/log", body),
    ]:
        assert native.refused(method, f"/runs/{'0' * 32}{path}", sent)[:2] == (404, "not_found")


def test_inputs_and_outputs(native, home) -> None:
    run_id = start(native, home)
    model = native("POST", "/logged-models", {"experiment_id": home})["id"]
    use = {"name": "wine", "digest": "1a", "source_type": "local", "source": "/x", "tags": {"context": "train"}}
    native("POST", f"/runs/{run_id}/inputs", {"datasets": [use], "models": [model]})
    native("POST", f"/runs/{run_id}/outputs", {"models": [{"model_id": model, "step": 3}]})
    found = native("GET", f"/runs/{run_id}", fields=["datasets", "models"])
    assert found["datasets"] == [{**use, "schema": None, "profile": None}]
    assert found["models"] == [
        {"model_id": model, "direction": "input", "step": 0},
        {"model_id": model, "direction": "output", "step": 3},
    ]


def test_the_filter_language(native, home) -> None:
    for name, losses, kind in [
        ("a", [0.9, 0.1], "tree"),
        ("b", [0.5], "net"),
        ("c", [0.2, 0.8], "tree"),
        ("d", [], ""),
    ]:
        params = {"params": {"kind": kind}} if kind else {}
        start(native, home, start_ms=ord(name), name=name, metrics={"loss": losses}, **params)

    def found(text: str) -> str:
        body = {"experiment_ids": [home], "filter": text, "order_by": ["start_time"], "fields": ["info"]}
        return "".join(names(native("POST", "/runs/search", body)))

    assert found("") == "abcd"
    assert found("metrics.loss < 0.3 OR params.kind = 'net'") == "ab"
    assert found("NOT (metrics.loss < 0.3 OR params.kind = 'net')") == "cd"
    assert found("params.kind IN ('net', 'bush')") == "b"
    assert found("params.kind NOT IN ('net')") == "ac"
    assert found("min(metrics.loss) < 0.3") == "ac"
    assert found("max(metrics.loss) > 0.6 AND NOT run_name = 'a'") == "c"
    assert found("params.kind IS NULL") == "d"
    status, code, detail = native.refused("POST", "/runs/search", {"filter": "metrics.loss <"})
    assert (status, code) == (400, "invalid_argument")
    assert "loss" in detail


def test_best_by_direction(native, home) -> None:
    start(native, home, metrics={"loss": [3, 1, 2], "f1": [0.1, 0.9, 0.5]})
    body = {"experiment_ids": [home], "best": {"loss": "min", "f1": "max"}, "fields": ["metrics"]}
    metrics = native("POST", "/runs/search", body)["runs"][0]["metrics"]
    assert {key: each["best"] for key, each in metrics.items()} == {"loss": 1, "f1": 0.9}
    body["best"] = "max"
    metrics = native("POST", "/runs/search", body)["runs"][0]["metrics"]
    assert {key: each["best"] for key, each in metrics.items()} == {"loss": 3, "f1": 0.9}


def test_pages_stay_right_while_runs_are_added(native, home) -> None:
    other = native("POST", "/experiments", {"name": "other"})["id"]
    there = {start(native, where, metrics={"loss": [at % 3]}) for at, where in enumerate([home, other] * 4)}
    body = {"experiment_ids": [home, other], "order_by": ["metrics.loss DESC"], "limit": 3, "fields": ["info"]}
    seen: list[str] = []
    page = native("POST", "/runs/search", {**body, "count": True})
    assert page["total"] == 8
    while True:
        seen += [run["run_id"] for run in page["runs"]]
        if page["next_cursor"] is None:
            break
        start(native, home, metrics={"loss": [5]})
        start(native, other, metrics={"loss": [1]})
        page = native("POST", "/runs/search", {**body, "cursor": page["next_cursor"]})
        assert page["total"] is None
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


def test_a_cursor_belongs_to_its_order(native, home) -> None:
    for _ in range(3):
        start(native, home)
    cursor = native("POST", "/runs/search", {"limit": 1})["next_cursor"]
    for body in ({"order_by": ["metrics.loss"]}, {"cursor": cursor[:-2]}, {"cursor": "abc"}, {"cursor": "A" * 99}):
        status, code, detail = native.refused("POST", "/runs/search", {"limit": 1, "cursor": cursor, **body})
        assert (status, code) == (400, "invalid_argument")
        assert "cursor" in detail


def test_without_experiments_all_are_searched_but_those_in_the_trash(native, home) -> None:
    gone = native("POST", "/experiments", {"name": "gone"})["id"]
    kept, dropped = start(native, home), start(native, gone)
    native("DELETE", f"/experiments/{gone}")
    body = {"view": "all"}
    assert [run["run_id"] for run in native("POST", "/runs/search", body)["runs"]] == [kept]
    body["experiment_ids"] = [gone]
    assert [run["run_id"] for run in native("POST", "/runs/search", body)["runs"]] == [dropped]


def test_texts_sort_alike_over_experiments(native, home) -> None:
    other = native("POST", "/experiments", {"name": "other"})["id"]
    for where, name in [(home, "b"), (other, "d"), (home, "e"), (other, "a"), (other, "c")]:
        start(native, where, name=name)
    for order, expected in [("run_name", "abcde"), ("run_name DESC", "edcba")]:
        body = {"experiment_ids": [home, other], "order_by": [order], "limit": 2}
        found, cursor = [], ""
        while cursor is not None:
            page = native("POST", "/runs/search", {**body, "cursor": cursor})
            found += names(page)
            cursor = page["next_cursor"]
        assert "".join(found) == expected


def test_totals(native, home) -> None:
    before = native("GET", "/totals")
    run_id = start(native, home, metrics={"loss": [1, 2, 3]})
    start(native, home)
    native("PATCH", f"/runs/{run_id}", {"status": "FAILED"})
    native("DELETE", f"/runs/{start(native, home)}")
    native("POST", "/models", {"name": "m"})
    native("POST", "/models/m/versions", {"source": "s3://bucket/x"})
    after = native("GET", "/totals")
    assert after["points"] - before["points"] == 3
    assert after["runs_by_status"] == {"FAILED": 1, "RUNNING": 1}
    assert (after["runs"], after["runs_in_trash"], after["models"], after["versions"]) == (2, 1, 1, 1)
    assert after["experiments"] == before["experiments"]


def test_pages_stay_right_under_writers(native, home) -> None:
    there = {start(native, home, metrics={"loss": [at % 7]}) for at in range(60)}
    done = threading.Event()

    def write(client: Native) -> int:
        made = 0
        while not done.is_set():
            start(client, home, metrics={"loss": [made % 9]}, params={"kind": str(made % 3)})
            made += 1
        return made

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, Native(native.url)) for _ in range(3)]
        try:
            for order in ("metrics.loss", "start_time DESC", "params.kind DESC"):
                seen: list[str] = []
                body = {"experiment_ids": [home], "order_by": [order], "limit": 7, "fields": ["info"]}
                cursor = ""
                while cursor is not None and not there <= set(seen):
                    page = native("POST", "/runs/search", {**body, "cursor": cursor})
                    seen += [run["run_id"] for run in page["runs"]]
                    cursor = page["next_cursor"]
                assert len(seen) == len(set(seen)), order
                assert there <= set(seen), order
        finally:
            done.set()
        made = sum(writer.result() for writer in writers)
    assert made > 0
    assert native("POST", "/runs/count", {"experiment_ids": [home]})["count"] == 60 + made
    best = native("POST", "/runs/count", {"experiment_ids": [home], "filter": "metrics.loss IS NOT NULL"})
    assert best["count"] == 60 + made


def test_a_run_with_an_id_of_its_own_may_be_started_twice(native, home) -> None:
    wish = {
        "experiment_id": home,
        "run_id": "ab" * 16,
        "name": "first",
        "start_ms": 5,
        "user": "ann",
        "tags": {"a": "b"},
    }
    made = native.ask("POST", "/runs", wish)
    assert (made.status, made.json["run_id"]) == (201, "ab" * 16)
    assert native("POST", "/runs", wish) == made.json
    native("POST", f"/runs/{'ab' * 16}/log", {"params": {"lr": "1"}, "tags": {"a": "c"}})
    native("PATCH", f"/runs/{'ab' * 16}", {"name": "second", "status": "FINISHED"})
    again = native("POST", "/runs", wish)
    assert again == native("GET", f"/runs/{'ab' * 16}")
    assert (again["info"]["name"], again["info"]["status"], again["params"]) == ("second", "FINISHED", {"lr": "1"})
    unsaid = {key: value for key, value in wish.items() if key != "start_ms"}
    assert native("POST", "/runs", unsaid) == again
    for other in ({"start_ms": 6}, {"user": "bob"}, {"experiment_id": 0}):
        status, code, detail = native.refused("POST", "/runs", {**wish, **other})
        assert (status, code) == (409, "already_exists")
        assert "ab" * 16 in detail
    native("DELETE", f"/runs/{'ab' * 16}")
    assert native("POST", "/runs", wish)["info"]["lifecycle"] == "deleted"


@pytest.mark.parametrize("run_id", ["", "AB" * 16, "ab" * 15, "zz" * 16, "ab" * 16 + "\n"])
def test_an_id_that_is_none(native, home, run_id) -> None:
    status, code, _ = native.refused("POST", "/runs", {"experiment_id": home, "run_id": run_id})
    assert (status, code) == (400, "invalid_argument")


def test_a_run_in_an_experiment_by_name(native, home) -> None:
    assert native("POST", "/runs", {"experiment_name": "wine"})["experiment_id"] == home
    run = native("POST", "/runs", {"experiment_name": "new", "run_id": "cd" * 16})
    made = native("GET", f"/experiments/{run['experiment_id']}")
    assert made["name"] == "new"
    assert run["info"]["artifact_uri"].startswith(made["artifact_location"])
    assert native("POST", "/runs", {"experiment_name": "new"})["experiment_id"] == made["id"]
    native("DELETE", f"/experiments/{made['id']}")
    assert native.refused("POST", "/runs", {"experiment_name": "new"})[:2] == (409, "invalid_state")
    for wish in ({}, {"experiment_id": home, "experiment_name": "wine"}):
        status, _, detail = native.refused("POST", "/runs", wish)
        assert status == 400
        assert "experiment_name" in detail


def test_an_experiment_of_a_run_that_is_refused_is_not_made(native, home) -> None:
    native("POST", "/runs", {"experiment_id": home, "run_id": "ef" * 16})
    assert native.refused("POST", "/runs", {"experiment_name": "never", "run_id": "ef" * 16})[0] == 409
    assert "never" not in [each["name"] for each in native("GET", "/experiments")["experiments"]]


def test_many_callers_start_the_same_run(native, home) -> None:
    wish = {"experiment_name": "race", "run_id": "0f" * 16, "start_ms": 1}
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: native.ask("POST", "/runs", wish).status, range(16)))
    assert statuses == [201] * 16
