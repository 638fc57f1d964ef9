"""The endpoint table of the MLflow edge: what is served, and what is not with the reason."""

from __future__ import annotations

from . import artifacts, datasets, experiments, files, graphql, log, logged_models, metrics, models, runs, versions
from .edge import DataCommand, Route
from .not_served import NOT_SERVED, ROOT

AJAX = ("/ajax-api/2.0/",)

EXPERIMENTS = [
    Route("POST", "mlflow/experiments/create", experiments.create),
    Route("GET", "mlflow/experiments/get", experiments.get),
    Route("GET", "mlflow/experiments/get-by-name", experiments.get_by_name),
    Route("POST", "mlflow/experiments/update", experiments.update),
    Route("POST", "mlflow/experiments/delete", experiments.delete),
    Route("POST", "mlflow/experiments/restore", experiments.restore),
    Route("GET", "mlflow/experiments/search", experiments.search),
    Route("POST", "mlflow/experiments/search", experiments.search),
    Route("POST", "mlflow/experiments/set-experiment-tag", experiments.set_tag),
    Route("POST", "mlflow/experiments/delete-experiment-tag", experiments.delete_tag),
    Route("POST", "mlflow/experiments/search-datasets", datasets.search),
]

RUNS = [
    Route("POST", "mlflow/runs/create", data=DataCommand(runs.create, runs.created)),
    Route("GET", "mlflow/runs/get", runs.get),
    Route("POST", "mlflow/runs/update", data=DataCommand(runs.update, runs.updated)),
    Route("POST", "mlflow/runs/delete", runs.delete),
    Route("POST", "mlflow/runs/restore", runs.restore),
    Route("POST", "mlflow/runs/search", runs.search),
    Route("POST", "mlflow/runs/delete-tag", runs.delete_tag),
    Route("POST", "mlflow/runs/log-metric", data=DataCommand(log.log_metric, log.done)),
    Route("POST", "mlflow/runs/log-batch", data=DataCommand(log.log_batch, log.done)),
    Route("POST", "mlflow/runs/log-parameter", data=DataCommand(log.log_parameter, log.done)),
    Route("POST", "mlflow/runs/set-tag", data=DataCommand(log.set_tag, log.done)),
    Route("GET", "mlflow/metrics/get-history", metrics.get_history),
    Route("GET", "mlflow/metrics/get-history-bulk-interval", metrics.get_history_bulk_interval),
    Route("GET", "mlflow/metrics/get-history-bulk", metrics.get_history_bulk, prefixes=AJAX),
]

# What a run read and made.
LINKS = [
    Route("POST", "mlflow/runs/log-inputs", datasets.log_inputs),
    Route("POST", "mlflow/runs/outputs", logged_models.log_outputs),
    Route("POST", "mlflow/runs/log-model", logged_models.record),
]

LOGGED_MODELS = [
    Route("POST", "mlflow/logged-models", logged_models.create),
    Route("POST", "mlflow/logged-models/search", logged_models.search),
    Route("GET", "mlflow/logged-models/{model_id}", logged_models.get),
    Route("PATCH", "mlflow/logged-models/{model_id}", logged_models.finalize),
    Route("DELETE", "mlflow/logged-models/{model_id}", logged_models.delete),
    Route("POST", "mlflow/logged-models/{model_id}/params", logged_models.log_params),
    Route("PATCH", "mlflow/logged-models/{model_id}/tags", logged_models.set_tags),
    Route("DELETE", "mlflow/logged-models/{model_id}/tags/{tag_key*}", logged_models.delete_tag),
    Route("GET", "mlflow/logged-models/{model_id}/artifacts/directories", files.list_of_model),
    Route("GET", "mlflow/logged-models/{model_id}/artifacts/files", files.send_of_model, raw=True, prefixes=AJAX),
]

FILES = [
    Route("GET", "mlflow/artifacts/list", files.list_of_run),
    Route("POST", "mlflow/artifacts/presigned-upload-url", files.sign_upload),
    Route("POST", "mlflow/artifacts/presigned-download-url", files.sign_download),
    Route("POST", "mlflow/upload-artifact", files.upload_to_run, raw=True, prefixes=AJAX),
    Route("GET", "get-artifact", files.send_of_run, raw=True, prefixes=ROOT),
    Route("GET", "model-versions/get-artifact", files.send_of_version, raw=True, prefixes=ROOT),
]

MODELS = [
    Route("POST", "mlflow/registered-models/create", models.create),
    Route("GET", "mlflow/registered-models/get", models.get),
    Route("GET", "mlflow/registered-models/search", models.search),
    Route("PATCH", "mlflow/registered-models/update", models.update),
    Route("POST", "mlflow/registered-models/rename", models.rename),
    Route("DELETE", "mlflow/registered-models/delete", models.delete),
    Route("POST", "mlflow/registered-models/set-tag", models.set_tag),
    Route("DELETE", "mlflow/registered-models/delete-tag", models.delete_tag),
    Route("POST", "mlflow/registered-models/alias", models.set_alias),
    Route("GET", "mlflow/registered-models/alias", models.get_alias),
    Route("DELETE", "mlflow/registered-models/alias", models.delete_alias),
    Route("GET", "mlflow/registered-models/get-latest-versions", versions.latest),
    Route("POST", "mlflow/registered-models/get-latest-versions", versions.latest),
    Route("POST", "mlflow/model-versions/create", versions.create),
    Route("GET", "mlflow/model-versions/get", versions.get),
    Route("GET", "mlflow/model-versions/search", versions.search),
    Route("PATCH", "mlflow/model-versions/update", versions.update),
    Route("DELETE", "mlflow/model-versions/delete", versions.delete),
    Route("POST", "mlflow/model-versions/transition-stage", versions.transition),
    Route("POST", "mlflow/model-versions/set-tag", versions.set_tag),
    Route("DELETE", "mlflow/model-versions/delete-tag", versions.delete_tag),
    Route("GET", "mlflow/model-versions/get-download-uri", versions.download_uri),
]

# What MLflow's browser interface asks for besides.
BROWSER = [Route(method, "graphql", graphql.answer, prefixes=ROOT) for method in ("GET", "POST")]

ROUTES: list[Route] = [
    *EXPERIMENTS,
    *RUNS,
    *MODELS,
    *artifacts.ROUTES,
    *LINKS,
    *LOGGED_MODELS,
    *FILES,
    *BROWSER,
    *NOT_SERVED,
]
