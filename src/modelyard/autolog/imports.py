"""Do something when a package is imported: now if it is there, else right after somebody else imports it."""

from __future__ import annotations

import importlib
import importlib.machinery
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

_log = logging.getLogger("modelyard")
_lock = threading.RLock()
_waiting: dict[str, list[Callable[[], None]]] = {}


def when_imported(name: str, action: Callable[[], None]) -> None:
    """Run `action` once the package `name` is imported. It is never imported by this.

    Args:
        name: A package or module, e.g. "sklearn".
        action: Called on the importing thread. What it raises is logged, and the import succeeds all the same.
    """
    with _lock:
        if name not in sys.modules:
            _waiting.setdefault(name, []).append(action)
            if _finder not in sys.meta_path:
                sys.meta_path.insert(0, _finder)
            return
    # Half imported, if another thread is at it: this waits until it is whole.
    importlib.import_module(name)
    _run(action, name)


def forget(name: str, action: Callable[[], None]) -> None:
    """Take back a `when_imported` whose package has not been imported yet."""
    with _lock:
        actions = _waiting.get(name, [])
        if action in actions:
            actions.remove(action)
        if not actions:
            _waiting.pop(name, None)
        _leave_if_idle()


def _imported(name: str) -> None:
    with _lock:
        actions = _waiting.pop(name, [])
        _leave_if_idle()
    for action in actions:
        _run(action, name)


def _leave_if_idle() -> None:
    if not _waiting and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def _run(action: Callable[[], None], name: str) -> None:
    try:
        action()
    except Exception:  # noqa: BLE001  the import was somebody else's, and it worked
        _log.warning("Autologging of %s could not be switched on", name, exc_info=True)


class _Finder(MetaPathFinder):
    """Finds nothing by itself: it puts its loader around the one that the other finders give."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _waiting or fullname in _looking.names:
            return None
        _looking.names.add(fullname)  # another finder of this kind may ask us while we ask it
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec = None if finder is self or find is None else find(fullname, path, target)
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)
                    return spec  # type: ignore[no-any-return]
        finally:
            _looking.names.discard(fullname)
        return None


class _Looking(threading.local):
    def __init__(self) -> None:
        self.names: set[str] = set()


class _Loader(Loader):
    def __init__(self, real: Any) -> None:
        self._real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        # Before its code runs the module looks as if we had not been here: resources and sources are found as ever.
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        _imported(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


_looking = _Looking()
_finder = _Finder()
