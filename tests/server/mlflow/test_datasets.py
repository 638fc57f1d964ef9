import pytest

AJAX = "/ajax-api/2.0/mlflow/experiments/search-datasets"


def dataset(name="n", digest="d", **more):
    return {"name": name, "digest": digest, "source_type": "local", "source": "s", **more}


def use(found, **tags):
    return {"dataset": found, "tags": [{"key": key.replace("_", "."), "value": value} for key, value in tags.items()]}


def shown(rest, run):
    return rest.get("runs/get", run_id=run).json["run"]["inputs"]


def test_inputs_of_a_run(rest):
    home = rest.experiment()
    run, other = rest.run(home), rest.run(home)
    full = dataset(schema="{}", profile="{}")
    rest.good(
        "runs/log-inputs",
        run_id=run,
        datasets=[use(full, foo="bar", mlflow_data_context="train"), use(dataset(source="later"), foo="dropped")],
        models=[{"model_id": "m-1"}, {"model_id": "m-1"}],
    )
    first = {
        "dataset": full,
        "tags": [{"key": "foo", "value": "bar"}, {"key": "mlflow.data.context", "value": "train"}],
    }
    assert shown(rest, run) == {"dataset_inputs": [first], "model_inputs": [{"model_id": "m-1"}]}

    # A dataset that the experiment knows stays as it was first logged; so does its link with the run.
    rest.good("runs/log-inputs", run_id=run, datasets=[use(dataset(source="x"), new="tag"), use(dataset("n2", ""))])
    assert shown(rest, run)["dataset_inputs"] == [first, {"dataset": dataset("n2", ""), "tags": []}]
    rest.good("runs/log-inputs", run_id=other, datasets=[use(dataset(source="x"), mlflow_data_context="test")])
    assert shown(rest, other)["dataset_inputs"] == [
        {"dataset": full, "tags": [{"key": "mlflow.data.context", "value": "test"}]}
    ]

    summary = {"experiment_id": home, "name": "n", "digest": "d"}
    assert rest.good(AJAX, experiment_ids=[home, "0"])["dataset_summaries"] == [
        {**summary, "context": "test"},
        {**summary, "context": "train"},
        {**summary, "name": "n2", "digest": ""},
    ]
    assert rest.good(AJAX, experiment_ids=["0"]) == {}

    def runs(text):
        return {each["info"]["run_id"] for each in rest.good("runs/search", experiment_ids=[home], filter=text)["runs"]}

    assert runs("dataset.name = 'n'") == {run, other}
    assert runs("dataset.context = 'test'") == {other}


def test_a_deleted_run_takes_no_inputs(rest):
    run = rest.run()
    rest.good("runs/delete", run_id=run)
    refused = rest.post("runs/log-inputs", run_id=run)
    assert (refused.status, refused.message) == (
        400,
        f"The run {run} must be in the 'active' state. Current state is deleted.",
    )
    assert rest.post("runs/log-inputs", run_id="0" * 32).message == f"Run with id={'0' * 32} not found"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"datasets": "x"}, "Invalid value \"x\" for parameter 'datasets' supplied"),
        ({"datasets": [use(dataset("n" * 501))]}, "'name' exceeds the maximum length of 500 characters"),
        ({"datasets": [use(dataset(digest="d" * 37))]}, "'digest' exceeds the maximum length of 36 characters"),
        ({"datasets": [use(dataset(source="s" * 65_536))]}, "'source' exceeds the maximum length of 65535 characters"),
        ({"datasets": [use(dataset(), **{"k" * 256: "v"})]}, "'key' exceeds the maximum length of 255 characters"),
        ({"datasets": [use(dataset(), k="v" * 501)]}, "'value' exceeds the maximum length of 500 characters"),
        ({"datasets": [{}] * 1001}, "At most 1000 datasets"),
        ({"models": [{}]}, "Missing value for required parameter 'models[0].model_id'."),
    ],
)
def test_inputs_that_are_refused(sqlite_rest, body, message):
    refused = sqlite_rest.post("runs/log-inputs", run_id=sqlite_rest.run(), **body)
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in refused.message


def test_searches_that_are_refused(sqlite_rest):
    none = sqlite_rest.post(AJAX)
    assert (none.status, none.message) == (400, "SearchDatasets request must specify at least one experiment_id.")
    many = sqlite_rest.post(AJAX, experiment_ids=[f"id_{n}" for n in range(21)])
    assert many.message.startswith("SearchDatasets request cannot specify more than 20 experiment_ids. Received 21")
