"""What one can do with logged models."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from modelyard.db import logged_models as db
from modelyard.db import runs
from modelyard.domain import run_names, validation
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.logged_models import LoggedModel, LoggedModelStatus
from modelyard.domain.runs import artifact_uri

from . import experiments
from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.logged_models import DatasetChoice, ModelOrder
    from modelyard.domain.principals import Principal
    from modelyard.domain.runs import ModelLink
    from modelyard.domain.search import Node, OrderKey, Scalar

MODELS_FOLDER = "models"
HISTORY_TAG = "mlflow.log-model.history"
MOST_LINKS = 1000

_MANDATORY = ("artifact_path", "flavors", "utc_time_created", "run_id")


def create(
    tx: Transaction,
    principal: Principal,
    experiment_id: int,
    *,
    name: str = "",
    model_type: str | None = None,
    source_run: str | None = None,
    params: Sequence[tuple[str, str]] = (),
    tags: Sequence[tuple[str, str]] = (),
) -> LoggedModel:
    """Make a logged model, whose files are still to be uploaded.

    Args:
        tx: the transaction.
        principal: who does it.
        experiment_id: where it belongs, and below whose location its files go.
        name: made up if empty.
        model_type: free text, such as `agent`.
        source_run: uuid of the run that makes it; not checked.
        params: key and value; a key may stand once.
        tags: key and value; the last one wins.

    Raises:
        NotFound: there is no such experiment.
        InvalidState: the experiment is in the trash.
        InvalidArgument: the name is not allowed, or a param stands twice.
    """
    if name:
        validation.check_logged_model_name(name)
    home = experiments.active(tx, experiment_id)
    model_id = f"m-{uuid.uuid4().hex}"
    now = now_ms()
    model = LoggedModel(
        id=model_id,
        experiment_id=experiment_id,
        name=name or run_names.make(secrets.randbits(32)),
        artifact_uri=artifact_uri(home.artifact_location, f"{MODELS_FOLDER}/{model_id}"),
        created_ms=now,
        updated_ms=now,
        lifecycle="active",
        status=LoggedModelStatus.PENDING,
        model_type=model_type,
        source_run=source_run,
        params=_distinct(params),
        tags=dict(tags),
    )
    db.create(tx, model, principal.name)
    tx.touch(experiment_id, ())
    return model


def _distinct(params: Sequence[tuple[str, str]]) -> dict[str, str]:
    validation.check_distinct_params([key for key, _ in params])
    return dict(params)


def get(tx: Transaction, model_id: str, *, deleted: bool = False) -> LoggedModel:
    """A logged model.

    Args:
        tx: the transaction.
        model_id: its id.
        deleted: also if it is in the trash.

    Raises:
        NotFound: there is none.
    """
    found = db.get(tx, model_id)
    if found is None or (found.lifecycle == "deleted" and not deleted):
        raise db.not_found(model_id)
    return found


def finalize(tx: Transaction, principal: Principal, model_id: str, status: LoggedModelStatus) -> LoggedModel:
    """Say how the upload ended.

    Raises:
        NotFound: there is no such model.
    """
    del principal
    if not db.set_status(tx, model_id, status, now_ms()):
        raise db.not_found(model_id)
    found = get(tx, model_id, deleted=True)
    tx.touch(found.experiment_id, ())
    return found


def discard(tx: Transaction, principal: Principal, model_id: str) -> None:
    """Move a logged model to the trash; it may be there already.

    Raises:
        NotFound: there is no such model.
    """
    del principal
    tx.touch(get(tx, model_id, deleted=True).experiment_id, ())
    db.discard(tx, model_id, now_ms())


def add_params(tx: Transaction, principal: Principal, model_id: str, params: Sequence[tuple[str, str]]) -> None:
    """Add params. A param keeps its first value: the same one again is fine, another is refused.

    Raises:
        NotFound: there is no such model.
        InvalidArgument: a param would change, or stands twice.
    """
    del principal
    found = get(tx, model_id, deleted=True)
    tx.touch(found.experiment_id, ())
    known = found.params
    wanted = _distinct(params)
    for key, value in wanted.items():
        if known.get(key, value) != value:
            raise InvalidArgument(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                f"value='{known[key]}' for logged model ID='{model_id}'. Attempted logging new value '{value}'."
            )
    db.add_params(tx, model_id, {key: value for key, value in wanted.items() if key not in known})


def set_tags(tx: Transaction, principal: Principal, model_id: str, tags: Sequence[tuple[str, str]]) -> None:
    """Add or replace tags; the last one of a key wins.

    Raises:
        NotFound: there is no such model.
    """
    del principal
    tx.touch(get(tx, model_id, deleted=True).experiment_id, ())
    db.set_tags(tx, model_id, dict(tags))


def delete_tag(tx: Transaction, principal: Principal, model_id: str, key: str) -> None:
    """Remove a tag.

    Raises:
        NotFound: there is no such model, or it has no such tag.
    """
    del principal
    tx.touch(get(tx, model_id, deleted=True).experiment_id, ())
    if not db.delete_tag(tx, model_id, key):
        raise NotFound(f"No tag with key {key!r} found for model with ID {model_id!r}.")


def search(
    tx: Transaction,
    experiment_ids: Sequence[int],
    wanted: Node | None = None,
    *,
    datasets: Sequence[DatasetChoice] = (),
    order: Sequence[ModelOrder] = (),
    offset: int = 0,
    limit: int,
) -> list[LoggedModel]:
    """Logged models of some experiments that are not in the trash.

    Args:
        tx: the transaction.
        experiment_ids: whose models.
        wanted: what must hold. A metric holds if any of its points does.
        datasets: if there are any: metrics count only when measured on one of these, and there must be such a metric.
        order: missing values last; ties by time of creation, newest first.
        offset: how many to skip.
        limit: how many to return at most.
    """
    if not experiment_ids or limit <= 0:
        return []
    return db.search(tx, experiment_ids, wanted, datasets, order, offset, limit)


def page(
    tx: Transaction,
    experiment_ids: Sequence[int],
    wanted: Node | None = None,
    order: Sequence[OrderKey] = (),
    *,
    limit: int,
    after: Sequence[Scalar] | None = None,
) -> tuple[list[LoggedModel], list[tuple[Scalar, ...]]]:
    """Like `search`, but a page begins behind a position: what is added or removed meanwhile moves nothing.

    Args:
        tx: the transaction.
        experiment_ids: whose models.
        wanted: what must hold. A metric holds if any of its points does.
        order: by attributes, params and tags; then the newest first.
        limit: how many at most.
        after: position of the last one of the page before; with the same order.

    Returns:
        The logged models, and the position of each.
    """
    return db.page(tx, experiment_ids, wanted, order, limit, after)


def log_outputs(tx: Transaction, principal: Principal, run: str, links: Sequence[ModelLink]) -> None:
    """Note the models that a run made; they need not exist. A model that is noted already gets the new step.

    Raises:
        NotFound: there is no such run.
        InvalidState: it is in the trash.
        InvalidArgument: there are more than 1000.
    """
    del principal
    if len(links) > MOST_LINKS:
        raise InvalidArgument(f"At most {MOST_LINKS} models can be logged in one request; there are {len(links)}.")
    number, _ = runs.touch(tx, run)
    db.link(tx, number, links)


def record(tx: Transaction, principal: Principal, run: str, manifest: str) -> None:
    """Note the manifest of a model among a run's artifacts, as clients before 3.0 do: in a tag of the run.

    Args:
        tx: the transaction.
        principal: who does it.
        run: the run's uuid.
        manifest: JSON of an MLmodel file.

    Raises:
        NotFound: there is no such run.
        InvalidState: it is in the trash.
        InvalidArgument: the manifest is not JSON, or lacks a mandatory field.
    """
    del principal
    noted = _noted(manifest)
    number, _ = runs.touch(tx, run)
    # Longer than a tag may be if a client sets it: a list that is cut is no list.
    history = _parsed(runs.get_tag(tx, number, HISTORY_TAG) or "[]")
    runs.set_tag(tx, number, HISTORY_TAG, json.dumps([*(history if isinstance(history, list) else []), noted]))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _noted(manifest: str) -> dict[str, Any]:
    """What MLflow keeps of a manifest: no signature, no flavor's own configuration."""
    model = _parsed(manifest)
    if not isinstance(model, dict):
        raise InvalidArgument(f"Malformed model info. \n {manifest[:1000]} \n is not a valid JSON.")
    missing = [name for name in _MANDATORY if name not in model]
    if missing:
        raise InvalidArgument("Model json is missing mandatory fields: {" + ", ".join(map(repr, missing)) + "}")
    kept = {
        name: model[name] for name in ("run_id", "utc_time_created", "artifact_path", "model_uuid") if name in model
    }
    flavors = model["flavors"] if isinstance(model["flavors"], dict) else {}
    kept["flavors"] = {
        flavor: {key: value for key, value in config.items() if key != "config"} if isinstance(config, dict) else config
        for flavor, config in flavors.items()
    }
    return kept
