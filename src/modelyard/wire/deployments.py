"""Deployments, their revisions, rollouts and events, as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from .message import Answer, Id, Request
from .versions import Reason

if TYPE_CHECKING:
    from modelyard.domain import deployments as domain
    from modelyard.domain.checks import Result
    from modelyard.domain.differences import Change
    from modelyard.domain.rollouts import Rollout as DomainRollout

SpecDocument = Annotated[dict[str, Any], Meta(description="The spec; docs/deployments.md describes its fields.")]
Limit = Annotated[int, Meta(ge=1, le=1000, description="How many at most.")]


class WantedDeployment(Request):
    """A deployment as it is to be."""

    spec: SpecDocument
    force: Annotated[bool, Meta(description="Go past what does not fit the model's signature.")] = False
    reason: Reason = ""


class SpecToCheck(Request):
    """A spec to look at; nothing is changed."""

    spec: SpecDocument


class Said(Request):
    """Something that a person says to a deployment."""

    reason: Reason = ""


class Approval(Request):
    """Somebody agrees."""

    everything: Annotated[bool, Meta(description="Skip what is left: the canary gets all traffic at once.")] = False
    reason: Reason = ""


class DeploymentEventQuery(Request):
    """Which events."""

    after: Annotated[Id | None, Meta(description="Only those after this event; without it, the newest.")] = None
    wait_s: Annotated[float, Meta(ge=0, le=30, description="Wait so long for one, if there is none yet.")] = 0.0
    limit: Limit = 100


class PastQuery(Request):
    """How much of the past."""

    limit: Limit = 100


# ------------------------------------------------------------------------------------ answers


class SpecTrouble(Answer):
    """Something about a spec."""

    place: Annotated[str, Meta(description="JSON pointer into the spec.")]
    what: Annotated[str, Meta(description="What is wrong there, and what to do.")]


class SpecChange(Answer):
    """A difference between two documents."""

    place: Annotated[str, Meta(description="JSON pointer.")]
    old: Annotated[Any, Meta(description="Null: nothing; for a setting, its default.")]
    new: Annotated[Any, Meta(description="Null: nothing; for a setting, its default.")]


class SpecFindings(Answer):
    """What a spec would do, or did."""

    name: str
    ok: Annotated[bool, Meta(description="Whether it can be applied without force.")]
    created: Annotated[bool, Meta(description="Whether there was no deployment of the name.")]
    changes: Annotated[list[SpecChange], Meta(description="None: the deployment was like that already.")]
    problems: Annotated[list[SpecTrouble], Meta(description="What forbids it.")]
    doubts: Annotated[list[SpecTrouble], Meta(description="What does not fit the model; `force` goes past it.")]
    notes: Annotated[list[str], Meta(description="What could not be checked, and what is worth a look.")]


class DeploymentTarget(Answer):
    """What runs."""

    model: Annotated[str, Meta(description="Registered model; empty for a URL.")]
    version: Annotated[str, Meta(description="Its number; empty for a URL.")]
    label: str
    url: Annotated[str, Meta(description="Of what somebody else serves, else empty.")]


class HeldTarget(Answer):
    """What is not tried again by itself."""

    target: DeploymentTarget
    reason: str


class RunningRevision(Answer):
    """A revision, in short."""

    number: int
    target: DeploymentTarget
    created_ms: int
    wanted_replicas: int
    replicas: Annotated[list[str], Meta(description="URLs of the model servers that gateways know of.")]


class CheckResult(Answer):
    """What a check said."""

    measure: str
    segment: Annotated[str, Meta(description="Empty: all together.")]
    verdict: Annotated[str, Meta(description="`pass`, `fail`, `inconclusive` or `error`.")]
    value: Annotated[float | None, Meta(description="What was measured; null: nothing.")]
    limit: Annotated[float | None, Meta(description="What is allowed; null: nothing could be said.")]
    count: Annotated[int, Meta(description="How many answers, pairs or feedback it rests on.")]
    told: Annotated[str, Meta(description="The same in words.")]


class RolloutStep(Answer):
    """A step of a rollout."""

    kind: Annotated[str, Meta(description="`golden`, `shadow`, `weight`, `approve` or `bake`.")]
    weight: Annotated[float, Meta(description="The canary's part of the traffic, or of copies, from 0 to 1.")]
    for_s: Annotated[float, Meta(description="How long it lasts at least.")]


class Rollout(Answer):
    """The act of replacing stable by canary."""

    id: int
    stable: Annotated[int | None, Meta(description="Number of the revision that answered; null: none did.")]
    canary: Annotated[int, Meta(description="Number of the revision that is tried.")]
    status: Annotated[
        str, Meta(description="`running`, `paused`, `promoted`, `rolled_back`, `aborted` or `superseded`.")
    ]
    steps: list[RolloutStep]
    at: Annotated[int, Meta(description="Index of the current step.")]
    began_ms: int
    step_began_ms: Annotated[int | None, Meta(description="Null: the canary was not ready yet.")]
    ended_ms: int | None
    ready: Annotated[bool, Meta(description="Whether the canary was ready when it was last looked at.")]
    approved: bool
    reason: Annotated[str, Meta(description="Why it ended, or waits.")]
    checks: Annotated[list[CheckResult], Meta(description="As they were when last looked at.")]


class RolloutList(Answer):
    """A deployment's rollouts, newest first."""

    rollouts: list[Rollout]


