"""The state machine of rollouts, from any state, under any order of events and measurements."""

from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelyard.domain import rollouts
from modelyard.domain.checks import DEFAULT, Check, Measure, Sample, Verdict
from modelyard.domain.deployments import Role, Segment, shares
from modelyard.domain.rollouts import (
    Golden,
    Measurements,
    Rollout,
    Status,
    Step,
    StepKind,
    Thin,
    advance,
    begin,
    default_steps,
    traffic,
)

ERRORS = Check(measure=Measure.ERROR_RATE, limit=0.01)
GOOD = {"": Sample(requests=10_000, latency=(10_000,), labelled=10_000, positives=5000, commonest=50, outputs=100)}
BAD = {"": Sample(requests=1000, errors=1000)}
ENDS = (Status.PROMOTED, Status.ROLLED_BACK, Status.ABORTED, Status.SUPERSEDED)
MEASURED = (StepKind.SHADOW, StepKind.WEIGHT, StepKind.BAKE)


def fine(**changed):
    return replace(Measurements(canary_ready=True, golden=Golden(True, ""), canary=GOOD, stable=GOOD), **changed)


durations = st.floats(0, 100).map(lambda each: round(each, 1))
parts = st.floats(0.001, 1)
rules = st.lists(
    st.sampled_from([*DEFAULT, ERRORS, Check(measure=Measure.DISAGREEMENT, limit=0.1)]), max_size=3, unique=True
).map(tuple)


@st.composite
def any_step(draw):
    return Step(
        kind=draw(st.sampled_from(StepKind)),
        weight=draw(parts),
        for_s=draw(durations),
        checks=draw(rules),
        thin=draw(st.sampled_from([None, *Thin])),
        patience_s=draw(durations),
    )


@st.composite
def plans(draw):
    """Steps as a spec allows them."""
    weights = sorted(draw(st.sets(parts, max_size=3)))
    middle = [Step(kind=StepKind.WEIGHT, weight=each, for_s=draw(durations), checks=draw(rules)) for each in weights]
    steps = [Step(kind=StepKind.GOLDEN)] if draw(st.booleans()) else []
    steps += [Step(kind=StepKind.SHADOW, for_s=draw(durations), checks=draw(rules))] if draw(st.booleans()) else []
    steps += middle
    if draw(st.booleans()):
        steps.insert(draw(st.integers(0, len(steps))), Step(kind=StepKind.APPROVE))
    return (*steps, Step(kind=StepKind.BAKE, for_s=draw(durations), checks=draw(rules)))


def sample(seed):
    """Any sample, from one number: a dozen numbers each would take hypothesis longer than all that is tested."""
    chance = Random(seed)
    requests, labelled, outputs, pairs, feedback = (chance.choice([0, chance.randrange(200)]) for _ in range(5))
    return Sample(
        requests=requests,
        errors=chance.randint(0, requests),
        latency=tuple(chance.randrange(50) for _ in range(chance.choice([0, 3, 31]))),
        labelled=labelled,
        positives=chance.randint(0, labelled),
        outputs=outputs,
        commonest=chance.randint(0, outputs),
        scores=tuple(chance.randrange(50) for _ in range(chance.choice([0, 20]))),
        pairs=pairs,
        disagreements=chance.randint(0, pairs),
        feedback=feedback,
        right=chance.randint(0, feedback),
    )


samples = st.integers(0, 2**32).map(sample)
by_segment = st.dictionaries(st.sampled_from(["", "de", "fr"]), samples, max_size=2)
measurements = st.builds(
    Measurements,
    canary_ready=st.booleans(),
    stable_ready=st.booleans(),
    trouble=st.sampled_from(["", "it starts"]),
    hopeless=st.booleans(),
    golden=st.none() | st.builds(Golden, st.booleans(), st.just("told")),
    canary=by_segment,
    stable=by_segment,
    error=st.sampled_from(["", "", "nothing answers"]),
)
moments = st.integers(0, 10**7)


