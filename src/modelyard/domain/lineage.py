"""Where versions come from and where they go: the run and its datasets, other versions, deployments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runs import Run


@dataclass(frozen=True, slots=True)
class Named:
    """A version by its names."""

    model: str
    version: int
    label: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A run that read a version, such as one that went on from it or measured it.

    Attributes:
        run_id: uuid.
        made: the version that was made of this run, if one was.
    """

    run_id: str
    name: str
    experiment_id: int
    made: Named | None


@dataclass(frozen=True, slots=True)
class Use:
    """A revision of a deployment that runs, or ran, a version.

    Attributes:
        role: `stable`, `canary`, `previous`, or empty.
        created_ms: ms since the epoch.
        principal: who made the revision.
        reason: why.
    """

    deployment: str
    environment: str
    revision: int
    role: str
    created_ms: int
    principal: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version comes from and where it goes.

    Attributes:
        run: that made it; None: none is named, or it is gone.
        experiment: name of the run's.
        parents: versions that the run read.
        readings: runs that read it.
        uses: revisions of it, newest first.
    """

    version: int
    label: str | None
    run: Run | None = None
    experiment: str | None = None
    parents: tuple[Named, ...] = ()
    readings: tuple[Reading, ...] = ()
    uses: tuple[Use, ...] = ()
