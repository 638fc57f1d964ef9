import base64
import json
from pathlib import Path

import pytest


def names(answer):
    return [each["name"] for each in answer.json.get("experiments", [])]


def test_an_experiment_from_creation_to_trash_and_back(rest):
    number = rest.experiment("e", tags=[{"key": "b", "value": "1"}, {"key": "b", "value": "2"}])
    run = rest.run(number)
    found = rest.get("experiments/get", experiment_id=number).json["experiment"]
    assert found == {
        "experiment_id": number,
        "name": "e",
        "artifact_location": f"mlflow-artifacts:/{number}",
        "lifecycle_stage": "active",
        "creation_time": found["creation_time"],
        "last_update_time": found["creation_time"],
        "tags": [{"key": "b", "value": "2"}],
    }
    assert rest.good("experiments/update", experiment_id=number, new_name="f") == {}
    assert rest.get("experiments/get-by-name", experiment_name="f").json["experiment"]["experiment_id"] == number

    assert rest.good("experiments/delete", experiment_id=number) == {}
    assert rest.get("runs/get", run_id=run).json["run"]["info"]["lifecycle_stage"] == "deleted"
    assert rest.get("experiments/get-by-name", experiment_name="f").json["experiment"]["lifecycle_stage"] == "deleted"
    again = rest.post("experiments/delete", experiment_id=number)
    assert (again.status, again.code) == (404, "RESOURCE_DOES_NOT_EXIST")
    for path, body in (
        ("runs/create", {}),
        ("experiments/set-experiment-tag", {"key": "k", "value": "v"}),
        ("logged-models", {}),
    ):
        refused = rest.post(path, experiment_id=number, **body)
        assert (refused.status, refused.message) == (
            400,
            f"The experiment {number} must be in the 'active' state. Current state is deleted.",
        )
    assert rest.post("experiments/update", experiment_id=number, new_name="g").status == 400

    assert rest.good("experiments/restore", experiment_id=number) == {}
    assert rest.get("runs/get", run_id=run).json["run"]["info"]["lifecycle_stage"] == "active"
    assert rest.post("experiments/restore", experiment_id=number).status == 404


def test_names_are_taken_even_by_the_trash(rest):
    number = rest.experiment("taken")
    rest.good("experiments/delete", experiment_id=number)
    other = rest.experiment("other")
    for refused in (
        rest.post("experiments/create", name="taken"),
        rest.post("experiments/update", experiment_id=other, new_name="taken"),
    ):
        assert (refused.status, refused.code) == (400, "RESOURCE_ALREADY_EXISTS")
        assert refused.message.startswith("Experiment(name=taken) already exists.")


