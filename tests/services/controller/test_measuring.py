"""From what gateways counted to what checks are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.db import deployments, leases, measurements
from modelyard.domain import rollouts
from modelyard.domain.deployments import Spec
from modelyard.domain.errors import Conflict
from modelyard.domain.measurements import MOST_OUTPUTS, Counts, Whose, samples, together
from modelyard.domain.rollouts import Rollout, Step, StepKind
from modelyard.services.controller.measuring import Measurer, tidy

NOW = 1_800_000_000


def whose(revision: int, role: str, segment: str = "") -> Whose:
    return Whose(revision, "", role, segment)


def rollout(kind: StepKind, weight: float = 0.5, *, began: int = 30, window: float = 0.0) -> Rollout:
    step = Step(kind=kind, weight=weight, for_s=600, window_s=window)
    return replace(rollouts.begin(1, 2, (step,), (NOW - began) * 1000), step_ms=(NOW - began) * 1000, unready_ms=None)


# ------------------------------------------------------------ values


def test_all_segments_together_and_each():
    found = {
        whose(2, "canary", "de"): Counts(requests=3, errors=1, outputs={"a": 2, "b": 1}),
        whose(2, "canary"): Counts(requests=4, outputs={"a": 4}),
        whose(2, "shadow", "de"): Counts(requests=100),
        whose(1, "stable", "de"): Counts(requests=100),
        Whose(0, "old", "endpoint", "de"): Counts(requests=100),
    }
    got = samples(found, 2, ("canary",), {"de": (4, 3), "": (2, 2), "fr": (1, 0)})
    assert {name: (each.requests, each.errors, each.feedback, each.right) for name, each in got.items()} == {
        "": (7, 1, 7, 5), "de": (3, 1, 4, 3), "fr": (0, 0, 1, 0),
    }  # fmt: skip
    assert (got[""].commonest, got[""].outputs) == (6, 7)


def test_the_commonest_answers_are_kept_apart_and_the_others_counted():
    total = Counts()
    for number in range(100):
        total.add(Counts(outputs={"same": 1, f"other {number}": 1}))
    assert total.outputs["same"] == 100
    assert sum(total.outputs.values()) == 200
    assert len(total.outputs) <= 2 * MOST_OUTPUTS
    assert (total.sample().commonest, total.sample().outputs) == (100, 200)


@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=31)), max_size=6))
def test_counting_is_adding(parts):
    total = together((whose(1, "stable"), Counts(requests=number, latency=list(latency))) for number, latency in parts)
    if parts:
        found = total[whose(1, "stable")]
        assert found.requests == sum(number for number, _ in parts)
        assert sum(found.latency) == sum(sum(latency) for _, latency in parts)


# ------------------------------------------------------------ stored


@pytest.fixture
def wine(database: Any) -> int:
    return int(database.write(deployments.insert, Spec(name="wine", environment="prod", models=("w",)), 1).id)


def count(database: Any, of: int, ago: int, who: Whose, **counts: Any) -> None:
    database.write(measurements.add, [(of, NOW - ago, who, Counts(**counts))])


def measure(database: Any, of: int, this: Rollout, measurer: Measurer | None = None, now: int = NOW) -> Any:
    return database.read((measurer or Measurer()).measure, of, 5, this, now * 1000)


def test_a_step_is_judged_by_what_came_since_it_began(database, wine):
    for ago in (100, 20, 20, 1):
        count(database, wine, ago, whose(2, "canary"), requests=1)
        count(database, wine, ago, whose(1, "stable", "de"), requests=10)
    found = measure(database, wine, rollout(StepKind.WEIGHT))
    assert (found.canary[""].requests, found.stable[""].requests, found.stable["de"].requests) == (3, 30, 30)


def test_a_window_looks_back_no_further(database, wine):
    for ago in (25, 5):
        count(database, wine, ago, whose(2, "canary"), requests=1)
    assert measure(database, wine, rollout(StepKind.WEIGHT, window=10)).canary[""].requests == 1


def test_a_shadow_is_judged_by_its_copies(database, wine):
    count(database, wine, 5, whose(2, "shadow"), requests=4, pairs=4, disagreements=1)
    count(database, wine, 5, whose(2, "canary"), requests=9)
    count(database, wine, 5, whose(1, "stable"), requests=7)
    count(database, wine, 100, whose(1, "stable"), requests=70)
    measured = measure(database, wine, rollout(StepKind.SHADOW, 1.0))
    found = measured.canary[""]
    assert (found.requests, found.pairs, found.disagreements) == (4, 4, 1)
    assert measured.stable[""].requests == 7


def test_a_bake_is_compared_with_stable_as_it_was_before(database, wine):
    count(database, wine, 5000, whose(1, "stable"), requests=1000)
    count(database, wine, 60, whose(1, "stable"), requests=7, labelled=7, positives=3)
    count(database, wine, 10, whose(2, "canary"), requests=5)
    found = measure(database, wine, rollout(StepKind.BAKE))
    assert (found.canary[""].requests, found.stable[""].requests, found.stable[""].positives) == (5, 7, 3)


def test_golden_tests_measure_nothing(database, wine):
    count(database, wine, 5, whose(2, "canary"), requests=9)
    assert measure(database, wine, rollout(StepKind.GOLDEN)).canary == {}


def test_a_long_step_is_not_read_whole_each_time_but_counted_whole(database, wine):
    measurer, this = Measurer(), rollout(StepKind.WEIGHT, began=1000)
    for ago in (900, 500, 130, 60, 1):
        count(database, wine, ago, whose(2, "canary"), requests=1)
    assert measure(database, wine, this, measurer).canary[""].requests == 5
    count(database, wine, -3, whose(2, "canary"), requests=1)
    assert measure(database, wine, this, measurer, NOW + 5).canary[""].requests == 6
    count(database, wine, 800, whose(2, "canary"), requests=1)  # a gateway that could not report
    assert measure(database, wine, this, measurer, NOW + 70).canary[""].requests == 7


def test_old_rows_are_put_together_and_nothing_is_lost(database, wine):
    for ago in range(880, 1000):
        count(database, wine, ago, whose(1, "stable", "de"), requests=1, latency=[0, 1])
    while database.write(tidy, wine, NOW):
        pass
    rows = list(database.read(lambda tx: list(measurements.between(tx, wine, NOW - 1000, NOW))))
    assert sum(counts.requests for _, _, counts in rows) == 120
    assert sum(sum(counts.latency) for _, _, counts in rows) == 120
    assert sum(at < NOW - 900 for at, _, _ in rows) <= 11
    while database.write(tidy, wine, NOW + 3 * 86_400):
        pass
    rows = list(database.read(lambda tx: list(measurements.between(tx, wine, NOW - 2000, NOW))))
    assert len(rows) <= 2
    assert sum(counts.requests for _, _, counts in rows) == 120


# ------------------------------------------------------------ leases


def test_one_holder_at_a_time(database):
    take = lambda who, ms=60_000: database.write(leases.take, "work", who, ms, 1)  # noqa: E731
    assert take("a")
    assert take("a")
    if database.dialect == "sqlite":
        assert take("b")  # the server before has gone: it had the file's lock
        return
    assert not take("b")
    database.write(leases.check, "work", "a")
    with pytest.raises(Conflict):
        database.write(leases.check, "work", "b")
    database.write(leases.release, "work", "b")
    assert not take("b")
    database.write(leases.release, "work", "a")
    assert take("b", -1)
    with pytest.raises(Conflict):  # it ran out
        database.write(leases.check, "work", "b")
    assert take("a")
