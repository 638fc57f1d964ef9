"""The client. MLflow's name for it is here too: `modelyard.client.MlflowClient`."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("Client", "MlflowClient"):
        return importlib.import_module("modelyard.client.client").Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
