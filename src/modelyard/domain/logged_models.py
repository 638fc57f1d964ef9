"""Logged models: what one `log_model` call of a 3.x client makes; a folder of files with params, tags and metrics."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .experiments import Lifecycle


class LoggedModelStatus(enum.StrEnum):
    """Where the upload of a logged model stands (MLflow's four)."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ModelMetric:
    """One point of a metric that was measured for a logged model, by a run, perhaps on a dataset.

    Attributes:
        run: uuid of the run that logged it.
        timestamp: ms since the epoch.
        dataset_name, dataset_digest: the dataset that it was measured on; None if not said.
    """

    model_id: str
    run: str
    key: str
    value: float
    timestamp: int
    step: int = 0
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model with everything that is known of it.

    Attributes:
        id: `m-` and 32 hex digits.
        artifact_uri: where its files are.
        created_ms, updated_ms: ms since the epoch.
        source_run: uuid of the run that made it; None if none did. Not checked to exist.
        metrics: every point, not only the latest.
    """

    id: str
    experiment_id: int
    name: str
    artifact_uri: str
    created_ms: int
    updated_ms: int
    lifecycle: Lifecycle
    status: LoggedModelStatus
    status_message: str | None = None
    model_type: str | None = None
    source_run: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[ModelMetric] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DatasetChoice:
    """A dataset that metrics must have been measured on; any digest if None."""

    name: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """A key to sort logged models by: an attribute, or the latest value of a metric.

    Attributes:
        kind, key: as in `domain.search`; only attributes and metrics.
        dataset_name, dataset_digest: of a metric: only points that were measured on it.
    """

    kind: Literal["attribute", "metric"]
    key: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None
