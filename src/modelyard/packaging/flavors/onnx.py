"""ONNX: the graph as a file, answered by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnx

from modelyard import optional
from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging import code
from modelyard.packaging.flavors import onnx_session
from modelyard.packaging.flavors.base import Predict, Saved
from modelyard.packaging.trust import Trust

FILE: Final = "model.onnx"
EXTERNAL_ABOVE: Final = 2**30
"""Bytes above which weights go to files beside the graph: one protobuf message ends at 2 GiB."""


class Onnx:
    """MLflow's flavor `onnx`."""

    name = "onnx"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        providers: Sequence[Any] = ("CUDAExecutionProvider", "CPUExecutionProvider"),
        session_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Saved:
        """Write a graph.

        Args:
            model: An `onnx.ModelProto`, or the path of such a file.
            folder: Where to.
            providers: ONNX Runtime's execution providers, the first that is there is used.
            session_options: As MLflow's `onnx_session_options`.
            options: None others.
        """
        if options:
            raise InvalidArgument(f"No option {', '.join(map(repr, options))} for ONNX models.")
        if isinstance(model, str | Path):
            model = onnx.load(str(model))
        if not isinstance(model, onnx.ModelProto):
            raise InvalidArgument(f"An onnx.ModelProto or the path of one was expected, not {type(model).__name__}.")
        external = model.ByteSize() > EXTERNAL_ABOVE
        onnx.save_model(model, str(folder / FILE), save_as_external_data=external, location=f"{FILE}.data")
        try:
            onnx.checker.check_model(str(folder / FILE))
        except onnx.checker.ValidationError as fault:
            raise InvalidArgument(f"The graph is not valid ONNX: {fault}") from None
        config = {
            "data": FILE,
            "onnx_version": onnx.__version__,
            "providers": [list(each) if isinstance(each, tuple) else each for each in providers],
            "onnx_session_options": dict(session_options) if session_options else None,
        }
        return Saved(config, {"loader_module": "mlflow.onnx", "data": FILE}, ["onnx", "onnxruntime", "numpy"])

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust) -> Any:  # noqa: ARG002
        """The graph as an `onnx.ModelProto`, checked."""
        file = code.contained(folder, str(config.get("data", FILE)))
        try:
            onnx.checker.check_model(str(file))
            return onnx.load(str(file))
        except FileNotFoundError:
            raise DataCorrupted(f"The model has no file '{file.name}'.") from None
        except Exception as fault:
            # protobuf's decoding error has moved between modules over its versions
            if isinstance(fault, onnx.checker.ValidationError) or type(fault).__name__ == "DecodeError":
                raise DataCorrupted(f"'{file.name}' does not load: {fault}") from None
            raise

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002
        """Its answers: a DataFrame to a DataFrame, a dictionary of arrays to everything else, as in MLflow."""
        runtime = optional.load("onnxruntime", to="run ONNX models")
        if isinstance(model, str | Path):  # what is being saved
            model = onnx.load(str(model))
        there = set(runtime.get_available_providers())
        wanted = config.get("providers") or ["CPUExecutionProvider"]
        chosen = [tuple(each) if isinstance(each, list) else each for each in wanted]
        usable = [each for each in chosen if (each[0] if isinstance(each, tuple) else each) in there]
        session = runtime.InferenceSession(
            model.SerializeToString(),
            providers=usable or ["CPUExecutionProvider"],
            sess_options=onnx_session.options(runtime, config.get("onnx_session_options") or {}),
        )
        return _Session(session).predict


class _Session:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = {each.name: each.type for each in session.get_inputs()}
        self._outputs = [each.name for each in session.get_outputs()]

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        import numpy as np

        framed = type(data).__name__ == "DataFrame"
        if isinstance(data, Mapping):
            feed = {str(name): np.asarray(value) for name, value in data.items()}
        elif framed and len(self._inputs) > 1:
            feed = {name: data[name].to_numpy() for name in self._inputs}
        elif len(self._inputs) == 1:
            feed = {next(iter(self._inputs)): np.asarray(data)}
        else:
            raise InvalidArgument(f"The model has several inputs: give a dictionary with {', '.join(self._inputs)}.")
        for name, kind in self._inputs.items():
            # JSON and pandas widen what the graph takes narrow
            if kind == "tensor(float)" and name in feed and feed[name].dtype == np.float64:
                feed[name] = feed[name].astype(np.float32)
        answers = self._session.run(self._outputs, feed)
        if not framed:
            return dict(zip(self._outputs, answers, strict=True))
        import pandas as pd

        columns = {name: np.asarray(each).reshape(-1) for name, each in zip(self._outputs, answers, strict=True)}
        return pd.DataFrame(columns)


FLAVOR = Onnx()
