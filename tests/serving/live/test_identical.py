"""Answers are the same bytes, whoever else asks at the same time; and what the model answers in process."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.packaging import model as models
from modelyard.packaging.schema import TensorSpec
from modelyard.packaging.signature import ModelSignature, Schema
from modelyard.pyfunc import PythonModel
from tests.serving.live.process import ModelServer, serving

REQUESTS, CALLERS = 200, 16


class First(PythonModel):
    def predict(self, data: Any, params: Any = None) -> Any:
        return data[:, 0]


class Words(PythonModel):
    """A text classifier as small as they come: the mean of its words' weights, in torch."""

    def predict(self, data: Any, params: Any = None) -> Any:
        import zlib

        import torch

        weights = torch.nn.Embedding(100, 8, _weight=torch.linspace(-1, 1, 800).reshape(100, 8) ** 3)
        rows = [torch.tensor([zlib.crc32(word.encode()) % 100 for word in text.split()]) for text in data["text"]]
        with torch.inference_mode():
            scores = [float(torch.sigmoid(weights(each).mean(0).sum())) for each in rows]
        return {"label": ["good" if each > 0.5 else "bad" for each in scores], "score": scores}


def _forest(path: Path) -> list[tuple[Any, Any]]:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    frame, target = load_wine(return_X_y=True, as_frame=True)
    forest = RandomForestClassifier(20, random_state=0).fit(frame, target)
    models.save(forest, path, flavor="sklearn", input_example=frame[:3], predict_fn="predict_proba")
    return [(row, frame.iloc[[at]]) for at, row in enumerate(frame.to_dict(orient="records"))]


def _onnx(path: Path) -> list[tuple[Any, Any]]:
    pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    data, target = load_wine(return_X_y=True)
    data = data.astype(np.float32)
    forest = RandomForestClassifier(20, random_state=0).fit(data, target)
    graph = to_onnx(forest, data[:1], options={"zipmap": False})
    models.save(graph, path, flavor="onnx", input_example=data[:3])
    return [(row.tolist(), row[None]) for row in data]


def _text(path: Path) -> list[tuple[Any, Any]]:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    import pandas as pd

    chance = random.Random(0)
    said = [" ".join(f"w{chance.randrange(300)}" for _ in range(chance.randint(1, 30))) for _ in range(100)]
    models.save(Words(), path, flavor="python_function", input_example=pd.DataFrame({"text": said[:3]}))
    return [({"text": each}, pd.DataFrame({"text": [each]})) for each in said]


def _nothing(path: Path) -> list[tuple[Any, Any]]:
    import numpy as np

    double = np.dtype("float64")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(double, (-1, 3))]), outputs=Schema([TensorSpec(double, (-1,))])
    )
    models.save(First(), path, flavor="python_function", signature=signature, input_example=np.ones((2, 3)))
    data = np.random.default_rng(0).standard_normal((100, 3))
    return [(row.tolist(), row[None]) for row in data]


def _answer(function: models.LoadedFunction, given: Any) -> Any:
    """What the model answers to a row, as JSON has it."""
    import numpy as np

    answer = function.predict(given)
    if isinstance(answer, dict):
        return {name: np.asarray(each).tolist()[0] for name, each in answer.items()}
    return np.asarray(answer).tolist()[0]


def _ask(server: ModelServer, name: str, bodies: list[bytes], callers: int) -> list[bytes]:
    """The answers to all of them, from so many callers at once."""
    found = [b""] * len(bodies)
    numbers = itertools.count()

    def call() -> None:
        connection = http.client.HTTPConnection(server.host, int(server.port), timeout=60)
        while (at := next(numbers)) < len(bodies):
            connection.request("POST", f"/models/{name}/predict", bodies[at], {"content-type": "application/json"})
            found[at] = connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _frames(server: ModelServer, name: str) -> float:
    """How many times a process was given requests for this model."""
    _, _, metrics = server.ask("GET", "/metrics")
    found = re.search(rf'^modelyard_batch_requests_count\{{.*"{name}".*\}} (\S+)$', metrics.decode(), re.MULTILINE)
    assert found
    return float(found.group(1))


MAKERS = {"forest": _forest, "onnx": _onnx, "text": _text, "noop": _nothing}
Rows = dict[str, list[tuple[Any, Any]]]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> tuple[Path, Rows]:
    """The models that can be made here, and rows for each: as JSON, and as the model takes them."""
    path: Path = tmp_path_factory.mktemp("identical")
    rows: Rows = {}
    for name, make in MAKERS.items():
        with contextlib.suppress(pytest.skip.Exception):
            rows[name] = make(path / name)
    return path, rows


@pytest.fixture(scope="module")
def servers(shelf) -> Iterator[tuple[ModelServer, ModelServer]]:
    """One that puts requests together, and one that does not."""
    path, rows = shelf
    saved = [path / name for name in rows]
    with serving(*saved, ready=False) as together, serving(*saved, "--batching", "off") as alone:
        together.wait_ready()
        yield together, alone


@pytest.mark.parametrize("name", MAKERS)
def test_answers_are_the_same_bytes_together_and_alone_and_as_in_process(name, shelf, servers, monkeypatch):
    path, rows = shelf
    if name not in rows:
        pytest.skip("its library is not installed")
    chance = random.Random(1)
    asked = [chance.sample(rows[name], chance.choice((2, 3, 7)) if at % 5 == 4 else 1) for at in range(REQUESTS)]
    bodies = [json.dumps([row for row, _ in each] if len(each) > 1 else each[0][0]).encode() for each in asked]
    # with several threads, ONNX Runtime adds up the trees of a forest in another order; a server's processes have one
    monkeypatch.setenv("MODELYARD_MODEL_THREADS", "1")
    function = models.load_function(path / name)

    batching, plain = servers
    alone = _ask(plain, name, bodies, 1)
    sent = 0
    while sent == 0 or _frames(batching, name) == sent:  # until some of them met
        assert sent < 20 * REQUESTS, "no two requests were ever put together"
        assert _ask(batching, name, bodies, CALLERS) == alone
        sent += REQUESTS

    for each, body in zip(asked, alone, strict=True):
        expected = [_answer(function, given) for _, given in each]
        assert json.loads(body) == (expected if len(each) > 1 else expected[0])
