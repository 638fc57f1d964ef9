"""Runs: one execution of training code each."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .experiments import Lifecycle
    from .metrics import LatestMetric


class RunStatus(enum.StrEnum):
    """Where a run stands (MLflow's five)."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a run read, known by name and digest within its experiment.

    Attributes:
        source_type: kind of source, such as `local` or `s3`.
        source: where it came from, as JSON or text.
        schema, profile: JSON texts of the columns and of row counts.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset as an input of one run, with the tags of that use (such as `mlflow.data.context`)."""

    dataset: Dataset
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelLink:
    """A logged model that a run read (`input`) or made (`output`), at a step."""

    model_id: str
    direction: Literal["input", "output"]
    step: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run with everything that its document shows.

    Attributes:
        id: the server's own number; never leaves it.
        uuid: 32 hex digits, the run's id to everybody else.
        start_ms, end_ms: ms since the epoch; None when not known.
        rev: grows with every change.
        metrics, params, tags: latest metrics, params and tags, in the order of their keys' first use.
    """

    id: int
    uuid: str
    experiment_id: int
    name: str
    status: RunStatus
    start_ms: int | None
    end_ms: int | None
    lifecycle: Lifecycle
    user_id: str
    artifact_uri: str
    rev: int
    metrics: list[LatestMetric] = field(default_factory=list)
    params: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    datasets: list[DatasetInput] = field(default_factory=list)
    models: list[ModelLink] = field(default_factory=list)


def artifact_uri(location: str, folder: str) -> str:
    """A folder's artifact root below an experiment's location; a query stays behind the path."""
    path, mark, query = location.partition("?")
    return f"{path.rstrip('/')}/{folder}/artifacts{mark}{query}"
