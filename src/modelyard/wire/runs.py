"""Runs as messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from .message import (
    GREATEST,
    Answer,
    Count,
    Cursor,
    Filter,
    Id,
    Integer,
    Limit,
    Millis,
    NaN,
    NextCursor,
    OrderBy,
    Request,
    TagChanges,
    Tags,
    Total,
    View,
)

if TYPE_CHECKING:
    from modelyard.domain import runs as domain
    from modelyard.domain.metrics import LatestMetric
    from modelyard.domain.selection import Selection

Status = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Direction = Literal["min", "max"]
Best = Annotated[
    Direction | dict[str, Direction] | None,
    Meta(description="Which way a metric is good: for all metrics, or by key. Fills `best` of each metric."),
]
Fields = Annotated[
    list[str],
    Meta(
        max_length=1000,
        description="Parts wanted: `info`, `metrics`, `params`, `tags`, `datasets`, `models`, `versions` (registered "
        "ones, with what points to them), or single keys such as `params.lr`, `metrics.loss`, `tags.*`; empty: "
        "everything but `versions`.",
    ),
]
QueryFields = Annotated[
    list[Annotated[str, Meta(max_length=260)]], Meta(max_length=50, description="As in a search; empty: everything.")
]
ModelId = Annotated[str, Meta(max_length=250)]
Name = Annotated[str, Meta(max_length=8000, description="Empty: a made-up one.")]


# ------------------------------------------------------------------------------------ requests


class NewRun(Request):
    """A run to start, in an experiment that is named by id or by name."""

    experiment_id: Id | None = None
    experiment_name: (
        Annotated[str, Meta(min_length=1, max_length=500, description="Instead of an id; made if there is none.")]
        | None
    ) = None
    run_id: (
        Annotated[
            str,
            Meta(
                pattern="^[0-9a-f]*$",
                min_length=32,  # both: $ lets a line's end pass
                max_length=32,
                description="An id of your own, 32 random hex digits. A run of this id that was started alike is "
                "answered as it is now: so the request may be repeated. Left out: a new one.",
            ),
        ]
        | None
    ) = None
    name: Name = ""
    start_ms: Millis | None = None
    user: Annotated[str, Meta(max_length=256)] = ""
    tags: Tags = {}


class RunChange(Request):
    """What is to change about a run; what is left out stays. A status that ends it sets an unsaid `end_ms` to now."""

    name: Annotated[str, Meta(min_length=1, max_length=8000)] | None = None
    status: Status | None = None
    end_ms: Millis | None = None
    tags: TagChanges = {}


class RunQuery(Request):
    """Which parts of a run."""

    fields: QueryFields = []
    best: Direction | None = None


class RunSearch(Request):
    """Which runs, which parts of them, and in which order."""

    experiment_ids: (
        Annotated[list[Id], Meta(max_length=10_000, description="Left out: all experiments that are not in the trash.")]
        | None
    ) = None
    filter: Filter = ""
    order_by: OrderBy = []
    view: View = "active"
    fields: Fields = []
    best: Best = None
    limit: Limit = 100
    cursor: Cursor = ""
    count: Count = False
    offset: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=GREATEST,
                description="Instead of a cursor: how many to skip. For a table that is scrolled to any place; what is "
                "added or removed meanwhile moves the others.",
            ),
        ]
        | None
    ) = None
    locate: Annotated[
        str, Meta(max_length=250, description="Id of a run whose position is wanted as `place`; with `offset`.")
    ] = ""


class RunCount(Request):
    """Which runs to count."""

    experiment_ids: (
        Annotated[list[Id], Meta(max_length=10_000, description="Left out: all experiments that are not in the trash.")]
        | None
    ) = None
    filter: Filter = ""
    view: View = "active"


class MetricPoint(Request):
    """One point of a metric."""

    key: Annotated[str, Meta(min_length=1, max_length=250)]
    value: NaN
    timestamp_ms: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Left out: now.")] | None = None
    step: Integer = 0


class Log(Request):
    """What a run logs; all of it is kept, or nothing."""

    metrics: Annotated[list[MetricPoint], Meta(max_length=100_000)] = []
    params: Annotated[
        dict[str, str], Meta(max_length=1000, description="A param keeps its first value; another one is refused.")
    ] = {}
    tags: Annotated[dict[str, str], Meta(max_length=1000, description="The last value of a tag counts.")] = {}


class DatasetUse(Request):
    """A dataset that a run read."""

    name: Annotated[str, Meta(min_length=1, max_length=500)]
    digest: Annotated[str, Meta(min_length=1, max_length=36)]
    source_type: Annotated[str, Meta(max_length=255)]
    source: Annotated[str, Meta(max_length=65_535)]
    schema: Annotated[str, Meta(max_length=1_048_575)] | None = None
    profile: Annotated[str, Meta(max_length=16_777_215)] | None = None
    tags: Tags = {}


class Inputs(Request):
    """What a run read: datasets, and logged models by id."""

    datasets: Annotated[list[DatasetUse], Meta(max_length=1000)] = []
    models: Annotated[list[ModelId], Meta(max_length=1000)] = []


class MadeModel(Request):
    """A logged model that a run made."""

    model_id: ModelId
    step: Integer = 0


class Outputs(Request):
    """What a run made."""

    models: Annotated[list[MadeModel], Meta(max_length=1000)]


# ------------------------------------------------------------------------------------ answers


class RunInfo(Answer):
    """What every run has."""

    name: str
    status: Status
    start_ms: int | None
    end_ms: int | None
    lifecycle: Annotated[str, Meta(description="`active`, or `deleted` while it is in the trash.")]
    user: str
    artifact_uri: str


class MetricSummary(Answer):
    """A metric in short: its latest point, and its extremes (NaN left out)."""

    value: NaN
    step: int
    timestamp_ms: int
    min: float | None
    max: float | None
    best: Annotated[float | None, Meta(description="The least or greatest value, as the request said what is good.")]


class Dataset(Answer):
    """A dataset that a run read, with the tags of that use."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: dict[str, str]


