"""Logged models as messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from .message import Answer, Cursor, Filter, Id, Limit, NaN, NextCursor, OrderBy, Request, TagChanges, Tags

if TYPE_CHECKING:
    from modelyard.domain import logged_models as domain

Params = Annotated[
    dict[str, str], Meta(max_length=1000, description="A param keeps its first value; another one is refused.")
]


class NewLoggedModel(Request):
    """A logged model to make; its files are uploaded afterwards."""

    experiment_id: Id
    name: Annotated[str, Meta(max_length=500, description="Empty: a made-up one.")] = ""
    model_type: Annotated[str, Meta(max_length=500)] | None = None
    source_run: Annotated[str, Meta(max_length=256, description="The run that makes it.")] | None = None
    params: Params = {}
    tags: Tags = {}


class LoggedModelChange(Request):
    """What is to change about a logged model; what is left out stays."""

    status: (
        Annotated[
            Literal["UNSPECIFIED", "PENDING", "READY", "FAILED"],
            Meta(description="How the upload of its files stands."),
        ]
        | None
    ) = None
    params: Params = {}
    tags: TagChanges = {}


class LoggedModelSearch(Request):
    """Which logged models, and in which order."""

    experiment_ids: (
        Annotated[list[Id], Meta(max_length=10_000, description="Left out: all experiments that are not in the trash.")]
        | None
    ) = None
    filter: Filter = ""
    order_by: OrderBy = []
    limit: Limit = 100
    cursor: Cursor = ""


class LoggedMetric(Answer):
    """One point of a metric that was measured for a logged model."""

    run_id: str
    key: str
    value: NaN
    timestamp_ms: int
    step: int
    dataset_name: str | None
    dataset_digest: str | None


class LoggedModel(Answer):
    """What one `log_model` call makes: a folder of files with params, tags and metrics."""

    id: str
    experiment_id: int
    name: str
    artifact_uri: str
    created_ms: int
    updated_ms: int
    lifecycle: str
    status: str
    status_message: str | None
    model_type: str | None
    source_run: str | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[LoggedMetric]


class LoggedModelPage(Answer):
    """Some of the logged models that match."""

    logged_models: list[LoggedModel]
    next_cursor: NextCursor


def logged_model(of: domain.LoggedModel) -> LoggedModel:
    """The message that describes a logged model."""
    return LoggedModel(
        id=of.id,
        experiment_id=of.experiment_id,
        name=of.name,
        artifact_uri=of.artifact_uri,
        created_ms=of.created_ms,
        updated_ms=of.updated_ms,
        lifecycle=of.lifecycle,
        status=str(of.status),
        status_message=of.status_message,
        model_type=of.model_type,
        source_run=of.source_run,
        params=of.params,
        tags=of.tags,
        metrics=[
            LoggedMetric(
                run_id=point.run,
                key=point.key,
                value=None if math.isnan(point.value) else point.value,
                timestamp_ms=point.timestamp,
                step=point.step,
                dataset_name=point.dataset_name,
                dataset_digest=point.dataset_digest,
            )
            for point in of.metrics
        ],
    )
