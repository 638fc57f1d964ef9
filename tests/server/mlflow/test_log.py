"""Logging and metric histories over MLflow's REST protocol."""

import base64
import json
import math

import pytest


def logged(rest, run: str) -> dict:
    return rest.get("runs/get", run_id=run).json["run"]["data"]


def test_numbers_come_in_every_spelling_of_protobuf(rest) -> None:
    run = rest.run()
    for step, (value, expected) in enumerate(
        [(1, 1), ("0.5", 0.5), (True, 1), ("NaN", "NaN"), ("Infinity", 1.7976931348623157e308), (-0.25, -0.25)]
    ):
        rest.good("runs/log-metric", run_id=run, key="m", value=value, timestamp=str(step), step=float(step))
        assert logged(rest, run)["metrics"] == [{"key": "m", "value": expected, "timestamp": step, "step": step}], value
    rest.good("runs/log-metric", run_uuid=run, key="n", value=1, timestamp=9, step=None, unknown="ignored")
    assert {"key": "n", "value": 1, "timestamp": 9, "step": 0} in logged(rest, run)["metrics"]


def test_the_latest_metric_is_the_greatest_by_step_time_and_value(rest) -> None:
    run = rest.run()
    points = [(2, 5, 1.0), (1, 9, 7.0), (2, 6, 0.5), (2, 6, 0.25)]
    for step, timestamp, value in points:
        rest.good("runs/log-metric", run_id=run, key="m", value=value, timestamp=timestamp, step=step)
    assert logged(rest, run)["metrics"] == [{"key": "m", "value": 0.5, "timestamp": 6, "step": 2}]
    history = rest.get("metrics/get-history", run_id=run, metric_key="m").json["metrics"]
    ordered = sorted(points, key=lambda point: (point[1], point[0], point[2]))
    assert [(point["step"], point["timestamp"], point["value"]) for point in history] == ordered


def test_a_repeated_point_is_stored_once(rest) -> None:
    run = rest.run()
    metric = {"key": "m", "value": 1, "timestamp": 1, "step": 1}
    rest.good("runs/log-batch", run_id=run, metrics=[metric, metric])
    rest.good("runs/log-metric", run_id=run, **metric)
    assert len(rest.get("metrics/get-history", run_id=run, metric_key="m").json["metrics"]) == 1


def test_histories_come_in_pages(rest) -> None:
    run = rest.run()
    metrics = [{"key": "m", "value": step, "timestamp": step, "step": step} for step in range(5)]
    rest.good("runs/log-batch", run_id=run, metrics=metrics)
    ask = {"run_id": run, "metric_key": "m", "max_results": 2}
    seen, token = [], ""
    for _ in range(3):
        page = rest.get("metrics/get-history", **ask, **({"page_token": token} if token else {})).json
        seen += [point["step"] for point in page["metrics"]]
        token = page.get("next_page_token", "")
    assert (seen, token) == ([0, 1, 2, 3, 4], "")
    assert rest.get("metrics/get-history", run_id="nope", metric_key="m").json == {}
    for wrong, message in (
        ({"max_results": -1}, "It must be a positive integer"),
        ({"max_results": "abc"}, "Invalid value \"abc\" for parameter 'max_results' supplied"),
        ({"page_token": "invalid_token"}, "Invalid page token"),
        ({"page_token": base64.b64encode(b"[]").decode()}, "Invalid page token, decoded value"),
    ):
        refused = rest.get("metrics/get-history", **ask | wrong)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE"), wrong
        assert message in refused.message, wrong


def test_charts_get_both_ends_of_every_run(rest) -> None:
    runs = [rest.run(), rest.run()]
    for run, steps in zip(runs, (10, 20), strict=True):
        metrics = [{"key": "m", "value": step, "timestamp": step, "step": step} for step in range(steps)]
        rest.good("runs/log-batch", run_id=run, metrics=metrics)
    path = "metrics/get-history-bulk-interval"
    found = rest.get(path, run_ids=runs, metric_key="m", max_results=5).json["metrics"]
    assert [p["step"] for p in found if p["run_id"] == runs[0]] == [0, 4, 8, 9]
    assert [p["step"] for p in found if p["run_id"] == runs[1]] == [0, 4, 8, 9, 12, 16, 19]
    bounded = rest.get(path, run_ids=runs[:1], metric_key="m", start_step=3, end_step=5).json["metrics"]
    assert [p["step"] for p in bounded] == [3, 4, 5]
    assert "both must be specified" in rest.get(path, run_ids=runs, metric_key="m", start_step=3).message
    assert rest.get(path, metric_key="m").message.startswith("Missing value for required parameter 'run_ids'")


