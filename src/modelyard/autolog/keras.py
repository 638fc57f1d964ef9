"""Autologging of Keras 3: what `Model.fit` is given, measures and gives, on whichever backend."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import keras

from modelyard.client import fluent

from . import patching, recording
from .patching import Call, Observation, attempt, protected

if TYPE_CHECKING:
    from .registry import Options

LIBRARY: Final = "keras"

_NOT_PARAMS: Final = frozenset({"self", "x", "y", "callbacks", "validation_data", "verbose", "sample_weight"})


def install(options: Options) -> None:
    """Watch `keras.Model.fit`; called by the registry."""
    patching.patch(LIBRARY, keras.Model, "fit", functools.partial(_fit, options))


def _fit(options: Options, call: Call) -> Observation:
    if not recording.wanted(options):
        return
    model = call.instance
    data = call.argument("x")
    example = None
    with attempt(LIBRARY, "taking an input example"):
        example = recording.example_of(data) if hasattr(data, "shape") else None
    with recording.run(options):
        with attempt(LIBRARY, "params"):
            recording.log_params(_params(call))
        if options["log_datasets"]:
            with attempt(LIBRARY, "data set"):
                recording.log_dataset(data, call.argument("y"), context="train")
        given = call.argument("callbacks")
        if not isinstance(given, keras.callbacks.CallbackList):
            ours = (_ByStep if options["log_every_n_steps"] else _ByEpoch)(options)
            callbacks = list(given) if isinstance(given, (list, tuple)) else [given] if given is not None else []
            call.replace("callbacks", [*callbacks, ours])
        else:
            given.append((_ByStep if options["log_every_n_steps"] else _ByEpoch)(options))
        yield
        with attempt(LIBRARY, "model summary"):
            fluent.log_text(_summary(model), "model_summary.txt")
        with attempt(LIBRARY, "early stopping"):
            _log_early_stopping(call.argument("callbacks"))
        with attempt(LIBRARY, "model"):
            recording.log_model(options, "keras", model, example=example, predict=_answer(model))


class _ByEpoch(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Logs what Keras has measured, as numbers, at the end of each epoch."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._options = options

    @protected(LIBRARY)
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        recording.log_params(_optimizer_params(self.model))

    @protected(LIBRARY)
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        every = self._options["every_n_iter"] or 1
        if self._options["log_every_epoch"] and (epoch + 1) % every == 0:
            fluent.log_metrics(_numbers(logs), step=epoch)


class _ByStep(_ByEpoch):
    """Likewise every few steps; apart, since Keras waits for the device at each step once anybody listens to steps."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._steps = 0

    @protected(LIBRARY)
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's
        self._steps += 1
        if self._steps % self._options["log_every_n_steps"] == 0:
            name = {key: f"{key}_step" for key in logs or {}} if self._options["log_every_epoch"] else {}
            values = {name.get(key, key): value for key, value in (logs or {}).items()}
            fluent.log_metrics(_numbers(values), step=self._steps)


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    return {recording.metric_name(name): float(value) for name, value in (logs or {}).items()}


def _params(call: Call) -> dict[str, Any]:
    """Arguments of `fit` that are settings, given or by default."""
    names = [name for name in inspect.signature(call.original).parameters if name not in _NOT_PARAMS]
    params = {name: call.argument(name) for name in names}
    if params.get("batch_size") is None:
        data = call.argument("x")
        params["batch_size"] = getattr(data, "batch_size", None) or (32 if hasattr(data, "shape") else None)
    return {name: value for name, value in params.items() if value is not None}


def _optimizer_params(model: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"total_parameters": model.count_params(), "num_layers": len(model.layers)}
    if isinstance(loss := getattr(model, "loss", None), (str, keras.losses.Loss)):
        params["loss"] = loss if isinstance(loss, str) else loss.name
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        params["optimizer_name"] = optimizer.name
        for name, value in optimizer.get_config().items():
            if value is None or isinstance(value, (bool, int, float, str)):
                params[name if name == "learning_rate" else f"optimizer_{name}"] = value
            elif name == "learning_rate":
                params["learning_rate"] = (
                    type(value).__name__ if not isinstance(value, Mapping) else value["class_name"]
                )
    return params


def _summary(model: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(str(line)), line_length=100)
    return "\n".join(lines)


def _log_early_stopping(callbacks: Any) -> None:
    found = callbacks.callbacks if isinstance(callbacks, keras.callbacks.CallbackList) else callbacks or []
    for callback in found if isinstance(found, (list, tuple)) else [found]:
        if isinstance(callback, keras.callbacks.EarlyStopping):
            recording.log_params({name: getattr(callback, name) for name in ("monitor", "patience", "min_delta")})
            metrics = {"stopped_epoch": callback.stopped_epoch, "best_epoch": callback.best_epoch}
            if callback.best is not None and math.isfinite(float(callback.best)):
                metrics["best_score"] = callback.best
            fluent.log_metrics({name: float(value) for name, value in metrics.items()})


def _answer(model: Any) -> Any:
    return lambda example: model.predict(example, verbose=0)
