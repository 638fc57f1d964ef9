"""The endpoint table of the MLflow edge: what is served, and what is not with the reason."""

from __future__ import annotations

from . import artifacts, experiments, log, metrics, runs
from .edge import Route

EXPERIMENTS = [
    Route("POST", "mlflow/experiments/create", experiments.create),
    Route("GET", "mlflow/experiments/get", experiments.get),
    Route("GET", "mlflow/experiments/get-by-name", experiments.get_by_name),
]

RUNS = [
    Route("POST", "mlflow/runs/create", runs.create),
    Route("GET", "mlflow/runs/get", runs.get),
    Route("POST", "mlflow/runs/update", runs.update),
    Route("POST", "mlflow/runs/delete", runs.delete),
    Route("POST", "mlflow/runs/restore", runs.restore),
    Route("POST", "mlflow/runs/search", runs.search),
    Route("POST", "mlflow/runs/delete-tag", runs.delete_tag),
    Route("POST", "mlflow/runs/log-metric", log.log_metric, raw=True),
    Route("POST", "mlflow/runs/log-batch", log.log_batch, raw=True),
    Route("POST", "mlflow/runs/log-parameter", log.log_parameter),
    Route("POST", "mlflow/runs/set-tag", log.set_tag),
    Route("GET", "mlflow/metrics/get-history", metrics.get_history),
    Route("GET", "mlflow/metrics/get-history-bulk-interval", metrics.get_history_bulk_interval),
    Route("GET", "mlflow/metrics/get-history-bulk", metrics.get_history_bulk, prefixes=("/ajax-api/2.0/",)),
]

ROUTES: list[Route] = [*EXPERIMENTS, *RUNS, *artifacts.ROUTES]
