"""How a deployment stands: what is wanted, what answers, what goes on, and why the one is not the other."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from modelyard.db import deployments as db
from modelyard.db import rollouts as rollouts_db
from modelyard.db.deployments import Row
from modelyard.domain import deployments as domain
from modelyard.domain.deployments import Revision, Share, Spec, State, Target, promoted
from modelyard.domain.differences import Change, changes
from modelyard.domain.errors import ModelyardError
from modelyard.domain.rollouts import Measurements, Rollout, Status, Step, StepKind, Traffic, traffic
from modelyard.domain.spec_document import document

from . import deployments, gateways, rehearsals
from .controller import desired
from .controller.desired import same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction


_NEVER: Final = (None, None)


class Phase(enum.StrEnum):
    """A deployment in a word."""

    WAITING = "waiting"
    """Nothing answers, and nothing is to."""
    STARTING = "starting"
    """Nothing answers yet."""
    SERVING = "serving"
    """What is wanted answers."""
    ROLLING_OUT = "rolling_out"
    PAUSED = "paused"
    HELD = "held"
    """What is wanted was rolled back or aborted; what was before answers."""
    TROUBLED = "troubled"
    """What is wanted cannot be, for now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a deployment stands.

    Attributes:
        row: it.
        state: what is true of it, a promotion that has just been decided included.
        phase: in a word.
        told: in a sentence.
        wanted: what is to answer; None: nothing, or nobody can say now.
        why: about `wanted`.
        stable: the revision that answers.
        canary: the one that is being tried.
        rollout_id: number of the newest rollout; None: there was none.
        rollout: that.
        ended_ms: when it ended, ms since the epoch.
        traffic: shares by segment; "" for requests of no known segment.
        shadow: share of requests that the canary gets copies of.
        replicas: URLs of model servers that gateways know of, by number of the revision.
    """

    row: Row
    state: State
    phase: Phase
    told: str
    wanted: Target | None
    why: str
    stable: Revision | None
    canary: Revision | None
    rollout_id: int | None
    rollout: Rollout | None
    ended_ms: int | None
    traffic: Mapping[str, tuple[Share, ...]]
    shadow: float
    replicas: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Past:
    """A revision, and what came of it.

    Attributes:
        revision: it.
        changes: from the revision before; its settings below `/spec`, what runs below `/target`.
        rollout_id: number of the last rollout that tried it; None: none did.
        rollout: that.
        ended_ms: when it ended, ms since the epoch.
        role: `stable`, `canary`, `previous`, or empty.
    """

    revision: Revision
    changes: tuple[Change, ...]
    rollout_id: int | None
    rollout: Rollout | None
    ended_ms: int | None
    role: str


def wanted(tx: Transaction, spec: Spec, *, elsewhere: str = "") -> tuple[Target | None, str]:
    """What a spec wants to run now by this server's registry, and why (or why nothing).

    Args:
        tx: the transaction.
        spec: of the deployment.
        elsewhere: URI of the registry that is followed, if it is not this server's.
    """
    if elsewhere and not spec.url:
        return None, f"The registry at {elsewhere} says what is wanted."
    found = desired.resolve(tx, spec)
    return found.target, found.why


def get(tx: Transaction, name: str, *, elsewhere: str = "") -> Standing:
    """How a deployment stands.

    Raises:
        NotFound: there is none.
    """
    return of(tx, deployments.get(tx, name), _observed(tx), elsewhere=elsewhere)


def listing(tx: Transaction, *, elsewhere: str = "") -> list[Standing]:
    """How all stand, by name."""
    observed = _observed(tx)
    return [of(tx, row, observed, elsewhere=elsewhere) for row in db.listing(tx)]


def _observed(tx: Transaction) -> dict[str, dict[int, tuple[str, ...]]]:
    """Where gateways are told to send requests: URLs by deployment and revision."""
    _, document = gateways.newest(tx)
    return {
        each["name"]: {
            revision["number"]: tuple(replica["url"] for replica in revision["replicas"])
            for revision in each["revisions"]
            if revision["number"]
        }
        for each in json.loads(document)
    }


def of(
    tx: Transaction, row: Row, observed: Mapping[str, Mapping[int, tuple[str, ...]]], *, elsewhere: str = ""
) -> Standing:
    """How a deployment stands."""
    rollout_id, rollout = rollouts_db.latest(tx, row.id) or (None, None)
    state = promoted(row.state, rollout) if rollout is not None and rollout.status is Status.PROMOTED else row.state
    running = rollout if rollout is not None and not rollout.ended else None
    stable = db.revision(tx, row.id, state.stable) if state.stable is not None else None
    canary = db.revision(tx, row.id, running.canary) if running is not None else None
    try:
        target, why = wanted(tx, row.spec, elsewhere=elsewhere)
    except ModelyardError as error:
        target, why = None, error.message
    flow = _flow(running)
    shares = {
        segment: domain.shares(
            row.spec.settings(segment), state.stable, running.canary if running and flow.weight else None, flow.weight
        )
        for segment in ("", *row.spec.segments)
    }
    phase, told = _phase(row, state, running, stable, target, why, known=not elsewhere or bool(row.spec.url))
    told = f"{told} {rehearsals.failure(tx, row)}".rstrip()
    ended = rollouts_db.ended_ms(tx, row.id).get(rollout_id) if rollout_id is not None else None
    return Standing(
        row, state, phase, told, target, why, stable, canary, rollout_id, rollout, ended, shares, flow.shadow,
        observed.get(row.name, {}),
    )  # fmt: skip


def _flow(running: Rollout | None) -> Traffic:
    """What traffic a rollout wants, as far as the database tells; gateways send nothing to what is not ready."""
    if running is None:
        return Traffic()
    ready = running.step_ms is not None and running.unready_ms is None
    return traffic(running, Measurements(canary_ready=ready))


def _phase(
    row: Row,
    state: State,
    running: Rollout | None,
    stable: Revision | None,
    target: Target | None,
    why: str,
    *,
    known: bool,
) -> tuple[Phase, str]:
    now = f"Revision {stable.number} ({stable.target}) answers." if stable is not None else "Nothing answers yet."
    if running is not None:
        told = f"{step_told(running)}{f': {running.reason}' if running.reason else ''}"
        if running.status is Status.PAUSED:
            return Phase.PAUSED, f"{now} Revision {running.canary} is paused at {told}"
        phase = Phase.ROLLING_OUT if stable is not None else Phase.STARTING
        return phase, f"{now} Revision {running.canary} is at {told}"
    if state.paused:
        return Phase.PAUSED, f"{now} Changes wait: the deployment is paused."
    if target is None and known:
        return (Phase.SERVING, now) if stable is not None else (Phase.WAITING, why)
    if state.held is not None and state.held.spec == row.spec and _is(state.held.target, target):
        return Phase.HELD, f"{now} {state.held.target} is held back: {state.held.reason}"
    if state.trouble:
        return Phase.TROUBLED, f"{now} {state.trouble}"
    if stable is not None and stable.spec.runs_as(row.spec) and _is(stable.target, target):
        return Phase.SERVING, now
    coming = f" {target} is about to be rolled out." if target is not None else ""
    return Phase.STARTING if stable is None else Phase.ROLLING_OUT, f"{now}{coming}"


def _is(one: Target, target: Target | None) -> bool:
    return target is None or same(one, target)


def step_told(rollout: Rollout) -> str:
    """Where a rollout is, for people: `step 2 of 4 (weight 10%)`."""
    if rollout.step_ms is None:
        return "its start"
    step = rollout.step
    if step is None:
        return "its end"
    return f"step {rollout.at + 1} of {len(rollout.steps)} ({shown_step(step)})"


def shown_step(step: Step) -> str:
    """A step for people: `weight 10%`."""
    if step.kind in (StepKind.WEIGHT, StepKind.SHADOW):
        return f"{step.kind.value} {step.weight * 100:g}%"
    return f"bake {step.for_s:g} s" if step.kind is StepKind.BAKE else step.kind.value


def history(tx: Transaction, name: str, *, limit: int = 1000) -> list[Past]:
    """A deployment's revisions, newest first, each with what it changed and what came of it.

    Raises:
        NotFound: there is no such deployment.
    """
    row = deployments.get(tx, name)
    revisions = db.revisions(tx, row.id)
    tried: dict[int, tuple[int | None, Rollout | None]] = {}
    for number, rollout in rollouts_db.listing(tx, row.id, 10_000):
        tried.setdefault(rollout.canary, (number, rollout))
    ended = rollouts_db.ended_ms(tx, row.id)
    latest = rollouts_db.latest(tx, row.id)
    state = promoted(row.state, latest[1]) if latest and latest[1].status is Status.PROMOTED else row.state
    roles = {state.previous: "previous", state.stable: "stable"}
    if latest and not latest[1].ended:
        roles[latest[1].canary] = "canary"
    found = []
    for index, revision in enumerate(revisions[:limit]):
        before = revisions[index + 1] if index + 1 < len(revisions) else None
        tried_by, last = tried.get(revision.number, _NEVER)
        made = changes(_document(before), _document(revision))
        over = None if tried_by is None else ended.get(tried_by)
        found.append(Past(revision, made, tried_by, last, over, roles.get(revision.number, "")))
    return found


def _document(revision: Revision | None) -> dict[str, object]:
    if revision is None:
        return {}
    target = revision.target
    named = {"model": target.model, "version": target.version, "label": target.label, "url": target.url}
    return {"spec": document(revision.spec), "target": {name: value for name, value in named.items() if value}}


def rollouts(tx: Transaction, name: str, *, limit: int = 100) -> Sequence[tuple[int, Rollout, int | None]]:
    """A deployment's rollouts, newest first: number, rollout, when it ended (ms since the epoch).

    Raises:
        NotFound: there is no such deployment.
    """
    row = deployments.get(tx, name)
    ended = rollouts_db.ended_ms(tx, row.id)
    return [(number, rollout, ended.get(number)) for number, rollout in rollouts_db.listing(tx, row.id, limit)]


def events(tx: Transaction, name: str, *, after: int | None = None, limit: int = 100) -> list[domain.Event]:
    """What happened to a deployment, even if it is deleted: the newest, in order; or what came after an event.

    Raises:
        NotFound: there was never such a deployment.
    """
    number = db.last_named(tx, name)
    if number is None:
        number = deployments.get(tx, name).id
    if after is not None:
        return rollouts_db.events(tx, number, after, limit)
    return rollouts_db.events_before(tx, number, None, limit)[::-1]
