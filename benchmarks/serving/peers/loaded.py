"""A model of the benchmark in a peer's process: a function from rows, or texts, to their answers."""

import os
import sys
from pathlib import Path

MODEL = os.environ.get("BENCH_MODEL", "noop")
FILES = Path(os.environ.get("BENCH_FILES", "."))


def load(model: str = MODEL, files: Path = FILES):
    """Load the model; what comes back takes a list or an array of rows (of texts: a list)."""
    if model == "forest":
        import joblib
        import numpy as np

        forest = joblib.load(files / "forest.joblib")
        return lambda rows: forest.predict(np.asarray(rows)).tolist()
    if model == "onnx":
        import numpy as np
        import onnxruntime

        session = onnxruntime.InferenceSession(str(files / "onnx.onnx"), providers=["CPUExecutionProvider"])
        answer, given = session.get_outputs()[0].name, session.get_inputs()[0].name
        return lambda rows: session.run([answer], {given: np.asarray(rows, dtype=np.float32)})[0].tolist()
    if model == "text":
        sys.path.append(str(Path(__file__).parents[1]))
        from text import Text

        text = Text(files / "text.npz")
        return lambda rows: [{"label": label, "score": score} for label, score in zip(*text(rows), strict=True)]
    return lambda rows: [float(row[0]) for row in rows]
