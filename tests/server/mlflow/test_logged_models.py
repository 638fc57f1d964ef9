import json

import pytest


def info(answer):
    return answer.json["model"]["info"]


@pytest.fixture
def home(rest):
    return rest.experiment()


def test_a_logged_model_from_creation_to_trash(rest, home):
    run = rest.run(home)
    created = rest.good(
        "logged-models",
        experiment_id=home,
        name="n",
        model_type="agent",
        source_run_id=run,
        params=[{"key": "a", "value": "1"}],
        tags=[{"key": "t", "value": "v"}],
    )["model"]
    number = created["info"]["model_id"]
    assert created == {
        "info": {
            "model_id": number,
            "experiment_id": home,
            "name": "n",
            "creation_timestamp_ms": created["info"]["creation_timestamp_ms"],
            "last_updated_timestamp_ms": created["info"]["creation_timestamp_ms"],
            "artifact_uri": f"mlflow-artifacts:/{home}/models/{number}/artifacts",
            "status": "LOGGED_MODEL_PENDING",
            "model_type": "agent",
            "source_run_id": run,
            "tags": [{"key": "t", "value": "v"}],
        },
        "data": {"params": [{"key": "a", "value": "1"}]},
    }
    assert len(number) == 34
    assert number.startswith("m-")
    assert rest.get(f"logged-models/{number}").json["model"] == created

    path = f"logged-models/{number}"
    for status, shown in ((2, "LOGGED_MODEL_READY"), ("LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_UPLOAD_FAILED")):
        done = rest.call("PATCH", path, {"model_id": number, "status": status})
        assert (done.status, info(done)["status"]) == (200, shown)

    assert rest.call("DELETE", path).json == {}
    assert rest.call("DELETE", path).status == 200
    gone = rest.get(path)
    assert (gone.status, gone.message) == (404, f"Logged model with ID '{number}' not found.")
    assert info(rest.get(path, allow_deleted="true"))["model_id"] == number
    assert rest.good("logged-models/search", experiment_ids=[home]) == {}


def test_a_name_is_made_up_if_there_is_none(rest, home):
    for body in ({}, {"name": ""}):
        made = rest.good("logged-models", experiment_id=home, **body)["model"]
        assert made["info"]["name"].count("-") == 2
        assert (made["info"]["model_type"], made["info"]["source_run_id"], made["data"]) == ("", "", {})


def test_params_keep_their_first_value(rest, home):
    number = rest.model(home, params=[{"key": "a", "value": "1"}])

    def log(**params):
        pairs = [{"key": key, "value": value} for key, value in params.items()]
        return rest.post(f"logged-models/{number}/params", model_id=number, params=pairs)

    assert log(a="1", b="2").json == {}
    changed = log(c="3", a="9")
    assert (changed.status, changed.code) == (400, "INVALID_PARAMETER_VALUE")
    assert "already logged with value='1'" in changed.message
    found = rest.get(f"logged-models/{number}").json["model"]["data"]["params"]
    assert found == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]


def test_tags_may_have_any_key(rest, home):
    number = rest.model(home, tags=[{"key": "t", "value": "1"}])
    tags = [{"key": "a b/c", "value": "x"}, {"key": "t", "value": "2"}]
    assert rest.call("PATCH", f"logged-models/{number}/tags", {"tags": tags}).json == {}
    assert info(rest.get(f"logged-models/{number}"))["tags"] == tags
    assert rest.call("DELETE", f"logged-models/{number}/tags/a%20b%2Fc").json == {}
    gone = rest.call("DELETE", f"logged-models/{number}/tags/a%20b%2Fc")
    assert (gone.status, gone.message) == (404, f"No tag with key 'a b/c' found for model with ID '{number}'.")


def test_metrics_that_name_a_model_are_its_metrics_too(rest, home):
    run, number = rest.run(home), rest.model(home)
    point = {"key": "acc", "value": 0.5, "timestamp": 1, "model_id": number, "dataset_name": "d", "dataset_digest": "x"}
    rest.good("runs/log-metric", run_id=run, **point)
    rest.good("runs/log-metric", run_id=run, **point)
    rest.good(
        "runs/log-batch",
        run_id=run,
        metrics=[{**point, "step": 1, "value": "NaN"}, {"key": "b", "value": 1, "timestamp": 1}],
    )
    found = rest.get(f"logged-models/{number}").json["model"]["data"]["metrics"]
    assert found == [{**point, "step": 0, "run_id": run}, {**point, "step": 1, "value": "NaN", "run_id": run}]
    latest = rest.get("runs/get", run_id=run).json["run"]["data"]["metrics"]
    assert {each["key"] for each in latest} == {"acc", "b"}
    absent = rest.post("runs/log-batch", run_id=run, metrics=[{**point, "key": "z", "model_id": "m-nope"}])
    assert (absent.status, absent.message) == (404, "Logged model with ID 'm-nope' not found.")
    assert rest.get("metrics/get-history", run_id=run, metric_key="z").json == {}


