"""One script, run with MLflow's client and with ours against each server, leaves the same run behind."""

import json
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest


def script(mlflow: ModuleType, name: str) -> str:
    """What a classic training script logs."""
    mlflow.set_experiment(name)
    frame = pd.DataFrame({"acid": [0.1, 0.2, 0.3], "kind": ["red", "white", "red"], "good": [1, 0, 1]})
    with mlflow.start_run(run_name="wine", tags={"team": "risk", "try": "1"}, description="a forest") as run:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"rate": 0.1, "features": ["acid", "kind"], "long": "x" * 7000, "none": None})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": np.float64(0.9), "count": 3, "broken": float("nan")}, step=4)
        mlflow.log_metric("limit", float("inf"))
        mlflow.set_tag("stage", "test")
        mlflow.set_tags({"a/b": True, "c d": 2.5})
        mlflow.set_tag("gone", 1)
        mlflow.delete_tag("gone")
        mlflow.log_input(
            mlflow.data.from_pandas(frame, source="data/wine.csv", name="wine", targets="good"), "training"
        )
        mlflow.log_input(mlflow.data.from_numpy(np.eye(3), source="https://example.org/x.npy"), tags={"k": "v"})
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": [1, 2.5, None], "b": {"c": "d"}}, "config.json")
        mlflow.log_dict({"a": [1, 2.5, None], "b": {"c": "d"}}, "config.yaml")
        mlflow.log_table({"question": ["q1", "q2"], "score": [1, 2]}, "table.json")
        mlflow.log_table(frame, "table.json")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "black.png")
        with mlflow.start_run(run_name="fold", nested=True):
            mlflow.log_metric("loss", 0.5)
    mlflow.flush_async_logging()
    return str(run.info.run_id)


def left_behind(client: Any, run_id: str) -> dict[str, Any]:
    """A run as the stock client reads it, without what differs from run to run."""
    run = client.get_run(run_id)
    tags = {
        key: value for key, value in run.data.tags.items() if not key.startswith(("mlflow.source.git", "modelyard"))
    }
    (child,) = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    files: dict[str, Any] = {}
    waiting = [None]
    while waiting:
        for entry in client.list_artifacts(run_id, waiting.pop()):
            if entry.is_dir:
                waiting.append(entry.path)
            else:
                with open(client.download_artifacts(run_id, entry.path), "rb") as file:  # noqa: PTH123
                    files[entry.path] = json.load(file) if entry.path == "table.json" else file.read()
    history = {
        key: [(point.step, str(point.value)) for point in client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    return {
        "info": (run.info.run_name, run.info.status, run.info.user_id, run.info.lifecycle_stage),
        "tags": tags,
        "params": run.data.params,
        "history": history,
        "inputs": [
            (dict(each.dataset), [(tag.key, tag.value) for tag in each.tags]) for each in run.inputs.dataset_inputs
        ],
        "files": files,
        "child": (child.info.run_name, child.info.status, child.data.metrics),
    }


def test_the_same_run(any_server, name, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
        import modelyard

        mlflow.set_tracking_uri(any_server)
        modelyard.set_tracking_uri(any_server)
        try:
            client = mlflow.MlflowClient(any_server)
            theirs = left_behind(client, script(mlflow, f"{name}/theirs"))
            ours = left_behind(client, script(modelyard, f"{name}/ours"))
        finally:
            mlflow.set_tracking_uri(None)

    for part in theirs:
        assert ours[part] == theirs[part], part
