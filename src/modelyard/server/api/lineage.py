"""Where versions come from and where they go, over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.domain.selection import parse_selection
from modelyard.services import lineage
from modelyard.wire import lineage as wire

if TYPE_CHECKING:
    from modelyard.server.call import Call


async def of_model(call: Call, query: wire.LineageQuery) -> wire.Lineage:
    wanted, name = parse_selection(query.fields), call.path["name"]
    if query.version:
        try:
            found = [await call.scan(lineage.of_version, name, query.version, wanted)]
        except InvalidArgument as error:
            if query.version.startswith("@"):
                raise NotFound(error.message) from None
            raise
    else:
        found = await call.scan(lineage.of_model, name, wanted, limit=query.limit, before=query.before)
    return wire.Lineage(versions=[wire.lineage(each, wanted) for each in found])
