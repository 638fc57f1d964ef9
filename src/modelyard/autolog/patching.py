"""The only monkey-patching: other people's functions are watched here, and nowhere else.

An **observer** is a generator function that takes a `Call`, yields once, and is sent the result::

    def fit(call: Call) -> Observation:
        with start_run():
            log_params(call.instance.get_params())
            model = yield            # the original runs here
            log_metric("score", ...)

The observer never calls the original: `observe` does, in one place, once. What the original raises is thrown in at the
`yield`, so that a `with` block ends its run as failed, and then reaches the caller as the same object. What the
*observer* raises is reported once on the `modelyard` logger and goes nowhere else.

Inside a watched call nothing else is watched, so that a pipeline is one run: see `patch(..., guard=, within=)`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

Observation = Generator[None, Any, None]
Observer = Callable[["Call"], Observation]

_log = logging.getLogger("modelyard")
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


@dataclass(slots=True)
class Call:
    """One call of a watched function, before and while the original runs.

    Attributes:
        library: On whose behalf it is watched.
        name: The patched attribute, e.g. "fit".
        original: The function as the library made it.
        args: Positional arguments, with the instance first for a method.
        kwargs: Keyword arguments.
        enclosing: The watched call that this one happens in, if `within` allowed it.
        notes: Whatever the observer of an enclosing call wants to tell the inner one.
    """

    library: str
    name: str
    original: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    enclosing: Call | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def instance(self) -> Any:
        """The object that a method was called on."""
        return self.args[0]

    @property
    def names(self) -> list[str]:
        """The names of the original's parameters, in order."""
        return list(_parameters(self.original))

    def argument(self, name: str, default: Any = None) -> Any:
        """The argument `name` as the caller gave it, positional or not; else the function's default, else `default`."""
        if name in self.kwargs:
            return self.kwargs[name]
        parameters = _parameters(self.original)
        if name in parameters:
            index = list(parameters).index(name)
            parameter = parameters[name]
            if index < len(self.args) and parameter.kind in _POSITIONAL:
                return self.args[index]
            if parameter.default is not parameter.empty:
                return parameter.default
        return default

    def replace(self, name: str, value: Any) -> None:
        """Give the original another value for the argument `name`. Lists of the caller are never changed: copy them."""
        parameters = _parameters(self.original)
        index = list(parameters).index(name) if name in parameters else len(self.args)
        if name not in self.kwargs and index < len(self.args) and parameters[name].kind in _POSITIONAL:
            self.args = (*self.args[:index], value, *self.args[index + 1 :])
        else:
            self.kwargs = {**self.kwargs, name: value}


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@functools.lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built-in functions need not tell
        return {}


@dataclass(frozen=True, slots=True)
class _Patch:
    library: str
    name: str
    observer: Observer
    guard: bool
    within: tuple[str, ...] | None
    places: tuple[tuple[Any, str, Any], ...]  # owner, attribute, what its own namespace held before (or _ABSENT)
    installed: Any


_ABSENT = object()
_lock = threading.RLock()
_patches: dict[str, _Patch] = {}
_numbers = itertools.count()
_buried: list[tuple[Any, Any, str, Any]] = []  # wrappers of ours that are out of use, below others: see `_put_back`
_enclosing: ContextVar[Call | None] = ContextVar("modelyard_enclosing_call", default=None)
_PAUSED = Call("", "paused", lambda: None, (), {})

_reported: set[tuple[str, str]] = set()
_silent: set[str] = set()


def patch(
    library: str,
    owner: Any,
    name: str,
    observer: Observer,
    *,
    guard: bool = True,
    within: tuple[str, ...] | None = (),
    also: tuple[tuple[Any, str], ...] = (),
) -> bool:
    """Watch `owner.name` until `restore(library)`.

    The wrapper keeps name, docstring, signature and module, and pickles as the original does: by name where it can be
    found by name, else by value without any need of this package where it is loaded.

    Args:
        library: On whose behalf; what `restore` takes back.
        owner: A class, a module, or an object whose attribute is a function.
        name: The attribute: a function, a static method or a class method.
        observer: See the module's text.
        guard: Nothing else is watched while the original runs. False for a call that only frames others (a study).
        within: Names of the library's own watched functions that this one is watched in too; in others it is not.
            None: it is watched wherever it is called.
        also: Further places of the same object, e.g. a package that re-exports a function of its sub-module.

    Returns:
        False if it is watched for this library already, or is not a function; nothing changes then.
    """
    with _lock:
        own = vars(owner).get(name, _ABSENT) if isinstance(owner, type) else getattr(owner, name, _ABSENT)
        found = own if own is not _ABSENT else inspect.getattr_static(owner, name, _ABSENT)
        function = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
        if not callable(function) or isinstance(function, type) or not hasattr(function, "__name__"):
            return False
        if any(one.library == library for one in _patches_of(function)):
            return False
        key = f"{library}:{getattr(function, '__qualname__', name)}:{next(_numbers)}"
        wrapper: Any = _wrapper(function, key)
        if isinstance(found, (staticmethod, classmethod)):
            wrapper = type(found)(wrapper)
        places = [(owner, name, own)]
        setattr(owner, name, wrapper)
        for place, alias in also:
            if getattr(place, alias, None) is found:
                places.append((place, alias, found))
                setattr(place, alias, wrapper)
        _patches[key] = _Patch(library, name, observer, guard, within, tuple(places), wrapper)
        return True


