"""How much there is, as a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from .message import Answer

if TYPE_CHECKING:
    from modelyard.domain import totals as domain


class Totals(Answer):
    """How much the server holds; what is in the trash is counted apart."""

    experiments: int
    experiments_in_trash: int
    runs: int
    runs_in_trash: int
    runs_by_status: Annotated[dict[str, int], Meta(description="Runs that are not in the trash.")]
    logged_models: int
    models: Annotated[int, Meta(description="Registered models.")]
    versions: Annotated[int, Meta(description="Versions of registered models.")]
    points: Annotated[int, Meta(description="Points of all metrics.")]


def totals(of: domain.Totals) -> Totals:
    """The message that holds the totals."""
    return Totals(
        experiments=of.experiments,
        experiments_in_trash=of.experiments_in_trash,
        runs=sum(of.runs_by_status.values()),
        runs_in_trash=of.runs_in_trash,
        runs_by_status=of.runs_by_status,
        logged_models=of.logged_models,
        models=of.models,
        versions=of.versions,
        points=of.points,
    )
