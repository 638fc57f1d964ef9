"""Whatever comes in, every request has an answer: valid JSON, 200 or 400, never an exception, never a 500."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.serving.calls import INVOCATIONS, NATURAL, OPEN_INFERENCE, Asked

from .conftest import RICH_ROW, servable, strictly, told

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # the models' own arithmetic

PROTOCOLS = (NATURAL, INVOCATIONS, OPEN_INFERENCE)
NAMES = ("wine", "wine_arrays", "sentiment", "scaled", "rich")

_KEYS = st.sampled_from(
    ["inputs", "instances", "dataframe_split", "dataframe_records", "columns", "data", "index", "params", "x", "text",
     "alcohol", "name", "shape", "datatype", "messages", "prompt", "whole", "list", ""]
)  # fmt: skip
_LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
    | st.sampled_from([1e300, -1e300, 10**30, "FP64", "BYTES", "\ud800", "NaN", [1], [[1.5] * 13], ["x"], [[1]]])
)  # fmt: skip
ANY_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=3), inner, max_size=4)
)


@pytest.fixture(scope="module")
def served(wine, wine_arrays, sentiment, scaled, rich):
    return [servable(each) for each in (wine, wine_arrays, sentiment, scaled, rich)]


def _hold(served, body: bytes, content_type: bytes = b"application/json") -> None:
    for each in served:
        asked = [Asked(protocol, memoryview(body), content_type) for protocol in PROTOCOLS]
        for answered in each.answer(asked):
            assert answered.status in (200, 400, 415), (answered, body)
            strictly(answered.body)


@given(ANY_JSON)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_any_json(served, content):
    _hold(served, json.dumps(content).encode())


@given(st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records"]), ANY_JSON, ANY_JSON)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_in_the_right_place(served, key, content, params):
    _hold(served, json.dumps({key: content}).encode())
    _hold(served, json.dumps({key: content, "params": params}).encode())


@given(st.sampled_from(sorted(RICH_ROW)), ANY_JSON)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_in_a_column(served, name, value):
    row = RICH_ROW | {"when": "2026-01-31", "bytes": "AP8=", name: value}
    _hold(served[-1:], json.dumps(row).encode())
    _hold(served[-1:], json.dumps({"dataframe_records": [row, row]}).encode())


@given(st.binary(max_size=40), st.binary(max_size=20))
@settings(max_examples=60)
def test_any_bytes_of_any_type(served, body, content_type):
    _hold(served, body)
    _hold(served, body, b"text/csv")
    _hold(served, body, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"NaN", b"[NaN]", b"1e400", b"[[1e400]]", b'{"x": 1e400}', b'{"x": -Infinity}', b"{}",
        b'{"x": 1}}', b'{"x": 1} x', b'{"x": 1,}', b"{'x': 1}", b'{"x": 01}', b'{"x": 1, "x": 2}', b"\xef\xbb\xbf[]",
        b'{"x": "\xff"}', b'{"x": 1' + b"0" * 5000 + b"}", b'{"whole": 1' + b"0" * 30 + b"}", b'"\\ud800"',
        b'{"text": "\\ud83d"}', b'{"\\ud800": 1}', b"[" * 100_000, b"[" * 5000 + b"]" * 5000,
        b'{"x":' * 5000 + b"1" + b"}" * 5000, b"[{}]",
        b'{"inputs":' + b"[" * 2000 + b"1" + b"]" * 2000 + b"}", b'{"any": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"text": "' + b"\\u0000" * 10 + b'"}', b'{"dataframe_split": {"columns": [[]], "data": []}}',
        b'{"dataframe_split": {"columns": ["x"], "data": [], "index": 3}}', b'{"dataframe_split": {"data": {}}}',
        b'{"inputs": {"x": []}}', b'{"inputs": {"x": {}}}', b'{"inputs": []}', b'{"inputs": [[]]}',
        b'{"inputs": [[], []]}',
        b'{"inputs": {"x": [1]}, "params": {"factor": NaN}}', b'{"params": {}}',
        b'{"dataframe_records": [{"x": 1}, {"x": 1, "y": 2}]}', b'{"dataframe_records": [1, [2, 3]]}',
        b'{"dataframe_records": [{"x": [1]}, {}, {"x": 1, "y": [[]]}]}',
    ],
    ids=lambda each: each[:24],
)  # fmt: skip
def test_known_mischief(served, body):
    _hold(served, body)


def test_numbers_that_are_none(wine, scaled):
    row = wine.input_example.iloc[0].to_dict()
    for value in (1e300, float("inf"), -float("inf")):
        status, problem = told(servable(wine), row | {"ash": value})
        assert status == 400
        assert "huge values" in problem["detail"]
    assert told(servable(wine), row | {"ash": float("nan")})[0] == 200
    assert told(servable(scaled), {"x": float("nan")}) == (200, None)
    assert told(servable(scaled), {"x": float("inf")}) == (200, None)
    assert told(servable(scaled), [{"x": None}, {"x": 1}]) == (200, [None, 3.5])
    assert "out of range" in told(servable(scaled), b'{"x": 1e400}')[1]["detail"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (b"application/json; charset=utf-8", 200), (b"application/json;charset=UTF-8", 200), (b"APPLICATION/JSON", 200),
        (b"application/json; charset=latin-1", 415), (b"text/plain", 415), (b"application/x-www-form-urlencoded", 415),
        (b"multipart/form-data; boundary=x", 415), (b"text/csv", 415), (b"application/vnd.wine+json", 200), (b"", 200),
    ],
)  # fmt: skip
def test_content_types(scaled, content_type, status):
    found, problem = told(servable(scaled), {"x": 1}, content_type=content_type)
    assert found == status
    if status == 415:
        assert problem["code"] == "unsupported_media_type"


def test_a_hundred_megabytes(scaled, wine_arrays):
    served = servable(scaled)
    began = time.process_time()
    good = b'[{"x":1}' + b',{"x":123.25}' * 200_000 + b"]"
    answered = served.answer([Asked(NATURAL, good)])[0]
    assert (answered.status, answered.rows) == (200, 200_001)
    bad = b'[{"x":1}' + b',{"x":"text"}' * 50_000 + b"]"
    status, problem = told(served, bad)
    assert status == 400
    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith("and 49980 more.")
    text = b'{"x": "' + b"a" * 100_000_000 + b'"}'
    status, problem = told(served, text)
    assert status == 400
    assert "a text of 100000000 characters" in problem["detail"]
    assert told(servable(wine_arrays), b"[" + b"[1]," * 100_000 + b"[2]]")[0] == 400
    assert time.process_time() - began < 60


def test_refused_bodies_leave_nothing_behind(scaled):
    served = servable(scaled)
    bodies = [b'{"x": "a"}', b'{"y": 1}', b"[", b'{"dataframe_split": {"columns": ["%d"], "data": [[1]]}}']

    def refuse(times: int) -> None:
        for at in range(times):
            for body in bodies:
                told(served, body.replace(b"%d", b"%d" % at), protocol=INVOCATIONS)

    refuse(100)
    tracemalloc.start()
    try:
        refuse(50)
        before = tracemalloc.get_traced_memory()[0]
        refuse(200)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000
