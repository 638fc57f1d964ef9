"""Experiments over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.errors import NotFound
from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.services import experiments
from modelyard.wire import experiments as wire

from . import cursors

if TYPE_CHECKING:
    from modelyard.db.experiment_activity import Activity
    from modelyard.server.call import Call

_GREATEST = 2**63 - 1


def experiment_id(call: Call) -> int:
    """The experiment that the path names.

    Raises:
        NotFound: no experiment can have that id.
    """
    text = call.path["experiment_id"]
    if not (text.isascii() and text.isdigit()) or int(text[:40]) > _GREATEST or len(text) > 40:
        raise NotFound(f"No experiment has the id {text[:100]!r}; ids are whole numbers.")
    return int(text)


async def search(call: Call, query: wire.ExperimentSearch) -> wire.ExperimentPage:
    node = parse_filter(query.filter, "experiments", "modelyard")
    order = parse_order_by(query.order_by, "experiments", "modelyard")
    after = cursors.read_sorted(query.cursor, "experiments", order)
    found, places = await call.scan(experiments.page, node, order, query.view, limit=query.limit + 1, after=after)
    found = found[: query.limit]
    doing = await call.scan(experiments.activity, [each.id for each in found]) if query.activity else {}
    return wire.ExperimentPage(
        experiments=[wire.experiment(each, _activity(doing.get(each.id))) for each in found],
        next_cursor=cursors.following(places, query.limit, "experiments", order),
        total=await call.scan(experiments.count, node, query.view) if query.count else None,
    )


def _activity(of: Activity | None) -> wire.Activity | None:
    return wire.Activity(runs=of.runs, running=of.running, last_start_ms=of.last_start_ms) if of else None


async def create(call: Call, body: wire.NewExperiment) -> wire.Experiment:
    number = await call.write(
        experiments.create, call.principal, body.name, body.artifact_location, call.state.run_root, body.tags
    )
    return wire.experiment(await call.read(experiments.get, number))


async def get(call: Call) -> wire.Experiment:
    return wire.experiment(await call.read(experiments.get, experiment_id(call)))


async def change(call: Call, body: wire.ExperimentChange) -> wire.Experiment:
    number = experiment_id(call)
    changed = await call.write(experiments.change, call.principal, number, name=body.name, tags=body.tags)
    return wire.experiment(changed)


async def delete(call: Call) -> None:
    await call.write(experiments.delete, call.principal, experiment_id(call))


async def restore(call: Call) -> wire.Experiment:
    number = experiment_id(call)
    await call.write(experiments.restore, call.principal, number)
    return wire.experiment(await call.read(experiments.get, number))
