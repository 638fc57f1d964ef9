"""Signatures: what is inferred from data, and MLflow's JSON both ways."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging.enforcement import enforce
from modelyard.packaging.example import decode, encode, plain
from modelyard.packaging.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    TensorSpec,
)  # fmt: skip
from modelyard.packaging.signature import ModelSignature, infer_schema, infer_signature

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
SCALARS = st.sampled_from(list(DataType))
TYPES = st.recursive(
    SCALARS | st.just(AnyType()),
    lambda inner: (
        st.builds(Array, inner)
        | st.builds(Map, inner)
        | st.builds(
            Object,
            st.lists(
                st.builds(Property, NAMES, inner, st.booleans()), min_size=1, max_size=3, unique_by=lambda p: p.name
            ),
        )
    ),
    max_leaves=6,
)
COLUMNS = st.lists(st.builds(ColSpec, TYPES, NAMES, st.booleans()), min_size=1, max_size=5, unique_by=lambda c: c.name)
TENSORS = st.lists(
    st.builds(
        TensorSpec,
        st.sampled_from(["float32", "float64", "int64", "bool", "str", "object"]),
        st.lists(st.integers(-1, 5), max_size=3).map(tuple),
        NAMES,
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda t: t.name,
)
SCHEMAS = st.builds(Schema, COLUMNS | TENSORS | SCALARS.map(lambda kind: [ColSpec(kind)]))


@given(SCHEMAS)
def test_a_schema_survives_its_json(schema: Schema) -> None:
    assert Schema.from_json(schema.to_json()) == schema


@given(st.text(max_size=50) | st.recursive(st.none() | st.text(max_size=9) | st.integers(), st.lists).map(json.dumps))
def test_what_is_no_schema_is_refused_with_words(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Schema.from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "items", "a"]), inner),
        max_leaves=6,
    )
)
def test_no_content_of_a_manifest_breaks_reading(content: Any) -> None:
    for key in ("inputs", "outputs", "params"):
        try:
            found = ModelSignature.from_dict({key: json.dumps([content])})
        except ModelyardError:
            continue
        assert found is None or found.to_dict()[key] is not None


# ---------------------------------------------------------------- inference

COLUMN_VALUES = {
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**53), 2**53),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "str": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
}


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 4))
    columns = {}
    for name in names:
        dtype = draw(st.sampled_from(list(COLUMN_VALUES)))
        values = draw(st.lists(COLUMN_VALUES[dtype], min_size=rows, max_size=rows))
        columns[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


@settings(max_examples=50, deadline=None)
@given(frames())
def test_data_fits_the_signature_that_was_inferred_from_it(frame: pd.DataFrame) -> None:
    schema = infer_schema(frame)
    pd.testing.assert_frame_equal(enforce(frame, schema), frame)
    # in another order, with a column too many
    shuffled = frame[frame.columns[::-1]].assign(**{"one more column": 1})
    pd.testing.assert_frame_equal(enforce(shuffled, schema), frame)


@settings(max_examples=50, deadline=None)
@given(frames())
def test_an_example_survives_its_json(frame: pd.DataFrame) -> None:
    kind, content = encode(frame)
    again = decode(kind, json.loads(json.dumps(content, allow_nan=False)), infer_schema(frame))
    pd.testing.assert_frame_equal(enforce(again, infer_schema(frame)), frame, check_dtype=False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pd.DataFrame({"a": [1], "b": ["x"]}), [{"type": "long", "name": "a"}, {"type": "string", "name": "b"}]),
        (pd.DataFrame([[1.0, 2.0]]), [{"type": "double"}, {"type": "double"}]),
        (pd.DataFrame({"a": [1.0, None]}), [{"type": "double", "name": "a", "required": False}]),
        (pd.DataFrame({"a": pd.to_datetime(["2026-01-01"])}), [{"type": "datetime", "name": "a"}]),
        (pd.DataFrame({"a": pd.Categorical(["x"])}), [{"type": "string", "name": "a"}]),
        (pd.DataFrame({"a": [b"x"]}), [{"type": "binary", "name": "a"}]),
        (pd.DataFrame({"a": [[1, 2], [3]]}),
            [{"type": "array", "items": {"type": "long"}, "name": "a", "required": True}]),
        (pd.Series([1.5], name="y"), [{"type": "double", "name": "y"}]),
        (np.zeros((3, 4), "float32"), [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]),
        (np.array(["ab", "c"]), [{"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}]),
        (scipy.sparse.csr_matrix(np.eye(3)),
            [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]),
        ({"x": np.zeros(2)}, [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]),
        (["a text", "another"], [{"type": "string"}]),
        ("a text", [{"type": "string"}]),
        ([{"a": 1}, {"a": 2, "b": True}],
            [{"type": "long", "name": "a"}, {"type": "boolean", "name": "b", "required": False}]),
        ({"q": "x", "n": {"k": [1.5]}}, [
            {"type": "string", "name": "q"},
            {"type": "object", "name": "n", "required": True, "properties": {
                "k": {"type": "array", "items": {"type": "double"}, "required": True}}},
        ]),
        ([dt.date(2026, 1, 1)], [{"type": "datetime"}]),
        ([np.int32(1)], [{"type": "integer"}]),
    ],
)  # fmt: skip
def test_what_is_inferred(data: Any, expected: list[dict[str, Any]]) -> None:
    schema = infer_schema(data)
    assert schema.to_dict() == expected
    assert Schema.from_json(schema.to_json()) == schema


def test_params_are_inferred_from_their_defaults() -> None:
    signature = infer_signature(
        "in", "out", {"k": 3, "words": ["a"], "day": dt.date(2026, 1, 2), "flag": np.bool_(True)}
    )
    assert signature.params is not None
    assert signature.params.to_dict() == [
        {"name": "k", "default": 3, "shape": None, "type": "long"},
        {"name": "words", "default": ["a"], "shape": [-1], "type": "string"},
        {"name": "day", "default": "2026-01-02", "shape": None, "type": "datetime"},
        {"name": "flag", "default": True, "shape": None, "type": "boolean"},
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1, "x"], "Mixed types"),
        (pd.DataFrame({"a": [1, "x"]}, dtype=object), "Mixed types in 'a'"),
        (object(), "no place in a signature"),
        ({1: 2}, "keys"),
        (pd.DataFrame({"a": [1j]}), "complex"),
    ],
)
def test_what_cannot_be_inferred_is_said(data: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        infer_signature(data)


def test_what_2_9_wrote_is_read() -> None:
    signature = ModelSignature.from_dict(
        {
            "inputs": '[{"type": "double", "name": "a"}, {"type": "string", "name": "b", "optional": true}]',
            "outputs": None,
            "params": '[{"name": "p", "dtype": "long", "default": 1, "shape": null}]',
        }
    )
    assert signature == ModelSignature(
        Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.string, "b", required=False)]),
        None,
        ParamSchema([ParamSpec("p", DataType.long, 1)]),
    )


def test_types_are_given_by_name_or_as_numpy_has_them() -> None:
    assert ColSpec("double", "x") == ColSpec(DataType.double, "x")  # type: ignore[arg-type]
    assert TensorSpec(np.dtype("float32"), (-1, 2)) == TensorSpec("float32", (-1, 2))  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="No type 'real'"):
        ColSpec("real", "x")  # type: ignore[arg-type]


def test_plain_values_have_no_nan_and_no_numpy() -> None:
    frame = pd.DataFrame({"a": [1.0, float("nan")], "b": ["x", None], "t": pd.to_datetime(["2026-01-01", None])})
    assert plain(frame) == [
        {"a": 1.0, "b": "x", "t": "2026-01-01T00:00:00.000000"},
        {"a": None, "b": None, "t": None},
    ]
    assert plain({"x": np.float32(0.5), "y": (np.int64(1), float("inf")), "z": b"ab"}) == {
        "x": 0.5,
        "y": [1, "inf"],
        "z": "YWI=\n",
    }
