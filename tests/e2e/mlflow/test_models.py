"""Models with the stock client: logged, registered, moved through stages, loaded back by every kind of URI."""

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.array([[0.0], [1.0], [2.0], [3.0]])
Y = np.array([0, 0, 1, 1])


@pytest.fixture
def fitted() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(X, Y)


def log(mlflow: Any, fitted: Any, **options: Any) -> Any:
    # The requirements are given: working them out takes the client several seconds.
    return mlflow.sklearn.log_model(
        fitted, name="model", pip_requirements=["scikit-learn"], serialization_format="cloudpickle", **options
    )


def test_a_model_is_loaded_back_by_every_uri(mlflow_with_artifacts, fitted) -> None:
    mlflow = mlflow_with_artifacts
    with mlflow.start_run() as started:
        logged = log(mlflow, fitted, input_example=X[:1], registered_model_name="winetest", params={"depth": 3})
    client = mlflow.MlflowClient()
    client.transition_model_version_stage("winetest", "1", "Production")
    client.set_registered_model_alias("winetest", "champion", "1")
    run_id = started.info.run_id
    for uri in (
        logged.model_uri, f"runs:/{run_id}/model", "models:/winetest/1", "models:/winetest/Production",
        "models:/winetest@champion", "models:/winetest/latest",
    ):  # fmt: skip
        assert list(mlflow.pyfunc.load_model(uri).predict(X)) == list(Y), uri
        assert mlflow.models.get_model_info(uri).signature == logged.signature, uri
    assert mlflow.sklearn.load_model("models:/winetest@champion").coef_ == pytest.approx(fitted.coef_)
    [version] = client.search_model_versions("name = 'winetest'")
    assert (version.run_id, version.current_stage) == (run_id, "Production")
    assert "champion" in client.get_model_version("winetest", "1").aliases
    assert mlflow.get_run(run_id).outputs.model_outputs[0].model_id == logged.model_id
    found = mlflow.get_logged_model(logged.model_id)
    assert (found.status, found.params, found.source_run_id) == ("READY", {"depth": "3"}, run_id)


def test_models_are_registered_from_where_they_were_logged(mlflow, fitted) -> None:
    with mlflow.start_run() as started:
        logged = log(mlflow, fitted)
    first = mlflow.register_model(f"runs:/{started.info.run_id}/model", "winetest")
    second = mlflow.register_model(logged.model_uri, "winetest", tags={"from": "model"})
    assert (first.version, second.version) in {("1", "2"), (1, 2)}
    client = mlflow.MlflowClient()
    copied = client.copy_model_version("models:/winetest/2", "shelf")
    assert (copied.name, str(copied.version)) == ("shelf", "1")
    assert client.get_model_version("winetest", "2").tags == {"from": "model"}
    for uri in ("models:/winetest/1", "models:/winetest/2", "models:/shelf/1"):
        assert list(mlflow.pyfunc.load_model(uri).predict(X)) == list(Y), uri


def test_stages_make_room_for_each_other(mlflow) -> None:
    client = mlflow.MlflowClient()
    client.create_registered_model("winetest", tags={"team": "red"}, description="wine")
    for number in (1, 2):
        client.create_model_version("winetest", f"s3://bucket/{number}")
        client.transition_model_version_stage("winetest", str(number), "Production", archive_existing_versions=True)
    assert {str(v.version): v.current_stage for v in client.search_model_versions("name = 'winetest'")} == {
        "1": "Archived",
        "2": "Production",
    }
    assert [str(v.version) for v in client.get_latest_versions("winetest", ["Production"])] == ["2"]
    client.rename_registered_model("winetest", "wine")
    client.delete_model_version("wine", "2")
    assert str(client.create_model_version("wine", "s3://bucket/3").version) == "3"
    client.delete_registered_model("wine")
    with pytest.raises(mlflow.MlflowException, match="Registered Model with name=wine not found"):
        client.get_registered_model("wine")


def test_models_without_the_prompts_tag_are_found(mlflow) -> None:
    """The 3.x client asks for what is not a prompt; most models have no such tag at all."""
    from mlflow.entities.model_registry import RegisteredModelTag

    client = mlflow.MlflowClient()
    client.create_registered_model("plain")
    client.create_registered_model("tagged", tags={"team": "red"})
    # To the server a prompt is a registered model with a tag; the public client refuses to make one that way.
    mark = RegisteredModelTag("mlflow.prompt.is_prompt", "true")
    client._get_registry_client().store.create_registered_model("prompt", tags=[mark])
    assert [model.name for model in mlflow.search_registered_models()] == ["plain", "tagged"]
    assert [model.name for model in mlflow.search_registered_models(filter_string="tags.team = 'red'")] == ["tagged"]
    asked = client.search_registered_models("tags.`mlflow.prompt.is_prompt` != 'true'")
    assert [model.name for model in asked] == ["plain", "tagged"]
    assert [prompt.name for prompt in mlflow.genai.search_prompts()] == ["prompt"]


def test_logged_models_are_searched_by_what_was_measured(mlflow) -> None:
    with mlflow.start_run():
        for number in (1, 2, 3):
            model = mlflow.initialize_logged_model(name=f"candidate-{number}", tags={"n": str(number)})
            mlflow.log_metric("score", number, model_id=model.model_id)
            mlflow.finalize_logged_model(model.model_id, "READY")
    found = mlflow.search_logged_models(
        filter_string="metrics.score > 1",
        order_by=[{"field_name": "metrics.score", "ascending": False}],
        output_format="list",
    )
    assert [model.name for model in found] == ["candidate-3", "candidate-2"]
    assert found[0].metrics[0].value == 3
    mlflow.set_logged_model_tags(found[0].model_id, {"kept": "yes"})
    assert mlflow.get_logged_model(found[0].model_id).tags["kept"] == "yes"
    mlflow.delete_logged_model_tag(found[0].model_id, "kept")
    assert "kept" not in mlflow.get_logged_model(found[0].model_id).tags


def test_autolog_records_a_fit(mlflow) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as started:
            LogisticRegression(C=0.5).fit(X, Y)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    run = mlflow.get_run(started.info.run_id)
    assert run.data.params["C"] == "0.5"
    assert run.data.metrics["training_accuracy_score"] == 1
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert {item.dataset.name for item in run.inputs.dataset_inputs} == {"dataset"}


def test_an_evaluation_logs_metrics_and_artifacts(mlflow, fitted) -> None:
    import pandas as pd

    table = pd.DataFrame({"x": X[:, 0], "y": Y, "predicted": fitted.predict(X)})
    with mlflow.start_run() as started:
        result = mlflow.models.evaluate(
            data=table,
            targets="y",
            predictions="predicted",
            model_type="classifier",
            evaluator_config={"log_explainer": False},
        )
    assert result.metrics["accuracy_score"] == 1
    assert mlflow.get_run(started.info.run_id).data.metrics["accuracy_score"] == 1
