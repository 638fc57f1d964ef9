"""Modelyard: a tracking server and model registry that speaks MLflow's protocol, and a client for training jobs.

`import modelyard as mlflow` is all that an existing training script needs. Names are loaded when they are first used,
so that the import costs next to nothing; `__init__.pyi` tells them to type checkers and editors.
"""

import importlib
import sys

__version__ = "0.1.0"

_ATTRIBUTES = {
    "modelyard.client.active": "ActiveRun",
    "modelyard.client.client": "Client MlflowClient=Client",
    "modelyard.client.current_experiment": (
        "create_experiment delete_experiment delete_experiment_tag get_experiment get_experiment_by_name "
        "restore_experiment set_experiment set_experiment_tag set_experiment_tags"
    ),
    "modelyard.client.lifecycle": (
        "active_run delete_run end_run flush_artifact_async_logging flush_async_logging get_parent_run "
        "get_registry_uri get_run get_tracking_uri is_tracking_uri_set last_active_run restore_run set_registry_uri "
        "set_tracking_uri start_run"
    ),
    "modelyard.client.logged_files": "get_artifact_uri log_artifact log_artifacts log_dict log_stream log_text",
    "modelyard.client.logged_images": "Image log_figure log_image",
    "modelyard.client.logged_tables": "load_table log_table",
    "modelyard.client.lookups": (
        "search_experiments search_logged_models search_model_versions search_registered_models search_runs"
    ),
    "modelyard.client.model_calls": (
        "delete_logged_model_tag finalize_logged_model get_logged_model initialize_logged_model last_logged_model "
        "log_model_params set_logged_model_tags set_model_version_tag"
    ),
    "modelyard.client.models": "register_model",
    "modelyard.client.stages": "stage",
    "modelyard.client.system_metrics": (
        "disable_system_metrics_logging enable_system_metrics_logging set_system_metrics_node_id "
        "set_system_metrics_samples_before_logging set_system_metrics_sampling_interval"
    ),
    "modelyard.client.values": (
        "delete_tag log_input log_inputs log_metric log_metrics log_outputs log_param log_params set_tag set_tags"
    ),
    "modelyard.domain.errors": "ModelyardError MlflowException=ModelyardError",
}
"""Module → the names that it gives, as `name` or `name=its name there`."""

_MODULES = (
    "artifacts", "autolog", "client", "data", "entities", "exceptions", "keras", "lightgbm", "lightning", "models",
    "onnx", "optuna", "pyfunc", "pytorch", "sklearn", "tracking", "types", "xgboost",
)  # fmt: skip
"""Modules of MLflow's names, and `autolog`, which can be called."""

_PLACES = {
    name.partition("=")[0]: (module, name.partition("=")[2] or name)
    for module, names in _ATTRIBUTES.items()
    for name in names.split()
}

__all__ = ["__version__", *sorted([*_PLACES, *_MODULES])]  # noqa: PLE0604 - they are texts


def __getattr__(name: str) -> object:
    if name in _PLACES:
        module, there = _PLACES[name]
        value = getattr(importlib.import_module(module), there)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}. What of MLflow is not offered, and why: docs/client.md"
        )
    return sys.modules[__name__].__dict__.setdefault(name, value)  # the next use finds it without this function


def __dir__() -> list[str]:
    return list(__all__)
