"""What checks are given: what gateways counted of canary and stable since a step began, or in its window."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from modelyard.db import measurements as db
from modelyard.domain.deployments import Role
from modelyard.domain.measurements import Counts, Whose, samples, together
from modelyard.domain.rollouts import Measurements, StepKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelyard.db.transaction import Transaction
    from modelyard.domain.checks import Sample
    from modelyard.domain.rollouts import Rollout

BASE_S: Final = 600
"""So far back from where the canary took all traffic is stable looked at, which has none now."""
_FRESH_S: Final = 120
"""Counts of gateways that could not report come late; what is older is read again only so often."""
_MEASURING: Final = (StepKind.SHADOW, StepKind.WEIGHT, StepKind.BAKE)

KEEP_FINE_S: Final = 900
KEEP_TENS_S: Final = 2 * 86_400
KEEP_S: Final = 400 * 86_400
_AT_ONCE_S: Final = 3600


@dataclass(slots=True)
class _Older:
    """What was counted before a moment, of a step whose window is long."""

    step: tuple[int, int]
    since_s: int
    until_s: int
    counts: dict[Whose, Counts]
    read_s: int


@dataclass(slots=True)
class Measurer:
    """Measures rollouts; remembers what does not change any more."""

    _bases: dict[tuple[int, int], dict[Whose, Counts]] = field(default_factory=dict)
    _older: dict[int, _Older] = field(default_factory=dict)

    def measure(
        self,
        tx: Transaction,
        deployment_id: int,
        rollout_id: int,
        rollout: Rollout,
        now_ms: int,
        feedback: Mapping[tuple[int, str], tuple[int, int]] | None = None,
    ) -> Measurements:
        """What was counted of a rollout's two revisions; nothing where its step does not measure.

        Args:
            tx: the transaction.
            deployment_id: of the deployment.
            rollout_id: of the rollout.
            rollout: it.
            now_ms: ms since the epoch.
            feedback: by revision and segment: of how many answers in the window the truth is known, and how many were
                right.
        """
        step = rollout.step
        if step is None or step.kind not in _MEASURING or rollout.step_ms is None:
            return Measurements()
        since = window_ms(rollout, now_ms) // 1000
        found = self._window(tx, deployment_id, (rollout_id, rollout.at), since, now_ms // 1000)
        known = feedback or {}
        role = Role.SHADOW if step.kind is StepKind.SHADOW else Role.CANARY
        canary = samples(found, rollout.canary, (role,), _of(known, rollout.canary))
        stable: dict[str, Sample] = {}
        if rollout.stable is not None:
            if step.kind is StepKind.BAKE or (step.kind is StepKind.WEIGHT and step.weight >= 1):
                found = self._base(tx, deployment_id, rollout_id, rollout)
            stable = samples(found, rollout.stable, (Role.STABLE,), _of(known, rollout.stable))
        return Measurements(canary=canary, stable=stable)

    def forget(self, running: Iterable[int]) -> None:
        """Keep what concerns these rollouts alone."""
        kept = set(running)
        self._bases = {key: each for key, each in self._bases.items() if key[0] in kept}
        self._older = {key: each for key, each in self._older.items() if each.step[0] in kept}

    def _base(self, tx: Transaction, deployment_id: int, rollout_id: int, rollout: Rollout) -> dict[Whose, Counts]:
        """What stable was like before the canary took its traffic."""
        key = (rollout_id, rollout.at)
        if key not in self._bases:
            until = (rollout.step_ms or rollout.began_ms) // 1000
            self._bases[key] = _read(tx, deployment_id, until - BASE_S, until)
        return self._bases[key]

    def _window(
        self, tx: Transaction, deployment_id: int, step: tuple[int, int], since_s: int, now_s: int
    ) -> dict[Whose, Counts]:
        fresh = now_s - _FRESH_S
        if since_s >= fresh:
            return _read(tx, deployment_id, since_s, now_s + 1)
        older = self._older.get(deployment_id)
        # a window that moves, or a minute later: read it all again
        if older is None or older.step != step or older.since_s != since_s or now_s - older.read_s > _FRESH_S // 2:
            counts = _read(tx, deployment_id, since_s, fresh)
            older = self._older[deployment_id] = _Older(step, since_s, fresh, counts, now_s)
        newer = _read(tx, deployment_id, older.until_s, now_s + 1)
        return together([*older.counts.items(), *newer.items()])


def window_ms(rollout: Rollout, now_ms: int) -> int:
    """From where on a step's checks look, ms since the epoch: its beginning, or the begin of its window if later."""
    began = rollout.step_ms or rollout.began_ms
    step = rollout.step
    if step is None or not step.window_s:
        return began
    return max(began, now_ms - round(step.window_s * 1000))


def complete(
    measured: Measurements, *, canary_ready: bool, stable_ready: bool, trouble: str, hopeless: bool
) -> Measurements:
    """What was counted, with what is known of the replicas."""
    return replace(measured, canary_ready=canary_ready, stable_ready=stable_ready, trouble=trouble, hopeless=hopeless)


def tidy(tx: Transaction, deployment_id: int, now_s: int) -> bool:
    """Put old rows of a deployment together, an hour's at most; whether there may be more to do."""
    for step, keep in ((10, KEEP_FINE_S), (300, KEEP_TENS_S)):
        until = (now_s - keep) // step * step
        first = db.first_finer(tx, deployment_id, now_s - KEEP_S, until, step)
        if first is not None:
            begin = first - first % step
            db.roll_up(tx, deployment_id, begin, min(until, begin + _AT_ONCE_S), step)
            return True
    return False


def _read(tx: Transaction, deployment_id: int, since_s: int, until_s: int) -> dict[Whose, Counts]:
    return together((whose, counts) for _, whose, counts in db.between(tx, deployment_id, since_s, until_s))


def _of(feedback: Mapping[tuple[int, str], tuple[int, int]], revision: int) -> dict[str, tuple[int, int]]:
    return {segment: each for (number, segment), each in feedback.items() if number == revision}
