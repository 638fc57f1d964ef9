import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import serve
from tests.server.mlflow.rest import Rest


@pytest.fixture
def wine(rest):
    rest.good("registered-models/create", name="wine")
    return rest


def make(rest, name="wine", source="s3://bucket/model", **more):
    return rest.good("model-versions/create", name=name, source=source, **more)["model_version"]


def get(rest, version, name="wine"):
    return rest.get("model-versions/get", name=name, version=version).json["model_version"]


def move(rest, version, stage, **more):
    return rest.post("model-versions/transition-stage", name="wine", version=version, stage=stage, **more)


def latest(rest, *stages):
    found = rest.good("registered-models/get-latest-versions", name="wine", stages=list(stages))
    return {version["current_stage"]: version["version"] for version in found.get("model_versions", [])}


def test_the_life_of_a_version(wine):
    made = make(wine, tags=[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], run_id="r", run_link="l")
    assert made == {
        "name": "wine",
        "version": "1",
        "creation_timestamp": made["creation_timestamp"],
        "last_updated_timestamp": made["creation_timestamp"],
        "current_stage": "None",
        "description": "",
        "source": "s3://bucket/model",
        "run_id": "r",
        "status": "READY",
        "tags": [{"key": "a", "value": "2"}],
        "run_link": "l",
    }
    assert get(wine, "1") == made
    assert make(wine)["run_id"] == ""

    changed = wine.call("PATCH", "model-versions/update", {"name": "wine", "version": "1", "description": "x"})
    assert changed.json["model_version"]["description"] == "x"
    cleared = wine.call("PATCH", "model-versions/update", {"name": "wine", "version": "1"})
    assert "description" not in cleared.json["model_version"]

    wine.good("model-versions/set-tag", name="wine", version="1", key="b", value="3")
    for _ in range(2):
        assert (
            wine.call("DELETE", "model-versions/delete-tag", {"name": "wine", "version": "1", "key": "a"}).status == 200
        )
    assert get(wine, "1")["tags"] == [{"key": "b", "value": "3"}]
    assert wine.get("model-versions/get-download-uri", name="wine", version="1").json == {
        "artifact_uri": "s3://bucket/model"
    }

    assert wine.call("DELETE", "model-versions/delete", {"name": "wine", "version": "1"}).body == b"{}"
    gone = wine.get("model-versions/get", name="wine", version="1")
    assert (gone.status, gone.message) == (404, "Model Version (name=wine, version=1) not found")
    assert make(wine)["version"] == "3"


@pytest.mark.parametrize("version", ["abc", "1.0", "", "--1"])
def test_a_version_is_an_integer(sqlite_rest, version):
    answer = sqlite_rest.get("model-versions/get", name="wine", version=version)
    assert (answer.status, answer.code) == (400, "INVALID_PARAMETER_VALUE")
    if version:
        assert answer.message == f"Parameter 'version' must be an integer, got '{version}'."


def test_a_version_sent_as_a_number_is_refused_as_in_mlflow(sqlite_rest):
    answer = sqlite_rest.call("DELETE", "model-versions/delete", {"name": "wine", "version": 1})
    assert answer.status == 400
    assert answer.message.startswith("Invalid value 1 for parameter 'version' supplied")


def test_stages(wine):
    for _ in range(4):
        make(wine)
    assert move(wine, "1", "sTaGing").json["model_version"]["current_stage"] == "Staging"
    assert move(wine, "2", "Production").status == 200
    assert move(wine, "3", "Production").status == 200
    assert latest(wine) == {"None": "4", "Staging": "1", "Production": "3"}
    assert latest(wine, "production", "NONE") == {"None": "4", "Production": "3"}
    assert wine.get("registered-models/get-latest-versions", name="wine", stages=["Archived"]).json == {}

    assert move(wine, "1", "Production", archive_existing_versions=True).status == 200
    assert latest(wine) == {"None": "4", "Production": "1", "Archived": "3"}
    assert get(wine, "2")["current_stage"] == "Archived"

    unknown = move(wine, "1", "foo")
    assert unknown.status == 400
    assert unknown.message == (
        "Invalid Model Version stage: foo. Value must be one of None, Staging, Production, Archived."
    )
    impossible = move(wine, "1", "None", archive_existing_versions=True)
    assert (impossible.status, impossible.code) == (400, "INVALID_PARAMETER_VALUE")
    assert move(wine, "1", "Staging", archive_existing_versions="true").status == 400
    assert get(wine, "1")["current_stage"] == "Production"


def test_a_stage_call_is_seen_by_a_client_that_knows_aliases_and_the_other_way_round(wine):
    for _ in range(2):
        make(wine)
    move(wine, "1", "Production")
    assert wine.get("registered-models/alias", name="wine", alias="production").json["model_version"]["version"] == "1"
    wine.good("registered-models/alias", name="wine", alias="production", version="2")
    assert latest(wine, "Production") == {"Production": "2"}
    assert get(wine, "1")["current_stage"] == "Archived"
    assert get(wine, "2")["aliases"] == ["production"]
    wine.call("DELETE", "registered-models/alias", {"name": "wine", "alias": "production"})
    assert latest(wine, "Production") == {}


def test_a_model_lists_the_newest_version_of_each_stage(wine):
    for _ in range(3):
        make(wine)
    move(wine, "1", "Archived")
    move(wine, "2", "Archived")
    model = wine.get("registered-models/get", name="wine").json["registered_model"]
    assert [(each["version"], each["current_stage"]) for each in model["latest_versions"]] == [
        ("2", "Archived"),
        ("3", "None"),
    ]
    searched = wine.get("registered-models/search").json["registered_models"]
    assert searched == [model]


