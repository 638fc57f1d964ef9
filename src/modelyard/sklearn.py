"""MLflow's `mlflow.sklearn`: scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.autolog import registry
from modelyard.client import models
from modelyard.packaging import mlflow_options, model
from modelyard.packaging.manifest import Model

FLAVOR_NAME = "sklearn"
SERIALIZATION_FORMAT_SKOPS = "skops"
SERIALIZATION_FORMAT_CLOUDPICKLE = "cloudpickle"
SERIALIZATION_FORMAT_PICKLE = "pickle"


def save_model(sk_model: Any, path: str | Path, **options: Any) -> Model:
    """Save an estimator into a new directory that stock MLflow reads too.

    Args:
        sk_model: Any estimator, transformer or pipeline of scikit-learn.
        path: The directory; it must not exist, or be empty.
        options: `serialization_format` (`skops`, on request `cloudpickle`, `pickle`), `pyfunc_predict_fn`, `trusted`
            and those of `modelyard.packaging.model.save`, under our names or MLflow's: `signature`, `input_example`,
            `golden`, `baseline`, `pip_requirements`, `code_paths`, `metadata`, ...
    """
    return model.save(sk_model, path, flavor=FLAVOR_NAME, **mlflow_options.translated(options))


def log_model(sk_model: Any, artifact_path: str | None = None, *, name: str | None = None, **options: Any) -> Any:
    """Save an estimator and log it to the active run.

    Args:
        sk_model: As for `save_model`.
        artifact_path: MLflow's older word for `name`.
        name: The model's name.
        options: Those of `save_model` and of `modelyard.client.models.log_model`: `registered_model_name`, `params`,
            `tags`, `model_type`, `step`, ...
    """
    given = mlflow_options.translated({"name": name, "artifact_path": artifact_path, **options})
    return models.log_model(flavor=FLAVOR_NAME, model=sk_model, **given)


def load_model(
    model_uri: str, dst_path: str | None = None, *, allow_pickle: bool | None = None, trusted: Sequence[str] = ()
) -> Any:
    """The estimator.

    Args:
        model_uri: `models:/name/3`, `models:/name@alias`, `runs:/<id>/<path>`, a path, ...
        dst_path: Directory to download into; a cached copy otherwise.
        allow_pickle: Whether a pickle may be loaded, which runs code of its author; None asks `MODELYARD_ALLOW_PICKLE`.
        trusted: Names of types, beyond our own list, that a skops file may hold.
    """
    return models.load_model(
        model_uri, flavor=FLAVOR_NAME, dst_path=dst_path, allow_pickle=allow_pickle, trusted=trusted
    )


def autolog(**options: Any) -> None:
    """Record each training without further calls; `disable=True` ends it. See `modelyard.autolog.registry.autolog`."""
    registry.autolog(FLAVOR_NAME, **options)
