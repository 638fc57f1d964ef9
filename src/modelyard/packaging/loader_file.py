"""Puts the self-contained loader, and what it has to know, into a model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from modelyard.packaging import code, loader

MODULE: Final = "modelyard_loader_1"
"""The `loader_module` of our models. The number changes when old folders would not load with a new loader: MLflow keeps
the first module of a name for all models of a process."""


def write(folder: Path, description: dict[str, Any]) -> str:
    """Write loader and description into the model's folder; returns the `loader_module`."""
    place = folder / code.FOLDER
    place.mkdir(exist_ok=True)
    (place / f"{MODULE}.py").write_text(Path(loader.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    target = folder / loader.DESCRIPTION
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(description, indent=1, ensure_ascii=False), encoding="utf-8")
    return MODULE
