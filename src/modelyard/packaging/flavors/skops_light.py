"""Writing and reading skops files at a tenth of the price of `import skops.io`.

To name the types that it trusts of itself, skops imports every module of scikit-learn, and with those pytest and
PyTorch where they are installed: half a second to two, at the end of a user's first `fit`. Writing needs no such list,
and for what was written just now the classes are loaded anyway. So skops is imported a second time, without its lists,
for us alone: whoever else imports it gets his own, whole. What the shortened lists leave in doubt is asked of the whole
one, and so is everything of a version that we do not know.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import sys
import threading
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import numpy as np
import skops
from sklearn.base import BaseEstimator

from modelyard import optional

KNOWN: Final = "0.16."
"""The versions whose lists we know."""

_LISTS: Final = "skops.io._trusted_types"
_LIST_NAMES: Final = (
    "CONTAINER_TYPE_NAMES", "NUMPY_DTYPE_TYPE_NAMES", "NUMPY_RANDOM_BIT_GENERATOR_TYPE_NAMES",
    "NUMPY_UFUNC_TYPE_NAMES", "PRIMITIVE_TYPE_NAMES", "SCIPY_UFUNC_TYPE_NAMES", "SKLEARN_ESTIMATOR_TYPE_NAMES",
    "SKLEARN_INTERNAL_TYPE_NAMES",
)  # fmt: skip

_PARTS: Final = {
    "builtins": "int float str bool list set map tuple",
    "numpy.random": "MT19937 PCG64 PCG64DXSM Philox SFC64",
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogitLink LogLink MultinomialLogit",
    "sklearn._loss.loss": (
        "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss "
        "HalfSquaredError HuberLoss PinballLoss"
    ),
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
}
_TRUSTED: Final = frozenset(f"{module}.{name}" for module, names in _PARTS.items() for name in names.split()) | {
    f"{kind.__module__}.{kind.__name__}" for kind in np.sctypeDict.values() if kind.__module__ == "numpy"
}
"""What skops trusts of itself, beside the estimators of scikit-learn and functions of NumPy and SciPy."""

_DOUBTFUL: Final = ("builtins.", "numpy.", "scipy.", "sklearn.")
"""How the names of what skops trusts of itself begin."""

_NOT_WALKED: Final = frozenset({"tests", "externals", "setup", "conftest", "experimental", "estimator_checks"})
"""Where `sklearn.utils.all_estimators` does not look."""

_lock = threading.Lock()
_alone: list[ModuleType | None] = []


def dump(model: Any, file: Path, known: AbstractSet[str]) -> list[str]:
    """Write a skops file.

    Args:
        model: What to write.
        file: Where to.
        known: Types that the caller trusts whatever skops says.

    Returns:
        The types in it that skops does not trust of itself, as `skops.io.get_untrusted_types` has them.

    Raises:
        Exception: whatever skops raises when it cannot keep the model. Its own `UnsupportedTypeException` may be of the
            class that is ours alone: tell it by its name.
    """
    skops_io = _ours() or whole()
    skops_io.dump(model, file)
    found = set(skops_io.get_untrusted_types(file=file))
    if skops_io is not sys.modules.get("skops.io"):
        found = {name for name in found - _TRUSTED if not _is_estimator(name)}
        if any(name.startswith(_DOUBTFUL) for name in found - known):
            found = set(whole().get_untrusted_types(file=file))
    return sorted(found)


def reader(file: Path, known: AbstractSet[str]) -> tuple[Any, list[str], list[str]]:
    """What reads a file: `skops.io`, the types that it has to be told to trust, and those of them that are not known.

    It is the shortened one if nothing in the file is in doubt: every type in it is known to the caller, or one that the
    whole one would trust.

    Args:
        file: A skops file; not trusted.
        known: Types that the caller trusts whatever skops says.

    Raises:
        Exception: whatever skops raises for a file that does not decode.
    """
    ours = _ours()
    if ours is not None:
        found = set(ours.get_untrusted_types(file=file))
        if all(name in known or name in _TRUSTED or _is_public(name) for name in found):
            return ours, sorted(found), []
    skops_io = whole()
    asked = skops_io.get_untrusted_types(file=file)
    return skops_io, sorted(asked), sorted(set(asked) - known)


def prepare() -> None:
    """Import what `reader` needs."""
    _ours()


def _is_public(name: str) -> bool:
    """Whether a name in a file is one of scikit-learn's estimators, as skops would find them by its walk."""
    module, _, attribute = name.rpartition(".")
    parts = module.split(".")
    if parts[0] != "sklearn" or _NOT_WALKED.intersection(parts) or not all(part.isidentifier() for part in parts):
        return False
    public = ".".join(itertools.takewhile(lambda part: not part.startswith("_"), parts))
    try:
        offered = getattr(importlib.import_module(public), attribute, None)
    except ImportError:
        return False
    return offered is not None and offered.__module__ == module and _is_estimator(name)


def whole() -> Any:
    """`skops.io` as everybody has it, imported without the PyTorch that it does not need.

    Its walk over scikit-learn imports the adapters for PyTorch and others, hence PyTorch. The adapters hold no
    estimators; without them skops finds the same types.
    """
    if "torch" in sys.modules or "skops.io" in sys.modules:
        return importlib.import_module("skops.io")
    with optional.hidden(*(f"sklearn.externals.array_api_compat.{name}" for name in ("torch", "cupy", "dask"))):
        return importlib.import_module("skops.io")


def _is_estimator(name: str) -> bool:
    """Whether skops would have found it among scikit-learn's estimators."""
    module, _, attribute = name.rpartition(".")
    kind = getattr(sys.modules.get(module), attribute, None)
    return (
        module.startswith("sklearn.")
        and isinstance(kind, type)
        and issubclass(kind, BaseEstimator)
        and not attribute.startswith("_")
        and not inspect.isabstract(kind)
    )


def _ours() -> ModuleType | None:
    """`skops.io` without its lists; None if somebody imported the whole one, or its version is not known."""
    if "skops.io" in sys.modules or not skops.__version__.startswith(KNOWN):
        return None
    with _lock:
        if not _alone:
            try:
                _alone.append(_imported_alone())
            except (ImportError, AttributeError):
                _alone.append(None)
        return _alone[0]


def _imported_alone() -> ModuleType:
    """Import skops with empty lists, and leave no trace of it among the imported modules.

    A thread that imports skops for the first time in these few milliseconds may get empty lists too: skops then trusts
    too little, never too much.
    """
    lists = ModuleType(_LISTS)
    for name in _LIST_NAMES:
        setattr(lists, name, [])
    theirs = _taken_out()
    sys.modules[_LISTS] = lists
    try:
        ours = importlib.import_module("skops.io")
        # indenting the schema costs as much as all the rest of writing a forest, and doubles its size
        sys.modules["skops.io._persist"].json = SimpleNamespace(  # type: ignore[attr-defined]
            loads=json.loads,
            dumps=lambda value, indent: json.dumps(value),  # noqa: ARG005
        )
        return ours
    finally:
        _taken_out()
        sys.modules.update(theirs)


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == "skops" or name.startswith("skops.")]
    return {name: sys.modules.pop(name) for name in names}
