"""Experiments: named sets of runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Lifecycle = Literal["active", "deleted"]
View = Literal["active", "deleted", "all"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named set of runs.

    Attributes:
        id: number given by the server; 0 is the experiment "Default".
        name: unique, also among deleted ones.
        artifact_location: URI below which its runs keep artifacts.
        created_ms, updated_ms, deleted_ms: times in ms since the epoch.
    """

    id: int
    name: str
    artifact_location: str
    lifecycle: Lifecycle
    created_ms: int
    updated_ms: int
    deleted_ms: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
