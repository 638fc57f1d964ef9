"""XGBoost: its share of the threads."""

from __future__ import annotations

from typing import Any

import xgboost


def tune(model: Any, threads: int) -> list[str]:
    """Set the threads of a booster, or of a wrapper and the booster in it."""
    if isinstance(model, xgboost.Booster):
        model.set_param({"nthread": threads})
        return [f"XGBoost: {threads} threads"]
    if isinstance(model, xgboost.XGBModel):
        model.n_jobs = threads
        if model.__sklearn_is_fitted__():
            model.get_booster().set_param({"nthread": threads})
        return [f"XGBoost: {threads} threads"]
    return []
