"""The history of metrics as MLflow's clients and charts read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from modelyard.db.sampling import MAX_SAMPLED_RUNS, MAX_SAMPLED_STEPS
from modelyard.domain.errors import InvalidArgument
from modelyard.services import metrics

from . import paging, protojson
from .runs import run_id

if TYPE_CHECKING:
    from modelyard.db.series import Points
    from modelyard.server.call import Call

    from .protojson import Fields

MOST_BULK_POINTS = 25_000
_encode = msgspec.json.Encoder().encode


class _Point(msgspec.Struct, gc=False):
    key: str
    value: float | str
    timestamp: int
    step: int


class _RunPoint(msgspec.Struct, gc=False):
    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str


def _values(points: Points) -> list[float | str]:
    values: list[float | str] = points.values.tolist()
    if not np.isfinite(points.values).all():
        values = [protojson.double(value) for value in values]  # type: ignore[arg-type]
    return values


def _own(key: str, points: Points) -> list[_Point]:
    columns = zip(_values(points), points.timestamps.tolist(), points.steps.tolist(), strict=True)
    return [_Point(key, value, timestamp, step) for value, timestamp, step in columns]


def _of_run(key: str, points: Points, run: str) -> list[_RunPoint]:
    columns = zip(_values(points), points.timestamps.tolist(), points.steps.tolist(), strict=True)
    return [_RunPoint(key, value, timestamp, step, run) for value, timestamp, step in columns]


async def get_history(call: Call, fields: Fields) -> Any:
    run, key = run_id(fields), fields.text("metric_key", required=True)
    limit = fields.integer("max_results")
    offset = paging.offset_of(fields.text("page_token"))
    if limit is not None and limit < 0:
        raise InvalidArgument(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
        )

    def work(tx: Any) -> bytes:
        points = metrics.history(tx, call.state.history, run, key)
        total = len(points)
        # MLflow reads an absent limit as 0 and answers nothing; everything is what the caller meant.
        page = points.take(slice(offset, offset + limit if limit else None))
        if not len(page):
            return b"{}"
        body: dict[str, Any] = {"metrics": _own(key, page)}
        if offset + len(page) < total:
            body["next_page_token"] = paging.token_for(offset + len(page))
        return _encode(body)

    return await call.scan(work)


async def get_history_bulk(call: Call, fields: Fields) -> Any:
    runs = fields.texts("run_id")
    if not runs:
        raise InvalidArgument("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(runs) > MAX_SAMPLED_RUNS:
        raise InvalidArgument(
            f"GetMetricHistoryBulk request cannot specify more than {MAX_SAMPLED_RUNS} run_ids. "
            f"Received {len(runs)} run_ids."
        )
    key = fields.text("metric_key")
    if not key:
        raise InvalidArgument("GetMetricHistoryBulk request must specify a metric_key.")
    limit = min(fields.integer("max_results", MOST_BULK_POINTS), MOST_BULK_POINTS)

    def work(tx: Any) -> bytes:
        found: list[_RunPoint] = []
        for run in sorted(set(runs)):
            points = metrics.history(tx, call.state.history, run, key)
            found += _of_run(key, points.take(slice(0, max(0, limit - len(found)))), run)
        return _encode({"metrics": found})

    return await call.scan(work)


async def get_history_bulk_interval(call: Call, fields: Fields) -> Any:
    runs = fields.texts("run_ids")
    if not runs:
        raise protojson.missing("run_ids")
    if len(runs) > MAX_SAMPLED_RUNS:
        raise InvalidArgument(
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_SAMPLED_RUNS} run_ids. "
            f"Received {len(runs)} run_ids. See the API docs for more information about request parameters."
        )
    key = fields.text("metric_key", required=True)
    most = fields.integer("max_results", MAX_SAMPLED_STEPS)
    if not 1 <= most <= MAX_SAMPLED_STEPS:
        raise InvalidArgument(
            f"max_results must be between 1 and {MAX_SAMPLED_STEPS}. "
            "See the API docs for more information about request parameters."
        )
    start, end = fields.integer("start_step"), fields.integer("end_step")

    def work(tx: Any) -> bytes:
        found = metrics.sampled(tx, call.state.history, runs, key, start, end, most)
        points = [point for run, series in found for point in _of_run(key, series, run)]
        return _encode({"metrics": points}) if points else b"{}"

    return await call.scan(work)
