"""What one can do with deployments. Everything here writes the database alone; the controller acts on it.

A deployment's `state.held` is what the controller does not try again by itself. `rollback` and `abort` set it, a new
spec or another version in the environment end it, and so does `resume`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelyard.db import deployments as db
from modelyard.db import history
from modelyard.db import rollouts as rollouts_db
from modelyard.db.deployments import Row
from modelyard.domain import rollouts as rule
from modelyard.domain.deployments import Happened, Spec, promoted
from modelyard.domain.differences import Change, changes
from modelyard.domain.errors import Conflict, InvalidState, NotFound
from modelyard.domain.reading import meant
from modelyard.domain.rollouts import Rollout, Status, StepKind
from modelyard.domain.spec_document import document
from modelyard.domain.specs import REHEARSAL

from . import specs
from .clock import now_ms

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.principals import Principal

    from .specs import Columns, Findings


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of applying a spec, or would.

    Attributes:
        name: of the deployment.
        created: whether there was none of the name.
        changes: from the spec before, or from nothing; none: it was like that already.
        findings: what was found out about the spec; its doubts are forced ones.
    """

    name: str
    created: bool
    changes: tuple[Change, ...]
    findings: Findings


@dataclass(slots=True)
class Found:
    """A deployment with what is going on, locked against others.

    Attributes:
        row: it.
        rollout_id: number of its newest rollout; None: it never had one.
        rollout: that.
    """

    row: Row
    rollout_id: int | None
    rollout: Rollout | None

    @property
    def running(self) -> Rollout | None:
        """The rollout, unless it has ended."""
        return self.rollout if self.rollout is not None and not self.rollout.ended else None


def get(tx: Transaction, name: str) -> Row:
    """The deployment of this name.

    Raises:
        NotFound: there is none.
    """
    found = db.get(tx, name)
    if found is None:
        known = [row.name for row in db.listing(tx)]
        there = f" There are: {', '.join(known[:20])}." if known else " There is none at all."
        raise NotFound(f"Deployment {name!r} not found{meant(name, known)}.{there}")
    return found


def listing(tx: Transaction) -> list[Row]:
    """All deployments, by name."""
    return db.listing(tx)


# ------------------------------------------------------------------------------------ what is wanted


def compare(tx: Transaction, spec: Spec, columns: Mapping[tuple[str, int], Columns], *, elsewhere: str = "") -> Applied:
    """What applying a spec would do, without doing it; nothing that is wrong is raised.

    Args:
        tx: the transaction.
        spec: well-formed.
        columns: of `specs.candidates`.
        elsewhere: URI of the registry that is followed, if it is not this server's.
    """
    before = db.get(tx, spec.name)
    old = document(before.spec) if before else {}
    findings = specs.check(tx, spec, columns, elsewhere=elsewhere)
    return Applied(spec.name, before is None, changes(old, document(spec)), findings)


def apply(
    tx: Transaction,
    principal: Principal,
    spec: Spec,
    columns: Mapping[tuple[str, int], Columns],
    *,
    force: bool = False,
    reason: str = "",
    at: str = "",
    elsewhere: str = "",
) -> Applied:
    """Want this from now on: a new deployment, or other settings of the one of this name.

    Args:
        tx: the transaction.
        principal: who.
        spec: well-formed.
        columns: of `specs.candidates`.
        force: go past what does not fit the model's signature; that is written down.
        reason: why.
        at: JSON pointer of the spec, for what is found wrong.
        elsewhere: URI of the registry that is followed, if it is not this server's.

    Raises:
        InvalidArgument: the spec cannot be; `places` say what, and where.
    """
    history.begin(tx)  # one name is made once, and what it names is there
    before = db.get(tx, spec.name)
    if before is not None:
        db.lock(tx, before.id)
    applied = compare(tx, spec, columns, elsewhere=elsewhere)
    applied.findings.refuse(spec, force=force, at=at)
    now = now_ms()
    if applied.created:
        row = db.insert(tx, spec, now)
        told = _told(f"{principal.name} made the deployment", reason)
        rollouts_db.note(tx, row.id, None, Happened.CREATED, told, principal.name, now, document(spec))
    else:
        row = get(tx, spec.name)
        if not applied.changes:
            return applied
        db.set_spec(tx, row.id, spec, now)
        later = ", from the next rollout on" if row.spec.runs_as(spec) else ""
        told = _told(f"{principal.name} changed {summary(applied.changes)}{later}", reason)
        rollouts_db.note(
            tx, row.id, None, Happened.CHANGED, told, principal.name, now, changes_document(applied.changes)
        )
    if applied.findings.doubtful:
        what = "; ".join(f"{place}: {text}" for place, text in applied.findings.doubtful)
        told = _told(f"{principal.name} forced what does not fit the model: {what}", reason)
        wrong = specs.told_of(applied.findings.doubtful)
        rollouts_db.note(tx, row.id, None, Happened.FORCED, told, principal.name, now, wrong)
    return applied


