"""Two runs side by side."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.client.reproduction import comparison

numbers = st.floats(allow_infinity=False)


def run(metrics, params=None, digests=None):
    inputs = [SimpleNamespace(dataset=SimpleNamespace(name=name, digest=d)) for name, d in (digests or {}).items()]
    data = SimpleNamespace(metrics=metrics, params=params or {})
    return SimpleNamespace(data=data, inputs=SimpleNamespace(dataset_inputs=inputs))


@given(numbers, numbers, st.floats(0, 1))
def test_closeness_is_symmetric_and_a_value_is_close_to_itself(one, other, tolerance) -> None:
    assert comparison.close(one, one, 0)
    assert comparison.close(one, other, tolerance) == comparison.close(other, one, tolerance)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, 1.0 + 5e-7, True),
        (0.0, 5e-7, True),
        (0.0, 2e-6, False),
        (1e9, 1e9 + 100, True),
        (math.nan, math.nan, True),
        (math.nan, 0.0, False),
        (1.7976931348623157e308, -1.7976931348623157e308, False),
    ],
)
def test_the_tolerance_is_absolute_for_small_and_relative_for_large_values(one, other, same) -> None:
    assert comparison.close(one, other, 1e-6) is same


@pytest.mark.parametrize(
    ("key", "measured"),
    [
        ("system/cpu_utilization_percentage", True),
        ("fit_time", True),
        ("mean_fit_time", True),
        ("epoch_duration_s", True),
        ("samples_per_second", True),
        ("latency/p99_ms", True),
        ("Time", True),
        ("loss", False),
        ("rms", False),
        ("sometimes", False),
        ("val/f1_score", False),
    ],
)
def test_what_a_clock_measures_is_not_compared(key, measured) -> None:
    assert comparison.is_measured(key) is measured


def test_what_differs_comes_first() -> None:
    before = run({"a": 1.0, "b": 2.0, "gone": 3.0, "fit_time": 1.0, "noise/x": 1.0})
    after = run({"a": 1.0, "b": 2.1, "more": 4.0, "fit_time": 2.0, "noise/x": 9.0})
    found = comparison.metrics(before, after, 1e-6, ["noise/*"])
    assert [(each.key, each.verdict) for each in found] == [
        ("b", "differs"),
        ("gone", "missing"),
        ("more", "new"),
        ("a", "same"),
        ("fit_time", "not compared"),
        ("noise/x", "not compared"),
    ]
    assert found[0].apart == pytest.approx(0.1)


def test_what_else_is_not_the_same_is_said() -> None:
    before = run({}, {"lr": "0.1", "old": "1"}, {"wine": "abc"})
    after = run({}, {"lr": "0.2"}, {"wine": "abd"})
    assert comparison.causes(before, after, None, None) == [
        "Params: lr 0.1 → 0.2, old 1 → none",
        "Datasets: wine abc → abd",
    ]
    assert comparison.causes(before, before, None, None) == []