@st.composite
def any_rollout(draw):
    """Any state, also those that nothing leads to."""
    steps = tuple(draw(st.lists(any_step(), max_size=5)))
    return Rollout(
        stable=draw(st.none() | st.just(1)),
        canary=2,
        steps=steps,
        at=draw(st.integers(0, len(steps))),
        status=draw(st.sampled_from(Status)),
        began_ms=draw(moments),
        seen_ms=draw(moments),
        step_ms=draw(st.none() | moments),
        unready_ms=draw(st.none() | moments),
        approved=draw(st.booleans()),
        reason=draw(st.sampled_from(["", "so"])),
        start_timeout_s=draw(durations),
    )


acts = st.one_of(
    st.builds(lambda measured, now: lambda rollout: advance(rollout, measured, now), measurements, moments),
    st.sampled_from(
        [
            lambda rollout: rollouts.pause(rollout, "wait"),
            rollouts.resume,
            rollouts.approve,
            lambda rollout: rollouts.promote(rollout, "now"),
            lambda rollout: rollouts.abort(rollout, "stop"),
            lambda rollout: rollouts.supersede(rollout, "newer"),
        ]
    ),
)
settings = st.sampled_from(
    [
        Segment(),
        Segment(share={"model": 1.0}),
        Segment(share={"model": 0.9, "legacy": 0.1}),
        Segment(share={"legacy": 1.0}),
        Segment(share={"a": 0.3, "model": 0.3, "b": 0.4}),
    ]
)


# ------------------------------------------------------------------------------------ always


@given(any_rollout(), measurements, settings)
def test_traffic_always_adds_up_and_goes_to_what_is_ready(rollout, measured, segment):
    wanted = traffic(rollout, measured)
    assert 0 <= wanted.weight <= 1
    assert 0 <= wanted.shadow <= 1
    split = shares(segment, rollout.stable, rollout.canary if wanted.weight else None, wanted.weight)
    canary = sum(each.weight for each in split if each.role is Role.CANARY)
    if rollout.stable is not None:
        assert sum(each.weight for each in split) == pytest.approx(1, abs=1e-12)
        assert all(each.weight > 0 for each in split)
    if rollout.status is not Status.PROMOTED:
        assert not canary or (measured.canary_ready and not rollout.ended)
        assert not wanted.shadow or measured.canary_ready
        if canary and not measured.stable_ready and rollout.stable is not None:
            assert not any(each.role is Role.STABLE for each in split)
    if rollout.status in (Status.ROLLED_BACK, Status.ABORTED, Status.SUPERSEDED):
        assert (wanted.weight, wanted.shadow) == (0, 0)


@given(any_rollout(), st.sampled_from(ENDS), st.lists(acts, min_size=1, max_size=5))
def test_an_ended_rollout_never_moves(rollout, end, doings):
    ended = moved = replace(rollout, status=end)
    for act in doings:
        moved = act(moved)
    assert moved == ended


@given(any_rollout(), st.lists(acts, min_size=1, max_size=5))
def test_steps_are_never_gone_back_and_ends_are_told(rollout, doings):
    for act in doings:
        before, rollout = rollout, act(rollout)
        assert rollout.at >= before.at
        assert rollout.at <= len(rollout.steps)
        assert (rollout.stable, rollout.canary, rollout.steps) == (before.stable, before.canary, before.steps)
        if rollout.ended and not before.ended:
            assert rollout.reason


@given(any_rollout(), st.sampled_from(MEASURED), st.sampled_from(Thin), measurements, moments)
def test_a_failing_check_always_ends_in_a_rollback(rollout, kind, thin, measured, now):
    step = Step(kind=kind, for_s=10, checks=(ERRORS,), thin=thin)
    steps = (*rollout.steps[: rollout.at], step)
    assume(not rollout.ended)
    measured = replace(measured, canary_ready=True, canary=BAD, error="")
    after = advance(replace(rollout, steps=steps), measured, now)
    assert after.status is Status.ROLLED_BACK
    assert "error_rate 1" in after.reason
    assert traffic(after, measured).weight == 0


@given(any_rollout(), measurements, moments)
def test_looking_twice_is_looking_once(rollout, measured, now):
    """What is decided may be written twice, or by two controllers one after the other."""
    once = advance(rollout, measured, now)
    step = once.step
    if once.at == rollout.at or (step is not None and step.for_s > 0):
        again = advance(once, measured, now)
        assert (again.status, again.at, again.step_ms) == (once.status, once.at, once.step_ms) or again.ended
    assert once == advance(rollout, measured, now)


