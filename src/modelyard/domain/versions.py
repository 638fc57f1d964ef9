"""Model versions: an immutable package under a registered model's name, numbered 1, 2, 3."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from .errors import InvalidArgument

DIGEST_TAG: Final = "modelyard.digest"
"""Tag of logged models and versions with the digest of their content, `sha256:<64 hex digits>`."""
SIGNATURE_TAG: Final = "modelyard.signature"
"""Of a version or logged model that has a signature."""
GOLDEN_TAG: Final = "modelyard.golden"
"""Of a version or logged model that brings golden tests."""


class Stage(enum.StrEnum):
    """MLflow's legacy label of a version."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


class VersionStatus(enum.StrEnum):
    """Whether a version can be used (MLflow's three)."""

    PENDING = "PENDING_REGISTRATION"
    FAILED = "FAILED_REGISTRATION"
    READY = "READY"


_STAGES = {stage.value.lower(): stage for stage in Stage}


def find_stage(text: str) -> Stage | None:
    """The stage of this name in any case; None if there is none."""
    return _STAGES.get(text.lower())


def parse_stage(text: str) -> Stage:
    """The stage of this name, in any case.

    Raises:
        InvalidArgument: there is none.
    """
    stage = find_stage(text)
    if stage is None:
        raise InvalidArgument(
            f"Invalid Model Version stage: {text}. Value must be one of {', '.join(stage.value for stage in Stage)}."
        )
    return stage


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a registered model.

    Attributes:
        model_id: the model's number; it stays when the model is renamed.
        model: the model's name.
        number: 1, 2, ...; never given twice, not even after a deletion.
        label: the user's own version, such as `2.3.1`, as written; None if it has none.
        created_ms, updated_ms: ms since the epoch.
        source: URI that the version was made from, as the client said it.
        storage_location: URI where its files are; None: at `source`.
        run_id: uuid of the run that made it, not checked to exist.
        aliases: those that point here, environments among them; empty where a search leaves them out.
    """

    model_id: int
    model: str
    number: int
    label: str | None
    description: str | None
    user_id: str
    created_ms: int
    updated_ms: int
    source: str
    storage_location: str | None
    run_id: str | None
    run_link: str | None
    logged_model_id: str | None
    status: str
    status_message: str | None
    stage: str
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """URI where its files are."""
        return self.storage_location or self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """What somebody says about a version that is to be made.

    Attributes:
        source: URI of its files; checked by `services.versions.create`.
        label: the user's own version (PEP 440).
        model_id: id of the logged model that it is made from.
    """

    source: str
    run_id: str | None = None
    run_link: str | None = None
    description: str | None = None
    logged_model_id: str | None = None
    label: str | None = None
    user_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)
