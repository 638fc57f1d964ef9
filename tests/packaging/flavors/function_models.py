"""Models of a user's own, in a module of their own, as they travel with the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modelyard.pyfunc import PythonModel

STOP = ("the", "a")


def tokens(text: str) -> list[str]:
    """What the class below refers to comes along."""
    return [word for word in text.lower().split() if word not in STOP]


class Sentiment(PythonModel):
    """Text in, an answer out: a tokeniser, an embedding table in a file, a threshold."""

    def __init__(self, threshold: float, labels: tuple[str, str] = ("neg", "pos")) -> None:
        self.threshold = threshold
        self.labels = labels

    def load(self, context: Any) -> None:
        self.table = json.loads(Path(context.artifacts["table"]).read_text(encoding="utf-8"))
        self.extra = context.model_config.get("extra", 0.0)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        texts = data["text"] if isinstance(data, pd.DataFrame) else [data] if isinstance(data, str) else data
        threshold = (params or {}).get("threshold", self.threshold)
        scores = [sum(self.table.get(word, 0.0) for word in tokens(text)) + self.extra for text in texts]
        return [self.labels[bool(score > threshold)] for score in scores]


class Shaped(PythonModel):
    """MLflow's shape."""

    def load_context(self, context: Any) -> None:
        self.weights = np.load(context.artifacts["weights"])

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        assert set(context.artifacts) == {"weights"}
        return np.asarray(model_input) @ self.weights * (params or {}).get("factor", 1)


class Plain:
    """No base class, no load, no params."""

    def predict(self, data: Any) -> Any:
        return np.asarray(data).sum(axis=1)


class Kept(PythonModel):
    """What an instance was given comes back."""

    def __init__(self) -> None:
        self.kept: Any = {"a": [1, (2, None)], "b": {"c": True}}

    def predict(self, data: Any) -> Any:
        return [self.kept] * len(data)


class Reader(PythonModel):
    """Reads one file of each of its artifacts."""

    def load(self, context: Any) -> None:
        self.found = {
            name: (Path(path) / "word.txt" if Path(path).is_dir() else Path(path)).read_text()
            for name, path in context.artifacts.items()
        }

    def predict(self, data: Any) -> Any:
        return self.found


class Mute(PythonModel):
    """Cannot predict."""