@given(any_rollout(), measurements, moments)
def test_bad_golden_answers_never_get_traffic(rollout, measured, now):
    """However it stands: at a golden step with a wrong answer it ends."""
    assume(not rollout.ended)
    rollout = replace(rollout, steps=(*rollout.steps[: rollout.at], Step(kind=StepKind.GOLDEN), *default_steps()[1:]))
    after = advance(rollout, replace(measured, canary_ready=True, golden=Golden(False, "1 of 3 is wrong")), now)
    assert after.status is Status.ROLLED_BACK
    assert after.reason == "Golden tests: 1 of 3 is wrong"


@given(plans(), st.booleans())
def test_a_good_version_gets_everything_in_the_end(steps, paused):
    rollout = begin(1, 2, steps, 1000)
    now, weight = 1000, 0.0
    paired = {"": replace(GOOD[""], pairs=1000)}
    for _ in range(1000):
        now += 4000
        rollout = advance(rollout, fine(canary=paired, stable=paired), now)
        if paused:
            rollout = rollouts.resume(rollouts.pause(rollout, "a moment"))
        rollout = rollouts.approve(rollout)
        if rollout.ended:
            break
        grown = traffic(rollout, fine()).weight
        assert grown >= weight
        weight = grown
    assert rollout.status is Status.PROMOTED
    assert traffic(rollout, fine()).weight == 1


# ------------------------------------------------------------------------------------ time


@dataclass
class Clock:
    """The time as the machine's clock shows it, and as it really is."""

    real_ms: int = 10**9
    wrong_ms: int = 0

    @property
    def shown_ms(self) -> int:
        return self.real_ms + self.wrong_ms


@given(
    plans(),
    st.lists(
        st.tuples(st.integers(0, 9000), st.just(0) | st.integers(16_000, 10**8) | st.integers(-(10**8), -1)),
        min_size=20,
        max_size=120,
    ),
)
def test_a_clock_that_jumps_makes_no_step_shorter(steps, looks):
    clock = Clock()
    steps = tuple(replace(each, checks=()) for each in steps if each.kind in MEASURED)
    rollout = begin(1, 2, steps, clock.shown_ms)
    entered = clock.real_ms
    for real, jump in looks:
        clock.real_ms += real
        clock.wrong_ms += jump
        before, rollout = rollout, advance(rollout, fine(), clock.shown_ms)
        if rollout.step_ms is not None and before.step_ms is None:
            entered = clock.real_ms
        if rollout.at > before.at and before.step_ms is not None:
            assert clock.real_ms - entered >= before.steps[before.at].for_s * 1000 - 1
            entered = clock.real_ms


@given(st.integers(0, 9000), st.integers(600_000, 10**9))
def test_a_clock_that_jumps_rolls_nothing_back(real, jump):
    """A canary that starts has its time, whatever the clock says."""
    rollout = advance(begin(1, 2, default_steps(), 10**9), Measurements(), 10**9 + 1000)
    for direction in (1, -1):
        after = advance(rollout, Measurements(), 10**9 + 1000 + real + direction * jump)
        assert after.status is Status.RUNNING


def test_time_that_nobody_saw_does_not_count():
    step = Step(kind=StepKind.BAKE, for_s=60)
    rollout = advance(begin(1, 2, (step,), 0), fine(), 1000)
    for now in range(1000, 31_000, 5000):
        rollout = advance(rollout, fine(), now)
    away = 3_600_000  # the server was down for an hour
    rollout = advance(rollout, fine(), 26_000 + away)
    assert rollout.status is Status.RUNNING
    for now in range(26_000 + away, 60_000 + away, 5000):
        assert rollout.status is Status.RUNNING
        rollout = advance(rollout, fine(), now)
    assert advance(rollout, fine(), 61_000 + away).status is Status.PROMOTED


# ------------------------------------------------------------------------------------ one thing after the other


def looked(rollout, measured, *seconds):
    for each in seconds:
        rollout = advance(rollout, measured, round(each * 1000))
    return rollout


