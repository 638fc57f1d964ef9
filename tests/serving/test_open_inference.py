"""Requests of the Open Inference Protocol: what real clients send is understood, and nothing else."""

import json
import struct

import msgspec
import numpy as np
import pandas as pd
import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.signature import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    Property,
    Schema,
    TensorSpec,
)
from modelyard.serving.assembly import Frames
from modelyard.serving.calls import Asked, Call
from modelyard.serving.protocols.open_inference_tensors import Input
from tests.serving.open_inference import ONE_TENSOR, PARAMS, WINE, asked, columns, plain, read, refused, tensor, wire

# ---------------------------------------------------------------- what clients send, as recorded

TRITON_FP32 = (
    b'{"id":"7","inputs":[{"name":"input-0","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}],'
    b'"outputs":[{"name":"output-0","parameters":{"binary_data":true}}]}'
)
TRITON_BF16 = (
    b'{"inputs":[{"name":"input-0","shape":[1,4],"datatype":"BF16","parameters":{"binary_data_size":8}}],'
    b'"parameters":{"binary_data_output":true}}'
)
TRITON_TEXT = (
    b'{"inputs":[{"name":"text","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":22}}],'
    b'"parameters":{"binary_data_output":true}}'
)
TRITON_MIXED = (
    b'{"inputs":[{"name":"flag","shape":[2],"datatype":"BOOL","parameters":{"binary_data_size":2}},'
    b'{"name":"n","shape":[2],"datatype":"INT64","data":[1,2]}],"parameters":{"binary_data_output":true}}'
)
MLSERVER_PANDAS = (
    '{"parameters":{"content_type":"pd"},"inputs":[{"name":"text","shape":[2,1],"datatype":"BYTES","parameters":'
    '{"content_type":"str"},"data":["very good","café"]},{"name":"n","shape":[2,1],"datatype":"INT64","data":[1,2]},'
    '{"name":"x","shape":[2,1],"datatype":"FP64","data":[0.5,null]},{"name":"ok","shape":[2,1],"datatype":"BOOL",'
    '"data":[true,false]},{"name":"tags","shape":[2,1],"datatype":"BYTES","parameters":{"content_type":"pd_json"},'
    '"data":["[\\"a\\"]","[\\"b\\",\\"c\\"]"]}]}'
)
MLSERVER_NUMPY = (
    '{"parameters":{"content_type":"np"},"inputs":[{"name":"input-1","shape":[2,1],"datatype":"INT64","parameters":'
    '{"content_type":"np"},"data":[1,2]}]}'
)
MLSERVER_OTHERS = (
    '{"inputs":[{"name":"blob","shape":[1,1],"datatype":"BYTES","parameters":{"content_type":"base64"},"data":["AP8="]},'
    '{"name":"when","shape":[1,1],"datatype":"BYTES","parameters":{"content_type":"datetime"},'
    '"data":["2024-05-31T12:30:00"]}]}'
)


def test_triton_sends_numbers_as_bytes_and_wants_bytes() -> None:
    model = wire(ONE_TENSOR, (TensorSpec("float64", (-1, 2)),))
    call = model.read(Asked(2, TRITON_FP32 + struct.pack("<4f", 1.5, 2, 3, 4), b"", len(TRITON_FP32)))
    assert (call.data.dtype, call.data.tolist(), call.rows) == (np.float32, [[1.5, 2, 3, 4]], 1)
    answer = model.write(call, np.array([[0.5, np.nan]]))
    assert (answer.status, answer.content_type, answer.rows) == (200, b"application/octet-stream", 1)
    assert json.loads(answer.body[: answer.json_bytes]) == {
        "model_name": "wine",
        "model_version": "3",
        "id": "7",
        "outputs": [
            {"name": "output-0", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}},
        ],
    }
    assert np.frombuffer(answer.body[answer.json_bytes :]).tolist() == [0.5, pytest.approx(np.nan, nan_ok=True)]


def test_triton_sends_the_upper_halves_of_floats() -> None:
    body = TRITON_BF16 + b"\xc0?\x00@@@\x80@"
    assert wire(ONE_TENSOR).read(Asked(2, body, b"", len(TRITON_BF16))).data.tolist() == [[1.5, 2, 3, 4]]


