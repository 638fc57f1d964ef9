"""Intervals against published values, and against another implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.intervals import difference, wilson


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(hits, of, low, high):
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_differences_as_published(one, other, low, high):
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10."""
    assert difference(*one, *other) == pytest.approx((low, high), abs=5e-5)


counted = st.integers(0, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counted, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_as_scipy_has_it(sample, confidence):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    hits, of = sample
    low, high = wilson(hits, of, confidence)
    if of:
        theirs = stats.binomtest(hits, of).proportion_ci(confidence, "wilson")
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert 0 <= low <= hits / of <= high <= 1
    else:
        assert (low, high) == (0, 1)


@given(counted, counted)
def test_a_difference_is_turned_by_turning_the_question(one, other):
    low, high = difference(*one, *other)
    assert difference(*other, *one) == pytest.approx((-high, -low))
    assert -1 <= low <= high <= 1
    if one[1] and other[1]:
        assert low - 1e-12 <= one[0] / one[1] - other[0] / other[1] <= high + 1e-12


def test_more_answers_tell_more():
    spans = [high - low for low, high in (wilson(n // 10, n) for n in (10, 100, 1000, 10_000))]
    assert spans == sorted(spans, reverse=True)
    assert wilson(5, 50, 0.999)[0] < wilson(5, 50, 0.95)[0]