class ModelLink(Answer):
    """A logged model that a run read (`input`) or made (`output`)."""

    model_id: str
    direction: Literal["input", "output"]
    step: int


class MadeVersion(Answer):
    """A registered version that comes from a run, and what points to it."""

    model: str
    version: int
    label: str | None
    stage: Annotated[str, Meta(description="As MLflow calls it; `None` for none.")]
    aliases: list[str]
    environments: list[str]


class Run(Answer):
    """One execution of training code. A part that was not asked for is null."""

    run_id: Annotated[str, Meta(description="32 hex digits.")]
    experiment_id: int
    info: RunInfo | None
    metrics: dict[str, MetricSummary] | None
    params: dict[str, str] | None
    tags: dict[str, str] | None
    datasets: list[Dataset] | None
    models: list[ModelLink] | None
    versions: list[MadeVersion] | None


class RunPage(Answer):
    """Some of the runs that match."""

    runs: list[Run]
    next_cursor: NextCursor
    total: Total
    place: Annotated[int | None, Meta(description="The position of the run `locate`; null: it does not match.")]


class Counted(Answer):
    """How many match."""

    count: int


# ------------------------------------------------------------------------------------ from the domain


def run(of: domain.Run, wanted: Selection, best: Direction | dict[str, Direction] | None = None) -> Run:
    """The message that describes the wanted parts of a run."""
    return Run(
        run_id=of.uuid,
        experiment_id=of.experiment_id,
        info=_info(of) if wanted.info else None,
        metrics={metric.key: _summary(metric, best) for metric in of.metrics} if wanted.wants("metrics") else None,
        params=dict(of.params) if wanted.wants("params") else None,
        tags=dict(of.tags) if wanted.wants("tags") else None,
        datasets=[_dataset(each) for each in of.datasets] if wanted.datasets else None,
        models=[ModelLink(model_id=link.model_id, direction=link.direction, step=link.step) for link in of.models]
        if wanted.models
        else None,
        versions=[_version(each) for each in of.versions] if wanted.versions else None,
    )


def _version(of: domain.MadeVersion) -> MadeVersion:
    return MadeVersion(
        model=of.model,
        version=of.number,
        label=of.label,
        stage=of.stage,
        aliases=list(of.aliases),
        environments=list(of.environments),
    )


def _info(of: domain.Run) -> RunInfo:
    return RunInfo(
        name=of.name,
        status=str(of.status),  # type: ignore[arg-type]
        start_ms=of.start_ms or None,
        end_ms=of.end_ms or None,
        lifecycle=of.lifecycle,
        user=of.user_id,
        artifact_uri=of.artifact_uri,
    )


def _summary(of: LatestMetric, best: Direction | dict[str, Direction] | None) -> MetricSummary:
    way = best.get(of.key) if isinstance(best, dict) else best
    return MetricSummary(
        value=None if math.isnan(of.value) else of.value,
        step=of.step,
        timestamp_ms=of.timestamp,
        min=of.minimum,
        max=of.maximum,
        best=of.minimum if way == "min" else of.maximum if way == "max" else None,
    )


def _dataset(of: domain.DatasetInput) -> Dataset:
    data = of.dataset
    return Dataset(
        name=data.name,
        digest=data.digest,
        source_type=data.source_type,
        source=data.source,
        schema=data.schema,
        profile=data.profile,
        tags=dict(of.tags),
    )
