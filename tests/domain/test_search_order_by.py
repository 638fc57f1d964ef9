"""Orderings: what each grammar reads and refuses."""

from __future__ import annotations

import re

import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import Field, OrderKey, parse_order_by

RUNS, EXPERIMENTS, MODELS = "runs", "experiments", "registered_models"
VERSIONS, LOGGED = "model_versions", "logged_models"


@pytest.mark.parametrize("grammar", ["mlflow", "modelyard"])
@pytest.mark.parametrize(
    ("entity", "item", "kind", "key", "ascending"),
    [
        (RUNS, "metrics.a", "metric", "a", True),
        (RUNS, "metrics.a aSc", "metric", "a", True),
        (RUNS, 'metrics."a"  desc', "metric", "a", False),
        (RUNS, "metrics.`Mean Square Error` DESC", "metric", "Mean Square Error", False),
        (RUNS, "metrics.'a b'", "metric", "a b", True),
        (RUNS, "param.max DESC", "param", "max", False),
        (RUNS, "tags.a.b", "tag", "a.b", True),
        (RUNS, "attributes.status   DESC", "attribute", "status", False),
        (RUNS, "start_time DESC", "attribute", "start_time", False),
        (RUNS, "Created", "attribute", "start_time", True),
        (EXPERIMENTS, "experiment_id ASC", "attribute", "experiment_id", True),
        (EXPERIMENTS, "attribute.creation_time DESC", "attribute", "creation_time", False),
        (MODELS, "`name` DESC", "attribute", "name", False),
        (MODELS, "timestamp DESC", "attribute", "last_updated_timestamp", False),
        (MODELS, "last_updated_timestamp ASC", "attribute", "last_updated_timestamp", True),
        (VERSIONS, "version_number DESC", "attribute", "version_number", False),
        (VERSIONS, "creation_timestamp", "attribute", "creation_timestamp", True),
        (LOGGED, "metrics.`a b` DESC", "metric", "a b", False),
        (LOGGED, "creation_time DESC", "attribute", "creation_timestamp", False),
    ],
)
def test_one_key(grammar, entity, item, kind, key, ascending):
    assert parse_order_by([item], entity, grammar) == (OrderKey(Field(kind, key), ascending),)


@pytest.mark.parametrize("items", [None, [], ()])
def test_no_keys(items):
    assert parse_order_by(items, RUNS, "mlflow") == ()


def test_aggregates_and_sorting_by_everything_are_ours():
    assert parse_order_by(["min(metrics.a)", "max(metrics.a) DESC", "metrics.a"], RUNS, "modelyard") == (
        OrderKey(Field("metric", "a", "min")),
        OrderKey(Field("metric", "a", "max"), ascending=False),
        OrderKey(Field("metric", "a")),
    )
    assert parse_order_by([" tags.a "], EXPERIMENTS, "modelyard") == (OrderKey(Field("tag", "a")),)


@pytest.mark.parametrize(
    ("entity", "item", "message"),
    [
        (RUNS, "", "Invalid order_by clause ''. Could not be parsed."),
        (RUNS, "  ", "Invalid order_by clause"),
        (RUNS, "params.my_param ", "Invalid order_by clause"),
        (RUNS, "`metrics.A", "Invalid order_by clause"),
        (RUNS, "metrics.A != 1", "Invalid order_by clause"),
        (RUNS, "metrics.a, metrics.b", "Invalid order_by clause"),
        (RUNS, "metrics.a ASC DESC", "Invalid order_by clause"),
        (RUNS, "min(metrics.a)", "Invalid order_by clause"),
        (RUNS, "'a'", "Invalid order_by clause"),
        (RUNS, "attribute.run_id ACS", "Invalid ordering key in order_by clause 'attribute.run_id ACS'."),
        (RUNS, "m.acc", "Invalid entity type"),
        (RUNS, "`metrics.A`", "Invalid entity type"),
        (RUNS, "acc", "Invalid attribute key"),
        (RUNS, "attribute.experiment_id", "Invalid attribute key"),
        (RUNS, "`run name`", "Invalid attribute key"),
        (RUNS, "dataset.name", "Invalid identifier type 'dataset'"),
        (EXPERIMENTS, "foo", "Invalid attribute key"),
        (EXPERIMENTS, "tags.a", "Invalid order_by entity: tag"),
        (EXPERIMENTS, "attributes.name", "Invalid entity type"),
        (MODELS, "creation_timestamp DESC", "Invalid order by key 'creation_timestamp' specified"),
        (MODELS, "foo", "Invalid order by key 'foo' specified"),
        (MODELS, "tags.a", "Invalid order by key"),
        (MODELS, "last_updated_timestamp DESC blah", "Invalid order_by clause"),
        (MODELS, "timestamp somerandomstuff", "Invalid order_by clause"),
        (MODELS, "timestamp ACS", "Invalid order_by clause"),
        (MODELS, "name aCs", "Invalid ordering key"),
        (VERSIONS, "run_id", "Invalid attribute key"),
        (VERSIONS, "tag.a", "Invalid order by key 'a' specified"),
        (LOGGED, "params.a", "Only metrics are supported"),
    ],
)
def test_mlflow_refuses(entity, item, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        parse_order_by([item], entity, "mlflow")


@pytest.mark.parametrize(
    ("entity", "item", "message"),
    [
        (RUNS, "dataset.name", "cannot be sorted"),
        (RUNS, "min(params.a)", "takes a metric"),
        (RUNS, "sum(metrics.a)", "expected one of min, max, latest"),
        (RUNS, "min(metrics.a) UP", "Invalid ordering key"),
        (RUNS, "min(", "expected min(metrics.KEY)"),
    ],
)
def test_own_grammar_refuses(entity, item, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        parse_order_by([item], entity, "modelyard")


@pytest.mark.parametrize(
    ("entity", "items"),
    [
        (RUNS, ["metrics.a", "metric.`a` DESC"]),
        (RUNS, ["created", "start_time"]),
        (MODELS, ["timestamp", "last_updated_timestamp"]),
        (VERSIONS, ["name", "name"]),
    ],
)
def test_the_same_field_twice_is_refused(entity, items):
    for grammar in ("mlflow", "modelyard"):
        with pytest.raises(InvalidArgument, match="`order_by` contains duplicate fields"):
            parse_order_by(items, entity, grammar)


def test_mlflow_forgives_experiments_sorted_twice():
    keys = parse_order_by(["name DESC", "name"], EXPERIMENTS, "mlflow")
    assert keys == (OrderKey(Field("attribute", "name"), ascending=False),)


def test_number_of_keys_is_bounded():
    assert len(parse_order_by([f"metrics.m{i}" for i in range(100)], RUNS, "mlflow")) == 100
    with pytest.raises(InvalidArgument, match="at most 100"):
        parse_order_by([f"metrics.m{i}" for i in range(101)], RUNS, "mlflow")