def test_a_rollout_by_the_book():
    steps = (
        Step(kind=StepKind.GOLDEN),
        Step(kind=StepKind.SHADOW, weight=0.5, for_s=5),
        Step(kind=StepKind.WEIGHT, weight=0.1, for_s=5, checks=(ERRORS,)),
        Step(kind=StepKind.APPROVE),
        Step(kind=StepKind.BAKE, for_s=5, checks=(ERRORS,)),
    )
    rollout = begin(1, 2, steps, 0)
    waiting = advance(rollout, Measurements(trouble="it loads"), 1000)
    assert waiting.reason == "Waiting for revision 2: it loads"
    rollout = advance(waiting, fine(golden=None), 2000)
    assert (rollout.at, rollout.reason, traffic(rollout, fine()).weight) == (0, "Golden tests are running.", 0)
    rollout = advance(rollout, fine(), 3000)
    assert (rollout.at, traffic(rollout, fine())) == (1, rollouts.Traffic(0, 0.5))
    rollout = looked(rollout, fine(), 7.9)
    assert rollout.at == 1
    rollout = looked(rollout, fine(), 8)
    assert (rollout.at, traffic(rollout, fine())) == (2, rollouts.Traffic(0.1, 0))
    rollout = looked(rollout, fine(), 13)
    assert (rollout.at, rollout.reason) == (3, "Waiting for somebody to approve.")
    rollout = looked(rollout, fine(), 20)
    assert traffic(rollout, fine()).weight == 0.1
    rollout = looked(rollouts.approve(rollout), fine(), 21)
    assert (rollout.at, rollout.approved, traffic(rollout, fine()).weight) == (4, False, 1)
    rollout = looked(rollout, fine(), 25.9, 26)
    assert (rollout.status, rollout.reason) == (Status.PROMOTED, "Every step passed.")


def test_where_nothing_answers_yet_there_is_nothing_to_compare_with():
    steps = (Step(kind=StepKind.GOLDEN), Step(kind=StepKind.WEIGHT), Step(kind=StepKind.APPROVE), *default_steps())
    assert [each.kind for each in begin(None, 1, steps, 0).steps] == [
        StepKind.GOLDEN, StepKind.APPROVE, StepKind.GOLDEN,
    ]  # fmt: skip


def test_a_canary_that_cannot_run_is_given_up_after_a_moment():
    gone = Measurements(hopeless=True, trouble="its files are wrong")
    rollout = looked(begin(1, 2, default_steps(), 0), gone, 1, 2.9)
    assert rollout.status is Status.RUNNING
    rollout = looked(rollout, gone, 3)
    assert (rollout.status, rollout.reason) == (Status.ROLLED_BACK, "Revision 2 cannot run: its files are wrong")
    at_once = advance(begin(1, 2, default_steps(), 0), replace(gone, golden=Golden(False, "wrong")), 1)
    assert at_once.status is Status.ROLLED_BACK


def test_a_canary_that_never_comes_or_goes_away_is_rolled_back():
    rollout = looked(begin(1, 2, default_steps(), 0, 60), Measurements(trouble="it loads"), *range(0, 60, 4))
    assert rollout.status is Status.RUNNING
    rollout = looked(rollout, Measurements(trouble="it loads"), 60)
    assert rollout.reason == "Revision 2 was not ready within 60 seconds: it loads"
    rollout = looked(begin(1, 2, default_steps(), 0), fine(), 1)
    rollout = looked(rollout, Measurements(), *range(2, 32, 5))
    assert (rollout.status, traffic(rollout, Measurements()).weight) == (Status.RUNNING, 0)
    assert looked(rollout, Measurements(), 32).reason == "Revision 2 was away for 30 seconds: it said nothing"
    back = looked(rollout, fine(), 31)
    assert (back.status, back.unready_ms, traffic(back, fine()).weight) == (Status.RUNNING, None, 1)


def test_if_stable_is_away_the_canary_has_it_all():
    rollout = looked(begin(1, 2, (Step(kind=StepKind.WEIGHT, weight=0.1),), 0), fine(canary={}), 0)
    rollout = replace(rollout, status=Status.RUNNING, at=0)
    assert traffic(rollout, fine(stable_ready=False)).weight == 1
    assert traffic(rollout, fine()).weight == 0.1


THIN = Measurements(canary_ready=True)
STEP = Step(kind=StepKind.WEIGHT, weight=0.1, for_s=5, checks=(ERRORS,), patience_s=20)


