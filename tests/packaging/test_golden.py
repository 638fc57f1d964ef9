"""Golden tests: kept with a model, asked again, and what is said when an answer is another."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.domain.golden import CaseResult, GoldenCase, GoldenReport, Tolerance, compare
from modelyard.packaging import golden
from modelyard.packaging import model as packaging
from modelyard.pyfunc import PythonModel

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "word": ["x", "y", None]})


class Echo(PythonModel):
    """Answers with what it gets, times a factor if that is a number."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        factor = (params or {}).get("factor", 1)
        return data if factor == 1 else data * factor


class Unsteady(PythonModel):
    def predict(self, data: Any) -> Any:
        import uuid

        return [uuid.uuid4().hex for _ in range(len(data))]


class Fussy(PythonModel):
    def predict(self, data: Any) -> Any:
        if len(data) > 2:
            raise RuntimeError("too many")
        return data


def save(path: Path, model: Any = Echo, **options: Any) -> packaging.LoadedFunction:
    packaging.save(model, path, flavor="python_function", **options)
    return packaging.load_function(path)


def rewrite(function: packaging.LoadedFunction, edit: Any) -> None:
    """Change the stored tests, as another version of the model would."""
    file = function.path / golden.FILE
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


# ------------------------------------------------------------------------------------ saved and run


@pytest.mark.parametrize(
    "example",
    [
        np.arange(6.0).reshape(3, 2), np.array([["a", "b"]]), np.array([1.5, np.nan, np.inf, -np.inf]), FRAME,
        "a text", ["texts", "and more"], {"key": [1, 2], "other": "x"}, 3.5, [{"role": "user", "content": "hi"}],
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_the_example_is_asked_again(example: Any, tmp_path: Path) -> None:
    function = save(tmp_path / "model", input_example=example, golden=True)
    report = golden.run(function)
    assert report.passed, str(report)
    assert [each.name for each in report.results] == ["input example"]
    assert str(report) == "1 of 1 golden tests passed"


def test_inputs_of_their_own_with_params(tmp_path: Path) -> None:
    function = save(
        tmp_path / "model", input_example=(FRAME[["a"]], {"factor": 1}), golden=(FRAME[["a"]] + 1, {"factor": 3})
    )
    stored = json.loads((function.path / golden.FILE).read_text())
    assert stored["cases"][0]["params"] == {"factor": 3}
    assert stored["cases"][0]["expected"] == [{"a": 6.0}, {"a": 9.0}, {"a": 12.0}]
    assert golden.run(function).passed
    rewrite(function, lambda content: content["cases"][0]["params"].update(factor=2))
    assert "[0].a: expected 6.0, got 4.0" in str(golden.run(function))


def test_cases_with_the_answers_that_the_author_expects(tmp_path: Path) -> None:
    cases = [GoldenCase("one", [1.0], [1.0 + 1e-7]), GoldenCase("two", "a", "a")]
    function = save(tmp_path / "model", golden=cases)
    assert [each.name for each in golden.run(function).results] == ["one", "two"]
    assert golden.run(save(tmp_path / "single", golden=cases[0])).passed
    with pytest.raises(InvalidArgument, match=r"(?s)does not pass its own.*wrong: \[1\]: expected 3, got 2"):
        save(tmp_path / "other", golden=[*cases, GoldenCase("wrong", [1, 2], [1, 3])])
    assert not (tmp_path / "other").exists()


def test_the_tolerance_is_kept_and_can_be_another(tmp_path: Path) -> None:
    function = save(tmp_path / "model", golden=[GoldenCase("near", [1.0], [1.05])], tolerance=0.1)
    assert golden.run(function).passed
    assert not golden.run(function, Tolerance(relative=0.01)).passed
    with pytest.raises(InvalidArgument, match="tolerance"):
        save(tmp_path / "other", golden=np.ones(3), tolerance=-1)
    for wrong in (math.nan, math.inf, -1e-9):
        with pytest.raises(InvalidArgument, match="zero or more"):
            Tolerance(absolute=wrong)


def test_whole_numbers_are_compared_as_such_unless_the_test_says_otherwise(tmp_path: Path) -> None:
    cases = [GoldenCase("counts", [1_000_001], [1_000_000])]
    with pytest.raises(InvalidArgument, match=r"\[0\]: expected 1000000, got 1000001"):
        save(tmp_path / "exact", golden=cases, tolerance=0.1)
    function = save(tmp_path / "near", golden=cases, tolerance=Tolerance(relative=1e-5, whole=True))
    assert golden.run(function).passed
    assert not golden.run(function, Tolerance()).passed


def test_a_library_s_model(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    data = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 0.5]})
    model = LinearRegression().fit(data, data.a * 2)
    packaging.save(model, tmp_path / "model", flavor="sklearn", input_example=data, golden=True)
    function = packaging.load_function(tmp_path / "model")
    assert golden.run(function).passed
    model.coef_[0] += 0.5
    packaging.save(model, tmp_path / "drifted", flavor="sklearn", input_example=data)
    drifted = packaging.load_function(tmp_path / "drifted")
    (tmp_path / "drifted" / golden.FILE).write_bytes((tmp_path / "model" / golden.FILE).read_bytes())
    report = golden.run(drifted)
    assert not report.passed
    # 2.0 * 4 + 0.5 * 4
    assert any(each.startswith("[2]: expected 8.0") and "got 10.0" in each for each in report.results[0].differences)
    assert str(report).startswith("0 of 1 golden tests passed\n  input example: [0]: expected")


