"""The registry's history over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.services import history
from modelyard.wire import history as wire

from . import cursors

if TYPE_CHECKING:
    from modelyard.server.call import Call


async def everything(call: Call, query: wire.HistoryQuery) -> wire.EventPage:
    return await _page(call, None, None, query.limit, query.cursor)


async def of_model(call: Call, query: wire.ModelHistoryQuery) -> wire.EventPage:
    return await _page(call, call.path["name"], query.version, query.limit, query.cursor)


async def _page(call: Call, model: str | None, version: int | None, limit: int, cursor: str) -> wire.EventPage:
    of = f"history {version} {model}"
    last = cursors.read(cursor, of)
    before = None if last is None else int(last[0] or 0)
    found = await call.scan(history.events, model, version, limit=limit + 1, before=before)
    return wire.EventPage(
        events=[wire.event(each) for each in found[:limit]],
        next_cursor=cursors.following([(each.id,) for each in found], limit, of),
    )
