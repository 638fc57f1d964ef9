"""The benchmark's models and requests: made once, in plain files for the peers and saved by modelyard for its server.

================  ==================================================================================================
`forest`          scikit-learn, 100 trees on the wine data; ours takes named columns
`forest-tensor`   the same estimator, saved with a signature of one tensor (-1, 13)
`boosting`        scikit-learn's HistGradientBoosting, about 2 ms a prediction
`onnx`            the forest as a graph of ONNX
`text`            the PyTorch text classifier of `text.py`
`noop`            answers each row with its first number
================  ==================================================================================================
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
MODELS = ("forest", "text", "onnx", "noop")
VOCABULARY = 4000


def rows(count: int, seed: int = 0) -> list[list[float]]:
    """Wines between those that were measured, the first of them one of those."""
    from sklearn.datasets import load_wine

    data, _ = load_wine(return_X_y=True)
    chance = np.random.default_rng(seed)
    picked, other = data[chance.integers(len(data), size=(2, count))]
    mixed = picked + (other - picked) * chance.random((count, 1)) * 0.5
    found: list[list[float]] = np.round(mixed, 4).tolist()
    return found


def texts(count: int, seed: int = 0, words: int = 30) -> list[str]:
    """Texts of so many words."""
    chance = random.Random(seed)
    return [" ".join(f"word{chance.randrange(VOCABULARY)}" for _ in range(words)) for _ in range(count)]


def columns() -> list[str]:
    """Names of the wine data's."""
    from sklearn.datasets import load_wine

    return [str(each) for each in load_wine().feature_names]


def inputs(model: str, count: int, seed: int = 0) -> list[Any]:
    """So many rows of a model's input."""
    return texts(count, seed) if model == "text" else rows(count, seed)


def natural(model: str, data: list[Any]) -> bytes:
    """A request in our server's natural JSON: one row alone, more as a list."""
    if model == "text":
        found: list[Any] = [{"text": each} for each in data]
    elif model in ("forest", "boosting"):
        names = columns()
        found = [dict(zip(names, each, strict=True)) for each in data]
    else:
        found = data
    return json.dumps(found[0] if len(found) == 1 else found).encode()


def build(folder: Path) -> None:
    """Make all models: `files/` for the peers, `saved/NAME` by modelyard."""
    if (folder / "done").exists():
        return
    files, saved = folder / "files", folder / "saved"
    files.mkdir(parents=True, exist_ok=True)
    saved.mkdir(exist_ok=True)
    import joblib
    import onnx
    import pandas as pd
    from skl2onnx import to_onnx
    from sklearn.datasets import load_wine
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    sys.path.insert(0, str(HERE))
    import text
    import wrapped

    from modelyard.packaging import model as packaging
    from modelyard.packaging.schema import ColSpec, DataType, Schema, TensorSpec
    from modelyard.packaging.signature import ModelSignature

    data, target = load_wine(return_X_y=True)
    example = np.array(rows(3))
    frame = pd.DataFrame(example, columns=columns())
    tensor = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float64"), (-1, 13))]),
        outputs=Schema([TensorSpec(np.dtype("int64"), (-1,))]),
    )

    forest = RandomForestClassifier(100, random_state=0).fit(data, target)
    joblib.dump(forest, files / "forest.joblib")
    graph = to_onnx(forest, data[:1].astype(np.float32), options={"zipmap": False})
    onnx.save_model(graph, files / "onnx.onnx")
    chance = np.random.default_rng(0)
    np.savez(
        files / "text.npz",
        embedding=(chance.standard_normal((text.ROWS, text.SIZE)) / text.SIZE).astype(np.float32),
        linear=chance.standard_normal(text.SIZE).astype(np.float32),
        bias=np.zeros(1, dtype=np.float32),
    )

    named = RandomForestClassifier(100, random_state=0).fit(pd.DataFrame(data, columns=columns()), target)
    boosting = HistGradientBoostingClassifier(random_state=0).fit(pd.DataFrame(data, columns=columns()), target)
    packaging.save(named, saved / "forest", flavor="sklearn", input_example=frame, golden=True)
    packaging.save(
        forest, saved / "forest-tensor", flavor="sklearn", input_example=example, signature=tensor, golden=True
    )
    packaging.save(boosting, saved / "boosting", flavor="sklearn", input_example=frame, golden=True)
    packaging.save(graph, saved / "onnx", flavor="onnx", input_example=example.astype(np.float32), golden=True)
    packaging.save(
        wrapped.TextModel(), saved / "text", flavor="python_function",
        artifacts={"weights": str(files / "text.npz")}, code_paths=[HERE / "text.py", HERE / "wrapped.py"],
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.string, "text")]),
            outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "score")]),
        ),
        input_example=pd.DataFrame({"text": texts(3)}), golden=True,
    )  # fmt: skip
    packaging.save(
        wrapped.Nothing(), saved / "noop", flavor="python_function", code_paths=[HERE / "wrapped.py"],
        signature=ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("float64"), (-1, 13))]),
            outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))]),
        ),
        input_example=example, golden=True,
    )  # fmt: skip
    (folder / "done").touch()
