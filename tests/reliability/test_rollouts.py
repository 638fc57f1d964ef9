"""Promotions under load while everything is killed: traffic goes on, rollouts end well, predictions are there once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import ModelyardError
from tests.reliability.process import until
from tests.reliability.stack import Registry, Stack, Traffic, stored

STEPS = ["golden", {"weight": "50%", "for": "0.3s", "checks": [], "thin": "pass"}, {"weight": "100%", "checks": []}]
UNNOTICED = ("server", "deliverer", "keeper", "front", "worker")
"""Who may be killed without that any caller notices."""
BROKEN_S = 1.0
"""For so long after its gateway was killed a caller's connection may break."""


@contextmanager
def serving(folder: Path, *flags: str, versions: int = 1, **spec: Any) -> Iterator[tuple[Stack, Registry, Traffic]]:
    """A deployment that answers under load; at the end all is compared with what callers saw."""
    stack = Stack(folder / "data", *flags)
    try:
        stack.start()
        registry = Registry(stack.url, folder)
        for _ in range(versions):
            registry.version()
        registry.promote("1")
        registry.client.apply_deployment(
            {"name": "tea", "environment": "production", "model": "tea", "steps": STEPS, **spec}
        )
        until(lambda: registry.client.get_deployment("tea").phase == "serving", 60, "the first version answers")
        traffic = Traffic(stack.gateway)
        with traffic:
            yield stack, registry, traffic
        print(traffic.summary())
        every_prediction_is_there_once(stack, traffic)
        stack.stop(120)
    except BaseException:
        print(stack.log.read_text()[-20_000:])
        raise
    finally:
        stack.end()


def every_prediction_is_there_once(stack: Stack, traffic: Traffic) -> None:
    answered = {each.prediction for each in traffic.seen if each.status == 200}
    found: list[str] = []

    def delivered() -> bool:
        nonlocal found
        found = stored(stack.url)
        return answered <= set(found)

    try:
        until(delivered, 30)
    except AssertionError:
        lost = answered - set(found)
        raise AssertionError(
            f"{len(lost)} of {len(answered)} predictions are lost, such as {sorted(lost)[:3]}"
        ) from None
    assert [each for each, count in Counter(found).items() if count > 1] == []
    assert len(found) <= len(answered) + len(traffic.failed)  # a caller may not have seen an answer


def nobody_noticed(traffic: Traffic, broken_at: list[float] | None = None) -> None:
    """No request failed, but those that a killed gateway had taken; and no connection was refused."""
    unexcused = [
        each
        for each in traffic.failed
        if each.status != 0
        or "refused" in each.why
        or not any(at - BROKEN_S < each.at + each.took_s and each.at < at + BROKEN_S for at in broken_at or ())
    ]
    assert unexcused == [], f"{len(unexcused)} of {len(traffic.seen)} requests failed, such as {unexcused[:3]}"


