"""Experiments as MLflow's clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument
from modelyard.services import experiments

if TYPE_CHECKING:
    from modelyard.domain.experiments import Experiment
    from modelyard.server.call import Call

    from .protojson import Fields


def experiment_id(fields: Fields, name: str = "experiment_id") -> int:
    """The id in a message: a decimal string."""
    text = fields.text(name, required=True)
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"Invalid experiment ID: {text!r}; a decimal number was expected.") from None


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


async def create(call: Call, fields: Fields) -> Any:
    number = await call.write(
        experiments.create,
        call.principal,
        fields.text("name", required=True),
        fields.text("artifact_location"),
        call.state.run_root,
        dict(fields.pairs("tags")),
    )
    return {"experiment_id": str(number)}


async def get(call: Call, fields: Fields) -> Any:
    return {"experiment": message(await call.read(experiments.get, experiment_id(fields)))}


async def get_by_name(call: Call, fields: Fields) -> Any:
    found = await call.read(experiments.get_by_name, fields.text("experiment_name", required=True))
    return {"experiment": message(found)}
