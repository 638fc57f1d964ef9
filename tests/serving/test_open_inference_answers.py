"""Answers and metadata of the Open Inference Protocol."""

import json
import struct
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.manifest import Model
from modelyard.packaging.signature import (
    Array,
    ColSpec,
    DataType,
    ModelSignature,
    Schema,
    TensorSpec,
)
from modelyard.serving.calls import Asked
from modelyard.serving.outputs import Columns
from modelyard.serving.protocols import open_inference_metadata as metadata
from modelyard.serving.protocols.open_inference import OpenInference
from modelyard.serving.refusals import ModelFailed, WrongContentType
from tests.serving.open_inference import asked, read, refused, tensor, wire

# ---------------------------------------------------------------- answers


def answered(model: OpenInference, output, rows=1, **fields) -> dict:
    call = read(model, tensor("x", [rows], "INT64", [1] * rows), **fields)
    answer = model.write(call, output)
    assert answer.status == 200
    found = json.loads(answer.body)
    assert {"model_name": "wine", "model_version": "3"}.items() <= found.items()
    return found


INPUT = [ColSpec("long", "x")]
TEXT = {"content_type": "str"}


@pytest.mark.parametrize(
    ("outputs", "output", "expected"),
    [
        (None, np.array([1]), [{"name": "output-0", "datatype": "INT64", "shape": [1], "data": [1]}]),
        (None, [0.5], [{"name": "output-0", "datatype": "FP64", "shape": [1], "data": [0.5]}]),
        (None, 7, [{"name": "output-0", "datatype": "INT64", "shape": [1], "data": [7]}]),
        (None, np.array([[np.nan, np.inf]], "f4"),
         [{"name": "output-0", "datatype": "FP32", "shape": [1, 2], "data": [None, None]}]),
        ([ColSpec("double", "score")], np.array([0.5]),
         [{"name": "score", "datatype": "FP64", "shape": [1, 1], "data": [0.5]}]),
        ([ColSpec("double", "a"), ColSpec("double", "b")], np.array([[0.5, 1]]),
         [{"name": "a", "datatype": "FP64", "shape": [1, 1], "data": [0.5]},
          {"name": "b", "datatype": "FP64", "shape": [1, 1], "data": [1.0]}]),
        (None, pd.DataFrame({"label": ["good"], "n": pd.array([None], "Int64")}),
         [{"name": "label", "datatype": "BYTES", "shape": [1, 1], "data": ["good"], "parameters": TEXT},
          {"name": "n", "datatype": "FP64", "shape": [1, 1], "data": [None]}]),
        (None, [{"label": "good", "score": 1.5}],
         [{"name": "label", "datatype": "BYTES", "shape": [1], "data": ["good"], "parameters": TEXT},
          {"name": "score", "datatype": "FP64", "shape": [1], "data": [1.5]}]),
        (None, {"y": np.array([True]), "z": [[1, 2]]},
         [{"name": "y", "datatype": "BOOL", "shape": [1], "data": [True]},
          {"name": "z", "datatype": "INT64", "shape": [1, 2], "data": [1, 2]}]),
        (None, [b"\x00"],
         [{"name": "output-0", "datatype": "BYTES", "shape": [1], "data": ["AA=="],
           "parameters": {"content_type": "base64"}}]),
        (None, [{"tags": ["a"]}, {"tags": ["b", "c"]}],
         [{"name": "tags", "datatype": "BYTES", "shape": [2], "data": ['["a"]', '["b","c"]'],
           "parameters": {"content_type": "pd_json"}}]),
        (None, np.array(["2024-05-31"], "datetime64[D]"),
         [{"name": "output-0", "datatype": "BYTES", "shape": [1], "data": ["2024-05-31T00:00:00.000000"],
           "parameters": {"content_type": "datetime"}}]),
        (None, pd.Series(["a", None]),
         [{"name": "output-0", "datatype": "BYTES", "shape": [2], "data": ["a", None], "parameters": TEXT}]),
        (None, Columns({0: np.array([1.5])}),
         [{"name": "output-0", "datatype": "FP64", "shape": [1, 1], "data": [1.5]}]),
        ([ColSpec("double", "score")], Columns({0: np.array([1.5])}, series=True),
         [{"name": "score", "datatype": "FP64", "shape": [1, 1], "data": [1.5]}]),
        (None, [1.5, None], [{"name": "output-0", "datatype": "FP64", "shape": [2], "data": [1.5, None]}]),
        (None, np.array([], "f8"), [{"name": "output-0", "datatype": "FP64", "shape": [0], "data": []}]),
    ],
)  # fmt: skip
def test_what_a_model_answers_is_told_as_tensors(outputs, output, expected) -> None:
    assert answered(wire(INPUT, outputs), output)["outputs"] == expected


