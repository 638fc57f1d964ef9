"""Autologging. The package itself can be called: `modelyard.autolog()` is `registry.autolog()`.

MLflow's function and our package have one name, and an import of anything in here puts the package in its place.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, library: str | None = None, **options: Any) -> None:
        """Switch autologging on, or off with `disable=True`; see `modelyard.autolog.registry.autolog`."""
        importlib.import_module("modelyard.autolog.registry").autolog(library, **options)


sys.modules[__name__].__class__ = _Callable
