"""A text classifier that brings its tokeniser: text in, label and score out. This file travels with the model."""

from __future__ import annotations

import json
import string
import zlib
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from modelyard.pyfunc import PythonModel, PythonModelContext

ROWS = 20_000
"""Rows of the embedding. Words of the vocabulary have the first ones, all others share the rest."""

SIZE = 64
LABELS = ("negative", "positive")
_SPACES = str.maketrans(dict.fromkeys(string.punctuation, " "))


class Vocabulary(dict[str, int]):
    """Word → its row; a word that is not in it has one of the rows behind, always the same."""

    def __missing__(self, word: str) -> int:
        """The row of an unknown word; not kept, so that no client can make the vocabulary grow."""
        return len(self) + zlib.crc32(word.encode(errors="replace")) % (ROWS - len(self))


def words(text: str) -> list[str]:
    """A text's words; a text without any is one empty word."""
    return text.lower().translate(_SPACES).split() or [""]


def bags(texts: Iterable[str], vocabulary: Vocabulary) -> tuple[torch.Tensor, torch.Tensor]:
    """All texts at once: the rows of all their words, one after the other, and where each text begins."""
    rows, starts = array("q"), array("q")
    for text in texts:
        starts.append(len(rows))
        rows.extend(map(vocabulary.__getitem__, words(text)))
    return torch.frombuffer(rows, dtype=torch.int64), torch.frombuffer(starts, dtype=torch.int64)


def logits(rows: torch.Tensor, starts: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the network says: EmbeddingBag, then Linear.

    The product is summed row by row: `torch.nn.functional.linear` rounds otherwise for other numbers of texts, and a
    server that predicts for several requests at once must not answer otherwise.
    """
    mean = torch.nn.functional.embedding_bag(rows, weights["embedding"], starts, mode="mean", sparse=True)
    return (mean * weights["linear"]).sum(1) + weights["bias"]


class Sentiment(PythonModel):
    """Whether a review is positive."""

    def load(self, context: PythonModelContext) -> None:
        """Read vocabulary and weights."""
        self.vocabulary = Vocabulary(json.loads(Path(context.artifacts["vocabulary"]).read_text(encoding="utf-8")))
        self.weights = load_file(context.artifacts["weights"])

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Label and score, from 0 to 1, of each text in the column `text`."""
        with torch.inference_mode():
            found = logits(*bags(list(data["text"]), self.vocabulary), self.weights)
        scores = 1 / (1 + np.exp(-found.numpy().astype(np.float64)))
        return {"label": [LABELS[each] for each in (scores >= 0.5).tolist()], "score": scores}
