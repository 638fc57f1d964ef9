"""Load a Keras 3 model as a python function where Modelyard is not installed.

This file is complete in itself: a copy of it travels in the model's code folder, where stock MLflow finds it as the
`loader_module` of the python_function.
"""

import json
import os
import pathlib
from typing import Any, Final

ABOUT: Final = "keras.json"
FILE: Final = "model.keras"


class Predictor:
    """Tables or arrays in, tables or arrays out; `model` is the Keras model."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def get_raw_model(self) -> Any:
        """The model itself (MLflow's name)."""
        return self.model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer; `params` are further arguments of its `predict`.

        A DataFrame gives a DataFrame with the same index, if the answer has one or two dimensions.
        """
        frame = hasattr(data, "to_numpy") and hasattr(data, "columns")
        answer = self.model.predict(data.to_numpy() if frame else data, **{"verbose": 0, **(params or {})})
        if frame and hasattr(answer, "shape") and len(answer.shape) in {1, 2}:
            import pandas as pd

            return pd.DataFrame(answer, index=data.index)
        return answer


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Predictor:  # noqa: ARG001 - MLflow's
    """What MLflow calls: `path` is the folder of the model's data."""
    folder = pathlib.Path(path)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    os.environ.setdefault("KERAS_BACKEND", about["backend"])  # Keras reads it when it is first imported
    import keras

    return Predictor(keras.saving.load_model(folder / FILE, safe_mode=True))
