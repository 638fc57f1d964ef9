"""A model that was loaded as a python function: data in, predictions out, whatever library made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelyard.packaging import example
from modelyard.packaging.enforcement import enforce, enforce_params
from modelyard.packaging.flavors.base import Predict
from modelyard.packaging.manifest import Model


class LoadedFunction:
    """MLflow calls it `PyFuncModel`.

    Attributes:
        metadata: The model's manifest.
        path: The directory it was loaded from.
    """

    def __init__(self, metadata: Model, raw: Any, predict: Predict, path: Path) -> None:
        self.metadata = metadata
        self.path = path
        self._raw = raw
        self._predict = predict

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer.

        Data and params are checked against the signature first, if the model has one: columns are put in order, safe
        conversions are made (whole numbers to wider ones and to floats), everything else is refused.

        Raises:
            InvalidArgument: data or params do not fit the signature; missing and mistyped columns are named.
        """
        signature = self.metadata.signature
        if signature is not None and signature.inputs is not None:
            data = enforce(data, signature.inputs)
        return self._predict(data, enforce_params(params, signature.params if signature else None))

    def predict_checked(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer to data and params as `enforce` and `enforce_params` give them; nothing is checked."""
        return self._predict(data, params)

    def unwrap_python_model(self) -> Any:
        """The object itself: an instance of the user's class, or the library's own model."""
        return getattr(self._raw, "python_model", self._raw)

    get_raw_model = unwrap_python_model

    @property
    def input_example(self) -> Any:
        """The data of the input example, None if the model has none."""
        signature = self.metadata.signature
        inputs = signature.inputs if signature else None
        return example.read(self.path, self.metadata.saved_input_example_info, inputs)[0]

    def __repr__(self) -> str:
        return f"LoadedFunction({str(self.path)!r}, flavors={sorted(self.metadata.flavors)})"
