"""What follows from what is known of a deployment: a function of values, which writes and starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from modelyard.domain import rollouts as rule
from modelyard.domain.checks import Verdict
from modelyard.domain.deployments import Happened, Revision, Spec, State, Target, promoted
from modelyard.domain.principals import SYSTEM
from modelyard.domain.rollouts import Measurements, Rollout, Status, Step, StepKind

from .desired import Desired, same

if TYPE_CHECKING:
    from modelyard.db.deployments import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a deployment when it is looked at.

    Attributes:
        row: it.
        rollout_id: number of its newest rollout; None: it never had one.
        rollout: that.
        stable: the revision that answers; None: none does yet.
        canary: the one that is tried; None: no rollout runs.
        newest: the greatest number of its revisions; 0: it has none.
        desired: what should run.
        changer: who changed the spec last.
        measured: of the rollout that runs; None: nobody can tell yet, and it stays where it is.
        trouble: why what runs is not as it should be.
    """

    row: Row
    rollout_id: int | None = None
    rollout: Rollout | None = None
    stable: Revision | None = None
    canary: Revision | None = None
    newest: int = 0
    desired: Desired
    changer: str = ""
    measured: Measurements | None = None
    trouble: str = ""

    @property
    def running(self) -> Rollout | None:
        """The rollout, unless it has ended."""
        return self.rollout if self.rollout is not None and not self.rollout.ended else None


@dataclass(frozen=True, slots=True)
class Note:
    """An event to be written down.

    Attributes:
        kind: of it.
        told: in words.
        principal: who.
        document: more of it.
        begun: whether it belongs to the rollout that begins, not to the one that was.
    """

    kind: Happened
    told: str
    principal: str = SYSTEM.name
    document: Any = None
    begun: bool = False


@dataclass(slots=True)
class Decision:
    """What is to be written.

    Attributes:
        state: of the deployment.
        rollout: where the newest one stands.
        revision: a new one.
        begun: the rollout of it.
        notes: what happened.
    """

    state: State
    rollout: Rollout | None
    revision: Revision | None = None
    begun: Rollout | None = None
    notes: list[Note] = field(default_factory=list)


def decide(known: Known, now_ms: int) -> Decision:
    """What follows from what is known."""
    decision = Decision(known.row.state, known.rollout)
    if known.rollout is not None and known.rollout.status is Status.PROMOTED:
        decision.state = promoted(decision.state, known.rollout)
        if decision.state.stable != known.row.state.stable:  # half of it was written; the next look knows the rest
            return decision
    _follow(known, decision, now_ms)
    running = decision.rollout if decision.rollout is not None and not decision.rollout.ended else None
    if running is not None and known.measured is not None and decision.begun is None:
        _advance(known, decision, running, known.measured, now_ms)
    _tell_trouble(known, decision)
    return decision


# ------------------------------------------------------------------------------------ what is wanted


def _follow(known: Known, decision: Decision, now_ms: int) -> None:
    """Begin a rollout if something else should run than does, or is on its way."""
    wanted, spec, state = known.desired.target, known.row.spec, decision.state
    if wanted is None:
        return
    held = state.held
    if held is not None:
        if held.spec == spec and same(held.target, wanted):
            return
        # the pointer or the settings moved on: what was held may be tried when they come back
        state = decision.state = replace(state, held=None)
    running = known.running
    current = known.canary if running is not None else known.stable
    if current is not None and _is(current, spec, wanted):
        return
    if state.paused:
        return
    if running is not None:
        back = known.stable is not None and _is(known.stable, spec, wanted)
        told = f"{_name(known.stable)} is wanted again" if back else f"{wanted} is wanted now"
        reason = f"{told}. {_sentence(known.desired.why)}".strip()
        decision.rollout = rule.supersede(running, reason)
        decision.notes.append(Note(Happened.ENDED, f"The rollout of revision {running.canary} is left: {reason}"))
        if back:
            return
    _begin(known, decision, wanted, now_ms)


def _begin(known: Known, decision: Decision, wanted: Target, now_ms: int) -> None:
    spec, stable = known.row.spec, known.stable
    number = known.newest + 1
    moved = stable is None or not same(stable.target, wanted)
    why = known.desired.why if moved else f"{known.changer or 'somebody'} changed the settings"
    who = (known.desired.who if moved else known.changer) or SYSTEM.name
    revision = Revision(spec.name, number, spec, wanted, now_ms, who, why)
    begun = rule.begin(decision.state.stable, number, spec.steps, now_ms, spec.start_timeout_s)
    decision.revision, decision.begun = revision, begun
    instead = f" instead of {stable.target}" if stable is not None and moved else ""
    instead = instead or (" with other settings" if stable is not None else "")
    told = f"Revision {number}: {wanted}{instead}. {_sentence(why)}".strip()
    document = {"target": str(wanted), "label": wanted.label, "digest": wanted.digest}
    decision.notes.append(Note(Happened.REVISED, told, who, document, begun=True))
    plan = ", ".join(_shown(each) for each in begun.steps) or "as soon as it is ready"
    decision.notes.append(Note(Happened.BEGUN, f"The rollout of revision {number} begins: {plan}.", begun=True))


