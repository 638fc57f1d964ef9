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
    """

    name: str
    version: int
    environment: str | None
    moved_ms: int


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model.

    Attributes:
        id: number; stays when the model is renamed.
        created_ms, updated_ms: ms since the epoch.
        latest: for each stage that has a version its current one: what the environment points to, else the newest.
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
