"""A model of a user's own, in a module of its own, as it travels with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelyard.pyfunc import PythonModel


class Weighted(PythonModel):
    """Reads a file that comes with it."""

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def load(self, context: Any) -> None:
        self.weight = float(Path(context.artifacts["weight"]).read_text())

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return data * self.weight + self.offset
