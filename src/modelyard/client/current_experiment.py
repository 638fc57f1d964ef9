"""The experiment that new runs go to, and the calls of MLflow's `mlflow` module about experiments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from modelyard import settings
from modelyard.domain.errors import AlreadyExists, InvalidArgument, InvalidState, Unavailable

from . import uris
from .active import state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entities import Experiment

DEFAULT_ID = "0"


def set_experiment(experiment_name: str | None = None, experiment_id: str | int | None = None) -> Experiment:
    """Send the runs that begin from now on to this experiment, here and in processes started from here.

    A server that cannot be reached does not stop it: the experiment is found, or made, when runs are delivered.

    Args:
        experiment_name: of the experiment, which is made if there is none; such as `/Users/ada/churn`.
        experiment_id: instead of the name, of one that exists.

    Returns:
        The experiment; without an id while that is not known.

    Raises:
        InvalidArgument: not exactly one of both is given.
        NotFound: there is no experiment of this id.
        InvalidState: the experiment is in the trash.
    """
    from .client import Client
    from .entities import Experiment

    if (experiment_name is None) == (experiment_id is None):
        raise InvalidArgument("Must specify exactly one of: `experiment_id` or `experiment_name`.")
    uri = uris.tracking_uri()
    client = Client(uri)
    try:
        client.tracking.reach()
        experiment = (
            client.get_experiment(str(experiment_id))
            if experiment_name is None
            else client.get_experiment_by_name(experiment_name) or _made(client, experiment_name)
        )
    except Unavailable:  # the recorder says so when a run begins
        experiment = Experiment(str(experiment_id or ""), experiment_name or "")
    if experiment.lifecycle_stage != "active":
        raise InvalidState(
            f"Cannot set a deleted experiment {experiment.name!r} as the active experiment. "
            "You can restore the experiment, or permanently delete it to create a new one."
        )
    state.experiment = (uri, experiment.experiment_id, experiment.name)
    _pass_on(experiment)
    return experiment


def _made(client: Any, name: str) -> Experiment:
    try:
        found: Experiment = client.get_experiment(client.create_experiment(name))
    except AlreadyExists:  # somebody was quicker
        found = client.get_experiment_by_name(name)
    return found


def _pass_on(experiment: Experiment) -> None:
    """Leave the experiment to the processes that this one starts, as MLflow does."""
    if experiment.experiment_id:
        os.environ["MLFLOW_EXPERIMENT_ID"] = experiment.experiment_id
    for setting, value in (
        (settings.EXPERIMENT_ID, experiment.experiment_id),
        (settings.EXPERIMENT_NAME, experiment.name),
    ):
        for variable in (setting.variable, *setting.also):
            if value and variable in os.environ:
                os.environ[variable] = value


def chosen(uri: str, experiment_id: str | int | None = None) -> tuple[str | None, str | None]:
    """The experiment of a run that begins now: its id, or else its name.

    In this order: the argument, `set_experiment`, MODELYARD_EXPERIMENT_NAME, MODELYARD_EXPERIMENT_ID (or MLflow's
    variables of these names), `Default`.
    """
    if experiment_id is not None:
        return str(experiment_id), None
    if state.experiment is not None:
        where, number, name = state.experiment
        if number and where == uri:
            return number, None
        if name:  # of another server, where it has another id
            return None, name
    if name := settings.EXPERIMENT_NAME.get():
        return None, name
    return settings.EXPERIMENT_ID.get() or DEFAULT_ID, None


def current_experiment_id() -> str:
    """The id of the experiment of the active run, or of a run that would begin now; made if need be."""
    run = state.current()
    if run is not None and run.info.experiment_id:
        return run.info.experiment_id
    from .client import Client

    uri = uris.tracking_uri()
    number, name = chosen(uri)
    if number is not None:
        return number
    client = Client(uri)
    experiment = client.get_experiment_by_name(str(name)) or _made(client, str(name))
    return experiment.experiment_id


# ------------------------------------------------------------------------------------ any experiment


def create_experiment(name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None) -> str:
    """Make an experiment.

    Args:
        name: of the experiment, unique.
        artifact_location: URI below which its runs keep artifacts; None: the server's own place.
        tags: of the experiment.

    Returns:
        Its id.

    Raises:
        AlreadyExists: the name is taken, perhaps by one in the trash.
    """
    from .client import Client

    return Client().create_experiment(name, artifact_location, dict(tags or {}))


def get_experiment(experiment_id: str | int) -> Experiment:
    """An experiment by its id.

    Raises:
        NotFound: there is none.
    """
    from .client import Client

    return Client().get_experiment(str(experiment_id))


def get_experiment_by_name(name: str) -> Experiment | None:
    """An experiment by its name; None if there is none."""
    from .client import Client

    return Client().get_experiment_by_name(name)


def delete_experiment(experiment_id: str | int) -> None:
    """Move an experiment and its runs to the trash."""
    from .client import Client

    Client().delete_experiment(str(experiment_id))


def restore_experiment(experiment_id: str | int) -> None:
    """Take an experiment and its runs out of the trash."""
    from .client import Client

    Client().restore_experiment(str(experiment_id))


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the current experiment."""
    from .client import Client

    Client().set_experiment_tag(current_experiment_id(), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the current experiment."""
    for key, value in tags.items():
        set_experiment_tag(key, value)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the current experiment."""
    from .client import Client

    Client().delete_experiment_tag(current_experiment_id(), key)
