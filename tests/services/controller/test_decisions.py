"""What follows from what is known of a deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from modelyard.db.deployments import Row
from modelyard.domain import rollouts
from modelyard.domain.checks import DEFAULT, Sample
from modelyard.domain.deployments import GoldenRequest, Held, Revision, Spec, State, Target
from modelyard.domain.rollouts import Golden, Measurements, Rollout, Status, Step, StepKind
from modelyard.services.controller.decisions import Known, decide
from modelyard.services.controller.desired import Desired

STEPS = (
    Step(kind=StepKind.GOLDEN),
    Step(kind=StepKind.WEIGHT, weight=0.1, for_s=10, checks=DEFAULT),
    Step(kind=StepKind.BAKE, for_s=60, checks=DEFAULT),
)
SPEC = Spec(name="wine", environment="prod", models=("wine",), steps=STEPS)
NOW = 1_000_000
READY = Measurements(canary_ready=True, golden=Golden(passed=True, told="3 of 3 passed."))


def version(number: int, label: str = "") -> Target:
    return Target("wine", str(number), f"s3://wine/{number}", "", "", label)


def revision(number: int, of: int, spec: Spec = SPEC) -> Revision:
    return Revision("wine", number, spec, version(of), 0, "anna", "because")


def known(wanted: int | None, *, spec: Spec = SPEC, why: str = "anna put it there", **parts: Any) -> Known:
    """Revision 1 is version 1, and so on."""
    state = parts.pop("state", State())
    row = Row(1, "wine", "prod", spec, state, 0, 0)
    desired = Desired(version(wanted) if wanted else None, why, "anna")
    stable = revision(state.stable, state.stable) if state.stable else None
    return Known(**{"row": row, "desired": desired, "stable": stable, "newest": state.stable or 0, **parts})


def during(wanted: int, rollout: Rollout, measured: Measurements = READY, **parts: Any) -> Known:
    """Revision 2, version 2, is being tried."""
    state = parts.pop("state", State(stable=rollout.stable))
    return known(
        wanted, state=state, rollout_id=5, rollout=rollout, canary=revision(2, 2), newest=2, measured=measured, **parts
    )


def at(step: int, **fields: Any) -> Rollout:
    begun = rollouts.begin(1, 2, STEPS, NOW - 60_000)
    return replace(begun, **{"at": step, "step_ms": NOW - 5_000, "unready_ms": None, "seen_ms": NOW - 400, **fields})


def told(decision: Any) -> str:
    return " | ".join(note.told for note in decision.notes)


# ------------------------------------------------------------ what is wanted


def test_the_first_version_makes_the_first_revision():
    found = decide(known(9), NOW)
    assert found.revision is not None
    assert found.begun is not None
    assert (found.revision.number, found.revision.target, found.revision.principal) == (1, version(9), "anna")
    assert (found.begun.stable, found.begun.canary, len(found.begun.steps)) == (None, 1, 1)
    assert "Revision 1: wine version 9. anna put it there." in told(found)


def test_another_version_begins_a_rollout():
    found = decide(known(10, state=State(stable=1)), NOW)
    assert found.begun == rollouts.begin(1, 2, STEPS, NOW)
    assert "wine version 10 instead of wine version 1" in told(found)
    assert "golden, weight 10 % for 10 s, bake for 60 s" in told(found)


def test_what_answers_already_needs_nothing():
    found = decide(known(1, state=State(stable=1)), NOW)
    assert (found.begun, found.notes, found.state) == (None, [], State(stable=1))


def test_another_label_is_no_other_version():
    same = replace(known(1, state=State(stable=1)), desired=Desired(version(1, "2.0"), "", ""))
    assert decide(same, NOW).begun is None


def test_other_settings_are_a_revision_of_whoever_changed_them():
    spec = replace(SPEC, replicas=2)
    found = decide(known(1, spec=spec, state=State(stable=1), changer="bert"), NOW)
    assert found.revision is not None
    assert (found.revision.principal, found.revision.spec) == ("bert", spec)
    assert "bert changed the settings" in told(found)


PLAN = {"steps": STEPS[:1], "golden": (GoldenRequest({"x": 1}, 2),), "start_timeout_s": 5.0, "rehearse": "04:30"}


def test_another_way_to_try_changes_starts_nothing():
    spec = replace(SPEC, **PLAN)
    assert decide(known(1, spec=spec, state=State(stable=1)), NOW).begun is None
    next_one = decide(known(2, spec=spec, state=State(stable=1)), NOW)
    assert next_one.begun is not None
    assert next_one.begun.steps == PLAN["steps"]
    assert next_one.revision is not None
    assert next_one.revision.spec == spec


def test_a_rollout_goes_on_by_its_steps_when_others_are_wanted_and_what_failed_stays_held():
    spec = replace(SPEC, **PLAN)
    going = decide(during(2, at(1), spec=spec), NOW)
    assert going.begun is None
    assert going.rollout is not None
    assert going.rollout.steps == STEPS
    failed = decide(during(2, at(0), replace(READY, golden=Golden(passed=False, told="1 of 3")), spec=spec), NOW)
    assert failed.state.held is not None
    again = decide(known(2, spec=spec, state=failed.state, rollout=failed.rollout, rollout_id=5), NOW)
    assert (again.begun, again.state.held) == (None, failed.state.held)


def test_nothing_in_the_environment_leaves_what_answers_and_says_so():
    found = decide(known(None, why="No version of 'wine' is in prod.", state=State(stable=1)), NOW)
    assert (found.begun, found.state.stable, found.state.trouble) == (None, 1, "No version of 'wine' is in prod.")
    again = decide(known(None, why="No version of 'wine' is in prod.", state=found.state), NOW)
    assert again.notes == []


def test_something_newer_supersedes_what_is_being_tried():
    found = decide(during(3, at(1)), NOW)
    assert found.rollout is not None
    assert found.rollout.status is Status.SUPERSEDED
    assert found.begun is not None
    assert (found.begun.stable, found.begun.canary) == (1, 3)
    assert "wine version 3 is wanted now" in told(found)


def test_the_way_back_ends_what_is_being_tried():
    found = decide(during(1, at(1)), NOW)
    assert found.rollout is not None
    assert (found.rollout.status, found.begun) == (Status.SUPERSEDED, None)
    assert "Revision 1 (wine version 1) is wanted again" in told(found)


def test_what_is_held_is_not_tried_again():
    held = Held(version(2), SPEC, "error_rate 1")
    found = decide(known(2, state=State(stable=1, held=held)), NOW)
    assert found.begun is None
    assert found.state.trouble == "wine version 2 is not tried again: error_rate 1"
    assert decide(known(2, state=found.state), NOW).state == found.state


def test_what_is_held_is_tried_again_with_other_settings_or_after_another_version():
    held = Held(version(2), SPEC, "error_rate 1")
    other = decide(known(2, spec=replace(SPEC, replicas=3), state=State(stable=1, held=held)), NOW)
    assert other.begun is not None
    assert other.state.held is None
    back = decide(known(1, state=State(stable=1, held=held)), NOW)
    assert (back.begun, back.state.held) == (None, None)


def test_a_paused_deployment_begins_nothing_and_says_what_waits():
    found = decide(known(2, state=State(stable=1, paused=True)), NOW)
    assert (found.begun, found.state.trouble) == (None, "wine version 2 waits: the deployment is paused.")


# ------------------------------------------------------------ going on


def test_ready_tested_and_on():
    begun = rollouts.begin(1, 2, STEPS, NOW - 3000)
    found = decide(during(2, begun), NOW)
    assert found.rollout is not None
    assert (found.rollout.at, found.rollout.step_ms) == (1, NOW)
    assert told(found) == (
        "Revision 2 is ready, 3.0 s after its rollout began. | Golden tests: 3 of 3 passed. | "
        "10 % of the traffic goes to revision 2."
    )


def test_a_golden_test_that_fails_ends_it():
    bad = Measurements(
        trouble="golden tests: 0 of 1 passed. wine: [0]: expected 1, got 2",
        hopeless=True,
        golden=Golden(passed=False, told="0 of 1 passed. wine: [0]: expected 1, got 2"),
    )
    found = decide(during(2, rollouts.begin(1, 2, STEPS, NOW), bad), NOW)
    assert found.state.stable == 1
    assert found.state.held == Held(version(2), SPEC, found.rollout.reason if found.rollout else "")
    assert "expected 1, got 2" in told(found)
    assert "Revision 1 (wine version 1) answers everything." in told(found)


def test_a_failed_check_ends_it_and_says_which():
    failing = replace(READY, canary={"": Sample(requests=50, errors=50), "de": Sample(requests=50, errors=50)})
    found = decide(during(2, at(1), failing), NOW)
    assert found.rollout is not None
    assert found.rollout.status is Status.ROLLED_BACK
    assert found.state.held is not None
    assert "error_rate" in told(found)
    document = found.notes[-1].document
    assert [each["verdict"] for each in document[:2]] == ["fail", "fail"]


def test_the_last_step_promotes():
    good = replace(READY, canary={"": Sample(requests=500)}, stable={"": Sample(requests=500)})
    found = decide(during(2, at(2, step_ms=NOW - 61_000), good), NOW)
    assert (found.state.stable, found.state.previous) == (2, 1), found.rollout
    assert "Revision 2 (wine version 2) answers everything now." in told(found)


def test_a_rollout_stays_while_nobody_can_tell():
    found = decide(during(2, at(1), None), NOW)  # type: ignore[arg-type]
    assert (found.rollout, found.notes) == (at(1), [])


def test_a_promotion_that_was_half_written_is_completed():
    promoted = at(2, status=Status.PROMOTED)
    found = decide(during(2, promoted, state=State(stable=1)), NOW)
    assert (found.state.stable, found.state.previous, found.begun) == (2, 1, None)


def test_a_return_to_the_revision_before_is_not_undone():
    back = rollouts.begin(2, 1, (), NOW)
    held = Held(version(2), SPEC, "anna rolled back")
    row = Row(1, "wine", "prod", SPEC, State(stable=2, previous=1, held=held), 0, 0)
    now = Known(
        row=row, rollout_id=6, rollout=back, stable=revision(2, 2), canary=revision(1, 1), newest=2,
        desired=Desired(version(2)), measured=READY,
    )  # fmt: skip
    found = decide(now, NOW)
    assert (found.state.stable, found.state.previous, found.state.held) == (1, 2, held)
    after = replace(now, row=replace(row, state=found.state), rollout=found.rollout, stable=revision(1, 1), canary=None)
    assert decide(after, NOW).begun is None


def test_trouble_is_told_once_and_when_it_is_over():
    down = decide(known(1, state=State(stable=1), trouble="Revision 1: 0 of 1 replicas answer."), NOW)
    assert told(down) == "Revision 1: 0 of 1 replicas answer."
    assert decide(known(1, state=down.state, trouble="Revision 1: 0 of 1 replicas answer."), NOW).notes == []
    assert told(decide(known(1, state=down.state), NOW)) == "Everything is as it should be again."
