"""MLflow's scoring protocol, beside the scoring server of stock MLflow: the same bodies to both."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelyard.packaging.manifest import Model
from modelyard.serving.calls import INVOCATIONS, Asked, Call
from modelyard.serving.outputs import normal
from modelyard.serving.protocols.invocations import Invocations

from .conftest import RICH_ROW, servable, strictly, told

JSON_ROW = RICH_ROW | {"when": "2026-01-31T08:30:00", "bytes": "AP8="}


@pytest.fixture(scope="session")
def stock(shelf, wine, wine_arrays, sentiment, scaled, unsigned, rich) -> Any:
    """`stock(name, body, content_type)`: status and content of what MLflow answers."""
    pyfunc = pytest.importorskip("mlflow.pyfunc", reason="MLflow is not installed")
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import scoring_server

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    loaded: dict[str, Any] = {}

    def ask(name: str, body: bytes, content_type: str) -> tuple[int, Any]:
        model = loaded.get(name) or loaded.setdefault(name, pyfunc.load_model(str(shelf / name)))
        try:
            found = scoring_server.invocations(body, content_type, model, model.metadata.get_input_schema())
        except MlflowException as fault:
            return fault.get_http_status_code(), json.loads(fault.serialize_as_json())
        return found.status, json.loads(found.response) if found.mimetype == "application/json" else found.response

    return ask


def bodies(frame: pd.DataFrame) -> dict[str, Any]:
    """One table in every way of saying it."""
    split, rows, columns = (frame.to_dict(orient=orient) for orient in ("split", "records", "list"))
    backwards = frame[frame.columns[::-1]].to_dict(orient="split")
    return {
        "split": {"dataframe_split": split},
        "split without index": {"dataframe_split": {"columns": split["columns"], "data": split["data"]}},
        "split in another order": {"dataframe_split": backwards},
        "records": {"dataframe_records": rows},
        "instances as rows": {"instances": rows},
        "instances as columns": {"instances": columns},
        "inputs as columns": {"inputs": columns},
        "inputs as rows": {"inputs": rows},
        "inputs as one row": {"inputs": rows[0]},
        "null params": {"inputs": columns, "params": None},
    }


WAYS = sorted(bodies(pd.DataFrame({"a": [1]})))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["wine", "sentiment", "scaled"])
def test_tables_are_answered_as_by_stock_mlflow(request, stock, name, way):
    function = request.getfixturevalue(name)
    body = json.dumps(bodies(function.input_example)[way]).encode()
    assert told(servable(function), body, protocol=INVOCATIONS) == stock(name, body, "application/json")


@pytest.mark.parametrize("name", ["wine", "sentiment", "scaled"])
@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "text/csv;charset=UTF-8"])
@pytest.mark.parametrize("index", [False, True])
def test_csv(request, stock, name, content_type, index):
    function = request.getfixturevalue(name)
    body = function.input_example.to_csv(index=index).encode()
    found = told(servable(function), body, protocol=INVOCATIONS, content_type=content_type.encode())
    assert found == stock(name, body, content_type)


def test_parquet(stock, wine):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    body = io.BytesIO()
    wine.input_example.to_parquet(body)
    kind = "application/vnd.apache.parquet"
    found = told(servable(wine), body.getvalue(), protocol=INVOCATIONS, content_type=kind.encode())
    assert found == stock("wine", body.getvalue(), kind)
    assert told(servable(wine), b"PAR1", protocol=INVOCATIONS, content_type=kind.encode())[0] == 400


@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_tensors(stock, wine_arrays, key):
    array = wine_arrays.input_example
    for value in (array.tolist(), array.astype(int).tolist(), array[:1].tolist(), array[:, :3].tolist(), [["a"] * 13]):
        body = json.dumps({key: value}).encode()
        found, expected = (
            told(servable(wine_arrays), body, protocol=INVOCATIONS),
            stock("wine_arrays", body, "application/json"),
        )
        assert found[0] == expected[0]
        if found[0] == 200:
            assert found == expected


@pytest.mark.parametrize(
    "body",
    [
        lambda array: {"dataframe_split": {"data": array.tolist()}},
        lambda array: {"dataframe_split": {"columns": ["v"], "data": [[row] for row in array.tolist()]}},
        lambda array: {"dataframe_records": [{f"c{at}": x for at, x in enumerate(row)} for row in array.tolist()]},
    ],
)
def test_tensors_as_tables(stock, wine_arrays, body):
    sent = json.dumps(body(wine_arrays.input_example)).encode()
    assert told(servable(wine_arrays), sent, protocol=INVOCATIONS) == stock("wine_arrays", sent, "application/json")


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [[1, 2], [3, 4]]}, {"inputs": [1, 2, 3]}, {"inputs": 3}, {"inputs": {"a": [1, 2]}},
        {"instances": [[1.0, 2.0]]}, {"instances": [[0.1, 0.2], [1e300, 1e300]]}, {"inputs": [[1], [1, 2]]},
        {"prompt": "x", "more": [1]}, {"messages": []},
    ],
)  # fmt: skip
def test_without_a_signature(stock, unsigned, body):
    sent = json.dumps(body).encode()
    found, expected = told(servable(unsigned), sent, protocol=INVOCATIONS), stock("unsigned", sent, "application/json")
    assert found[0] == expected[0]
    assert found[0] == 400 or found == expected


def test_a_column_of_each_type(stock, rich):
    for row in (JSON_ROW, JSON_ROW | {"maybe": None}, JSON_ROW | {"maybe": 1.5, "count": 3, "any": [1, "a"]}):
        body = json.dumps({"dataframe_records": [row]}).encode()
        status, content = stock("rich", body, "application/json")
        # MLflow's conversion leaves NumPy's integers in nested values
        expected = content["predictions"][0]["told"].replace("np.int64(1)", "1").replace("np.int64(3)", "3")
        assert (status, {"predictions": [{"told": expected}]}) == told(servable(rich), body, protocol=INVOCATIONS)


BAD: list[tuple[Any, str]] = [
    (b"", "application/json"), (b"{", "application/json"), (b"[]", "application/json"), (b"3", "application/json"),
    (b"null", "application/json"), (b'{"a": 1}', "application/json"), (b"\xff", "application/json"),
    (b'{"dataframe_split": 3}', "application/json"), (b'{"dataframe_split": {}}', "application/json"),
    (b'{"dataframe_split": {"data": [[1]], "more": 1}}', "application/json"),
    (b'{"dataframe_records": {}}', "application/json"), (b'{"inputs": 1, "instances": 2}', "application/json"),
    (b'{"inputs": {"x": [1]}, "params": 3}', "application/json"),
    (b'{"inputs": {"x": ["a"]}}', "application/json"), (b'{"inputs": {"y": [1]}}', "application/json"),
    (b'{"inputs": {"x": [[1]]}}', "application/json"), (b'{"inputs": {}}', "application/json"),
    (b"{}", "text/plain"), (b"{}", "application/json; charset=latin-1"), (b"{}", "application/json; format=split"),
    (b'x\n"', "text/csv"), (b"", "text/csv"), (b"y\n1\n", "text/csv"), (b"x\na\n", "text/csv"),
    (b"\xff\n1\n", "text/csv"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type"), BAD)
def test_what_stock_mlflow_refuses_is_refused_with_the_same_status(stock, scaled, body, content_type):
    found = told(servable(scaled), body, protocol=INVOCATIONS, content_type=content_type.encode())
    assert found[0] == stock("scaled", body, content_type)[0]
    assert found[1].keys() == {"error_code", "message"}
    assert found[1]["error_code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"dataframe_records": [{"x": 1, "y": 2}]}, "unknown: 'y'"),
        ({"dataframe_split": {"columns": ["x", "x"], "data": [[1, 2]]}}, "Twice: x"),
        ({"dataframe_split": {"columns": ["x"], "data": [[1], [2, 3]]}}, "row 1 has 2 values for 1 columns"),
        ({"dataframe_records": [{"x": "1.5"}]}, "expected double, got the text '1.5'"),
        ({"inputs": {"x": [1, 2], "y": [3]}}, "differ in length"),
        ({"inputs": {"x": [1]}, "params": {"facto": 1}}, "'facto'"),
        ({"inputs": {"x": [1]}, "params": {"factor": "a"}}, "factor: expected double"),
    ],
)
def test_where_we_are_stricter_than_stock_the_message_says_why(scaled, body, says):
    status, content = told(servable(scaled), body, protocol=INVOCATIONS)
    assert (status, content["error_code"]) == (400, "BAD_REQUEST")
    assert says in content["message"]


def test_params(stock, scaled):
    for params in ({"factor": 10.0}, {"factor": 10}, {"offset": -1.0, "factor": 2.0}, {}):
        body = json.dumps({"inputs": {"x": [1.0, 2.0]}, "params": params}).encode()
        assert told(servable(scaled), body, protocol=INVOCATIONS) == stock("scaled", body, "application/json")


OUTPUTS: list[Any] = [
    np.array([1.5, 2.5]), np.array([[1, 2], [3, 4]]), np.array([0.1], dtype="float32"), np.array([True]),
    np.array(["a", "\u00e9"]), np.array(["a", 1, None, b"x"], dtype=object), np.array([b"abc"]), np.float64(0.1),
    np.zeros((2, 0)), np.array(["2026-01-31T08:30"], dtype="datetime64[us]"), 3, "text", None, [1, "a", None], [],
    {"a": np.array([1, 2]), "b": [3.5]}, [{"label": "x", "score": np.float32(0.25)}], {"k": {"n": [np.int64(3)]}},
    [b"\x00" * 60], (1, 2), [dt.date(2026, 1, 31)], [dt.datetime.fromisoformat("2026-01-31T08:30:00")],
    pd.Series([1, 2]), pd.Series([1.5], name="score"), pd.Series(["a", "b"], name="label"),
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5], "d": [True, False]}), pd.DataFrame([[1.0, 2.0]]),
    pd.DataFrame({"when": pd.to_datetime(["2026-01-31 08:30:00.000", "2026-01-31 08:30:00.250"])}),
    pd.DataFrame({"l": [[1, 2], [3]], "d": [{"k": 1}, {}], "b": [b"x", b"y"]}), pd.DataFrame({"a": []}),
]  # fmt: skip


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda each: f"{type(each).__name__} {each!s:.30}")
def test_every_kind_of_output_is_worded_as_by_stock_mlflow(output):
    server = pytest.importorskip("mlflow.pyfunc.scoring_server", reason="MLflow is not installed")
    expected = io.StringIO()
    server.predictions_to_json(output, expected)
    answered = Invocations(Model()).write(Call(None, 1), normal(output))
    assert (answered.status, strictly(answered.body)) == (200, json.loads(expected.getvalue()))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (np.array([1.0, np.nan, -np.inf]), [1.0, None, None]),
        (pd.DataFrame({"a": [1.0, np.nan], "s": ["x", None]}), [{"a": 1.0, "s": "x"}, {"a": None, "s": None}]),
        (pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}), [{"n": 1}, {"n": None}]),
        (pd.DataFrame({"t": pd.to_datetime(["2026-01-31", None])}), [{"t": "2026-01-31T00:00:00"}, {"t": None}]),
        ([float("nan"), np.float32("inf"), {"x": float("inf")}], [None, None, {"x": None}]),
        (["half \ud800 pair", 2**70, {1: np.int64(2)}], ["half \ud800 pair", 2**70, {"1": 2}]),
    ],
)
def test_what_json_has_no_words_for_is_null(output, expected):
    answered = Invocations(Model()).write(Call(None, 1), normal(output))
    assert strictly(answered.body) == {"predictions": expected}


def test_an_answer_that_cannot_be_worded_is_the_models_failure(unsigned):
    served = servable(unsigned)
    served.assembly.predict = lambda data, params: [object()]  # type: ignore[method-assign]
    answered = served.answer([Asked(INVOCATIONS, b'{"inputs": [[1]]}')])[0]
    assert answered.status == 500
    assert "cannot be written as JSON" in strictly(answered.body)["message"]
