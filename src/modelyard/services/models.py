"""What one can do with registered models and their aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import models as db
from modelyard.db import versions
from modelyard.domain.errors import AlreadyExists, InvalidArgument, NotFound
from modelyard.domain.history import Change
from modelyard.domain.validation import (
    LONGEST_MODEL_NAME,
    check_alias,
    check_alias_is_free,
    check_key,
    check_length,
    check_model_name,
    check_registry_tag,
)

from . import environments
from .history import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.models import RegisteredModel
    from modelyard.domain.principals import Principal
    from modelyard.domain.search import Node, OrderKey, Scalar
    from modelyard.domain.versions import ModelVersion


def not_found(name: str) -> NotFound:
    """The error for a model that does not exist."""
    return NotFound(f"Registered Model with name={name} not found")


def taken(name: str) -> AlreadyExists:
    """The error for a name that is in use."""
    return AlreadyExists(f"Registered Model (name={name}) already exists.")


# ------------------------------------------------------------------------------------ reading


def get(tx: Transaction, name: str) -> RegisteredModel:
    """A model with its aliases and latest versions.

    Raises:
        NotFound: there is none.
        InvalidArgument: no model can have this name.
    """
    check_model_name(name)
    found = db.get(tx, name)
    if found is None:
        raise not_found(name)
    return found


def search(
    tx: Transaction,
    where: Node | None = None,
    order: Sequence[OrderKey] = (),
    *,
    limit: int,
    offset: int = 0,
    after: Sequence[Scalar] | None = None,
) -> tuple[list[RegisteredModel], list[tuple[Scalar, ...]]]:
    """A page of models with aliases and latest versions, and for each its position: the `after` of the next page.

    Args:
        tx: the transaction.
        where: filter, from `modelyard.domain.search`.
        order: ordering; then by name.
        limit: the most models.
        offset: how many to leave out.
        after: position of the model behind which the page begins; from a search with the same `order`.
    """
    return db.search(tx, where, order, limit=limit, offset=offset, after=after)


def count(tx: Transaction, where: Node | None = None) -> int:
    """How many models a filter lets through."""
    return db.SOURCE.count(tx, where)


def by_alias(tx: Transaction, name: str, alias: str) -> ModelVersion:
    """The version that an alias points to.

    An environment's name is an alias in any case; `latest` is the newest version.

    Raises:
        NotFound: there is no such model, or the version was deleted.
        InvalidArgument: the model has no such alias.
    """
    check_model_name(name)
    check_alias(alias)
    found = db.named_aliases(tx, name)
    if found is None:
        raise not_found(name)
    model_id, aliases = found
    lower = alias.lower()
    if lower == "latest":
        newest = versions.newest(tx, model_id)
        if newest is None:
            raise NotFound(f"Latest version not found for model {name}.")
        return newest
    target = next((its.version for its in aliases if its.name == alias), None)
    if target is None:
        target = next((its.version for its in aliases if its.environment == lower), None)
    if target is None:
        raise InvalidArgument(f"Registered model alias {alias} not found.")
    version = versions.get(tx, model_id, target)
    if version is None:
        raise NotFound(f"Model Version (name={name}, version={target}) not found")
    return version


# ------------------------------------------------------------------------------------ writing


def create(
    tx: Transaction,
    principal: Principal,
    name: str,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    reason: str | None = None,
) -> RegisteredModel:
    """Register a name.

    Raises:
        AlreadyExists: it is taken.
        InvalidArgument: it is blank, holds `/` or `:`, has over 500 characters, or a tag is not allowed.
    """
    check_model_name(name)
    check_length("name", name, LONGEST_MODEL_NAME)
    tags = tags or {}
    for key, value in tags.items():
        check_registry_tag(key, value)
    recorder = Recorder(tx, principal, reason)
    made = db.create(tx, name, description, tags, recorder.now, principal.name)
    if made is None:
        raise taken(name)
    recorder.note(Change.MODEL_CREATED, made.id, name, new=description)
    return made


def update(
    tx: Transaction, principal: Principal, name: str, description: str | None, *, reason: str | None = None
) -> RegisteredModel:
    """Give a model another description.

    Raises:
        NotFound: there is no such model.
    """
    recorder = Recorder(tx, principal, reason)
    model = _bare(tx, name)
    db.describe(tx, model.id, description, recorder.now)
    recorder.note(Change.MODEL_UPDATED, model.id, name, old=model.description, new=description)
    return get(tx, name)


def rename(
    tx: Transaction, principal: Principal, name: str, new_name: str, *, reason: str | None = None
) -> RegisteredModel:
    """Give a model another name; its versions, aliases and history go with it.

    Raises:
        NotFound: there is no such model.
        AlreadyExists: the new name is taken.
        InvalidArgument: the new name is not allowed.
    """
    check_model_name(new_name, "new_name")
    check_length("new_name", new_name, LONGEST_MODEL_NAME)
    recorder = Recorder(tx, principal, reason)
    model = _bare(tx, name)
    if new_name != name and db.bare(tx, new_name) is not None:
        raise taken(new_name)
    db.rename(tx, model.id, new_name, recorder.now)
    recorder.note(Change.MODEL_RENAMED, model.id, name, old=name, new=new_name)
    return get(tx, new_name)


def delete(tx: Transaction, principal: Principal, name: str, *, reason: str | None = None) -> None:
    """Delete a model with its versions, tags and aliases. Its history stays.

    Raises:
        NotFound: there is no such model.
    """
    recorder = Recorder(tx, principal, reason)
    model = _bare(tx, name)
    for alias in environments.pointers(tx, name):
        recorder.note(Change.ENVIRONMENT_MOVED, model.id, name, subject=alias.environment, old=alias.version, new=None)
    db.delete(tx, model.id)
    recorder.note(Change.MODEL_DELETED, model.id, name)


def set_tag(
    tx: Transaction, principal: Principal, name: str, key: str, value: str, *, reason: str | None = None
) -> None:
    """Add or replace a tag.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: the key is not allowed, or the value is too long.
    """
    check_registry_tag(key, value)
    recorder = Recorder(tx, principal, reason)
    model = _bare(tx, name)
    db.set_tag(tx, model, key, value)
    recorder.note(Change.MODEL_TAG_SET, model.id, name, subject=key, old=model.tags.get(key), new=value)


def delete_tag(tx: Transaction, principal: Principal, name: str, key: str, *, reason: str | None = None) -> None:
    """Remove a tag, if it is there.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: no tag can have this key.
    """
    check_key(key)
    recorder = Recorder(tx, principal, reason)
    model = _bare(tx, name)
    if key in model.tags:
        db.delete_tag(tx, model, key)
        recorder.note(Change.MODEL_TAG_DELETED, model.id, name, subject=key, old=model.tags[key])


def set_alias(
    tx: Transaction, principal: Principal, name: str, alias: str, version: int, *, reason: str | None = None
) -> None:
    """Point an alias to a version; an alias named like an environment, in any case, moves that environment's pointer.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: the alias is not allowed.
    """
    check_model_name(name)
    check_alias(alias)
    check_alias_is_free(alias)
    env = environments.find(tx, alias)
    if env is not None:
        environments.move(tx, principal, name, env.name, version, reason=reason, spelling=alias)
        return
    recorder = Recorder(tx, principal, reason)
    found = versions.bare(tx, name, version)
    if found is None:
        raise NotFound(f"Model Version (name={name}, version={version}) not found")
    old = db.alias(tx, found.model_id, alias)
    db.set_alias(tx, found.model_id, alias, version, recorder.now)
    recorder.note(
        Change.ALIAS_SET, found.model_id, name, version, subject=alias, old=old.version if old else None, new=version
    )


def delete_alias(tx: Transaction, principal: Principal, name: str, alias: str, *, reason: str | None = None) -> None:
    """Remove an alias, if it is there; one named like an environment makes that environment point to nothing.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: no alias can have this name.
    """
    check_alias(alias)
    env = environments.find(tx, alias)
    if env is not None:
        environments.clear(tx, principal, _bare(tx, name).name, env.name, reason=reason)
        return
    recorder = Recorder(tx, principal, reason)
    model = _bare(tx, name)
    old = db.alias(tx, model.id, alias)
    if old is not None:
        db.delete_alias(tx, model.id, alias)
        recorder.note(Change.ALIAS_DELETED, model.id, name, old.version, subject=alias, old=old.version)


def _bare(tx: Transaction, name: str) -> RegisteredModel:
    """A model that is to be changed, without its aliases and latest versions."""
    check_model_name(name)
    found = db.bare(tx, name)
    if found is None:
        raise not_found(name)
    return found
