"""Rehearsals: a deployment's copy is deployed, tested and removed once a day, so that it works on the day it must."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .deployments import Keep, Recording, Spec
from .rollouts import Step, StepKind
from .specs import REHEARSAL

DAY_MS: Final = 86_400_000


def copy(spec: Spec) -> Spec:
    """The spec of a deployment's rehearsal: one replica, golden tests, and nothing of it is recorded."""
    return replace(
        spec,
        name=spec.name + REHEARSAL,
        replicas=1,
        defaults=replace(spec.defaults, share={}),
        segments={name: replace(each, share={}) for name, each in spec.segments.items()},
        endpoints={},
        recording=Recording(Keep.NONE, output=False),
        steps=(Step(kind=StepKind.GOLDEN),),
        rehearse="",
    )


def due(time: str, last_ms: int, now_ms: int) -> bool:
    """Whether it is time.

    Args:
        time: of day, UTC, such as `04:30`.
        last_ms: when it was done last, or when the deployment was made, ms since the epoch.
        now_ms: ms since the epoch.
    """
    hours, minutes = time.split(":")
    of_day = (int(hours) * 60 + int(minutes)) * 60_000
    latest = (now_ms - of_day) // DAY_MS * DAY_MS + of_day
    return last_ms < latest