def test_what_answers_differently_each_time_has_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"asked twice.*without golden"):
        save(tmp_path / "model", Unsteady, input_example=["a"], golden=True)


def test_there_has_to_be_something_to_ask(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="needs an input_example"):
        save(tmp_path / "model", golden=True)
    for nothing in (None, False):
        function = save(tmp_path / f"without-{nothing}", golden=nothing, input_example=["a"])
        assert not (function.path / golden.FILE).exists()
        report = golden.run(function)
        assert not report.results
        assert not report.passed  # nothing tested is nothing shown


def test_a_model_that_fails_is_a_result(tmp_path: Path) -> None:
    function = save(tmp_path / "model", Fussy, golden=[GoldenCase("short", [1], [1])])

    def longer(content: Any) -> None:
        content["cases"].append({**content["cases"][0], "name": "long", "inputs": [1, 2, 3]})

    rewrite(function, longer)
    assert str(golden.run(function)) == "1 of 2 golden tests passed\n  long: RuntimeError: too many"


def test_an_input_that_no_longer_fits_the_signature_is_a_result(tmp_path: Path) -> None:
    function = save(tmp_path / "model", input_example=FRAME[["a"]], golden=True)
    rewrite(function, lambda content: content["cases"][0]["inputs"].update(columns=["b"]))
    (result,) = golden.run(function).results
    assert "a" in result.error


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"cases": []}', '{"cases": 3, "tolerance": {}}', '{"cases": ["a"], "tolerance": {}}',
     '{"cases": [], "tolerance": {"relative": -1}}', '{"cases": [], "tolerance": {"relative": "x"}}',
     '{"cases": [], "tolerance": {"unknown": 1}}', "\xff"],
)  # fmt: skip
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    function = save(tmp_path / "model", input_example=["a"], golden=True)
    (function.path / golden.FILE).write_text(content, encoding="latin-1")
    with pytest.raises(DataCorrupted, match=r"golden\.json.* does not decode"):
        golden.run(function)


def test_a_damaged_case_is_a_result(tmp_path: Path) -> None:
    function = save(tmp_path / "model", input_example=["a"], golden=True)
    for key in ("kind", "inputs", "expected"):
        rewrite(function, lambda content, key=key: content["cases"][0].pop(key))
        assert not golden.run(function).passed


# ------------------------------------------------------------------------------------ comparing

