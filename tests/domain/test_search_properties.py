"""Filters and orderings: what holds for every text and every tree."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import (
    RULES,
    And,
    Comparison,
    Field,
    Not,
    Op,
    Or,
    OrderKey,
    comparisons,
    order_to_text,
    parse_filter,
    parse_order_by,
    to_text,
)

ENTITIES = ("runs", "experiments", "registered_models", "model_versions", "logged_models")
GRAMMARS = ("mlflow", "modelyard")

# A busy machine is no reason to fail.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
floats = st.floats(allow_nan=False)
integers = st.integers(-(2**63), 2**63 - 1)


@st.composite
def fields(draw, entity, *, sorting=False):
    rules = RULES[entity, "modelyard"]
    kinds = sorted(set(rules.prefixes.values()) - ({"dataset"} if sorting else set()))
    kind = draw(st.sampled_from(kinds))
    if kind == "attribute":
        return Field(kind, draw(st.sampled_from(sorted(set(rules.attributes.values())))))
    if kind == "dataset":
        return Field(kind, draw(st.sampled_from(["name", "digest", "context"])))
    of_runs = ["latest", "min", "max"] if kind == "metric" else ["latest", "number"]
    aggregates = of_runs if entity == "runs" else ["latest"]
    return Field(kind, draw(texts), draw(st.sampled_from(aggregates)))


@st.composite
def clauses(draw, entity):
    rules = RULES[entity, "modelyard"]
    field = draw(fields(entity))
    op = Op(draw(st.sampled_from(rules.operators(field))))
    if op in (Op.IS_NULL, Op.IS_NOT_NULL):
        return Comparison(field, op, None)
    values = texts if rules.type_of(field) == "text" else floats if field.kind == "metric" else floats | integers
    if op in (Op.IN, Op.NOT_IN):
        return Comparison(field, op, tuple(draw(st.lists(values, min_size=1, max_size=4))))
    return Comparison(field, op, draw(values))


def join(node, items):
    """Trees hold no And directly in an And, no Or directly in an Or."""
    return node(tuple(leaf for item in items for leaf in (item.items if isinstance(item, node) else (item,))))


def trees(entity):
    return st.recursive(
        clauses(entity),
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=2, max_size=4).map(lambda items: join(And, items)),
            st.lists(inner, min_size=2, max_size=4).map(lambda items: join(Or, items)),
        ),
        max_leaves=8,
    )


@calm
@given(st.sampled_from(ENTITIES).flatmap(lambda entity: st.tuples(st.just(entity), trees(entity))))
def test_a_tree_written_and_read_again_is_the_same(drawn):
    entity, tree = drawn
    again = parse_filter(to_text(tree), entity, "modelyard")
    assert again == tree
    for one, other in zip(comparisons(tree), comparisons(again), strict=True):
        assert type(one.value) is type(other.value)


@calm
@given(st.sampled_from(ENTITIES).flatmap(lambda e: st.tuples(st.just(e), fields(e, sorting=True), st.booleans())))
def test_an_order_key_written_and_read_again_is_the_same(drawn):
    entity, field, ascending = drawn
    key = OrderKey(field, ascending)
    assert parse_order_by([order_to_text(key)], entity, "modelyard") == (key,)


WORDS = [
    *("metrics.a", "params.`a b`", 'tags."c"', "status", "start_time", "run_id", "name", "dataset.name", "foo.bar"),
    *("=", "!=", "<", "==", "~", "LIKE", "ILIKE", "IN", "NOT", "IS", "NULL", "AND", "OR", "ASC", "DESC"),
    *("(", ")", ",", ";", ".", "'", '"', "`", "'x'", '"y"', "1", "-2.5e3", "1e999", "nan", "min(", "max", "\\", "%"),
]
near_misses = st.lists(st.sampled_from(WORDS), max_size=12).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda gap: gap.join(words))
)


@calm
@given(st.text() | near_misses, st.sampled_from(ENTITIES), st.sampled_from(GRAMMARS))
@example("\ud800", "runs", "mlflow")
@example("metrics.a > " + "9" * 5000, "runs", "mlflow")
@example("start_time > " + "9" * 5000, "runs", "modelyard")
@example("start_time > ١", "runs", "mlflow")
@example("min(metrics.a", "runs", "modelyard")
def test_any_text_is_read_or_refused(text, entity, grammar):
    with contextlib.suppress(InvalidArgument):
        tree = parse_filter(text, entity, grammar)
        rules = RULES[entity, grammar]
        assert all(rules.allows(clause.field, clause.op) for clause in comparisons(tree))
    with contextlib.suppress(InvalidArgument):
        assert len(parse_order_by([text], entity, grammar)) == 1


LONG = 99_000
PIECES = [
    *("(", ")", "'", '"', "`", ".", "a", "1", " ", ";", "=", "-", "\\", ",", "''", "a.", "`a`.", "1.", "1e"),
    *("NOT ", "AND ", "OR ", "a = ", "a IN (", "min(", "metrics.a > 1 ", "metrics.a>1 AND ", "'x' ", "metrics.'"),
]
STARTS = [("metrics.a > 1 AND ", piece) for piece in PIECES]


@pytest.mark.parametrize("grammar", GRAMMARS)
@pytest.mark.parametrize(("start", "piece"), [*STARTS, ("", "a"), ("run_id IN (", "'a',"), ("params.a = '", "'")])
def test_no_text_takes_more_than_linear_time(grammar, start, piece):
    # At this length anything quadratic takes minutes.
    text = start + piece * ((LONG - len(start)) // len(piece))
    message = ""
    started = time.process_time()
    try:
        parse_filter(text, "runs", grammar)
    except InvalidArgument as error:
        message = error.message
    assert time.process_time() - started < 3
    assert len(message) < 5000


@pytest.mark.parametrize("grammar", GRAMMARS)
@pytest.mark.parametrize("text", ["metrics." + "a" * LONG, "a" * LONG, "`" * LONG, "metrics.a " * (LONG // 10)])
def test_no_ordering_takes_more_than_linear_time(grammar, text):
    started = time.process_time()
    with contextlib.suppress(InvalidArgument):
        parse_order_by([text], "runs", grammar)
    assert time.process_time() - started < 3