@pytest.fixture
def five(rest, home):
    """Models named a to e, oldest first, with metrics of one run."""
    run = rest.run(home)
    ids = {}
    for number, name in enumerate("abcde"):
        ids[name] = rest.model(
            home,
            name=name,
            params=[{"key": "depth", "value": str(number)}],
            tags=[{"key": "even", "value": str(number % 2 == 0)}],
        )
    for name, value, timestamp, dataset in (
        ("a", 0.9, 1, "train"),
        ("a", 0.1, 2, "test"),
        ("b", 0.5, 1, "test"),
        ("c", float("nan"), 1, "test"),
        ("d", 0.7, 1, None),
    ):
        point = {"key": "acc", "value": "NaN" if value != value else value, "timestamp": timestamp}  # noqa: PLR0124
        named = {"dataset_name": dataset, "dataset_digest": "1"} if dataset else {}
        rest.good("runs/log-metric", run_id=run, model_id=ids[name], **point, **named)
    return ids


def test_search(rest, home, five):
    def found(**body):
        answer = rest.good("logged-models/search", experiment_ids=[home], **body)
        return "".join(each["info"]["name"] for each in answer.get("models", []))

    assert found() == "edcba"
    assert found(filter="metrics.acc > 0.6") == "da"  # any of its points, not the latest
    assert found(filter="metrics.acc > 0.6 AND metrics.acc < 0.2") == "a"
    assert found(filter="params.depth = '3'") == "d"
    assert found(filter="tags.even = 'True' AND name != 'a'") == "ec"
    assert found(filter="name IN ('a', 'b')") == "ba"
    assert found(filter=f"model_id = '{five['c']}'") == "c"
    assert found(filter="attributes.status = 'PENDING'") == "edcba"
    assert found(filter="creation_timestamp > 0 AND name LIKE 'A'") == ""
    assert found(datasets=[{"dataset_name": "test"}]) == "cba"
    assert found(datasets=[{"dataset_name": "test", "dataset_digest": "2"}]) == ""
    assert found(datasets=[{"dataset_name": "test"}], filter="metrics.acc > 0.3") == "b"
    assert found(order_by=[{"field_name": "name"}]) == "abcde"
    assert found(order_by=[{"field_name": "creation_time"}]) == "abcde"
    # by the latest value, what has none last, then the newest first
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": False}]) == "dbaec"
    assert found(order_by=[{"field_name": "metrics.acc"}]) == "abdec"
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": False, "dataset_name": "train"}]) == "aedcb"


def test_pages_belong_to_their_question(rest, home, five):
    question = {"experiment_ids": [home], "order_by": [{"field_name": "name"}], "max_results": 2}
    first = rest.good("logged-models/search", **question)
    second = rest.good("logged-models/search", **question, page_token=first["next_page_token"])
    third = rest.good("logged-models/search", **question, page_token=second["next_page_token"])
    assert [each["info"]["name"] for page in (first, second, third) for each in page["models"]] == list("abcde")
    assert "next_page_token" not in third
    for other, message in (
        ({"order_by": []}, "Order by in the page token does not match the requested order by."),
        ({"filter": "name = 'a'"}, "Filter string in the page token does not match the requested filter string."),
        ({"experiment_ids": ["0"]}, "Experiment IDs in the page token do not match the requested experiment IDs."),
    ):
        refused = rest.post("logged-models/search", **{**question, **other}, page_token=first["next_page_token"])
        assert refused.status == 400
        assert refused.message.startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing value for required parameter 'experiment_ids'."),
        ({"experiment_ids": ["0"], "max_results": -1}, "Invalid value -1 for parameter 'max_results' supplied"),
        ({"experiment_ids": ["x"]}, "Invalid experiment ID 'x'."),
        ({"experiment_ids": ["0"], "filter": "foo = 'x'"}, "Invalid attribute key 'foo'"),
        ({"experiment_ids": ["0"], "filter": "foo.x = 1"}, "Invalid entity type: 'foo'."),
        ({"experiment_ids": ["0"], "filter": "name > 'x'"}, "Invalid comparison operator for attributes.name: '>'."),
        ({"experiment_ids": ["0"], "order_by": [{}]}, "Invalid order by field name: "),
        ({"experiment_ids": ["0"], "order_by": [{"field_name": "params.a"}]}, "Only metrics are supported."),
        ({"experiment_ids": ["0"], "datasets": [{"dataset_digest": "d"}]}, "`dataset_name` in the `datasets` clause"),
        ({"experiment_ids": ["0"], "page_token": "zz"}, "Invalid page token: zz."),
        ({"experiment_ids": ["0"], "page_token": "WzFd"}, "Invalid page token: WzFd."),
    ],
)
def test_searches_that_are_refused(sqlite_rest, body, message):
    refused = sqlite_rest.post("logged-models/search", **body)
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in refused.message


