"""Filters: what each grammar reads, what it refuses, and in which words."""

from __future__ import annotations

import re

import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import And, Comparison, Field, Not, Op, Or, comparisons, parse_filter

RUNS, EXPERIMENTS, MODELS = "runs", "experiments", "registered_models"
VERSIONS, LOGGED = "model_versions", "logged_models"


def clause(kind, key, op, value, aggregate="latest"):
    return Comparison(Field(kind, key, aggregate), Op(op), value)


@pytest.mark.parametrize("grammar", ["mlflow", "modelyard"])
@pytest.mark.parametrize(
    ("entity", "text", "expected"),
    [
        (RUNS, "metrics.loss < 0.1", clause("metric", "loss", "<", 0.1)),
        (RUNS, "metric.loss>=-1e3", clause("metric", "loss", ">=", -1000.0)),
        (RUNS, "metrics.a != .5", clause("metric", "a", "!=", 0.5)),
        (RUNS, "metrics.a = 1.", clause("metric", "a", "=", 1.0)),
        (RUNS, "metrics.accuracy.2 > 5", clause("metric", "accuracy.2", ">", 5.0)),
        (RUNS, 'metrics."val/loss 1" <= 5', clause("metric", "val/loss 1", "<=", 5.0)),
        (RUNS, "metrics.`val-loss` <= 5", clause("metric", "val-loss", "<=", 5.0)),
        (RUNS, "`metrics`.a > 1", clause("metric", "a", ">", 1.0)),
        (RUNS, "params.model = 'LR'", clause("param", "model", "=", "LR")),
        (RUNS, 'param.model!="L\'Hosp"', clause("param", "model", "!=", "L'Hosp")),
        (RUNS, "parameter.m LIKE 'a%'", clause("param", "m", "LIKE", "a%")),
        (RUNS, "parameters.m ilike 'a_'", clause("param", "m", "ILIKE", "a_")),
        (RUNS, "params.and = 'x'", clause("param", "and", "=", "x")),
        (RUNS, "params.from = ''", clause("param", "from", "=", "")),
        (RUNS, "params.p IS NULL", clause("param", "p", "IS NULL", None)),
        (RUNS, "tags.`mlflow.user` is not null", clause("tag", "mlflow.user", "IS NOT NULL", None)),
        (RUNS, "tag.é = 'ü'", clause("tag", "é", "=", "ü")),
        (RUNS, "status = 'FINISHED'", clause("attribute", "status", "=", "FINISHED")),
        (RUNS, "attribute.status LIKE 'F%'", clause("attribute", "status", "LIKE", "F%")),
        (RUNS, "attributes.artifact_uri = 'x'", clause("attribute", "artifact_uri", "=", "x")),
        (RUNS, "attr.start_time > 5", clause("attribute", "start_time", ">", 5)),
        (RUNS, "run.end_time <= 5.5", clause("attribute", "end_time", "<=", 5.5)),
        (RUNS, "created > 5", clause("attribute", "start_time", ">", 5)),
        (RUNS, "attribute.Created > 5", clause("attribute", "start_time", ">", 5)),
        (RUNS, "`Run name` = 'x'", clause("attribute", "run_name", "=", "x")),
        (RUNS, "\"run name\" = 'x'", clause("attribute", "run_name", "=", "x")),
        (RUNS, "attribute.`Run Name` = 'x'", clause("attribute", "run_name", "=", "x")),
        (RUNS, "run_id IN ('a', \"b\",)", clause("attribute", "run_id", "IN", ("a", "b"))),
        (RUNS, "run_id not in ('a')", clause("attribute", "run_id", "NOT IN", ("a",))),
        (RUNS, "dataset.name = 'd'", clause("dataset", "name", "=", "d")),
        (RUNS, "datasets.digest IN ('D', 'e')", clause("dataset", "digest", "IN", ("D", "e"))),
        (RUNS, "datasets.context ILIKE 't%'", clause("dataset", "context", "ILIKE", "t%")),
        (RUNS, "start_time < 9223372036854775807", clause("attribute", "start_time", "<", 2**63 - 1)),
        (RUNS, "start_time < 9223372036854775808", clause("attribute", "start_time", "<", 2.0**63)),
        (RUNS, "metrics.a < 1e999", clause("metric", "a", "<", float("inf"))),
        (EXPERIMENTS, "name LIKE 'a%'", clause("attribute", "name", "LIKE", "a%")),
        (EXPERIMENTS, "attribute.creation_time > 5", clause("attribute", "creation_time", ">", 5)),
        (EXPERIMENTS, "last_update_time = 5", clause("attribute", "last_update_time", "=", 5)),
        (EXPERIMENTS, "tags.a IS NULL", clause("tag", "a", "IS NULL", None)),
        (MODELS, "name = 'a'", clause("attribute", "name", "=", "a")),
        (MODELS, "tag.`a b` != 'a'", clause("tag", "a b", "!=", "a")),
        (VERSIONS, "version_number >= 2", clause("attribute", "version_number", ">=", 2)),
        (VERSIONS, "source_path LIKE 's3%'", clause("attribute", "source_path", "LIKE", "s3%")),
        (VERSIONS, "run_id IN ('a', 'b')", clause("attribute", "run_id", "IN", ("a", "b"))),
        (LOGGED, "metrics.a > 1", clause("metric", "a", ">", 1.0)),
        (LOGGED, "params.a IN ('1', '2')", clause("param", "a", "IN", ("1", "2"))),
        (LOGGED, "model_type = 'agent'", clause("attribute", "model_type", "=", "agent")),
        (LOGGED, "creation_time > 1", clause("attribute", "creation_timestamp", ">", 1)),
        (LOGGED, "last_updated_timestamp_ms > 1", clause("attribute", "last_updated_timestamp", ">", 1)),
    ],
)
def test_one_clause(grammar, entity, text, expected):
    assert parse_filter(text, entity, grammar) == expected


