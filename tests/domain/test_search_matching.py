"""What filters mean."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.domain.search import like_to_regex, matches, parse_filter

RUN = {
    ("metric", "loss", "latest"): 0.5,
    ("metric", "loss", "min"): 0.1,
    ("metric", "loss", "max"): 9.0,
    ("metric", "broken", "latest"): float("nan"),
    ("param", "model", "latest"): "ResNet",
    ("param", "empty", "latest"): "",
    ("attribute", "start_time", "latest"): 1000,
    ("attribute", "status", "latest"): "FINISHED",
    ("dataset", "name", "latest"): ("train", "valid"),
    ("dataset", "context", "latest"): (),
}


def holds(text):
    node = parse_filter(text, "runs", "modelyard")
    assert node is not None
    return matches(node, lambda field: RUN.get((field.kind, field.key, field.aggregate)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss = 0.5", True),
        ("metrics.loss != 0.5", False),
        ("metrics.loss > 0.4", True),
        ("metrics.loss > 0.5", False),
        ("metrics.loss >= 0.5", True),
        ("metrics.loss < 0.5", False),
        ("metrics.loss <= 0.5", True),
        ("metrics.loss IN (0.5, 1)", True),
        ("metrics.loss NOT IN (0.5, 1)", False),
        ("min(metrics.loss) < 0.2 AND max(metrics.loss) > 8", True),
        ("start_time > 999.5", True),
        ("start_time = 1000.0", True),
        ("params.model = 'ResNet'", True),
        ("params.model = 'resnet'", False),
        ("params.model LIKE 'Res%'", True),
        ("params.model LIKE 'res%'", False),
        ("params.model ILIKE 'res%'", True),
        ("params.model LIKE '%N_t'", True),
        ("params.model NOT IN ('a')", True),
        ("params.empty = ''", True),
        ("params.empty IS NOT NULL", True),
        # a missing value satisfies IS NULL and nothing else
        ("params.none IS NULL", True),
        ("params.none IS NOT NULL", False),
        ("params.none = ''", False),
        ("params.none != 'x'", False),
        ("params.none NOT IN ('x')", False),
        ("params.none LIKE '%'", False),
        ("metrics.none != 1", False),
        ("NOT params.none = 'x'", True),
        # NaN is a value, and differs from every number
        ("metrics.broken = 0", False),
        ("metrics.broken < 1 OR metrics.broken >= 1", False),
        ("metrics.broken != 1", True),
        ("metrics.broken NOT IN (1)", True),
        ("metrics.broken IS NULL", False),
        # one of several values suffices
        ("dataset.name = 'valid'", True),
        ("dataset.name != 'valid'", True),
        ("dataset.name = 'test'", False),
        ("dataset.name = 'train' AND dataset.name = 'valid'", True),
        ("dataset.context IS NULL", True),
        ("dataset.context != 'x'", False),
        ("status = 'X' OR (start_time > 1 AND NOT status = 'X')", True),
        ("status = 'X' OR start_time < 1", False),
    ],
)
def test_matches(text, expected):
    assert holds(text) is expected


def like(pattern, text):
    """LIKE as its definition says it, one row of a table per pattern character."""
    row = [True] + [False] * len(text)
    for c in pattern:
        if c == "%":
            row = [any(row[: i + 1]) for i in range(len(row))]
        else:
            row = [False] + [row[i] and c in ("_", text[i]) for i in range(len(text))]
    return row[-1]


@settings(deadline=None)
@given(st.text("ab%_\n.", max_size=12), st.text("ab\n.", max_size=12))
def test_like_is_like(pattern, text):
    assert (like_to_regex(pattern, ignore_case=False).match(text) is not None) == like(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("a.c", "a.c"), ("a\nb%", "a\nb\nc"), ("100\\%", "100\\x"), ("a[b]*", "a[b]*"), ("%É", "é"), ("", "")],
)
def test_ilike_takes_everything_else_literally(pattern, text):
    assert like_to_regex(pattern, ignore_case=True).match(text)


def test_no_like_pattern_takes_exponential_time():
    regex = like_to_regex("%a" * 40 + "%b%", ignore_case=True)
    started = time.process_time()
    assert regex.match("a" * 8000) is None
    assert time.process_time() - started < 2