def test_triton_sends_texts_each_behind_its_length() -> None:
    model = wire([ColSpec("string", "text")], [ColSpec("string", "label")])
    body = TRITON_TEXT + b"\t\x00\x00\x00very good\x05\x00\x00\x00caf\xc3\xa9"
    call = columns(model, Asked(2, memoryview(body), b"", len(TRITON_TEXT)))
    assert (call.data, call.rows) == ({"text": ["very good", "café"]}, 2)
    answer = model.write(call, ["good", "größer"])
    assert answer.body[answer.json_bytes :] == b"\x04\x00\x00\x00good\x08\x00\x00\x00gr\xc3\xb6\xc3\x9fer"


def test_triton_mixes_bytes_and_json() -> None:
    model = wire([ColSpec("long", "n"), ColSpec("boolean", "flag")])
    call = columns(model, Asked(2, TRITON_MIXED + b"\x01\x00", b"", len(TRITON_MIXED)))
    assert (plain(call.data), call.rows) == ({"n": [1, 2], "flag": [True, False]}, 2)
    assert list(call.data) == ["n", "flag"]


def test_mlserver_sends_a_frame() -> None:
    kinds = {"text": "string", "n": "long", "x": "double", "ok": "boolean"}
    model = wire([*(ColSpec(kind, name) for name, kind in kinds.items()), ColSpec(Array(DataType.string), "tags")])
    call = columns(model, Asked(2, MLSERVER_PANDAS.encode()))
    assert call.rows == 2
    assert np.isnan(call.data["x"][1])
    del call.data["x"]
    assert plain({name: each for name, each in call.data.items() if name != "tags"}) == {
        "text": ["very good", "café"], "n": [1, 2], "ok": [True, False],
    }  # fmt: skip
    assert call.data["tags"] == [["a"], ["b", "c"]]


def test_mlserver_sends_an_array_of_one_dimension_as_two() -> None:
    assert wire([TensorSpec("int64", (-1,))]).read(Asked(2, MLSERVER_NUMPY.encode())).data.tolist() == [1, 2]


def test_mlserver_sends_base_64_and_dates() -> None:
    model = wire([ColSpec("binary", "blob"), ColSpec("datetime", "when")])
    data = columns(model, Asked(2, MLSERVER_OTHERS.encode())).data
    assert data["blob"] == [b"\x00\xff"]
    assert data["when"].astype(str).tolist() == ["2024-05-31T12:30:00.000000000"]


# ---------------------------------------------------------------- columns


def test_columns_come_in_any_order_as_lists_or_one_below_another() -> None:
    call = read(wire(WINE), tensor("year", [2, 1], "INT64", [1999, 2001]), tensor("alcohol", [2], "FP64", [12.5, 13]))
    assert (plain(call.data), list(call.data), call.rows) == (
        {"alcohol": [12.5, 13.0], "year": [1999, 2001]}, ["alcohol", "year"], 2,
    )  # fmt: skip


@pytest.mark.parametrize("data", [[12.5, 1, 13, 2], [[12.5, 1], [13, 2]]])
def test_columns_of_numbers_come_side_by_side_in_one_tensor(data) -> None:
    model = wire([ColSpec("double", "alcohol"), ColSpec("double", "ash")])
    call = read(model, tensor("anything", [2, 2], "FP64", data))
    assert (plain(call.data), call.rows) == ({"alcohol": [12.5, 13.0], "ash": [1.0, 2.0]}, 2)


