"""Ids that sort by time, labels that are compared, and how two versions stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain import checks, predictions, statistics
from modelyard.domain.predictions import Feedback, Ids
from modelyard.domain.statistics import Count, Of, Slot

TIMES = st.integers(0, 2**48 - 1)


@given(st.lists(TIMES, min_size=2, max_size=20))
def test_ids_sort_by_time_and_then_as_they_were_made(times):
    ids = Ids(b"maker")
    made = [ids.next(at) for at in sorted(times)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert [predictions.time_of(each) for each in made] == sorted(times)


def test_ids_of_different_makers_differ():
    assert Ids(b"aaaaa").next(5) != Ids(b"bbbbb").next(5)


@given(TIMES)
def test_the_first_id_of_a_time_comes_before_all_others_of_it(at):
    first = predictions.first_id(at)
    assert len(first) == predictions.ID_BYTES
    assert first <= Ids(b"\0\0\0\0\0").next(at)
    assert predictions.time_of(first) == at


@pytest.mark.parametrize(
    ("value", "text"),
    [("red", "red"), (True, "true"), (False, "false"), (3, "3"), (3.0, "3"), (2.5, "2.5"), (1e300, "1e+300"),
     (None, None), ([1], None), ({"a": 1}, None)],
)  # fmt: skip
def test_labels_as_texts(value, text):
    assert predictions.text_of(value) == text


@pytest.mark.parametrize(
    ("truth", "label", "positive", "right"),
    [
        ("red", "red", None, True),
        ("red", "white", None, False),
        ("3", "3.0", None, True),
        ("3", "4", None, False),
        ("true", "1", None, True),
        ("yes", "negative", None, False),
        ("true", "spam", True, True),  # the label says nothing about yes or no; that it counts as positive does
        ("false", "spam", True, False),
        ("true", None, False, False),
        ("red", None, True, None),
        ("red", None, None, None),
    ],
)
def test_whether_an_answer_is_right(truth, label, positive, right):
    assert predictions.is_right(truth, label, positive) is right


def test_what_somebody_says_counts_more_than_what_can_be_compared():
    said = Feedback(b"", "", b"", None, "red", False, 0)
    assert predictions.judged(said, "red", None) is False
    assert predictions.judged(said._replace(right=None), "red", None) is True
    assert predictions.judged(said._replace(right=None, truth=None), "red", None) is None


@given(st.integers(0, 60_000_000))
def test_latencies_fall_into_the_buckets_of_checks(latency_us):
    assert statistics.bucket(latency_us) == checks.bucket(latency_us / 1e6)


def of(version):
    return Of(1, "", "wine", version, "stable", "")


def test_counts_add_up_by_any_key():
    latency = [0] * statistics.BUCKETS
    latency[3] = 2
    slots = [
        Slot(300 * at, of(str(at % 2)), Count(calls=2, errors=1, told=2, right=1, latency=latency)) for at in range(6)
    ]
    found = statistics.grouped(slots, lambda slot: slot.of.version)
    assert list(found) == ["0", "1"]
    assert found["0"] == Count(calls=6, errors=3, told=6, right=3, latency=[6 if at == 3 else 0 for at in range(31)])
    assert found["0"].correctness == 0.5
    low, high = found["0"].correctness_interval
    assert 0.18 < low < 0.19
    assert 0.81 < high < 0.82
    assert found["0"].quantile(0.5) == checks.BOUNDS_S[3]
    assert slots[0].counted.calls == 2  # what was added up is as it was


def test_without_feedback_there_is_no_correctness():
    assert (Count(calls=3).correctness, Count(calls=3).correctness_interval, Count().quantile(0.5)) == (None,) * 3


def compare(right, told, other_right, other_told):
    return statistics.compared(
        "version 4", Count(told=told, right=right), "version 3", Count(told=other_told, right=other_right)
    )


def test_the_better_one_is_named_with_its_interval():
    found = compare(1900, 2110, 1846, 2100)
    assert found.told == "version 4 is better by 2.1 points, 95 % interval 0.2 to 4.0, 4,210 answers"
    assert found.decided
    assert found.difference == pytest.approx(1900 / 2110 - 1846 / 2100)


def test_whoever_is_asked_first_the_sentence_is_about_the_better_one():
    found = statistics.compared("version 3", Count(told=2100, right=1846), "version 4", Count(told=2110, right=1900))
    assert found.told == "version 4 is better by 2.1 points, 95 % interval 0.2 to 4.0, 4,210 answers"
    assert found.difference is not None
    assert found.difference < 0
    assert found.high is not None
    assert found.high < 0


def test_what_may_be_chance_is_said_to_be():
    found = compare(9, 10, 8, 10)
    assert not found.decided
    assert found.told.startswith("version 4 and version 3 cannot be told apart: version 4 is ahead by 10.0 points, ")
    assert compare(5, 10, 5, 10).told.startswith(
        "version 4 and version 3 cannot be told apart: a difference of 0.0 points, "
    )


def test_without_feedback_nothing_is_compared():
    found = compare(0, 0, 3, 4)
    assert (found.told, found.difference, found.decided) == ("no feedback about version 4", None, False)
    assert compare(0, 0, 0, 0).told == "no feedback about version 4 and version 3"


COUNTS = st.integers(0, 500).flatmap(lambda told: st.tuples(st.integers(0, told), st.just(told)))


@given(COUNTS, COUNTS)
def test_a_comparison_is_the_other_way_round_when_asked_the_other_way_round(one, other):
    found, back = compare(*one, *other), compare(*other, *one)
    assert found.decided == back.decided
    if found.difference is not None:
        assert found.low <= found.difference <= found.high
        assert (found.difference, found.low, found.high) == pytest.approx((-back.difference, -back.high, -back.low))
