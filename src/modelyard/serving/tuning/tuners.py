"""What makes a loaded model quick for small batches, without changing an answer; and where each library's part lives.

Libraries are set up for large batches on a whole machine: pools of threads, one task per tree. A server asks for one
row, or for some, beside other processes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelyard import optional
from modelyard.packaging.function import LoadedFunction

TUNERS: Final = {
    "lightgbm": "modelyard.serving.tuning.lightgbm",
    "sklearn": "modelyard.serving.tuning.sklearn",
    "torch": "modelyard.serving.tuning.torch",
    "xgboost": "modelyard.serving.tuning.xgboost",
}
"""A library's package → the leaf whose `tune(model, threads)` tunes one object of it, and says what it did.

ONNX Runtime is not among them: its threads are part of a session, so the flavor sets them when it makes one."""

_DEPTH: Final = 12
"""How far to look: a search holds a pipeline, that a vote, that an estimator; lists between them count too."""
_MANY: Final = 2000


def tune(function: LoadedFunction, threads: int) -> list[str]:
    """Make a model quick in this process; called once, after loading and before the first prediction.

    Everything of a known library that can be reached from the model is tuned, also inside pipelines, searches and
    classes of the user's own. Only instances are changed, never classes, and answers stay the same to the last bit.

    Args:
        function: the model.
        threads: how many it may use: this process's share of the machine.

    Returns:
        What was done, for people.
    """
    done: dict[str, None] = {}
    for each in _reachable(function.unwrap_python_model()):
        library = _library(each)
        if library is not None:
            done.update(dict.fromkeys(_leaf(library).tune(each, threads)))
    if "torch" in sys.modules:  # also where the module hides in a closure or in C++
        done.update(dict.fromkeys(_leaf("torch").share(threads)))
    return list(done)


def _leaf(library: str) -> Any:
    return optional.load(TUNERS[library], to=f"tune {library} models")


def _library(thing: Any) -> str | None:
    """The first known library among those that a class is made of: XGBoost's estimators are scikit-learn's, too."""
    packages = (each.__module__.partition(".")[0] for each in type(thing).__mro__)
    return next((each for each in packages if each in TUNERS), None)


def _reachable(start: Any) -> Iterator[Any]:
    """The object and what its attributes, lists and dictionaries hold, each once."""
    seen = {id(start)}
    level = [start]
    for _ in range(_DEPTH):
        below = []
        for each in level:
            yield each
            for part in _parts(each):
                if id(part) not in seen:
                    seen.add(id(part))
                    below.append(part)
        level = below
    yield from level


def _parts(thing: Any) -> Iterator[Any]:
    if isinstance(thing, type):
        return
    if isinstance(thing, list | tuple | Mapping):
        held = thing.values() if isinstance(thing, Mapping) else thing
        held = held if len(thing) <= _MANY else ()
    elif _library(thing) == "torch":  # its own modules are tuned together
        return
    else:
        held = list(getattr(thing, "__dict__", {}).values())
    for each in held:
        if isinstance(each, list | tuple | Mapping) or hasattr(each, "__dict__"):
            yield each
