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
    )
