"""What training code logs with the stock client comes back as it was logged."""

import json
import math

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_run_brings_back_what_was_logged(mlflow) -> None:
    with mlflow.start_run(run_name="first", description="what it is", tags={"team": "red"}) as started:
        mlflow.log_params({"depth": 3, "seed": None, "name": "é"})
        mlflow.log_metrics({"loss": 0.5, "score": 1})
        mlflow.set_tags({"stage": "draft", "empty": ""})
    run = mlflow.get_run(started.info.run_id)
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params == {"depth": "3", "seed": "None", "name": "é"}
    assert run.data.metrics == {"loss": 0.5, "score": 1.0}
    assert {
        "team": "red",
        "stage": "draft",
        "empty": "",
        "mlflow.note.content": "what it is",
    }.items() <= run.data.tags.items()
    assert run.info.end_time >= run.info.start_time


def test_a_failing_run_is_marked_as_failed(mlflow) -> None:
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as started:
        1 / 0  # noqa: B018
    assert mlflow.get_run(started.info.run_id).info.status == "FAILED"


def test_nested_runs_know_their_parent(mlflow) -> None:
    with mlflow.start_run() as parent:
        for fold in range(3):
            with mlflow.start_run(nested=True):
                mlflow.log_metric("fold", fold)
    assert mlflow.MlflowClient().get_parent_run(parent.info.run_id) is None
    children = mlflow.search_runs(
        filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", order_by=["metrics.fold"]
    )
    assert list(children["metrics.fold"]) == [0, 1, 2]


def test_the_history_of_a_metric_is_whole_and_ordered(mlflow) -> None:
    with mlflow.start_run() as started:
        for step in (2, 0, 1):
            mlflow.log_metric("loss", 1 / (step + 1), step=step, timestamp=1000 + step)
        mlflow.log_metric("loss", math.nan, step=3, timestamp=1003)
        mlflow.log_metric("loss", math.inf, step=4, timestamp=1004)
    history = mlflow.MlflowClient().get_metric_history(started.info.run_id, "loss")
    assert [(metric.step, metric.timestamp) for metric in history] == [(step, 1000 + step) for step in range(5)]
    assert [metric.value for metric in history[:3]] == [1, 1 / 2, 1 / 3]
    assert math.isnan(history[3].value)
    assert history[4].value > 1e308
    assert mlflow.get_run(started.info.run_id).data.metrics["loss"] == history[4].value


def test_a_batch_of_ten_thousand_points_is_split_and_complete(mlflow) -> None:
    from mlflow.entities import Metric

    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    points = [Metric("loss", step / 7, 1000 + step, step) for step in range(10_000)]
    for at in range(0, len(points), 1000):
        client.log_batch(run_id, metrics=points[at : at + 1000])
    assert [metric.value for metric in client.get_metric_history(run_id, "loss")] == [point.value for point in points]


def test_params_cannot_change(mlflow) -> None:
    with mlflow.start_run():
        mlflow.log_param("depth", 3)
        mlflow.log_param("depth", 3)
        with pytest.raises(mlflow.MlflowException, match="Changing param values is not allowed"):
            mlflow.log_param("depth", 4)


def test_inputs_are_listed_with_their_context(mlflow) -> None:
    import pandas as pd

    with mlflow.start_run() as started:
        dataset = mlflow.data.from_pandas(pd.DataFrame({"x": [1, 2]}), name="measurements")
        mlflow.log_input(dataset, context="training")
    [found] = mlflow.get_run(started.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("measurements", dataset.digest)
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "training"}
    assert len(mlflow.search_runs(filter_string="datasets.name = 'measurements'")) == 1


def test_searches_filter_order_and_page(mlflow) -> None:
    for number in range(5):
        with mlflow.start_run(run_name=f"run {number}"):
            mlflow.log_metric("score", number)
            mlflow.log_param("kind", "odd" if number % 2 else "even")
    client = mlflow.MlflowClient()
    [experiment] = client.search_experiments(filter_string="name = 'wine'")
    first = client.search_runs(
        [experiment.experiment_id], "params.kind = 'even'", order_by=["metrics.score DESC"], max_results=2
    )
    rest = client.search_runs(
        [experiment.experiment_id],
        "params.kind = 'even'",
        order_by=["metrics.score DESC"],
        max_results=2,
        page_token=first.token,
    )
    assert [run.info.run_name for run in [*first, *rest]] == ["run 4", "run 2", "run 0"]
    assert not rest.token
    with pytest.raises(mlflow.MlflowException, match="Invalid clause"):
        client.search_runs([experiment.experiment_id], "params.kind = 'even' OR params.kind = 'odd'")


def test_texts_tables_figures_and_images_are_artifacts(mlflow_with_artifacts, tmp_path) -> None:
    import numpy as np
    from matplotlib.figure import Figure

    mlflow = mlflow_with_artifacts
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "leaf.bin").write_bytes(b"\x00\xff" * 100_000)
    with mlflow.start_run() as started:
        mlflow.log_text("hello, é", "notes/a b.txt")
        mlflow.log_dict({"a": [1]}, "notes/d.json")
        mlflow.log_table({"x": [1, 2], "y": ["a", "b"]}, "table.json")
        mlflow.log_table({"x": [3], "y": ["c"]}, "table.json")  # reads the first one back
        mlflow.log_figure(Figure(), "figure.png")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="dog", step=1)
        mlflow.log_artifacts(str(tmp_path / "folder"), "folder")
    run_id = started.info.run_id
    assert {file.path for file in mlflow.artifacts.list_artifacts(run_id=run_id)} == {
        "notes", "table.json", "figure.png", "images", "folder",
    }  # fmt: skip
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a b.txt") == "hello, é"
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/notes/d.json") == {"a": [1]}
    assert list(mlflow.load_table("table.json", run_ids=[run_id])["x"]) == [1, 2, 3]
    got = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="folder", dst_path=str(tmp_path / "got"))
    assert (tmp_path / "got" / "folder" / "deep" / "leaf.bin").read_bytes() == b"\x00\xff" * 100_000
    assert got.startswith(str(tmp_path / "got"))
    tags = mlflow.get_run(run_id).data.tags
    assert [entry["path"] for entry in json.loads(tags["mlflow.loggedArtifacts"])] == ["table.json"]


def test_traces_of_a_newer_client_stop_nothing(mlflow) -> None:
    """They are not served; the client says so in its log and goes on."""

    @mlflow.trace
    def double(x: int) -> int:
        return 2 * x

    with mlflow.start_run() as started:
        assert double(21) == 42
        mlflow.flush_trace_async_logging()
        mlflow.log_metric("after", 1)
    assert mlflow.get_run(started.info.run_id).data.metrics == {"after": 1}


def test_deleted_runs_and_experiments_come_back(mlflow) -> None:
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("old")
    run_id = client.create_run(experiment).info.run_id
    client.delete_run(run_id)
    assert client.search_runs([experiment]) == []
    client.restore_run(run_id)
    client.delete_experiment(experiment)
    with pytest.raises(mlflow.MlflowException, match="must be in the 'active' state"):
        client.create_run(experiment)
    client.restore_experiment(experiment)
    assert [run.info.run_id for run in client.search_runs([experiment])] == [run_id]
