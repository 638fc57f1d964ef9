"""Policies, promotions and evaluations over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.errors import NotFound
from modelyard.domain.policies import Evaluation
from modelyard.services import environments, policies
from modelyard.wire import policies as wire

from .versions import resolve

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.policies import Explanation, Policy
    from modelyard.domain.principals import Principal
    from modelyard.server.call import Call
    from modelyard.wire import versions as version_wire


async def listing(call: Call) -> wire.PolicyList:
    return wire.policies(await call.read(policies.listing))


async def get(call: Call) -> wire.PolicyEntry:
    return await _read(call, "")


async def get_of_slot(call: Call) -> wire.PolicyEntry:
    return await _read(call, call.path["slot"])


async def put(call: Call, body: wire.PolicyChange) -> wire.PolicyEntry:
    return await _write(call, "", body)


async def put_of_slot(call: Call, body: wire.PolicyChange) -> wire.PolicyEntry:
    return await _write(call, call.path["slot"], body)


async def delete(call: Call, query: version_wire.WithReason) -> None:
    await _remove(call, "", query)


async def delete_of_slot(call: Call, query: version_wire.WithReason) -> None:
    await _remove(call, call.path["slot"], query)


async def _read(call: Call, slot: str) -> wire.PolicyEntry:
    environment, found = await call.read(_get, call.path["environment"], slot)
    return wire.PolicyEntry(environment=environment, slot=slot, policy=wire.policy(found))


def _get(tx: Transaction, environment: str, slot: str) -> tuple[str, Policy]:
    name = environments.get(tx, environment).name
    found = next((each[2] for each in policies.listing(tx, name) if each[1] == slot), None)
    if found is None:
        whose = f"slot {slot!r} of {name!r}" if slot else f"environment {name!r}"
        raise NotFound(f"There is no policy of {whose}.")
    return name, found


async def _write(call: Call, slot: str, body: wire.PolicyChange) -> wire.PolicyEntry:
    environment, new = call.path["environment"], wire.read(body.policy)
    await call.write(policies.put, call.principal, environment, slot, new, reason=body.reason)
    return wire.PolicyEntry(environment=environment.lower(), slot=slot, policy=wire.policy(new))


async def _remove(call: Call, slot: str, query: version_wire.WithReason) -> None:
    await call.write(policies.put, call.principal, call.path["environment"], slot, None, reason=query.reason)


async def explain(call: Call, body: wire.ExplainQuery) -> wire.Explanation:
    environment, slot = call.path["environment"], call.path["slot"]
    instead = None if body.policy is None else wire.read(body.policy)
    found, by = await call.read(_explain, environment, slot, instead)
    return wire.explanation(environment.lower(), slot, found, by)


def _explain(tx: Transaction, environment: str, slot: str, instead: Policy | None) -> tuple[Explanation, Policy]:
    found = policies.explain(tx, environment, slot, instead=instead)
    if instead is None:
        return found, policies.effective(tx, environment, slot)
    return found, instead


async def promote(call: Call, body: wire.Promotion) -> wire.Explanation:
    environment, name = call.path["environment"], call.path["name"]
    found, by = await call.write(_promote, call.principal, name, environment, body)
    return wire.explanation(environment.lower(), body.slot or name, found, by)


def _promote(
    tx: Transaction, principal: Principal, name: str, environment: str, body: wire.Promotion
) -> tuple[Explanation, Policy]:
    target = resolve(tx, name, str(body.version))
    found = policies.promote(
        tx,
        principal,
        name,
        target.number,
        environment,
        allowance=body.allowance,
        slot=body.slot or None,
        reason=body.reason,
    )
    return found, policies.effective(tx, environment, body.slot or name)


async def last_promotion(call: Call) -> wire.LastPromotion:
    found = await call.read(policies.last_promotion, call.path["name"], call.path["environment"])
    what = found.what
    return wire.LastPromotion(
        slot=what["slot"],
        before=what["from"],
        after=what["to"],
        allowance_before=(what["policy"] or {}).get("allowance"),
        allowance_after=(what["raised"] or {}).get("allowance"),
        at_ms=found.at_ms,
        principal=found.principal,
        obstacle=found.obstacle,
    )


async def undo(call: Call, query: version_wire.WithReason) -> wire.Undone:
    environment, name = call.path["environment"], call.path["name"]
    what = await call.write(policies.undo, call.principal, name, environment, reason=query.reason)
    return wire.Undone(slot=what["slot"], before=what["from"], after=what["to"])


async def evaluate(call: Call, body: wire.NewEvaluation) -> wire.EvaluationList:
    return wire.evaluations(await call.write(_evaluate, call.principal, call.path["name"], call.path["version"], body))


def _evaluate(
    tx: Transaction, principal: Principal, name: str, reference: str, body: wire.NewEvaluation
) -> list[Evaluation]:
    version = resolve(tx, name, reference).number
    measured = [
        Evaluation(version, body.dataset_digest, body.dataset_name, metric, value, 0, "")
        for metric, value in body.metrics.items()
    ]
    return policies.evaluate(tx, principal, name, version, measured)


async def evaluations(call: Call) -> wire.EvaluationList:
    return wire.evaluations(await call.read(policies.evaluations, call.path["name"]))
