"""Runs over the native API."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from modelyard.domain import validation
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.metrics import LARGEST, LogBatch, Points
from modelyard.domain.runs import Dataset, DatasetInput, ModelLink, RunStatus, plan
from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.domain.selection import EVERYTHING, parse_selection
from modelyard.services import datasets, experiments, logged_models, runs
from modelyard.services.clock import now_ms
from modelyard.wire import runs as wire

from . import cursors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.db.columns import ColumnStore
    from modelyard.db.transaction import Transaction
    from modelyard.domain.runs import Run
    from modelyard.domain.search import Node, OrderKey
    from modelyard.domain.selection import Selection
    from modelyard.server.call import Call


async def experiment_ids(call: Call, asked: list[int] | None) -> list[int]:
    """The experiments that were asked for; without a word, all that are not in the trash."""
    return await call.read(experiments.active_ids) if asked is None else asked


async def search(call: Call, body: wire.RunSearch) -> bytes:
    node = parse_filter(body.filter, "runs", "modelyard")
    order = parse_order_by(body.order_by, "runs", "modelyard")
    wanted = parse_selection(body.fields)
    after = cursors.read(body.cursor, "runs", order)
    if body.offset is not None and body.cursor:
        raise InvalidArgument("Say either `cursor` or `offset`.", [("/offset", "There is a cursor, too.")])
    # In a transaction of its own: a search of columns must be the first thing in its.
    homes = await experiment_ids(call, body.experiment_ids)
    columns = call.state.columns

    if body.offset is not None:
        return await call.scan(_window, columns, homes, node, order, body, wanted)

    def find(tx: Transaction) -> bytes:  # encoded beside the event loop: runs may be long, and many
        found, page = runs.page(tx, columns, homes, node, order, body.view, body.limit, after, wanted)
        answer = wire.RunPage(
            runs=[wire.run(each, wanted, body.best) for each in found],
            next_cursor=cursors.write(page.last, "runs", order) if page.last is not None else None,
            total=page.total if body.count else None,
            place=None,
        )
        return msgspec.json.encode(answer)

    return await call.scan(find)


def _window(
    tx: Transaction,
    columns: ColumnStore,
    homes: list[int],
    node: Node | None,
    order: Sequence[OrderKey],
    body: wire.RunSearch,
    wanted: Selection,
) -> bytes:
    found, window = runs.window(
        tx, columns, homes, node, order, body.view, body.limit, body.offset or 0, body.locate, wanted
    )
    answer = wire.RunPage(
        runs=[wire.run(each, wanted, body.best) for each in found],
        next_cursor=None,
        total=window.total if body.count else None,
        place=window.place,
    )
    return msgspec.json.encode(answer)


async def count(call: Call, body: wire.RunCount) -> wire.Counted:
    node = parse_filter(body.filter, "runs", "modelyard")
    homes = await experiment_ids(call, body.experiment_ids)
    return wire.Counted(count=await call.scan(runs.count, call.state.columns, homes, node, body.view))


async def create(call: Call, body: wire.NewRun) -> wire.Run:
    if (body.experiment_id is None) == (body.experiment_name is None):
        raise InvalidArgument("Say either `experiment_id` or `experiment_name`.")
    new = plan(
        body.experiment_id or 0,
        name=body.name,
        start_ms=now_ms() if body.start_ms is None else body.start_ms,
        user_id=body.user,
        created_by=call.principal.name,
        tags=checked(body.tags, "tags", validation.LONGEST_TAG),
        uuid=body.run_id or uuid4().hex,
    )
    run: Run
    if body.run_id is None and body.experiment_name is None:
        run = await call.state.database.writer.bulk(new)
        return wire.run(run, EVERYTHING)

    def start(tx: Transaction) -> Run:
        wanted = new
        if body.experiment_name is not None:
            home = experiments.named(tx, call.principal, body.experiment_name, call.state.run_root)
            wanted = replace(new, experiment_id=home)
        if body.start_ms is None:
            return runs.ensure(tx, wanted, any_start=True)
        return runs.ensure(tx, wanted)

    run = await call.write(start)
    return wire.run(run, EVERYTHING)


async def get(call: Call, query: wire.RunQuery) -> wire.Run:
    wanted = parse_selection(query.fields)
    return wire.run(await call.read(runs.parts, call.path["run_id"], wanted), wanted, query.best)


async def change(call: Call, body: wire.RunChange) -> wire.Run:
    status = RunStatus(body.status) if body.status else None
    changed = await call.write(
        runs.change, call.path["run_id"], name=body.name, status=status, end_ms=body.end_ms, tags=body.tags
    )
    return wire.run(changed, EVERYTHING)


async def delete(call: Call) -> None:
    await call.write(runs.delete, call.path["run_id"])


async def restore(call: Call) -> wire.Run:
    await call.write(runs.restore, call.path["run_id"])
    return wire.run(await call.read(runs.parts, call.path["run_id"], EVERYTHING), EVERYTHING)


async def log(call: Call, body: wire.Log) -> None:
    points = Points()
    now, known = now_ms(), set()
    for at, metric in enumerate(body.metrics):
        if metric.key not in known:
            validation.check_metric_key(metric.key, f"metrics[{at}].key")
            known.add(metric.key)
        points.keys.append(metric.key)
        points.values.append(math.nan if metric.value is None else min(max(metric.value, -LARGEST), LARGEST))
        points.timestamps.append(now if metric.timestamp_ms is None else metric.timestamp_ms)
        points.steps.append(metric.step)
    params = checked(body.params, "params", validation.LONGEST_PARAM)
    tags = checked(body.tags, "tags", validation.LONGEST_TAG)
    await call.state.database.writer.bulk(LogBatch(call.path["run_id"], points, params, tags))


def checked(pairs: Mapping[str, str], kind: str, longest: int) -> list[tuple[str, str]]:
    """Pairs whose keys are allowed and whose values can be kept whole.

    Raises:
        InvalidArgument: so they are not.
    """
    for key, value in pairs.items():
        if not key:
            raise InvalidArgument(f"A key in `{kind}` is empty.")
        validation.check_key(key, f"{kind}.{key[:250]}")
        validation.check_length(f"{kind}.{key}", value, longest)
    return list(pairs.items())


async def inputs(call: Call, body: wire.Inputs) -> None:
    uses = [
        DatasetInput(
            Dataset(each.name, each.digest, each.source_type, each.source, each.schema, each.profile),
            tuple(each.tags.items()),
        )
        for each in body.datasets
    ]
    await call.write(datasets.log_inputs, call.principal, call.path["run_id"], uses, body.models)


async def outputs(call: Call, body: wire.Outputs) -> None:
    links = [ModelLink(each.model_id, "output", each.step) for each in body.models]
    await call.write(logged_models.log_outputs, call.principal, call.path["run_id"], links)