def delete(tx: Transaction, principal: Principal, name: str, *, reason: str = "") -> None:
    """Delete a deployment: its replicas are stopped; its past is kept.

    Raises:
        NotFound: there is none.
    """
    found = _find(tx, name)
    now = now_ms()
    if found.running is not None:
        _set(tx, found, rule.abort(found.running, f"{principal.name} deleted the deployment"), now)
    db.delete(tx, found.row.id, now)
    told = _told(f"{principal.name} deleted the deployment", reason)
    rollouts_db.note(tx, found.row.id, None, Happened.DELETED, told, principal.name, now)


# ------------------------------------------------------------------------------------ what people say to it


def pause(tx: Transaction, principal: Principal, name: str, *, reason: str = "") -> None:
    """Stay where it is: the rollout does not go on (its checks do), and no new one begins.

    Raises:
        NotFound: there is no such deployment.
        InvalidState: it is paused already.
    """
    found = _find(tx, name)
    if found.row.state.paused:
        raise InvalidState(f"Deployment {name!r} is paused already.")
    now = now_ms()
    told = _told(f"{principal.name} paused the deployment", reason)
    if found.running is not None:
        _set(tx, found, rule.pause(found.running, told), now)
    db.set_state(tx, found.row.id, replace(found.row.state, paused=True), now)
    _note(tx, found, Happened.PAUSED, told, principal, now)


def resume(tx: Transaction, principal: Principal, name: str, *, reason: str = "") -> None:
    """Go on. If nothing is paused, try again what was rolled back or aborted.

    Raises:
        NotFound: there is no such deployment.
        InvalidState: nothing is paused, and nothing is held back.
    """
    found = _find(tx, name)
    now = now_ms()
    state = found.row.state
    waits = found.running is not None and found.running.status is Status.PAUSED
    if not state.paused and not waits:
        if state.held is None:
            raise InvalidState(f"Deployment {name!r} is not paused, and nothing is held back.")
        told = _told(f"{principal.name} wants {state.held.target} to be tried again", reason)
        db.set_state(tx, found.row.id, replace(state, held=None), now)
    else:
        told = _told(f"{principal.name} resumed the deployment", reason)
        if found.running is not None:
            _set(tx, found, rule.resume(found.running), now)
        db.set_state(tx, found.row.id, replace(state, paused=False), now)
    _note(tx, found, Happened.RESUMED, told, principal, now)


def approve(tx: Transaction, principal: Principal, name: str, *, everything: bool = False, reason: str = "") -> None:
    """Agree that a rollout goes on, or (everything) that the canary gets all traffic at once.

    Raises:
        NotFound: there is no such deployment.
        InvalidState: no rollout runs; it does not wait for anybody; its canary is not ready or not tested.
    """
    found = _find(tx, name)
    running = _running(found)
    now = now_ms()
    if not everything:
        moved = rule.approve(running)
        if moved == running:
            step = running.step.kind.value if running.step else "the end"
            raise InvalidState(
                f"The rollout of {name!r} is at {step} and waits for nobody. Use --all (everything) to promote the "
                "canary at once."
                if not running.approved
                else f"The rollout of {name!r} is approved already."
            )
        told = _told(f"{principal.name} approved revision {running.canary}", reason)
    else:
        untested = any(step.kind is StepKind.GOLDEN for step in running.steps[running.at :])
        if running.step_ms is None or running.unready_ms is not None or untested:
            why = "its golden tests have not passed yet" if untested and running.step_ms is not None else running.reason
            raise InvalidState(f"Revision {running.canary} of {name!r} cannot have all traffic now: {why}")
        told = _told(f"{principal.name} promoted revision {running.canary}", reason)
        moved = rule.promote(running, told)
        db.set_state(tx, found.row.id, promoted(found.row.state, moved), now)
    _set(tx, found, moved, now)
    _note(tx, found, Happened.APPROVED, told, principal, now)


