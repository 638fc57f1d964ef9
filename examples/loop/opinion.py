"""A review classifier that travels with its word lists: text and language in, label and score out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from modelyard.pyfunc import PythonModel, PythonModelContext


class Opinion(PythonModel):
    """Whether a review is positive, by the weights of its words."""

    def load(self, context: PythonModelContext) -> None:
        """Read the weights: language → word → weight."""
        self.weights = json.loads(Path(context.artifacts["weights"]).read_text(encoding="utf-8"))

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Label and score, from 0 to 1, of each text.

        Raises:
            ValueError: there are no weights of a language.
        """
        scores = [self.score(text, language) for text, language in zip(data["text"], data["language"], strict=True)]
        return {"label": ["positive" if each >= 0.5 else "negative" for each in scores], "score": scores}

    def score(self, text: str, language: str) -> float:
        """How positive one text is."""
        if language not in self.weights:
            raise ValueError(f"There is no word list for {language!r}.")
        weights = self.weights[language]
        total = weights.get("", 0.0) + sum(weights.get(word.strip(".,!"), 0.0) for word in text.lower().split())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
