"""What one can do with model versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelyard.db import environments as places
from modelyard.db import history, models
from modelyard.db import versions as db
from modelyard.domain import environments as rule
from modelyard.domain.errors import AlreadyExists, InvalidArgument, ModelyardError, NotFound
from modelyard.domain.history import Change
from modelyard.domain.validation import check_key, check_length, check_model_name, check_registry_tag
from modelyard.domain.versions import ModelVersion, NewVersion, Stage, parse_stage

from . import environments, references, sources
from .history import Recorder, model_id
from .labels import label_key
from .models import not_found as no_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.principals import Principal
    from modelyard.domain.search import Node, OrderKey, Scalar

MODEL_VERSIONS_TAG = "mlflow.modelVersions"
"""On a logged model: the versions that were made from it, as the 3.x client reads them."""

LONGEST_RUN_ID = 500
LONGEST_SOURCE = 65_535
_LOGGED_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_STAGES_IN_ENVIRONMENTS = (Stage.STAGING, Stage.PRODUCTION)


# ------------------------------------------------------------------------------------ reading


def search(
    tx: Transaction,
    where: Node | None = None,
    order: Sequence[OrderKey] = (),
    *,
    limit: int,
    offset: int = 0,
    after: Sequence[Scalar] | None = None,
    with_aliases: bool = False,
) -> tuple[list[ModelVersion], list[tuple[Scalar, ...]]]:
    """A page of versions, and for each its position, which is the `after` of the next page.

    Args:
        tx: the transaction.
        where: filter, from `modelyard.domain.search`.
        order: ordering; then by model name, then the greatest number first.
        limit: the most versions.
        offset: how many to leave out.
        after: position of the version behind which the page begins; from a search with the same `order`.
        with_aliases: whether the versions carry their aliases.
    """
    return db.search(tx, where, order, limit=limit, offset=offset, after=after, with_aliases=with_aliases)


def count(tx: Transaction, where: Node | None = None) -> int:
    """How many versions a filter lets through."""
    return db.SOURCE.count(tx, where)


def download_uri(tx: Transaction, model: str, number: int) -> str:
    """Where a version's files are.

    Raises:
        NotFound: there is no such version.
    """
    return references.get(tx, model, number).location


def in_environment_at(tx: Transaction, model: str, environment: str, at_ms: int) -> int | None:
    """The number of the version that an environment pointed to at a time; None if it pointed to nothing.

    Args:
        tx: the transaction.
        model: the name that the model has or last had.
        environment: the environment's name, in any case; it may have been removed since.
        at_ms: ms since the epoch.

    Raises:
        NotFound: no model has or had this name.
    """
    return history.pointed_at(tx, model_id(tx, model), environment.lower(), at_ms)


# ------------------------------------------------------------------------------------ writing


def create(
    tx: Transaction, principal: Principal, model: str, new: NewVersion, *, reason: str | None = None
) -> ModelVersion:
    """Make the next version.

    Raises:
        NotFound: there is no such model, run or logged model.
        AlreadyExists: the label is taken.
        InvalidArgument: the source could reach files that are not the client's, or a tag or the label is not allowed.
    """
    check_model_name(model)
    for key, value in new.tags.items():
        check_registry_tag(key, value)
    check_length("run_id", new.run_id or "", LONGEST_RUN_ID)
    check_length("source", new.source, LONGEST_SOURCE)
    location, run_id = _locate(tx, new)
    comparable = label_key(new.label) if new.label is not None else None
    recorder = Recorder(tx, principal, reason)
    taken = db.next_number(tx, model, recorder.now)
    if taken is None:
        raise no_model(model)
    number_of_model, number = taken
    if comparable is not None:
        _check_label_is_free(tx, number_of_model, model, comparable, new.label or "")
    made = db.create(
        tx,
        number_of_model,
        model,
        number,
        new,
        storage_location=location if location != new.source else None,
        run_id=run_id,
        label_key=comparable,
        now=recorder.now,
        by=principal.name,
    )
    recorder.note(Change.VERSION_CREATED, number_of_model, model, number, subject=new.label, new=new.source)
    if new.logged_model_id:
        db.note_on_logged(tx, new.logged_model_id, MODEL_VERSIONS_TAG, {"name": model, "version": number})
    return made


def _locate(tx: Transaction, new: NewVersion) -> tuple[str, str | None]:
    """Check the source; where its files really are, and the run that made them."""
    source, run_id = new.source, new.run_id or None
    logged = None
    if new.logged_model_id:
        logged = db.logged(tx, new.logged_model_id)
        if logged is None:
            raise NotFound(f"Logged model with ID '{new.logged_model_id}' not found.")
        run_id = run_id or logged[1]
    if sources.is_local(source):
        if logged is not None:
            sources.check_local(source, logged[0], "model_id")
        elif new.run_id:
            folder = db.run_location(tx, new.run_id)
            if folder is None:
                raise NotFound(f"Run with id={new.run_id} not found")
            sources.check_local(source, folder, "run_id")
        else:
            sources.check_local(source, None, "run_id")
        return source, run_id
    sources.check_remote(source)
    if not source.startswith("models:"):
        return source, run_id
    try:
        return _locate_model(tx, source, run_id)
    except ModelyardError as error:
        raise InvalidArgument(
            f"Unable to fetch model from model URI source artifact location '{source}'.Error: {error.message}"
        ) from None


def _locate_model(tx: Transaction, source: str, run_id: str | None) -> tuple[str, str | None]:
    path = source.removeprefix("models:").lstrip("/")
    if _LOGGED_MODEL_ID.fullmatch(path):
        logged = db.logged(tx, path)
        if logged is None:
            raise NotFound(f"Logged model with ID '{path}' not found.")
        return logged[0], run_id or logged[1]
    name, slash, reference = path.partition("/")
    if not slash:
        name, at, alias = path.partition("@")
        reference = at + alias
    return references.resolve(tx, name, reference).location, run_id


def update(
    tx: Transaction,
    principal: Principal,
    model: str,
    number: int,
    description: str | None,
    *,
    reason: str | None = None,
) -> ModelVersion:
    """Give a version another description.

    Raises:
        NotFound: there is no such version.
    """
    recorder = Recorder(tx, principal, reason)
    version = _bare(tx, model, number)
    db.describe(tx, version, description, recorder.now)
    recorder.note(Change.VERSION_UPDATED, version.model_id, model, number, old=version.description, new=description)
    return references.get(tx, model, number)


def set_label(
    tx: Transaction, principal: Principal, model: str, number: int, label: str | None, *, reason: str | None = None
) -> ModelVersion:
    """Give a version another label, or none.

    Raises:
        NotFound: there is no such version.
        AlreadyExists: another version of the model has it.
        InvalidArgument: it is no version as in PEP 440, or an integer.
    """
    recorder = Recorder(tx, principal, reason)
    version = _bare(tx, model, number)
    key = label_key(label) if label is not None else None
    if key is not None:
        _check_label_is_free(tx, version.model_id, model, key, label or "", number)
    db.label(tx, version, label, key, recorder.now)
    if label != version.label:
        recorder.note(Change.VERSION_LABELLED, version.model_id, model, number, old=version.label, new=label)
    return references.get(tx, model, number)


def _check_label_is_free(
    tx: Transaction, number_of_model: int, model: str, key: str, label: str, but: int | None = None
) -> None:
    holder = db.labelled(tx, number_of_model, key)
    if holder is not None and holder.number != but:
        raise AlreadyExists(
            f"Version {holder.number} of {model!r} already has the label {holder.label!r}, which {label!r} is equal to."
        )


def transition(
    tx: Transaction,
    principal: Principal,
    model: str,
    number: int,
    stage: str,
    *,
    archive: bool = False,
    reason: str | None = None,
) -> ModelVersion:
    """Move a version to a stage, as MLflow's older clients do. The stage's environment points to it from then on.

    Args:
        tx: the transaction.
        principal: who does it.
        model: name of the model.
        number: number of the version.
        stage: None, Staging, Production or Archived, in any case.
        archive: the stage's other versions leave it.
        reason: why.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: there is no such stage, or `archive` with one that no environment stands for.
    """
    to = parse_stage(stage)
    if archive and to not in _STAGES_IN_ENVIRONMENTS:
        raise InvalidArgument(
            "Model version transition cannot archive existing model versions because "
            f"'{stage}' is not an Active stage. Valid stages are {[s.value for s in _STAGES_IN_ENVIRONMENTS]}"
        )
    recorder = Recorder(tx, principal, reason)
    version = _bare(tx, model, number)
    before = places.placement(tx, version.model_id)
    before.stages[number] = Stage(version.stage)
    moves = rule.transition(before, number, to, archive=archive)
    moves.stages[number] = to  # MLflow notes the time even if nothing else changes
    environments.write(tx, recorder, version.model_id, model, before, moves)
    return references.get(tx, model, number)


def delete(tx: Transaction, principal: Principal, model: str, number: int, *, reason: str | None = None) -> None:
    """Delete a version; its number is not given again.

    Aliases that name no environment go on pointing to it, as in MLflow.

    Raises:
        NotFound: there is no such version.
    """
    recorder = Recorder(tx, principal, reason)
    version = _bare(tx, model, number)
    before = places.placement(tx, version.model_id)
    moves = rule.remove(before, number)
    db.delete(tx, version)
    recorder.note(Change.VERSION_DELETED, version.model_id, model, number, subject=version.label)
    environments.write(tx, recorder, version.model_id, model, before, moves)
    models.touch(tx, version.model_id, recorder.now)


def set_tag(
    tx: Transaction, principal: Principal, model: str, number: int, key: str, value: str, *, reason: str | None = None
) -> None:
    """Add or replace a tag.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: the key is not allowed, or the value is too long.
    """
    check_registry_tag(key, value)
    recorder = Recorder(tx, principal, reason)
    version = _bare(tx, model, number)
    db.set_tag(tx, version, key, value)
    recorder.note(
        Change.VERSION_TAG_SET, version.model_id, model, number, subject=key, old=version.tags.get(key), new=value
    )


def delete_tag(
    tx: Transaction, principal: Principal, model: str, number: int, key: str, *, reason: str | None = None
) -> None:
    """Remove a tag, if it is there.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: no tag can have this key.
    """
    check_key(key)
    recorder = Recorder(tx, principal, reason)
    version = _bare(tx, model, number)
    if key in version.tags:
        db.delete_tag(tx, version, key)
        recorder.note(Change.VERSION_TAG_DELETED, version.model_id, model, number, subject=key, old=version.tags[key])


def _bare(tx: Transaction, model: str, number: int) -> ModelVersion:
    """A version that is to be changed, without its aliases."""
    check_model_name(model)
    found = db.bare(tx, model, number) if abs(number) <= references.GREATEST_NUMBER else None
    if found is None:
        raise references.not_found(model, number)
    return found
