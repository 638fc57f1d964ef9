"""Logged models over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.logged_models import LoggedModelStatus
from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.services import logged_models
from modelyard.wire import logged_models as wire

from . import cursors
from .runs import checked, experiment_ids

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.logged_models import LoggedModel
    from modelyard.domain.principals import Principal
    from modelyard.server.call import Call

_LONGEST = 100_000


async def search(call: Call, body: wire.LoggedModelSearch) -> wire.LoggedModelPage:
    node = parse_filter(body.filter, "logged_models", "modelyard")
    order = parse_order_by(body.order_by, "logged_models", "modelyard")
    if any(key.field.kind == "metric" for key in order):
        raise InvalidArgument("Logged models cannot be sorted by metrics: each has many points. Use an attribute.")
    after = cursors.read_sorted(body.cursor, "logged_models", order)
    homes = await experiment_ids(call, body.experiment_ids)
    found, places = await call.scan(logged_models.page, homes, node, order, limit=body.limit + 1, after=after)
    return wire.LoggedModelPage(
        logged_models=[wire.logged_model(each) for each in found[: body.limit]],
        next_cursor=cursors.following(places, body.limit, "logged_models", order),
    )


async def create(call: Call, body: wire.NewLoggedModel) -> wire.LoggedModel:
    made = await call.write(
        logged_models.create,
        call.principal,
        body.experiment_id,
        name=body.name,
        model_type=body.model_type,
        source_run=body.source_run,
        params=checked(body.params, "params", _LONGEST),
        tags=checked(body.tags, "tags", _LONGEST),
    )
    return wire.logged_model(made)


async def get(call: Call) -> wire.LoggedModel:
    return wire.logged_model(await call.read(logged_models.get, call.path["model_id"]))


async def change(call: Call, body: wire.LoggedModelChange) -> wire.LoggedModel:
    checked(body.params, "params", _LONGEST)
    checked({key: value or "" for key, value in body.tags.items()}, "tags", _LONGEST)
    return wire.logged_model(await call.write(_change, call.principal, call.path["model_id"], body))


def _change(tx: Transaction, principal: Principal, model_id: str, body: wire.LoggedModelChange) -> LoggedModel:
    """One transaction, of as many service calls as parts change."""
    known = logged_models.get(tx, model_id)
    if body.status is not None:
        logged_models.finalize(tx, principal, model_id, LoggedModelStatus(body.status))
    logged_models.add_params(tx, principal, model_id, list(body.params.items()))
    kept = [(key, value) for key, value in body.tags.items() if value is not None]
    logged_models.set_tags(tx, principal, model_id, kept)
    for key, value in body.tags.items():
        if value is None and key in known.tags:
            logged_models.delete_tag(tx, principal, model_id, key)
    return logged_models.get(tx, model_id)


async def delete(call: Call) -> None:
    await call.write(logged_models.discard, call.principal, call.path["model_id"])
