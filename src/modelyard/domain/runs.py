"""Runs: one execution of training code each."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from . import run_names
from .errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .experiments import Lifecycle
    from .metrics import LatestMetric


NAME_TAG = "mlflow.runName"
"""The tag that mirrors a run's name."""


class RunStatus(enum.StrEnum):
    """Where a run stands (MLflow's five)."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected of the run."""
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
class MadeVersion:
    """A registered version that comes from a run.

    Attributes:
        stage: MLflow's, `None` for none.
        aliases: by name; environments are not among them.
        environments: those that point to it.
    """

    model: str
    number: int
    label: str | None
    stage: str
    aliases: tuple[str, ...]
    environments: tuple[str, ...]


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
    versions: list[MadeVersion] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be started; many at once share a handful of statements.

    Attributes:
        run: its 32-hex id.
        tags: with `mlflow.runName` among them.
    """

    run: str
    experiment_id: int
    name: str
    start_ms: int
    user_id: str
    created_by: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RunChange:
    """A change of a run's status, end time or name; None and an empty name leave what is there."""

    run: str
    status: RunStatus | None = None
    end_ms: int | None = None
    name: str = ""


def plan(
    experiment_id: int,
    *,
    name: str,
    start_ms: int,
    user_id: str,
    created_by: str,
    tags: Sequence[tuple[str, str]] = (),
    uuid: str,
) -> NewRun:
    """A new run from what its caller said: name and name tag agree, and both are made up if need be.

    Args:
        experiment_id: where it belongs.
        name: empty: as the name tag says, or made up from the uuid.
        start_ms: ms since the epoch.
        user_id: whose run it is, as the client says.
        created_by: the principal's name.
        tags: key and value; the last one wins.
        uuid: 32 random hex digits, its id.

    Raises:
        InvalidArgument: name and name tag differ.
    """
    given = dict(tags)
    tagged = given.get(NAME_TAG, "")
    if name and tagged and name != tagged:
        raise InvalidArgument(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{tagged}')."
        )
    if not tagged:
        given.pop(NAME_TAG, None)
        given[NAME_TAG] = name or run_names.make(int(uuid, 16))
    return NewRun(uuid, experiment_id, given[NAME_TAG], start_ms, user_id, created_by, tuple(given.items()))


def artifact_uri(location: str, folder: str) -> str:
    """A folder's artifact root below an experiment's location; a query stays behind the path."""
    path, mark, query = location.partition("?")
    return f"{path.rstrip('/')}/{folder}/artifacts{mark}{query}"
