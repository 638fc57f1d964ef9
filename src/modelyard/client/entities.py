"""What the client answers: MLflow's entities, with MLflow's attribute names.

All of them compare by content, show themselves briefly, and can be turned into plain values by `to_dictionary()` or, as
MLflow's, by `dict(entity)`. Times are milliseconds since the epoch.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.metrics import LARGEST


class Entity(msgspec.Struct, repr_omit_defaults=True):
    """What all entities can do."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Names and values of the attributes, so that `dict(entity)` works."""
        for name in self.__struct_fields__:
            yield name, getattr(self, name)

    def to_dictionary(self) -> dict[str, Any]:
        """The entity as dicts, lists, numbers and texts."""
        return {name: _plain(value) for name, value in self}


def _plain(value: Any) -> Any:
    if isinstance(value, Entity):
        return value.to_dictionary()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return str(value) if isinstance(value, enum.Enum) else value


# ------------------------------------------------------------------------------------ enumerations


class ViewType:
    """What a search looks at: what is in use, what is in the trash, or both."""

    ACTIVE_ONLY: ClassVar[int] = 1
    DELETED_ONLY: ClassVar[int] = 2
    ALL: ClassVar[int] = 3

    _NAMES: ClassVar[dict[int, str]] = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}

    @classmethod
    def to_string(cls, view_type: int | str) -> str:
        """The name of a view type, which may also be given by its name in any case, or as `active`, `deleted`.

        Raises:
            InvalidArgument: there is no such view type.
        """
        text = str(view_type).upper()
        name = cls._NAMES.get(int(text)) if text.isdigit() else text if text in cls._NAMES.values() else None
        name = name or {"ACTIVE": "ACTIVE_ONLY", "DELETED": "DELETED_ONLY"}.get(text)
        if name is None:
            raise InvalidArgument(f"{view_type!r} is not a view type; expected {', '.join(cls._NAMES.values())}.")
        return name

    @classmethod
    def from_string(cls, view_str: str) -> int:
        """The view type of this name."""
        name = cls.to_string(view_str)
        return next(number for number, each in cls._NAMES.items() if each == name)


class RunStatus:
    """Where a run stands, as MLflow numbers it; `run.info.status` is the name."""

    RUNNING: ClassVar[int] = 1
    SCHEDULED: ClassVar[int] = 2
    FINISHED: ClassVar[int] = 3
    FAILED: ClassVar[int] = 4
    KILLED: ClassVar[int] = 5

    _NAMES: ClassVar[dict[int, str]] = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}

    @classmethod
    def to_string(cls, status: int | str) -> str:
        """The name of a status, which may also be given by its name.

        Raises:
            InvalidArgument: there is no such status.
        """
        name = cls._NAMES.get(status) if isinstance(status, int) else status
        if name not in cls._NAMES.values():
            raise InvalidArgument(f"{status!r} is not a run status; expected one of {', '.join(cls._NAMES.values())}.")
        return str(name)

    @classmethod
    def from_string(cls, status_str: str) -> int:
        """The status of this name."""
        name = cls.to_string(status_str)
        return next(number for number, each in cls._NAMES.items() if each == name)

    @classmethod
    def is_terminated(cls, status: int | str) -> bool:
        """Whether nothing more is expected of a run with this status."""
        return cls.from_string(cls.to_string(status)) >= cls.FINISHED

    @classmethod
    def all_status(cls) -> list[int]:
        """All of them."""
        return list(cls._NAMES)


class LifecycleStage:
    """In use, or in the trash."""

    ACTIVE: ClassVar[str] = "active"
    DELETED: ClassVar[str] = "deleted"


class LoggedModelStatus(enum.StrEnum):
    """Where the upload of a logged model stands."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"

    @staticmethod
    def is_finalized(status: LoggedModelStatus | str) -> bool:
        """Whether it will not change any more."""
        return status in (LoggedModelStatus.READY, LoggedModelStatus.FAILED)


# ------------------------------------------------------------------------------------ experiments


class ExperimentTag(Entity):
    """A tag of an experiment."""

    key: str
    value: str = ""


class Experiment(Entity):
    """A named set of runs."""

    DEFAULT_EXPERIMENT_NAME: ClassVar[str] = "Default"

    experiment_id: str
    name: str = ""
    artifact_location: str = ""
    lifecycle_stage: str = "active"
    tags: dict[str, str] = {}
    creation_time: int | None = None
    last_update_time: int | None = None


# ------------------------------------------------------------------------------------ runs


class Metric(Entity):
    """One point of a metric, perhaps measured for a logged model on a dataset."""

    key: str
    value: float = 0.0
    timestamp: int = 0
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


class Param(Entity):
    """A fixed text of a run."""

    key: str
    value: str = ""


class RunTag(Entity):
    """An editable text of a run."""

    key: str
    value: str = ""


class RunInfo(Entity):
    """What every run has; `end_time` is None while it runs."""

    run_id: str
    experiment_id: str = ""
    user_id: str = ""
    status: str = "RUNNING"
    start_time: int = 0
    end_time: int | None = None
    lifecycle_stage: str = "active"
    artifact_uri: str = ""
    run_name: str = ""

    @property
    def run_uuid(self) -> str:
        """The id, by its older name."""
        return self.run_id


class RunData(Entity):
    """What a run logged: the latest value of each metric, params and tags, by key."""

    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    latest: list[Metric] = []

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Metrics, params and tags; `latest` holds the same metrics with step and time."""
        yield from (("metrics", self.metrics), ("params", self.params), ("tags", self.tags))


