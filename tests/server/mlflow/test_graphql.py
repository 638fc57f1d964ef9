"""`/graphql` as MLflow's browser interface asks it, and as somebody asks it who means no good."""

import json
import urllib.parse
import urllib.request
from typing import Any

import pytest


def post(server: Any, path: str, message: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        server.url + path, json.dumps(message).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def ask(server: Any, query: str, **variables: Any) -> Any:
    return post(server, "/graphql", {"query": query, "variables": variables})


@pytest.fixture
def run(server) -> str:
    """A run with a param and metrics, one of them NaN."""
    made = post(server, "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": "r", "start_time": 5})
    run_id: str = made["run"]["info"]["run_id"]
    metrics = [{"key": "hole", "value": "NaN", "timestamp": 7, "step": 2}]
    metrics += [{"key": "loss", "value": step / 2, "timestamp": 6, "step": step} for step in range(3)]
    batch = {"run_id": run_id, "params": [{"key": "p", "value": "1"}], "metrics": metrics}
    post(server, "/api/2.0/mlflow/runs/log-batch", batch)
    return run_id


def test_a_run_comes_with_its_experiment_and_versions(server, run) -> None:
    post(server, "/api/2.0/mlflow/registered-models/create", {"name": "m"})
    post(server, "/api/2.0/mlflow/model-versions/create", {"name": "m", "source": "s3://b/m", "run_id": run})
    answer = ask(
        server,
        """query Q($id: String!) @component(name: "x") { mlflowGetRun(input: {runId: $id}) { apiError { code } run {
             info { runId status startTime endTime }
             data { params { key value } metrics { key value step } tags { key } }
             inputs { datasetInputs { dataset { name } } }
             experiment { name experimentId } modelVersions { name version status creationTimestamp } } } }""",
        id=run,
    )
    assert answer["errors"] is None
    found = answer["data"]["mlflowGetRun"]["run"]
    assert answer["data"]["mlflowGetRun"]["apiError"] is None
    assert found["info"] == {"runId": run, "status": "RUNNING", "startTime": "5", "endTime": "0"}
    assert found["data"]["params"] == [{"key": "p", "value": "1"}]
    assert {m["key"]: (m["value"], m["step"]) for m in found["data"]["metrics"]} == {
        "hole": (None, "2"),
        "loss": (1.0, "2"),
    }
    assert found["inputs"] == {"datasetInputs": []}
    assert found["experiment"] == {"name": "Default", "experimentId": "0"}
    [version] = found["modelVersions"]
    assert (version["name"], version["version"], version["status"]) == ("m", "1", "READY")
    assert int(version["creationTimestamp"]) > 0


def test_searches_histories_and_listings(server, run) -> None:
    answer = ask(
        server,
        """mutation M { mlflowSearchRuns(input: {experimentIds: ["0"], runViewType: ACTIVE_ONLY,
             maxResults: 5, filter: "params.p = '1'"}) {
             runs { info { runName } experiment { name } } nextPageToken } }""",
    )
    assert answer["data"]["mlflowSearchRuns"] == {
        "runs": [{"info": {"runName": "r"}, "experiment": {"name": "Default"}}],
        "nextPageToken": "",
    }
    answer = ask(
        server,
        """query Q($id: String!) { a: mlflowGetMetricHistoryBulkInterval(input: {runIds: [$id], metricKey: "loss"}) {
             metrics { value step runId } } b: mlflowListArtifacts(input: {runId: $id}) { files { path } rootUri }
           mlflowSearchModelVersions(input: {filter: "name = 'none'"}) { modelVersions { name } } }""",
        id=run,
    )
    assert [point["value"] for point in answer["data"]["a"]["metrics"]] == [0, 0.5, 1]
    assert answer["data"]["b"] == {"files": [], "rootUri": f"mlflow-artifacts:/0/{run}/artifacts"}
    assert answer["data"]["mlflowSearchModelVersions"] == {"modelVersions": []}


def test_a_query_may_come_in_the_address(server) -> None:
    query = urllib.parse.quote('{mlflowGetExperiment(input: {experimentId: "0"}) {experiment {name}}}')
    with urllib.request.urlopen(f"{server.url}/graphql?query={query}") as answer:
        assert json.load(answer)["data"] == {"mlflowGetExperiment": {"experiment": {"name": "Default"}}}


def test_what_is_not_found_is_an_error_of_its_field(server) -> None:
    answer = ask(
        server,
        '{a: mlflowGetExperiment(input: {experimentId: "99"}) {experiment {name}} test(inputString: "x") {output}}',
    )
    assert answer == {"data": {"a": None, "test": {"output": "x"}}, "errors": ["No Experiment with id=99 exists"]}


def test_what_cannot_be_stored_cannot_be_asked_for(server) -> None:
    answer = ask(
        server, r'{mlflowSearchRuns(input: {experimentIds: ["0"], filter: "run_id = \u0000"}) {nextPageToken}}'
    )
    assert answer["data"] == {"mlflowSearchRuns": None}
    assert "NUL" in answer["errors"][0]


FRAGMENTS = "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }} " for n in range(40))
ALIASES = " ".join(f"a{n}: experiment {{name}}" for n in range(11))

BAD = {
    "{": "Syntax Error",
    "{nothing}": "Cannot query field",
    "{test}": "must have a selection of subfields",
    "{a" * 5000: "nested too deeply",
    "{" + "a{" * 11 + "b" + "}" * 12: "Query exceeds maximum depth of 10",
    "{" + " ".join(f"a{n}: test {{output}}" for n in range(11)) + "}": "at most 10 root fields, got 11",
    '{mlflowGetExperiment(input: {experimentId: "0"}) {' + ALIASES + "}}": "at most 10 aliases, got 11",
    "{test {" + "output " * 1001 + "}}": "maximum total selections of 1000",
    "{...f0} fragment f40 on Query {test {output}} " + FRAGMENTS: "maximum total selections of 1000",
    "{...f} fragment f on Query {...f}": "Cannot spread fragment",
    "{test(inputString: " + "[" * 20_000 + "}": "",
}  # fmt: skip


@pytest.mark.parametrize("query", BAD, ids=range(len(BAD)))
def test_bad_queries_are_refused_at_once(sqlite_server, query) -> None:
    answer = ask(sqlite_server, query)
    assert answer["data"] is None
    assert BAD[query] in answer["errors"][0]
