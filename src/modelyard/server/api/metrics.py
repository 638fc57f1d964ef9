"""Series of metrics over the native API: columns, down-sampled by the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from modelyard.domain.errors import InvalidArgument
from modelyard.services import metrics
from modelyard.wire import metrics as wire

if TYPE_CHECKING:
    from modelyard.db.series import Points
    from modelyard.db.transaction import Transaction
    from modelyard.server.call import Call

MOST_POINTS = 2_000_000
"""Points in one answer."""


def _series(run_id: str, key: str, points: Points, total: int) -> wire.Series:
    columns = points.steps.tolist(), points.timestamps.tolist(), points.values.tolist()
    return wire.series(run_id, key, *columns, total)


async def one(call: Call, query: wire.SeriesQuery) -> bytes:
    history, run_id, key = call.state.history, call.path["run_id"], call.path["key"]

    def read(tx: Transaction) -> bytes:  # encoded beside the event loop: there may be a million points
        drawn = metrics.drawn_of(tx, history, run_id, key, query.points, query.by, query.start, query.end)
        return msgspec.json.encode(_series(run_id, key, *drawn))

    return await call.scan(read)


async def points(call: Call, body: wire.PointBatch) -> None:
    await call.state.database.writer.bulk(metrics.batch(body.runs, body.keys, body.points))


async def several(call: Call, body: wire.SeriesSearch) -> bytes:
    pairs = [(run, key) for run in dict.fromkeys(body.run_ids) for key in dict.fromkeys(body.keys)]
    if len(pairs) * body.points > MOST_POINTS:
        raise InvalidArgument(
            f"{len(pairs)} series of {body.points} points are {len(pairs) * body.points} points; "
            f"at most {MOST_POINTS} are answered. Ask for fewer runs, keys or points."
        )
    history = call.state.history

    def read(tx: Transaction) -> bytes:
        found = []
        for run, key in pairs:
            points, total = metrics.drawn(tx, history, run, key, body.points, body.by, body.start, body.end)
            if total:
                found.append(_series(run, key, points, total))
        return msgspec.json.encode(wire.SeriesList(series=found))

    return await call.scan(read)
