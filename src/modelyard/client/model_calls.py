"""The calls of MLflow's `mlflow` module about logged models and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .active import state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entities import LoggedModel, LoggedModelStatus


def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Make a logged model whose files follow, and that `finalize_logged_model` completes.

    Args:
        name: of the model.
        source_run_id: the run that makes it; None: the active one.
        tags: of the model.
        params: of the model.
        model_type: a word for what it is.
        experiment_id: where it belongs; None: where the run does, or the current experiment.
    """
    from .client import Client
    from .context import tags as automatic
    from .current_experiment import current_experiment_id

    run = state.current()
    if source_run_id is None and run is not None:
        source_run_id = run.info.run_id
    return Client().create_logged_model(
        str(experiment_id or current_experiment_id()),
        name=name,
        source_run_id=source_run_id,
        tags={**automatic(), **(tags or {})},
        params=dict(params or {}),
        model_type=model_type,
    )


def finalize_logged_model(model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
    """Say that a logged model is complete (`READY`), or will not be (`FAILED`)."""
    from .client import Client

    return Client().finalize_logged_model(model_id, status)


def get_logged_model(model_id: str) -> LoggedModel:
    """A logged model by its id.

    Raises:
        NotFound: there is none.
    """
    from .client import Client

    return Client().get_logged_model(model_id)


def last_logged_model() -> LoggedModel | None:
    """The model that this thread logged last."""
    return get_logged_model(state.own.last_model_id) if state.own.last_model_id else None


def log_model_params(params: Mapping[str, Any], model_id: str) -> None:
    """Log params of a logged model."""
    from .client import Client

    Client().log_model_params(model_id, dict(params))


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a logged model."""
    from .client import Client

    Client().set_logged_model_tags(model_id, dict(tags))


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Remove a tag of a logged model."""
    from .client import Client

    Client().delete_logged_model_tag(model_id, key)


def set_model_version_tag(
    name: str, version: str | int | None = None, key: str | None = None, value: Any = None
) -> None:
    """Set a tag of a model version."""
    from .client import Client

    Client().set_model_version_tag(name, version, key, value)
