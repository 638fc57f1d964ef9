"""Pickles: written only when asked for, loaded only when allowed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Final

from modelyard import optional
from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging.trust import Trust

FORMATS: Final = ("cloudpickle", "pickle")


def dump(model: Any, file: Path, serialization_format: str) -> None:
    """Write a pickle.

    Raises:
        InvalidArgument: the object cannot be pickled, or there is no such format.
    """
    if serialization_format not in FORMATS:
        raise InvalidArgument(
            f"No serialization_format {serialization_format!r}; expected 'skops' (safe), 'cloudpickle' or 'pickle'."
        )
    writer: Any = pickle if serialization_format == "pickle" else _cloudpickle()
    try:
        data = writer.dumps(model)
    except (pickle.PicklingError, TypeError, AttributeError) as fault:
        raise InvalidArgument(f"The model cannot be pickled with {serialization_format}: {fault}.") from None
    file.write_bytes(data)


def _cloudpickle() -> Any:
    try:
        return optional.load("cloudpickle", to="pickle models")
    except ModuleNotFoundError:
        raise InvalidArgument(
            "serialization_format='cloudpickle' needs the package: pip install cloudpickle."
        ) from None


def load(file: Path, trust: Trust, stand_ins: dict[tuple[str, str], Any] | None = None) -> Any:
    """Read a pickle, or a cloudpickle, which is a pickle that calls on its library.

    Args:
        file: The pickle.
        trust: What the caller allows.
        stand_ins: `(module, name)` → what to use where that module is not installed.

    Raises:
        PermissionDenied: pickles are not allowed.
        DataCorrupted: it does not decode.
        InvalidArgument: it needs a module that is not installed.
    """
    trust.require_pickle(f"'{file.name}'")
    try:
        with file.open("rb") as source:
            return _Unpickler(source, stand_ins or {}).load()
    except ModuleNotFoundError as missing:
        raise InvalidArgument(f"The pickled model needs the module {missing.name!r}, which is not installed.") from None
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, IndexError, ValueError) as fault:
        raise DataCorrupted(f"'{file.name}' does not load: {type(fault).__name__}: {fault}") from fault


class _Unpickler(pickle.Unpickler):
    def __init__(self, source: Any, stand_ins: dict[tuple[str, str], Any]) -> None:
        super().__init__(source)
        self._stand_ins = stand_ins

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError:
            if (module, name) in self._stand_ins:
                return self._stand_ins[module, name]
            raise
