"""How much there is of everything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """How much the database holds.

    Attributes:
        experiments, logged_models: those that are not in the trash.
        runs_by_status: the same of runs, by status; a status that no run has is left out.
        models, versions: registered ones.
        points: of metrics, in the trash or not.
    """

    experiments: int
    experiments_in_trash: int
    runs_by_status: dict[str, int]
    runs_in_trash: int
    logged_models: int
    models: int
    versions: int
    points: int
