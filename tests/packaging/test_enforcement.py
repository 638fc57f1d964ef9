"""What goes into a model is checked: everything that is wrong is named, and nothing is changed that could lose."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.enforcement import enforce, enforce_params
from modelyard.packaging.schema import (
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
from modelyard.packaging.signature import infer_params

WIDE = Schema(
    [ColSpec(DataType.double, "a"), ColSpec(DataType.long, "b"), ColSpec(DataType.string, "c", required=False)]
)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidArgument) as refused:
        enforce(pd.DataFrame({"a": ["x"], "B": [1]}), WIDE)
    message = refused.value.message
    assert "missing: 'b'" in message
    assert "unknown: 'B'" in message
    assert "'a': expected double, got" in message


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        ("long", pd.Series([1], dtype="int32"), "int64"),
        ("double", pd.Series([1, 2]), "float64"),
        ("double", pd.Series([0.5], dtype="float32"), "float64"),
        ("float", pd.Series([3]), "float32"),
        ("integer", pd.Series([1], dtype="int8"), "int32"),
        ("long", pd.Series([1], dtype="Int64"), "int64"),
        ("boolean", pd.Series([True]), "bool"),
        ("datetime", pd.Series(["2026-01-01"]), "datetime64[ns]"),
        ("double", pd.Series([None, None], dtype=object), "float64"),
    ],
)
def test_safe_conversions_are_made(kind: str, values: Any, dtype: str) -> None:
    found = enforce(pd.DataFrame({"x": values}), Schema([ColSpec(DataType(kind), "x")]))
    assert str(found["x"].dtype) == dtype


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("long", [1.5]),
        ("integer", [2**40]),
        ("float", [0.1]),
        ("double", ["1"]),
        ("double", [2**53 + 1]),
        ("boolean", [1]),
        ("string", [1]),
        ("long", [True]),
        ("datetime", ["not a day"]),
        ("string", pd.Series(["x", 3], dtype=object)),
    ],
)
def test_conversions_that_could_lose_are_refused(kind: str, values: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"'x': expected {kind}"):
        enforce(pd.DataFrame({"x": values}), Schema([ColSpec(DataType(kind), "x")]))


def test_gaps_in_whole_numbers_are_explained() -> None:
    with pytest.raises(InvalidArgument, match="missing values turn whole numbers into floats"):
        enforce(pd.DataFrame({"x": [1, None]}), Schema([ColSpec(DataType.long, "x")]))


@pytest.mark.parametrize(
    "data",
    [{"a": [1.0, 2.0], "b": [1, 2]}, [{"a": 1.0, "b": 1}, {"a": 2.0, "b": 2}], np.array([[1.0, 1.0], [2.0, 2.0]])],
)
def test_what_makes_a_frame_is_taken(data: Any) -> None:
    schema = Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.double, "b")])
    assert enforce(data, schema).to_dict("list") == {"a": [1.0, 2.0], "b": [1.0, 2.0]}


def test_texts_and_single_values_are_a_column() -> None:
    assert enforce(["x", "y"], Schema([ColSpec(DataType.string)]))[0].tolist() == ["x", "y"]
    assert enforce("x", Schema([ColSpec(DataType.string, "text")]))["text"].tolist() == ["x"]
    assert enforce({"text": "x"}, Schema([ColSpec(DataType.string, "text")]))["text"].tolist() == ["x"]


def test_a_column_given_twice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="Twice: a"):
        enforce(pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), Schema([ColSpec(DataType.double, "a")]))


def test_nested_values_are_checked_to_the_bottom() -> None:
    kind = Object([Property("role", DataType.string), Property("n", Array(DataType.long), required=False)])
    schema = Schema([ColSpec(kind, "m"), ColSpec(Map(DataType.double), "w")])
    found = enforce({"m": {"role": "user", "n": [1, 2]}, "w": {"x": 1}}, schema)
    assert found["m"][0] == {"role": "user", "n": [1, 2]}
    assert found["w"][0] == {"x": 1.0}
    for wrong, words in (
        ({"role": "user", "n": ["x"]}, r"\.n\[0\]: expected long, got str"),
        ({"n": []}, r"missing \['role'\]"),
        ({"role": "user", "who": 1}, r"unknown \['who'\]"),
        ("text", "expected a dictionary"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            enforce({"m": wrong, "w": {}}, schema)


# ---------------------------------------------------------------- tensors


def test_tensors_keep_shape_and_type() -> None:
    schema = Schema([TensorSpec("float32", (-1, 2))])
    assert enforce(np.zeros((3, 2), "float32"), schema).dtype == "float32"
    assert enforce([[1, 2]], schema).dtype == "float32"
    assert enforce(pd.DataFrame([[1, 2]], dtype="float32"), schema).tolist() == [[1, 2]]
    for wrong, words in (
        (np.zeros((3, 3), "float32"), r"expected the shape \(-1, 2\), got \(3, 3\)"),
        (np.zeros((3, 2)), "expected float32, got float64"),
        ("text", "does not make an array"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            enforce(wrong, schema)


def test_named_tensors_come_as_a_dictionary_or_as_columns() -> None:
    schema = Schema([TensorSpec("int64", (-1, 2), "ids"), TensorSpec("float64", (-1,), "w")])
    for data in (
        {"ids": np.array([[1, 2]]), "w": np.array([0.5])},
        pd.DataFrame({"ids": [[1, 2]], "w": [0.5]}),
    ):
        found = enforce(data, schema)
        assert (found["ids"].tolist(), found["w"].tolist()) == ([[1, 2]], [0.5])
    with pytest.raises(InvalidArgument, match="missing: 'w'"):
        enforce({"ids": np.array([[1, 2]])}, schema)
    with pytest.raises(InvalidArgument, match="dictionary of arrays"):
        enforce(np.zeros((1, 2)), schema)


# ---------------------------------------------------------------- params


def test_params_get_defaults_and_are_checked() -> None:
    schema = infer_params({"k": 3, "scale": 0.5, "words": ["a"]})
    assert enforce_params(None, schema) == {"k": 3, "scale": 0.5, "words": ["a"]}
    assert enforce_params({"scale": 2, "words": ["b", "c"]}, schema) == {"k": 3, "scale": 2.0, "words": ["b", "c"]}
    with pytest.raises(InvalidArgument) as refused:
        enforce_params({"k": "x", "wrods": []}, schema)
    assert "unknown: 'wrods'" in refused.value.message
    assert "k: expected long, got str" in refused.value.message


def test_params_without_a_signature_are_refused() -> None:
    assert enforce_params(None, None) is None
    with pytest.raises(InvalidArgument, match="takes no params, but got 'k'"):
        enforce_params({"k": 1}, None)


def test_a_date_may_come_as_text() -> None:
    schema = ParamSchema([ParamSpec("day", DataType.datetime, "2026-01-01")])
    assert enforce_params({"day": "2026-02-01"}, schema) == {"day": dt.datetime(2026, 2, 1)}  # noqa: DTZ001
