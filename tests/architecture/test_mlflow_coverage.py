"""No endpoint of MLflow's is forgotten: each is served, or refused for a reason that is written down."""

import pytest

from modelyard.server.mlflow.routes import ROUTES
from tests.architecture.mlflow_coverage import UNKNOWN, compare, summary


def test_every_endpoint_is_served_or_refused_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    lines = compare()
    with capsys.disabled():
        print(f"\n{summary(lines)}")
    assert [f"{line.method} {line.path}" for line in lines if line.verdict == UNKNOWN] == []


def test_a_row_either_serves_in_one_way_or_says_why_not() -> None:
    ways = {route.path: (route.endpoint, route.data, route.reason or None) for route in ROUTES}
    assert [path for path, way in ways.items() if sum(each is not None for each in way) != 1] == []


def test_no_endpoint_stands_twice_in_the_table() -> None:
    places = [(route.method, prefix + route.path) for route in ROUTES for prefix in route.prefixes]
    assert sorted(places) == sorted(set(places))
