"""The endpoint table of the MLflow edge: what is served, and what is not with the reason."""

from __future__ import annotations

from . import artifacts, experiments
from .edge import Route

EXPERIMENTS = [
    Route("POST", "mlflow/experiments/create", experiments.create),
    Route("GET", "mlflow/experiments/get", experiments.get),
    Route("GET", "mlflow/experiments/get-by-name", experiments.get_by_name),
]

ROUTES: list[Route] = [*EXPERIMENTS, *artifacts.ROUTES]
