"""Environments, and what models have in them, over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.errors import NotFound
from modelyard.services import environments, references, versions
from modelyard.wire import environments as wire
from modelyard.wire import versions as version_wire

from .versions import resolve

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.environments import Environment
    from modelyard.domain.models import Alias
    from modelyard.domain.principals import Principal
    from modelyard.domain.versions import ModelVersion
    from modelyard.server.call import Call


async def listing(call: Call) -> wire.EnvironmentList:
    return wire.environments(await call.read(environments.listing))


async def create(call: Call, body: wire.NewEnvironment) -> wire.Environment:
    made = await call.write(environments.create, call.principal, body.name, after=body.after, reason=body.reason)
    return wire.environment(made)


async def replace(call: Call, body: wire.NewEnvironmentList) -> wire.EnvironmentList:
    return wire.environments(
        await call.write(environments.replace, call.principal, body.environments, reason=body.reason)
    )


async def delete(call: Call, query: version_wire.WithReason) -> None:
    await call.write(environments.remove, call.principal, call.path["environment"], reason=query.reason)


# ------------------------------------------------------------------------------------ of a model


async def pointers(call: Call) -> wire.PointerList:
    return wire.pointers(*await call.read(_pointers, call.path["name"]))


def _pointers(tx: Transaction, name: str) -> tuple[list[Alias], tuple[Environment, ...]]:
    return environments.pointers(tx, name), environments.listing(tx)


async def get(call: Call) -> version_wire.Version:
    return version_wire.version(await call.read(_get, call.path["name"], call.path["environment"]))


def _get(tx: Transaction, name: str, environment: str) -> ModelVersion:
    wanted = environments.get(tx, environment).name
    for alias in environments.pointers(tx, name):
        if alias.environment == wanted:
            return references.get(tx, name, alias.version)
    raise NotFound(f"No version of {name!r} is in the environment {wanted!r}.")


async def move(call: Call, body: version_wire.PointTo) -> version_wire.Version:
    name, environment = call.path["name"], call.path["environment"]
    return version_wire.version(await call.write(_move, call.principal, name, environment, body))


def _move(
    tx: Transaction, principal: Principal, name: str, environment: str, body: version_wire.PointTo
) -> ModelVersion:
    target = resolve(tx, name, str(body.version))
    environments.move(tx, principal, name, environment, target.number, reason=body.reason)
    return references.get(tx, name, target.number)


async def clear(call: Call, query: version_wire.WithReason) -> None:
    name, environment = call.path["name"], call.path["environment"]
    await call.write(environments.clear, call.principal, name, environment, reason=query.reason)


async def at(call: Call, query: wire.At) -> wire.PointedAt:
    name, environment = call.path["name"], call.path["environment"]
    version = await call.read(versions.in_environment_at, name, environment, query.time_ms)
    return wire.PointedAt(model=name, environment=environment.lower(), time_ms=query.time_ms, version=version)
