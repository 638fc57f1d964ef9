"""Metrics that a script computes itself after `fit`: `model.score(X, y)` and the functions of `sklearn.metrics`.

They are logged to the run that trained the model, and noted with the model if that was logged, under MLflow's names:
`<metric>[-<call>]_<data set>`, where the data set is the variable that was given to `predict` or `score`, e.g.
`accuracy_score_X_test`. What connects a metric to a model is the object that `predict` returned: a copy or a part of it
is not recognised, nor is a metric function that was imported before autologging was switched on.
"""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from dataclasses import dataclass, field
from numbers import Number
from typing import TYPE_CHECKING, Any, Final

from modelyard.client import fluent

from . import imports, patching
from .patching import Call, Observation

if TYPE_CHECKING:
    from types import FrameType

_PREDICT: Final = ("predict", "predict_proba", "predict_log_proba", "transform", "decision_function")
_NO_METRIC: Final = ("make_scorer", "get_scorer", "get_scorer_names", "check_scoring")


@dataclass(slots=True)
class _Trained:
    """What is known of a run whose model may still be evaluated.

    A model that predicts in a loop is not being evaluated: after a thousand calls nobody looks any more (`left`).
    """

    run_id: str
    model_id: str | None = None
    datasets: dict[str, tuple[dict[int, Any], list[int]]] = field(default_factory=dict)  # by variable: see `_dataset`
    calls: dict[str, int] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    left: int = 1000


_lock = threading.RLock()
_models: dict[int, tuple[Any, _Trained]] = {}  # id of the estimator → weak reference to it, its run
_predictions: dict[int, tuple[Any, _Trained, str]] = {}  # id of what predict returned → reference, run, data set
_wanted: dict[str, bool] = {}


def install(library: str, *, wanted: bool = True) -> None:
    """Watch the metric functions as soon as they are there; models are watched once they are trained."""
    _wanted[library] = wanted
    if not wanted:
        return
    imports.when_imported("sklearn.metrics", lambda: _watch_metrics(library))


def _watch_metrics(library: str) -> None:
    if not patching.watching(library):
        return
    metrics = sys.modules["sklearn.metrics"]
    for name in metrics.__all__:
        function = getattr(metrics, name, None)
        if inspect.isfunction(function) and name not in _NO_METRIC and not name.startswith(("pairwise_", "plot_")):
            home = sys.modules.get(function.__module__, metrics)
            if getattr(home, name, None) is function:
                patching.patch(library, home, name, _metric, also=((metrics, name),))


def remember(estimator: Any, run_id: str, library: str = "sklearn") -> None:
    """From now on, what is computed with this fitted estimator belongs to that run."""
    if not _wanted.get(library) or not patching.watching(library):
        return
    with _lock:
        known = _entry(_models, estimator)
        if known is not None and known[1].run_id == run_id:
            return
        _keep(_models, estimator, _Trained(run_id))
    for name in (*_PREDICT, "score"):
        owner = next((parent for parent in type(estimator).__mro__ if name in vars(parent)), None)
        if owner is None or owner is object:
            continue
        own = vars(owner)[name]
        place, attribute = (own, "fn") if hasattr(own, "fn") else (owner, name)
        if callable(getattr(place, attribute, None)):
            patching.patch(library, place, attribute, _score if name == "score" else _predict)


def made(estimator: Any, logged: Any) -> None:
    """The fitted estimator was logged: its metrics from now on are the logged model's too.

    Args:
        estimator: Which.
        logged: What `log_model` returned; None if nothing was logged.
    """
    known = _entry(_models, estimator)
    if known is not None and logged is not None:
        known[1].model_id = logged.model_id


def _keep(table: dict[int, Any], key: Any, *values: Any) -> None:
    number = id(key)
    try:
        table[number] = (weakref.ref(key, lambda _: table.pop(number, None)), *values)
    except TypeError:  # a list, say: it cannot be told from the next one at the same address
        table.pop(number, None)


def _entry(table: dict[int, Any], key: Any) -> Any:
    entry = table.get(id(key))
    return entry if entry is not None and entry[0]() is key else None


def _counted(trained: _Trained) -> bool:
    trained.left -= 1
    return trained.left >= 0


def _predict(call: Call) -> Observation:
    known = _entry(_models, call.instance)
    if known is None or not _counted(known[1]):
        return
    result = yield
    with _lock:
        _keep(_predictions, result, known[1], _dataset(known[1], _first(call)))


def _score(call: Call) -> Observation:
    known = _entry(_models, call.instance)
    if known is None or not _counted(known[1]):
        return
    value = yield
    name = f"{type(call.instance).__name__}_score"
    _log(known[1], name, _dataset(known[1], _first(call)), value, call)


def _metric(call: Call) -> Observation:
    value = yield
    for given in (*call.args[:3], *call.kwargs.values()):
        known = _entry(_predictions, given)
        if known is not None and _counted(known[1]):
            _log(known[1], call.original.__name__, known[2], value, call)
            return


def _log(trained: _Trained, metric: str, dataset: str, value: Any, call: Call) -> None:
    if not isinstance(value, Number) or isinstance(value, complex):
        return
    with _lock:
        key = f"{metric}_{dataset}"
        trained.calls[key] = count = trained.calls.get(key, 0) + 1
        if count > 1:
            key = f"{metric}-{count}_{dataset}"
        trained.commands[key] = _command(metric, call)
        commands = dict(trained.commands)
    number = float(value)  # type: ignore[arg-type]
    fluent.log_metrics({key: number}, run_id=trained.run_id, model_id=trained.model_id)
    fluent.log_dict(commands, "metric_info.json", run_id=trained.run_id)


def _first(call: Call) -> Any:
    if len(call.args) > 1:
        return call.args[1]
    names = call.names
    return call.kwargs.get(names[1] if len(names) > 1 else "X")


def _dataset(trained: _Trained, data: Any) -> str:
    """The variable's name; another object of the same name is `<name>-2`, and so on."""
    name = variable(data) or "unknown_dataset"
    with _lock:
        known, count = trained.datasets.setdefault(name, ({}, [0]))
        entry = _entry(known, data)
        if entry is None:
            count[0] += 1
            _keep(known, data, count[0])
            entry = _entry(known, data)
        place = 1 if entry is None else entry[1]  # a list cannot be told from the next one
        return name if place == 1 else f"{name}-{place}"


def variable(value: Any) -> str | None:
    """What the nearest caller outside of libraries calls this object; None if it has no name there or further out."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  as `inspect.currentframe` does
    while frame is not None:
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module not in {"modelyard", "sklearn", "xgboost", "lightgbm", "joblib"}:
            for names in (frame.f_locals, frame.f_globals):
                for name, held in list(names.items()):
                    if held is value and name.isidentifier() and not name.startswith("_") and name != "self":
                        return name
        frame = frame.f_back
    return None


def _command(metric: str, call: Call) -> str:
    method = metric.endswith("_score") and call.name == "score"
    given = call.args[1:] if method else call.args
    names = call.names[1:] if method else call.names
    parts = [f"{name}={_shown(value)}" for name, value in zip(names, given, strict=False)]
    parts += [f"{name}={_shown(value)}" for name, value in call.kwargs.items()]
    return f"{metric.removesuffix('_score') + '.score' if method else metric}({', '.join(parts)})"


def _shown(value: Any) -> str:
    if isinstance(value, (str, int, float, bool, type(None))):
        return repr(value)
    return variable(value) or f"<{type(value).__name__}>"
