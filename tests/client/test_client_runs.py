"""`Client`: runs and what they log, on both servers."""

import math
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest

from modelyard.client.client import Client
from modelyard.client.connection import FLUSH_S
from modelyard.client.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from modelyard.client.recorder import recorder_for
from modelyard.domain.errors import InvalidArgument, NotFound


@pytest.fixture
def client(any_server) -> Client:
    return Client(any_server)


@pytest.fixture
def experiment(client) -> str:
    return client.create_experiment(f"runs-{secrets.token_hex(4)}")


@pytest.fixture
def run(client, experiment) -> Run:
    return client.create_run(experiment, run_name="first", tags={"team": "red"}, start_time=1_700_000_000_000)


def test_a_run_is_made_and_read(client, experiment, run) -> None:
    assert (run.info.status, run.info.run_name, run.info.end_time) == ("RUNNING", "first", None)
    assert run.info.start_time == 1_700_000_000_000
    found = client.get_run(run.info.run_id)
    assert found.info == run.info
    assert found.data.tags == {"team": "red", "mlflow.runName": "first"}
    assert found.info.artifact_uri.endswith(f"{run.info.run_id}/artifacts")
    with pytest.raises(NotFound, match="not found"):
        client.get_run("0" * 32)


def test_everything_that_a_run_logs_is_there(client, run) -> None:
    number = run.info.run_id
    assert client.log_param(number, "depth", 3) == 3
    client.log_param(number, "depth", "3")
    client.log_metric(number, "loss", 1, step=1)
    client.log_metric(number, "loss", math.nan, step=2, timestamp=5)
    client.log_metric(number, "most", math.inf)
    client.set_tag(number, "team", "blue")
    client.set_tag(number, "gone", value=True)
    client.delete_tag(number, "gone")
    data = client.get_run(number).data
    assert data.params == {"depth": "3"}
    assert data.tags == {"team": "blue", "mlflow.runName": "first"}
    assert math.isnan(data.metrics["loss"])
    assert data.metrics["most"] == 1.7976931348623157e308
    assert {point.key: point.step for point in data.latest} == {"loss": 2, "most": 0}
    history = client.get_metric_history(number, "loss")
    assert [(point.step, point.key) for point in sorted(history, key=lambda point: point.step)] == [
        (1, "loss"), (2, "loss"),
    ]  # fmt: skip
    assert client.get_metric_history(number, "nothing") == []


def test_what_is_wrong_is_said(client, run) -> None:
    number = run.info.run_id
    client.log_param(number, "depth", 3)
    with pytest.raises(InvalidArgument, match="Changing param values is not allowed") as refused:
        client.log_param(number, "depth", 4)
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(InvalidArgument, match="'loss' is 'high', of type str; a number was expected"):
        client.log_metric(number, "loss", "high")
    with pytest.raises(NotFound):
        client.delete_tag(number, "nothing")
    with pytest.raises(InvalidArgument, match="not a run status"):
        client.set_terminated(number, "DONE")


def test_a_batch_may_be_larger_than_a_request(client, run) -> None:
    points = [Metric("m", float(step), 1_700_000_000_000 + step, step) for step in range(2300)]
    params = [Param(f"p{number}", str(number)) for number in range(230)]
    client.log_batch(run.info.run_id, points, params, [RunTag("k", "v")])
    data = client.get_run(run.info.run_id).data
    assert len(data.params) == 230
    assert data.tags["k"] == "v"
    history = client.get_metric_history(run.info.run_id, "m")
    assert [(point.step, point.value, point.timestamp) for point in history] == [
        (point.step, point.value, point.timestamp) for point in points
    ]


def test_numbers_of_other_libraries_are_numbers(client, run) -> None:
    np = pytest.importorskip("numpy", reason="NumPy is not installed")
    client.log_metric(run.info.run_id, "x", np.float32(0.5))
    client.log_metric(run.info.run_id, "y", np.array(2))
    assert client.get_run(run.info.run_id).data.metrics == {"x": 0.5, "y": 2.0}