class Dataset(Entity):
    """Data that a run read; `source`, `schema` and `profile` are JSON texts."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str | None = None
    profile: str | None = None


class InputTag(Entity):
    """A tag of one use of a dataset, such as `mlflow.data.context`."""

    key: str
    value: str = ""


class DatasetInput(Entity):
    """A dataset as an input of a run."""

    dataset: Dataset
    tags: list[InputTag] = []


class LoggedModelInput(Entity):
    """A logged model that a run read."""

    model_id: str


class LoggedModelOutput(Entity):
    """A logged model that a run made, at a step."""

    model_id: str
    step: int = 0


class RunInputs(Entity):
    """What a run read."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[LoggedModelInput] = []


class RunOutputs(Entity):
    """What a run made."""

    model_outputs: list[LoggedModelOutput] = []


class Run(Entity):
    """One execution of training code."""

    info: RunInfo
    data: RunData = msgspec.field(default_factory=RunData)
    inputs: RunInputs = msgspec.field(default_factory=RunInputs)
    outputs: RunOutputs = msgspec.field(default_factory=RunOutputs)

    def __repr__(self) -> str:
        metrics = _some(self.data.metrics)
        return (
            f"Run(run_id={self.info.run_id!r}, run_name={self.info.run_name!r}, status={self.info.status!r}, "
            f"experiment_id={self.info.experiment_id!r}, params={_some(self.data.params)}, metrics={metrics})"
        )


_SHOWN = 5


def _some(values: dict[str, Any]) -> str:
    """A dict, cut to what fits on a line."""
    pairs = [f"{key!r}: {value!r}" for key, value in list(values.items())[:_SHOWN]]
    return "{" + ", ".join([*pairs, f"... {len(values) - _SHOWN} more"] if len(values) > _SHOWN else pairs) + "}"


# ------------------------------------------------------------------------------------ artifacts


class FileInfo(Entity):
    """A file or a folder among artifacts; a folder has no size."""

    path: str
    is_dir: bool = False
    file_size: int | None = None


# ------------------------------------------------------------------------------------ logged models


class LoggedModel(Entity):
    """What one `log_model` call makes: files with params, tags and metrics."""

    experiment_id: str
    model_id: str
    name: str = ""
    artifact_location: str = ""
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    model_type: str | None = None
    source_run_id: str | None = None
    status: LoggedModelStatus = LoggedModelStatus.READY
    status_message: str | None = None
    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: list[Metric] = []

    @property
    def model_uri(self) -> str:
        """The URI that names it."""
        return f"models:/{self.model_id}"


# ------------------------------------------------------------------------------------ the registry


class ModelVersion(Entity):
    """An immutable package under a registered model's name.

    `version` is a decimal text, as MLflow sends it; `label` is the user's own version on a Modelyard server.
    """

    name: str
    version: str
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
    description: str | None = None
    user_id: str | None = None
    current_stage: str = "None"
    source: str = ""
    run_id: str = ""
    status: str = "READY"
    status_message: str | None = None
    tags: dict[str, str] = {}
    run_link: str = ""
    aliases: list[str] = []
    model_id: str | None = None
    params: dict[str, str] = {}
    metrics: list[Metric] = []
    label: str | None = None


class RegisteredModel(Entity):
    """A name under which versions are kept; `aliases` says which version each alias points to."""

    name: str
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
    description: str | None = None
    latest_versions: list[ModelVersion] = []
    tags: dict[str, str] = {}
    aliases: dict[str, str] = {}


# ------------------------------------------------------------------------------------ in requests


def number(value: float) -> float | str:
    """A metric's value as MLflow's JSON spells it: NaN and infinities, which JSON has not, are texts."""
    if value != value:  # noqa: PLR0124 - only NaN is so
        return "NaN"
    return value if -LARGEST <= value <= LARGEST else "Infinity" if value > 0 else "-Infinity"
