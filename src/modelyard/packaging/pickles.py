"""What of a model is a pickle, found without loading it: its library need not be installed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import DataCorrupted, NotFound
from modelyard.packaging import code, loader, loader_file
from modelyard.packaging.flavors import python_function
from modelyard.packaging.flavors.base import PYTHON_FUNCTION
from modelyard.packaging.manifest import Model
from modelyard.packaging.model import maker


def needs_leave(path: str | Path) -> str:
    """What a model holds that is loaded as a python function only with `allow_pickle=True`.

    Args:
        path: The model's directory.

    Returns:
        The pickled file's name, or the foreign module that would load the model; empty if it needs no leave. A skops
        file with types of its own needs `trusted` instead, and is not looked into.

    Raises:
        NotFound: there is no model, or it cannot predict.
        DataCorrupted: its manifest does not decode.
    """
    folder, manifest = Path(path), Model.read(path)
    entry = manifest.flavors.get(PYTHON_FUNCTION)
    if entry is None:
        raise NotFound(
            f"The model in '{path}' has no python_function flavor, so it cannot predict; it has "
            f"{', '.join(manifest.flavors)}."
        )
    name = maker(manifest, entry)
    config = manifest.flavors[name]
    if name == "sklearn":  # before MLflow 1.30 or so nothing said the format, which was pickle
        return _unless_skops(config, "pickle", "pickled_model", "model.pkl")
    if name == "lightgbm" and not str(config.get("model_class", "lightgbm.basic.Booster")).endswith(".Booster"):
        return _unless_skops(config, "cloudpickle", "data", "model.pkl")
    if name == "pytorch":
        return _pickled_module(code.contained(folder, str(config.get("model_data") or "data")))
    return _of_class(folder, config) if name == PYTHON_FUNCTION else ""


def _unless_skops(config: Mapping[str, Any], default: str, key: str, file: str) -> str:
    return "" if config.get("serialization_format", default) == "skops" else str(config.get(key, file))


def _pickled_module(data: Path) -> str:
    """PyTorch's own file, unless TorchScript wrote it."""
    file = data if data.is_file() else data / "model.pth"
    if not file.is_file():
        return ""
    try:
        with zipfile.ZipFile(file) as archive:
            if any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist()):
                return ""
    except zipfile.BadZipFile:
        pass  # of PyTorch before 1.6: a bare pickle
    return file.name


def _of_class(folder: Path, config: Mapping[str, Any]) -> str:
    module = str(config.get("loader_module", ""))
    if module == loader_file.MODULE:
        try:
            told = loader.describe(str(folder))
        except (OSError, ValueError) as fault:
            raise DataCorrupted(f"'{folder / loader.DESCRIPTION}' does not decode: {fault}") from None
        return str(told.get("file", "")) if told.get("kind") == "cloudpickle" else ""
    if module == "mlflow.pyfunc.model" and config.get("python_model"):
        return str(config["python_model"])
    return "" if python_function.brings_loader(folder, config) else f"the module {module}"