class TrafficShare(Answer):
    """A part of a segment's traffic."""

    revision: Annotated[int | None, Meta(description="Null: an endpoint of somebody else.")]
    endpoint: str
    role: Annotated[str, Meta(description="`stable`, `canary` or `endpoint`.")]
    weight: Annotated[float, Meta(description="From 0 to 1; a segment's add up to 1.")]


class SegmentTraffic(Answer):
    """How a segment's traffic is shared out."""

    segment: Annotated[str, Meta(description="Empty: requests of no known segment.")]
    shares: list[TrafficShare]


class Deployment(Answer):
    """A served name: what is wanted, what answers, and what goes on."""

    name: str
    environment: str
    spec: Annotated[dict[str, Any], Meta(description="What is wanted, without what is as by default.")]
    phase: Annotated[
        str,
        Meta(description="`waiting`, `starting`, `serving`, `rolling_out`, `paused`, `held` or `troubled`."),
    ]
    told: Annotated[str, Meta(description="How it stands, in a sentence.")]
    wanted: Annotated[DeploymentTarget | None, Meta(description="What is to answer; null: see `why`.")]
    why: str
    stable: RunningRevision | None
    canary: RunningRevision | None
    previous: Annotated[int | None, Meta(description="Number of the revision that a rollback returns to.")]
    paused: bool
    held: HeldTarget | None
    trouble: Annotated[str, Meta(description="Why what is observed is not what is wanted.")]
    rollout: Annotated[Rollout | None, Meta(description="The newest one, even if it has ended.")]
    traffic: list[SegmentTraffic]
    shadow: Annotated[float, Meta(description="Share of requests that the canary gets copies of.")]
    created_ms: int
    updated_ms: int


class DeploymentList(Answer):
    """All deployments, by name."""

    deployments: list[Deployment]


class DeploymentRevision(Answer):
    """An immutable revision, and what came of it."""

    number: int
    target: DeploymentTarget
    spec: dict[str, Any]
    created_ms: int
    principal: Annotated[str, Meta(description="Who.")]
    reason: Annotated[str, Meta(description="Why.")]
    changes: Annotated[list[SpecChange], Meta(description="From the revision before: `/spec/...` and `/target/...`.")]
    role: Annotated[str, Meta(description="`stable`, `canary`, `previous`, or empty.")]
    rollout: Annotated[Rollout | None, Meta(description="The last one that tried it.")]


class DeploymentRevisionList(Answer):
    """A deployment's revisions, newest first."""

    revisions: list[DeploymentRevision]


