"""The endpoint table of the native API."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import AlreadyExists, InvalidState, NotFound, PermissionDenied
from modelyard.wire import artifacts as artifact_wire
from modelyard.wire import changes as change_wire
from modelyard.wire import environments as environment_wire
from modelyard.wire import experiments as experiment_wire
from modelyard.wire import history as history_wire
from modelyard.wire import logged_models as logged_model_wire
from modelyard.wire import metrics as metric_wire
from modelyard.wire import models as model_wire
from modelyard.wire import runs as run_wire
from modelyard.wire import totals as total_wire
from modelyard.wire import versions as version_wire

from . import (
    artifacts,
    changes,
    environments,
    experiments,
    history,
    logged_models,
    metrics,
    models,
    runs,
    totals,
    versions,
)
from .deployment_routes import DEPLOYMENTS
from .edge import Route
from .gateway_routes import GATEWAYS
from .lineage_routes import LINEAGE
from .policy_routes import POLICIES
from .prediction_routes import PREDICTIONS
from .run_table_routes import RUN_TABLES

_BYTES: Final = "application/octet-stream"
_GONE: Final = (NotFound,)
_TRASH: Final = (NotFound, InvalidState)
_NAMED: Final = (NotFound, AlreadyExists)

EXPERIMENTS: Final = [
    Route(
        "GET",
        "/experiments",
        experiments.search,
        "List experiments that match, the newest first unless said otherwise.",
        "Experiments",
        takes=experiment_wire.ExperimentSearch,
        gives=experiment_wire.ExperimentPage,
    ),
    Route(
        "POST",
        "/experiments",
        experiments.create,
        "Make an experiment.",
        "Experiments",
        takes=experiment_wire.NewExperiment,
        gives=experiment_wire.Experiment,
        status=201,
        location="/experiments/{id}",
        errors=(AlreadyExists,),
    ),
    Route(
        "GET",
        "/experiments/{experiment_id}",
        experiments.get,
        "Read an experiment, in the trash or not.",
        "Experiments",
        gives=experiment_wire.Experiment,
        errors=_GONE,
    ),
    Route(
        "PATCH",
        "/experiments/{experiment_id}",
        experiments.change,
        "Change an experiment's name or tags.",
        "Experiments",
        takes=experiment_wire.ExperimentChange,
        gives=experiment_wire.Experiment,
        errors=(NotFound, AlreadyExists, InvalidState),
    ),
    Route(
        "DELETE",
        "/experiments/{experiment_id}",
        experiments.delete,
        "Move an experiment and its runs to the trash.",
        "Experiments",
        errors=_GONE,
    ),
    Route(
        "POST",
        "/experiments/{experiment_id}/restore",
        experiments.restore,
        "Take an experiment and its runs out of the trash.",
        "Experiments",
        gives=experiment_wire.Experiment,
        errors=_GONE,
    ),
]

RUNS: Final = [
    Route(
        "POST",
        "/runs",
        runs.create,
        "Start a run; with an id of your own, it is safe to repeat.",
        "Runs",
        takes=run_wire.NewRun,
        gives=run_wire.Run,
        status=201,
        location="/runs/{run_id}",
        errors=(NotFound, InvalidState, AlreadyExists),
    ),
    Route(
        "POST",
        "/runs/search",
        runs.search,
        "Find runs, and read the parts of them that are wanted.",
        "Runs",
        takes=run_wire.RunSearch,
        gives=run_wire.RunPage,
    ),
    Route(
        "POST",
        "/runs/count",
        runs.count,
        "Count runs.",
        "Runs",
        takes=run_wire.RunCount,
        gives=run_wire.Counted,
    ),
    Route(
        "GET",
        "/runs/{run_id}",
        runs.get,
        "Read a run, in the trash or not.",
        "Runs",
        takes=run_wire.RunQuery,
        gives=run_wire.Run,
        errors=_GONE,
    ),
    Route(
        "PATCH",
        "/runs/{run_id}",
        runs.change,
        "Change a run's name, status, end or tags.",
        "Runs",
        takes=run_wire.RunChange,
        gives=run_wire.Run,
        errors=_TRASH,
    ),
    Route(
        "POST",
        "/runs/{run_id}/log",
        runs.log,
        "Log metrics, params and tags, all or nothing.",
        "Runs",
        takes=run_wire.Log,
        errors=_TRASH,
    ),
    Route("DELETE", "/runs/{run_id}", runs.delete, "Move a run to the trash.", "Runs", errors=_GONE),
    Route(
        "POST",
        "/runs/{run_id}/restore",
        runs.restore,
        "Take a run out of the trash.",
        "Runs",
        gives=run_wire.Run,
        errors=_GONE,
    ),
    Route(
        "POST",
        "/runs/{run_id}/inputs",
        runs.inputs,
        "Note datasets and logged models that a run read.",
        "Runs",
        takes=run_wire.Inputs,
        errors=_TRASH,
    ),
    Route(
        "POST",
        "/runs/{run_id}/outputs",
        runs.outputs,
        "Note logged models that a run made.",
        "Runs",
        takes=run_wire.Outputs,
        errors=_TRASH,
    ),
]

METRICS: Final = [
    Route(
        "GET",
        "/runs/{run_id}/metrics/{key*}",
        metrics.one,
        "Read a metric's series as columns, down-sampled to what a chart can show.",
        "Metrics",
        takes=metric_wire.SeriesQuery,
        gives=metric_wire.Series,
        errors=_GONE,
    ),
    Route(
        "POST",
        "/metrics/series",
        metrics.several,
        "Read several series at once, of several runs.",
        "Metrics",
        takes=metric_wire.SeriesSearch,
        gives=metric_wire.SeriesList,
    ),
    Route(
        "POST",
        "/metrics/points",
        metrics.points,
        "Log many points of several runs, all or nothing.",
        "Metrics",
        takes=metric_wire.PointBatch,
        errors=_TRASH,
        packed=True,
    ),
]

MODELS: Final = [
    Route(
        "GET",
        "/models",
        models.search,
        "List registered models that match, by name unless said otherwise.",
        "Models",
        takes=model_wire.ModelSearch,
        gives=model_wire.ModelPage,
    ),
    Route(
        "POST",
        "/models",
        models.create,
        "Register a name.",
        "Models",
        takes=model_wire.NewModel,
        gives=model_wire.Model,
        status=201,
        location="/models/{name}",
        errors=(AlreadyExists,),
    ),
    Route(
        "GET", "/models/{name}", models.get, "Read a registered model.", "Models", gives=model_wire.Model, errors=_GONE
    ),
    Route(
        "PATCH",
        "/models/{name}",
        models.change,
        "Change a registered model's name, description or tags.",
        "Models",
        takes=model_wire.ModelChange,
        gives=model_wire.Model,
        errors=_NAMED,
    ),
    Route(
        "DELETE",
        "/models/{name}",
        models.delete,
        "Delete a registered model with its versions; only its history stays.",
        "Models",
        takes=version_wire.WithReason,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/models/{name}/aliases/{alias}",
        models.get_alias,
        "Read the version that an alias points to.",
        "Models",
        gives=version_wire.Version,
        errors=_GONE,
    ),
    Route(
        "PUT",
        "/models/{name}/aliases/{alias}",
        models.set_alias,
        "Point an alias to a version.",
        "Models",
        takes=version_wire.PointTo,
        gives=version_wire.Version,
        errors=_GONE,
    ),
    Route(
        "DELETE",
        "/models/{name}/aliases/{alias}",
        models.delete_alias,
        "Remove an alias, if it is there.",
        "Models",
        takes=version_wire.WithReason,
        errors=_GONE,
    ),
]

VERSIONS: Final = [
    Route(
        "GET",
        "/versions",
        versions.search,
        "List versions of all models that match.",
        "Versions",
        takes=version_wire.VersionSearch,
        gives=version_wire.VersionPage,
    ),
    Route(
        "GET",
        "/models/{name}/versions",
        versions.of_model,
        "List a model's versions that match, the newest first unless said otherwise.",
        "Versions",
        takes=version_wire.VersionSearch,
        gives=version_wire.VersionPage,
        errors=_GONE,
    ),
    Route(
        "POST",
        "/models/{name}/versions",
        versions.create,
        "Make the next version of a model, with a label of your own if you like.",
        "Versions",
        takes=version_wire.NewVersion,
        gives=version_wire.Version,
        status=201,
        location="/models/{model}/versions/{version}",
        errors=_NAMED,
    ),
    Route(
        "GET",
        "/models/{name}/versions/{version}",
        versions.get,
        "Read a version by number, label, `@alias`, environment, stage or `latest`.",
        "Versions",
        gives=version_wire.Version,
        errors=_GONE,
    ),
    Route(
        "PATCH",
        "/models/{name}/versions/{version}",
        versions.change,
        "Change a version's label, description, stage or tags.",
        "Versions",
        takes=version_wire.VersionChange,
        gives=version_wire.Version,
        errors=_NAMED,
    ),
    Route(
        "DELETE",
        "/models/{name}/versions/{version}",
        versions.delete,
        "Delete a version; its number is not given again.",
        "Versions",
        takes=version_wire.WithReason,
        errors=_GONE,
    ),
]

ENVIRONMENTS: Final = [
    Route(
        "GET",
        "/environments",
        environments.listing,
        "List environments, the most advanced last.",
        "Environments",
        gives=environment_wire.EnvironmentList,
    ),
    Route(
        "POST",
        "/environments",
        environments.create,
        "Add an environment.",
        "Environments",
        takes=environment_wire.NewEnvironment,
        gives=environment_wire.Environment,
        status=201,
        location="/environments",
        errors=_NAMED,
    ),
    Route(
        "PUT",
        "/environments",
        environments.replace,
        "Set the whole list: others are removed, new ones added, all put in this order.",
        "Environments",
        takes=environment_wire.NewEnvironmentList,
        gives=environment_wire.EnvironmentList,
        errors=(InvalidState,),
    ),
    Route(
        "DELETE",
        "/environments/{environment}",
        environments.delete,
        "Remove an environment; what it pointed to stays as an alias.",
        "Environments",
        takes=version_wire.WithReason,
        errors=_TRASH,
    ),
    Route(
        "GET",
        "/models/{name}/environments",
        environments.pointers,
        "List which version of a model is in each environment.",
        "Environments",
        gives=environment_wire.PointerList,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/models/{name}/environments/{environment}",
        environments.get,
        "Read the version of a model that is in an environment.",
        "Environments",
        gives=version_wire.Version,
        errors=_GONE,
    ),
    Route(
        "PUT",
        "/models/{name}/environments/{environment}",
        environments.move,
        "Put a version into an environment.",
        "Environments",
        takes=version_wire.PointTo,
        gives=version_wire.Version,
        errors=_GONE,
    ),
    Route(
        "DELETE",
        "/models/{name}/environments/{environment}",
        environments.clear,
        "Take whatever version is in an environment out of it.",
        "Environments",
        takes=version_wire.WithReason,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/models/{name}/environments/{environment}/at",
        environments.at,
        "Tell which version was in an environment at a moment.",
        "Environments",
        takes=environment_wire.At,
        gives=environment_wire.PointedAt,
        errors=_GONE,
    ),
]

HISTORY: Final = [
    Route(
        "GET",
        "/history",
        history.everything,
        "List what happened in the registry, the newest first.",
        "History",
        takes=history_wire.HistoryQuery,
        gives=history_wire.EventPage,
    ),
    Route(
        "GET",
        "/models/{name}/history",
        history.of_model,
        "List what happened to a model, even if it is renamed or deleted since.",
        "History",
        takes=history_wire.ModelHistoryQuery,
        gives=history_wire.EventPage,
        errors=_GONE,
    ),
]

LOGGED_MODELS: Final = [
    Route(
        "POST",
        "/logged-models",
        logged_models.create,
        "Make a logged model.",
        "Logged models",
        takes=logged_model_wire.NewLoggedModel,
        gives=logged_model_wire.LoggedModel,
        status=201,
        location="/logged-models/{id}",
        errors=_TRASH,
    ),
    Route(
        "POST",
        "/logged-models/search",
        logged_models.search,
        "Find logged models, the newest first unless said otherwise.",
        "Logged models",
        takes=logged_model_wire.LoggedModelSearch,
        gives=logged_model_wire.LoggedModelPage,
    ),
    Route(
        "GET",
        "/logged-models/{model_id}",
        logged_models.get,
        "Read a logged model.",
        "Logged models",
        gives=logged_model_wire.LoggedModel,
        errors=_GONE,
    ),
    Route(
        "PATCH",
        "/logged-models/{model_id}",
        logged_models.change,
        "Change a logged model's status or tags, or add params.",
        "Logged models",
        takes=logged_model_wire.LoggedModelChange,
        gives=logged_model_wire.LoggedModel,
        errors=_GONE,
    ),
    Route(
        "DELETE",
        "/logged-models/{model_id}",
        logged_models.delete,
        "Move a logged model to the trash.",
        "Logged models",
        errors=_GONE,
    ),
]


def _files(root: str, of: str, listing: object, download: object, upload: object | None) -> list[Route]:
    """Listing and transfer of what something keeps below its artifact URI."""
    errors = (NotFound, PermissionDenied)
    routes = [
        Route(
            "GET",
            f"{root}/artifacts",
            listing,  # type: ignore[arg-type]
            f"List the files of {of}, one folder at a time.",
            "Artifacts",
            takes=artifact_wire.FolderQuery,
            gives=artifact_wire.ArtifactList,
            errors=errors,
        ),
        Route(
            "GET",
            f"{root}/artifacts/{{path*}}",
            download,  # type: ignore[arg-type]
            f"Download a file of {of}, or preview it; ranges and conditions work.",
            "Artifacts",
            takes=artifact_wire.FileQuery,
            errors=errors,
            media=_BYTES,
        ),
    ]
    if upload is not None:
        routes.append(
            Route(
                "PUT",
                f"{root}/artifacts/{{path*}}",
                upload,  # type: ignore[arg-type]
                f"Upload a file of {of}; it appears complete or not at all.",
                "Artifacts",
                status=201,
                errors=errors,
                media=_BYTES,
            )
        )
    return routes


ARTIFACTS: Final = [
    *_files("/runs/{run_id}", "a run", artifacts.list_of_run, artifacts.download_of_run, artifacts.upload_to_run),
    *_files(
        "/logged-models/{model_id}",
        "a logged model",
        artifacts.list_of_logged_model,
        artifacts.download_of_logged_model,
        artifacts.upload_to_logged_model,
    ),
    *_files(
        "/models/{name}/versions/{version}", "a version", artifacts.list_of_version, artifacts.download_of_version, None
    ),
]

TOTALS: Final = [
    Route("GET", "/totals", totals.get, "Count everything.", "Totals", gives=total_wire.Totals),
]

CHANGES: Final = [
    Route(
        "GET",
        "/changes",
        changes.follow,
        "Listen to what changes, as server-sent events.",
        "Changes",
        gives=change_wire.Changes,
        media="text/event-stream",
    ),
]

ROUTES: Final = [
    *RUNS,
    *RUN_TABLES,
    *METRICS,
    *EXPERIMENTS,
    *MODELS,
    *VERSIONS,
    *LINEAGE,
    *ENVIRONMENTS,
    *POLICIES,
    *HISTORY,
    *LOGGED_MODELS,
    *ARTIFACTS,
    *DEPLOYMENTS,
    *GATEWAYS,
    *PREDICTIONS,
    *TOTALS,
    *CHANGES,
]
