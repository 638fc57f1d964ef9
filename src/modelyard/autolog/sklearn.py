"""Autologging of scikit-learn: what `fit`, `fit_transform` and `fit_predict` of an estimator are given, and give.

Estimators are found as classes are: those that exist are walked, those that are defined later, by a module that is
imported later or by the user, announce themselves through `BaseEstimator.__init_subclass__`. So nothing of
scikit-learn is imported that the script does not import.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import sklearn.base

from modelyard.client import fluent

from . import evaluations, imports, patching, plots, recording, registry, scores, searches
from .patching import Call, Observation, attempt

if TYPE_CHECKING:
    from .registry import Options

LIBRARY: Final = "sklearn"
METHODS: Final = ("fit", "fit_transform", "fit_predict")

_PREPARATION: Final = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
    "sklearn.compose._column_transformer",
)
"""Modules whose estimators prepare data: a run for each would bury the models. A pipeline's run has their params."""


def install(options: Options) -> None:
    """Watch every estimator that is or will be defined; called by the registry."""
    watch = functools.partial(_watch, options)

    def defined(call: Call) -> Observation:
        yield
        watch(call.args[0])

    patching.patch(LIBRARY, sklearn.base.BaseEstimator, "__init_subclass__", defined, guard=False, within=None)
    for estimator in subclasses(sklearn.base.BaseEstimator):
        watch(estimator)
    _leave_workers_alone()
    evaluations.install(LIBRARY, wanted=options["log_post_training_metrics"])


def _leave_workers_alone() -> None:
    """What scikit-learn trains in parallel or for a validation is part of something else, on whichever thread."""
    import sklearn.utils.parallel

    patching.patch(LIBRARY, sklearn.utils.parallel._FuncWrapper, "__call__", patching.pause)  # noqa: SLF001
    imports.when_imported(_VALIDATION, _leave_permutations_alone)


def _leave_permutations_alone() -> None:
    if patching.watching(LIBRARY):
        patching.patch(LIBRARY, sys.modules[_VALIDATION], "_permutation_test_score", patching.pause)


_VALIDATION: Final = "sklearn.model_selection._validation"


def subclasses(parent: type) -> list[type]:
    """Every class below `parent`, each once."""
    found: dict[type, None] = {}
    waiting = [parent]
    while waiting:
        children: list[type] = waiting.pop().__subclasses__()
        for child in children:
            if child not in found:
                found[child] = None
                waiting.append(child)
    return list(found)


def _watch(options: Options, estimator: type) -> None:
    if not is_model(estimator):
        return
    for name in METHODS:
        own = vars(estimator).get(name)
        # Where a method depends on the object (`available_if`), the function lies inside a descriptor.
        owner, attribute = (own, "fn") if hasattr(own, "fn") else (estimator, name)
        if own is not None and callable(getattr(owner, attribute, None)):
            patching.patch(LIBRARY, owner, attribute, functools.partial(_fit, options))


def is_model(estimator: type) -> bool:
    """Whether training it is worth a run of its own, here: no preparation of data, no other library's leaf."""
    module = estimator.__module__
    if module.partition(".")[0] == "sklearn":
        return not module.startswith(_PREPARATION)
    others = {parent.__module__.partition(".")[0] for parent in estimator.__mro__} & set(registry.LIBRARIES)
    return others <= {LIBRARY} and hasattr(estimator, "predict")


def _fit(options: Options, call: Call) -> Observation:
    if not recording.wanted(options):
        return
    estimator = call.instance
    data, targets, weights = _given(call)
    example = None
    with attempt(LIBRARY, "taking an input example"):
        example = recording.example_of(data)
    kind = type(estimator)
    tags = {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}
    with recording.run(options, tags=tags) as run:
        start_ms = int(time.time() * 1000)
        with attempt(LIBRARY, "params"):
            recording.log_params(_params(estimator))
        if options["log_datasets"]:
            with attempt(LIBRARY, "data set"):
                recording.log_dataset(data, targets, context="train")
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        with recording.random_state_kept():
            _log_results(options, estimator, (data, targets, weights), spent)
            if searches.is_search(estimator):
                with attempt(LIBRARY, "search"):
                    searches.log(options, estimator, run, start_ms)
            evaluations.remember(estimator, run.info.run_id)
            if options["log_models"]:
                _log_models(options, estimator, example)


def _given(call: Call) -> tuple[Any, Any, Any]:
    """Data, targets and sample weights of a call of `fit`, whatever the estimator calls the first two."""
    names = [name for name in call.names if name != "self"]
    given = list(call.args[1:3])
    for place, name in enumerate(names[:2]):
        if len(given) == place:
            given.append(call.argument(name))
    data, targets = [*given, None, None][:2]
    return data, targets, call.argument("sample_weight")


def _params(estimator: Any) -> dict[str, Any]:
    """As MLflow: with those of nested estimators, but not of one that a search only starts from."""
    return dict(estimator.get_params(deep=not searches.is_search(estimator)))


def _log_results(options: Options, estimator: Any, given: tuple[Any, Any, Any], spent: float) -> None:
    data, targets, weights = given
    with attempt(LIBRARY, "training metrics"):
        metrics, count, pair = scores.training_metrics(
            estimator, data, targets, weights, seconds=scores.budget(spent), pos_label=options["pos_label"]
        )
        fluent.log_metrics(metrics)
        if 0 < count < recording.rows_of(data):
            fluent.set_tag("training_metrics_rows", f"{count} of {recording.rows_of(data)}, at random")
        if pair is not None:
            with attempt(LIBRARY, "confusion matrix"):
                plots.log_confusion(*pair)
    with attempt(LIBRARY, "estimator.html"):
        fluent.log_text(_html(estimator), "estimator.html")


def _log_models(options: Options, estimator: Any, example: Any) -> None:
    """Log the estimator, and the best one that a search found, as MLflow does."""
    more = {} if options["serialization_format"] is None else {"serialization_format": options["serialization_format"]}
    with attempt(LIBRARY, "model"):
        logged = recording.log_model(
            options, "sklearn", estimator, example=example, predict=_predict(estimator), **more
        )
        evaluations.made(estimator, logged)
    best = getattr(estimator, "best_estimator_", None) if searches.is_search(estimator) else None
    if best is not None:
        with attempt(LIBRARY, "best model"):
            recording.log_model(
                options,
                "sklearn",
                best,
                example=example,
                predict=_predict(best),
                name="best_estimator",
                params=_params(best),
                **more,
            )


def _predict(estimator: Any) -> Any:
    return getattr(estimator, "predict", None) or getattr(estimator, "transform", None)


def _html(estimator: Any) -> str:
    """The estimator and its params. Not as it was fitted: that would compute each of its properties, however large."""
    from sklearn.utils import estimator_html_repr

    estimator = sklearn.base.clone(estimator, safe=False)

    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="UTF-8"/></head>\n<body>\n'
        f"{estimator_html_repr(estimator)}\n</body>\n</html>\n"
    )
