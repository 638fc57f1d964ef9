"""Where versions come from and where they go, as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from . import runs
from .message import Answer, Id, Request

if TYPE_CHECKING:
    from modelyard.domain import lineage as domain
    from modelyard.domain.selection import Selection


class LineageQuery(Request):
    """Which versions, and which parts of their runs."""

    version: Annotated[
        str, Meta(max_length=300, description="Only the one that this names: a number, a label, `@alias` ...")
    ] = ""
    fields: runs.QueryFields = []
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many versions at most.")] = 200
    before: Annotated[Id | None, Meta(description="Only versions of smaller numbers: the next page.")] = None


class NamedVersion(Answer):
    """A version by its names."""

    model: str
    version: int
    label: str | None


class ReadingRun(Answer):
    """A run that read a version: it went on from it, or measured it."""

    run_id: str
    name: str
    experiment_id: int
    made: Annotated[NamedVersion | None, Meta(description="The version that was made of this run, if one was.")]


class UsingRevision(Answer):
    """A revision of a deployment that runs, or ran, a version."""

    deployment: str
    environment: str
    revision: int
    role: Annotated[str, Meta(description="`stable`, `canary`, `previous`, or empty.")]
    created_ms: int
    principal: Annotated[str, Meta(description="Who.")]
    reason: Annotated[str, Meta(description="Why.")]


class VersionLineage(Answer):
    """Where a version comes from, and where it goes."""

    version: int
    label: str | None
    run: Annotated[runs.Run | None, Meta(description="That made it, with its datasets; null: none is known.")]
    experiment: Annotated[str | None, Meta(description="Name of the run's experiment.")]
    parents: Annotated[list[NamedVersion], Meta(description="Versions that the run read.")]
    read_by: Annotated[list[ReadingRun], Meta(description="Runs that read it, newest first.")]
    used_by: Annotated[list[UsingRevision], Meta(description="Revisions of it, newest first.")]


class Lineage(Answer):
    """Where a model's versions come from and where they go, newest first."""

    versions: list[VersionLineage]


def lineage(of: domain.Lineage, wanted: Selection) -> VersionLineage:
    """The message that says where a version comes from, and where it goes."""
    return VersionLineage(
        version=of.version,
        label=of.label,
        run=None if of.run is None else runs.run(of.run, wanted),
        experiment=of.experiment,
        parents=[_named(each) for each in of.parents],
        read_by=[
            ReadingRun(
                run_id=each.run_id,
                name=each.name,
                experiment_id=each.experiment_id,
                made=None if each.made is None else _named(each.made),
            )
            for each in of.readings
        ],
        used_by=[
            UsingRevision(
                deployment=each.deployment,
                environment=each.environment,
                revision=each.revision,
                role=each.role,
                created_ms=each.created_ms,
                principal=each.principal,
                reason=each.reason,
            )
            for each in of.uses
        ],
    )


def _named(of: domain.Named) -> NamedVersion:
    return NamedVersion(model=of.model, version=of.version, label=of.label)