EXACT = Tolerance(0, 0)


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        ([1, 2], [1, 2, 3], ["answer: expected 2 values, got 3"]),
        ([[1, 2], [3]], [[1, 2], [3, 4]], ["[1]: expected 1 values, got 2"]),
        ([1], 1, ["answer: expected [1], got 1"]),
        (1, [1], ["answer: expected 1, got [1]"]),
        ([{"a": 1}], [{"b": 1}], ["[0]: missing ['a']", "[0]: unknown ['b']"]),
        ({"a": {"b": [0.5]}}, {"a": {"b": [0.7]}}, [".a.b[0]: expected 0.5, got 0.7"]),
        ("pos", "neg", ["answer: expected 'pos', got 'neg'"]),
        ("1", 1, ["answer: expected '1', got 1"]),
        (True, 1, ["answer: expected True, got 1"]),
        (None, 0.0, ["answer: expected None, got 0.0"]),
        (0.5, None, ["answer: expected 0.5, got None"]),
        ("x" * 200, "y", [f"answer: expected 'xxx{'x' * 73}..., got 'y'"]),
        (math.inf, 1.0, ["answer: expected inf, got 1.0"]),
        (math.inf, -math.inf, ["answer: expected inf, got -inf"]),
        (1.0, math.inf, ["answer: expected 1.0, got inf"]),
        (math.nan, 1.0, ["answer: expected nan, got 1.0"]),
        (1.0, math.nan, ["answer: expected 1.0, got nan"]),
        (10**400, 1.0, [f"answer: expected {10**400}, got 1.0"]),
        (100_001, 100_002, ["answer: expected 100001, got 100002"]),
        (True, False, ["answer: expected True, got False"]),
    ],
)
def test_where_an_answer_differs(expected: Any, actual: Any, told: list[str]) -> None:
    assert compare(expected, actual, Tolerance()) == told


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (None, None), (math.nan, math.nan), (math.inf, math.inf), (1, 1.0), ([], []), ({}, {}), ("", ""),
        (100.0, 100.0009), (0.0, 1e-9), (10**400, 10**400), (100_001, 100_001.5),
    ],
)  # fmt: skip
def test_what_is_near_enough(expected: Any, actual: Any) -> None:
    assert compare(expected, actual, Tolerance()) == []


def test_many_differences_are_counted() -> None:
    assert compare(list(range(10)), [-1.0] * 10, EXACT)[-2:] == ["[4]: expected 4, got -1.0", "5 more"]
    assert len(compare([0] * 5, [1] * 5, EXACT)) == 5


def test_a_report_passes_only_if_something_was_tested() -> None:
    assert not GoldenReport().passed
    assert GoldenReport([CaseResult("a")]).passed
    assert not GoldenReport([CaseResult("a"), CaseResult("b", error="no")]).passed


numbers = st.integers() | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_everything_is_what_it_is(value: Any) -> None:
    assert compare(value, value, EXACT) == []


@given(values, values)
def test_both_sides_see_the_difference(one: Any, other: Any) -> None:
    assert bool(compare(one, other, EXACT)) == bool(compare(other, one, EXACT))


@given(values, values, values)
def test_a_difference_within_is_one_of_the_whole(one: Any, other: Any, around: Any) -> None:
    assume(compare(one, other, EXACT))
    assert compare([around, {"key": one}], [around, {"key": other}], EXACT)[0].startswith("[1].key")


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1), st.floats(0, 10))
def test_within_the_tolerance_and_beyond_it(expected: float, relative: float, absolute: float) -> None:
    tolerance = Tolerance(relative, absolute)
    room = absolute + relative * abs(expected)
    assert tolerance.allows(expected, expected)
    beyond = expected + 2 * room + abs(expected) * 0.1 + 1
    assume(math.isfinite(beyond))
    assert not tolerance.allows(expected, beyond)
    assert tolerance.allows(expected, expected + room / 2) or not math.isfinite(expected + room / 2)


@given(values)
def test_what_is_stored_is_as_good_as_what_was_said(value: Any) -> None:
    """Answers are kept as JSON: an answer that does not change passes, NaN and infinities too."""
    from modelyard.packaging.example import plain

    stored = json.loads(json.dumps(plain(value)))
    assert compare(stored, plain(value), EXACT) == []
