"""How requests are shared out: whole, honest, and with callers who stay where they are."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.deployments import Role, Segment, Share, Spec, State, choose, position, promoted, shares
from modelyard.domain.rollouts import Rollout

weights = st.floats(0, 1)


@st.composite
def segments(draw):
    """Settings whose shares add up."""
    model = draw(st.floats(0, 1))
    split = draw(st.floats(0, 1))
    parts = {"model": model, "a": (1 - model) * split, "b": (1 - model) * (1 - split)}
    return Segment(share={} if draw(st.booleans()) else {name: part for name, part in parts.items() if part})


@given(segments(), weights)
def test_shares_add_up_and_the_canary_has_its_part_of_what_the_model_gets(segment, weight):
    found = shares(segment, 1, 2, weight)
    assert sum(each.weight for each in found) == pytest.approx(1, abs=1e-9)
    assert all(each.weight > 0 for each in found)
    model = segment.share.get("model", 0.0) if segment.share else 1.0
    by_role = {each.role: each.weight for each in found if each.role is not Role.ENDPOINT}
    assert by_role.get(Role.CANARY, 0) == pytest.approx(model * weight)
    assert by_role.get(Role.STABLE, 0) == pytest.approx(model * (1 - weight), abs=1e-12)


def test_who_is_alone_has_it_all():
    assert shares(Segment(), 1, None, 0.7) == (Share(1, Role.STABLE, 1.0),)
    assert shares(Segment(), None, 2, 0.1) == (Share(2, Role.CANARY, 1.0),)
    assert shares(Segment(), None, None, 0.0) == ()
    assert shares(Segment(share={"old": 1.0}), 1, 2, 0.5) == (Share("old", Role.ENDPOINT, 1.0),)


@given(st.text(), st.text(max_size=100))
def test_a_key_stands_at_one_place(key, salt):
    at = position(key, salt)
    assert 0 <= at < 1
    assert at == position(key, salt)


@given(segments(), st.text(), weights, weights)
def test_keys_stay_with_the_canary_as_it_grows(segment, key, one, other):
    less, more = sorted((one, other))
    at = position(key, "reviews")
    before, after = choose(shares(segment, 1, 2, less), at), choose(shares(segment, 1, 2, more), at)
    if before.role is Role.CANARY:
        assert after.role is Role.CANARY
    if before.role is Role.ENDPOINT:
        assert after.to == before.to


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("chosen_by", ["chance", "key"])
def test_the_split_is_honest_within_one_percent_over_ten_thousand(weight, chosen_by):
    chance = Random(5)
    among = shares(Segment(share={"model": 0.8, "old": 0.2}), 1, 2, weight)
    places = [position(f"caller-{n}", "reviews") if chosen_by == "key" else chance.random() for n in range(10_000)]
    found = [choose(among, at) for at in places]
    for share in among:
        assert sum(each == share for each in found) / 10_000 == pytest.approx(share.weight, abs=0.01)


def test_other_deployments_have_other_callers_first():
    first = [{f"caller-{n}" for n in range(1000) if position(f"caller-{n}", salt) < 0.1} for salt in ("a", "b")]
    assert len(first[0] & first[1]) < 30


def test_rounding_leaves_nobody_without_an_answer():
    among = (Share(1, Role.CANARY, 0.1), Share(2, Role.STABLE, 0.2), Share("old", Role.ENDPOINT, 0.7))
    assert choose(among, 1 - 2**-53).to == "old"
    assert choose(among[:2], 0.9).to == 2


def test_segments_inherit():
    spec = Spec(
        name="a",
        environment="b",
        models=("c",),
        defaults=Segment({"text": "body", "title": "head"}, 0.5, {"model": 1.0}),
        segments={"de": Segment({"text": "inhalt"}, 0.0), "fr": Segment(share={"model": 0.5, "old": 0.5})},
    )
    assert spec.settings("de") == Segment({"text": "inhalt", "title": "head"}, 0.0, {"model": 1.0})
    assert spec.settings("fr") == Segment({"text": "body", "title": "head"}, 0.5, {"model": 0.5, "old": 0.5})
    assert spec.settings("xx") == spec.defaults


def test_a_promotion_is_told_once():
    rollout = Rollout(stable=3, canary=5, steps=())
    state = promoted(State(stable=3, previous=1, trouble="it waits"), rollout)
    assert state == State(stable=5, previous=3)
    assert promoted(state, rollout) == state
    assert promoted(State(), Rollout(stable=None, canary=1, steps=())) == State(stable=1)
