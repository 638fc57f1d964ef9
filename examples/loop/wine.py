"""What any user of MLflow writes: forests on the wine data, logged, registered and moved by the stock client."""

from __future__ import annotations

import io
import logging
import os
import warnings
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Any

# MLflow reads these when it is imported: no address after each run, no progress bars, no calls home
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

# what MLflow says about its own future (stages) and its own use of pandas is no news about this example
warnings.filterwarnings("ignore", module="mlflow")
warnings.filterwarnings("ignore", category=FutureWarning, message=".*(stages|transition_model_version_stage)")
logging.getLogger("mlflow").setLevel(logging.WARNING)

NAME = "winetest"
FORESTS = (
    {"max_depth": 1, "max_features": 1},
    {"max_depth": 2, "max_features": 2},
    {"max_depth": 8, "max_features": 3},
)
STEPS = range(10, 61, 10)  # trees after each step


@dataclass(frozen=True, slots=True)
class Trained:
    """One finished run, and the version that was made of it."""

    name: str
    params: dict[str, Any]
    accuracy: float
    loss: float
    version: str


def split() -> Any:
    """Training and test inputs, training and test labels."""
    features, labels = load_wine(return_X_y=True, as_frame=True)
    return train_test_split(features, labels, test_size=0.4, stratify=labels, random_state=7)


def train(url: str) -> list[Trained]:
    """Grow, log and register a few forests, the worst first."""
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("wine")
    data = split()
    return [_train(number, params, *data) for number, params in enumerate(FORESTS, 1)]


def _train(number: int, params: dict[str, Any], train_x: Any, test_x: Any, train_y: Any, test_y: Any) -> Trained:
    with mlflow.start_run(run_name=f"forest-{number}") as run:
        mlflow.log_params({"n_estimators": STEPS[-1], "criterion": "gini", **params})
        mlflow.set_tags({"dataset": "wine", "purpose": "demo"})
        mlflow.log_input(mlflow.data.from_pandas(train_x, name="wine"), context="training")
        forest = RandomForestClassifier(random_state=number, warm_start=True, **params)
        accuracy = loss = float("nan")
        for trees in STEPS:
            forest.set_params(n_estimators=trees).fit(train_x, train_y)
            accuracy = float(accuracy_score(test_y, forest.predict(test_x)))
            loss = float(log_loss(test_y, forest.predict_proba(test_x)))
            mlflow.log_metrics({"accuracy": accuracy, "log_loss": loss}, step=trees)
        mlflow.sklearn.log_model(
            forest,
            name="model",
            signature=infer_signature(train_x, forest.predict(train_x)),
            input_example=train_x.head(3),
            # skops rather than pickle: opening the file runs no code. Tree nodes are the one type it asks about
            serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
            # said, so that MLflow need not load the model in another process to find out
            pip_requirements=mlflow.sklearn.get_default_pip_requirements(include_skops=True),
        )
    with redirect_stderr(io.StringIO()):  # MLflow announces each version there
        version = mlflow.register_model(f"runs:/{run.info.run_id}/model", NAME).version
    return Trained(run.info.run_name, params, accuracy, loss, str(version))


def move(version: str, stage: str) -> None:
    """Move a version to a stage, as people have done for years."""
    client = mlflow.MlflowClient()
    client.transition_model_version_stage(NAME, version, stage, archive_existing_versions=True)