def restore(library: str) -> None:
    """Put back what `patch` replaced for the library, latest first. What others patched over it stays."""
    with _lock:
        for key in [key for key, one in reversed(_patches.items()) if one.library == library]:
            one = _patches.pop(key)
            for owner, name, before in one.places:
                _put_back(owner, name, before, one.installed)
        _silent.discard(library)


def _put_back(owner: Any, name: str, before: Any, installed: Any) -> None:
    now = vars(owner).get(name) if isinstance(owner, type) else getattr(owner, name, None)
    if now is not installed:  # somebody patched over it: another library's turn to take back what was there before
        _buried.append((installed, owner, name, before))
        return
    while under := [entry for entry in _buried if entry[0] is before and entry[1] is owner and entry[2] == name]:
        _buried.remove(under[0])
        before = under[0][3]
    if before is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


_KEY = "_modelyard_patch"


def _wrapper(original: Callable[..., Any], key: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        # By name: a copy of this function that was pickled by value works where this package is not.
        ours = sys.modules.get("modelyard.autolog.patching")
        return original(*args, **kwargs) if ours is None else ours.observe(key, original, args, kwargs)

    setattr(watched, _KEY, key)
    return watched


def _patches_of(function: Any) -> Iterator[_Patch]:
    while function is not None:
        one = _patches.get(getattr(function, _KEY, ""))
        if one is not None:
            yield one
        function = getattr(function, "__wrapped__", None)


def watched(library: str, name: str, function: Callable[..., Any], observer: Observer) -> Callable[..., Any]:
    """A function that does what `function` does, watched: for one that is given to a library, e.g. an objective.

    What it calls is watched as if it were called by itself.
    """
    one = _Patch(library, name, observer, guard=False, within=None, places=(), installed=None)

    def call(*args: Any, **kwargs: Any) -> Any:
        return _observed(one, function, args, kwargs)

    return functools.update_wrapper(call, function)


def observe(key: str, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the original once, watched by the patch of that key; what a wrapper does."""
    one = _patches.get(key)
    return original(*args, **kwargs) if one is None else _observed(one, original, args, kwargs)


def _observed(one: _Patch, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    enclosing = _enclosing.get()
    if not (enclosing is None or _inside(one, enclosing)):
        return original(*args, **kwargs)
    call = Call(one.library, one.name, original, args, kwargs, enclosing)
    observation = _begin(one, call)
    if observation is None:
        call.args, call.kwargs = args, kwargs  # whatever it changed before it failed
    outer = _enclosing.set(call) if one.guard else None
    try:
        result = original(*call.args, **call.kwargs)
    except BaseException as error:
        _fail(one, observation, error)
        raise
    finally:
        if outer is not None:
            _enclosing.reset(outer)
    _finish(one, observation, result)
    return result


def _inside(one: _Patch, enclosing: Call) -> bool:
    return one.within is None or (enclosing.library == one.library and enclosing.name in one.within)


def _begin(one: _Patch, call: Call) -> Observation | None:
    with paused():
        try:
            observation = one.observer(call)
            next(observation)
        except StopIteration:  # it returned before its yield: not interested
            return None
        except Exception as error:  # noqa: BLE001  the training script comes first
            report(one.library, f"before {one.name}", error)
            return None
        return observation


def _finish(one: _Patch, observation: Observation | None, result: Any) -> None:
    if observation is None:
        return
    with paused():
        try:
            observation.send(result)
            observation.close()
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001  likewise
            report(one.library, f"after {one.name}", error)


def _fail(one: _Patch, observation: Observation | None, error: BaseException) -> None:
    if observation is None:
        return
    told = (error.__traceback__, error.__context__, error.__cause__, error.__suppress_context__)
    with paused():
        try:
            observation.throw(error)
        except BaseException as other:  # noqa: BLE001  the caller gets the original's error, and only that
            if other is not error and other.__cause__ is not error and not isinstance(other, StopIteration):
                report(one.library, f"after {one.name} failed", other)
    error.__traceback__, error.__context__, error.__cause__, error.__suppress_context__ = told


@contextmanager
def paused() -> Iterator[None]:
    """Nothing is watched inside, on this thread."""
    token = _enclosing.set(_PAUSED)
    try:
        yield
    finally:
        _enclosing.reset(token)


def pause(_call: Call) -> Observation:
    """The observer that logs nothing: patched in with `guard=True`, whatever happens inside goes unwatched."""
    yield


def watching(library: str) -> bool:
    """Whether anything is patched for the library."""
    return any(one.library == library for one in list(_patches.values()))


def protected(
    library: str,
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result | None]]:
    """Decorate a callback that the library will call while it trains: a failure is reported, and None returned."""

    def decorate(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result | None]:
        @functools.wraps(function)
        def safe(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  the training comes first
                report(library, f"in {function.__name__}", error)
                return None

        return safe

    return decorate


@contextmanager
def attempt(library: str, what: str) -> Iterator[None]:
    """One of several things to log: when it fails, it is reported and the others still happen."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  likewise
        report(library, what, error)


def report(library: str, what: str, error: BaseException) -> None:
    """Say on the `modelyard` logger that autologging failed; each (library, what, kind of error) once a process."""
    if library in _silent:
        return
    key = (f"{library}:{what}", type(error).__name__)
    if key in _reported:
        return
    _reported.add(key)
    _log.warning(
        "Autologging of %s failed (%s): %s: %s. Training goes on; the run may be incomplete.",
        library,
        what,
        type(error).__name__,
        str(error).rstrip("."),
    )
    _log.debug("Where autologging of %s failed", library, exc_info=error)


def silence(library: str) -> None:
    """Report nothing of the library until `restore`."""
    _silent.add(library)
