"""What gateways ask and tell, over the native API."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from modelyard.domain.measurements import Counts, Measured, Whose
from modelyard.http.asgi import answered
from modelyard.services import gateways
from modelyard.services.clock import now_ms
from modelyard.wire import routing as wire

if TYPE_CHECKING:
    from modelyard.server.call import Call

log = logging.getLogger("modelyard.api")

_HEARD_MS: Final = 5_000
"""A gateway's asking is written down when its generation changes, and so often."""


async def routing(call: Call, query: wire.RoutingQuery) -> bytes:
    board = call.state.board
    if query.gateway:
        _heard(call, query.gateway, query.since)
    newest = asyncio.ensure_future(board.newer(query.since, query.wait_s, partial(call.read, gateways.newest)))
    if not newest.done() and not await answered(newest, call.receive):
        newest.cancel()  # the gateway has gone
        return b"{}"
    generation, document = await newest
    return f'{{"generation":"{generation}","deployments":{document}}}'.encode()


def _heard(call: Call, name: str, generation: str) -> None:
    """Write down that a gateway works by a generation. Nobody waits for it: a report says it, too."""
    now, known = now_ms(), call.state.gateways
    before = known.get(name)
    if before is not None and before[0] == generation and 0 <= now - before[1] < _HEARD_MS:
        return
    known[name] = (generation, now)
    written = call.state.database.writer.submit(lambda tx: gateways.heard(tx, name, generation, now))
    written.add_done_callback(partial(_written, call, name))


def _written(call: Call, name: str, written: asyncio.Future[None]) -> None:
    if not written.cancelled() and (error := written.exception()) is not None:
        log.debug("a gateway's generation was not written: %s", error)
        call.state.gateways.pop(name, None)
    else:
        call.state.wake()


async def report(call: Call, body: wire.GatewayReport) -> wire.Reported:
    now = now_ms()
    measured = [_measured(each) for each in body.measured]
    ahead_s = round((body.now_ms - now) / 1000) if body.now_ms else 0
    known = await call.write(
        gateways.report, body.gateway, body.number, body.generation, body.url, measured, ahead_s, now
    )
    call.state.wake()
    return wire.Reported(known=known)


def _measured(each: wire.Measured) -> Measured:
    counts = Counts(
        each.requests, each.errors, each.labelled, each.positives, each.pairs, each.disagreements,
        each.latency, each.scores, each.outputs,
    )  # fmt: skip
    return Measured(each.deployment, each.second, Whose(each.revision, each.endpoint, each.role, each.segment), counts)


async def listing(call: Call) -> wire.GatewayList:
    generation, found = await call.read(gateways.listing)
    now = now_ms()
    shown = [
        wire.Gateway(
            name=each.name,
            url=each.url,
            generation=each.generation,
            seen_ms=each.seen_ms,
            live=now - each.seen_ms < gateways.LIVE_MS,
        )
        for each in found
    ]
    return wire.GatewayList(generation=generation, gateways=shown)


async def rates(call: Call) -> wire.RateList:
    since, found = await call.scan(gateways.rates, now_ms())
    told = [
        wire.DeploymentRate(deployment=name, requests=asked, errors=wrong) for name, (asked, wrong) in found.items()
    ]
    return wire.RateList(from_s=since, step_s=gateways.RATE_STEP_S, rates=told)


async def measurements(call: Call, query: wire.MeasurementQuery) -> wire.MeasurementPage:
    found = await call.scan(gateways.charted, call.path["name"], query.since_ms, query.until_ms, query.step_s, now_ms())
    series = [_series(whose, whole, points) for (whose, whole), points in sorted(found.items())]
    return wire.MeasurementPage(step_s=query.step_s, series=series)


def _series(whose: Whose, whole: bool, points: dict[int, Counts]) -> wire.MeasuredSeries:  # noqa: FBT001 - a key's part
    counts = list(points.values())
    return wire.MeasuredSeries(
        revision=whose.revision,
        endpoint=whose.endpoint,
        role=whose.role,
        segment=None if whole else whose.segment,
        at_s=list(points),
        requests=[each.requests for each in counts],
        errors=[each.errors for each in counts],
        p50_s=[each.quantile(0.5) for each in counts],
        p95_s=[each.quantile(0.95) for each in counts],
        p99_s=[each.quantile(0.99) for each in counts],
        labelled=[each.labelled for each in counts],
        positives=[each.positives for each in counts],
        pairs=[each.pairs for each in counts],
        disagreements=[each.disagreements for each in counts],
        mean_score=[each.mean_score for each in counts],
    )
