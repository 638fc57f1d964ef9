"""Registered models as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, UnsetType

from .message import (
    Answer,
    Count,
    Limit,
    NextCursor,
    QueryCursor,
    QueryFilter,
    QueryOrderBy,
    Request,
    TagChanges,
    Tags,
    Total,
)
from .versions import Description, Reason

if TYPE_CHECKING:
    from modelyard.domain import models as domain
    from modelyard.domain.versions import ModelVersion

ModelName = Annotated[str, Meta(min_length=1, max_length=256, description="Unique; without `/` and `:`.")]


class NewModel(Request):
    """A name to register."""

    name: ModelName
    description: Description | None = None
    tags: Tags = {}
    reason: Reason = ""


class ModelChange(Request):
    """What is to change about a registered model; what is left out stays, a description of null is removed."""

    name: ModelName | None = None
    description: Description | UnsetType | None = UNSET
    tags: TagChanges = {}
    reason: Reason = ""


class ModelSearch(Request):
    """Which registered models, and in which order."""

    filter: QueryFilter = ""
    order_by: QueryOrderBy = []
    limit: Limit = 100
    cursor: QueryCursor = ""
    count: Count = False


class Newest(Answer):
    """A model's newest version, in short."""

    version: int
    label: str | None
    stage: str
    status: str
    created_ms: int


class Place(Answer):
    """What an environment points to."""

    version: int
    label: str | None
    moved_ms: Annotated[int, Meta(description="Since when.")]


class Model(Answer):
    """A name under which versions are kept."""

    name: str
    description: str | None
    created_ms: int
    updated_ms: int
    created_by: str
    tags: dict[str, str]
    aliases: Annotated[dict[str, int], Meta(description="Version by alias.")]
    environments: Annotated[dict[str, int], Meta(description="Version by environment, of those that point to one.")]
    places: Annotated[dict[str, Place], Meta(description="The same, with the version's label, and since when.")]
    newest: Annotated[Newest | None, Meta(description="The newest version; null: it has none.")]


class ModelPage(Answer):
    """Some of the registered models that match."""

    models: list[Model]
    next_cursor: NextCursor
    total: Total


def model(of: domain.RegisteredModel) -> Model:
    """The message that describes a registered model."""
    return Model(
        name=of.name,
        description=of.description,
        created_ms=of.created_ms,
        updated_ms=of.updated_ms,
        created_by=of.created_by,
        tags=of.tags,
        aliases={alias.name: alias.version for alias in of.aliases if alias.environment is None},
        environments={alias.environment: alias.version for alias in of.aliases if alias.environment is not None},
        places={
            alias.environment: Place(version=alias.version, label=alias.label, moved_ms=alias.moved_ms)
            for alias in of.aliases
            if alias.environment is not None
        },
        newest=_newest(of.newest),
    )


def _newest(of: ModelVersion | None) -> Newest | None:
    if of is None:
        return None
    return Newest(version=of.number, label=of.label, stage=of.stage, status=of.status, created_ms=of.created_ms)