def test_params_are_written_once(rest) -> None:
    run = rest.run()
    rest.good("runs/log-parameter", run_id=run, key="p", value="1")
    rest.good("runs/log-parameter", run_id=run, key="p", value="1")
    rest.good("runs/log-parameter", run_id=run, key="empty")
    refused = rest.post("runs/log-parameter", run_id=run, key="p", value="2")
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert refused.message == (
        "Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID="
        f"'{run}'. Attempted logging new value '2'."
    )
    changed = [{"key": "p", "value": "9"}, {"key": "q", "value": "1"}]
    refused = rest.post("runs/log-batch", run_id=run, params=changed)
    assert "[{'key': 'p', 'old_value': '1', 'new_value': '9'}]" in refused.message
    assert {pair["key"]: pair["value"] for pair in logged(rest, run)["params"]} == {"p": "1", "empty": ""}


def test_long_values_are_cut_and_long_keys_refused(rest) -> None:
    run = rest.run()
    rest.good("runs/log-parameter", run_id=run, key="p", value="x" * 6001)
    rest.good("runs/set-tag", run_id=run, key="t", value="x" * 8001)
    data = logged(rest, run)
    assert len(data["params"][0]["value"]) == 6000
    assert {len(tag["value"]) for tag in data["tags"] if tag["key"] == "t"} == {8000}
    for path, body, name in (
        ("runs/log-parameter", {"value": "1"}, "Param key"),
        ("runs/set-tag", {"value": "1"}, "key"),
        ("runs/log-metric", {"value": 1, "timestamp": 1}, "Metric name"),
    ):
        assert (
            f"'{name}' exceeds the maximum length of 250 characters"
            in rest.post(path, run_id=run, key="k" * 251, **body).message
        )


def test_a_refused_batch_leaves_nothing_behind(rest) -> None:
    run = rest.run()
    good = [{"key": "m", "value": 1, "timestamp": 1}]
    for body in (
        {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]},
        {"tags": [{"key": "../b", "value": "1"}]},
        {"params": [{"key": "p", "value": 5}]},
    ):
        refused = rest.post("runs/log-batch", run_id=run, metrics=good, **body)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE"), body
    assert "metrics" not in logged(rest, run)


METRIC = {"key": "m", "value": 1, "timestamp": 1}
REFUSED = [
    ("log-metric", {**METRIC, "key": ""}, "Missing value for required parameter 'key'"),
    ("log-metric", {**METRIC, "value": None}, "Missing value for required parameter 'value'"),
    ("log-metric", {**METRIC, "value": "abc"}, "Invalid value \"abc\" for parameter 'value' supplied"),
    ("log-metric", {**METRIC, "value": [1]}, "Invalid value [1] for parameter 'value' supplied"),
    ("log-metric", {**METRIC, "timestamp": 1.5}, "Invalid value 1.5 for parameter 'timestamp' supplied"),
    ("log-metric", {**METRIC, "timestamp": -1}, "Timestamp must be a nonnegative long (64-bit integer)"),
    ("log-metric", {**METRIC, "step": 2**70}, "for parameter 'step' supplied"),
    ("log-metric", {**METRIC, "key": "a$b"}, "Names may only contain alphanumerics, underscores (_)"),
    ("log-batch", {"metrics": [5]}, "Invalid value [5] for parameter 'metrics' supplied"),
    ("log-batch", {"metrics": [{"key": "m", "value": 1}]}, "required parameter 'metrics[0].timestamp'"),
    ("log-batch", {"metrics": [{**METRIC, "value": "x"}]}, "for parameter 'metrics[0].value' supplied"),
    ("log-batch", {"params": [{"key": "p", "value": "1"}] * 2}, "Duplicate parameter keys have been submitted: ['p']"),
    (
        "log-batch",
        {"params": [{"key": str(n), "value": "1"} for n in range(101)]},
        "at most 100 params. Got 101 params",
    ),
    ("log-batch", {"metrics": [METRIC] * 1001}, "at most 1000 metrics. Got 1001 metrics. Please split up"),
    ("log-parameter", {"key": "../b"}, "This name would resolve to '../b'"),
    (
        "set-tag",
        {"key": "t", "value": 41},
        "Invalid value 41 for parameter 'value' supplied:  Hint: Value was of type 'int'",
    ),
]


def test_refusals_are_in_words_that_clients_match_on(sqlite_rest) -> None:
    run = sqlite_rest.run()
    for path, body, message in REFUSED:
        refused = sqlite_rest.post(f"runs/{path}", run_id=run, **body)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE"), (path, body)
        assert message in refused.message, (path, body)
    for literal in ("NaN", "Infinity"):
        text = json.dumps({"run_id": run, **METRIC, "value": math.inf}).replace("Infinity", literal)
        assert sqlite_rest.json_text("POST", "runs/log-metric", text).status == 400
    assert sqlite_rest.get("metrics/get-history", run_id=run, metric_key="m").json == {}


@pytest.mark.parametrize("path", ["log-metric", "log-batch", "log-parameter", "set-tag"])
def test_an_unknown_run_is_not_found(sqlite_rest, path) -> None:
    refused = sqlite_rest.post(f"runs/{path}", run_id="nope", key="k", value="1", timestamp=1)
    assert (refused.status, refused.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused.message == "Run with id=nope not found"