def test_all_that_is_wrong_is_named_at_once() -> None:
    text = refused(
        wire([*WINE, ColSpec("string", "region"), ColSpec("boolean", "red")]),
        tensor("alcohol", [2], "FP64", [12.5]),
        tensor("year", [1], "FP32", [1.5]),
        tensor("yeer", [1], "INT64", [1]),
        tensor("red", [1], "BOOLEAN", [True]),
        parameters={"colour": "red"},
    )
    for part in (
        "'alcohol': the shape [2] holds 2 elements, but 1 came",
        "'year': expected long (INT8, INT16, UINT8, UINT16, INT32, UINT32, INT64), got FP32",
        "missing: 'region' (BYTES)",
        "unknown: 'yeer'",
        "'red': there is no datatype 'BOOLEAN'",
        "'colour'",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("kind", "sent", "said"),
    [
        ("integer", ("INT64", [1]), "expected integer"),
        ("long", ("INT64", [2**63]), "data is not INT64"),
        ("long", ("INT64", [1.5]), "data is not INT64"),
        ("long", ("INT64", [None]), "data is not INT64"),
        ("long", ("UINT64", [1]), "expected long"),
        ("long", ("BOOL", [True]), "expected long"),
        ("boolean", ("INT8", [1]), "expected boolean"),
        ("boolean", ("BOOL", [2]), "data is not BOOL"),
        ("float", ("FP64", [1.5]), "expected float"),
        ("float", ("FP32", [1e39]), "data is not FP32"),
        ("float", ("INT32", [2**24 + 1]), "too large to become float unchanged"),
        ("double", ("INT64", [2**53 + 1]), "too large to become double unchanged"),
        ("double", ("BYTES", ["1.5"]), "expected double"),
        ("double", ("FP64", ["1.5"]), "data is not FP64"),
        ("string", ("INT64", [1]), "expected string (BYTES), got INT64"),
        ("string", ("BYTES", [1]), "data is not BYTES"),
        ("binary", ("BYTES", ["#"]), "base 64"),
        ("datetime", ("BYTES", ["next Sunday"]), "expected datetime"),
        ("datetime", ("BYTES", ["2024-05-31T12:30:00Z"]), "without a time zone"),
    ],
)
def test_what_would_change_a_value_is_refused(kind, sent, said) -> None:
    text = refused(wire([ColSpec(kind, "x")]), tensor("x", [1], *sent))
    assert "'x': " in text
    assert said in text


@pytest.mark.parametrize(
    ("kind", "sent", "expected"),
    [
        ("double", ("FP32", [0.1]), float(np.float32(0.1))),
        ("double", ("FP16", [0.5]), 0.5),
        ("double", ("INT64", [2**53]), 2.0**53),
        ("double", ("FP64", [None]), None),
        ("float", ("INT8", [-3]), -3.0),
        ("long", ("UINT32", [2**32 - 1]), 2**32 - 1),
        ("integer", ("UINT16", [65535]), 65535),
        ("boolean", ("BOOL", [1]), True),
        ("string", ("BYTES", [None]), None),
    ],
)
def test_what_keeps_the_value_is_converted(kind, sent, expected) -> None:
    found = np.asarray(read(wire([ColSpec(kind, "x")]), tensor("x", [1, 1], *sent)).data["x"]).tolist()[0]
    assert found == expected or (expected is None and (found is None or np.isnan(found)))


def test_a_single_unnamed_column_takes_any_name_several_take_their_order_or_positions() -> None:
    assert plain(read(wire([ColSpec("long")]), tensor("whatever", [2], "INT64", [1, 2])).data) == {"0": [1, 2]}
    two = wire([ColSpec("long"), ColSpec("string")])
    inputs = (tensor("1", [1], "BYTES", ["a"]), tensor("0", [1], "INT64", [1]))
    assert plain(read(two, *inputs).data) == {"0": [1], "1": ["a"]}
    named = [each | {"name": f"input-{1 - at}"} for at, each in enumerate(inputs)]
    assert plain(read(two, *named).data) == {"0": [1], "1": ["a"]}
    assert "1 inputs, expected 2" in refused(two, tensor("x", [1], "INT64", [1]))


def test_optional_columns_may_be_missing_and_unknown_ones_can_be_passed_over() -> None:
    columns = [ColSpec("long", "n"), ColSpec("double", "x", required=False)]
    assert plain(read(wire(columns), tensor("n", [1], "INT64", [1])).data) == {"n": [1]}
    more = tensor("z", [3], "INT64", [1, 2, 3])
    call = read(wire(columns, lenient=True), tensor("n", [1], "INT64", [1]), more)
    assert (plain(call.data), call.rows) == ({"n": [1]}, 1)


def test_columns_of_different_lengths_are_refused() -> None:
    text = refused(wire(WINE), tensor("alcohol", [2], "FP64", [1, 2]), tensor("year", [1], "INT64", [1]))
    assert "different numbers of rows: 'alcohol' 2, 'year' 1" in text


def test_lists_and_objects_come_as_json_texts_or_lists_as_one_more_dimension() -> None:
    point = Object([Property("lat", DataType.double), Property("lon", DataType.double, required=False)])
    model = wire([ColSpec(Array(DataType.double), "v"), ColSpec(point, "at"), ColSpec(Map(DataType.long), "counts")])
    call = read(
        model,
        tensor("v", [2, 3], "FP32", [1, 2, 3, 4, 5, 6]),
        tensor("at", [2], "BYTES", ['{"lat": 1}', '{"lat": 2, "lon": 3.5}'], content_type="pd_json"),
        tensor("counts", [2, 1], "BYTES", ['{"a": 1}', "{}"]),
    )
    assert call.data == {
        "v": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        "at": [{"lat": 1.0}, {"lat": 2.0, "lon": 3.5}],
        "counts": [{"a": 1}, {}],
    }
    assert "missing" in refused(
        model,
        tensor("v", [1], "BYTES", ["[1, 2]"]),
        tensor("at", [1], "BYTES", ["{}"]),
        tensor("counts", [1], "BYTES", ["{}"]),
    )


