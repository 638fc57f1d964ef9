"""A module that others import and hardly ever use, imported when it is used.

scikit-learn imports `scipy.stats`, a quarter of its own import, for a handful of functions that few models call.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def postponed(name: str) -> Iterator[None]:
    """Inside, importing this module costs nothing; what was imported of it works all the same, also later.

    Nothing happens if it is imported already.

    Args:
        name: of the module, e.g. `scipy.stats`; of a package, no part can be imported inside.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = _Module(name)
    try:
        yield
    finally:
        _leave(name)


def _leave(name: str) -> None:
    """From now on, the module is imported by who imports it."""
    stand_in = sys.modules.get(name)
    if isinstance(stand_in, _Module):
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if vars(sys.modules.get(parent, stand_in)).get(last) is stand_in:
            delattr(sys.modules[parent], last)


def _itself(module: str, name: str) -> Any:
    _leave(module)
    return getattr(importlib.import_module(module), name)


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system's questions
            raise AttributeError(name)
        module = self.__name__
        return _Member(module, name) if sys.modules.get(module) is self else _itself(module, name)


class _Member:
    """Something of the module; what is done to it is done to the thing itself."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return _itself(self._module, self._name)(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(_itself(self._module, self._name), name)

    def __instancecheck__(self, thing: object) -> bool:
        return isinstance(thing, _itself(self._module, self._name))

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (_itself(self._module, self._name),)
