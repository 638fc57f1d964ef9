"""A whole session of the stock client, in words that every release from 2.9 on understands: `session.py URL`.

It runs in the client's own environment, so it imports nothing of ours. It prints what it found as one JSON object.
"""
# ruff: noqa: E402 - the client's own user

import json
import sys
import warnings
from contextlib import suppress
from typing import Any

warnings.simplefilter("ignore")  # before they are loaded
with suppress(ImportError):
    import setuptools  # noqa: F401 - it cannot be loaded once MLflow 2.9 has loaded pip

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

X, Y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])


def train() -> str:
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("depth", 1)
        mlflow.log_params({"b": 2, "c": "é"})
        for step in range(3):
            mlflow.log_metrics({"loss": 1 / (step + 1), "score": step}, step=step)
        mlflow.set_tag("team", "red")
        mlflow.log_text("hello", "notes/a.txt")
        mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"x": [1, 2]}), name="measurements"), context="training")
        name: Any = {"artifact_path": "model"} if mlflow.__version__ < "3" else {"name": "model"}
        mlflow.sklearn.log_model(
            LogisticRegression().fit(X, Y), registered_model_name="winetest", pip_requirements=["scikit-learn"],
            input_example=X[:1], **name,
        )  # fmt: skip
        with mlflow.start_run(nested=True):
            mlflow.log_metric("fold", 1)
    found: str = run.info.run_id
    return found


def promote(run_id: str) -> list[str]:
    client = mlflow.MlflowClient()
    mlflow.register_model(f"runs:/{run_id}/model", "winetest")
    for version in ("1", "2"):
        client.transition_model_version_stage("winetest", version, "Staging")
        client.transition_model_version_stage("winetest", version, "Production", archive_existing_versions=True)
    client.set_registered_model_alias("winetest", "champion", "1")
    client.set_model_version_tag("winetest", "1", "checked", "yes")
    client.update_registered_model("winetest", "wine")
    uris = ["models:/winetest/Production", "models:/winetest/1", "models:/winetest@champion", f"runs:/{run_id}/model"]
    return [uri for uri in uris if list(mlflow.pyfunc.load_model(uri).predict(X)) == list(Y)]


def main(url: str) -> None:
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("wine")
    run_id = train()
    loaded = promote(run_id)
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    mlflow.sklearn.autolog(silent=True, log_models=False)
    with mlflow.start_run() as automatic:
        LogisticRegression(C=0.5).fit(X, Y)
    report = {
        "version": mlflow.__version__,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "history": [metric.value for metric in client.get_metric_history(run_id, "score")],
        "datasets": [item.dataset.name for item in run.inputs.dataset_inputs],
        "files": sorted(file.path for file in client.list_artifacts(run_id)),
        "text": mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a.txt"),
        "loaded": len(loaded),
        "stages": {str(v.version): v.current_stage for v in client.search_model_versions("name = 'winetest'")},
        "description": client.get_registered_model("winetest").description,
        "runs": len(mlflow.search_runs(filter_string="metrics.loss < 1 AND tags.team = 'red'")),
        "autologged": client.get_run(automatic.info.run_id).data.params["C"],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