def test_a_column_of_any_type_takes_what_comes() -> None:
    model = wire([ColSpec(AnyType(), "x", required=False)])
    assert read(model, tensor("x", [2, 1], "INT64", [1, 2])).data == {"x": [1, 2]}
    assert read(model, tensor("x", [1], "BYTES", ["1"])).data == {"x": ["1"]}
    assert read(model, tensor("x", [1], "BYTES", ["[1]"], content_type="pd_json")).data == {"x": [[1]]}


# ---------------------------------------------------------------- tensors


def test_the_only_unnamed_tensor_takes_any_name() -> None:
    call = read(wire(ONE_TENSOR), tensor("x", [1, 4], "FP32", [[1, 2, 3, 4.5]]))
    assert (call.data.dtype, call.data.tolist(), call.rows) == (np.float32, [[1, 2, 3, 4.5]], 1)


def test_named_tensors_come_by_name() -> None:
    model = wire([TensorSpec("float32", (-1, 2), "left"), TensorSpec("str", (-1,), "right")])
    call = read(model, tensor("right", [1], "BYTES", ["a"]), tensor("left", [1, 2], "INT8", [1, 2]))
    assert {name: (each.dtype.kind, each.tolist()) for name, each in call.data.items()} == {
        "left": ("f", [[1.0, 2.0]]), "right": ("U", ["a"]),
    }  # fmt: skip
    assert list(call.data) == ["left", "right"]
    text = refused(model, tensor("left", [1, 3], "FP32", [1, 2, 3]), tensor("wrong", [1], "BYTES", ["a"]))
    assert "'left': expected the shape [-1, 2], got [1, 3]" in text
    assert "missing: 'right' (BYTES)" in text
    assert "unknown: 'wrong'" in text


def test_a_tensor_of_another_type_is_refused() -> None:
    assert "expected float32 (FP32), got FP64" in refused(wire(ONE_TENSOR), tensor("x", [1, 4], "FP64", [1, 2, 3, 4]))


def test_a_fixed_first_length_is_not_a_number_of_rows() -> None:
    assert read(wire([TensorSpec("int64", (2,))]), tensor("x", [2], "INT64", [1, 2])).rows == -1


def test_bytes_that_lie_well_are_not_copied() -> None:
    head = TRITON_FP32 + b" " * (-len(TRITON_FP32) % 64)
    body = np.frombuffer(bytearray(head + struct.pack("<4f", 1, 2, 3, 4)), np.uint8)
    call = wire(ONE_TENSOR, (TensorSpec("float32", (-1, 4)),)).read(Asked(2, memoryview(body), b"", len(head)))
    assert np.shares_memory(call.data, body)
    head = TRITON_BF16.replace(b"BF16", b"FP32").replace(b":8", b":16")
    assert len(head) % 4
    askew = wire(ONE_TENSOR).read(Asked(2, head + bytes(16), b"", len(head)))
    assert askew.data.flags.aligned


