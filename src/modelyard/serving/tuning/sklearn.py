"""scikit-learn: no pools for small batches, forests without joblib, steps without checks of what is known.

Classes are told by their names: importing those that a model does not use would cost a start 0.1 s.
"""

from __future__ import annotations

from typing import Any, Final

from modelyard.serving.tuning import steps

_FORESTS: Final = {
    "sklearn.ensemble._forest.ExtraTreesClassifier": "predict_proba",
    "sklearn.ensemble._forest.ExtraTreesRegressor": "predict",
    "sklearn.ensemble._forest.RandomForestClassifier": "predict_proba",
    "sklearn.ensemble._forest.RandomForestRegressor": "predict",
}
"""A forest → its method that asks the trees; the others ask that."""
_STEPS: Final = {
    "sklearn.linear_model._logistic.LogisticRegression": "decision_function",
    "sklearn.preprocessing._data.StandardScaler": "transform",
}
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
    known = f"{type(model).__module__}.{type(model).__qualname__}"
    if known in _FORESTS:
        from modelyard.serving.tuning import forests

        if forests.quicken(model, _FORESTS[known]):
            done.append(f"{name}: its {len(model.estimators_)} trees are asked without joblib")
    elif known in _STEPS and steps.quicken(model, _STEPS[known]):
        done.append(f"{name}: its input is not looked at twice")
    return done
