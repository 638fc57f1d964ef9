"""What names a version: a number, a label, an environment, a stage, an alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import environments as places
from modelyard.db import models
from modelyard.db import versions as db
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.validation import check_model_name
from modelyard.domain.versions import ModelVersion, find_stage, parse_stage

from . import environments
from .labels import find_label_key
from .models import by_alias
from .models import not_found as no_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction

GREATEST_NUMBER = 2**63 - 1


def not_found(model: str, number: int) -> NotFound:
    """The error for a version that does not exist."""
    return NotFound(f"Model Version (name={model}, version={number}) not found")


def get(tx: Transaction, model: str, number: int) -> ModelVersion:
    """A version with its aliases.

    Raises:
        NotFound: there is none.
        InvalidArgument: no model can have this name.
    """
    check_model_name(model)
    found = db.find(tx, model, number) if abs(number) <= GREATEST_NUMBER else None
    if found is None:
        raise not_found(model, number)
    return found


def latest(tx: Transaction, model: str, references: Sequence[str] = ()) -> list[ModelVersion]:
    """The current version of each stage, by number, with aliases.

    Where an environment stands behind a stage that is the version it points to, else the newest in the stage.

    Args:
        tx: the transaction.
        model: the model's name.
        references: stages, in any case; none: all four. Environments and labels are understood too, which lets clients
            who know only stages load `models:/name/2.3.1`.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: a reference is none of these.
    """
    check_model_name(model)
    found = models.get(tx, model)
    if found is None:
        raise no_model(model)
    numbers = {version.number for version in found.latest} if not references else set()
    pointers = {alias.environment: alias.version for alias in found.aliases if alias.environment}
    for reference in references:
        stage = find_stage(reference)
        env = environments.find(tx, reference)
        if env is not None:
            numbers.update({pointers[env.name]} if env.name in pointers else ())
        elif stage is not None:
            numbers.update(version.number for version in found.latest if version.stage == stage)
        else:
            labelled = by_label(tx, found.id, reference)
            if labelled is None:
                parse_stage(reference)  # raises: says which stages there are
            else:
                numbers.add(labelled.number)
    got = (db.get(tx, found.id, number) for number in sorted(numbers))
    return [version for version in got if version is not None]


def resolve(tx: Transaction, model: str, reference: str) -> ModelVersion:
    """The version that `models:/model/reference` means.

    In this order: a version number; `latest`; `@alias`; an environment or stage in any case; a label, compared as
    PEP 440 does.

    Raises:
        NotFound: there is no such model, or nothing of it is meant.
        InvalidArgument: the reference is none of these.
    """
    check_model_name(model)
    if reference.isdecimal():
        return get(tx, model, int(reference))
    if reference.startswith("@") or reference.lower() == "latest":
        return by_alias(tx, model, reference.removeprefix("@"))
    found = models.bare(tx, model)
    if found is None:
        raise no_model(model)
    env = environments.find(tx, reference)
    if env is not None:
        target = next((its.version for its in places.pointers(tx, found.id) if its.environment == env.name), None)
        version = db.get(tx, found.id, target) if target is not None else None
        if version is None:
            raise NotFound(f"No version of {model!r} is in the environment {env.name!r}.")
        return version
    stage = find_stage(reference)
    if stage is not None:
        version = db.newest(tx, found.id, stage)
        if version is None:
            raise NotFound(f"No version of {model!r} has the stage {stage.value}.")
        return version
    if find_label_key(reference) is None:
        raise InvalidArgument(
            f"{reference[:100]!r} names no version: expected a number, a label such as 2.3.1, an environment, a stage, "
            "@alias or latest."
        )
    version = by_label(tx, found.id, reference)
    if version is None:
        raise NotFound(f"No version of {model!r} has the label {reference!r}.")
    return version


def by_label(tx: Transaction, number: int, label: str) -> ModelVersion | None:
    """The version of a model (by its number) that has a label."""
    key = find_label_key(label)
    return db.labelled(tx, number, key) if key is not None else None
