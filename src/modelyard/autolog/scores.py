"""Training metrics of scikit-learn estimators: MLflow's names, and no more time than the training allows."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final

from .recording import rows_of

_log = logging.getLogger("modelyard")

PREFIX: Final = "training_"
_LEAST_BUDGET_S: Final = 0.25
_SHARE: Final = 0.004
_PILOT_ROWS: Final = 500
_SMALL_ROWS: Final = 2000
_MEASURE_S: Final = 2e-6  # a row, all metrics together
_MEASURE_TEXT_S: Final = 2e-5  # likewise, where classes are texts


def budget(fit_s: float) -> float:
    """Seconds that scoring may take after a training of `fit_s` seconds."""
    return max(_LEAST_BUDGET_S, _SHARE * fit_s)


def training_metrics(
    estimator: Any, data: Any, targets: Any, weights: Any = None, *, seconds: float, pos_label: Any = None
) -> tuple[dict[str, float], int, Any]:
    """Measure a fitted estimator on the data that it was trained on.

    Predicting all of a large training set may take longer than the training did (nearest neighbours), so a few hundred
    rows are timed first, and if all of them would take more than `seconds`, a random sample is measured.

    Args:
        estimator: A fitted classifier or regressor; others only have their own `score`.
        data: What was given to `fit`.
        targets: Likewise.
        weights: Sample weights given to `fit`, or None.
        seconds: How long it may take, about.
        pos_label: The positive class; None averages over the classes, weighted by their size.

    Returns:
        Metrics by name; how many rows were measured; for a classifier (targets, predictions) of these rows, else None.
    """
    from sklearn.base import is_classifier, is_regressor
    from sklearn.utils import _safe_indexing

    count = rows_of(data)
    if targets is None or count < 1:
        return {}, 0, None
    if count > _SMALL_ROWS:
        text = getattr(getattr(targets, "dtype", None), "kind", "O") not in "biuf"
        pilot = _safe_indexing(data, slice(0, _PILOT_ROWS))
        most = _affordable(estimator, pilot, seconds, _MEASURE_TEXT_S if text else _MEASURE_S)
        if most < count:
            import numpy as np

            chosen = np.sort(np.random.default_rng(0).choice(count, size=max(most, _PILOT_ROWS), replace=False))
            data, targets = _safe_indexing(data, chosen), _safe_indexing(targets, chosen)
            weights = None if weights is None else _safe_indexing(weights, chosen)
            count = len(chosen)
    metrics: dict[str, float] = {}
    pair = None
    predicted: Any = None
    if is_classifier(estimator):
        predicted = estimator.predict(data)
        pair = (targets, predicted)
        _classifier(metrics, estimator, data, targets, predicted, weights, pos_label)
    elif is_regressor(estimator):
        predicted = estimator.predict(data)
        _regressor(metrics, targets, predicted, weights)
    _score(metrics, estimator, data, targets, weights)
    return {PREFIX + name: value for name, value in metrics.items()}, count, pair


def _affordable(estimator: Any, pilot: Any, seconds: float, measuring: float) -> int:
    """How many rows can be predicted, by all the methods that will be asked, and measured in that time."""
    passes = [name for name in ("predict", "predict_proba") if hasattr(estimator, name)]
    if not passes:
        return _SMALL_ROWS
    start = time.perf_counter()
    for name in passes:
        getattr(estimator, name)(pilot)
    spent = time.perf_counter() - start
    again = 0 if _own_score(estimator) is not None else 1
    each = spent * (1 + again / len(passes)) / max(rows_of(pilot), 1) + measuring
    return int((seconds - spent) / each) if spent < seconds else _PILOT_ROWS


def _try(metrics: dict[str, float], name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Many metrics do not apply to many problems (several outputs, one class): then they are simply not there."""
    try:
        metrics[name] = float(function(*args, **kwargs))
    except Exception as error:  # noqa: BLE001
        _log.debug("The training metric %s does not apply: %s", name, error)


def _classifier(
    metrics: dict[str, float],
    estimator: Any,
    data: Any,
    targets: Any,
    predicted: Any,
    weights: Any,
    pos_label: Any,
) -> None:
    from sklearn import metrics as measures

    average = "weighted" if pos_label is None else "binary"
    with contextlib.suppress(Exception):  # as `_try`; one pass over the rows for all three
        three = measures.precision_recall_fscore_support(
            targets,
            predicted,
            pos_label=1 if pos_label is None else pos_label,
            average=average,
            sample_weight=weights,
            zero_division=0,  # the value that it takes anyway, without the warning
        )
        metrics.update(zip(("precision_score", "recall_score", "f1_score"), map(float, three[:3]), strict=True))
    _try(metrics, "accuracy_score", measures.accuracy_score, targets, predicted, sample_weight=weights)
    if not hasattr(estimator, "predict_proba"):
        return
    sure = estimator.predict_proba(data)
    classes = getattr(estimator, "classes_", None)
    _try(metrics, "log_loss", measures.log_loss, targets, sure, sample_weight=weights, labels=classes)
    import numpy as np

    if len(np.unique(np.asarray(targets))) < 2:
        return
    sure = sure[:, 1] if getattr(sure, "ndim", 1) == 2 and sure.shape[1] == 2 else sure
    _try(
        metrics,
        "roc_auc",
        measures.roc_auc_score,
        targets,
        sure,
        average="weighted",
        sample_weight=weights,
        multi_class="ovo",
    )


def _regressor(metrics: dict[str, float], targets: Any, predicted: Any, weights: Any) -> None:
    from sklearn import metrics as measures

    for name in ("mean_squared_error", "mean_absolute_error", "r2_score"):
        _try(metrics, name, getattr(measures, name), targets, predicted, sample_weight=weights)
    if "mean_squared_error" in metrics:
        metrics["root_mean_squared_error"] = math.sqrt(metrics["mean_squared_error"])


def _own_score(estimator: Any) -> str | None:
    """The metric that the estimator's `score` is, if it is the one of all classifiers or regressors."""
    from sklearn.base import ClassifierMixin, RegressorMixin

    method = getattr(type(estimator), "score", None)
    for mixin, name in ((ClassifierMixin, "accuracy_score"), (RegressorMixin, "r2_score")):
        if method is not None and getattr(method, "__qualname__", "") == f"{mixin.__name__}.score":
            return name
    return None


def _score(metrics: dict[str, float], estimator: Any, data: Any, targets: Any, weights: Any) -> None:
    known = metrics.get(_own_score(estimator) or "")
    if known is not None:
        metrics["score"] = known
        return
    if not hasattr(estimator, "score"):
        return
    import inspect

    takes = weights is not None and "sample_weight" in inspect.signature(estimator.score).parameters
    _try(metrics, "score", estimator.score, data, targets, **({"sample_weight": weights} if takes else {}))