def patiently(act: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What a call answers, once the server is there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (ModelyardError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def settled(registry: Registry, version: str) -> bool:
    """Whether this version alone answers, and nothing goes on."""
    told = patiently(lambda: registry.client.get_deployment("tea"))
    return bool(
        told.phase == "serving" and told.canary is None and told.stable and told.stable.target.version == version
    )


def test_promotions_and_kills_under_load(tmp_path: Path) -> None:
    second, third = "2", "3"
    with serving(tmp_path, versions=3) as (stack, registry, traffic):
        registry.promote(second)
        traffic.wait_for(second)
        stack.kill("deliverer")
        registry.promote(third)
        time.sleep(0.3)
        stack.kill("server")  # in the middle of the rollout
        traffic.wait_for(third)
        until(lambda: settled(registry, third), 30, "the rollout ends")
        stack.kill("worker")
        until(lambda: traffic.seen[-1].status == 200)
        stack.kill("front")
        began = len(traffic.seen)
        until(lambda: len(traffic.seen) > began + 50)
        nobody_noticed(traffic)
        killed = time.monotonic()
        stack.kill("gateway")
        until(lambda: traffic.seen[-1].at > killed + BROKEN_S and traffic.seen[-1].status == 200)
        nobody_noticed(traffic, [killed])
    assert traffic.versions().keys() == {"1", second, third}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_fifty_promotions_in_a_row(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, registry, traffic):
        took = []
        for _ in range(50):
            version = registry.version()
            registry.promote(version)
            took.append(traffic.wait_for(version))
            until(partial(settled, registry, version), 30, "the rollout ends")
        nobody_noticed(traffic)
    took.sort()
    print(f"stage change to first answer: median {took[25]:.1f} s, worst {took[-1]:.1f} s")


def chaos(stack: Stack, registry: Registry, traffic: Traffic, kills: int, also: dict[str, Callable[[], Any]]) -> None:
    """Kill at random moments, promoting all the while."""
    rng = random.Random(kills)
    broken_at: list[float] = []
    done: Counter[str] = Counter()
    version, promoted = "1", 0.0
    while sum(done.values()) < kills:
        away = time.monotonic() - promoted
        if away > 30 or (away > 3 and settled(registry, version)):  # now and then one overtakes the other
            version = patiently(registry.version)
            patiently(partial(registry.promote, version))
            promoted = time.monotonic()
        role = rng.choice([*UNNOTICED, "gateway", *also])
        if role == "gateway":
            broken_at.append(time.monotonic())
        if role in also:
            also[role]()
            done[role] += 1
        else:
            done[role] += stack.kill(role, rng)
        time.sleep(rng.uniform(0.1, 2.0))
    until(lambda: settled(registry, version) or given_up(registry, version), 90, "the last rollout ends")
    nobody_noticed(traffic, broken_at)
    ends = patiently(lambda: registry.client.list_rollouts("tea"))
    print(f"killed {dict(done)}; rollouts {dict(Counter(each.status for each in ends))}")
    assert {each.status for each in ends} <= {"promoted", "superseded", "rolled_back"}
    assert [each.reason for each in ends if each.status == "rolled_back" and not _killed_too_often(each.reason)] == []


def given_up(registry: Registry, version: str) -> bool:
    """Whether this version was killed so often while it started that it was taken for one that cannot run."""
    held = patiently(lambda: registry.client.get_deployment("tea")).held
    return bool(held and held.target.version == version and _killed_too_often(held.reason))


def _killed_too_often(reason: str) -> bool:
    return "cannot run: It ended" in reason or "was away for" in reason


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_kills_at_random_moments(tmp_path: Path) -> None:
    with serving(tmp_path, replicas=2) as (stack, registry, traffic):
        chaos(stack, registry, traffic, 100, {})


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_thirty_kills_at_random_moments_with_postgresql_among_them(tmp_path: Path, cluster: Any) -> None:
    def outage() -> None:
        cluster.kill()
        time.sleep(random.uniform(0.5, 5))
        cluster.start()

    with serving(tmp_path, "--database", cluster.url) as (stack, registry, traffic):
        chaos(stack, registry, traffic, 30, {"database": outage})


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_with_two_gateways_the_death_of_one_costs_what_it_had_taken_and_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path, "--gateways", "2") as (stack, _, traffic):
        broken_at = []
        for _ in range(20):
            broken_at.append(time.monotonic())
            stack.kill("gateway")
            time.sleep(random.uniform(0.3, 2))
        nobody_noticed(traffic, broken_at)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_database_that_is_away_for_a_minute_costs_no_answer_and_no_prediction(tmp_path: Path, cluster: Any) -> None:
    with serving(tmp_path, "--database", cluster.url) as (_, _, traffic):
        time.sleep(2)
        cluster.kill()
        began, before = time.monotonic(), len(traffic.seen)
        time.sleep(60)
        cluster.start()
        answered = len(traffic.seen) - before
        print(f"{answered} answers in the {time.monotonic() - began:.0f} s without a database")
        time.sleep(5)
        assert answered > 5000
        nobody_noticed(traffic)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_model_servers_outlive_their_supervisor_and_everything_comes_back_after_a_power_cut(tmp_path: Path) -> None:
    with serving(tmp_path) as (stack, _, traffic):
        time.sleep(1)
        traffic.stop()
        front = stack.processes()["front"]
        stack.kill_supervisor()
        until(lambda: not any(stack.processes()[each] for each in ("server", "gateway")), 30, "its parts stop")
        assert stack.processes()["front"] == front
        stack.start()
        with Traffic(stack.gateway) as after:
            after.wait_for("1")
            time.sleep(3)
        assert stack.processes()["front"] == front
        nobody_noticed(after)
        traffic.seen += after.seen

        stack.kill_all()
        stack.start()
        with Traffic(stack.gateway) as again:
            again.wait_for("1")  # requests wait until the model server is there again
        nobody_noticed(again)
        traffic.seen += again.seen
