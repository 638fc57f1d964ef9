"""Calls of several protocols, put together, answered, and kept apart where one of them is bad."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from modelyard.serving.calls import INVOCATIONS, NATURAL, OPEN_INFERENCE, Asked

from .conftest import ask, servable, strictly, told


def test_a_batch_of_many_protocols_is_one_prediction(wine):
    served = servable(wine)
    frame = wine.input_example
    rows = frame.to_dict(orient="records")
    asked = [
        Asked(NATURAL, json.dumps(rows[0]).encode()),
        Asked(NATURAL, json.dumps(rows).encode()),
        Asked(INVOCATIONS, json.dumps({"dataframe_split": frame.to_dict(orient="split")}).encode()),
        Asked(NATURAL, b'{"alcohol": 1}'),
        Asked(INVOCATIONS, json.dumps({"dataframe_records": rows[1:]}).encode()),
    ]
    answers = served.answer(asked)
    expected = wine.predict(frame).tolist()
    assert [each.status for each in answers] == [200, 200, 200, 400, 200]
    assert strictly(answers[0].body) == expected[0]
    assert strictly(answers[1].body) == expected
    assert strictly(answers[2].body) == {"predictions": expected}
    assert strictly(answers[4].body) == {"predictions": expected[1:]}
    assert [each.rows for each in answers] == [1, 3, 3, 0, 2]
    assert served.predictions == 1


def test_only_the_guilty_call_fails(touchy, caplog):
    served = servable(touchy)
    asked = [Asked(NATURAL, json.dumps({"x": x}).encode()) for x in (1, -1, 3)]
    with caplog.at_level(logging.ERROR, "modelyard.serving"):
        answers = served.answer(asked)
    assert [each.status for each in answers] == [200, 500, 200]
    assert [strictly(answers[0].body), strictly(answers[2].body)] == [2.0, 6.0]
    assert "secret" not in answers[1].body.decode()
    assert "secret words about negative numbers" in caplog.text


def test_output_of_another_length_is_answered_alone(touchy):
    served = servable(touchy)
    answers = served.answer([Asked(NATURAL, json.dumps({"x": x}).encode()) for x in (1, 2000)])
    assert [strictly(each.body) for each in answers] == [2.0, [2000.0, 0.0]]


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
def test_batches_hold_as_many_rows_as_planned_and_larger_calls_go_alone(scaled, rows):
    served = servable(scaled, rows=rows)
    sizes = [1, 3, 1, 1, 7, 1]
    asked = [Asked(NATURAL, json.dumps([{"x": each} for each in range(size)]).encode()) for size in sizes]
    answers = served.answer(asked)
    assert [strictly(each.body) for each in answers] == [[3.0 * x + 0.5 for x in range(size)] for size in sizes]
    assert served.predictions == {1: 6, 2: 4, 5: 3, 64: 1}[rows]


def test_params_part_the_batches(scaled):
    served = servable(scaled)
    bodies = [
        {"x": 2},
        {"inputs": {"x": 2}},
        {"inputs": {"x": 2}, "params": {"factor": 10}},
        {"inputs": [{"x": 3}], "params": {"factor": 10.0}},
    ]
    answers = served.answer([Asked(NATURAL, json.dumps(body).encode()) for body in bodies])
    assert [strictly(each.body) for each in answers] == [6.5, 6.5, 20.5, [30.5]]
    assert served.predictions == 2
    status, problem = told(served, {"inputs": {"x": 1}, "params": {"facto": 1}})
    assert status == 400
    assert "'facto'" in problem["detail"]


def test_filling_up_changes_no_answer(wine_arrays):
    row = wine_arrays.input_example[1].tolist()
    alone, filled = (ask(servable(wine_arrays, least=least), row).body for least in (1, 8))
    assert alone == filled
    assert strictly(alone) == wine_arrays.predict(np.array([row]))[0].tolist()


def test_no_rows_are_an_empty_answer(wine, wine_arrays, sentiment):
    for function in (wine, wine_arrays, sentiment):
        served = servable(function)
        assert told(served, []) == (200, [])
        assert told(served, {"inputs": []}, protocol=INVOCATIONS) == (200, {"predictions": []})
        assert served.predictions == 0


def test_all_protocols_give_the_same_numbers(wine_arrays):
    served = servable(wine_arrays)
    array = wine_arrays.input_example
    expected = wine_arrays.predict(array).tolist()
    assert told(served, array.tolist()) == (200, expected)
    assert told(served, {"inputs": array.tolist()}, protocol=INVOCATIONS) == (200, {"predictions": expected})
    tensor = {"name": "input-0", "shape": list(array.shape), "datatype": "FP64", "data": array.tolist()}
    status, content = told(served, {"inputs": [tensor]}, protocol=OPEN_INFERENCE)
    assert status == 200
    assert content["outputs"][0]["data"] == np.ravel(expected).tolist()
    assert served.predictions == 3


def test_an_unknown_protocol_is_answered_too(wine):
    assert servable(wine).answer([Asked(9, b"{}")])[0].status == 404


def test_a_model_may_change_its_params(scaled):
    served = servable(scaled)
    served.assembly.predict = lambda data, params: data["x"].to_numpy() * params.pop("factor")  # type: ignore[method-assign]
    assert [told(served, {"x": 2}), told(served, {"x": 2})] == [(200, 6.0)] * 2
