"""What is thought of replicas by what their backend says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.deployments import Revision, Spec, Target
from modelyard.domain.errors import InvalidArgument, InvalidState, Unavailable
from modelyard.services.controller import replicas as module
from modelyard.services.controller.replicas import Replicas, Seen, mark, mark_of, unit_name, wanted
from modelyard.serving.backends import base
from tests.services.controller import scripted

NAME = "wine-r1-0a1b2c"
SPEC = Spec(name="wine", environment="prod", models=("wine",), backend="scripted", replicas=2)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> scripted.Scripted:
    monkeypatch.setattr(base, "BACKENDS", {**base.BACKENDS, "scripted": scripted.__name__})
    scripted.backend = scripted.Scripted()
    return scripted.backend


@pytest.fixture
def units(tmp_path: Path, backend: scripted.Scripted) -> Iterator[Replicas]:
    made = Replicas(str(tmp_path), lambda: None)
    yield made
    made.close()


def want(units: Replicas, **fields: Any) -> None:
    revision = Revision("wine", 1, SPEC, Target("wine", "7"), 0, "anna", "")
    units.want({NAME: wanted(NAME, revision, "http://registry", test=False, **fields)})


def until(units: Replicas, what: Callable[[Seen], Any], seconds: float = 10.0) -> Seen:
    end = time.monotonic() + seconds
    while not what(units.seen(NAME)):
        assert time.monotonic() < end, units.seen(NAME)
        units.tick()
        time.sleep(0.01)
    return units.seen(NAME)


def replica(name: str, state: str, reason: str = "") -> base.Replica:
    return base.Replica(name, state, "", "here", reason)


def test_a_revision_is_asked_for_under_the_deployments_name(units, backend):
    want(units)
    until(units, lambda seen: seen.known)
    spec = backend.ensured[0]
    assert (spec.name, spec.models, spec.replicas) == (NAME, ("wine=models:/wine/7",), 2)
    assert spec.variables["MODELYARD_TRACKING_URI"] == "http://registry"
    assert spec.variables["MODELYARD_SERVE_POLL_S"] == "0.0"  # a version does not change


def test_ready_as_many_as_are_wanted(units, backend):
    backend.said[NAME] = (replica("0", base.READY), replica("1", base.STARTING, "It is being loaded."))
    want(units)
    seen = until(units, lambda seen: seen.ready == 1)
    assert (seen.trouble, seen.hopeless) == ("It is being loaded.", False)
    backend.said[NAME] = (replica("0", base.READY), replica("1", base.READY))
    assert until(units, lambda seen: seen.ready == 2).trouble == ""


def test_what_ends_again_and_again_is_hopeless(units, backend):
    want(units)
    killed = "It ended (signal 9) and is started again."
    for _ in range(3):
        backend.said[NAME] = (replica("0", base.FAILED, killed), replica("1", base.STARTING))
        assert until(units, lambda seen: seen.trouble == killed)
        hopeless = units.seen(NAME).hopeless
        backend.said[NAME] = (replica("0", base.STARTING), replica("1", base.STARTING))
        if not hopeless:
            until(units, lambda seen: seen.trouble == "")
    assert hopeless


def test_what_was_ready_in_between_is_not(units, backend):
    want(units)
    for _ in range(5):
        backend.said[NAME] = (replica("0", base.FAILED, "It ended."), replica("1", base.READY))
        until(units, lambda seen: seen.trouble == "It ended.")
        backend.said[NAME] = (replica("0", base.READY), replica("1", base.READY))
        assert not until(units, lambda seen: seen.ready == 2).hopeless


@pytest.mark.parametrize(
    ("refusal", "hopeless"), [(InvalidArgument("No GPU here."), True), (Unavailable("The cluster is away."), False)]
)
def test_a_backend_that_refuses_and_one_that_is_away(units, backend, refusal, hopeless):
    backend.refusal = refusal
    want(units)
    seen = until(units, lambda seen: seen.trouble)
    assert (seen.trouble, seen.hopeless) == (refusal.message, hopeless)
    backend.refusal = None
    backend.said[NAME] = (replica("0", base.READY), replica("1", base.READY))
    assert until(units, lambda seen: seen.ready == 2).trouble == ""


def test_a_backend_that_fails_is_asked_further_and_further_apart(units, backend):
    backend.refusal = Unavailable("The cluster is away.")
    want(units)
    until(units, lambda _: len(backend.ensured) >= 2)
    began = time.monotonic()
    until(units, lambda _: len(backend.ensured) >= 3)
    assert time.monotonic() - began > 0.8


def test_what_a_backend_said_last_holds_while_it_is_away(units, backend, monkeypatch):
    backend.said[NAME] = (replica("0", base.READY), replica("1", base.READY))
    want(units)
    until(units, lambda seen: seen.ready == 2)
    monkeypatch.setattr(module, "_ENSURE_S", 0.0)
    backend.refusal = Unavailable("The cluster is away.")
    seen = until(units, lambda seen: seen.trouble)
    assert (seen.ready, seen.hopeless) == (2, False)


def test_replicas_that_were_started_otherwise_go_on_until_they_end(units, backend):
    """This server had another address when it started them."""
    backend.refusal = InvalidState("runs already, with other settings")
    backend.said[NAME] = (replica("0", base.READY), replica("1", base.READY))
    want(units)
    assert until(units, lambda seen: seen.ready == 2).trouble == ""
    assert backend.stopped == []
    backend.said[NAME] = (replica("0", base.FAILED, "It ended."), replica("1", base.FAILED, "It ended."))
    until(units, lambda _: backend.stopped)


def test_what_is_stopped_is_forgotten_once_it_is_gone(units, backend):
    backend.said[NAME] = (replica("0", base.READY), replica("1", base.READY))
    want(units)
    until(units, lambda seen: seen.ready == 2)
    units.stop(NAME)
    until(units, lambda _: NAME not in units.running)
    assert backend.stopped == [NAME]


def test_a_slow_backend_holds_up_no_other(units, backend, monkeypatch):
    monkeypatch.setattr(backend, "ensure", lambda spec: time.sleep(3))
    want(units)
    began = time.monotonic()
    external = Revision("old", 1, SPEC, Target(url="http://127.0.0.1:9/"), 0, "anna", "")
    units.want({"old-r1-0a1b2c": wanted("old-r1-0a1b2c", external, "", test=False)})
    while not units.seen("old-r1-0a1b2c").known:
        units.tick()
        time.sleep(0.01)
    assert time.monotonic() - began < 2.5


def test_names_tell_ours_from_others():
    revision = Revision("my-r2-wine", 31, SPEC, Target("wine", "7"), 0, "anna", "")
    name = unit_name("5eed5eed", 4, revision)
    assert name == f"my-r2-wine-r31-{mark('5eed5eed', 4)}"
    assert mark_of(name) == mark("5eed5eed", 4) != mark("5eed5eed", 5)
    assert mark_of("somebody-elses") == ""
