"""Loads a model that Modelyard saved, with the standard library alone.

A copy of this file lies in the model's own folder `code`, so that stock MLflow (`mlflow.pyfunc.load_model`) loads the
model where Modelyard is not installed. Modelyard itself never runs the copy: it uses this one.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pickle
import sys
import types
from typing import Any

DESCRIPTION = "modelyard/loader.json"


class PythonModelContext:
    """What a model gets to load itself.

    Attributes:
        artifacts: Name → path of a file or folder that was saved with the model.
        model_config: Plain values that were saved with the model, or given when it was loaded.
    """

    __module__ = "modelyard.pyfunc"  # where people know it, and where pickles and code of theirs look for it

    def __init__(self, artifacts: dict[str, str], model_config: dict[str, Any] | None = None) -> None:
        self.artifacts = artifacts
        self.model_config = model_config or {}


class PythonModel:
    """A model that brings its own pre- and post-processing.

    Two shapes are understood. Ours::

        class Sentiment(PythonModel):
            def load(self, context): ...  # once; context.artifacts["name"] is a path
            def predict(self, data, params=None): ...

    and MLflow's: `load_context(self, context)` and `predict(self, context, model_input, params=None)`.
    """

    __module__ = "modelyard.pyfunc"

    def load(self, context: PythonModelContext) -> None:
        """Read what `predict` will need; called once, before the first prediction."""

    def load_context(self, context: PythonModelContext) -> None:
        """MLflow's name for `load`."""

    def predict(self, *_: Any, **__: Any) -> Any:
        """The answer to the data."""
        raise NotImplementedError(f"{type(self).__name__} has no method 'predict'.")


class Function:
    """A loaded `PythonModel`, whatever its shape: `predict(data, params=None)`.

    Attributes:
        python_model: The instance of the user's class.
        context: What it was loaded with.
    """

    def __init__(self, python_model: Any, context: PythonModelContext) -> None:
        self.python_model = python_model
        self.context = context
        # the first that is the class's own; a class of MLflow's shape may have a `load` that means something else
        for name in ("load_context", "load"):
            method = getattr(type(python_model), name, None)
            if method is not None and getattr(method, "__qualname__", "") != f"PythonModel.{name}":
                getattr(python_model, name)(context)
                break
        self._takes_context = _takes_context(python_model.predict)
        self._takes_params = takes_params(python_model.predict)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer."""
        arguments = (self.context, data) if self._takes_context else (data,)
        if self._takes_params:
            return self.python_model.predict(*arguments, params=params)
        return self.python_model.predict(*arguments)

    def unwrap_python_model(self) -> Any:
        """The instance of the user's class."""
        return self.python_model


def takes_params(predict: Any) -> bool:
    """Whether a `predict` takes params."""
    parameters = inspect.signature(predict).parameters.values()
    return any(each.name == "params" or each.kind is each.VAR_KEYWORD for each in parameters)


def _takes_context(predict: Any) -> bool:
    """Whether a `predict` has MLflow's first shape, which takes the context before the data."""
    parameters = inspect.signature(predict).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in parameters if each.kind in positional and each.name != "params"]
    return names[:1] == ["context"] or len(names) >= 2


class Estimator:
    """A model with scikit-learn's methods, as MLflow wants it: `predict` and its kin take the data alone."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """The model's predictions."""
        return self._model.predict(data)

    def get_raw_model(self) -> Any:
        """The library's own object."""
        return self._model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_model"], name)


def describe(root: str) -> dict[str, Any]:
    """What the model's folder says about how to load it."""
    with open(os.path.join(root, *DESCRIPTION.split("/")), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        found: dict[str, Any] = json.load(file)
    return found


def python_model(root: str, description: dict[str, Any], model_config: dict[str, Any] | None = None) -> Function:
    """The user's class, made and loaded. Its code has to be importable."""
    artifacts = {name: _inside(root, path) for name, path in description.get("artifacts", {}).items()}
    context = PythonModelContext(artifacts, model_config)
    if description["kind"] == "cloudpickle":
        with open(_inside(root, description["file"]), "rb") as file:  # noqa: PTH123
            return Function(pickle.load(file), context)  # noqa: S301
    found: Any = importlib.import_module(description["module"])
    for name in description["class"].split("."):
        found = getattr(found, name)
    if description.get("state") is None:
        return Function(found(), context)
    instance = found.__new__(found)
    instance.__dict__.update(unpack(description["state"]))
    return Function(instance, context)


def pack(value: Any) -> Any:
    """Plain values as JSON; raises TypeError for anything else."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [pack(each) for each in value]
    if type(value) is tuple:
        return {"$tuple": [pack(each) for each in value]}
    if type(value) is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: pack(each) for key, each in value.items()}
    raise TypeError(type(value).__name__)


def unpack(value: Any) -> Any:
    """What `pack` was given."""
    if isinstance(value, list):
        return [unpack(each) for each in value]
    if isinstance(value, dict):
        if set(value) == {"$tuple"}:
            return tuple(unpack(each) for each in value["$tuple"])
        return {key: unpack(each) for key, each in value.items()}
    return value


def _inside(root: str, path: str) -> str:
    root = os.path.realpath(root)
    found = os.path.realpath(os.path.join(root, path))  # noqa: PTH118
    if os.path.commonpath([root, found]) != root:
        raise ValueError(f"The model names '{path}', which lies outside of it.")
    return found


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Any:
    """MLflow's entry: the model's folder, or its data file, to an object with `predict`."""
    root = path if os.path.isdir(path) else os.path.dirname(path)  # noqa: PTH112, PTH120
    description = describe(root)
    _stand_in()
    if description["kind"] == "skops":
        import skops.io

        file = _inside(root, description["file"])
        return Estimator(skops.io.load(file, trusted=description["trusted"]))
    if description["kind"] == "cloudpickle" and os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").lower() in (
        "false",
        "0",
    ):
        raise PermissionError("This model is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids to load it.")
    return python_model(root, description, model_config)


def _stand_in() -> None:
    """Let code that says `modelyard.pyfunc.PythonModel` run where Modelyard is not installed."""
    try:
        importlib.import_module("modelyard.pyfunc")
    except ImportError:
        package, pyfunc = _Absent("modelyard"), _Absent("modelyard.pyfunc")
        for name in ("PythonModel", "PythonModelContext"):
            setattr(pyfunc, name, globals()[name])
        package.__dict__.update(__path__=[], pyfunc=pyfunc)
        sys.modules.update({"modelyard": package, "modelyard.pyfunc": pyfunc})


class _Absent(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"The model's code uses '{self.__name__}.{name}'; install modelyard to load it.")
