"""LightGBM: its share of the threads."""

from __future__ import annotations

from typing import Any

import lightgbm


def tune(model: Any, threads: int) -> list[str]:
    """Set the threads of a booster, or of a wrapper."""
    if isinstance(model, lightgbm.Booster):
        model.params = {**model.params, "num_threads": threads}
        return [f"LightGBM: {threads} threads"]
    if isinstance(model, lightgbm.LGBMModel):
        model.n_jobs = threads
        return [f"LightGBM: {threads} threads"]
    return []