@pytest.mark.parametrize("grammar", ["mlflow", "modelyard"])
@pytest.mark.parametrize("text", [None, ""])
def test_nothing_to_filter_by(grammar, text):
    assert parse_filter(text, RUNS, grammar) is None


A, B, C = (clause("metric", key, ">", 1.0) for key in "abc")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.a > 1 AND metrics.b > 1 and metrics.c>1", And((A, B, C))),
        ("params.x = 'y'AND metrics.a > 1", And((clause("param", "x", "=", "y"), A))),
        # MLflow forgives these, and there are clients that send them
        ("metrics.a > 1 AND", A),
        ("AND metrics.a > 1 AND AND metrics.b > 1", And((A, B))),
        ("metrics.a > 1 metrics.b > 1", And((A, B))),
        # and it does not undouble quotes
        ("params.x = 'it''s'", clause("param", "x", "=", "it''s")),
    ],
)
def test_mlflow_conjunction(text, expected):
    assert parse_filter(text, RUNS, "mlflow") == expected


def test_mlflow_takes_a_version_number_in_quotes():
    assert parse_filter("version_number = '3'", VERSIONS, "mlflow") == clause("attribute", "version_number", "=", 3)
    both = clause("attribute", "experiment_id", "IN", (1, 2))
    assert parse_filter("experiment_id IN ('1', '2')", EXPERIMENTS, "mlflow") == both


def test_mlflow_takes_unquoted_values_for_logged_models_only():
    assert parse_filter("params.lr = 0.01", LOGGED, "mlflow") == clause("param", "lr", "=", "0.01")
    assert parse_filter("params.opt = adam", LOGGED, "mlflow") == clause("param", "opt", "=", "adam")