def test_inputs_are_kept(client, run) -> None:
    dataset = Dataset("wine", "abc", "local", '{"uri": "wine.csv"}', schema="{}", profile='{"num_rows": 3}')
    client.log_inputs(run.info.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    [used] = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert used.dataset == dataset
    assert used.tags == [InputTag("mlflow.data.context", "training")]


def test_logged_models_are_inputs_and_outputs(client, experiment, run) -> None:
    model = client.create_logged_model(experiment, "m").model_id
    client.log_inputs(run.info.run_id, models=[LoggedModelInput(model)])
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model, 7)])
    found = client.get_run(run.info.run_id)
    assert found.inputs.model_inputs == [LoggedModelInput(model)]
    assert found.outputs.model_outputs == [LoggedModelOutput(model, 7)]


def test_a_run_ends_and_is_moved_to_the_trash(client, experiment, run) -> None:
    number = run.info.run_id
    client.update_run(number, name="second")
    client.set_terminated(number, end_time=1_700_000_001_000)
    ended = client.get_run(number).info
    assert (ended.status, ended.end_time, ended.run_name) == ("FINISHED", 1_700_000_001_000, "second")
    client.update_run(number, "RUNNING")
    client.set_terminated(number, "FAILED")
    assert client.get_run(number).info.status == "FAILED"
    client.delete_run(number)
    assert client.get_run(number).info.lifecycle_stage == "deleted"
    assert client.search_runs([experiment]) == []
    assert [each.info.run_id for each in client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)] == [
        number
    ]
    client.restore_run(number)
    assert len(client.search_runs([experiment])) == 1


def test_a_search_finds_all_or_says_that_it_is_cut(client, experiment) -> None:
    made = [client.create_run(experiment, start_time=1_700_000_000_000 + each) for each in range(5)]
    for number, each in enumerate(made):
        client.log_metric(each.info.run_id, "m", number)
    ids = [each.info.run_id for each in made]
    assert [each.info.run_id for each in client.search_runs([experiment])] == ids[::-1]
    assert [each.info.run_id for each in client.search_runs(experiment, "metrics.m >= 2", order_by=["metrics.m"])] == (
        ids[2:]
    )
    page = client.search_runs([experiment], max_results=2, order_by=["metrics.m"])
    assert [each.info.run_id for each in page] == ids[:2]
    assert "cut by max_results" in repr(page)
    rest = client.search_runs([experiment], order_by=["metrics.m"], page_token=page.token)
    assert [each.info.run_id for each in rest] == ids[2:]
    with pytest.raises(InvalidArgument):
        len(client.search_runs([experiment], "metrics.m >>> 2"))


def test_a_nested_run_knows_its_parent(client, experiment, run) -> None:
    child = client.create_run(experiment, tags={"mlflow.parentRunId": run.info.run_id})
    assert client.get_parent_run(child.info.run_id).info.run_id == run.info.run_id
    assert client.get_parent_run(run.info.run_id) is None


@pytest.fixture
def delivered(any_server) -> Iterator[None]:
    """This process's recorder ends before its folder does."""
    yield
    assert not recorder_for(any_server).close(20)


def test_what_is_handed_to_the_recorder_is_seen_by_the_next_read(client, run, delivered) -> None:
    """`synchronous=False` does not wait; whoever reads waits for what was logged before."""
    number = run.info.run_id
    client.log_metric(number, "later", 0.5, step=3, synchronous=False)
    client.log_param(number, "p", 1, synchronous=False)
    client.set_tag(number, "t", 1, synchronous=False)
    client.log_batch(number, [Metric("batch", 1.0, 1, 1)], [Param("q", "2")], [RunTag("u", "3")], synchronous=False)
    data = client.get_run(number).data
    assert data.metrics == {"later": 0.5, "batch": 1.0}
    assert data.params == {"p": "1", "q": "2"}
    assert (data.tags["t"], data.tags["u"]) == ("1", "3")


PENDING = """
import sys, time
from modelyard.client.client import Client
from modelyard.client.connection import FLUSH_S
from modelyard.client.recorder import recorder_for
run = recorder_for("http://127.0.0.1:9").start_run(
    experiment_id="0", experiment_name=None, run_name="x", start_time_ms=1, tags={})
run.log_metric("m", 1.0, 1, 1)
start = time.monotonic()
for _ in range(5):
    Client(sys.argv[1]).get_experiment("0")
print(time.monotonic() - start)
"""


def test_a_server_that_is_away_does_not_hold_up_who_asks_another(sqlite_server, monkeypatch) -> None:
    monkeypatch.setenv("MODELYARD_EXIT_TIMEOUT_S", "0.1")
    command = [sys.executable, "-c", PENDING, sqlite_server.url]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(told.stdout) < FLUSH_S / 3