def test_other_calls_that_are_refused(sqlite_rest):
    rest = sqlite_rest
    number = rest.model()
    path = f"logged-models/{number}"
    double = [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]
    for answer, status, message in (
        (rest.post("logged-models"), 400, "Missing value for required parameter 'experiment_id'."),
        (rest.post("logged-models", experiment_id="999"), 404, "No Experiment with id=999 exists"),
        (rest.post("logged-models", experiment_id="0", name="a/b"), 400, "Invalid model name ('a/b') provided."),
        (rest.post("logged-models", experiment_id="0", params=double), 400, "Duplicate parameter keys"),
        (rest.call("PATCH", path, {"status": 2}), 400, "Missing value for required parameter 'model_id'."),
        (rest.call("PATCH", path, {"model_id": number}), 400, "Missing value for required parameter 'status'."),
        (rest.call("PATCH", path, {"model_id": number, "status": "BOGUS"}), 400, 'Invalid value "BOGUS"'),
        (rest.call("PATCH", path, {"model_id": number, "status": 4}), 400, "Invalid value 4"),
        (rest.call("PATCH", "logged-models/m-x", {"model_id": "m-x", "status": 2}), 404, "Logged model with ID 'm-x'"),
        (rest.call("PATCH", f"{path}/tags", {"tags": "x"}), 400, "Invalid value \"x\" for parameter 'tags'"),
        (rest.call("DELETE", "logged-models/m-x"), 404, "Logged model with ID 'm-x' not found."),
        (rest.call("DELETE", "logged-models/m-x/tags/t"), 404, "Logged model with ID 'm-x' not found."),
    ):
        assert answer.status == status, answer.body
        assert message in answer.message


def test_a_run_shows_the_models_that_it_made(rest, home):
    run, number = rest.run(home), rest.model(home)
    rest.good("runs/outputs", run_id=run, models=[{"model_id": number, "step": 1}])
    rest.good("runs/outputs", run_id=run, models=[{"model_id": number, "step": 3}, {"model_id": "m-other"}])
    rest.good("runs/outputs", run_id=run, models=[])
    shown = [{"model_id": "m-other", "step": 0}, {"model_id": number, "step": 3}]
    assert rest.get("runs/get", run_id=run).json["run"]["outputs"] == {"model_outputs": shown}
    searched = rest.good("runs/search", experiment_ids=[home])["runs"]
    assert searched[0]["outputs"] == {"model_outputs": shown}
    assert rest.post("runs/outputs", run_id=run).message.startswith("Missing value for required parameter 'models'.")
    rest.good("runs/delete", run_id=run)
    assert "Current state is deleted" in rest.post("runs/outputs", run_id=run, models=[]).message
    assert rest.post("runs/outputs", run_id="nope", models=[]).status == 404


def test_old_clients_leave_a_models_manifest_in_a_tag(rest, home):
    run = rest.run(home)
    manifest = {
        "run_id": run,
        "artifact_path": "model",
        "utc_time_created": "2023-01-01",
        "model_uuid": "u",
        "signature": {"inputs": "x" * 9000},
        "flavors": {"python_function": {"config": {"a": 1}, "loader_module": "m" * 9000}},
    }
    for path in ("model", "other"):
        rest.good("runs/log-model", run_id=run, model_json=json.dumps({**manifest, "artifact_path": path}))
    tags = rest.get("runs/get", run_id=run).json["run"]["data"]["tags"]
    history = json.loads(next(tag["value"] for tag in tags if tag["key"] == "mlflow.log-model.history"))
    kept = {key: manifest[key] for key in ("run_id", "utc_time_created", "model_uuid")}
    flavors = {"python_function": {"loader_module": "m" * 9000}}
    assert history == [{**kept, "artifact_path": path, "flavors": flavors} for path in ("model", "other")]
    for text, message in (("{", "is not a valid JSON."), ("[]", "is not a valid JSON."), ("{}", "mandatory fields")):
        refused = rest.post("runs/log-model", run_id=run, model_json=text)
        assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
        assert message in refused.message