# Parts of messages that MLflow's own tests look for, and what a server 3.11.1 says.
@pytest.mark.parametrize(
    ("entity", "text", "message"),
    [
        (RUNS, "metrics.a > 1 OR metrics.b > 1", "Invalid clause(s) in filter string: 'OR'"),
        (EXPERIMENTS, "name = 'a' OR name = 'b'", "Invalid clause(s) in filter string: OR"),
        (MODELS, "name = 'a' OR name = 'b'", "Invalid clause(s) in filter string: OR"),
        (LOGGED, "name = 'a' OR name = 'b'", "Expected a list of comparisons separated by 'AND'"),
        (RUNS, "metrics.A > 0.1 NAND params.B = 'LR'", "Invalid clause(s) in filter string"),
        (RUNS, "(params.a = 'x')", "Invalid clause(s) in filter string: '(params.a = 'x')'"),
        (RUNS, "metrics.A > 0.1 AND (params.B = 'LR')", "Invalid clause(s) in filter string"),
        (RUNS, "NOT metrics.a > 1", "Invalid clause(s) in filter string: 'NOT'"),
        (RUNS, "metric.acc >= 0.94; metrics.rmse < 1", "Search filter contained multiple expression"),
        (RUNS, "params.a = 'x';", "Invalid clause(s) in filter string: ';'"),
        (RUNS, "`metrics.A > 0.1", "Invalid clause(s) in filter string"),
        (RUNS, "param`.A > 0.1", "Invalid clause(s) in filter string"),
        (RUNS, "params.'acc = LR", "Invalid clause(s) in filter string"),
        (RUNS, "params.acc = 'LR", "Invalid clause(s) in filter string"),
        (RUNS, "params.acc = LR'", "Invalid clause(s) in filter string"),
        (RUNS, "params.acc = \"LR'", "Invalid clause(s) in filter string"),
        (RUNS, "tags.acc = = 'LR'", "Invalid clause(s) in filter string"),
        (RUNS, "attribute.status IS 'RUNNING'", "Invalid clause(s) in filter string"),
        (RUNS, "attribute.status = true", "Invalid clause(s) in filter string"),
        (RUNS, "params.acc LR !=", "Invalid clause(s) in filter string"),
        (RUNS, "params.acc LR", "Invalid clause(s) in filter string"),
        (RUNS, "metric.acc !=", "Invalid clause(s) in filter string"),
        (RUNS, "metrics.a-1 > 2", "Invalid clause(s) in filter string"),
        (RUNS, "metrics.a > 0x1F", "Invalid clause(s) in filter string"),
        (RUNS, "run_id IN 'a'", "Invalid clause(s) in filter string"),
        (RUNS, "run_id IN ('a'", "Invalid clause(s) in filter string"),
        (RUNS, "metrics.a > 1 -- b", "Invalid clause(s) in filter string: '-- b'"),
        (RUNS, "   ", "Could not be parsed"),
        (RUNS, "m.acc >= 0.94", "Invalid entity type 'm'. Valid values are ['metric', 'parameter', 'tag', 'attr"),
        (RUNS, "`metrics.A` > 0.1", "Invalid entity type '`metrics'"),
        (EXPERIMENTS, "metrics.a > 1", "Invalid entity type 'metrics'. Valid entity types are ('attribute', 'tag', "),
        (MODELS, "params.a = 'x'", "Invalid entity type 'params'. Valid entity types are"),
        (LOGGED, "metric.a > 1", "Invalid entity type: 'metric'. Expected one of ['attributes', 'metrics', 'params'"),
        (RUNS, "acc >= 0.94", "Invalid attribute key 'acc' specified. Valid keys are"),
        (RUNS, "attribute.lifecycle_stage = 'ACTIVE'", "Invalid attribute key"),
        (RUNS, "attribute._status != 'RUNNING'", "Invalid attribute key"),
        (RUNS, "foo is null", "Invalid attribute key"),
        (EXPERIMENTS, "experiment_id = 'a'", "Expected numeric value type"),
        (MODELS, "run_id = 'a'", "Invalid attribute key"),
        (VERSIONS, "current_stage = 'Production'", "Invalid attribute key"),
        (RUNS, "dataset.profile = 'x'", "Invalid dataset key 'profile' specified"),
        (RUNS, "1 > metrics.a", "Invalid comparison clause. Expected 'Identifier' found '1'"),
        (RUNS, "1==2", "Expected 'Identifier' found '1'"),
        (RUNS, "metrics.a = 'x'", "Expected numeric value type for metric. Found 'x'"),
        (RUNS, "metrics.a != metrics.a", "Expected numeric value type for metric. Found metrics.a"),
        (RUNS, "metrics.a > NaN", "Expected numeric value type for metric. Found NaN"),
        (RUNS, "metrics.a IN (1)", "Expected numeric value type for metric. Found (1)"),
        (RUNS, "start_time > '1'", "Expected numeric value type for numeric attribute: start_time. Found '1'"),
        (EXPERIMENTS, "creation_time > 'x'", "Expected numeric value type for numeric attribute: creation_time"),
        (VERSIONS, "version_number = 'x'", "Expected numeric value type for numeric attribute: version_number"),
        (RUNS, "params.acc = 5", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5"),
        (RUNS, "tags.acc = 5", "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"),
        (RUNS, "tags.T IN ('a')", "Expected a quoted string value for tag (e.g. 'my-value'). Got value ('a')"),
        (RUNS, "attribute.status = 1", "Expected a quoted string value for attributes. Got value 1"),
        (RUNS, "dataset.name = 1", "Expected a quoted string value for dataset attributes. Got value 1"),
        (RUNS, "params.acc = LR", "value is either not quoted or unidentified quote types used for string value LR"),
        (RUNS, "params.acc = `LR`", "value is either not quoted or unidentified quote types"),
        (RUNS, "status IN ('a')", "Only the 'run_id' attribute supports comparison with a list of quoted string"),
        (VERSIONS, "source_path IN ('a')", "Only the 'run_id' attribute supports comparison with a list"),
        (VERSIONS, "run_id IN ()", "expected a non-empty list of string values, but got empty list"),
        (VERSIONS, "run_id IN ('a',,'b')", "expected a non-empty list of string values, but got ill-formed list"),
        (VERSIONS, "run_id IN ('a', 1)", "expected string value, punctuation, or whitespace, but got different type"),
        (VERSIONS, "run_id NOT IN ('a')", "Invalid comparator for attribute: NOT IN"),
        (VERSIONS, "version_number LIKE 1", "Invalid comparator for attribute version_number: LIKE"),
        (MODELS, "name > 'a'", "Invalid comparator for attribute: >"),
        (MODELS, "tags.a IS NULL", "Invalid comparator for tag: IS NULL"),
        (EXPERIMENTS, "tags.a > 'x'", "Invalid comparator for tag: >"),
        (EXPERIMENTS, "name > 'x'", "Invalid comparator '>' not one of"),
        (LOGGED, "tags.a > 'x'", "Invalid comparison operator for tags.a: '>'. Expected one of"),
        (RUNS, "metrics.acc IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        (RUNS, "attribute.status IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        (EXPERIMENTS, "name IS NULL", "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'"),
        (RUNS, "metrics.a ~ 1.0", "Invalid comparator '~'"),
        (RUNS, "metrics.a <> 1.0", "Invalid comparator '<>'"),
        (RUNS, "params.a NOT LIKE 'x'", "Invalid comparator 'NOT LIKE'"),
        (RUNS, "min(metrics.a) > 1", "Invalid clause(s) in filter string"),
    ],
)
def test_mlflow_refuses(entity, text, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        parse_filter(text, entity, "mlflow")


NUMBERS = ("=", "!=", ">", ">=", "<", "<=")
TEXTS = ("=", "!=", "LIKE", "ILIKE")
LISTS = ("IN", "NOT IN")
NULLS = ("IS NULL", "IS NOT NULL")

MLFLOW_OPERATORS = [
    (RUNS, "metrics.a", NUMBERS),
    (RUNS, "start_time", NUMBERS),
    (RUNS, "params.a", TEXTS + NULLS),
    (RUNS, "tags.a", TEXTS + NULLS),
    (RUNS, "status", TEXTS),
    (RUNS, "run_id", TEXTS + LISTS),
    (RUNS, "dataset.name", TEXTS + LISTS),
    (EXPERIMENTS, "name", TEXTS),
    (EXPERIMENTS, "creation_time", NUMBERS),
    (EXPERIMENTS, "experiment_id", NUMBERS + LISTS),
    (EXPERIMENTS, "tags.a", TEXTS + NULLS),
    (MODELS, "name", TEXTS + LISTS),
    (MODELS, "tags.a", TEXTS),
    (VERSIONS, "name", TEXTS + LISTS),
    (VERSIONS, "version_number", NUMBERS),
    (VERSIONS, "run_id", (*TEXTS, "IN")),
    (VERSIONS, "tags.a", TEXTS),
    (LOGGED, "name", TEXTS + LISTS),
    (LOGGED, "creation_timestamp", NUMBERS),
    (LOGGED, "metrics.a", NUMBERS),
    (LOGGED, "params.a", TEXTS + LISTS),
    (LOGGED, "tags.a", TEXTS + LISTS),
]
OWN_OPERATORS = [(entity, name, (*ops, *LISTS, *NULLS)) for entity, name, ops in MLFLOW_OPERATORS]


@pytest.mark.parametrize("op", [*NUMBERS, "LIKE", "ILIKE", *LISTS, *NULLS])
@pytest.mark.parametrize(
    ("grammar", "entity", "name", "allowed"),
    [("mlflow", *row) for row in MLFLOW_OPERATORS] + [("modelyard", *row) for row in OWN_OPERATORS],
)
def test_every_operator_on_every_kind(grammar, entity, name, allowed, op):
    one: object
    written, one = ("5", 5) if ">" in allowed else ("'5'", "5")
    right = {**dict.fromkeys(LISTS, f" ({written}, {written})"), **dict.fromkeys(NULLS, "")}.get(op, f" {written}")
    value = {**dict.fromkeys(LISTS, (one, one)), **dict.fromkeys(NULLS)}.get(op, one)
    text = f"{name} {op}{right}"
    if op not in allowed:
        with pytest.raises(InvalidArgument):
            parse_filter(text, entity, grammar)
        return
    (parsed,) = comparisons(parse_filter(text, entity, grammar))
    assert (parsed.op, parsed.value) == (op, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1", Or((A, And((B, C))))),
        ("(metrics.a > 1 or metrics.b > 1) and metrics.c > 1", And((Or((A, B)), C))),
        ("metrics.a > 1 AND (metrics.b > 1 AND metrics.c > 1)", And((A, B, C))),
        ("(metrics.a > 1 OR metrics.b > 1) OR metrics.c > 1", Or((A, B, C))),
        ("NOT metrics.a > 1 AND metrics.b > 1", And((Not(A), B))),
        ("not (metrics.a > 1 AND NOT metrics.b > 1)", Not(And((A, Not(B))))),
        ("((metrics.a > 1))", A),
        ("  ", None),
        ("min(metrics.a) < 1", clause("metric", "a", "<", 1.0, "min")),
        ("MAX( metric.`a b` ) IN (1, 2)", clause("metric", "a b", "IN", (1.0, 2.0), "max")),
        ("latest(metrics.a) > 1", A),
        ("metrics.val/loss-1 > 1", clause("metric", "val/loss-1", ">", 1.0)),
        ("params.a = 'it''s'", clause("param", "a", "=", "it's")),
        ('params."say ""x""" = "a""b"', clause("param", 'say "x"', "=", 'a"b')),
    ],
)
def test_own_grammar(text, expected):
    assert parse_filter(text, RUNS, "modelyard") == expected


@pytest.mark.parametrize(
    ("entity", "text", "message"),
    [
        (RUNS, "metrics.a > 1 AND", "expected a name such as metrics.loss, found the end at character 17"),
        (RUNS, "metrics.a > 1 metrics.b > 1", "expected AND, OR or the end, found 'metrics.b' at character 14"),
        (RUNS, "(metrics.a > 1", "expected AND, OR or ')', found the end"),
        (RUNS, "metrics.a > 1)", "expected AND, OR or the end, found ')'"),
        (RUNS, "metrics.a >", "expected a value, found the end"),
        (RUNS, "metrics.a 5", "expected an operator, found '5'"),
        (RUNS, "metrics.a > 1 #", "found '#' at character 14"),
        (RUNS, "params.a = x", "Expected a quoted string value for parameter"),
        (RUNS, "params.a > 'x'", "Invalid comparator '>' for param 'a'. Use one of ['=', '!='"),
        (RUNS, "avg(metrics.a) > 1", "expected one of min, max, latest, number before '('"),
        (RUNS, "min(params.a) = 'x'", "takes a metric of a run"),
        (RUNS, "min(metrics.a > 1", "expected min(metrics.KEY)"),
        (RUNS, "min(", "expected min(metrics.KEY)"),
        (LOGGED, "min(metrics.a) > 1", "takes a metric of a run"),
        (RUNS, "number(metrics.a) > 1", "number(...) takes a param or tag of a run, such as number(params.lr)"),
        (RUNS, "number(params.a) > 'x'", "Expected numeric value"),
        (RUNS, "number(params.a > 1", "expected number(params.KEY)"),
        (EXPERIMENTS, "metrics.a > 1", "Invalid entity type 'metrics'"),
        (EXPERIMENTS, "experiment_id = '1'", "Expected numeric value type for numeric attribute: experiment_id"),
        (RUNS, "run_id IN ()", "got empty list"),
        (RUNS, "metrics.a IN (1, 'x')", "Expected numeric value type for metric. Found 'x'"),
    ],
)
def test_own_grammar_refuses(entity, text, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        parse_filter(text, entity, "modelyard")


def test_depth_is_bounded():
    assert parse_filter("(" * 100 + "metrics.a > 1" + ")" * 100, RUNS, "modelyard") == A
    for opening in ("(", "NOT ", "NOT ("):
        with pytest.raises(InvalidArgument, match="nests deeper than 100"):
            parse_filter(opening * 101 + "metrics.a > 1", RUNS, "modelyard")


@pytest.mark.parametrize("grammar", ["mlflow", "modelyard"])
def test_number_of_clauses_is_bounded(grammar):
    tree = parse_filter(" AND ".join(["metrics.a > 1"] * 1000), RUNS, grammar)
    assert len(list(comparisons(tree))) == 1000
    with pytest.raises(InvalidArgument, match="more than 1000 clauses"):
        parse_filter(" AND ".join(["metrics.a > 1"] * 1001), RUNS, grammar)


@pytest.mark.parametrize("grammar", ["mlflow", "modelyard"])
def test_length_is_bounded_in_bytes(grammar):
    assert parse_filter(f"params.a = '{'ü' * 49_000}'", RUNS, grammar) is not None
    with pytest.raises(InvalidArgument, match="at most 100000"):
        parse_filter(f"params.a = '{'ü' * 50_000}'", RUNS, grammar)


@pytest.mark.parametrize("value", ["\0", "\ud800"])
def test_what_no_database_can_store_is_refused(value):
    with pytest.raises(InvalidArgument, match="Remove it"):
        parse_filter(f"params.a = '{value}'", RUNS, "mlflow")
