"""Experiments as MLflow's clients see them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.services import experiments

from . import paging

if TYPE_CHECKING:
    from modelyard.domain.experiments import Experiment, View
    from modelyard.server.call import Call

    from .protojson import Fields

_LARGEST_ID = 2**63 - 1
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_VIEWS: dict[Any, View] = {
    "ACTIVE_ONLY": "active",
    "DELETED_ONLY": "deleted",
    "ALL": "all",
    1: "active",
    2: "deleted",
    3: "all",
    "1": "active",
    "2": "deleted",
    "3": "all",
}


def number_of(text: str) -> int:
    """The number of an experiment from its id in a message, which is a decimal string.

    Raises:
        InvalidArgument: it is not a number.
        NotFound: it is one that no experiment can have.
    """
    try:
        number = int(text)
    except ValueError:
        raise InvalidArgument(f"Invalid experiment ID '{text}'. Experiment ID must be a valid integer.") from None
    if abs(number) > _LARGEST_ID:
        raise NotFound(f"No Experiment with id={number} exists")
    return number


def numbers_of(texts: list[str]) -> list[int]:
    """The numbers of experiments to search in, those that no experiment can have left out.

    Raises:
        InvalidArgument: one is not a number.
    """
    numbers = []
    for text in texts:
        try:
            numbers.append(number_of(text))
        except NotFound:
            continue
    return numbers


def view_of(fields: Fields, name: str) -> View:
    """The view type; an unknown one is the default, as MLflow takes it."""
    raw = fields.raw(name)
    return _VIEWS.get(raw, "active") if isinstance(raw, str | int) else "active"


def experiment_id(fields: Fields, name: str = "experiment_id") -> int:
    """The id in a message."""
    return number_of(fields.text(name, required=True))


def message(found: Experiment) -> dict[str, Any]:
    """An experiment as MLflow's JSON."""
    value: dict[str, Any] = {
        "experiment_id": str(found.id),
        "name": found.name,
        "artifact_location": found.artifact_location,
        "lifecycle_stage": found.lifecycle,
        "last_update_time": found.updated_ms,
        "creation_time": found.created_ms,
    }
    if found.tags:
        value["tags"] = [{"key": key, "value": text} for key, text in found.tags.items()]
    return value


def location_of(text: str) -> str:
    """An artifact location; a relative path is meant from where the server was started."""
    if not text or _SCHEME.match(text):
        return text
    return os.path.abspath(text)  # noqa: PTH100 - Path.absolute() keeps ".."


async def create(call: Call, fields: Fields) -> Any:
    name = fields.text("name", required=True)
    number = await call.write(
        experiments.create,
        call.principal,
        name,
        location_of(fields.text("artifact_location")),
        call.state.run_root,
        fields.pairs("tags"),
    )
    return {"experiment_id": str(number)}


async def get(call: Call, fields: Fields) -> Any:
    return {"experiment": message(await call.read(experiments.get, experiment_id(fields)))}


async def get_by_name(call: Call, fields: Fields) -> Any:
    found = await call.read(experiments.get_by_name, fields.text("experiment_name", required=True))
    return {"experiment": message(found)}


async def update(call: Call, fields: Fields) -> Any:
    number, name = experiment_id(fields), fields.text("new_name", required=True)
    await call.write(experiments.rename, call.principal, number, name)
    return {}


async def delete(call: Call, fields: Fields) -> Any:
    await call.write(experiments.delete, call.principal, experiment_id(fields))
    return {}


async def restore(call: Call, fields: Fields) -> Any:
    await call.write(experiments.restore, call.principal, experiment_id(fields))
    return {}


async def set_tag(call: Call, fields: Fields) -> Any:
    number, key = experiment_id(fields), fields.text("key", required=True)
    await call.write(experiments.set_tag, call.principal, number, key, fields.text("value"))
    return {}


async def delete_tag(call: Call, fields: Fields) -> Any:
    number, key = experiment_id(fields), fields.text("key", required=True)
    await call.write(experiments.delete_tag, call.principal, number, key)
    return {}


async def search(call: Call, fields: Fields) -> Any:
    # MLflow has no default here: an absent value reads as 0.
    limit = fields.integer("max_results", 0)
    if limit < 1:
        raise InvalidArgument(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer"
        )
    if limit > experiments.MOST_RESULTS:
        raise InvalidArgument(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be at most {experiments.MOST_RESULTS}"
        )
    wanted = parse_filter(fields.text("filter"), "experiments", "mlflow")
    order = parse_order_by(fields.texts("order_by"), "experiments", "mlflow")
    offset = paging.offset_of(fields.text("page_token"))
    found = await call.scan(
        experiments.search, wanted, order, view_of(fields, "view_type"), limit=limit + 1, offset=offset
    )
    value: dict[str, Any] = {}
    if found:
        value["experiments"] = [message(each) for each in found[:limit]]
    if len(found) > limit:
        value["next_page_token"] = paging.token_for(offset + limit)
    return value
