"""The user's own code: copied into a model, and made importable where the model is loaded."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument

FOLDER: Final = "code"
"""Folder of a model which is put on Python's path; MLflow's name."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".venv", ".ipynb_checkpoints", "mlruns")


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder of code into the folder `target`, under its own name.

    Raises:
        InvalidArgument: there is nothing, or the name is taken.
    """
    source = source.resolve()
    if not source.exists():
        raise InvalidArgument(f"code_paths: there is no '{source}'.")
    place = target / source.name
    if place.exists():
        raise InvalidArgument(f"code_paths: two of them are called '{source.name}'.")
    target.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, ignore=_LEFT_OUT)
    else:
        shutil.copy2(source, place)


def contained(folder: Path, name: str) -> Path:
    """A path that a manifest names, within its model.

    Raises:
        DataCorrupted: it leads out of the model.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataCorrupted(f"The MLmodel file names '{name}', which lies outside the model.")
    return path


def add(folder: Path) -> None:
    """Make the modules in a model's code folder importable, for the rest of this process.

    Modules of the same names that came from another model's code are forgotten first, so that two models may each have
    their `preprocess.py`. Objects of the first keep what they have.
    """
    text = str(folder)
    names = (
        {path.stem if path.suffix == ".py" else path.name for path in folder.iterdir()} if folder.is_dir() else set()
    )
    for name, module in list(sys.modules.items()):
        home = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if not home or name.partition(".")[0] not in names or Path(home).is_relative_to(folder):
            continue
        if any(Path(home).is_relative_to(each) for each in _added):
            del sys.modules[name]
    _added.add(text)
    if text in sys.path:
        sys.path.remove(text)
    sys.path.insert(0, text)
    importlib.invalidate_caches()


_added: set[str] = set()
"""Code folders of models that were loaded in this process."""