def abort(tx: Transaction, principal: Principal, name: str, *, reason: str = "") -> None:
    """Stop a rollout: stable gets all traffic, and what was tried is not tried again by itself.

    Raises:
        NotFound: there is no such deployment.
        InvalidState: no rollout runs.
    """
    found = _find(tx, name)
    _stop(tx, found, _running(found), _told(f"{principal.name} aborted the rollout", reason), principal)


def rollback(tx: Transaction, principal: Principal, name: str, *, reason: str = "") -> None:
    """Go back: abort the rollout that runs; if none does, return to the revision before the one that answers.

    Raises:
        NotFound: there is no such deployment.
        InvalidState: there is nothing to return to.
    """
    found = _find(tx, name)
    told = _told(f"{principal.name} rolled back", reason)
    if found.running is not None:
        _stop(tx, found, found.running, told, principal)
        return
    state = found.row.state
    left = db.revision(tx, found.row.id, state.stable) if state.stable is not None else None
    if left is None or state.previous is None:
        raise InvalidState(f"Deployment {name!r} has no earlier revision that it could return to.")
    now = now_ms()
    told = _told(f"{principal.name} rolled back from revision {left.number} to revision {state.previous}", reason)
    back = rule.begin(left.number, state.previous, (), now, found.row.spec.start_timeout_s)
    found.rollout_id = rollouts_db.insert(tx, found.row.id, back)
    # what is wanted and held already stays held: else it would be tried next
    spec = found.row.spec
    held = state.held if state.held is not None and state.held.spec == spec else left.held(spec, told)
    db.set_state(tx, found.row.id, replace(state, held=held), now)
    _note(tx, found, Happened.BEGUN, told, principal, now)


def _stop(tx: Transaction, found: Found, running: Rollout, told: str, principal: Principal) -> None:
    now = now_ms()
    left = db.revision(tx, found.row.id, running.canary)
    _set(tx, found, rule.abort(running, told), now)
    # a return to an earlier revision is held by what it left
    if left is not None and running.canary != found.row.state.previous:
        db.set_state(tx, found.row.id, replace(found.row.state, held=left.held(found.row.spec, told)), now)
    _note(tx, found, Happened.ENDED, told, principal, now)


# ------------------------------------------------------------------------------------ parts


def find_locked(tx: Transaction, name: str) -> Found:
    """A deployment with what is going on; nobody else changes it until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    return _find(tx, name)


def _find(tx: Transaction, name: str) -> Found:
    db.lock(tx, get(tx, name).id)
    row = get(tx, name)
    latest = rollouts_db.latest(tx, row.id)
    return Found(row, *(latest or (None, None)))


def _running(found: Found) -> Rollout:
    if found.running is None:
        last = f" The last one: {found.rollout.reason}" if found.rollout is not None and found.rollout.reason else ""
        raise InvalidState(f"No rollout of {found.row.name!r} runs.{last}")
    return found.running


def _set(tx: Transaction, found: Found, moved: Rollout, now: int) -> None:
    if found.rollout_id is None:
        raise Conflict(f"The rollout of {found.row.name!r} is gone.")
    rollouts_db.set(tx, found.rollout_id, moved, now)


def _note(tx: Transaction, found: Found, kind: Happened, told: str, principal: Principal, now: int) -> None:
    rollouts_db.note(tx, found.row.id, found.rollout_id, kind, told, principal.name, now)


def _told(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else f"{what}."


def summary(made: tuple[Change, ...]) -> str:
    """Changes in a line: `/replicas from 1 to 2, and 3 more`."""
    first = made[0]
    old, new = (_short(each) for each in (first.old, first.new))
    told = f"{first.place} from {old} to {new}" if first.old is not None else f"{first.place} to {new}"
    if first.new is None:
        told = f"{first.place} from {old} to its default"
    return told + (f", and {len(made) - 1} more" if len(made) > 1 else "")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def changes_document(made: tuple[Change, ...]) -> list[dict[str, Any]]:
    """Changes as a document."""
    return [{"place": each.place, "old": each.old, "new": each.new} for each in made]


def is_rehearsal(name: str) -> bool:
    """Whether a deployment is a copy that lives only for a rehearsal."""
    return name.endswith(REHEARSAL)
