"""What gateways say: that they are there, by which routing they work, and what they measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from modelyard.db import deployments as deployments_db
from modelyard.db import gateways as db
from modelyard.db import measurements
from modelyard.domain.deployments import Role
from modelyard.domain.errors import NotFound
from modelyard.domain.measurements import Counts, Measured, Whose, together

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction

LIVE_MS: Final = 60_000
"""A gateway that said nothing for so long is not waited for."""
KNOWN_MS: Final = 86_400_000
"""One that said nothing for so long is forgotten."""
HOUR_MS: Final = 3_600_000
RATE_STEP_S: Final = 10
RATE_STEPS: Final = 60
"""How far back rates reach; in rows of a second that is still quick to read."""


def listing(tx: Transaction) -> tuple[str, list[db.Row]]:
    """The newest routing's generation, and all gateways that are not forgotten."""
    return db.generation(tx), db.listing(tx)


def newest(tx: Transaction) -> tuple[str, str]:
    """The newest routing: generation, and its deployments as JSON."""
    return db.newest(tx)


def heard(tx: Transaction, name: str, generation: str, now: int) -> None:
    """A gateway asked for the routing."""
    db.heard(tx, name, "", generation, 0, now)


def report(
    tx: Transaction,
    name: str,
    number: int,
    generation: str,
    url: str,
    measured: Sequence[Measured],
    ahead_s: int,
    now: int,
) -> bool:
    """Count what a gateway measured; False for a report that was counted before.

    Args:
        tx: the transaction.
        name: the gateway's.
        number: of the report; greater than that of its last one.
        generation: of the routing that it works by.
        url: where it answers; empty: it does not say.
        measured: what it counted. What is measured of unknown deployments is left out.
        ahead_s: seconds that its clock is ahead of ours.
        now: ms since the epoch.
    """
    if number <= db.last_number(tx, name):
        return False
    db.heard(tx, name, url, generation, number, now)
    if measured:
        known = measurements.ids(tx)
        latest = now // 1000
        rows: dict[tuple[int, int], list[tuple[Whose, Counts]]] = {}
        for each in measured:
            if each.deployment in known:
                second = min(latest, each.second - ahead_s)
                rows.setdefault((known[each.deployment], second), []).append((each.whose, each.counts))
        measurements.add(
            tx,
            (
                (deployment, second, whose, counts)
                for (deployment, second), found in sorted(rows.items())
                for whose, counts in sorted(together(found).items())
            ),
        )
    return True


def charted(
    tx: Transaction, name: str, since_ms: int, until_ms: int, step_s: int, now: int
) -> dict[tuple[Whose, bool], dict[int, Counts]]:
    """What was measured of a deployment, by whose (and whether all segments are together) and by a step's first second.

    Args:
        tx: the transaction.
        name: of the deployment.
        since_ms: from here; 0: the last hour.
        until_ms: to here; 0: now.
        step_s: how many seconds are put together.
        now: ms since the epoch.

    Raises:
        NotFound: there is no such deployment.
    """
    row = deployments_db.get(tx, name)
    if row is None:
        raise NotFound(f"There is no deployment {name!r}.")
    since = (since_ms or now - HOUR_MS) // 1000
    until = (until_ms or now) // 1000 + 1
    found: dict[tuple[Whose, bool], dict[int, Counts]] = {}
    for at, whose, counts in measurements.between(tx, row.id, since - since % step_s, until):
        step = at - at % step_s
        for key in ((whose, False), (whose._replace(segment=""), True)):
            found.setdefault(key, {}).setdefault(step, Counts()).add(counts)
    return found


def rates(tx: Transaction, now: int) -> tuple[int, dict[str, tuple[list[int], list[int]]]]:
    """How much deployments were asked lately: where the first step begins (s), and requests and errors of each step.

    The step that is not over is left out, since it would look like a fall.

    Args:
        tx: the transaction.
        now: ms since the epoch.
    """
    until = now // 1000 - (now // 1000) % RATE_STEP_S
    since = until - RATE_STEPS * RATE_STEP_S
    found: dict[str, tuple[list[int], list[int]]] = {}
    for name, deployment in sorted(measurements.ids(tx).items()):
        requests, errors = [0] * RATE_STEPS, [0] * RATE_STEPS
        for at, whose, counts in measurements.between(tx, deployment, since, until):
            if whose.role != Role.SHADOW:
                requests[(at - since) // RATE_STEP_S] += counts.requests
                errors[(at - since) // RATE_STEP_S] += counts.errors
        if any(requests):
            found[name] = (requests, errors)
    return since, found
