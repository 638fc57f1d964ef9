"""Rollouts: how a new revision (the canary) replaces the one that answers (stable), step by step, or does not.

Everything here is a function of values: `advance` takes a rollout, what was measured, and the time, and says what comes
next. What it decides is done elsewhere, and may be done twice.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from . import checks
from .checks import Check, Result, Sample, Verdict

DAY_S = 86_400.0


class StepKind(enum.StrEnum):
    """What a step does."""

    GOLDEN = "golden"
    """Stored requests are asked of the new replicas, before any traffic."""
    SHADOW = "shadow"
    """Copies of a share of the requests go to the canary; only its answers' record is used."""
    WEIGHT = "weight"
    """A part of the traffic goes to the canary."""
    APPROVE = "approve"
    """A person has to agree."""
    BAKE = "bake"
    """All traffic goes to the canary, and stable stays warm while every check must hold."""


class Status(enum.StrEnum):
    """Where a rollout stands. All but the first two are ends."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"
    """Something newer is to be rolled out before this one was done."""


class Thin(enum.StrEnum):
    """What happens when a step's time is over and there was too little traffic to tell."""

    WAIT = "wait"
    PASS = "pass"  # noqa: S105 - a word
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        kind: of it.
        weight: the canary's part of the traffic from 0 to 1 (`weight`), or the share of requests copied (`shadow`).
        for_s: seconds that it lasts at least.
        checks: what must hold.
        window_s: seconds that checks look back; 0: to the step's beginning.
        thin: what too little traffic means at its end; None: wait, but pass once the canary has all traffic.
        patience_s: seconds after which waiting ends in a pause.
    """

    kind: StepKind
    weight: float = 1.0
    for_s: float = 0.0
    checks: tuple[Check, ...] = ()
    window_s: float = 0.0
    thin: Thin | None = None
    patience_s: float = DAY_S

    @property
    def when_thin(self) -> Thin:
        """What too little traffic means."""
        if self.thin is not None:
            return self.thin
        partial = self.kind is StepKind.SHADOW or (self.kind is StepKind.WEIGHT and self.weight < 1)
        return Thin.WAIT if partial else Thin.PASS


def default_steps() -> tuple[Step, ...]:
    """Golden tests, then all traffic, watched for five minutes with the old revision warm."""
    return (
        Step(kind=StepKind.GOLDEN),
        Step(kind=StepKind.BAKE, for_s=300.0, window_s=60.0, checks=checks.DEFAULT),
    )


@dataclass(frozen=True, slots=True)
class Golden:
    """How golden tests went on the new replicas.

    Attributes:
        passed: whether all did.
        told: how many passed, and which did not.
    """

    passed: bool
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What is known when a rollout is looked at.

    Attributes:
        canary_ready, stable_ready: whether enough replicas answer.
        trouble: why the canary is not ready.
        hopeless: whether waiting cannot help: it ended, its files are wrong, its golden tests fail.
        golden: None while they have not run.
        canary, stable: by segment, "" for all together; of the step's window.
        error: why nothing could be measured; checks then are in error.
    """

    canary_ready: bool = False
    stable_ready: bool = True
    trouble: str = ""
    hopeless: bool = False
    golden: Golden | None = None
    canary: Mapping[str, Sample] = field(default_factory=dict)
    stable: Mapping[str, Sample] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The act of replacing one revision by another.

    Attributes:
        stable: number of the revision that answers; None: there is none yet.
        canary: number of the one being tried.
        steps: what is done, in order.
        at: index of the current step.
        status: where it stands.
        began_ms: when it began.
        seen_ms: when it was last looked at, to within `SEEN_S`; 0: nobody knows.
        step_ms: when the current step began to count: the canary was ready by then. Later, if time was lost since.
        unready_ms: since when the canary has not been ready; None: it is.
        approved: whether somebody agreed to go on, for an `approve` step.
        reason: why it ended, or waits.
        start_timeout_s: seconds that the canary may take until it is ready.
        results: of the checks, when it was last looked at.
    """

    stable: int | None
    canary: int
    steps: tuple[Step, ...]
    at: int = 0
    status: Status = Status.RUNNING
    began_ms: int = 0
    seen_ms: int = 0
    step_ms: int | None = None
    unready_ms: int | None = None
    approved: bool = False
    reason: str = ""
    start_timeout_s: float = 600.0
    results: tuple[Result, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status not in (Status.RUNNING, Status.PAUSED)

    @property
    def step(self) -> Step | None:
        """The current step; None behind the last."""
        return self.steps[self.at] if self.at < len(self.steps) else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What traffic a rollout wants.

    Attributes:
        weight: the canary's part, from 0 to 1.
        shadow: the share of requests of which the canary gets a copy, from 0 to 1.
    """

    weight: float = 0.0
    shadow: float = 0.0


