"""A text classifier from a set of reviews that it makes itself to a model that can be served.

`python examples/reviews/train.py` trains it (a few seconds), logs it with its tokeniser, golden tests and an example,
registers it as `sentiment` and moves it to Production. Then `modelyard serve models:/sentiment/Production` answers
`{"text": "very good cafe"}`. With a directory as argument the model is only saved there: no server, no registry.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from corpus import Review, reviews
from safetensors.torch import save_file
from sentiment import ROWS, SIZE, Sentiment, Vocabulary, bags, logits, words

import modelyard
import modelyard.pyfunc
from modelyard.models import ModelSignature
from modelyard.types import ColSpec, DataType, Schema

COUNT = 4000
EPOCHS = 2
BATCH = 64
EXAMPLE = pd.DataFrame({"text": ["Very good cafe", "The soup was cold and the waiter rude.", "We sat by the door."]})
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, "text")]),
    outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "score")]),
)


def main() -> None:
    """Train, and log or save."""
    if len(sys.argv) > 1:
        save(Path(sys.argv[1]))
        return
    modelyard.set_experiment("reviews")
    with modelyard.start_run(run_name="embedding bag"), tempfile.TemporaryDirectory() as scratch:
        modelyard.log_params({"reviews": COUNT, "epochs": EPOCHS, "batch": BATCH, "rows": ROWS, "size": SIZE})
        files = write(Path(scratch), *train(logged=True))
        info = modelyard.pyfunc.log_model(name="model", registered_model_name="sentiment", **described(files))
    client = modelyard.MlflowClient()
    client.transition_model_version_stage("sentiment", str(info.registered_model_version), "Production")
    model = modelyard.pyfunc.load_model("models:/sentiment/Production")
    answers = model.predict(EXAMPLE)
    for text, label, score in zip(EXAMPLE["text"], answers["label"], answers["score"], strict=True):
        print(f"{label} {score:.3f}  {text}")


def save(folder: Path) -> None:
    """Train, and save the model into a new directory."""
    with tempfile.TemporaryDirectory() as scratch:
        modelyard.pyfunc.save_model(folder, **described(write(Path(scratch), *train())))


def described(files: dict[str, str]) -> dict[str, Any]:
    """What travels with the model."""
    return {
        "python_model": Sentiment,
        "artifacts": files,
        "signature": SIGNATURE,
        "input_example": EXAMPLE,
        "golden": True,
    }


def write(folder: Path, vocabulary: Vocabulary, weights: dict[str, torch.Tensor]) -> dict[str, str]:
    """Vocabulary and weights as files: name → path."""
    files = {"vocabulary": str(folder / "vocabulary.json"), "weights": str(folder / "weights.safetensors")}
    Path(files["vocabulary"]).write_text(json.dumps(vocabulary, indent=0), encoding="utf-8")
    save_file(weights, files["weights"])
    return files


def train(*, logged: bool = False) -> tuple[Vocabulary, dict[str, torch.Tensor]]:
    """The classifier, after `EPOCHS` over `COUNT` reviews. The same every time."""
    torch.set_num_threads(1)  # batches are small
    made = reviews(COUNT + COUNT // 4)
    seen, held_out = made[:COUNT], made[COUNT:]
    vocabulary = Vocabulary({word: row for row, word in enumerate(sorted({w for r in seen for w in words(r.text)}))})
    chance = torch.Generator().manual_seed(0)
    weights = {
        "embedding": torch.randn(ROWS, SIZE, generator=chance) / SIZE,
        "linear": torch.randn(SIZE, generator=chance) / SIZE**0.5,
        "bias": torch.zeros(1),
    }
    for tensor in weights.values():
        tensor.requires_grad_()
    optimizers = [  # of 20,000 rows a batch has seen a few hundred
        torch.optim.SparseAdam([weights["embedding"]], lr=0.02),
        torch.optim.Adam([weights["linear"], weights["bias"]], lr=0.02),
    ]
    for epoch in range(EPOCHS):
        total = 0.0
        order = torch.randperm(COUNT, generator=chance).tolist()
        for start in range(0, COUNT, BATCH):
            part = [seen[index] for index in order[start : start + BATCH]]
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss: Any = torch.nn.functional.binary_cross_entropy_with_logits(
                logits(*bags([r.text for r in part], vocabulary), weights),
                torch.tensor([float(r.good) for r in part]),
            )
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            total += loss.item() * len(part)
        if logged:
            right = accuracy(held_out, vocabulary, weights)
            modelyard.log_metrics({"loss": total / COUNT, "accuracy": right}, step=epoch)
            print(f"epoch {epoch}: loss {total / COUNT:.3f}, accuracy {right:.3f}")
    return vocabulary, {name: tensor.detach() for name, tensor in weights.items()}


def accuracy(given: list[Review], vocabulary: Vocabulary, weights: dict[str, torch.Tensor]) -> float:
    """The part of reviews that it is right about."""
    with torch.inference_mode():
        found = logits(*bags([each.text for each in given], vocabulary), weights) >= 0
    right = [answer is each.good for answer, each in zip(found.tolist(), given, strict=True)]
    return sum(right) / len(right)


if __name__ == "__main__":
    main()
