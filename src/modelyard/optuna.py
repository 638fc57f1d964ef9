"""Optuna. MLflow's `mlflow.optuna` has no `autolog`; this one logs studies as runs, and trials as runs below them."""

from __future__ import annotations

from typing import Any

from modelyard.autolog import registry

FLAVOR_NAME = "optuna"


def autolog(**options: Any) -> None:
    """Record each `study.optimize` without further calls; `disable=True` ends it.

    Args:
        options: `log_trials=False` leaves out the trials' runs; the others see `modelyard.autolog.registry.autolog`.
    """
    registry.autolog(FLAVOR_NAME, **options)