UNREADY_S = 30.0
"""Seconds that a canary with traffic may be away before it is rolled back."""
SEEN_S = 5.0
"""How exactly a rollout remembers when it was looked at: not every look is worth to be written down."""
UNSEEN_S = 15.0
"""Seconds between two looks from which on the time between them does not count: nobody looked, or the clock jumped."""
GRACE_S = 3.0
"""Seconds that trouble which seems hopeless must last at a start."""


def begin(
    stable: int | None, canary: int, steps: Sequence[Step], now_ms: int, start_timeout_s: float = 600.0
) -> Rollout:
    """A new rollout. Where nothing answers yet there is nothing to compare with: golden tests and approvals stay."""
    chosen = tuple(steps)
    if stable is None:
        chosen = tuple(each for each in chosen if each.kind in (StepKind.GOLDEN, StepKind.APPROVE))
    return Rollout(
        stable=stable,
        canary=canary,
        steps=chosen,
        began_ms=now_ms,
        seen_ms=now_ms,
        unready_ms=now_ms,
        start_timeout_s=start_timeout_s,
    )


def traffic(rollout: Rollout, measured: Measurements) -> Traffic:
    """What the canary gets now. Only what is ready gets traffic, if anything is."""
    if rollout.status is Status.PROMOTED:
        return Traffic(1.0)
    if rollout.ended or not measured.canary_ready:
        return Traffic()
    if rollout.stable is None:
        return Traffic()
    weight, shadow = 0.0, 0.0
    for step in rollout.steps[: rollout.at + 1]:  # an approval leaves what the step before it gave
        if step.kind is StepKind.WEIGHT:
            weight, shadow = step.weight, 0.0
        elif step.kind is StepKind.BAKE:
            weight, shadow = 1.0, 0.0
        elif step.kind is StepKind.SHADOW:
            weight, shadow = 0.0, step.weight
    if weight > 0 and not measured.stable_ready:
        weight = 1.0
    return Traffic(weight, shadow)


def advance(rollout: Rollout, measured: Measurements, now_ms: int) -> Rollout:
    """Where a rollout stands after it was looked at; the same one if nothing happened.

    A failed check ends it at once. A step is over when its time is, every check passes, and each segment either passes
    or had too little traffic to tell. Time in which nobody looked does not count, so neither a clock that jumps nor a
    controller that was away makes a step shorter.
    """
    if rollout.ended:
        return rollout
    rollout = _look(rollout, now_ms)
    rollout = _readiness(rollout, measured, now_ms)
    if rollout.ended or not measured.canary_ready:
        return rollout
    while True:
        step = rollout.step
        if step is None:
            return rollout if _held(rollout) else _end(rollout, Status.PROMOTED, "Every step passed.")
        moved = _step(rollout, step, measured, now_ms)
        if moved.at == rollout.at:
            return moved
        rollout = replace(moved, step_ms=now_ms, results=())
        if rollout.step is not None and rollout.step.kind not in (StepKind.GOLDEN, StepKind.APPROVE):
            return rollout  # what the next step measures begins now


def _look(rollout: Rollout, now_ms: int) -> Rollout:
    """Somebody looks: time that was lost since the last look is taken out."""
    since_s = (now_ms - rollout.seen_ms) / 1000
    if 0 <= since_s < SEEN_S:
        return rollout
    if not rollout.seen_ms or 0 <= since_s <= UNSEEN_S:
        return replace(rollout, seen_ms=now_ms)
    lost = now_ms - rollout.seen_ms
    step_ms = None if rollout.step_ms is None else rollout.step_ms + lost
    unready_ms = None if rollout.unready_ms is None else rollout.unready_ms + lost
    return replace(rollout, seen_ms=now_ms, step_ms=step_ms, unready_ms=unready_ms)


def _readiness(rollout: Rollout, measured: Measurements, now_ms: int) -> Rollout:
    if measured.canary_ready:
        if rollout.step_ms is None or rollout.unready_ms is not None:
            began = now_ms if rollout.step_ms is None else rollout.step_ms
            return replace(rollout, step_ms=began, unready_ms=None, reason="" if not _held(rollout) else rollout.reason)
        return rollout
    since = now_ms if rollout.unready_ms is None else min(rollout.unready_ms, now_ms)
    away_s = (now_ms - since) / 1000
    why = measured.trouble or "it said nothing"
    if measured.hopeless and (away_s >= GRACE_S or (measured.golden is not None and not measured.golden.passed)):
        return _end(rollout, Status.ROLLED_BACK, f"Revision {rollout.canary} cannot run: {why}")
    if rollout.step_ms is None and away_s >= rollout.start_timeout_s:
        text = f"Revision {rollout.canary} was not ready within {rollout.start_timeout_s:g} seconds: {why}"
        return _end(rollout, Status.ROLLED_BACK, text)
    if rollout.step_ms is not None and away_s >= UNREADY_S:
        text = f"Revision {rollout.canary} was away for {UNREADY_S:g} seconds: {why}"
        return _end(rollout, Status.ROLLED_BACK, text)
    reason = rollout.reason if _held(rollout) else f"Waiting for revision {rollout.canary}: {why}"
    return replace(rollout, unready_ms=since, reason=reason)


