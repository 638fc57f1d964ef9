"""What a table of runs is made of, over the native API."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from modelyard.domain.search import parse_filter
from modelyard.services import run_tables
from modelyard.wire import run_tables as wire

from .runs import experiment_ids

if TYPE_CHECKING:
    from modelyard.db.run_groups import Groups
    from modelyard.db.run_keys import KeyUse
    from modelyard.db.transaction import Transaction
    from modelyard.server.call import Call


async def keys(call: Call, body: wire.KeySearch) -> wire.KeyList:
    homes = await experiment_ids(call, body.experiment_ids)
    found, looked = await call.scan(run_tables.keys, call.state.key_counts, homes, body.newest, every=body.every)
    lists = {kind: [_key(use) for use in uses] for kind, uses in found.items()}
    return wire.KeyList(params=lists["params"], metrics=lists["metrics"], tags=lists["tags"], of_newest=looked)


def _key(of: KeyUse) -> wire.KeyUse:
    return wire.KeyUse(key=of.key, runs=of.runs, numeric=of.numeric, min=of.low, max=of.high)


async def values(call: Call, body: wire.ValueSearch) -> wire.ValueList:
    field = run_tables.field_of(body.field)
    node = parse_filter(body.filter, "runs", "modelyard")
    homes = await experiment_ids(call, body.experiment_ids)
    found = await call.scan(
        run_tables.values, call.state.columns, homes, node, body.view, field, body.contains, body.limit
    )
    return wire.ValueList(
        values=[wire.ValueUse(value=text, runs=count) for text, count in found.texts],
        distinct=found.distinct,
        min=found.low,
        max=found.high,
    )


async def groups(call: Call, body: wire.GroupSearch) -> bytes:
    node = parse_filter(body.filter, "runs", "modelyard")
    by, numbers = run_tables.texts_of(body.by), run_tables.numbers_of(body.numbers)
    homes = await experiment_ids(call, body.experiment_ids)
    columns = call.state.columns

    def find(tx: Transaction) -> bytes:
        found, places = run_tables.grouped(tx, columns, homes, node, body.view, by, numbers, body.order_by)
        shown = places[body.offset : body.offset + body.limit].tolist()
        answer = wire.GroupList(
            groups=[_group(found, at) for at in shown], total=len(places), runs=int(found.runs.sum())
        )
        return msgspec.json.encode(answer)

    return await call.scan(find)


def _group(of: Groups, at: int) -> wire.Group:
    return wire.Group(
        values=[values[at] for values in of.values],
        runs=int(of.runs[at]),
        newest_ms=int(of.newest[at]) or None,
        numbers=[
            wire.Spread(
                count=int(counts[at]),
                mean=_finite(means[at]),
                min=_finite(lows[at]),
                max=_finite(highs[at]),
                std=_finite(deviations[at]),
            )
            for counts, means, lows, highs, deviations in zip(
                of.counts, of.means, of.lows, of.highs, of.deviations, strict=True
            )
        ],
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


async def change(call: Call, body: wire.RunsChange) -> wire.ChangedRuns:
    return wire.ChangedRuns(changed=await call.write(run_tables.change, body.run_ids, body.tags, body.lifecycle))
