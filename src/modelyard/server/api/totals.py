"""How much there is, over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.services import totals
from modelyard.wire import totals as wire

if TYPE_CHECKING:
    from modelyard.server.call import Call


async def get(call: Call) -> wire.Totals:
    return wire.totals(await call.scan(totals.count))
