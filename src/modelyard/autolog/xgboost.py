"""Autologging of XGBoost: `xgboost.train` and the scikit-learn wrappers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import xgboost
import xgboost.training

from . import boosting, patching, plots, recording
from .patching import Call, Observation, attempt, protected

if TYPE_CHECKING:
    from .registry import Options

LIBRARY: Final = "xgboost"
_UNLOGGED: Final = frozenset(
    {"params", "dtrain", "evals", "obj", "feval", "evals_result", "xgb_model", "callbacks", "learning_rates"}
)


def install(options: Options) -> None:
    """Watch `train`, wherever it is known, and `fit` of the wrappers; called by the registry."""
    wrappers = getattr(xgboost, "sklearn", None)
    patching.patch(
        LIBRARY,
        xgboost.training,
        "train",
        functools.partial(_train, options),
        within=("fit",),
        also=((xgboost, "train"), *(((wrappers, "train"),) if wrappers is not None else ())),
    )
    parent = getattr(xgboost, "XGBModel", None)
    if parent is not None and hasattr(parent, "get_params"):
        boosting.watch_wrappers(options, parent, _below(parent))


def _below(parent: type) -> list[type]:
    children: list[type] = parent.__subclasses__()
    return [one for child in children for one in (child, *_below(child))]


class _Rounds(xgboost.callback.TrainingCallback):
    """Logs the metrics of each round."""

    def __init__(self, rounds: boosting.Rounds) -> None:
        super().__init__()
        self._rounds = rounds

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002  XGBoost's signature
        self._record(epoch, evals_log)
        return False

    @protected(LIBRARY)
    def _record(self, epoch: int, evals_log: Any) -> None:
        self._rounds.record(
            epoch,
            [
                (f"{data}-{metric}", values[-1][0] if isinstance(values[-1], tuple) else values[-1])
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            ],
        )


def _train(options: Options, call: Call) -> Observation:
    if not recording.wanted(options):
        return
    alone = call.enclosing is None
    data = call.argument("dtrain")
    example = None
    if alone and options["log_models"]:
        with attempt(LIBRARY, "taking an input example"):
            example = _example(data)
    rounds = boosting.Rounds()
    with recording.run(options):
        with attempt(LIBRARY, "params"):
            boosting.log_train_params(call, _UNLOGGED)
        if alone and options["log_datasets"]:
            with attempt(LIBRARY, "data set"):
                _log_data(data, "train")
                for held, name in call.argument("evals") or ():
                    _log_data(held, "eval", name)
        call.replace("callbacks", [*(call.argument("callbacks") or ()), _Rounds(rounds)])
        booster = yield
        with attempt(LIBRARY, "best iteration"):
            best = getattr(booster, "best_iteration", None) if _stops_early(call) else None
            if best is not None:
                rounds.log_best(best, len(rounds.results) - 1, best)
        if call.enclosing is not None:
            call.enclosing.notes["step"] = rounds.last_step
        for kind in options["importance_types"] or ("weight",):
            with attempt(LIBRARY, "feature importance"):
                plots.log_importance(kind, booster.get_score(importance_type=kind))
        if alone:
            with attempt(LIBRARY, "model"):
                recording.log_model(
                    options,
                    LIBRARY,
                    booster,
                    example=example,
                    predict=lambda rows: booster.predict(xgboost.DMatrix(rows)),
                    step=rounds.last_step,
                    **boosting.model_options(options),
                )


def _stops_early(call: Call) -> bool:
    return bool(call.argument("early_stopping_rounds")) or any(
        isinstance(callback, xgboost.callback.EarlyStopping) for callback in call.argument("callbacks") or ()
    )


def _dense(matrix: Any) -> Any:
    """The matrix's rows as an array, or as a frame where its columns have names; what is missing is NaN."""
    import numpy as np

    held = matrix.get_data()
    dense = np.full(held.shape, np.nan, dtype=np.float32)
    row = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    dense[row, held.indices] = held.data
    if matrix.feature_names is None:
        return dense
    try:
        import pandas as pd
    except ImportError:
        return dense
    return pd.DataFrame(dense, columns=matrix.feature_names)


def _example(matrix: Any) -> Any:
    return _dense(matrix.slice(list(range(min(recording.EXAMPLE_ROWS, matrix.num_row())))))


def _log_data(matrix: Any, context: str, name: str | None = None) -> None:
    if matrix.feature_types is not None and "c" in matrix.feature_types:
        return  # its rows do not come out as they went in
    count = matrix.num_row()
    most = max(1, recording.MOST_CELLS // max(1, matrix.num_col()))
    if count > most:
        matrix = matrix.slice(list(range(0, count, -(-count // most))))
    recording.log_dataset(_dense(matrix), matrix.get_label(), context=context, name=name)
