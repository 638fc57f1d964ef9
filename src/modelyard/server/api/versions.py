"""Model versions over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.search import And, Comparison, Field, Op, parse_filter, parse_order_by
from modelyard.domain.versions import NewVersion
from modelyard.services import models, references, versions
from modelyard.wire import versions as wire

from . import cursors

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.principals import Principal
    from modelyard.domain.search import Node
    from modelyard.domain.versions import ModelVersion
    from modelyard.server.call import Call


def resolve(tx: Transaction, model: str, reference: str) -> ModelVersion:
    """The version that a reference in a path means; an alias that is not there is not found, rather than misspelt.

    Raises:
        NotFound: nothing is meant.
        InvalidArgument: the reference is none.
    """
    try:
        return references.resolve(tx, model, reference)
    except InvalidArgument as error:
        if reference.startswith("@"):
            raise NotFound(error.message) from None
        raise


async def search(call: Call, query: wire.VersionSearch) -> wire.VersionPage:
    return await _page(call, query, parse_filter(query.filter, "model_versions", "modelyard"))


async def of_model(call: Call, query: wire.VersionSearch) -> wire.VersionPage:
    model = await call.read(models.get, call.path["name"])
    node = parse_filter(query.filter, "model_versions", "modelyard")
    its: Node = Comparison(Field("attribute", "name"), Op.EQ, model.name)
    if node is not None:
        its = And((its, *node.items)) if isinstance(node, And) else And((its, node))
    return await _page(call, query, its)


async def _page(call: Call, query: wire.VersionSearch, node: Node | None) -> wire.VersionPage:
    order = parse_order_by(query.order_by, "model_versions", "modelyard")
    after = cursors.read_sorted(query.cursor, "versions", order)
    limit = query.limit
    found, places = await call.scan(versions.search, node, order, limit=limit + 1, after=after, with_aliases=True)
    return wire.VersionPage(
        versions=[wire.version(each) for each in found[:limit]],
        next_cursor=cursors.following(places, limit, "versions", order),
        total=await call.scan(versions.count, node) if query.count else None,
    )


async def create(call: Call, body: wire.NewVersion) -> wire.Version:
    new = NewVersion(
        source=body.source,
        run_id=body.run_id,
        run_link=body.run_link,
        description=body.description,
        logged_model_id=body.logged_model_id,
        label=body.label,
        user_id=body.user,
        tags=body.tags,
    )
    return wire.version(await call.write(versions.create, call.principal, call.path["name"], new, reason=body.reason))


async def get(call: Call) -> wire.Version:
    return wire.version(await call.read(resolve, call.path["name"], call.path["version"]))


async def change(call: Call, body: wire.VersionChange) -> wire.Version:
    name, reference = call.path["name"], call.path["version"]
    return wire.version(await call.write(_change, call.principal, name, reference, body))


def _change(tx: Transaction, principal: Principal, name: str, reference: str, body: wire.VersionChange) -> ModelVersion:
    """One transaction, of as many service calls as parts change."""
    number = resolve(tx, name, reference).number
    if body.label is not UNSET:
        versions.set_label(tx, principal, name, number, body.label, reason=body.reason)
    if body.description is not UNSET:
        versions.update(tx, principal, name, number, body.description, reason=body.reason)
    if body.stage is not None:
        versions.transition(tx, principal, name, number, body.stage, archive=body.archive_others, reason=body.reason)
    elif body.archive_others:
        raise InvalidArgument("archive_others goes with a stage: say which.", [("/archive_others", "needs a stage")])
    for key, value in body.tags.items():
        if value is None:
            versions.delete_tag(tx, principal, name, number, key, reason=body.reason)
        else:
            versions.set_tag(tx, principal, name, number, key, value, reason=body.reason)
    return references.get(tx, name, number)


async def delete(call: Call, query: wire.WithReason) -> None:
    await call.write(_delete, call.principal, call.path["name"], call.path["version"], query.reason)


def _delete(tx: Transaction, principal: Principal, name: str, reference: str, reason: str) -> None:
    versions.delete(tx, principal, name, resolve(tx, name, reference).number, reason=reason)