class DeploymentEvent(Answer):
    """Something that happened to a deployment."""

    id: Annotated[int, Meta(description="Grows with every event.")]
    at_ms: int
    rollout: Annotated[int | None, Meta(description="Of which rollout, if any.")]
    principal: Annotated[str, Meta(description="Who.")]
    kind: Annotated[str, Meta(description="Such as `created`, `changed`, `rollout_ended`.")]
    told: str
    document: Annotated[Any, Meta(description="More of it; null: nothing.")]


class DeploymentEventList(Answer):
    """Some of the events, oldest first."""

    events: list[DeploymentEvent]
    next_after: Annotated[int, Meta(description="Ask with this as `after` for what comes next.")]


class Rehearsal(Answer):
    """A rehearsal has begun; an event `rehearsed` of the deployment tells its end."""

    name: Annotated[str, Meta(description="Of the copy that is deployed, tested and removed.")]


# ------------------------------------------------------------------------------------ from the domain


def changes(of: Sequence[Change]) -> list[SpecChange]:
    """The message that lists differences."""
    return [SpecChange(place=each.place, old=each.old, new=each.new) for each in of]


def troubles(of: Sequence[tuple[str, str]]) -> list[SpecTrouble]:
    """The message that lists what is wrong."""
    return [SpecTrouble(place=place, what=what) for place, what in of]


def target(of: domain.Target) -> DeploymentTarget:
    """The message that says what runs."""
    return DeploymentTarget(model=of.model, version=of.version, label=of.label, url=of.url)


def running(of: domain.Revision | None, replicas: Mapping[int, Sequence[str]]) -> RunningRevision | None:
    """The message that names a revision, and says where it runs.

    Args:
        of: it.
        replicas: URLs by number of the revision.
    """
    if of is None:
        return None
    return RunningRevision(
        number=of.number,
        target=target(of.target),
        created_ms=of.created_ms,
        wanted_replicas=of.spec.replicas,
        replicas=list(replicas.get(of.number, ())),
    )


def held(of: domain.Held | None) -> HeldTarget | None:
    """The message that says what is held back."""
    return None if of is None else HeldTarget(target=target(of.target), reason=of.reason)


def check(of: Result) -> CheckResult:
    """The message that says how a check went."""
    return CheckResult(
        measure=of.measure.value,
        segment=of.segment,
        verdict=of.verdict.value,
        value=of.value,
        limit=of.limit,
        count=of.count,
        told=of.told,
    )


def rollout(number: int, of: DomainRollout, ended_ms: int | None) -> Rollout:
    """The message that describes a rollout."""
    return Rollout(
        id=number,
        stable=of.stable,
        canary=of.canary,
        status=of.status.value,
        steps=[RolloutStep(kind=each.kind.value, weight=each.weight, for_s=each.for_s) for each in of.steps],
        at=of.at,
        began_ms=of.began_ms,
        step_began_ms=of.step_ms,
        ended_ms=ended_ms,
        ready=of.step_ms is not None and of.unready_ms is None,
        approved=of.approved,
        reason=of.reason,
        checks=[check(each) for each in of.results],
    )


def traffic(of: Mapping[str, Sequence[domain.Share]]) -> list[SegmentTraffic]:
    """The message that says how traffic is shared out."""
    return [SegmentTraffic(segment=segment, shares=[_share(each) for each in shares]) for segment, shares in of.items()]


def _share(of: domain.Share) -> TrafficShare:
    revision = of.to if isinstance(of.to, int) else None
    endpoint = of.to if isinstance(of.to, str) else ""
    return TrafficShare(revision=revision, endpoint=endpoint, role=of.role.value, weight=of.weight)


def event(of: domain.Event) -> DeploymentEvent:
    """The message that describes an event."""
    return DeploymentEvent(
        id=of.id,
        at_ms=of.at_ms,
        rollout=of.rollout,
        principal=of.principal,
        kind=of.kind,
        told=of.told,
        document=of.document,
    )
