"""Recorders against real servers, ours and a stock MLflow one: what is logged, offline and online, is what arrives."""

from __future__ import annotations

import math
import shutil
import time
from uuid import uuid4

import pytest

from modelyard.client.recorder import Recorder
from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound, Unavailable
from tests.client.logging_process import Reader, left_in, params, run, status, sync, tags

NOW = 1_700_000_000_000


@pytest.fixture
def recorder(sqlite_server):
    made = Recorder(sqlite_server.url)
    yield made
    made.close(5)


@pytest.fixture
def reader(sqlite_server):
    return Reader(sqlite_server.url)


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def begin(recorder, name="run", **where):
    where = where or {"experiment_id": "0"}
    return recorder.start_run(
        **{"experiment_id": None, "experiment_name": None, **where}, run_name=name, start_time_ms=NOW, tags={"a": "b"},
        user_id="somebody",
    )  # fmt: skip


OFFLINE = """
unique = os.environ["UNIQUE"]
run = begin(unique + " offline", {"first": "tag"}, experiment_name=unique + " experiment")
child = begin(unique + " child", {"mlflow.parentRunId": run.run_id}, experiment_name=unique + " experiment")
for step in range(1500):
    run.log_metric("loss", step / 2, step, 1_700_000_000_000 + step)
for value in (float("nan"), float("inf"), float("-inf")):
    child.log_metric("odd", value, 1, 1)
run.log_params({f"p{number}": str(number) for number in range(250)})
run.set_tags({"order": "1"})
run.set_tags({"order": "2", "gone": "soon"})
run.delete_tag("gone")
run.log_inputs([{"dataset": {"name": "wine", "digest": "abc", "source_type": "local", "source": "{}"},
                 "tags": [{"key": "mlflow.data.context", "value": "training"}]}])
run.log_artifact("notes/read me.txt", b"hello")
child.update(status="FAILED", end_time_ms=1_700_000_005_000)
run.update(status="FINISHED", end_time_ms=1_700_000_009_000, run_name=unique)
say(run.delivered, run.run_id == child.run_id, run.experiment_id)
"""


def test_a_run_made_offline_arrives_as_it_was(any_server, spool) -> None:
    unique = f"offline {uuid4().hex[:8]}"
    done = run(OFFLINE, "http://127.0.0.1:9", spool, UNIQUE=unique, MODELYARD_EXIT_TIMEOUT_S="0.1")
    assert (done.returncode, done.stdout) == (0, "False False \n"), done.stderr

    synced = sync(spool, "--tracking-uri", any_server)

    assert synced.returncode == 0, synced.stderr
    assert "1,503 metric points" in synced.stdout
    reader = Reader(any_server)
    experiment = reader.ask("GET", "experiments/get-by-name", experiment_name=f"{unique} experiment")["experiment"]
    found = reader.named(unique, experiment["experiment_id"])
    info = found["info"]
    assert (info["status"], info["start_time"], info["end_time"]) == ("FINISHED", 1000, 1_700_000_009_000)
    assert info["user_id"] == "somebody"
    assert reader.history(info["run_id"], "loss") == [(step, step / 2) for step in range(1500)]
    assert params(found) == {f"p{number}": str(number) for number in range(250)}
    assert tags(found)["order"] == "2"
    assert tags(found)["first"] == "tag"
    assert "gone" not in tags(found)
    assert found["inputs"]["dataset_inputs"][0]["dataset"]["name"] == "wine"
    listed = reader.files(info["run_id"], "notes")
    assert listed == {"notes/read me.txt": 5}
    child = reader.named(f"{unique} child", experiment["experiment_id"])
    assert tags(child)["mlflow.parentRunId"] == info["run_id"]
    assert status(child) == "FAILED"
    assert len(reader.history(child["info"]["run_id"], "odd")) == 3
    assert left_in(spool) == []


def test_a_second_delivery_changes_nothing(any_server, spool, tmp_path) -> None:
    unique = f"twice {uuid4().hex[:8]}"
    script = """
run = begin(os.environ["UNIQUE"])
for step in range(200): run.log_metric("loss", 1.0, step, step)
run.log_metric("nan", float("nan"), 0, 1)
run.log_params({"lr": "0.1"})
run.set_tags({"gone": "soon"})
run.delete_tag("gone")
run.log_artifact("a.txt", b"hello")
"""
    run(script, "http://127.0.0.1:9", spool, UNIQUE=unique, MODELYARD_EXIT_TIMEOUT_S="0.1")
    shutil.copytree(spool, tmp_path / "again")  # as if it had been delivered, and that been forgotten
    for place in (spool, tmp_path / "again"):
        done = sync(place, "--tracking-uri", any_server)
        assert (done.returncode, "refused" in done.stdout) == (0, False), done

    reader = Reader(any_server)
    found = reader.named(unique)  # one, not two
    assert reader.steps(found["info"]["run_id"], "loss") == list(range(200))
    assert "gone" not in tags(found)


def test_what_is_logged_online_is_there_after_a_flush(recorder, reader) -> None:
    log = begin(recorder, experiment_name="made when missing")
    assert log.delivered
    for step in range(100):
        log.log_metric("loss", step, step, NOW)
    log.log_metric("nan", math.nan, 0, NOW)
    log.log_params({"lr": "0.1"})

    assert not recorder.flush()

    found = reader.run(log.run_id)
    assert found["info"]["experiment_id"] == log.experiment_id
    assert reader.history(log.run_id, "loss") == [(step, float(step)) for step in range(100)]
    assert math.isnan(reader.history(log.run_id, "nan")[0][1])
    assert params(found) == {"lr": "0.1"}