def _held(rollout: Rollout) -> bool:
    return rollout.status is Status.PAUSED


def _step(rollout: Rollout, step: Step, measured: Measurements, now_ms: int) -> Rollout:
    """The rollout after its current step was looked at; at the next step if this one is over."""
    paused = rollout.status is Status.PAUSED
    if step.kind is StepKind.GOLDEN:
        if measured.golden is None:
            return replace(rollout, reason=rollout.reason if paused else "Golden tests are running.")
        if not measured.golden.passed:
            return _end(rollout, Status.ROLLED_BACK, f"Golden tests: {measured.golden.told}")
        return rollout if paused else _next(rollout)
    if step.kind is StepKind.APPROVE:
        if rollout.approved and not paused:
            return _next(rollout)
        return rollout if paused else replace(rollout, reason="Waiting for somebody to approve.")
    results = checks.judge(step.checks, measured.canary, measured.stable, error=measured.error)
    rollout = replace(rollout, results=results)
    failed = [each for each in results if each.verdict is Verdict.FAIL]
    if failed:
        return _end(rollout, Status.ROLLED_BACK, "; ".join(each.told for each in failed[:3]))
    if paused:
        return rollout
    began = now_ms if rollout.step_ms is None else rollout.step_ms
    lasted_s = (now_ms - began) / 1000
    if lasted_s < step.for_s:
        return replace(rollout, reason="")
    return _over(rollout, step, results, lasted_s)


def _over(rollout: Rollout, step: Step, results: Sequence[Result], lasted_s: float) -> Rollout:
    """A step's time is over and nothing failed: go on, unless there was too little to tell."""
    in_error = [each for each in results if each.verdict is Verdict.ERROR]
    # a rare segment must not hold everybody up: all together decide
    open_ones = in_error or [
        each for each in results if each.verdict is Verdict.INCONCLUSIVE and (not each.segment or each.suspicious)
    ]
    if not open_ones:
        return _next(rollout)
    told = open_ones[0].told
    if not in_error and step.when_thin is Thin.PASS and not any(each.suspicious for each in open_ones):
        return _next(rollout)
    if not in_error and step.when_thin is Thin.FAIL:
        return _end(rollout, Status.ROLLED_BACK, f"Too little to tell: {told}")
    if lasted_s >= step.for_s + step.patience_s:
        return replace(rollout, status=Status.PAUSED, reason=f"Nobody could tell for long: {told}")
    return replace(rollout, reason=f"Not enough to tell yet: {told}")


def _next(rollout: Rollout) -> Rollout:
    return replace(rollout, at=rollout.at + 1, approved=False, reason="")


def _end(rollout: Rollout, status: Status, reason: str) -> Rollout:
    return replace(rollout, status=status, reason=reason)


# ------------------------------------------------------------------------------------ what people do


def pause(rollout: Rollout, reason: str) -> Rollout:
    """Stay where it is; checks go on. An ended rollout stays as it is."""
    return rollout if rollout.ended else replace(rollout, status=Status.PAUSED, reason=reason)


def resume(rollout: Rollout) -> Rollout:
    """Go on."""
    return replace(rollout, status=Status.RUNNING, reason="") if rollout.status is Status.PAUSED else rollout


def approve(rollout: Rollout) -> Rollout:
    """Somebody agrees to the current `approve` step; nothing at any other."""
    step = rollout.step
    if rollout.ended or step is None or step.kind is not StepKind.APPROVE:
        return rollout
    return replace(rollout, approved=True)


def promote(rollout: Rollout, reason: str) -> Rollout:
    """Skip what is left."""
    return rollout if rollout.ended else _end(rollout, Status.PROMOTED, reason)


def abort(rollout: Rollout, reason: str) -> Rollout:
    """A person says stop: stable gets everything."""
    return rollout if rollout.ended else _end(rollout, Status.ABORTED, reason)


def supersede(rollout: Rollout, reason: str) -> Rollout:
    """Something newer comes."""
    return rollout if rollout.ended else _end(rollout, Status.SUPERSEDED, reason)
