"""Autologging of LightGBM: `lightgbm.train` and the scikit-learn wrappers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import lightgbm
import lightgbm.engine
import lightgbm.sklearn

from . import boosting, patching, plots, recording
from .patching import Call, Observation, attempt, protected

if TYPE_CHECKING:
    from .registry import Options

LIBRARY: Final = "lightgbm"
_UNLOGGED: Final = frozenset(
    {
        "params",
        "train_set",
        "valid_sets",
        "valid_names",
        "fobj",
        "feval",
        "init_model",
        "learning_rates",
        "callbacks",
    }
)


def install(options: Options) -> None:
    """Watch `train`, wherever it is known, and `fit` of the wrappers; called by the registry."""
    patching.patch(
        LIBRARY,
        lightgbm.engine,
        "train",
        functools.partial(_train, options),
        within=("fit",),
        also=((lightgbm, "train"), (lightgbm.sklearn, "train")),
    )
    parent = lightgbm.LGBMModel
    if hasattr(parent, "get_params"):
        boosting.watch_wrappers(options, parent, _below(parent))


def _below(parent: type) -> list[type]:
    children: list[type] = parent.__subclasses__()
    return [one for child in children for one in (child, *_below(child))]


def _train(options: Options, call: Call) -> Observation:
    if not recording.wanted(options):
        return
    alone = call.enclosing is None
    data = call.argument("train_set")
    example = None
    if alone:
        with attempt(LIBRARY, "taking an input example"):  # LightGBM may free the data when it has its own copy
            example = None if isinstance(data.data, str) else recording.example_of(data.data)
    rounds = boosting.Rounds()

    @protected(LIBRARY)
    def record(environment: Any) -> None:
        rounds.record(
            environment.iteration,
            [(f"{entry[0]}-{entry[1]}", entry[2]) for entry in environment.evaluation_result_list or ()],
        )

    with recording.run(options):
        with attempt(LIBRARY, "params"):
            boosting.log_train_params(call, _UNLOGGED)
        if alone and options["log_datasets"]:
            with attempt(LIBRARY, "data set"):
                _log_data(call)
        call.replace("callbacks", [*(call.argument("callbacks") or ()), record])
        booster = yield
        with attempt(LIBRARY, "best iteration"):
            if booster.best_iteration > 0:  # counted from 1
                rounds.log_best(booster.best_iteration - 1, len(rounds.results), booster.best_iteration)
        if call.enclosing is not None:
            call.enclosing.notes["step"] = rounds.last_step
        for kind in ("split", "gain"):
            with attempt(LIBRARY, "feature importance"):
                importance = booster.feature_importance(importance_type=kind)
                plots.log_importance(kind, dict(zip(booster.feature_name(), importance.tolist(), strict=True)))
        if alone:
            with attempt(LIBRARY, "model"):
                recording.log_model(
                    options, LIBRARY, booster, example=example, predict=booster.predict, step=rounds.last_step
                )


def _log_data(call: Call) -> None:
    data = call.argument("train_set")
    recording.log_dataset(data.data, data.label, context="train")
    held, names = call.argument("valid_sets") or (), call.argument("valid_names") or ()
    held = [held] if isinstance(held, lightgbm.Dataset) else held
    names = [names] if isinstance(names, str) else names
    for place, one in enumerate(held):
        if one is not data:
            name = names[place] if place < len(names) else f"valid_{place}"
            recording.log_dataset(one.data, one.label, context="eval", name=name)
