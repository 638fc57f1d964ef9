"""Registered models and their aliases over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.services import models, references
from modelyard.wire import models as wire
from modelyard.wire import versions as version_wire

from . import cursors
from .versions import resolve

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.models import RegisteredModel
    from modelyard.domain.principals import Principal
    from modelyard.domain.versions import ModelVersion
    from modelyard.server.call import Call


async def search(call: Call, query: wire.ModelSearch) -> wire.ModelPage:
    node = parse_filter(query.filter, "registered_models", "modelyard")
    order = parse_order_by(query.order_by, "registered_models", "modelyard")
    after = cursors.read_sorted(query.cursor, "models", order)
    found, places = await call.scan(models.search, node, order, limit=query.limit + 1, after=after)
    return wire.ModelPage(
        models=[wire.model(each) for each in found[: query.limit]],
        next_cursor=cursors.following(places, query.limit, "models", order),
        total=await call.scan(models.count, node) if query.count else None,
    )


async def create(call: Call, body: wire.NewModel) -> wire.Model:
    made = await call.write(
        models.create, call.principal, body.name, description=body.description, tags=body.tags, reason=body.reason
    )
    return wire.model(made)


async def get(call: Call) -> wire.Model:
    return wire.model(await call.read(models.get, call.path["name"]))


async def change(call: Call, body: wire.ModelChange) -> wire.Model:
    return wire.model(await call.write(_change, call.principal, call.path["name"], body))


def _change(tx: Transaction, principal: Principal, name: str, body: wire.ModelChange) -> RegisteredModel:
    """One transaction, of as many service calls as parts change."""
    models.get(tx, name)
    if body.name is not None and body.name != name:
        models.rename(tx, principal, name, body.name, reason=body.reason)
        name = body.name
    if body.description is not UNSET:
        models.update(tx, principal, name, body.description, reason=body.reason)
    for key, value in body.tags.items():
        if value is None:
            models.delete_tag(tx, principal, name, key, reason=body.reason)
        else:
            models.set_tag(tx, principal, name, key, value, reason=body.reason)
    return models.get(tx, name)


async def delete(call: Call, query: version_wire.WithReason) -> None:
    await call.write(models.delete, call.principal, call.path["name"], reason=query.reason)


# ------------------------------------------------------------------------------------ aliases


async def get_alias(call: Call) -> version_wire.Version:
    return version_wire.version(await call.read(resolve, call.path["name"], "@" + call.path["alias"]))


async def set_alias(call: Call, body: version_wire.PointTo) -> version_wire.Version:
    return version_wire.version(
        await call.write(_set_alias, call.principal, call.path["name"], call.path["alias"], body)
    )


def _set_alias(
    tx: Transaction, principal: Principal, name: str, alias: str, body: version_wire.PointTo
) -> ModelVersion:
    target = resolve(tx, name, str(body.version))
    models.set_alias(tx, principal, name, alias, target.number, reason=body.reason)
    return references.get(tx, name, target.number)


async def delete_alias(call: Call, query: version_wire.WithReason) -> None:
    name, alias = call.path["name"], call.path["alias"]
    await call.write(models.delete_alias, call.principal, name, alias, reason=query.reason)
