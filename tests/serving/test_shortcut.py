"""Arrays instead of frames: only where a library answers the same to them, to the last bit."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from modelyard.packaging import model as models
from modelyard.serving.calls import INVOCATIONS, NATURAL, Asked

from .conftest import servable, strictly


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(0)
    return pd.DataFrame(random.random((20, 3)), columns=["a", "b", "c"])


def _pipeline(frame):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, frame["a"] > frame["b"])


def _by_name(frame):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(ColumnTransformer([("kept", "passthrough", ["c", "a"])]), LinearRegression()).fit(
        frame, frame["a"]
    )


def _graph(frame):
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [0.1, 0.2, 0.3])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def _module(frame):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("make", "flavor", "short"),
    [
        (_pipeline, "sklearn", True), (_by_name, "sklearn", False), (_graph, "onnx", True), (_module, "pytorch", True),
    ],
)  # fmt: skip
def test_answers_are_those_in_process(tmp_path, frame, make, flavor, short):
    options = {"serialization_format": "safetensors"} if flavor == "pytorch" else {}  # an export takes seconds
    models.save(make(frame), tmp_path / "model", flavor=flavor, input_example=frame.head(3), **options)
    function = models.load_function(tmp_path / "model")
    served = servable(function)
    assert served.assembly.arrays is short
    expected = pd.DataFrame(function.predict(frame))
    names = [str(each) for each in expected.columns]
    rows = [Asked(NATURAL, json.dumps(row).encode()) for row in frame.to_dict(orient="records")]
    split = Asked(INVOCATIONS, json.dumps({"dataframe_split": frame.to_dict(orient="split")}).encode())
    *found, together = served.answer([*rows, split])
    values = [strictly(each.body) for each in found]
    if len(names) == 1:
        values = [[each[names[0]] if isinstance(each, dict) else each] for each in values]
    assert values == expected.to_numpy().tolist()
    records = strictly(together.body)["predictions"]
    if isinstance(records[0], dict):
        assert records == [dict(zip(names, row, strict=True)) for row in expected.to_numpy().tolist()]
    else:
        assert records == expected[0].tolist()
    assert served.predictions == 1
