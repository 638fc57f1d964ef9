"""The models of the benchmark that are classes, as modelyard saves them."""

from __future__ import annotations

from typing import Any

from modelyard.pyfunc import PythonModel, PythonModelContext


class TextModel(PythonModel):
    """The text classifier."""

    def load(self, context: PythonModelContext) -> None:
        """Read the weights."""
        from text import Text

        self.classify = Text(context.artifacts["weights"])

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Label and score of each text."""
        labels, scores = self.classify(list(data["text"]))
        return {"label": labels, "score": scores}


class Nothing(PythonModel):
    """Answers with what is there already."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The first column."""
        return data[:, 0]
