"""scikit-learn: no pools for small batches, and forests without joblib."""

from __future__ import annotations

from typing import Any, Final

from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from modelyard.serving.tuning import forests, steps

_METHODS: Final = {
    ExtraTreesClassifier: "predict_proba",
    ExtraTreesRegressor: "predict",
    RandomForestClassifier: "predict_proba",
    RandomForestRegressor: "predict",
}
"""A forest → its method that asks the trees; the others ask that."""

_STEPS: Final = {LogisticRegression: "decision_function", StandardScaler: "transform"}
"""Likewise for what is a matter of one or two operations."""


def tune(model: Any, threads: int) -> list[str]:  # noqa: ARG001 - every tuner's
    """Tune one estimator; those inside it are given one by one.

    Args:
        model: fitted or not.
        threads: not used: scikit-learn's own pool makes one row of a forest nine times slower with two threads
            (scikit-learn/scikit-learn#16143), and for C code the limits of the environment hold.
    """
    done = []
    name = type(model).__name__
    before = vars(model).get("n_jobs")
    if before not in (None, 1):
        model.n_jobs = 1
        done.append(f"{name}: n_jobs {before} → 1")
    method = _METHODS.get(type(model))
    if method is not None and forests.quicken(model, method):
        done.append(f"{name}: its {len(model.estimators_)} trees are asked without joblib")
    method = _STEPS.get(type(model))
    if method is not None and steps.quicken(model, method):
        done.append(f"{name}: its input is not looked at twice")
    return done
