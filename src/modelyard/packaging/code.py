"""The user's own code: copied into a model, and made importable where the model is loaded."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import types
from importlib import machinery
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
    forgotten = [
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in names and _of_another_model(name, module, folder)
    ]
    for name in forgotten:
        del sys.modules[name]
    _added.add(text)
    if _finder not in sys.path_hooks:
        sys.path_hooks.insert(0, _finder)
    inside = text + os.sep
    for each in [each for each in sys.path_importer_cache if each == text or each.startswith(inside)]:
        del sys.path_importer_cache[each]
    if text in sys.path:
        sys.path.remove(text)
    sys.path.insert(0, text)
    importlib.invalidate_caches()


class _FromSource(machinery.SourceFileLoader):
    """Reads no bytecode, which no digest covers, and leaves none in the model."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _finder(path: str) -> machinery.FileFinder:
    """Python's hook for the folders that modules come from: ours are those of models."""
    if not any(path == each or path.startswith(each + os.sep) for each in _added):
        raise ImportError(path)
    return machinery.FileFinder(
        path,
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (_FromSource, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )


def _of_another_model(name: str, module: object, folder: Path) -> bool:
    """Whether a module came from another model's code, and stands in the way of one in the folder."""
    file = getattr(module, "__file__", None)
    if file:
        places = [file]
    else:  # a package without __init__.py finds what is in all of its folders, and new ones first
        if not folder.joinpath(*name.split("."), "__init__.py").is_file():
            return False
        places = list(getattr(module, "__path__", ()))
    others = [each for each in map(Path, places) if folder not in (each, *each.parents)]
    return bool(others) and not any(_added.isdisjoint(map(str, (each, *each.parents))) for each in others)


_added: set[str] = set()
"""Code folders of models that were loaded in this process."""
