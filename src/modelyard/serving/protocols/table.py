"""Which protocols a model speaks."""

from __future__ import annotations

from modelyard.packaging.manifest import Model
from modelyard.serving.calls import INVOCATIONS, NATURAL, OPEN_INFERENCE, Wire

from .invocations import Invocations
from .natural import Natural
from .open_inference import OpenInference


def wires(metadata: Model, *, name: str, version: str, unknown_columns: str = "refuse") -> dict[int, Wire]:
    """A model's protocols by their numbers.

    Args:
        metadata: of the model.
        name: as people know it.
        version: likewise.
        unknown_columns: `refuse` or `ignore`.
    """
    lenient = unknown_columns == "ignore"
    return {
        NATURAL: Natural(metadata, lenient=lenient),
        INVOCATIONS: Invocations(metadata, lenient=lenient),
        OPEN_INFERENCE: OpenInference(metadata, name=name, version=version, lenient=lenient),
    }