def test_searching_versions(wine):
    wine.good("registered-models/create", name="beer")
    make(wine, tags=[{"key": "k", "value": "v"}])
    make(wine, "beer", run_id="abc")
    make(wine)

    def found(**query):
        answer = wine.get("model-versions/search", **query).json
        return [(each["name"], each["version"]) for each in answer.get("model_versions", [])]

    assert found(filter="name = 'wine'", order_by=["version_number"]) == [("wine", "1"), ("wine", "2")]
    assert found(order_by=["name"]) == [("beer", "1"), ("wine", "2"), ("wine", "1")]
    assert found(filter="tags.k = 'v'") == [("wine", "1")]
    assert found(filter="run_id IN ('abc', 'def')") == [("beer", "1")]
    assert found(filter="name != 'beer' AND version_number > 1") == [("wine", "2")]
    assert found(filter="source_path = 's3://bucket/model' AND name LIKE 'b%'") == [("beer", "1")]
    wine.call("PATCH", "model-versions/update", {"name": "wine", "version": "1"})
    first = wine.get("model-versions/search", max_results=1).json
    assert (first["model_versions"][0]["name"], first["model_versions"][0]["version"]) == ("wine", "1")
    assert first["next_page_token"]
    for query in (
        {"max_results": 0},
        {"max_results": 200_001},
        {"filter": "foo = 1"},
        {"filter": "name = 5"},
        {"order_by": ["zz"]},
        {"order_by": ["name", "name"]},
        {"page_token": "zz"},
    ):
        assert wine.get("model-versions/search", **query).status == 400, query


def test_a_version_of_a_logged_model(wine):
    experiment = wine.experiment()
    run = wine.run(experiment)
    logged = wine.model(experiment, source_run_id=run)
    made = make(wine, source=f"models:/{logged}", model_id=logged)
    assert made["run_id"] == run
    found = wine.get(f"logged-models/{logged}").json["model"]
    uri = wine.get("model-versions/get-download-uri", name="wine", version="1").json["artifact_uri"]
    assert uri == found["info"]["artifact_uri"]
    make(wine, source=f"models:/{logged}", model_id=logged)
    tags = {tag["key"]: tag["value"] for tag in wine.get(f"logged-models/{logged}").json["model"]["info"]["tags"]}
    assert tags["mlflow.modelVersions"] == '[{"name": "wine", "version": 1}, {"name": "wine", "version": 2}]'
    missing = wine.post("model-versions/create", name="wine", source="s3://b/m", model_id="m-none")
    assert (missing.status, missing.message) == (404, "Logged model with ID 'm-none' not found.")


def race(rests, calls):
    """Create versions of one model from 16 threads; their numbers."""

    def one(index):
        answer = rests[index % len(rests)].post("model-versions/create", name="wine", source=f"s3://b/{index}")
        assert answer.status == 200, answer.body
        version = json.loads(answer.body)["model_version"]
        return int(version["version"]), version["source"]

    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(one, range(calls)))
    assert len({source for _, source in made}) == calls
    return sorted(number for number, _ in made)


def test_200_versions_at_once_have_200_consecutive_numbers(wine):
    assert race([wine], 200) == list(range(1, 201))
    assert len(wine.get("model-versions/search", filter="name = 'wine'").json["model_versions"]) == 200


@pytest.fixture
def two_servers(postgres, tmp_path):
    url = postgres.create()
    servers = [serve(tmp_path / name, url) for name in ("a", "b")]
    yield [Rest(next(server).url) for server in servers]
    for server in servers:
        next(server, None)
    postgres.drop(url)


def test_two_servers_on_one_database_give_no_number_twice(two_servers):
    two_servers[0].good("registered-models/create", name="wine")
    assert race(two_servers, 200) == list(range(1, 201))


def test_two_servers_that_move_the_same_versions_agree_in_the_end(two_servers):
    rest = two_servers[0]
    rest.good("registered-models/create", name="wine")
    rest.good("registered-models/create", name="beer")
    for _ in range(8):
        make(rest)
        make(rest, "beer")

    def step(index):
        server, chance = two_servers[index % 2], random.Random(index)
        name, version = chance.choice(["wine", "beer"]), str(chance.randint(1, 8))
        stage = chance.choice(["Staging", "Production", "Archived", "None"])
        action = chance.choice(["stage", "archive", "alias", "unalias"])
        if action in ("stage", "archive"):
            archive = action == "archive" and stage in ("Staging", "Production")
            body = {"version": version, "stage": stage, "archive_existing_versions": archive}
            return server.post("model-versions/transition-stage", name=name, **body)
        alias = chance.choice(["staging", "production", "champion"])
        if action == "alias":
            return server.post("registered-models/alias", name=name, alias=alias, version=version)
        return server.call("DELETE", "registered-models/alias", {"name": name, "alias": alias})

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(step, range(200)))
    assert {answer.status for answer in answers} == {200}

    for name in ("wine", "beer"):
        stages = {version: get(rest, str(version), name)["current_stage"] for version in range(1, 9)}
        model = rest.get("registered-models/get", name=name).json["registered_model"]
        pointers = {alias["alias"]: int(alias["version"]) for alias in model.get("aliases", [])}
        for env, stage in (("staging", "Staging"), ("production", "Production")):
            held = [version for version, its_stage in stages.items() if its_stage == stage]
            assert not held or pointers[env] in stages
            shown = rest.good("registered-models/get-latest-versions", name=name, stages=[stage])
            assert [int(each["version"]) for each in shown.get("model_versions", [])] == (
                [pointers[env]] if env in pointers else []
            )
            if env in pointers and pointers.get("production") != pointers[env]:
                assert stages[pointers[env]] == stage