@pytest.mark.parametrize(
    ("head", "rest", "said"),
    [
        (TRITON_FP32, b"\0" * 15, "16, but 15 bytes of it are left"),
        (TRITON_FP32, b"\0" * 17, "1 bytes at the end of the body belong to no input"),
        (TRITON_FP32.replace(b":16", b":8"), b"\0" * 8, "takes 16 bytes, but binary_data_size is 8"),
        (TRITON_FP32.replace(b":16", b":-16"), b"", "binary_data_size is -16"),
        (TRITON_FP32.replace(b":16", b":true"), b"\0", "binary_data_size is True"),
        (TRITON_TEXT, b"\0\0\0\0" * 2 + b"\x0a\0\0\0" + b"a" * 10, "holds 2 elements, but 3 came"),
        (TRITON_TEXT, b"\xff\0\0\0" + b"a" * 18, "cut off"),
        (TRITON_TEXT.replace(b"22", b"3"), b"\xff\0\0", "ends within the length"),
        (TRITON_MIXED, b"\x01\x02", "0 or 1"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(head, rest, said) -> None:
    model = wire(ONE_TENSOR) if b"input-0" in head else wire([ColSpec("string", "text")])
    if head is TRITON_MIXED:
        model = wire([ColSpec("long", "n"), ColSpec("boolean", "flag")])
    with pytest.raises(InvalidArgument) as caught:
        model.read(Asked(2, head + rest, b"", len(head)))
    assert said in caught.value.message
    with pytest.raises(InvalidArgument):
        model.read(Asked(2, head, b"", len(head) + 1))


def test_a_raw_body_is_the_only_input() -> None:
    model = wire(ONE_TENSOR, (TensorSpec("int64", (-1,)),))
    call = model.read(Asked(2, struct.pack("<8f", *range(8)), b"application/octet-stream", 0))
    assert (call.data.tolist(), call.rows) == ([[0, 1, 2, 3], [4, 5, 6, 7]], 2)
    assert model.write(call, np.array([1, 2])).body.endswith(struct.pack("<2q", 1, 2))
    assert columns(wire([ColSpec("string", "text")]), Asked(2, b"very good", b"", 0)).data == {"text": ["very good"]}
    assert columns(wire([ColSpec("binary", "image")]), Asked(2, b"\x89PNG", b"", 0)).data == {"image": [b"\x89PNG"]}
    for wrong, body in ((model, b"123"), (wire(WINE), b""), (wire(), b"")):
        with pytest.raises(InvalidArgument):
            wrong.read(Asked(2, body, b"", 0))


# ---------------------------------------------------------------- no signature, params


def test_without_a_signature_one_input_is_an_array_several_a_dictionary_or_a_frame() -> None:
    one = read(wire(), tensor("x", [1, 2], "INT8", [1, 2]))
    assert (one.data.dtype, one.data.tolist(), one.rows) == (np.int8, [[1, 2]], -1)
    two = (tensor("a", [2, 1], "FP64", [1, 2]), tensor("b", [2, 1], "BYTES", ["x", "y"]))
    assert plain(read(wire(), *two).data) == {"a": [[1.0], [2.0]], "b": [["x"], ["y"]]}
    frame = read(wire(), *two, parameters={"content_type": "pd"}).data
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
    assert "there are no inputs" in refused(wire())


def test_params_of_a_prediction_are_parameters_of_the_request() -> None:
    model = wire([ColSpec("long", "n")], params=PARAMS)
    n = tensor("n", [1], "INT64", [1])
    assert read(model, n).params == {"top": 3, "warm": 1.0}
    found = read(model, n, parameters={"warm": 2, "content_type": "pd", "binary_data_output": False})
    assert found.params == {"top": 3, "warm": 2.0}
    assert "unknown: 'hot'" in refused(model, n, parameters={"hot": 1})
    assert "takes no params" in refused(wire([ColSpec("long", "n")]), n, parameters={"hot": 1})


QUICK = [
    (WINE, [tensor("alcohol", [2, 1], "FP64", [12.5, 13]), tensor("year", [2], "INT32", [1999, 2001])]),
    ([ColSpec("float", "a"), ColSpec("string", "b")], [
        tensor("a", [1], "FP32", [0.1], content_type="np"), tensor("b", [1], "BYTES", ["é"], content_type="str"),
    ]),
    ([ColSpec("double", "a"), ColSpec("double", "b")], [tensor("x", [2, 2], "FP64", [1, 2, 3, 4.5])]),
    (ONE_TENSOR, [tensor("x", [2, 4], "FP32", [1, 2, 3, 4, 5, 6, 7, 0.1])]),
    ([TensorSpec("int64", (-1,), "a"), TensorSpec("bool", (-1, 1), "b")], [
        tensor("a", [1], "INT64", [2**63 - 1]), tensor("b", [1, 1], "BOOL", [True]),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "sent"), QUICK)
def test_the_short_way_gives_what_the_long_one_gives(inputs, sent) -> None:
    model, schema = wire(inputs), Schema(inputs)
    quick = model._quick(msgspec.json.decode(json.dumps(sent), type=list[Input]), None)
    assert quick is not None
    model._quick = None
    found, expected = Call(*quick), model.read(asked(*sent))
    assert found.rows == expected.rows
    if schema.is_tensor_spec():
        np.testing.assert_equal(found.data, expected.data)
    else:
        frames = Frames(schema)
        pd.testing.assert_frame_equal(frames.make([found]), frames.make([expected]))