def test_tags(rest):
    number = rest.experiment()
    rest.good("experiments/set-experiment-tag", experiment_id=number, key="k", value="v" * 20_000)
    rest.good("experiments/set-experiment-tag", experiment_id=number, key="empty")
    found = rest.get("experiments/get", experiment_id=number).json["experiment"]["tags"]
    assert found == [{"key": "empty", "value": ""}, {"key": "k", "value": "v" * 20_000}]
    rest.good("experiments/delete-experiment-tag", experiment_id=number, key="k")
    gone = rest.post("experiments/delete-experiment-tag", experiment_id=number, key="k")
    assert (gone.status, gone.message) == (404, f"No tag with name: k in experiment with id {number}")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("create", {}, "Missing value for required parameter 'name'."),
        ("create", {"name": ""}, "Missing value for required parameter 'name'."),
        ("create", {"name": 5}, "Invalid value 5 for parameter 'name' supplied"),
        ("create", {"name": "n" * 501}, "'name' exceeds the maximum length of 500 characters"),
        ("create", {"name": "a", "tags": "5"}, "Invalid value \"5\" for parameter 'tags' supplied"),
        ("create", {"name": "a", "tags": [{"key": "../b"}]}, "would resolve to '../b'"),
        ("create", {"name": "a", "artifact_location": "runs:/a"}, "Artifact location cannot be a runs:/ URI."),
        ("create", {"name": "a", "artifact_location": "s3://b#c"}, "can't include fragments or params"),
        ("create", {"name": "a", "artifact_location": "s3://[b/c"}, "'artifact_location' is not a URI"),
        ("delete", {"experiment_id": "abc"}, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
        ("update", {"experiment_id": "0"}, "Missing value for required parameter 'new_name'."),
        ("update", {"experiment_id": "0", "new_name": "n" * 501}, "'name' exceeds the maximum length of 500"),
        ("set-experiment-tag", {"experiment_id": "0", "key": ""}, "Missing value for required parameter 'key'."),
        ("set-experiment-tag", {"experiment_id": "0", "key": "a$"}, "Names may only contain alphanumerics"),
        (
            "set-experiment-tag",
            {"experiment_id": "0", "key": "k", "value": "v" * 20_001},
            "'value' exceeds the maximum",
        ),
        ("search", {}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        ("search", {"max_results": 50_001}, "It must be at most 50000"),
        ("search", {"max_results": "abc"}, "Invalid value \"abc\" for parameter 'max_results' supplied"),
        ("search", {"max_results": 5, "filter": "foo = 1"}, "Invalid attribute key 'foo' specified."),
        ("search", {"max_results": 5, "order_by": ["foo"]}, "Invalid attribute key 'foo' specified."),
        ("search", {"max_results": 5, "page_token": "a"}, "Invalid page token, could not base64-decode"),
        ("search", {"max_results": 5, "filter": "name = 'a' OR name = 'b'"}, "Invalid clause(s) in filter string"),
    ],
)
def test_what_is_refused(sqlite_rest, path, body, message):
    refused = sqlite_rest.post(f"experiments/{path}", **body)
    assert (refused.status, refused.code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in refused.message


def test_ids_that_nothing_has(rest):
    for text, shown in (("999", "999"), ("-1337", "-1337"), ("9" * 30, "9" * 30)):
        absent = rest.get("experiments/get", experiment_id=text)
        assert (absent.status, absent.message) == (404, f"No Experiment with id={shown} exists")
    absent = rest.get("experiments/get-by-name", experiment_name="nope")
    assert (absent.status, absent.message) == (404, "Could not find experiment with name 'nope'")


def test_where_artifacts_go(rest):
    cases = {
        "my_location": str(Path.cwd() / "my_location"),
        "s3://bucket/root": "s3://bucket/root",
        "mysql://user:password@host:port/dbname?driver=d": "mysql://user:password@host:port/dbname?driver=d",
    }
    for given, kept in cases.items():
        number = rest.experiment(given, artifact_location=given)
        assert rest.get("experiments/get", experiment_id=number).json["experiment"]["artifact_location"] == kept
    uri = rest.get("runs/get", run_id=(run := rest.run(number))).json["run"]["info"]["artifact_uri"]
    assert uri == f"mysql://user:password@host:port/dbname/{run}/artifacts?driver=d"
    model = rest.get(f"logged-models/{rest.model(number)}").json["model"]["info"]
    assert model["artifact_uri"] == (
        f"mysql://user:password@host:port/dbname/models/{model['model_id']}/artifacts?driver=d"
    )


def test_search(rest):
    for name, team in (("a", "x"), ("b", "y"), ("Abc", "x")):
        rest.experiment(name, tags=[{"key": "team", "value": team}])
    rest.good("experiments/delete", experiment_id=rest.experiment("gone"))

    def found(**body):
        return names(rest.post("experiments/search", **{"max_results": 100, **body}))

    assert found() == ["Abc", "b", "a", "Default"]
    assert found(order_by=["name DESC"]) == ["b", "a", "Default", "Abc"]
    assert found(view_type="DELETED_ONLY") == ["gone"]
    assert found(view_type="ALL", order_by=["name"]) == ["Abc", "Default", "a", "b", "gone"]
    assert found(view_type=3, filter="name = 'gone'") == ["gone"]
    assert found(filter="tags.team = 'x'") == ["Abc", "a"]
    assert found(filter="tags.team != 'x' AND name LIKE '%b%'") == ["b"]
    assert found(filter="name ILIKE 'A%'") == ["Abc", "a"]
    assert found(filter="tags.team IS NULL") == ["Default"]
    assert found(filter="name = 'nothing'") == []
    assert names(rest.get("experiments/search", max_results=1)) == ["Abc"]


def test_pages(rest):
    for number in range(5):
        rest.experiment(f"e{number}")
    seen, token = [], ""
    while True:
        page = rest.good("experiments/search", max_results=2, order_by=["name"], page_token=token)
        seen += [each["name"] for each in page["experiments"]]
        token = page.get("next_page_token", "")
        if not token:
            break
        assert json.loads(base64.b64decode(token)) == {"offset": len(seen)}
    assert seen == ["Default", "e0", "e1", "e2", "e3", "e4"]
