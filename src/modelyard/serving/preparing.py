"""What a worker imports before it is told what to load: loading itself, and the libraries that its model will want.

Nothing of the model's own is run, and its files are not believed: nobody has verified them yet. What goes wrong here is
found again, and said, when the model is loaded.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
from pathlib import Path
from typing import Final

_ALWAYS: Final = ("loading", "plan", "tuning.tuners")


def prepare(folder: str, *, graphs: bool) -> None:
    """Import ahead.

    Args:
        folder: the model's directory; empty if that is not known.
        graphs: whether a model is answered by its ONNX graph, if it has one.
    """
    gc.disable()  # what is imported stays; looking for what does not takes a tenth of the time
    for name in _ALWAYS:
        importlib.import_module(f"modelyard.serving.{name}")
    if folder:
        with contextlib.suppress(Exception):
            _prepare_for(Path(folder), graphs=graphs)
    gc.freeze()
    gc.enable()


def _prepare_for(folder: Path, *, graphs: bool) -> None:
    from modelyard.packaging import conversion
    from modelyard.packaging.flavors.base import FLAVORS, PYTHON_FUNCTION
    from modelyard.packaging.manifest import Model
    from modelyard.packaging.model import maker
    from modelyard.serving.postponed import postponed
    from modelyard.serving.tuning.tuners import TUNERS

    manifest = Model.read(folder)
    flavor = maker(manifest, manifest.flavors[PYTHON_FUNCTION])
    if graphs and conversion.read(folder).get("accepted"):
        wanted = [conversion.RUNNER]
    elif flavor == PYTHON_FUNCTION:  # a class of the user's own: its imports run where it is loaded
        wanted = [FLAVORS[flavor]]
    else:
        wanted = [FLAVORS[flavor], *(TUNERS[name] for name in (flavor, *_ALIKE.get(flavor, ())) if name in TUNERS)]
    if manifest.takes_columns:
        wanted.insert(0, "pandas")
    with postponed("scipy.stats"):  # a quarter of what scikit-learn imports; few models ever call it
        for name in wanted:
            with contextlib.suppress(ImportError):
                leaf = importlib.import_module(name)
                if hasattr(leaf, "prepare"):
                    leaf.prepare(manifest.flavors[flavor])


_ALIKE: Final = {"pytorch": ("torch",)}
"""A flavor → the packages that its tuner is kept under, where they are called otherwise."""
