"""What one can do with experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import experiments as db
from modelyard.domain.errors import AlreadyExists, InvalidArgument, NotFound

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelyard.db.engine import Transaction
    from modelyard.domain.experiments import Experiment
    from modelyard.domain.principals import Principal

LONGEST_NAME = 500


def get(tx: Transaction, number: int) -> Experiment:
    """An experiment by id, deleted ones included.

    Raises:
        NotFound: there is none.
    """
    found = db.get(tx, number)
    if found is None:
        raise NotFound(f"No Experiment with id={number} exists")
    return found


def get_by_name(tx: Transaction, name: str) -> Experiment:
    """An experiment by name, deleted ones included.

    Raises:
        NotFound: there is none.
    """
    found = db.get_by_name(tx, name)
    if found is None:
        raise NotFound(f"Could not find experiment with name '{name}'")
    return found


def create(
    tx: Transaction, principal: Principal, name: str, location: str, root: str, tags: Mapping[str, str] | None = None
) -> int:
    """Make an experiment; its id.

    Args:
        location: URI for its artifacts; empty: a folder named after its id below `root`.
        root: the server's default artifact root, such as `mlflow-artifacts:`.

    Raises:
        AlreadyExists: the name is taken, if only by a deleted experiment.
        InvalidArgument: the name is too long or the location cannot hold artifacts.
    """
    _check_name(name)
    if location.startswith("runs:"):
        raise InvalidArgument(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    if db.get_by_name(tx, name) is not None:
        raise AlreadyExists(f"Experiment(name={name}) already exists. It may be in the trash; choose another name.")
    now = now_ms()
    number = db.create(tx, name, location, now, principal.name)
    if not location:
        db.locate(tx, number, f"{root}/{number}")
    if tags:
        db.set_tags(tx, number, tags, now)
    return number


def _check_name(name: str) -> None:
    if not name or len(name) > LONGEST_NAME:
        raise InvalidArgument(
            f"Invalid experiment name of {len(name)} characters; 1 to {LONGEST_NAME} are allowed: {name[:40]!r}"
        )
