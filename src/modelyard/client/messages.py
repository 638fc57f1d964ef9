"""MLflow's JSON → entities: lists of pairs become dicts, numbers may come as texts, and what is missing has a default.

A struct here is an answer of one endpoint, or a part of one. Decoding is lax about numbers (protobuf writes int64 as
text, and NaN as "NaN"), and ignores fields that it does not know.
"""

from __future__ import annotations

import msgspec

from .entities import (
    Experiment,
    FileInfo,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)


class Pair(msgspec.Struct, gc=False):
    """A param or a tag."""

    key: str
    value: str = ""


def _texts(pairs: list[Pair]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


class ExperimentPart(msgspec.Struct):
    """An experiment."""

    experiment_id: str
    name: str = ""
    artifact_location: str = ""
    lifecycle_stage: str = "active"
    tags: list[Pair] = []
    creation_time: int | None = None
    last_update_time: int | None = None

    def entity(self) -> Experiment:
        """It as an entity."""
        return Experiment(
            self.experiment_id,
            self.name,
            self.artifact_location,
            self.lifecycle_stage,
            _texts(self.tags),
            self.creation_time,
            self.last_update_time,
        )


class ExperimentAnswer(msgspec.Struct):
    """The answer of `experiments/get` and `get-by-name`."""

    experiment: ExperimentPart


class ExperimentId(msgspec.Struct):
    """The answer of `experiments/create`."""

    experiment_id: str


class ExperimentsAnswer(msgspec.Struct):
    """The answer of `experiments/search`."""

    experiments: list[ExperimentPart] = []
    next_page_token: str = ""


class RunDataPart(msgspec.Struct):
    """What a run logged."""

    metrics: list[Metric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class RunPart(msgspec.Struct):
    """A run."""

    info: RunInfo
    data: RunDataPart = msgspec.field(default_factory=RunDataPart)
    inputs: RunInputs = msgspec.field(default_factory=RunInputs)
    outputs: RunOutputs = msgspec.field(default_factory=RunOutputs)

    def entity(self) -> Run:
        """It as an entity."""
        data = self.data
        return Run(
            self.info,
            RunData(
                {metric.key: metric.value for metric in data.metrics},
                _texts(data.params),
                _texts(data.tags),
                data.metrics,
            ),
            self.inputs,
            self.outputs,
        )


class RunAnswer(msgspec.Struct):
    """The answer of `runs/create` and `runs/get`."""

    run: RunPart


class RunInfoAnswer(msgspec.Struct):
    """The answer of `runs/update`."""

    run_info: RunInfo


class RunsAnswer(msgspec.Struct):
    """The answer of `runs/search`."""

    runs: list[RunPart] = []
    next_page_token: str = ""


class HistoryAnswer(msgspec.Struct):
    """The answer of `metrics/get-history`."""

    metrics: list[Metric] = []
    next_page_token: str = ""


class FilesAnswer(msgspec.Struct):
    """The answer of `artifacts/list` and of the artifact proxy's listing."""

    root_uri: str = ""
    files: list[FileInfo] = []
    next_page_token: str = ""


class LoggedModelInfoPart(msgspec.Struct):
    """What every logged model has."""

    model_id: str
    experiment_id: str = ""
    name: str = ""
    creation_timestamp_ms: int = 0
    last_updated_timestamp_ms: int = 0
    artifact_uri: str = ""
    status: str = ""
    status_message: str | None = None
    model_type: str = ""
    source_run_id: str = ""
    tags: list[Pair] = []


class LoggedModelDataPart(msgspec.Struct):
    """Params and metrics of a logged model."""

    params: list[Pair] = []
    metrics: list[Metric] = []


class LoggedModelPart(msgspec.Struct):
    """A logged model."""

    info: LoggedModelInfoPart
    data: LoggedModelDataPart = msgspec.field(default_factory=LoggedModelDataPart)

    def entity(self) -> LoggedModel:
        """It as an entity."""
        info = self.info
        return LoggedModel(
            experiment_id=info.experiment_id,
            model_id=info.model_id,
            name=info.name,
            artifact_location=info.artifact_uri,
            creation_timestamp=info.creation_timestamp_ms,
            last_updated_timestamp=info.last_updated_timestamp_ms,
            model_type=info.model_type or None,
            source_run_id=info.source_run_id or None,
            status=STATUSES.get(info.status, LoggedModelStatus.UNSPECIFIED),
            status_message=info.status_message,
            tags=_texts(info.tags),
            params=_texts(self.data.params),
            metrics=self.data.metrics,
        )


STATUSES = {
    "LOGGED_MODEL_PENDING": LoggedModelStatus.PENDING,
    "LOGGED_MODEL_READY": LoggedModelStatus.READY,
    "LOGGED_MODEL_UPLOAD_FAILED": LoggedModelStatus.FAILED,
}
"""A logged model's status as the protocol spells it → as the entity has it."""


class LoggedModelAnswer(msgspec.Struct):
    """The answer of the endpoints of one logged model."""

    model: LoggedModelPart


class LoggedModelsAnswer(msgspec.Struct):
    """The answer of `logged-models/search`."""

    models: list[LoggedModelPart] = []
    next_page_token: str = ""


class VersionPart(msgspec.Struct):
    """A model version."""

    name: str
    version: str | int
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
    description: str | None = None
    user_id: str | None = None
    current_stage: str = "None"
    source: str = ""
    run_id: str = ""
    status: str = "READY"
    status_message: str | None = None
    tags: list[Pair] = []
    run_link: str = ""
    aliases: list[str] = []
    model_id: str | None = None
    model_params: list[Pair] = []
    model_metrics: list[Metric] = []
    label: str | None = None

    def entity(self) -> ModelVersion:
        """It as an entity."""
        return ModelVersion(
            name=self.name,
            version=str(self.version),
            creation_timestamp=self.creation_timestamp,
            last_updated_timestamp=self.last_updated_timestamp,
            description=self.description,
            user_id=self.user_id,
            current_stage=self.current_stage,
            source=self.source,
            run_id=self.run_id,
            status=self.status,
            status_message=self.status_message,
            tags=_texts(self.tags),
            run_link=self.run_link,
            aliases=self.aliases,
            model_id=self.model_id,
            params=_texts(self.model_params),
            metrics=self.model_metrics,
            label=self.label,
        )


class VersionAnswer(msgspec.Struct):
    """The answer of the endpoints of one model version."""

    model_version: VersionPart


class VersionsAnswer(msgspec.Struct):
    """The answer of `model-versions/search` and `registered-models/get-latest-versions`."""

    model_versions: list[VersionPart] = []
    next_page_token: str = ""


class DownloadUriAnswer(msgspec.Struct):
    """The answer of `model-versions/get-download-uri`."""

    artifact_uri: str = ""


class AliasPart(msgspec.Struct):
    """An alias of a registered model."""

    alias: str
    version: str | int


class RegisteredModelPart(msgspec.Struct):
    """A registered model."""

    name: str
    creation_timestamp: int = 0
    last_updated_timestamp: int | None = None
    description: str | None = None
    latest_versions: list[VersionPart] = []
    tags: list[Pair] = []
    aliases: list[AliasPart] = []

    def entity(self) -> RegisteredModel:
        """It as an entity."""
        return RegisteredModel(
            self.name,
            self.creation_timestamp,
            self.last_updated_timestamp,
            self.description,
            [version.entity() for version in self.latest_versions],
            _texts(self.tags),
            {alias.alias: str(alias.version) for alias in self.aliases},
        )


class RegisteredModelAnswer(msgspec.Struct):
    """The answer of the endpoints of one registered model."""

    registered_model: RegisteredModelPart


class RegisteredModelsAnswer(msgspec.Struct):
    """The answer of `registered-models/search`."""

    registered_models: list[RegisteredModelPart] = []
    next_page_token: str = ""
