"""Experiments as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

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
    View,
)

if TYPE_CHECKING:
    from modelyard.domain import experiments as domain


class NewExperiment(Request):
    """An experiment to make."""

    name: Annotated[str, Meta(min_length=1, max_length=500, description="Unique, also among those in the trash.")]
    artifact_location: Annotated[
        str, Meta(max_length=2048, description="URI for its artifacts; empty: the server's own place.")
    ] = ""
    tags: Tags = {}


class ExperimentChange(Request):
    """What is to change about an experiment; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    tags: TagChanges = {}


class ExperimentSearch(Request):
    """Which experiments, and in which order."""

    filter: QueryFilter = ""
    order_by: QueryOrderBy = []
    view: View = "active"
    limit: Limit = 100
    cursor: QueryCursor = ""
    count: Count = False
    activity: Annotated[bool, Meta(description="Also tell what goes on in each, which looks at every run.")] = False


class Activity(Answer):
    """What goes on in an experiment."""

    runs: Annotated[int, Meta(description="How many runs it has, those in the trash left out.")]
    running: Annotated[int, Meta(description="How many of them run.")]
    last_start_ms: Annotated[int | None, Meta(description="When the newest began.")]


class Experiment(Answer):
    """A named set of runs."""

    id: int
    name: str
    artifact_location: Annotated[str, Meta(description="URI below which its runs keep artifacts.")]
    lifecycle: Annotated[str, Meta(description="`active`, or `deleted` while it is in the trash.")]
    created_ms: int
    updated_ms: int
    deleted_ms: int | None
    tags: dict[str, str]
    activity: Annotated[Activity | None, Meta(description="Null unless a listing was asked for it.")]


class ExperimentPage(Answer):
    """Some of the experiments that match."""

    experiments: list[Experiment]
    next_cursor: NextCursor
    total: Total


def experiment(of: domain.Experiment, activity: Activity | None = None) -> Experiment:
    """The message that describes an experiment."""
    return Experiment(
        id=of.id,
        name=of.name,
        artifact_location=of.artifact_location,
        lifecycle=of.lifecycle,
        created_ms=of.created_ms,
        updated_ms=of.updated_ms,
        deleted_ms=of.deleted_ms,
        tags=of.tags,
        activity=activity,
    )
