"""Optional packages, and the extra that installs each of them.

A leaf module imports its heavy library at the top, like any honest module, and is itself imported only by name.
`load` is how: it turns a missing package into one sentence that says what to install, and what for.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

EXTRAS: Final = {
    "alembic": "server",
    "graphql": "server",
    "httptools": "server",
    "keras": "keras",
    "lightgbm": "lightgbm",
    "lightning": "lightning",
    "numpy": "server",
    "obstore": "server",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "opentelemetry": "otel",
    "optuna": "optuna",
    "pandas": "sklearn",
    "prometheus_client": "serving",
    "psutil": "system",
    "psycopg": "postgres",
    "pyarrow": "parquet",
    "ray": "ray",
    "safetensors": "torch",
    "sklearn": "sklearn",
    "skl2onnx": "convert",
    "skops": "sklearn",
    "sqlalchemy": "server",
    "starlette": "server",
    "torch": "torch",
    "tsdownsample": "server",
    "uvicorn": "server",
    "uvloop": "server",
    "xgboost": "xgboost",
    "zstandard": "server",
}
"""Import name of a package that is not a base dependency → the extra of `modelyard` that brings it."""


class MissingExtraError(ImportError):
    """An optional package is not installed; the message says which extra brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{package!r} is not installed. Run: pip install 'modelyard[{extra}]' to {purpose}.", name=package
        )
        self.package = package
        self.extra = extra
        self.purpose = purpose


def load(name: str, *, to: str, extra: str = "") -> ModuleType:
    """Import the module `name`, which is an optional package, a part of one, or a leaf of ours that needs one.

    Args:
        name: the dotted name, e.g. `psycopg` or `modelyard.artifacts.objects`.
        to: what it is needed for, completing "install it to ...", e.g. "keep runs in PostgreSQL".
        extra: the extra that brings all that this needs, where several bring the package.

    Raises:
        MissingExtraError: if a package of `EXTRAS` is missing.
        ImportError: unchanged, if anything else is missing: that is a fault, not a choice.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        known = EXTRAS.get(package)
        if known is None:
            raise
        raise MissingExtraError(package, extra or known, to) from missing


def require(*names: str, to: str, extra: str) -> None:
    """See that packages are there, without importing them.

    Args:
        names: what is imported later, perhaps in another process.
        to: as for `load`.
        extra: that brings all of them.

    Raises:
        MissingExtraError: one is not installed.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, extra, to)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Modules that are not imported yet cannot be inside: importing one raises `ModuleNotFoundError`."""
    ours = [name for name in names if name not in sys.modules]
    for name in ours:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's own way to say so
    try:
        yield
    finally:
        for name in ours:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
