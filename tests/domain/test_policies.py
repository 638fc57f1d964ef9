"""What a policy chooses is what one would choose by hand, and every refusal says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from modelyard.domain import policies
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.policies import Candidate, Direction, Gate, Policy, Rule

LABELS = ["0.9", "1.0", "1.1", "2.0rc1", "2.0", "3"]
ALLOWANCES = ["", "<=1.0", "==2.0", ">=1.0,<=2.0", "<1"]


def admits(allowance: str, label: str) -> bool:
    return SpecifierSet(allowance).contains(Version(label), prereleases=True)


candidates = st.lists(
    st.builds(
        Candidate,
        model=st.sampled_from(["a", "b"]),
        version=st.integers(1, 6),
        label=st.none() | st.sampled_from(LABELS),
        tags=st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]), max_size=2),
        status=st.sampled_from(["READY", "READY", "PENDING_REGISTRATION"]),
        gates=st.frozensets(st.sampled_from(list(Gate)), max_size=3),
        metrics=st.dictionaries(
            st.tuples(st.sampled_from(["f1", "loss"]), st.sampled_from(["d", "e"])), st.integers(0, 5).map(float)
        ),
    ),
    unique_by=lambda each: (each.model, each.version),
    max_size=8,
)
rules = st.builds(
    Policy,
    allowance=st.sampled_from(ALLOWANCES),
    tags=st.none() | st.dictionaries(st.just("x"), st.sampled_from(["1", "*"])),
    gates=st.none() | st.sampled_from([(), (Gate.RUN,)]),
    rule=st.just(Rule.BEST),
    metric=st.just("f1"),
    dataset=st.just("d"),
    direction=st.sampled_from(Direction),
    least_improvement=st.sampled_from([0.0, 1.0, 2.0]),
)


@given(rules, candidates, st.none() | st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 6)))
def test_the_best_is_what_a_hand_calculation_finds(policy, found, current):
    by_hand = [
        each for each in found
        if each.status == "READY"
        and (not policy.allowance or (each.label and admits(policy.allowance, each.label)))
        and all(key in each.tags and value in ("*", each.tags[key]) for key, value in (policy.tags or {}).items())
        and set(policy.gates or ()) <= each.gates
    ]  # fmt: skip
    told = policies.explain(policy, found, current, admits)
    assert {(each.candidate.model, each.candidate.version) for each in told.candidates if each.admitted} == {
        (each.model, each.version) for each in by_hand
    }
    assert len(told.candidates) == len(found)
    assert all(each.reason for each in told.candidates)
    sign = 1 if policy.direction is Direction.MAX else -1
    values = {(e.model, e.version): sign * e.metrics["f1", "d"] for e in by_hand if ("f1", "d") in e.metrics}
    now = next((each for each in by_hand if (each.model, each.version) == current), None)
    if not values:
        assert told.chosen is now
        return
    assert told.chosen is not None
    best, chosen = max(values.values()), (told.chosen.model, told.chosen.version)
    mine = values.get(current) if now else None
    if mine is not None and (best - mine <= 0 or best - mine < policy.least_improvement):
        assert told.chosen is now
    else:
        assert values[chosen] == best
    assert [each.chosen for each in told.candidates].count(True) == 1


@given(rules, candidates)
def test_choosing_again_changes_nothing(policy, found):
    first = policies.explain(policy, found, None, admits).chosen
    again = policies.explain(policy, found, (first.model, first.version) if first else None, admits).chosen
    assert again is first


def test_a_pointer_that_may_not_serve_is_refused_with_the_reason():
    policy = Policy(allowance="<=1.0")
    old, new = Candidate(model="m", version=1, label="1.0"), Candidate(model="m", version=2, label="2.0")
    told = policies.explain(policy, [old, new], ("m", 2), admits)
    assert told.chosen is None
    assert told.reason == (
        "The environment points to m version 2 (2.0), which may not serve: "
        "Its label 2.0 is outside the allowance <=1.0."
    )
    assert policies.explain(policy, [old, new], ("m", 1), admits).chosen is old
    assert policies.explain(policy, [old, new], ("m", 9), admits).reason.endswith("which is not there.")
    assert policies.explain(policy, [old, new], None, admits).reason == "The environment points to no version."


def test_metrics_are_compared_on_one_dataset_alone():
    """A value of another dataset is no value, however good."""
    one = Candidate(model="m", version=1, metrics={("f1", "d"): 0.5})
    other = Candidate(model="m", version=2, metrics={("f1", "other"): 0.9})
    third = Candidate(model="m", version=3, metrics={("f1", "d"): 0.6})
    policy = Policy(rule=Rule.BEST, metric="f1", direction=Direction.MAX)
    assert policies.explain(policy, [one, other, third], None, admits).chosen is third
    fixed = Policy(rule=Rule.BEST, metric="f1", direction=Direction.MAX, dataset="other")
    told = policies.explain(fixed, [one, other, third], None, admits)
    assert told.chosen is other
    assert {each.reason for each in told.candidates[1:]} == {"It has no value of f1 on dataset other."}


def test_what_is_not_said_is_inherited():
    general = Policy(allowance="<=1.0", gates=(Gate.OWNER,), rule=Rule.MANUAL)
    own = Policy(allowance="", rule=Rule.BEST, metric="f1")
    assert own.over(general) == Policy(allowance="", gates=(Gate.OWNER,), rule=Rule.BEST, metric="f1")


@pytest.mark.parametrize(
    "policy",
    [Policy(rule=Rule.BEST), Policy(least_improvement=-1.0), Policy(models=("a", "a")),
     Policy(least_improvement=float("nan"))],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(policy):
    with pytest.raises(InvalidArgument):
        policies.check(policy)
