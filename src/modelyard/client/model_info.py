"""What is known of a model that was just logged, under MLflow's names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class ModelInfo:
    """What `log_model` made, with the attributes of MLflow's `ModelInfo`.

    Attributes:
        model_uri: loads it: `models:/m-...`, or `runs:/ID/PATH`.
        run_id: the run that logged it.
        model_id: of the logged model; None where the server has none.
        model_uuid: the logged model's id, or the one in the MLmodel file.
        artifact_path: where its files are: the logged model's location, or the path below the run's artifacts.
        name: what it was logged as.
        digest: of its content.
        registered_model_version: the version's number, if it was registered.
        signature: what goes in and comes out.
        flavors: the entries of its MLmodel file.
        metadata: the user's own.
        saved_input_example_info: where the input example lies.
        utc_time_created: when, UTC.
        mlflow_version: None: ours.
        params: of the logged model.
        tags: of the logged model.
        step: of the run that it belongs to.
    """

    model_uri: str
    run_id: str
    model_id: str | None
    model_uuid: str | None
    artifact_path: str
    name: str
    digest: str
    registered_model_version: int | None = None
    signature: Any = None
    flavors: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None
    saved_input_example_info: dict[str, Any] | None = None
    utc_time_created: str = ""
    mlflow_version: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    step: int = 0

    @property
    def signature_dict(self) -> dict[str, Any] | None:
        """The signature as the MLmodel file has it."""
        return self.signature.to_dict() if self.signature is not None else None
