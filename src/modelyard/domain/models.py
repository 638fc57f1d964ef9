"""Registered models: names under which versions are kept, and the aliases that point to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Alias:
    """A movable pointer to a version.

    Attributes:
        version: may have been deleted, unless the alias is an environment's pointer.
        environment: the environment whose pointer this is; None for an alias that is nothing more.
        moved_ms: when it came to point there, ms since the epoch.
        label: of that version; where the reader asked for it.
    """

    name: str
    version: int
    environment: str | None
    moved_ms: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model.

    Attributes:
        id: number; stays when the model is renamed.
        created_ms, updated_ms: ms since the epoch.
        latest: for each stage that has a version its current one: what the environment points to, else the newest.
        newest: the version with the greatest number; None: it has none, or the reader did not ask.
    """

    id: int
    name: str
    description: str | None
    created_ms: int
    updated_ms: int
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    latest: tuple[ModelVersion, ...] = ()
    newest: ModelVersion | None = None
