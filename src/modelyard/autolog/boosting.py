"""What XGBoost and LightGBM share: `train` with its rounds, and the scikit-learn wrappers around it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from modelyard.client import fluent

from . import evaluations, patching, recording
from .patching import Call, Observation, attempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .registry import Options


class Rounds:
    """The metrics of each boosting round, logged as they come.

    Attributes:
        results: By round.
        last_step: The step whose metrics say how good the model is.
    """

    def __init__(self) -> None:
        self.results: list[dict[str, float]] = []
        self.last_step = 0

    def record(self, step: int, metrics: Iterable[tuple[str, float]]) -> None:
        """Log one round.

        Args:
            step: The round, from 0.
            metrics: `<data set>-<metric>` and its value.
        """
        named = {recording.metric_name(name): float(value) for name, value in metrics}
        self.results.append(named)
        if named:
            fluent.log_metrics(named, step=step)
            self.last_step = step

    def log_best(self, best: int, stopped: int, best_iteration: int) -> None:
        """Log where early stopping stopped, and the best round's metrics once more, as the step after the last.

        Args:
            best: Index of the best round in `results`.
            stopped: Logged as `stopped_iteration`.
            best_iteration: Logged as such; the libraries count differently.
        """
        fluent.log_metrics({"stopped_iteration": stopped, "best_iteration": best_iteration})
        if 0 <= best < len(self.results):
            self.last_step = len(self.results)
            fluent.log_metrics(self.results[best], step=self.last_step)


def log_train_params(call: Call, unlogged: frozenset[str]) -> None:
    """Log the params of the booster, and the plain arguments of `train`, given or by default."""
    recording.log_params(dict(call.argument("params") or {}))
    recording.log_params({name: call.argument(name) for name in call.names if name not in unlogged})


def watch_wrappers(options: Options, parent: type, classes: Iterable[type]) -> None:
    """Watch `fit` of the library's scikit-learn wrappers: `parent`, those below it, and those still to be defined."""
    library = options.library

    def watch(wrapper: type) -> None:
        if "fit" in vars(wrapper):
            patching.patch(library, wrapper, "fit", functools.partial(_fit, options))

    def defined(call: Call) -> Observation:
        yield
        watch(call.args[0])

    patching.patch(library, parent, "__init_subclass__", defined, guard=False, within=None)
    for wrapper in (parent, *classes):
        watch(wrapper)
    evaluations.install(library)


def _fit(options: Options, call: Call) -> Observation:
    """The wrapper's `fit` is the run; params, rounds and importances come from the `train` inside of it."""
    if not recording.wanted(options):
        return
    library, wrapper = options.library, call.instance
    names = [name for name in call.names if name != "self"]
    data, targets = (call.argument(name) for name in names[:2])
    example = None
    with attempt(library, "taking an input example"):
        example = recording.example_of(data)
    kind = type(wrapper)
    tags = {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}
    with recording.run(options, tags=tags) as run:
        if options["log_datasets"]:
            with attempt(library, "data set"):
                recording.log_dataset(data, targets, context="train")
                for place, (held, expected) in enumerate(call.argument("eval_set") or ()):
                    recording.log_dataset(held, expected, context="eval", name=f"eval_{place}")
        yield
        evaluations.remember(wrapper, run.info.run_id, library)
        with recording.random_state_kept(), attempt(library, "model"):
            logged = recording.log_model(
                options,
                library,
                wrapper,
                example=example,
                predict=wrapper.predict,
                step=call.notes.get("step", 0),
                **model_options(options),
            )
            evaluations.made(wrapper, logged)


def model_options(options: Options) -> Mapping[str, Any]:
    """Options of `autolog` that are the flavor's."""
    return {"model_format": options["model_format"]} if "model_format" in options.values else {}
