"""Model versions as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

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

if TYPE_CHECKING:
    from modelyard.domain import versions as domain

Reason = Annotated[str, Meta(max_length=10_000, description="Why; kept in the history.")]
Description = Annotated[str, Meta(max_length=100_000)]
Label = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="The user's own version, such as `2.3.1` or `1.0-rc1` (PEP 440); unique within the model.",
    ),
]
Reference = Annotated[
    int | str,
    Meta(description="A version's number, or whatever else names it: a label, `@alias`, an environment, `latest`."),
]


class NewVersion(Request):
    """A version to make."""

    source: Annotated[str, Meta(min_length=1, max_length=10_000, description="URI of its files.")]
    label: Label | None = None
    description: Description | None = None
    run_id: Annotated[str, Meta(max_length=256, description="The run that made it.")] | None = None
    run_link: Annotated[str, Meta(max_length=10_000)] | None = None
    logged_model_id: (
        Annotated[str, Meta(max_length=256, description="The logged model that it is made from.")] | None
    ) = None
    user: Annotated[str, Meta(max_length=256)] = ""
    tags: Tags = {}
    reason: Reason = ""


StageName = Annotated[
    Literal["None", "Staging", "Production", "Archived"],
    Meta(description="MLflow's; the environment that stands for it points to the version from then on."),
]


class VersionChange(Request):
    """What is to change about a version; what is left out stays, null removes."""

    label: Label | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    stage: StageName | None = None
    archive_others: Annotated[bool, Meta(description="With a stage: other versions leave it.")] = False
    tags: TagChanges = {}
    reason: Reason = ""


class VersionSearch(Request):
    """Which versions, and in which order."""

    filter: QueryFilter = ""
    order_by: QueryOrderBy = []
    limit: Limit = 100
    cursor: QueryCursor = ""
    count: Count = False


class WithReason(Request):
    """Why something is done."""

    reason: Annotated[str, Meta(max_length=2000, description="Why; kept in the history.")] = ""


class PointTo(Request):
    """The version that an alias or an environment is to point to."""

    version: Reference
    reason: Reason = ""


class Version(Answer):
    """An immutable package under a registered model's name."""

    model: str
    version: Annotated[int, Meta(description="1, 2, 3 ...; never given twice.")]
    label: str | None
    description: str | None
    created_ms: int
    updated_ms: int
    created_by: str
    user: str
    source: Annotated[str, Meta(description="URI that it was made from.")]
    location: Annotated[str, Meta(description="URI where its files are.")]
    run_id: str | None
    run_link: str | None
    logged_model_id: str | None
    status: str
    status_message: str | None
    stage: Annotated[str, Meta(description="MLflow's: None, Staging, Production or Archived.")]
    tags: dict[str, str]
    aliases: Annotated[list[str], Meta(description="Those that point here, environments among them.")]


class VersionPage(Answer):
    """Some of the versions that match."""

    versions: list[Version]
    next_cursor: NextCursor
    total: Total


def version(of: domain.ModelVersion) -> Version:
    """The message that describes a version."""
    return Version(
        model=of.model,
        version=of.number,
        label=of.label,
        description=of.description,
        created_ms=of.created_ms,
        updated_ms=of.updated_ms,
        created_by=of.created_by,
        user=of.user_id,
        source=of.source,
        location=of.location,
        run_id=of.run_id,
        run_link=of.run_link,
        logged_model_id=of.logged_model_id,
        status=of.status,
        status_message=of.status_message,
        stage=of.stage,
        tags=of.tags,
        aliases=list(of.aliases),
    )