def test_only_the_outputs_that_are_asked_for_are_sent() -> None:
    model = wire(INPUT, [ColSpec("double", "a"), ColSpec("string", "b")])
    output = pd.DataFrame({"a": [0.5], "b": ["x"]})
    found = answered(model, output, outputs=[{"name": "b"}], id="")
    assert [each["name"] for each in found["outputs"]] == ["b"]
    assert found["id"] == ""
    call = read(
        model,
        tensor("x", [1], "INT64", [1]),
        outputs=[{"name": "b"}, {"name": "a", "parameters": {"binary_data": True}}],
    )
    answer = model.write(call, output)
    told = json.loads(answer.body[: answer.json_bytes])["outputs"]
    assert told[0]["data"] == ["x"]
    assert told[1]["parameters"] == {"binary_data_size": 8}
    assert answer.body[answer.json_bytes :] == struct.pack("<d", 0.5)
    assert "unknown outputs: 'c' (there are 'a', 'b')" in refused(
        model, tensor("x", [1], "INT64", [1]), outputs=[{"name": "c"}]
    )
    unknown = wire(INPUT)
    call = read(unknown, tensor("x", [1], "INT64", [1]), outputs=[{"name": "c"}])
    answer = unknown.write(call, [1])
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"error": "Unknown outputs: 'c'; the model gives output-0."},
    )


def test_an_answer_that_tensors_cannot_hold_is_the_model_s_failure() -> None:
    model = wire(INPUT)
    for output in ([object()], np.array([1j])):
        with pytest.raises(ModelFailed, match="cannot be sent as tensors"):
            model.write(read(model, tensor("x", [1], "INT64", [1])), output)


def test_half_of_a_surrogate_pair_and_large_numbers_are_written() -> None:
    model = wire(INPUT)
    assert answered(model, ["\ud800"])["outputs"][0]["data"] == ["\ud800"]
    assert answered(model, [2**70])["outputs"][0]["data"] == [str(2**70)]


def test_extensions_that_are_not_offered_are_said_so() -> None:
    n = tensor("x", [1], "INT64", [1])
    for fields in (
        {"outputs": [{"name": "y", "parameters": {"classification": 2}}]},
        {"inputs": [n | {"parameters": {"shared_memory_region": "a"}}]},
    ):
        with pytest.raises(InvalidArgument, match="not offered"):
            wire(INPUT).read(Asked(2, json.dumps({"inputs": [n], **fields}).encode()))


def test_other_types_of_bodies_are_refused() -> None:
    body = asked(tensor("x", [1], "INT64", [1])).body
    for good in (b"application/json; charset=utf-8", b"application/octet-stream", b"application/vnd.kserve+json"):
        assert wire(INPUT).read(Asked(2, body, good)).rows == 1
    for bad in (b"text/csv", b"application/x-www-form-urlencoded", b"application/json; charset=latin-1"):
        with pytest.raises(WrongContentType):
            wire(INPUT).read(Asked(2, body, bad))


def test_errors_are_in_the_protocol_s_words() -> None:
    answer = wire().refuse(InvalidArgument("That is wrong."), 400)
    assert (answer.status, answer.body, answer.content_type) == (
        400,
        b'{"error":"That is wrong."}',
        b"application/json",
    )


# ---------------------------------------------------------------- metadata


def test_metadata_describe_columns_and_tensors() -> None:
    outputs = Schema([TensorSpec("float32", (-1, 3))])
    columns = Schema([ColSpec("double", "alcohol"), ColSpec("string", "region"), ColSpec(Array(DataType.long), "tags")])
    manifest = Model(flavors={"python_function": {}, "sklearn": {}}, signature=ModelSignature(columns, outputs))
    assert json.loads(metadata.model("wine", ["3", ""], manifest)) == {
        "name": "wine",
        "versions": ["3"],
        "platform": "sklearn_mlflow",
        "inputs": [
            {"name": "alcohol", "datatype": "FP64", "shape": [-1, 1]},
            {"name": "region", "datatype": "BYTES", "shape": [-1, 1], "parameters": TEXT},
            {"name": "tags", "datatype": "BYTES", "shape": [-1, 1], "parameters": {"content_type": "pd_json"}},
        ],
        "outputs": [{"name": "output-0", "datatype": "FP32", "shape": [-1, 3]}],
    }
    nothing = json.loads(metadata.model("wine", [], Model(flavors={"python_function": {}})))
    assert nothing == {
        "name": "wine",
        "versions": [],
        "platform": "python_function_mlflow",
        "inputs": [],
        "outputs": [],
    }


def test_the_server_and_its_models_are_told() -> None:
    assert json.loads(metadata.server())["extensions"] == ["binary_tensor_data", "model_repository"]
    models = [("wine", "3", True, ""), ("beer", "", False, "loading")]
    assert json.loads(metadata.index(models)) == [
        {"name": "wine", "version": "3", "state": "READY", "reason": ""},
        {"name": "beer", "state": "UNAVAILABLE", "reason": "loading"},
    ]
    assert [each["name"] for each in json.loads(metadata.index(models, ready_only=True))] == ["wine"]
    assert metadata.model_ready("wine", ready=True) == b'{"name":"wine","ready":true}'


def test_metadata_need_no_numpy() -> None:
    code = "import sys, modelyard.serving.protocols.open_inference_metadata; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