def _is(revision: Revision, spec: Spec, wanted: Target) -> bool:
    """Whether nothing new has to run. Steps that were changed since are those of the next rollout."""
    return revision.spec.runs_as(spec) and same(revision.target, wanted)


# ------------------------------------------------------------------------------------ going on


def _advance(known: Known, decision: Decision, running: Rollout, measured: Measurements, now_ms: int) -> None:
    moved = rule.advance(running, measured, now_ms)
    decision.rollout = moved
    canary, number = known.canary, running.canary
    if moved.step_ms is not None and running.step_ms is None:
        ready = f"Revision {number} is ready, {(now_ms - running.began_ms) / 1000:.1f} s after its rollout began."
        decision.notes.append(Note(Happened.MOVED, ready))
    if moved.at > running.at:
        decision.notes += _steps(running, moved, measured)
    if moved.status is Status.PROMOTED:
        decision.state = promoted(decision.state, moved)
        told = f"{_name(canary) or f'Revision {number}'} answers everything now. {moved.reason}"
        decision.notes.append(Note(Happened.ENDED, told, document=_results(moved)))
    elif moved.status is Status.ROLLED_BACK:
        if canary is not None:
            decision.state = replace(decision.state, held=canary.held(known.row.spec, moved.reason))
        stays = f" {_name(known.stable)} answers everything." if known.stable is not None else " Nothing answers yet."
        told = f"{_name(canary) or f'Revision {number}'} was rolled back: {_sentence(moved.reason)}{stays}"
        decision.notes.append(Note(Happened.ENDED, told, document=_results(running if not moved.results else moved)))
    elif moved.status is Status.PAUSED and running.status is not Status.PAUSED:
        told = f"The rollout of revision {number} waits: {_sentence(moved.reason)}"
        decision.notes.append(Note(Happened.MOVED, told))


def _steps(running: Rollout, moved: Rollout, measured: Measurements) -> list[Note]:
    """What is told of steps that are over, and of the one that began."""
    notes = []
    for step in running.steps[running.at : moved.at]:
        told = {
            StepKind.GOLDEN: f"Golden tests: {measured.golden.told}" if measured.golden else "Golden tests passed.",
            StepKind.APPROVE: "It was approved.",
        }.get(step.kind, f"The step {_shown(step)} passed.")
        notes.append(Note(Happened.MOVED, told, document=_results(running) if running.results else None))
    begun = moved.step
    if begun is not None and not moved.ended:
        number = moved.canary
        begins = {
            StepKind.GOLDEN: f"Golden tests of revision {number} begin.",
            StepKind.SHADOW: f"Copies of {begun.weight * 100:.4g} % of the requests go to revision {number}.",
            StepKind.WEIGHT: f"{begun.weight * 100:.4g} % of the traffic goes to revision {number}.",
            StepKind.APPROVE: f"Somebody has to approve revision {number}.",
            StepKind.BAKE: f"All traffic goes to revision {number}; "
            f"{f'revision {moved.stable} stays warm ' if moved.stable is not None else ''}for {begun.for_s:g} s.",
        }[begun.kind]
        notes.append(Note(Happened.MOVED, begins))
    return notes


def _results(rollout: Rollout) -> list[dict[str, Any]]:
    """What checks said, the worst first, as a document."""
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)
    found = sorted(rollout.results, key=lambda each: order.index(each.verdict))
    return [
        {
            "measure": each.measure.value,
            "segment": each.segment,
            "verdict": each.verdict.value,
            "value": each.value,
            "limit": each.limit,
            "count": each.count,
            "told": each.told,
        }
        for each in found[:50]
    ]


# ------------------------------------------------------------------------------------ what is not as it should be


def _tell_trouble(known: Known, decision: Decision) -> None:
    """Say in the state why what is observed is not what is desired; an event, where that is news."""
    state = decision.state
    trouble, news = _trouble(known, decision), known.trouble or (known.desired.why if _nothing(known) else "")
    if trouble == state.trouble:
        return
    decision.state = replace(state, trouble=trouble)
    if news and trouble == news:
        decision.notes.append(Note(Happened.TROUBLE, trouble))
    elif not trouble and decision.begun is None and decision.rollout == known.rollout:
        decision.notes.append(Note(Happened.TROUBLE, "Everything is as it should be again."))


def _nothing(known: Known) -> bool:
    return known.desired.target is None


def _trouble(known: Known, decision: Decision) -> str:
    if known.trouble:
        return known.trouble
    if _nothing(known):
        return known.desired.why
    state = decision.state
    if state.held is not None:
        return f"{state.held.target} is not tried again: {state.held.reason}"
    ended = decision.rollout is None or decision.rollout.ended
    if state.paused and ended and decision.begun is None:
        current = known.stable
        wanted = known.desired.target
        if wanted is not None and (current is None or not _is(current, known.row.spec, wanted)):
            return f"{wanted} waits: the deployment is paused."
    return ""


# ------------------------------------------------------------------------------------ words


def _name(revision: Revision | None) -> str:
    return f"Revision {revision.number} ({revision.target})" if revision is not None else ""


def _shown(step: Step) -> str:
    share = f" {step.weight * 100:.4g} %" if step.kind in (StepKind.SHADOW, StepKind.WEIGHT) else ""
    return f"{step.kind.value}{share}" + (f" for {step.for_s:g} s" if step.for_s else "")


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."