@pytest.mark.parametrize(
    ("thin", "status", "told"),
    [
        (None, Status.RUNNING, "Not enough to tell yet: error_rate: 0 of the 20 answers that it needs"),
        (Thin.WAIT, Status.RUNNING, "Not enough to tell yet: error_rate: 0 of the 20 answers that it needs"),
        (Thin.PASS, Status.PROMOTED, "Every step passed."),
        (Thin.FAIL, Status.ROLLED_BACK, "Too little to tell: error_rate: 0 of the 20 answers that it needs"),
    ],
)
def test_too_little_traffic(thin, status, told):
    rollout = looked(begin(1, 2, (replace(STEP, thin=thin),), 0), THIN, 0, 4)
    assert rollout.status is Status.RUNNING
    rollout = looked(rollout, THIN, 5)
    assert (rollout.status, rollout.reason) == (status, told)


def test_waiting_ends_in_a_pause_and_goes_on_from_there():
    rollout = looked(begin(1, 2, (STEP,), 0), THIN, 0, 10, 20, 24.9)
    assert rollout.status is Status.RUNNING
    rollout = looked(rollout, THIN, 25)
    assert rollout.status is Status.PAUSED
    assert rollout.reason.startswith("Nobody could tell for long: ")
    assert traffic(rollout, THIN).weight == 0.1
    assert looked(rollouts.resume(rollout), fine(), 26).status is Status.PROMOTED
    bad = looked(rollout, fine(canary=BAD), 26)
    assert bad.status is Status.ROLLED_BACK


def test_too_little_to_tell_in_a_segment_holds_nobody_up_but_a_suspicion_does():
    rare = {**GOOD, "fr": Sample(requests=3)}
    rollout = looked(begin(1, 2, (STEP,), 0), fine(canary=rare), 0, 5)
    assert rollout.status is Status.PROMOTED
    suspect = {**GOOD, "fr": Sample(requests=25, errors=1)}
    rollout = looked(begin(1, 2, (STEP,), 0), fine(canary=suspect), 0, 5)
    assert rollout.status is Status.RUNNING
    assert "in segment 'fr'" in rollout.reason


def test_what_cannot_be_measured_holds_everything_up():
    bake = Step(kind=StepKind.BAKE, for_s=5, checks=(ERRORS,), patience_s=10)
    rollout = looked(begin(1, 2, (bake,), 0), fine(error="no database"), 0, 5, 14)
    assert rollout.status is Status.RUNNING
    assert {each.verdict for each in rollout.results} == {Verdict.ERROR}
    assert looked(rollout, fine(error="no database"), 15).status is Status.PAUSED


def test_a_paused_rollout_ends_at_no_step_and_after_the_last():
    paused = rollouts.pause(looked(begin(1, 2, (replace(STEP, checks=()),), 0), fine(), 0), "ann wants to look")
    for second in range(1, 60, 5):
        paused = looked(paused, fine(), second)
    assert (paused.status, paused.reason, paused.at) == (Status.PAUSED, "ann wants to look", 0)
    assert looked(rollouts.resume(paused), fine(), 60).status is Status.PROMOTED
    behind = replace(paused, at=1)
    assert looked(behind, fine(), 61) == replace(behind, seen_ms=61_000)


def test_nobody_can_approve_what_does_not_wait():
    rollout = begin(1, 2, default_steps(), 0)
    assert rollouts.approve(rollout) == rollout
    two = begin(1, 2, (Step(kind=StepKind.APPROVE), Step(kind=StepKind.APPROVE)), 0)
    once = advance(rollouts.approve(two), fine(), 1)
    assert (once.at, once.approved) == (1, False)


def test_defaults_are_golden_tests_then_all_traffic_watched():
    assert [each.kind for each in default_steps()] == [StepKind.GOLDEN, StepKind.BAKE]
    assert default_steps()[1].checks == DEFAULT
    kinds = [(StepKind.SHADOW, 1.0), (StepKind.WEIGHT, 0.5), (StepKind.WEIGHT, 1.0), (StepKind.BAKE, 1.0)]
    assert [Step(kind=kind, weight=weight).when_thin for kind, weight in kinds] == [
        Thin.WAIT, Thin.WAIT, Thin.PASS, Thin.PASS,
    ]  # fmt: skip
