"""A model that does what its input says, good or bad, and a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from tests.serving.live.process import ModelServer, serving


class Moody(PythonModel):
    """Answers a text in capitals, or dies, raises, hangs, prints, forgets rows, or takes its time."""

    def predict(self, data: Any, params: Any = None) -> Any:
        import os
        import time

        said = []
        for text in data["mood"].tolist():
            if text == "die":
                os.kill(os.getpid(), 9)
            if text == "raise":
                raise RuntimeError("a bad day")
            if text == "leave":
                raise SystemExit(3)
            if text == "hang":
                time.sleep(3600)
            if text == "print":
                print("printed by the model", flush=True)
                os.write(1, b"written by the model\n")
            if text.startswith("sleep "):
                time.sleep(float(text[6:]))
            said.append(text.upper())
        return said if "forget" not in data["mood"].tolist() else said[:-1]


@pytest.fixture(scope="session")
def moody(tmp_path_factory) -> Path:
    import pandas as pd

    path: Path = tmp_path_factory.mktemp("models") / "moody"
    example = pd.DataFrame({"mood": ["fine", "so so"]})
    models.save(Moody(), path, flavor="python_function", input_example=example, golden=True)
    return path


@pytest.fixture(scope="module")
def moody_server(moody) -> Iterator[ModelServer]:
    with serving(moody) as server:
        yield server
