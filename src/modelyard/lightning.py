"""MLflow's `mlflow.lightning`: PyTorch Lightning. Its modules are PyTorch modules: `modelyard.pytorch` saves them."""

from __future__ import annotations

from typing import Any

from modelyard.autolog import registry


def autolog(**options: Any) -> None:
    """Record each training without further calls; `disable=True` ends it. See `modelyard.autolog.registry.autolog`."""
    registry.autolog("lightning", **options)
