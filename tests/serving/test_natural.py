"""Natural JSON: what is understood, how it is answered, and how everything that is wrong is named."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.packaging.schema import Array, ColSpec, DataType, Schema, TensorSpec
from modelyard.serving.assembly import Assembly, Frames
from modelyard.serving.calls import Asked, Call
from modelyard.serving.tables import Table
from modelyard.serving.tensors import Tensors
from modelyard.serving.values import plain

from .conftest import RICH_ROW, servable, told

JSON_ROW = RICH_ROW | {"when": "2026-01-31T08:30:00", "bytes": "AP8="}


def test_a_row_is_an_object_and_so_is_its_answer(sentiment):
    served = servable(sentiment)
    assert told(served, {"text": "very good cafe"}) == (200, {"label": "bad", "score": 0.35})
    assert told(served, [{"text": "very good cafe"}]) == (200, [{"label": "bad", "score": 0.35}])
    assert told(served, "very good cafe") == (200, {"label": "bad", "score": 0.35})
    assert told(served, ["a", {"text": "b"}]) == (200, [{"label": "bad", "score": 0.025}] * 2)


def test_tensors_with_and_without_their_leading_length(wine_arrays):
    served = servable(wine_arrays)
    array = wine_arrays.input_example
    expected = wine_arrays.predict(array).tolist()
    assert told(served, array[0].tolist()) == (200, expected[0])
    assert told(served, array.tolist()) == (200, expected)
    assert told(served, json.dumps(array.tolist(), indent=1).encode()) == (200, expected)
    assert told(served, {"inputs": array.astype(int).tolist()})[0] == 200


def test_without_a_signature_lists_are_arrays(unsigned):
    served = servable(unsigned)
    assert told(served, [[1, 2], [3, 4]]) == (200, [3, 7])
    assert told(served, [1, 2.5]) == (200, 3.5)
    assert told(served, {"inputs": [[1, 2]]}) == (200, [3])
    assert told(served, [[1], [2, 3]])[0] == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "missing: 'number', 'short', 'whole'"),
        (JSON_ROW | {"extra": 1, "more": 2}, "unknown: 'extra', 'more'"),
        (JSON_ROW | {"number": "1.5"}, "'number': expected double, got the text '1.5'"),
        (JSON_ROW | {"number": True}, "'number': expected double, got true"),
        (JSON_ROW | {"short": 1e39}, "'short': expected float, got the number 1e+39, which does not fit into 32 bits"),
        (JSON_ROW | {"whole": 1.5}, "'whole': expected long, got the number 1.5"),
        (JSON_ROW | {"whole": 10**30}, "'whole': expected long, got a number of many digits, which does not fit"),
        (JSON_ROW | {"whole": None}, "'whole': expected long, got null"),
        (JSON_ROW | {"small": 2**31}, "which does not fit into 32 bits"),
        (JSON_ROW | {"flag": 1}, "'flag': expected boolean, got the number 1"),
        (JSON_ROW | {"text": 3}, "'text': expected string"),
        (JSON_ROW | {"when": "tomorrow"}, "'when': expected datetime"),
        (JSON_ROW | {"when": "2026-01-31T08:30:00Z"}, "'when': expected datetime without a time zone"),
        (JSON_ROW | {"when": "9999-12-31"}, "'when': expected datetime from 1678 to 2261"),
        (JSON_ROW | {"bytes": "no base 64!"}, "'bytes': expected binary"),
        (JSON_ROW | {"list": [1, "x"]}, "'list/1': expected double"),
        (JSON_ROW | {"list": 3}, "'list': expected a list"),
        (JSON_ROW | {"object": {"b": 1, "c": 2}}, "missing: 'object/a'; unknown: 'object/c'"),
        (JSON_ROW | {"map": {"k": "v"}}, "'map/k': expected long"),
        ([JSON_ROW, 3], "row 1: expected an object with 'number'"),
        ([JSON_ROW, JSON_ROW | {"count": 1}], "missing, and other rows have it"),
        (3, "expected an object"),
        (None, "expected an object"),
    ],
)
def test_everything_that_is_wrong_is_named(rich, body, says):
    status, problem = told(servable(rich), body)
    assert status == 400
    assert says in problem["detail"]
    assert problem["errors"]


def test_several_faults_are_told_at_once(rich):
    row = {name: value for name, value in JSON_ROW.items() if name != "flag"}
    status, problem = told(servable(rich), row | {"number": "x", "other/name": 1})
    assert status == 400
    assert problem["detail"] == (
        "The data does not fit the model's signature. missing: 'flag'; unknown: 'other/name'; "
        "'number': expected double, got the text 'x'."
    )
    assert {each["pointer"] for each in problem["errors"]} == {"/flag", "/other~1name", "/number"}


def test_unknown_columns_are_ignored_where_that_is_asked_for(sentiment):
    served = servable(sentiment, unknown_columns="ignore")
    assert told(served, {"text": "a", "user": 7}) == (200, {"label": "bad", "score": 0.025})
    assert told(served, {"user": 7})[0] == 400


def test_the_model_gets_what_it_gets_in_process(rich):
    served = servable(rich)
    rows = [
        RICH_ROW,
        RICH_ROW | {"maybe": 0.5},
        RICH_ROW | {"count": 3, "any": [1, "a", None]},
    ]
    for row in rows:
        sent = row | {"when": "2026-01-31T08:30:00", "bytes": "AP8="}
        # nested values are plain ones in both; a frame of one row
        typed = {name: {"short": "float32", "small": "int32"}[name] for name in ("short", "small")}
        expected = rich.predict(pd.DataFrame([row]).astype(typed))["told"][0]
        assert told(served, sent) == (200, {"told": expected})
        assert told(served, [sent, sent]) == (200, [{"told": expected}] * 2)


def test_gaps_keep_calls_apart_but_change_no_answer(rich):
    served = servable(rich)
    bodies = [JSON_ROW, JSON_ROW | {"count": 1}, JSON_ROW | {"count": None}, JSON_ROW | {"maybe": None}]
    alone = [servable(rich, rows=1).answer([Asked(0, json.dumps(each).encode())])[0].body for each in bodies]
    together = [each.body for each in served.answer([Asked(0, json.dumps(each).encode()) for each in bodies])]
    assert together == alone
    assert served.predictions == 3
    assert alone[0] == alone[2]


# ---------------------------------------------------------------- the same as in process

_TEXT = "aZ \u00e9\u20ac\U0001f600\n/\"\\'\x00"
_KINDS = {
    "double": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "long": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "string": st.text(_TEXT),
}


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_rows_become_the_frame_that_enforcement_would_give(data):
    from modelyard.packaging.enforcement import enforce

    kinds = data.draw(st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=4))
    if data.draw(st.booleans()):
        kinds = kinds[:1] * len(kinds)
    names = data.draw(
        st.lists(st.text(_TEXT, min_size=1, max_size=4), min_size=len(kinds), max_size=len(kinds), unique=True)
    )
    schema = Schema([ColSpec(DataType(kind), name) for kind, name in zip(kinds, names, strict=True)])
    row = st.fixed_dictionaries({name: _KINDS[kind] for name, kind in zip(names, kinds, strict=True)})
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    body = json.dumps(rows).encode()
    table = Table(schema)
    try:
        taken, count, one = table.decode(body)
    except ValueError:  # names that JSON has to escape
        assert any(each in "".join(names) for each in '"\\') or min("".join(names)) < " "
        taken, count, one = table.plain(plain(body))
    assert (count, one) == (len(rows), False)
    assert table.plain(plain(body))[0] == taken
    made = Frames(schema).make([Call([each], 1) for each in taken])
    given_types = {"float": "float32", "integer": "int32"}
    frame = pd.DataFrame(rows, columns=names)
    for name, kind in zip(names, kinds, strict=True):
        frame[name] = frame[name].astype(given_types.get(kind, {"double": "float64"}.get(kind, frame[name].dtype)))
    expected = enforce(frame, schema)
    pd.testing.assert_frame_equal(made, expected, check_exact=True)
    assert made.to_numpy().flags.f_contiguous == expected.to_numpy().flags.f_contiguous


@given(st.data())
@settings(max_examples=40)
def test_lists_become_the_array_that_enforcement_would_give(data):
    from modelyard.packaging.enforcement import enforce

    named = data.draw(st.sampled_from(["float64", "float32", "int64", "uint8", "bool", "str"]))
    inner = data.draw(st.lists(st.integers(1, 3), max_size=2))
    free = data.draw(st.lists(st.booleans(), min_size=len(inner), max_size=len(inner)))
    shape = (-1, *(-1 if each else length for each, length in zip(free, inner, strict=True)))
    count = data.draw(st.integers(1, 3))
    cells = {
        "float64": _KINDS["double"], "float32": _KINDS["float"], "int64": _KINDS["long"], "uint8": st.integers(0, 255),
        "bool": st.booleans(), "str": st.text(alphabet="ab\u00e9", max_size=3),
    }[named]  # fmt: skip
    size = count * math.prod(inner)
    flat = data.draw(st.lists(cells, min_size=size, max_size=size))
    nested = np.array(flat, dtype=object).reshape((count, *inner)).tolist()
    schema = Schema([TensorSpec(named, shape)])
    body = json.dumps(nested).encode()
    reader = Tensors(schema)
    expected = enforce(np.array(nested, dtype=named), schema)
    for taken, rows, one in (reader.decode(body), reader.plain(json.loads(body))):
        assert (rows, one) == (count, False)
        made = np.array(taken, dtype=expected.dtype)
        assert made.dtype == expected.dtype
        assert made.tolist() == expected.tolist()
    _, rows, one = reader.decode(json.dumps(nested[0]).encode())
    assert (rows, one) == (1, True)


def test_a_frame_may_be_an_array_where_the_library_does_not_mind(wine):
    assembly = Assembly(wine)
    assert assembly.arrays
    served = servable(wine)
    frame = wine.input_example
    assert told(served, frame.to_dict(orient="records")) == (200, wine.predict(frame).tolist())


def test_one_column_of_lists():
    table = Table(Schema([ColSpec(Array(DataType.double), "v")]))
    assert table.decode(b'{"v": [1, 2]}') == ([([1.0, 2.0],)], 1, True)
    assert table.plain([1, 2]) == ([([1.0, 2.0],)], 1, True)
    assert table.plain([[1, 2], [3]]) == ([([1.0, 2.0],), ([3.0],)], 2, False)
    unnamed = Table(Schema([ColSpec(DataType.double), ColSpec(DataType.string)]))
    assert unnamed.decode(b'[1, "a"]') == ([(1.0, "a")], 1, True)
    assert unnamed.decode(b'[[1, "a"]]') == ([(1.0, "a")], 1, False)


def test_columns_without_names_and_very_many_of_them():
    from modelyard.packaging.enforcement import enforce

    schema = Schema([ColSpec(DataType.double), ColSpec(DataType.string), ColSpec(DataType.boolean)])
    rows, count, one = Table(schema).decode(b'[[1, "a", true], [2.5, "b", false]]')
    assert (count, one) == (2, False)
    expected = enforce(pd.DataFrame([[1.0, "a", True], [2.5, "b", False]]), schema)
    pd.testing.assert_frame_equal(Frames(schema).make([Call(rows, count)]), expected)
    wide = Schema([ColSpec(DataType.double, f"c{at}") for at in range(1500)])
    row = {f"c{at}": at for at in range(1500)}
    with pytest.raises(ValueError, match=r"^$"):
        Table(wide).decode(json.dumps(row).encode())
    assert Table(wide).plain(row)[0] == [tuple(map(float, range(1500)))]
    assert Table(wide).split(list(row), msgspec.Raw(json.dumps([list(row.values())]).encode())) == [
        tuple(map(float, range(1500)))
    ]
