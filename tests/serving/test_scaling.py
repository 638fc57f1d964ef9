"""How many replicas there are to be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.scaling import Policy, Sample, decide, history_s

policies = st.builds(
    lambda least, more, target, cool: Policy(least, least + more, target, cool),
    st.integers(0, 4), st.integers(0, 8), st.floats(0.5, 64), st.floats(0, 30),
)  # fmt: skip
loads = st.lists(st.integers(0, 500), max_size=60)


def samples(load: list[int], every_s: float = 0.5) -> list[Sample]:
    return [Sample(index * every_s, each) for index, each in enumerate(load)]


def last(taken: list[Sample]) -> float:
    return taken[-1].at if taken else 0.0


@given(policies, loads, st.integers(0, 12))
def test_the_bounds_hold(policy, load, current):
    taken = samples(load)
    assert policy.least <= decide(taken, policy, last(taken), current) <= policy.most


@given(policies, loads)
def test_a_decision_stands_while_nothing_changes(policy, load):
    taken = samples(load)
    once = decide(taken, policy, last(taken), policy.least)
    assert decide(taken, policy, last(taken), once) == once


@given(policies, loads, st.integers(0, 12))
def test_only_so_much_of_the_past_is_needed(policy, load, current):
    taken = samples(load)
    now = last(taken)
    kept = [each for each in taken if each.at >= now - history_s(policy)]
    assert decide(kept, policy, now, current) == decide(taken, policy, now, current)


@given(policies, loads, st.integers(1, 500))
def test_more_requests_never_mean_fewer_replicas(policy, load, more):
    taken = samples(load)
    busier = [Sample(each.at, each.in_flight + more) for each in taken]
    assert decide(busier, policy, last(taken), 1) >= decide(taken, policy, last(taken), 1)


@given(policies, st.integers(1, 500), st.integers(0, 12))
def test_who_waits_gets_a_replica(policy, waiting, current):
    wanted = decide([Sample(0.0, waiting)], policy, 0.0, current)
    assert wanted >= min(1, policy.most)


def test_a_steady_load_gets_what_it_needs_and_keeps_it():
    policy = Policy(0, 10, target=16, cool_down_s=5)
    wanted, seen = 1, []
    taken: list[Sample] = []
    for index in range(100):
        taken.append(Sample(index * 0.1, 64))
        wanted = decide(taken, policy, index * 0.1, wanted)
        seen.append(wanted)
    assert set(seen) == {4}


def test_a_short_pause_takes_nothing_away_and_a_long_one_everything():
    policy = Policy(0, 10, target=16, cool_down_s=5)
    taken = [Sample(index * 0.1, 64 if index < 100 or 120 <= index < 200 else 0) for index in range(300)]
    wanted, seen = 1, []
    for index in range(len(taken)):
        wanted = decide(taken[: index + 1], policy, index * 0.1, wanted)
        seen.append(wanted)
    assert set(seen[:250]) == {4}
    gone = seen.index(0)
    assert 20 + 5 <= gone * 0.1 <= 20 + 5 + 2.1  # the average takes its time to come down
    assert seen[gone:] == [0] * (300 - gone)


def test_a_peak_of_a_moment_is_averaged_away():
    policy = Policy(1, 10, target=16, cool_down_s=5, smooth_s=2.0)
    taken = [Sample(index * 0.1, 64 if index == 50 else 4) for index in range(60)]
    assert decide(taken, policy, 5.9, 1) == 1
