"""What was served last, kept beside the downloaded models: from this a server starts while the registry is away.

::

    <cache>/served/<key>/<key of the name>.json     one model; `key` is a hash of registry and source
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from modelyard.client import cache

from .rounds import Found

_FOLDER: Final = "served"


def _folder(registry: str, source: str) -> Path:
    return cache.directory() / _FOLDER / _hash(registry, source)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


def keep(registry: str, source: str, model: Found) -> None:
    """Remember a model that is served; in one step, so that nobody reads half of it. Nothing if the disk refuses.

    Args:
        registry: the registry's URI.
        source: what the model was asked for by.
        model: it.
    """
    folder = _folder(registry, source)
    file = folder / f"{_hash(model.name)}.json"
    part = file.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_text(json.dumps({"registry": registry, **asdict(model)}, indent=1), encoding="utf-8")
        part.replace(file)


def forget(registry: str, source: str, names: Iterable[str]) -> None:
    """Forget models that are not served any more."""
    folder = _folder(registry, source)
    with contextlib.suppress(OSError):
        for name in names:
            (folder / f"{_hash(name)}.json").unlink(missing_ok=True)


def read(registry: str, source: str) -> list[Found]:
    """What was served last, by name; nothing if nothing is remembered. What does not decode is left out."""
    models = []
    for file in _folder(registry, source).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            models.append(_decoded(json.loads(file.read_text(encoding="utf-8"))))
    return sorted(models, key=lambda model: model.name)


def _decoded(told: Any) -> Found:
    kinds = {"tags": dict, "created_ms": int, "digest": (str, type(None))}
    values = {each.name: told[each.name] for each in fields(Found)}
    if not all(isinstance(value, kinds.get(name, str)) for name, value in values.items()):  # type: ignore[arg-type]
        raise TypeError
    return Found(**values)
