"""Runs over MLflow's REST protocol: shapes, defaults, and refusals in MLflow's words."""

import pytest

NEW = {"experiment_id": "0", "start_time": 5, "user_id": "u", "run_name": "first"}


def test_a_new_run_has_the_shape_that_clients_read(rest) -> None:
    run = rest.good("runs/create", **NEW, tags=[{"key": "b", "value": "2"}])["run"]
    uuid = run["info"]["run_id"]
    assert len(uuid) == 32
    assert run == {
        "info": {
            "run_uuid": uuid,
            "run_id": uuid,
            "experiment_id": "0",
            "run_name": "first",
            "user_id": "u",
            "status": "RUNNING",
            "start_time": 5,
            "artifact_uri": f"mlflow-artifacts:/0/{uuid}/artifacts",
            "lifecycle_stage": "active",
        },
        "data": {"tags": [{"key": "b", "value": "2"}, {"key": "mlflow.runName", "value": "first"}]},
        "inputs": {},
    }
    assert rest.get("runs/get", run_uuid=uuid).json["run"] == {**run, "outputs": {}}


def test_names_are_made_up_and_follow_the_tag(rest) -> None:
    run = rest.good("runs/create", experiment_id="0")["run"]
    uuid, name = run["info"]["run_id"], run["info"]["run_name"]
    assert name
    assert run["info"]["start_time"] == 0
    rest.good("runs/set-tag", run_id=uuid, key="mlflow.runName", value="by tag")
    rest.good("runs/set-tag", run_id=uuid, key="mlflow.runName", value="")
    rest.good("runs/update", run_id=uuid, run_name="")
    assert rest.get("runs/get", run_id=uuid).json["run"]["info"]["run_name"] == "by tag"
    rest.good("runs/update", run_id=uuid, run_name="by name")
    found = rest.get("runs/get", run_id=uuid).json["run"]
    assert found["data"]["tags"] == [{"key": "mlflow.runName", "value": "by name"}]
    refused = rest.post("runs/create", run_name="a", tags=[{"key": "mlflow.runName", "value": "b"}])
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert "with different values (run_name='a', mlflow.runName='b')" in refused.message


def test_a_run_ends_and_its_status_is_a_name_or_a_number(rest) -> None:
    uuid = rest.run()
    info = rest.good("runs/update", run_id=uuid, status=3, end_time="7")["run_info"]
    assert (info["status"], info["end_time"]) == ("FINISHED", 7)
    assert rest.good("runs/update", run_id=uuid, status="KILLED")["run_info"]["end_time"] == 7
    for wrong in ("BOGUS", 9, True, [3]):
        refused = rest.post("runs/update", run_id=uuid, status=wrong)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE"), wrong


def test_a_deleted_run_is_read_but_not_written(rest) -> None:
    uuid = rest.run()
    rest.good("runs/delete", run_id=uuid)
    rest.good("runs/delete", run_id=uuid)
    assert rest.get("runs/get", run_id=uuid).json["run"]["info"]["lifecycle_stage"] == "deleted"
    for path, body in (
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("runs/log-parameter", {"key": "p", "value": "1"}),
        ("runs/set-tag", {"key": "t", "value": "1"}),
        ("runs/log-batch", {}),
        ("runs/update", {"status": "FINISHED"}),
        ("runs/log-inputs", {}),
    ):
        refused = rest.post(path, run_id=uuid, **body)
        assert refused.status == 400, path
        assert f"The run {uuid} must be in the 'active' state. Current state is deleted." in refused.message, path
    assert rest.good("runs/search", experiment_ids=["0"]) == {}
    assert len(rest.good("runs/search", experiment_ids=["0"], run_view_type="DELETED_ONLY")["runs"]) == 1
    rest.good("runs/restore", run_id=uuid)
    assert len(rest.good("runs/search", experiment_ids=["0"], run_view_type=["nonsense"])["runs"]) == 1


def test_tags_are_deleted_once(rest) -> None:
    uuid = rest.run(tags=[{"key": "t", "value": "1"}])
    rest.good("runs/delete-tag", run_id=uuid, key="t")
    refused = rest.post("runs/delete-tag", run_id=uuid, key="t")
    assert (refused.status, refused.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused.message == f"No tag with name: t in run with id {uuid}"


REFUSED = {
    ("runs/create", '{"experiment_id": "abc"}'): "Invalid experiment ID 'abc'. Experiment ID must be a valid integer.",
    ("runs/create", '{"experiment_id": 5}'): "Invalid value 5 for parameter 'experiment_id' supplied:  Hint: Value was",
    ("runs/create", '{"start_time": "x"}'): "Invalid value \"x\" for parameter 'start_time' supplied",
    ("runs/create", '{"tags": [5]}'): "Invalid value [5] for parameter 'tags' supplied",
    (
        "runs/create",
        '{"tags": "x"}',
    ): "Invalid value \"x\" for parameter 'tags' supplied:  Hint: Value was of type 'str'.",
    ("runs/create", "[]"): "must be a JSON object",
    ("runs/create", "{bad"): "Failed to parse request body as JSON",
    ("runs/update", "{}"): "Missing value for required parameter 'run_id'. See the API docs for more information",
    ("runs/delete", '{"run_id": ""}'): "Missing value for required parameter 'run_id'",
    ("runs/search", '{"experiment_ids": "0"}'): "Invalid value \"0\" for parameter 'experiment_ids' supplied",
    ("runs/search", '{"experiment_ids": ["x"]}'): "Invalid experiment ID 'x'. Experiment ID must be a valid integer.",
    ("runs/search", '{"max_results": 50001}'): "Invalid value 50001 for parameter 'max_results' supplied:  Hint",
    ("runs/search", '{"max_results": 0}'): "It must be a positive integer",
    ("runs/search", '{"page_token": "a"}'): "Invalid page token, could not base64-decode",
    ("runs/search", '{"order_by": ["metrics.m", "metrics.m"]}'): "`order_by` contains duplicate fields",
    ("runs/search", '{"filter": "metrics.a = 1 OR metrics.b = 2"}'): "Invalid clause(s) in filter string: 'OR'",
}


def test_refusals_are_in_words_that_clients_match_on(sqlite_rest) -> None:
    for (path, body), message in REFUSED.items():
        refused = sqlite_rest.json_text("POST", path, body)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE"), body
        assert message in refused.message, body


@pytest.mark.parametrize("path", ["runs/get", "runs/update", "runs/delete", "runs/restore"])
def test_an_unknown_run_is_not_found(sqlite_rest, path) -> None:
    nope = "0" * 32
    refused = sqlite_rest.get(path, run_id=nope) if path == "runs/get" else sqlite_rest.post(path, run_id=nope)
    assert (refused.status, refused.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused.message == f"Run with id={nope} not found"


def test_another_content_type_is_refused(sqlite_rest) -> None:
    refused = sqlite_rest.call("POST", "runs/create", b"{}")
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert refused.message == "Bad Request. Content-Type must be one of ['application/json']."
