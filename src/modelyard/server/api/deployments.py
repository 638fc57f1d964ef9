"""Deployments over the native API."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain import specs as documents
from modelyard.domain.deployments import Spec
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.reading import meant
from modelyard.domain.spec_document import document
from modelyard.http.asgi import answered
from modelyard.server.signatures import columns_of
from modelyard.services import deployments, rehearsals, specs, standing
from modelyard.wire import deployments as wire

if TYPE_CHECKING:
    from modelyard.domain.deployments import Event
    from modelyard.server.call import Call
    from modelyard.services.deployments import Applied
    from modelyard.services.standing import Past, Standing
    from modelyard.wire.versions import WithReason

_AT: Final = "/spec"
_LOOK_S: Final = 0.2


async def listing(call: Call) -> wire.DeploymentList:
    found = await call.read(standing.listing, elsewhere=_elsewhere(call))
    return wire.DeploymentList(deployments=[_deployment(each) for each in found])


async def get(call: Call) -> wire.Deployment:
    return _deployment(await call.read(standing.get, call.path["name"], elsewhere=_elsewhere(call)))


async def check(call: Call, body: wire.SpecToCheck) -> wire.SpecFindings:
    try:
        spec = documents.read(body.spec)
    except InvalidArgument as error:
        name = body.spec.get("name")
        return wire.SpecFindings(
            name=name if isinstance(name, str) else "",
            ok=False,
            created=False,
            changes=[],
            problems=wire.troubles(error.places),
            doubts=[],
            notes=[],
        )
    columns = await _columns(call, spec)
    return _findings(await call.read(deployments.compare, spec, columns, elsewhere=_elsewhere(call)))


async def apply(call: Call, body: wire.WantedDeployment) -> wire.SpecFindings:
    spec = documents.read(body.spec, at=_AT)
    if spec.name != call.path["name"]:
        text = f"the spec is for {spec.name!r}, but it was sent to {call.path['name']!r}"
        raise InvalidArgument(f"{text}{meant(spec.name, [call.path['name']])}", [(f"{_AT}/name", text)])
    columns = await _columns(call, spec)
    applied = await call.write(
        deployments.apply,
        call.principal,
        spec,
        columns,
        force=body.force,
        reason=body.reason,
        at=_AT,
        elsewhere=_elsewhere(call),
    )
    call.state.wake()
    return _findings(applied)


async def delete(call: Call, query: WithReason) -> None:
    await call.write(deployments.delete, call.principal, call.path["name"], reason=query.reason)
    call.state.wake()


async def pause(call: Call, body: wire.Said) -> wire.Deployment:
    return await _say(call, deployments.pause, reason=body.reason)


async def resume(call: Call, body: wire.Said) -> wire.Deployment:
    return await _say(call, deployments.resume, reason=body.reason)


async def approve(call: Call, body: wire.Approval) -> wire.Deployment:
    return await _say(call, deployments.approve, everything=body.everything, reason=body.reason)


async def abort(call: Call, body: wire.Said) -> wire.Deployment:
    return await _say(call, deployments.abort, reason=body.reason)


async def rollback(call: Call, body: wire.Said) -> wire.Deployment:
    return await _say(call, deployments.rollback, reason=body.reason)


async def rehearse(call: Call, body: wire.Said) -> wire.Rehearsal:
    name = await call.write(rehearsals.begin, call.principal, call.path["name"], reason=body.reason)
    call.state.wake()
    return wire.Rehearsal(name=name)


async def _say(call: Call, verb: Any, **what: Any) -> wire.Deployment:
    await call.write(verb, call.principal, call.path["name"], **what)
    call.state.wake()
    return await get(call)


# ------------------------------------------------------------------------------------ the past


async def revisions(call: Call, query: wire.PastQuery) -> wire.DeploymentRevisionList:
    found = await call.scan(standing.history, call.path["name"], limit=query.limit)
    return wire.DeploymentRevisionList(revisions=[_revision(each) for each in found])


async def rollouts(call: Call, query: wire.PastQuery) -> wire.RolloutList:
    found = await call.scan(standing.rollouts, call.path["name"], limit=query.limit)
    return wire.RolloutList(rollouts=[wire.rollout(*each) for each in found])


async def events(call: Call, query: wire.DeploymentEventQuery) -> wire.DeploymentEventList:
    found = await _events(call, query)
    if not found and query.wait_s and query.after is not None:
        waiting = asyncio.ensure_future(_await_events(call, query))
        if not await answered(waiting, call.receive):
            waiting.cancel()
            return wire.DeploymentEventList(events=[], next_after=query.after)
        found = await waiting
    last = found[-1].id if found else query.after or 0
    return wire.DeploymentEventList(events=[wire.event(each) for each in found], next_after=last)


async def _events(call: Call, query: wire.DeploymentEventQuery) -> list[Event]:
    return await call.read(standing.events, call.path["name"], after=query.after, limit=query.limit)


async def _await_events(call: Call, query: wire.DeploymentEventQuery) -> list[Event]:
    """Look again and again. Another server may write them, so the database is asked."""
    until = monotonic() + query.wait_s
    found: list[Event] = []
    while not found and not call.state.stopping and (left := until - monotonic()) > 0:
        await asyncio.sleep(min(_LOOK_S, left))
        found = await _events(call, query)
    return found


# ------------------------------------------------------------------------------------ parts


def _elsewhere(call: Call) -> str:
    """URI of the registry that is followed, if it is not this server's."""
    return call.state.settings.followed_registry


async def _columns(call: Call, spec: Spec) -> Any:
    if _elsewhere(call):
        return {}
    return await columns_of(call.state.artifacts, await call.read(specs.candidates, spec))


def _findings(applied: Applied) -> wire.SpecFindings:
    findings = applied.findings
    return wire.SpecFindings(
        name=applied.name,
        ok=not findings.wrong and not findings.doubtful,
        created=applied.created,
        changes=wire.changes(applied.changes),
        problems=wire.troubles(findings.wrong),
        doubts=wire.troubles(findings.doubtful),
        notes=list(findings.notes),
    )


def _deployment(of: Standing) -> wire.Deployment:
    row, state = of.row, of.state
    return wire.Deployment(
        name=row.name,
        environment=row.environment,
        spec=document(row.spec),
        phase=of.phase.value,
        told=of.told,
        wanted=wire.target(of.wanted) if of.wanted else None,
        why=of.why,
        stable=wire.running(of.stable, of.replicas),
        canary=wire.running(of.canary, of.replicas),
        previous=state.previous,
        paused=state.paused,
        held=wire.held(state.held),
        trouble=state.trouble,
        rollout=_rollout(of.rollout_id, of.rollout, of.ended_ms),
        traffic=wire.traffic(of.traffic),
        shadow=of.shadow,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
    )


def _revision(past: Past) -> wire.DeploymentRevision:
    revision = past.revision
    return wire.DeploymentRevision(
        number=revision.number,
        target=wire.target(revision.target),
        spec=document(revision.spec),
        created_ms=revision.created_ms,
        principal=revision.principal,
        reason=revision.reason,
        changes=wire.changes(past.changes),
        role=past.role,
        rollout=_rollout(past.rollout_id, past.rollout, past.ended_ms),
    )


def _rollout(number: int | None, of: Any, ended_ms: int | None) -> wire.Rollout | None:
    return None if number is None or of is None else wire.rollout(number, of, ended_ms)
