"""Artifacts: bytes by URI. MLflow's `mlflow.artifacts` is here too: `modelyard.artifacts.download_artifacts`, ..."""

import importlib
from typing import Any

_CLIENT = ("download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text")


def __getattr__(name: str) -> Any:
    if name in _CLIENT:  # by name: the client stands above this floor
        return getattr(importlib.import_module("modelyard.client.stored_artifacts"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
