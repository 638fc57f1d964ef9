"""LightGBM: its share of the threads, and wrappers without scikit-learn around each prediction.

A wrapper takes 0.45 ms for one row, of which the booster in it takes 0.03: the rest reads the parameters of its classes
anew and checks the input as if it were new, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import lightgbm
import numpy as np

_CHECKED_ROWS: Final = (1, 2, 7, 40)

Answer = Callable[..., Any]


def tune(model: Any, threads: int) -> list[str]:
    """Set the threads of a booster, or of a wrapper, and shorten the wrapper's way to its booster."""
    if isinstance(model, lightgbm.Booster):
        model.params = {**model.params, "num_threads": threads}
        return [f"LightGBM: {threads} threads"]
    if not isinstance(model, lightgbm.LGBMModel):
        return []
    model.n_jobs = threads
    done = [f"LightGBM: {threads} threads"]
    if type(model) in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor, lightgbm.LGBMRanker) and _quicken(model):
        done.append(f"{type(model).__name__}: its booster is asked directly")
    return done


def _quicken(model: Any) -> bool:
    """Replace the wrapper's methods, unless its answers would be others in any bit."""
    methods: dict[str, Answer] = {}
    try:
        probabilities = isinstance(model, lightgbm.LGBMClassifier)
        method = "predict_proba" if probabilities else "predict"
        answer = methods[method] = _Quick(model, getattr(model, method), two=probabilities and model.n_classes_ == 2)
        if probabilities:
            methods["predict"] = _labels(answer, model.predict, model._le.classes_)  # noqa: SLF001
        random = np.random.default_rng(0)
        rows = random.normal(size=(max(_CHECKED_ROWS), model.n_features_in_)) * 10
        rows[::3, 0] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the rows have no names
            for name, quick in methods.items():
                original = getattr(model, name)
                if not all(_same(original(rows[:count]), quick(rows[:count])) for count in _CHECKED_ROWS):
                    return False
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, lightgbm.basic.LightGBMError):
        return False  # not fitted, or another version's ways
    for name, quick in methods.items():
        setattr(model, name, quick)
    return True


class _Quick:
    def __init__(self, model: Any, original: Answer, *, two: bool) -> None:
        self._original = original
        self._booster = model.booster_
        self._features = int(model.n_features_in_)
        self._options = _options(self._booster, original, self._features)
        self._two = two

    def __call__(self, X: Any, **options: Any) -> Any:  # noqa: N803 - scikit-learn's name for it
        if options or not self.takes(X):
            return self._original(X, **options)
        found = self._booster.predict(X, **self._options)
        return np.vstack((1.0 - found, found)).transpose() if self._two else found

    def takes(self, given: Any) -> bool:
        """Whether the wrapper would hand this on as it is."""
        return (
            type(given) is np.ndarray
            and given.dtype.kind == "f"
            and given.dtype.itemsize in (4, 8)
            and given.ndim == 2
            and given.shape[1] == self._features
            and len(given) > 0
        )


def _labels(answer: _Quick, original: Answer, classes: Any) -> Answer:
    def predict(X: Any, **options: Any) -> Any:  # noqa: N803 - likewise
        if options or not answer.takes(X):
            return original(X, **options)
        return classes[np.argmax(answer(X), axis=1)]

    return predict


def _options(booster: Any, original: Answer, features: int) -> dict[str, Any]:
    """With what the wrapper asks its booster: seen once, since that is the same each time."""
    seen: list[dict[str, Any]] = []
    predict = booster.predict

    def watched(rows: Any, **options: Any) -> Any:
        seen.append(options)
        return predict(rows, **options)

    booster.predict = watched
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original(np.zeros((1, features)))
    finally:
        del booster.predict
    return seen[0]


def _same(one: Any, other: Any) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype == object:
        return bool(one.tolist() == other.tolist())
    return bool(np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes())
