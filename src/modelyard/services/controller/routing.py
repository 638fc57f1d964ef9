"""From what is known of a deployment to what gateways are told. All of it is a function of values.

The documents are those of `wire.routing`, as plain values.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from modelyard.domain.deployments import Role, Share, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.domain.deployments import Revision, Segment, Spec
    from modelyard.domain.rollouts import Traffic


@dataclass(frozen=True, slots=True)
class Running:
    """A revision, and where it answers.

    Attributes:
        revision: it.
        replicas: names and URLs.
    """

    revision: Revision
    replicas: Sequence[tuple[str, str]]


def deployment(name: str, stable: Running | None, canary: Running | None, traffic: Traffic) -> dict[str, Any] | None:
    """What gateways are told of a deployment; None while it has no revision.

    Args:
        name: of it.
        stable: what answers; None: nothing yet.
        canary: what is tried; None: nothing.
        traffic: what the canary gets.
    """
    known = [each for each in (stable, canary) if each is not None]
    if not known:
        return None
    # settings that are read before a revision is chosen are those of the one that gets (nearly) all traffic
    lead = canary if canary is not None and (stable is None or traffic.weight >= 1) else known[0]
    spec = lead.revision.spec
    segments = sorted({each for one in known for each in one.revision.spec.segments})
    wanted = {each for name in ("", *segments) for each in spec.settings(name).share} & spec.endpoints.keys()
    endpoints = sorted(wanted)
    places: dict[int | str, int] = {each.revision.number: at for at, each in enumerate(known)}
    places |= {each: at for at, each in enumerate(endpoints, len(known))}
    shadow = {"to": places[canary.revision.number], "share": traffic.shadow} if canary and traffic.shadow > 0 else None
    shared = _Shares(stable, canary, traffic, places)
    return {
        "name": name,
        "environment": spec.environment,
        "segment": asdict(spec.segment),
        "sticky": asdict(spec.sticky),
        "key": asdict(spec.key),
        "recording": {**asdict(spec.recording), "input": spec.recording.input.value},
        "answer": asdict(spec.answer),
        "revisions": [*(_revision(each) for each in known), *(_endpoint(each, spec) for each in endpoints)],
        "default": {"shares": shared.of(spec.defaults)},
        "segments": {each: {"shares": shared.of(spec.settings(each))} for each in segments},
        "shadow": shadow,
    }


@dataclass(frozen=True, slots=True)
class _Shares:
    stable: Running | None
    canary: Running | None
    traffic: Traffic
    places: dict[int | str, int]

    def of(self, settings: Segment) -> list[dict[str, Any]]:
        stable = self.stable.revision.number if self.stable else None
        canary = self.canary.revision.number if self.canary and self.traffic.weight > 0 else None
        found = list(shares(settings, stable, canary, self.traffic.weight))
        if stable is not None and all(each.to != stable for each in found):
            # nobody is sent there, unless nobody else can answer
            found.append(Share(stable, Role.STABLE, 0.0))
        return [{"to": self.places[each.to], "role": each.role.value, "weight": each.weight} for each in found]


def _revision(running: Running) -> dict[str, Any]:
    revision = running.revision
    return {
        "number": revision.number,
        "endpoint": "",
        "model": revision.target.model,
        "version": revision.target.version,
        "external": bool(revision.target.url),
        "replicas": [{"name": name, "url": url} for name, url in running.replicas],
        "default": _settings(revision.spec.defaults),
        "segments": {name: _settings(revision.spec.settings(name)) for name in sorted(revision.spec.segments)},
    }


def _endpoint(name: str, spec: Spec) -> dict[str, Any]:
    """Somebody else's endpoint is asked as it is."""
    return {
        "number": 0,
        "endpoint": name,
        "model": "",
        "version": "",
        "external": True,
        "replicas": [{"name": name, "url": spec.endpoints[name].url}],
        "default": {"inputs": {}, "threshold": None},
        "segments": {},
    }


def _settings(settings: Segment) -> dict[str, Any]:
    return {"inputs": dict(settings.inputs), "threshold": settings.threshold}
