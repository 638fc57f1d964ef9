"""MLflow's `mlflow.keras`: Keras 3, on whichever backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.autolog import registry
from modelyard.client import models
from modelyard.domain.errors import NotFound
from modelyard.packaging import mlflow_options, model
from modelyard.packaging.flavors import base
from modelyard.packaging.manifest import Model
from modelyard.packaging.trust import trust

FLAVOR_NAME = "keras"


def save_model(keras_model: Any, path: str | Path, **options: Any) -> Model:
    """Save a model in Keras's own format into a new directory that stock MLflow reads too.

    Args:
        keras_model: A `keras.Model`.
        path: The directory; it must not exist, or be empty.
        options: Those of `modelyard.packaging.model.save`, under our names or MLflow's: `signature`, `input_example`,
            `golden`, `pip_requirements`, `code_paths`, `metadata`, ...
    """
    return model.save(keras_model, path, flavor=FLAVOR_NAME, **mlflow_options.translated(options))


def log_model(keras_model: Any, artifact_path: str | None = None, *, name: str | None = None, **options: Any) -> Any:
    """Save a model and log it to the active run.

    Args:
        keras_model: As for `save_model`.
        artifact_path: MLflow's older word for `name`.
        name: The model's name.
        options: Those of `save_model` and of `modelyard.client.models.log_model`: `registered_model_name`, ...
    """
    given = mlflow_options.translated({"name": name, "artifact_path": artifact_path, **options})
    return models.log_model(flavor=FLAVOR_NAME, model=keras_model, **given)


def load_model(
    model_uri: str,
    dst_path: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    allow_pickle: bool | None = None,
) -> Any:
    """The Keras model, loaded in Keras's safe mode.

    Args:
        model_uri: `models:/name/3`, `models:/name@alias`, `runs:/<id>/<path>`, a path, ...
        dst_path: Directory to download into; a cached copy otherwise.
        custom_objects: Names of classes and functions of the user's own, and what they stand for.
        allow_pickle: Whether layers may hold bytecode, which runs code of the model's author.
    """
    folder = models.download_model(model_uri, dst_path)
    config = Model.read(folder).flavors.get(FLAVOR_NAME)
    if config is None:
        raise NotFound(f"{model_uri} is not a Keras model; modelyard.pyfunc.load_model loads models of any kind.")
    leaf: Any = base.find(FLAVOR_NAME)
    return leaf.load(Path(folder), config, trust(allow_pickle=allow_pickle), custom_objects=custom_objects)


def autolog(**options: Any) -> None:
    """Record each training without further calls; `disable=True` ends it. See `modelyard.autolog.registry.autolog`."""
    registry.autolog(FLAVOR_NAME, **options)