def test_what_the_server_refuses_about_a_run_is_raised_at_its_start(recorder, reader, caplog) -> None:
    with pytest.raises(NotFound, match="No Experiment with id=4711"):
        begin(recorder, experiment_id="4711")
    with pytest.raises(InvalidArgument, match="valid integer"):
        begin(recorder, experiment_id="abc")
    with pytest.raises(NotFound):
        recorder.resume_run(uuid4().hex)
    gone = reader.ask("POST", "experiments/create", name="gone")["experiment_id"]
    reader.ask("POST", "experiments/delete", experiment_id=gone)
    with pytest.raises(InvalidState, match="trash"):
        begin(recorder, experiment_name="gone")
    assert not recorder.flush()
    assert caplog.records == []  # raised, so not said again


def test_a_run_is_resumed(recorder, reader) -> None:
    log = begin(recorder)
    log.update(status="FINISHED", end_time_ms=NOW + 1)
    recorder.flush()
    assert status(reader.run(log.run_id)) == "FINISHED"

    again = recorder.resume_run(log.run_id)
    again.log_metric("more", 1.0, 0, NOW)
    recorder.flush()

    assert status(reader.run(log.run_id)) == "RUNNING"
    assert again.experiment_id == "0"
    assert reader.steps(log.run_id, "more") == [0]


def test_only_what_is_refused_is_missing_and_it_is_said_once(recorder, reader, caplog) -> None:
    log = begin(recorder)
    log.log_params({"lr": "0.1"})
    for _ in range(3):
        log.log_params({"lr": "0.2", "other": "kept"})
    log.log_params({"fine": "1"})
    log.set_tags({"../bad": "x", "good": "y"})
    log.log_metric("a$b", 1.0, 0, NOW)
    log.log_metric("loss", 1.0, 0, -1)
    log.log_metric("loss", 2.0, 1, NOW)
    log.log_metric("loss", "many", 1, NOW)
    log.log_metric("loss", 1.0, 2**70, NOW)
    recorder.flush()

    found = reader.run(log.run_id)
    assert params(found) == {"lr": "0.1", "other": "kept", "fine": "1"}
    assert tags(found)["good"] == "y"
    assert reader.history(log.run_id, "loss") == [(1, 2.0)]
    said = [record.getMessage() for record in caplog.records if record.name == "modelyard"]
    assert [sum(word in line for line in said) for word in ("'lr'", "'../bad'", "'a$b'")] == [1, 1, 1], said
    assert sum("'loss'" in line for line in said) == 2, said  # from before 1970, and not a number: two reasons
    assert all(log.run_id in line for line in said)


def test_waiting_raises_the_refusal_of_what_was_waited_for(recorder) -> None:
    log = begin(recorder)
    log.wait(log.log_params({"lr": "0.1"}))
    changed, fine = log.log_params({"lr": "0.2"}), log.set_tags({"a": "b"})
    with pytest.raises(InvalidArgument, match="Changing param values is not allowed"):
        log.wait(changed)
    log.wait(fine)
    log.log_metric("loss", 1.0, 0, -1)
    with pytest.raises(InvalidArgument, match="negative"):
        log.wait()
    log.log_metric("loss", 1.0, 0, NOW)
    log.wait()


def test_a_run_that_was_deleted_costs_only_its_own_points(recorder, reader, caplog) -> None:
    one, two = begin(recorder, "one"), begin(recorder, "two")
    reader.ask("POST", "runs/delete", run_id=one.run_id)
    for step in range(3000):
        one.log_metric("loss", 1.0, step, NOW)
        two.log_metric("loss", 1.0, step, NOW)
    recorder.flush()

    assert reader.steps(two.run_id, "loss") == list(range(3000))
    assert reader.steps(one.run_id, "loss") == []
    assert sum(one.run_id in record.getMessage() for record in caplog.records) == 1


def test_a_server_that_is_away_neither_raises_nor_waits() -> None:
    recorder = Recorder("http://127.0.0.1:9")
    began = time.monotonic()
    log = begin(recorder)
    log.log_metric("loss", 1.0, 0, NOW)
    ticket = log.log_params({"a": "b"})
    left = recorder.flush()

    assert time.monotonic() - began < 3
    assert (left.points, left.records) == (1, 2)
    assert not log.delivered
    assert len(log.run_id) == 32
    with pytest.raises(Unavailable, match="kept in"):
        log.wait(ticket)
    assert recorder.close(0.1).path == left.path


def test_a_large_artifact_is_sent_at_once_and_a_small_one_kept(recorder, reader, tmp_path, spool) -> None:
    log = begin(recorder)
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(17 * 2**20))
    log.log_artifact("models/large.bin", large)
    listed = reader.files(log.run_id, "models")
    assert listed == {"models/large.bin": 17 * 2**20}

    small = tmp_path / "small.txt"
    small.write_text("as it was")
    log.log_artifact("small.txt", small)
    small.write_text("changed afterwards")
    recorder.flush()
    assert reader.files(log.run_id) == {"models": None, "small.txt": 9}
    assert list(spool.glob("*/files/*")) == []


def test_many_series_and_runs_go_through_small_segments(recorder, reader) -> None:
    """Names fill the segments: each key is new."""
    logs = [begin(recorder, f"run {number}") for number in range(5)]
    for step in range(12_000):
        logs[step % 5].log_metric(f"{'k' * 200}{step}", float(step), step, NOW)
    recorder.flush()

    for number, log in enumerate(logs):
        found = {each["key"]: each["value"] for each in reader.run(log.run_id)["data"]["metrics"]}
        assert found == {f"{'k' * 200}{step}": float(step) for step in range(number, 12_000, 5)}
