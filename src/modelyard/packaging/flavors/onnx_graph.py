"""A graph that stands for another model: the same inputs, the same shape of answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from modelyard.domain.errors import DataCorrupted
from modelyard.packaging.flavors import onnx_session
from modelyard.packaging.flavors.base import Predict


class Graph:
    """A converted model.

    Args:
        file: the graph.
        told: its description: `inputs` (name → type of NumPy, one for each column, or one for all: `whole`), `names`
            of the graph's inputs in the same order, `output` (which of the graph's), `dtype` and `dimensions` of the
            answer.
        original: loads the model itself. It is asked when values are missing or infinite: whether it has an answer to
            those, and which, nobody but the model knows.
    """

    def __init__(self, file: Path, told: Mapping[str, Any], original: Callable[[], Predict]) -> None:
        self._load = original
        self._original: Predict | None = None
        try:
            self._session = onnxruntime.InferenceSession(
                str(file),
                sess_options=onnx_session.options(onnxruntime, {}),
                providers=["CPUExecutionProvider"],
            )
            self._inputs = {str(name): np.dtype(kind) for name, kind in told["inputs"].items()}
            self._names = [str(each) for each in told["names"]]
            self._outputs = [str(told["output"])]
            self._dtype, self._dimensions = np.dtype(told["dtype"]), int(told["dimensions"])
            self._whole = bool(told["whole"])
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise DataCorrupted(f"The description of '{file.name}' does not decode: {fault}") from None
        except Exception as fault:
            if type(fault).__module__.startswith("onnxruntime"):
                raise DataCorrupted(f"'{file.name}' does not load: {fault}") from None
            raise

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The answer to a DataFrame or an array, as the model would give it."""
        if self._whole:
            feed = {self._names[0]: _plain(data, next(iter(self._inputs.values())))}
        else:
            pairs = zip(self._names, self._inputs.items(), strict=True)
            feed = {name: _plain(data[column], kind)[:, None] for name, (column, kind) in pairs}
        for values in feed.values():
            if values.dtype.kind == "f" and not np.isfinite(np.add.reduce(values, axis=None)):
                return self._asked(data, params)
        answer = np.asarray(self._session.run(self._outputs, feed)[0])
        if answer.ndim == 2 and self._dimensions == 1:
            answer = answer[:, 0]
        return answer.astype(self._dtype, copy=False)

    def _asked(self, data: Any, params: dict[str, Any] | None) -> Any:
        if self._original is None:
            self._original = self._load()
        return self._original(data, params)


def _plain(values: Any, kind: np.dtype[Any]) -> Any:
    with np.errstate(over="ignore"):  # what does not fit becomes infinite
        return np.ascontiguousarray(values, dtype=kind)
