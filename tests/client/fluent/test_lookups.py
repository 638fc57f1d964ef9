"""Searches of the fluent API: frames as MLflow lays them out, and everything unless a limit is given."""

import pytest

from modelyard.domain.errors import InvalidArgument


@pytest.fixture
def runs(mlflow) -> list[str]:
    made = []
    for number in range(3):
        with mlflow.start_run(run_name=f"run {number}") as run:
            mlflow.log_metric("loss", number)
            mlflow.log_param(f"p{number}", number)
        made.append(run.info.run_id)
    return made


def test_a_frame_has_a_column_for_everything(mlflow, runs, name) -> None:
    frame = mlflow.search_runs(order_by=["metrics.loss ASC"])

    assert list(frame["run_id"]) == runs
    assert list(frame.columns[:6]) == ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]
    assert list(frame["metrics.loss"]) == [0.0, 1.0, 2.0]
    assert list(frame["params.p1"].fillna("-")) == ["-", "1", "-"]
    assert list(frame["tags.mlflow.runName"]) == ["run 0", "run 1", "run 2"]
    assert str(frame["start_time"].dt.tz) == "UTC"
    assert mlflow.search_runs(experiment_names=[name], filter_string="metrics.loss > 5").empty


def test_lists_and_limits(mlflow, runs, name) -> None:
    def found(**arguments):
        return [run.info.run_id for run in mlflow.search_runs(output_format="list", **arguments)]

    assert found(order_by=["metrics.loss DESC"]) == runs[::-1]
    assert found(order_by=["metrics.loss ASC"], max_results=2) == runs[:2]
    assert found(filter_string="params.p1 = '1'") == [runs[1]]
    assert found(experiment_names=["/tests/none"]) == []
    assert set(runs) <= set(found(search_all_experiments=True, experiment_ids=[]))
    with pytest.raises(InvalidArgument, match="not both"):
        found(experiment_ids=["0"], experiment_names=[name])
    with pytest.raises(InvalidArgument):
        mlflow.search_runs(output_format="csv")
    with pytest.raises(InvalidArgument):
        found(filter_string="what is this")


def test_models_are_found(mlflow, name) -> None:
    client = mlflow.MlflowClient()
    model = name.rpartition("/")[2]
    client.create_registered_model(model, tags={"domain": "wine"})
    with mlflow.start_run() as run:
        version = client.create_model_version(model, f"{run.info.artifact_uri}/model", run.info.run_id)
    mlflow.set_model_version_tag(model, version.version, "checked", "yes")

    assert [each.name for each in mlflow.search_registered_models(filter_string=f"name = '{model}'")] == [model]
    (found,) = mlflow.search_model_versions(filter_string=f"name = '{model}'", max_results=5)
    assert (found.version, found.tags, found.run_id) == ("1", {"checked": "yes"}, run.info.run_id)

    with mlflow.start_run():
        logged = mlflow.initialize_logged_model(name="forest", params={"depth": 3})
    mlflow.set_logged_model_tags(logged.model_id, {"a": 1})
    mlflow.log_model_params({"rate": "0.1"}, logged.model_id)
    assert mlflow.finalize_logged_model(logged.model_id, "READY").status == "READY"
    (only,) = mlflow.search_logged_models(output_format="list")
    assert only.model_id == logged.model_id
    assert only.params == {"depth": "3", "rate": "0.1"}
    assert only.tags["a"] == "1"
    mlflow.delete_logged_model_tag(logged.model_id, "a")
    assert "a" not in mlflow.get_logged_model(logged.model_id).tags
    assert list(mlflow.search_logged_models(max_results=1)["model_id"]) == [logged.model_id]


def test_many_runs_are_all_found(ours) -> None:
    client = ours.MlflowClient()
    experiment = ours.active_run() or client.get_experiment_by_name(ours.set_experiment("/tests/many").name)
    for number in range(1100):
        client.create_run(experiment.experiment_id, run_name=str(number))
    assert len(ours.search_runs()) == 1100
    assert len(ours.search_runs(max_results=1050, output_format="list")) == 1050
