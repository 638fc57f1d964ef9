"""Where an array may stand for a DataFrame.

Making a frame, a library's checks of it, and the frame of its answers cost more than a small model's prediction. If the
library takes the array out of the frame anyway, and a trial shows that the answers are the same to the last bit, the
model is given the array. Models that are a class of the user's own always get what they were promised: a frame.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from modelyard.domain.errors import ModelyardError
from modelyard.packaging.enforcement import enforce
from modelyard.packaging.function import LoadedFunction

from .outputs import Columns, normal

LIBRARIES: Final = ("sklearn", "xgboost", "lightgbm", "onnx", "pytorch", "keras")

Predict = Callable[[Any, dict[str, Any] | None], Any]


def find(function: LoadedFunction, frame: Callable[[Any], Any], width: int, dtype: Any) -> Predict | None:
    """How to ask a model with arrays so that it answers as to frames; None if it has to be asked with frames.

    Args:
        function: the model, tuned.
        frame: makes a frame of an array of rows by columns.
        width: how many columns.
        dtype: the type of all of them.
    """
    if not any(name in function.metadata.flavors for name in LIBRARIES):
        return None
    values = (np.random.default_rng(0).random((7, width)) * 10).astype(dtype)
    samples = [np.asfortranarray(values[:count]) for count in (1, 2, 7)]
    try:
        expected = _answers(function.predict_checked, samples, frame)
    except Exception:  # noqa: BLE001 - numbers that mean nothing to the model
        samples, expected = [], []
    example = _example(function, width)
    if example is not None:
        samples.append(example)
        try:
            expected += _answers(function.predict_checked, [example], frame)
        except Exception:  # noqa: BLE001 - whatever a model does with its own example
            return None
    if not samples:
        return None
    for predict in _candidates(function):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = _answers(predict, samples)
        except Exception:  # noqa: BLE001, S112 - whatever a library raises, it wants a frame
            continue
        if all(map(_same, expected, found)):
            return predict
    return None


def _answers(predict: Predict, samples: list[Any], frame: Callable[[Any], Any] | None = None) -> list[Any]:
    with warnings.catch_warnings():
        if frame is not None:
            warnings.simplefilter("ignore")
        return [normal(predict(each if frame is None else frame(each), None)) for each in samples]


def _candidates(function: LoadedFunction) -> Iterator[Predict]:
    yield function.predict_checked
    yield _as_columns(function.predict_checked)
    bare = _bare(function)
    if bare is not None:
        yield bare


def _as_columns(predict: Predict) -> Predict:
    """For flavors that answer a frame with a frame: the columns that they would make of their arrays."""

    def ask(data: Any, params: dict[str, Any] | None) -> Any:
        found = predict(data, params)
        if type(found) is dict:
            return Columns({name: np.asarray(each).reshape(-1) for name, each in found.items()})
        if type(found) is np.ndarray and found.ndim in (1, 2):
            return Columns({0: found}) if found.ndim == 1 else Columns(enumerate(found.T))
        return found

    return ask


def _bare(function: LoadedFunction) -> Predict | None:
    """An estimator of scikit-learn that does not remember its columns' names; it shares all else with the model."""
    if "sklearn" not in function.metadata.flavors:
        return None
    name = str(function.metadata.flavors.get("python_function", {}).get("predict_fn", "predict"))
    method = getattr(_nameless(function.unwrap_python_model()), name, None)
    return None if method is None else lambda data, params: method(data)  # noqa: ARG005


def _nameless(model: Any) -> Any:
    if not hasattr(model, "__dict__"):
        return model
    found = copy.copy(model)
    found.__dict__.pop("feature_names_in_", None)
    if type(model).__name__ == "Pipeline" and isinstance(getattr(model, "steps", None), list):
        found.steps = [(name, _nameless(step)) for name, step in model.steps]
    return found


def _same(one: Any, two: Any) -> bool:
    if type(one) is not type(two):
        return False
    if type(one) is Columns:
        alike = list(one) == list(two) and one.series == two.series
        return alike and all(map(_same, one.values(), two.values()))
    if type(one) is not np.ndarray or one.dtype != two.dtype or one.shape != two.shape:
        return False
    return bool(one.tolist() == two.tolist() if one.dtype == object else one.tobytes() == two.tobytes())


def _example(function: LoadedFunction, width: int) -> Any:
    """The rows of the model's example as an array; None if it has none that are whole."""
    signature = function.metadata.signature
    try:
        example = function.input_example
        if example is None or signature is None or signature.inputs is None:
            return None
        found = np.asfortranarray(enforce(example, signature.inputs).to_numpy())
    except (ModelyardError, AttributeError, ValueError, TypeError):
        return None
    return found if found.ndim == 2 and found.shape[1] == width and len(found) else None
