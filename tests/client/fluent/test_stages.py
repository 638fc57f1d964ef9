"""Stages: timings of the steps of a pipeline, as metrics while it runs and as a document for a waterfall."""

import asyncio
import json
import threading
import time

import pytest


def written(mlflow, run) -> dict:
    return mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/modelyard/stages.json")


def test_stages_nest_and_fail(mlflow) -> None:
    @mlflow.stage("train")
    def train() -> str:
        with mlflow.stage("epoch"):
            time.sleep(0.01)
        with mlflow.stage("epoch"):
            pass
        return "trained"

    with mlflow.start_run() as run:
        assert train() == "trained"
        with pytest.raises(ValueError, match="bad"), mlflow.stage("evaluate"):
            raise ValueError("bad postgresql://ada:secret@db/x")
    document = written(mlflow, run)

    assert document["version"] == 1
    rows = document["stages"]
    assert [(row["name"], row["parent"], row["status"]) for row in rows] == [
        ("train", None, "FINISHED"), ("epoch", 0, "FINISHED"), ("epoch", 0, "FINISHED"), ("evaluate", None, "FAILED"),
    ]  # fmt: skip
    assert rows[0]["seconds"] >= rows[1]["seconds"] >= 0.01 > rows[2]["seconds"]
    assert rows[0]["start_ms"] <= rows[1]["start_ms"] <= run.info.end_time
    assert rows[3]["error"] == "ValueError: bad postgresql://ada:***@db/x"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "stage/epoch/seconds")
    assert [(point.step, point.value) for point in history] == [(step, rows[step + 1]["seconds"]) for step in (0, 1)]


def test_a_failure_is_seen_while_the_run_goes_on(ours) -> None:
    with ours.start_run() as run:
        with ours.stage("load"), pytest.raises(KeyError), ours.stage("read"):
            raise KeyError("x")
        ours.flush_async_logging()
        assert [row["status"] for row in written(ours, run)["stages"]] == ["RUNNING", "FAILED"]


def test_a_stage_never_needs_a_run(ours) -> None:
    with ours.stage("before any run"):
        pass
    assert ours.active_run() is None
    with ours.stage("around"), ours.start_run() as run, ours.stage("inside"):
        pass
    assert [row["name"] for row in written(ours, run)["stages"]] == ["inside"]
    with ours.stage("began before"):
        run = ours.start_run()
    ours.end_run()
    assert [row["name"] for row in written(ours, run)["stages"]] == ["began before"]


def test_threads_and_tasks_have_their_own_parents(ours) -> None:
    @ours.stage()
    async def step(name: str) -> None:
        with ours.stage(name):
            await asyncio.sleep(0.001)

    async def both() -> None:
        await asyncio.gather(step("a"), step("b"))

    def worker() -> None:
        with ours.stage("worker"):
            pass

    with ours.start_run() as run:
        asyncio.run(both())
        with ours.stage("main"):
            thread = threading.Thread(target=worker, name="loader")
            thread.start()
            thread.join()
    rows = written(ours, run)["stages"]

    places = {row["name"]: place for place, row in enumerate(rows)}
    assert [rows[rows[places[name]]["parent"]]["name"] for name in ("a", "b")] == ["step", "step"]
    assert rows[places["a"]]["parent"] != rows[places["b"]]["parent"]
    assert (rows[places["worker"]]["parent"], rows[places["worker"]]["thread"]) == (None, "loader")


def test_names_that_are_no_keys(ours) -> None:
    with ours.start_run() as run:
        for name in ("load & clean", "../x", ""):
            with ours.stage(name):
                pass
    assert sorted(ours.get_run(run.info.run_id).data.metrics) == [
        "stage/load _ clean/seconds", "stage/stage/seconds", "stage/x/seconds",
    ]  # fmt: skip
    assert [row["name"] for row in written(ours, run)["stages"]] == ["load & clean", "../x", "stage"]


def test_a_stage_in_a_long_loop_stays_bounded(ours, monkeypatch) -> None:
    from modelyard.client import stages

    monkeypatch.setattr(stages, "MOST_ROWS", 10)
    with ours.start_run() as run:
        for _ in range(25):
            with ours.stage("batch"):
                pass
    document = written(ours, run)
    assert len(document["stages"]) == 10
    assert [(row["name"], row["count"]) for row in document["more"]] == [("batch", 15)]
    assert json.dumps(document)
