"""Rehearsals of deployments. The copy is a deployment like others, and the controller rolls it out as such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from modelyard.db import deployments as db
from modelyard.db import rollouts as rollouts_db
from modelyard.db.deployments import Row
from modelyard.domain import rehearsals as rule
from modelyard.domain.deployments import Happened
from modelyard.domain.errors import InvalidState
from modelyard.domain.principals import SYSTEM
from modelyard.domain.rollouts import Rollout, Status
from modelyard.domain.spec_document import document
from modelyard.domain.specs import REHEARSAL

from . import deployments
from .clock import now_ms

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.principals import Principal


@dataclass(frozen=True, slots=True)
class Done:
    """What `tend` did.

    Attributes:
        told: in words.
        passed: how a rehearsal ended; None: it began.
    """

    told: str
    passed: bool | None = None


PATIENCE_S: Final = 120.0
"""Seconds that the controller has, beyond the copy's own start, until the rehearsal counts as failed."""


def begin(tx: Transaction, principal: Principal, name: str, *, reason: str = "") -> str:
    """Begin a rehearsal now; the copy's name. The controller ends it (`tend`).

    Raises:
        NotFound: there is no such deployment.
        InvalidState: one is under way, or somebody else runs what answers.
    """
    row = deployments.get(tx, name)
    db.lock(tx, row.id)
    if row.spec.url or deployments.is_rehearsal(name):
        raise InvalidState(f"There is nothing to rehearse about {name!r}: it is not deployed from here.")
    if db.get(tx, name + REHEARSAL) is not None:
        raise InvalidState(f"A rehearsal of {name!r} is under way.")
    now = now_ms()
    spec = rule.copy(row.spec)
    made = db.insert(tx, spec, now)
    rollouts_db.note(
        tx, made.id, None, Happened.CREATED, f"To rehearse {name}.", principal.name, now, document(spec)
    )  # fmt: skip
    told = f"{principal.name} began a rehearsal{f': {reason}' if reason else '.'}"
    rollouts_db.note(tx, row.id, None, Happened.REHEARSING, told, principal.name, now)
    return spec.name


def failure(tx: Transaction, row: Row) -> str:
    """Why the last rehearsal of a deployment failed; empty if it passed, or if there was none."""
    last = rollouts_db.last_of_kind(tx, row.id, Happened.REHEARSED)
    return last.told if last is not None and not last.document["passed"] else ""


def pending(tx: Transaction, now: int) -> bool:
    """Whether `tend` has anything to do.

    Args:
        tx: the transaction.
        now: ms since the epoch.
    """
    rows = db.listing(tx)
    return any(_is_due(tx, row, now) or _over(tx, row, now) is not None for row in rows)


def tend(tx: Transaction, now: int) -> list[Done]:
    """Begin the rehearsals that are due, end those that are over; what was done. For the controller, at every look.

    Args:
        tx: the transaction.
        now: ms since the epoch.
    """
    done = []
    for row in db.listing(tx):
        verdict = _over(tx, row, now)
        if verdict is not None:
            done.append(_end(tx, row, *verdict, now))
        elif _is_due(tx, row, now) and db.get(tx, row.name + REHEARSAL) is None:
            begin(tx, SYSTEM, row.name, reason="it is time")
            done.append(Done(f"A rehearsal of {row.name} began."))
    return done


def _is_due(tx: Transaction, row: Row, now: int) -> bool:
    if not row.spec.rehearse or row.spec.url or deployments.is_rehearsal(row.name):
        return False
    last = rollouts_db.last_of_kind(tx, row.id, Happened.REHEARSING)
    return rule.due(row.spec.rehearse, max(row.created_ms, last.at_ms if last else 0), now)


def _over(tx: Transaction, row: Row, now: int) -> tuple[bool, str] | None:
    """Whether a rehearsal passed, and what is told; None: it goes on, or this is none."""
    if not deployments.is_rehearsal(row.name):
        return None
    latest = rollouts_db.latest(tx, row.id)
    rollout: Rollout | None = latest[1] if latest else None
    if rollout is not None and rollout.ended:
        return rollout.status is Status.PROMOTED, rollout.reason
    if db.get(tx, row.name.removesuffix(REHEARSAL)) is None:
        return False, "its deployment was deleted"
    if now - row.created_ms > (row.spec.start_timeout_s + PATIENCE_S) * 1000:
        why = (rollout.reason if rollout else row.state.trouble) or "nothing says why"
        return False, f"it did not come to an end in time: {why}"
    return None


def _end(tx: Transaction, row: Row, passed: bool, why: str, now: int) -> Done:  # noqa: FBT001 - of `_over`
    deployments.delete(tx, SYSTEM, row.name, reason="the rehearsal is over")
    revisions = db.revisions(tx, row.id)
    target = str(revisions[0].target) if revisions else ""
    seconds = round(max(0, now - row.created_ms) / 1000, 1)
    if passed:
        told = f"The rehearsal passed: {target} was deployed, tested and removed in {seconds:g} s."
    else:
        told = f"The rehearsal failed{f' with {target}' if target else ''}: {why}"
    original = db.get(tx, row.name.removesuffix(REHEARSAL))
    if original is not None:
        found = {"passed": passed, "target": target, "seconds": seconds, "why": why}
        rollouts_db.note(tx, original.id, None, Happened.REHEARSED, told, SYSTEM.name, now, found)
    return Done(told, passed)
