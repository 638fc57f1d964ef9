"""What the gateway reads of requests and answers, and tables that people write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.serving.calls import INVOCATIONS, NATURAL, OPEN_INFERENCE
from modelyard.serving.gateway import tables
from modelyard.serving.gateway.answers import NOTHING, Reader, Said
from modelyard.serving.gateway.deployed import Turns
from modelyard.serving.gateway.inputs import Fields, renamed
from modelyard.wire.routing import RoutedAnswer

USUAL = RoutedAnswer(label="", score="", positive=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("protocol", "content", "said"),
    [
        (NATURAL, 1, Said("1", None, True)),
        (NATURAL, 0.0, Said("0", None, False)),
        (NATURAL, True, Said("true", None, True)),
        (NATURAL, "Positive", Said("Positive", None, True)),
        (NATURAL, 3.25, Said("3.25")),
        (NATURAL, {"label": "no", "score": 0.25}, Said("no", 0.25, False)),
        (NATURAL, {"prediction": "yes", "probability": 1}, Said("yes", 1.0, True)),
        (NATURAL, {"outcome": "yes"}, Said("yes", None, True)),
        (NATURAL, {"score": 0.5, "more": 1}, Said(None, 0.5)),
        (NATURAL, {"a": 1, "b": 2}, NOTHING),
        (NATURAL, None, NOTHING),
        (NATURAL, [1], Said("1", None, True)),
        (NATURAL, [1, 0], Said(rows=(Said("1", None, True), Said("0", None, False)))),
        (INVOCATIONS, {"predictions": ["a"]}, Said("a", None, False)),
        (INVOCATIONS, {"predictions": [{"label": "a", "score": 0.1}]}, Said("a", 0.1, False)),
        (INVOCATIONS, {"error_code": "X"}, NOTHING),
        (OPEN_INFERENCE, {"outputs": [{"name": "out", "data": [1]}]}, Said("1", None, True)),
        (
            OPEN_INFERENCE,
            {"outputs": [{"name": "label", "data": ["a"]}, {"name": "score", "data": [0.5]}]},
            Said("a", 0.5, False),
        ),
    ],
)
def test_label_and_score_of_an_answer(protocol, content, said):
    reader = Reader(USUAL)
    body = json.dumps(content).encode()
    assert reader.read(protocol, body) == reader.read(protocol, body) == said


def test_a_deployment_says_where_they_stand():
    reader = Reader(RoutedAnswer(label="verdict", score="p", positive="spam"))
    body = b'{"label": "x", "verdict": "spam", "score": 1, "p": 0.75}'
    assert reader.read(NATURAL, body) == Said("spam", 0.75, True)
    assert reader.read(NATURAL, body).over(0.8) == Said("spam", 0.75, False)
    assert reader.read(NATURAL, b'{"verdict": "ham", "p": 0.9}').over(0.8) == Said("ham", 0.9, True)


def test_answers_agree_by_their_labels_and_numbers_nearly():
    read = Reader(USUAL).read
    one, near, other = (read(NATURAL, body) for body in (b"0.3333333333", b"0.33333333334", b"0.3334"))
    assert one.agrees(near) is True
    assert one.agrees(other) is False
    assert one.agrees(NOTHING) is None
    assert read(NATURAL, b'["a", "b"]').agrees(read(NATURAL, b'["a", "b"]')) is True
    assert read(NATURAL, b'["a", "b"]').agrees(read(NATURAL, b'["a", "c"]')) is False
    assert read(NATURAL, b'["a", "b"]').agrees(read(NATURAL, b'["a", "b", "c"]')) is None


@given(st.sampled_from((NATURAL, INVOCATIONS, OPEN_INFERENCE)), JSON | st.binary(max_size=40))
def test_whatever_is_answered_is_read_without_an_error(protocol, content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    said = Reader(USUAL).read(protocol, body)
    assert said.over(0.5).rows == () or len(said.rows) == len(said.over(0.5).rows)


@given(st.sampled_from((NATURAL, INVOCATIONS, OPEN_INFERENCE)), JSON | st.binary(max_size=40))
def test_whatever_is_asked_is_read_without_an_error(protocol, content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    found = Fields(["a", "language"]).read(protocol, body)
    assert set(found) <= {"a", "language"}
    renamed(body, {"a": "b"})


@given(st.dictionaries(st.text(max_size=8), st.integers(), max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_a_renamed_input_has_the_fields_value_and_the_others_theirs(row, column, field):
    body = json.dumps(row, ensure_ascii=False).encode()
    found = json.loads(renamed(body, {column: field}))
    expected = {name: value for name, value in row.items() if name != field}
    if field in row:
        expected[column] = row[field]
    assert found == expected


@given(st.floats(0.01, 0.99), st.integers(0, 10_000))
def test_turns_are_even_over_any_stretch(weight, skipped):
    turns = Turns()
    for _ in range(skipped % 97):
        turns.next()
    hits = sum(turns.next() < weight for _ in range(1000))
    assert abs(hits - 1000 * weight) <= 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "no routing table"),
        ("deployments: {d: {revision: []}}", "revision"),
        ("deployments: {d: {revisions: [{replicas: ['localhost:8000']}]}}", "no URL"),
        ("deployments: {d: {revisions: [{url: 'http://x', weight: 0.4}]}}", "do not add up"),
        ("deployments: {d: {revisions: [{url: 'http://x', role: king, weight: 1}]}}", "king"),
        ("deployments: {d: {segments: {a: {weights: {x: 1}}}, revisions: [{url: 'http://x'}]}}", "no revisions x"),
        ("deployments: {d: {recording: {input: some}, revisions: [{url: 'http://x'}]}}", "some"),
        ("deployments: {d: {revisions: [{url: 'http://x'}, {url: 'http://y', shadow: 2}]}}", "shadow"),
        ("deployments: [", "no routing table"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, text, told):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(InvalidArgument, match=told):
        tables.read(tmp_path / "t.yaml")
    with pytest.raises(NotFound):
        tables.read(tmp_path / "other.yaml")


def test_a_kept_table_comes_back_and_a_spoiled_one_does_not(tmp_path: Path):
    (tmp_path / "t.yaml").write_text("deployments: {d: {revisions: [{url: 'http://x'}]}}")
    table = tables.read(tmp_path / "t.yaml")
    path = tmp_path / "deep" / "routing.json"
    assert tables.kept(path) is None
    tables.keep(path, table)
    assert tables.kept(path) == table
    path.write_bytes(path.read_bytes()[:-5])
    assert tables.kept(path) is None
    assert [each.name for each in path.parent.iterdir()] == ["routing.json"]
