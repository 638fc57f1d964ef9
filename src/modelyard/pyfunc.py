"""MLflow's `mlflow.pyfunc`: models as python functions, and classes of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.client import models
from modelyard.domain.errors import InvalidArgument
from modelyard.packaging import environment, mlflow_options, model
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.loader import PythonModel, PythonModelContext
from modelyard.packaging.manifest import Model

__all__ = [
    "FLAVOR_NAME", "PyFuncModel", "PythonModel", "PythonModelContext", "get_model_dependencies", "load_model",
    "log_model", "save_model",
]  # fmt: skip

FLAVOR_NAME = "python_function"
PyFuncModel = LoadedFunction


def save_model(path: str | Path, *, python_model: Any = None, **options: Any) -> Model:
    """Save a class of one's own, with its code and files, into a new directory that stock MLflow reads too.

    Args:
        path: The directory; it must not exist, or be empty.
        python_model: An instance of a `PythonModel`, or the class.
        options: `artifacts` (name → path), `model_config`, `serialization_format` (`code`, on request `cloudpickle`)
            and those of `modelyard.packaging.model.save`, under our names or MLflow's: `signature`, `input_example`,
            `golden`, `baseline`, `pip_requirements`, `code_paths`, `metadata`, ...
    """
    given = mlflow_options.translated(options)
    return model.save(_given(python_model), path, flavor=FLAVOR_NAME, **given)


def log_model(
    artifact_path: str | None = None, *, python_model: Any = None, name: str | None = None, **options: Any
) -> Any:
    """Save a class of one's own and log it to the active run.

    Args:
        artifact_path: MLflow's older word for `name`.
        python_model: As for `save_model`.
        name: The model's name.
        options: Those of `save_model` and of `modelyard.client.models.log_model`: `registered_model_name`, `params`,
            `tags`, `model_type`, `step`, ...
    """
    given = mlflow_options.translated({"name": name, "artifact_path": artifact_path, **options})
    return models.log_model(flavor=FLAVOR_NAME, model=_given(python_model), **given)


def _given(python_model: Any) -> Any:
    if python_model is None:
        raise InvalidArgument("python_model is missing: give an instance of a class with load and predict.")
    return python_model


def load_model(
    model_uri: str,
    suppress_warnings: bool = False,  # noqa: ARG001, FBT001, FBT002 - MLflow's place for it
    dst_path: str | None = None,
    model_config: dict[str, Any] | None = None,
    *,
    allow_pickle: bool | None = None,
    trusted: Sequence[str] = (),
) -> LoadedFunction:
    """Any model as a python function: `load_model(uri).predict(data, params)`.

    Args:
        model_uri: `models:/name/3`, `models:/name@alias`, `runs:/<id>/<path>`, a path, ...
        suppress_warnings: Without effect.
        dst_path: Directory to download into; a cached copy otherwise.
        model_config: Plain values for a `PythonModel`'s context, over those that were saved.
        allow_pickle: Whether a pickle may be loaded, which runs code of its author; None asks `MODELYARD_ALLOW_PICKLE`.
        trusted: Names of types, beyond our own list, that a skops file may hold.
    """
    path = models.download_model(model_uri, dst_path=dst_path)
    return model.load_function(path, allow_pickle=allow_pickle, trusted=trusted, model_config=model_config)


def get_model_dependencies(model_uri: str, format: str = "pip") -> str:
    """The path of a model's `requirements.txt` (`pip`) or `conda.yaml` (`conda`)."""
    files = {"pip": environment.REQUIREMENTS, "conda": environment.CONDA}
    if format not in files:
        raise InvalidArgument(f"format is 'pip' or 'conda', not {format!r}.")
    return str(Path(models.download_model(model_uri)) / files[format])
