"""A model as an ONNX graph beside itself, which answers the same and much sooner.

`modelyard/onnx/model.onnx` is the graph, `modelyard/onnx.json` says what it was made from and how far its answers are
from the model's. A graph is kept only if the golden answers (or those to the input example) and those to further rows
agree; the file says why not, too. The model itself stays what it was, and stock MLflow sees nothing of this.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from modelyard import optional
from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.manifest import Model

GRAPH: Final = "modelyard/onnx/model.onnx"
FILE: Final = "modelyard/onnx.json"
ONNX: Final = "onnx"

_LEAVES: Final = {"sklearn": "modelyard.packaging.sklearn_onnx"}
"""Flavor → the leaf that converts its models: `candidates(function)` and `compared(function, converted)`."""
RUNNER: Final = "modelyard.packaging.flavors.onnx_graph"

_logger = logging.getLogger("modelyard")


class Refused(Exception):
    """The model stays as it is; the text says why."""


def convert(function: LoadedFunction, wanted: str, flavor: str) -> bool:
    """Try to put a graph beside a model that is being saved. What goes wrong is logged, and stops nothing.

    Args:
        function: the model, and the directory that it is being saved to, golden tests and example included.
        wanted: `onnx`; there is no other.
        flavor: the model's.

    Returns:
        Whether there is a graph now.

    Raises:
        InvalidArgument: something else is wanted.
    """
    if wanted != ONNX:
        raise InvalidArgument(f"convert is 'onnx' or None, not {wanted!r}.")
    told: dict[str, Any] = {"flavor": flavor, "accepted": False}
    try:
        told |= _accepted(function, flavor)
    except Refused as fault:
        _logger.warning("The model is saved as it is, without an ONNX graph: %s", fault)
        told |= {"reason": str(fault)}
    place = function.path / FILE
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return bool(told["accepted"])


def _accepted(function: LoadedFunction, flavor: str) -> dict[str, Any]:
    """Write the first graph that agrees with the model, and describe it."""
    leaf = _leaf(flavor)
    target, refused = function.path / GRAPH, list[str]()
    target.parent.mkdir(parents=True, exist_ok=True)
    for graph, told in leaf.candidates(function):
        target.write_bytes(graph)
        try:
            converted = _function(function.path, function.metadata, told, lambda: function.predict_checked)
            return {**told, **leaf.compared(function, converted), "accepted": True}
        except (Refused, DataCorrupted) as fault:
            refused.append(str(fault))
    target.unlink(missing_ok=True)
    target.parent.rmdir()
    raise Refused(refused[0])  # of the graph that is nearest to the model


def _leaf(flavor: str) -> Any:
    if flavor not in _LEAVES:
        raise Refused(f"models of the flavor {flavor!r} are not converted, only those of {', '.join(_LEAVES)}.")
    try:
        return optional.load(_LEAVES[flavor], to="convert models to ONNX")
    except ImportError as missing:
        raise Refused(
            f"{missing.name!r} is not installed. Run: pip install 'modelyard[convert]' to convert models."
        ) from None


def load(folder: Path, manifest: Model, original: Callable[[], LoadedFunction]) -> LoadedFunction | None:
    """The graph of a model as a function with the model's inputs and outputs; None if it has none.

    Args:
        folder: the model's directory.
        manifest: its manifest.
        original: loads the model itself, for what a graph cannot answer: missing and infinite values.

    Raises:
        DataCorrupted: there is one, and it does not load.
        MissingExtraError: ONNX Runtime is not installed.
    """
    told = read(folder)
    if not told.get("accepted"):
        return None
    return _function(folder, manifest, told, lambda: original().predict_checked)


def _function(folder: Path, manifest: Model, told: Mapping[str, Any], original: Callable[[], Any]) -> LoadedFunction:
    graph = optional.load(RUNNER, to="run ONNX models").Graph(folder / GRAPH, told, original)
    return LoadedFunction(manifest, graph, graph.predict, folder)


def read(folder: Path) -> dict[str, Any]:
    """What is known of a model's conversion; empty if nobody tried.

    Raises:
        DataCorrupted: the file does not decode.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as fault:
        raise DataCorrupted(f"'{folder / FILE}' does not decode: {fault}") from None
    if not isinstance(content, dict):
        raise DataCorrupted(f"'{folder / FILE}' does not decode: an object was expected.")
    return content
