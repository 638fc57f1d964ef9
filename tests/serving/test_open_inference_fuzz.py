"""Anything at all, as a request of the Open Inference Protocol: it comes through, or is refused."""

import json
import struct
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging.signature import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    TensorSpec,
)
from modelyard.serving.calls import Asked
from modelyard.serving.protocols import open_inference_metadata as metadata
from modelyard.serving.protocols.open_inference_tensors import NUMPY
from tests.serving.open_inference import PARAMS, columns, read, refused, tensor, wire

# ---------------------------------------------------------------- anything

NUMBERS = [kind for kind in NUMPY if kind != "BOOL"]


@st.composite
def numbers(draw):
    kind = draw(st.sampled_from([*NUMBERS, "BOOL"]))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    return kind, draw(hnp.arrays(NUMPY[kind], shape))


@given(numbers(), st.booleans())
def test_any_tensor_of_numbers_comes_through_json_and_bytes_and_back(sent, binary) -> None:
    kind, array = sent
    model = wire()
    if binary:
        head = json.dumps(
            {
                "inputs": [
                    {
                        "name": "x",
                        "shape": array.shape,
                        "datatype": kind,
                        "parameters": {"binary_data_size": array.nbytes},
                    }
                ],
                "parameters": {"binary_data_output": True},
            }
        ).encode()
        call = model.read(Asked(2, head + array.tobytes(), b"", len(head)))
    else:
        call = read(model, tensor("x", list(array.shape), kind, array.tolist()))
    np.testing.assert_array_equal(call.data, array)
    answer = model.write(call, call.data)
    if binary:
        told = json.loads(answer.body[: answer.json_bytes])["outputs"][0]
        back = np.frombuffer(answer.body[answer.json_bytes :], NUMPY[kind]).reshape(told["shape"])
        np.testing.assert_array_equal(back, array)
    else:
        told = json.loads(answer.body, parse_constant=pytest.fail)["outputs"][0]
        there = [None if isinstance(each, float) and not np.isfinite(each) else each for each in array.ravel().tolist()]
        assert told["data"] == there
    assert told["datatype"] == kind
    assert told["shape"] == list(array.shape)


@given(st.lists(st.text()), st.booleans())
def test_any_texts_come_through_json_and_bytes_and_back(texts, binary) -> None:
    model = wire([ColSpec("string", "x")], [ColSpec("string", "y")])
    try:
        blob = b"".join(struct.pack("<I", len(each.encode())) + each.encode() for each in texts)
    except UnicodeEncodeError:
        return
    shape = [len(texts), 1]
    entry = tensor("x", shape, "BYTES", texts)
    if binary:
        del entry["data"]
        entry["parameters"] = {"binary_data_size": len(blob)}
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": binary}}).encode()
    call = columns(model, Asked(2, head + blob, b"", len(head)) if binary else Asked(2, head))
    assert (call.data["x"], call.rows) == (texts, len(texts))
    answer = model.write(call, call.data["x"])
    if binary and texts:
        assert answer.body[answer.json_bytes :] == blob
    elif texts:
        assert json.loads(answer.body)["outputs"][0]["data"] == texts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["x", "y", "input-0", "0", ""])
SENT = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES | JSON,
        "datatype": st.sampled_from(metadata.DATATYPES) | JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "data": JSON,
        "parameters": st.none()
        | st.dictionaries(
            st.sampled_from(["content_type", "binary_data_size"]),
            st.sampled_from(["pd_json", "base64", "str", 4, "np"]),
        ),
    },
)
BODY = st.fixed_dictionaries(
    {"inputs": st.lists(SENT, max_size=3)},
    optional={
        "id": st.text(max_size=3),
        "parameters": st.none() | st.dictionaries(st.sampled_from(["top", "content_type", "hot", "warm"]), JSON),
        "outputs": st.none() | st.lists(st.fixed_dictionaries({"name": NAMES}, optional={"parameters": JSON})),
    },
)
MODELS = [
    wire(),
    wire([ColSpec("double", "x")], [ColSpec("string", "y")], PARAMS),
    wire([ColSpec(kind) for kind in DataType]),
    wire([ColSpec(Array(DataType.double), "x"), ColSpec(AnyType(), "y", required=False)]),
    wire([ColSpec(Map(DataType.string), "x"), ColSpec("datetime", "y")]),
    wire([ColSpec("binary", "x")], lenient=True),
    wire([TensorSpec("float32", (-1, 2))]),
    wire([TensorSpec("int64", (-1,), "x"), TensorSpec("str", (2, -1), "y")]),
    wire([TensorSpec("bytes", (-1,), "x")]),
    wire([TensorSpec("object", (-1, -1), "x")]),
    wire([TensorSpec("datetime64[ns]", (-1,), "x")]),
]


@given(st.sampled_from(MODELS), JSON | BODY, st.none() | st.integers(-3, 3), st.binary(max_size=24))
@settings(max_examples=5 * settings.default.max_examples)
def test_any_json_is_answered_or_refused(model, content, off, rest) -> None:
    body = json.dumps(content).encode() + rest
    length = -1 if off is None else max(0, len(body) - len(rest) + off)
    try:
        call = model.read(Asked(2, body, b"application/json", length))
    except ModelyardError as fault:
        msgspec.json.decode(model.refuse(fault, 400).body)
    else:
        answer = model.write(call, [0.5])
        head = answer.body if answer.json_bytes < 0 else answer.body[: answer.json_bytes]
        json.loads(head, parse_constant=pytest.fail)


@given(st.sampled_from(MODELS), st.binary(max_size=64), st.integers(-1, 70))
def test_any_bytes_are_answered_or_refused(model, body, length) -> None:
    with suppress(ModelyardError):
        model.read(Asked(2, body, b"", length))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"null", b"[" * 100_000, b'{"inputs":' + b"[" * 100_000, b'{"inputs":[{"name":"x"}]}', b"\xff\xfe",
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'{"inputs":[{"name":"x","shape":[1000000000000,1000000000000],"datatype":"INT64","data":[]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[' + b"9" * 10_000 + b"]}]}",
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[NaN,' + b"9" * 10_000 + b"]}]}",
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\\ud800", "NaN"]}]}',
    ],
    ids=lambda body: body[:60].decode(errors="replace"),
)  # fmt: skip
def test_bodies_that_are_meant_badly_are_refused(body) -> None:
    for model in MODELS:
        with pytest.raises(InvalidArgument):
            model.read(Asked(2, body))


def test_python_s_nan_and_infinity_are_understood() -> None:
    model = wire([ColSpec("double", "x"), ColSpec("string", "y")])
    call = read(model, tensor("x", [2], "FP64", [float("nan"), float("-inf")]), tensor("y", [2], "BYTES", ["NaN", "é"]))
    assert np.isnan(call.data["x"][0])
    assert call.data["x"][1] == -np.inf
    assert call.data["y"] == ["NaN", "é"]
    assert "beyond the range of FP32" in refused(wire(), tensor("x", [2], "FP32", [float("nan"), 1e39]))
