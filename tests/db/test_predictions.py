"""Predictions and feedback in the database: once whatever comes twice, joined whichever comes first, counted."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.db import feedback, prediction_counts, predictions, served_names
from modelyard.domain.predictions import Feedback, Ids, Prediction, Wanted, is_right
from modelyard.domain.statistics import SLOT_S, Count, grouped

NOW = 1_800_000_000_000
IDS = Ids(b"tests")
_numbers = itertools.count(1)


def new_id() -> bytes:
    return next(_numbers).to_bytes(16, "big")


def prediction(**values: Any) -> Prediction:
    at = values.get("at_ms", NOW)
    known = {
        "id": IDS.next(at), "deployment": "wine", "at_ms": at, "revision": 1, "endpoint": "", "model": "wine",
        "version": "3", "role": "stable", "segment": "", "latency_us": 900, "status": 200,
    }  # fmt: skip
    return Prediction(**{**known, **values})


def said(**values: Any) -> Feedback:
    known = {
        "id": new_id(), "deployment": "wine", "prediction": None, "key": None, "truth": None, "right": None,
        "at_ms": NOW,
    }  # fmt: skip
    return Feedback(**{**known, **values})


def take(database, *found: Prediction) -> int:
    return database.write(predictions.take, found, NOW)


def give(database, *found: Feedback) -> tuple[int, int]:
    def work(tx):
        predictions.alone(tx)
        return feedback.take(tx, found, NOW)

    return database.write(work)


def get(database, of: Prediction):
    return database.read(predictions.get, of.id)


def counted(database, name: str = "wine") -> Count:
    def read(tx):
        slots = prediction_counts.between(tx, served_names.all_of(tx, name), 0, 2**40)
        return grouped(slots, lambda _: 0)[0]

    return database.read(read)


def test_a_prediction_is_read_as_it_was_taken(database):
    whole = prediction(
        endpoint="legacy", segment="de", input='{"x": [1, "é"]}', input_hash="00", output="3", label="3", score=0.25,
        positive=False, key="k", parent=new_id(),
    )  # fmt: skip
    bare = prediction()
    assert take(database, whole, bare) == 2
    assert get(database, whole) == (whole, None, None)
    assert get(database, bare) == (bare, None, None)
    assert database.read(predictions.get, new_id()) is None


def test_what_comes_twice_is_there_once(database):
    first, second, third = prediction(), prediction(), prediction()
    assert take(database, first, second, first) == 2
    assert take(database, second, third) == 1
    assert take(database, first, second, third) == 0
    assert counted(database).calls == 3


def test_names_that_nobody_knows_are_kept_and_go_to_whoever_has_them_now(database):
    take(database, prediction(deployment="new"), prediction(deployment="other"))
    (home,) = database.read(served_names.all_of, "new")
    assert database.read(served_names.all_of, "never") == []

    def deploy(tx):
        from modelyard.db import deployments
        from modelyard.domain.deployments import Spec

        return deployments.insert(tx, Spec(name="new", environment="production", models=("m",)), NOW).id

    made = database.write(deploy)
    take(database, prediction(deployment="new"))
    assert database.read(served_names.all_of, "new") == [made, home]
    assert len(database.read(predictions.page, Wanted(deployment="new"), 10)) == 2


def test_pages_hold_each_prediction_once_newest_first(database):
    made = [
        prediction(at_ms=NOW + at % 7, segment="ab"[at % 2], status=500 if at % 5 == 0 else 200) for at in range(50)
    ]
    take(database, *made)
    take(database, prediction(deployment="other"))
    wanted = Wanted(deployment="wine", segment="a")
    found, before = [], None
    while page := database.read(predictions.page, wanted, 7, before):
        found += [each.prediction.id for each in page]
        before = found[-1]
    assert found == sorted((each.id for each in made if each.segment == "a"), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), 5), (Wanted(deployment="wine"), 4), (Wanted(model="grape"), 1), (Wanted(version="4"), 1),
        (Wanted(revision=2), 1), (Wanted(role="shadow"), 1), (Wanted(shadows=False), 4), (Wanted(segment="de"), 1),
        (Wanted(status=(0, 399)), 4), (Wanted(status=(500, 999)), 1), (Wanted(label="red"), 1), (Wanted(key="k"), 1),
        (Wanted(right=True), 1), (Wanted(right=False), 0), (Wanted(since_ms=NOW + 10), 1),
        (Wanted(until_ms=NOW + 10), 4),
        (Wanted(deployment="wine", status=(503, 503), revision=2), 1),
    ],
)  # fmt: skip
def test_filters(database, wanted, count):
    red = prediction(label="red", key="k", segment="de", at_ms=NOW + 10)
    take(database, red, prediction(revision=2, status=503, version="4"), prediction(model="grape"),
         prediction(role="shadow", parent=red.id), prediction(deployment="other"))  # fmt: skip
    give(database, said(prediction=red.id, truth="red"))
    found = database.read(predictions.page, wanted, 10)
    # feedback about an answer is about its shadows, too, as far as they have a label
    assert len(found) == count


def test_feedback_may_come_first_late_twice_and_corrected(database):
    early, late = prediction(label="red"), prediction(label="red")
    give(database, said(prediction=early.id, truth="white"))
    take(database, early, late)
    assert get(database, early)[1:] == ("white", False)
    correction = said(prediction=early.id, truth="red", at_ms=NOW + 1)
    assert give(database, correction, said(prediction=late.id, truth="red")) == (2, 2)
    assert give(database, correction) == (0, 0)
    assert get(database, early)[1:] == ("red", True)
    assert give(database, said(prediction=early.id, truth="white", at_ms=NOW)) == (1, 0)  # older than what is known
    assert get(database, early)[1:] == ("red", True)
    history = database.read(feedback.given, early)
    assert [each.truth for each in history] == ["red", "white", "white"]
    assert (counted(database).told, counted(database).right) == (2, 2)


def test_feedback_by_key_is_about_all_of_that_deployments(database):
    one, two, other = (
        prediction(key="k", label="a"),
        prediction(key="k", label="b"),
        prediction(key="k", deployment="x"),
    )
    take(database, one, other)
    assert give(database, said(key="k", truth="a")) == (1, 1)
    take(database, two)
    assert [get(database, each).right for each in (one, two, other)] == [True, False, None]


def test_a_shadow_is_judged_by_what_is_said_of_the_answer_that_was_used(database):
    live = prediction(label="a")
    same, differs = (prediction(role="shadow", parent=live.id, label=label, revision=2) for label in "ab")
    take(database, same)
    give(database, said(prediction=live.id, right=True))
    take(database, live, differs)
    assert [get(database, each).right for each in (live, same, differs)] == [True, True, False]
    give(database, said(prediction=live.id, right=False, at_ms=NOW + 1))
    assert [get(database, each).right for each in (live, same, differs)] == [False, False, None]
    give(database, said(prediction=live.id, truth="b", at_ms=NOW + 2))
    assert [get(database, each).right for each in (live, same, differs)] == [False, False, True]
    assert {each.prediction.id for each in database.read(predictions.shadows, live.id)} == {same.id, differs.id}
    assert (counted(database).pairs, counted(database).disagreements) == (2, 1)


def test_correctness_for_checks_is_by_revision_and_segment(database):
    made = [prediction(label="a", revision=1 + at % 2, segment="xy"[at // 4]) for at in range(8)]
    take(database, *made)
    give(
        database, *(said(prediction=each.id, truth="a" if at else "b", at_ms=NOW + at) for at, each in enumerate(made))
    )
    (home,) = database.read(served_names.all_of, "wine")
    assert database.read(predictions.correctness, home, NOW) == {
        (1, "x"): (1, 2), (2, "x"): (2, 2), (1, "y"): (2, 2), (2, "y"): (2, 2),
    }  # fmt: skip
    assert database.read(predictions.correctness, home, NOW + 6) == {(1, "y"): (1, 1), (2, "y"): (1, 1)}


def test_old_predictions_go_a_little_at_a_time_and_their_counts_stay(database):
    old = [prediction(at_ms=NOW - 10, label="a") for _ in range(5)]
    young = prediction(at_ms=NOW)
    take(database, *old, young)
    give(database, said(prediction=old[0].id, truth="a", at_ms=NOW - 5), said(prediction=young.id, truth="a"))
    assert [database.write(predictions.prune, NOW, 3) for _ in range(3)] == [3, 2, 0]
    assert [database.write(feedback.prune, NOW, 3) for _ in range(2)] == [1, 0]
    assert get(database, young).prediction == young
    assert counted(database).calls == 6


def test_slots_are_five_minutes(database):
    take(database, prediction(at_ms=NOW), prediction(at_ms=NOW + SLOT_S * 1000))

    def read(tx, *bounds):
        return [slot.slot_s for slot in prediction_counts.between(tx, served_names.all_of(tx, "wine"), *bounds)]

    first = NOW // 1000 // SLOT_S * SLOT_S
    assert database.read(read, 0, 2**40) == [first, first + SLOT_S]
    assert database.read(read, first + SLOT_S, 2**40) == [first + SLOT_S]


LABELS = st.sampled_from(["a", "b", None])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("predictions"), st.lists(st.integers(0, 7), min_size=1, max_size=8)),
        st.tuples(
            st.just("feedback"),
            st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from("ab")), min_size=1, max_size=4),
        ),
    ),
    max_size=8,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, labels=st.lists(LABELS, min_size=8, max_size=8), shadow=st.sets(st.integers(4, 7)))
def test_in_any_order_the_newest_feedback_counts_and_counts_agree(database, events, labels, shadow):
    """Eight predictions, of which some are shadows of the first four; feedback by id, or (8, 9) by one of two keys."""
    name = f"wine {next(_numbers)}"
    made: list[Prediction] = []
    for at in range(8):
        parent = made[at - 4].id if at in shadow else None
        made.append(
            prediction(
                deployment=name, label=labels[at], key="xy"[at % 2], parent=parent,
                role="shadow" if parent else "stable", at_ms=NOW + at,
            )
        )  # fmt: skip
    stored: set[int] = set()
    newest: dict[int, tuple[int, str]] = {}
    for kind, content in events:
        if kind == "predictions":
            assert take(database, *(made[at] for at in content)) == len(set(content) - stored)
            stored |= set(content)
            continue
        found = []
        for about, later, truth in content:
            by_key = about >= 8
            found.append(
                said(
                    deployment=name, prediction=None if by_key else made[about].id, truth=truth, at_ms=NOW + later,
                    key="xy"[about - 8] if by_key else None,
                )
            )  # fmt: skip
        # what is given together and at one time counts in its order
        for (about, later, truth), _ in sorted(zip(content, found, strict=True), key=lambda each: each[1].at_ms):
            concerned = {at for at in range(8) if at % 2 == about - 8} if about >= 8 else {about}
            concerned |= {at for at in shadow if about < 8 and at - 4 == about}
            for at in concerned:
                if at not in newest or later >= newest[at][0]:
                    newest[at] = later, truth
        give(database, *found)
    for at in stored:
        truth = newest[at][1] if at in newest else None
        right = None if truth is None else is_right(truth, labels[at], None)
        assert get(database, made[at])[1:] == (truth, right), at
    if not stored:
        return
    rights = [get(database, made[at]).right for at in stored]
    pairs = [(labels[at], labels[at - 4]) for at in stored & shadow if at - 4 in stored]
    pairs = [(one, other) for one, other in pairs if one is not None and other is not None]
    count = counted(database, name)
    assert (count.calls, count.told, count.right, count.pairs, count.disagreements) == (
        len(stored), sum(right is not None for right in rights), sum(right is True for right in rights), len(pairs),
        sum(one != other for one, other in pairs),
    )  # fmt: skip
