"""Logging metrics, params and tags: the endpoints that training calls thousands of times.

Bodies are decoded straight into typed structs; a body that does not fit them goes the slow way through `Fields`, which
finds out what is wrong with it, or accepts a spelling that the structs do not know.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.domain import validation
from modelyard.domain.logged_models import ModelMetric
from modelyard.domain.metrics import LARGEST, LogBatch, Points

from . import protojson
from .runs import run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.domain.principals import Principal

    from .protojson import Fields

_INT64 = 2**63


class _Metric(msgspec.Struct, gc=False):
    key: str
    value: float | str
    timestamp: int
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class _RunMetric(_Metric, gc=False):
    run_id: str = ""


class _Pair(msgspec.Struct, gc=False):
    key: str
    value: str = ""


class _Batch(msgspec.Struct, gc=False):
    run_id: str
    metrics: list[_Metric] = []
    params: list[_Pair] = []
    tags: list[_Pair] = []


_decode_metric = msgspec.json.Decoder(_RunMetric).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode


def _metric(fields: Fields) -> _Metric:
    return _Metric(
        fields.text("key", required=True),
        fields.number("value"),
        fields.integer("timestamp", 0, required=True),
        fields.integer("step", 0),
        fields.text("model_id"),
        fields.text("dataset_name"),
        fields.text("dataset_digest"),
    )


def _slow_metric(body: bytes) -> _RunMetric:
    fields = protojson.from_body(body)
    run = run_id(fields)
    metric = _metric(fields)
    return _RunMetric(**msgspec.structs.asdict(metric), run_id=run)


def _slow_batch(body: bytes) -> _Batch:
    fields = protojson.from_body(body)
    return _Batch(
        fields.text("run_id", required=True),
        [_metric(item) for item in fields.messages("metrics")],
        [_Pair(*pair) for pair in fields.pairs("params")],
        [_Pair(*pair) for pair in fields.pairs("tags")],
    )


def _finite(metric: _Metric, where: str) -> float:
    """The value as it is stored: a double, infinities clamped.

    Raises:
        InvalidArgument: a text that is no number.
    """
    value: Any = metric.value
    if type(value) is str:
        value = protojson.as_double(value)
        if value is None:
            why = f"(timestamp={metric.timestamp}). Please specify value as a valid double (64-bit floating point)"
            raise validation.invalid_value(f"{where}value", metric.value, why)
    number: float = value
    return min(max(number, -LARGEST), LARGEST) if number == number else number  # noqa: PLR0124 - NaN stays NaN


def _points(run: str, metrics: Sequence[_Metric], numbered: bool) -> tuple[Points, list[ModelMetric]]:  # noqa: FBT001
    """Checked metrics as columns, and those that also belong to logged models.

    Raises:
        InvalidArgument: a key, value, timestamp or step is not allowed.
    """
    points = Points(
        [metric.key for metric in metrics],
        [metric.value for metric in metrics],  # type: ignore[misc]
        [metric.timestamp for metric in metrics],
        [metric.step for metric in metrics],
    )
    if metrics and not _plain(points):
        # Something is unusual: find out what, point by point.
        points.values = [
            _checked_value(metric, f"metrics[{at}]." if numbered else "") for at, metric in enumerate(metrics)
        ]
    of_models = [
        ModelMetric(
            metric.model_id,
            run,
            metric.key,
            value,
            metric.timestamp,
            metric.step,
            metric.dataset_name or None,
            metric.dataset_digest or None,
        )
        for metric, value in zip(metrics, points.values, strict=True)
        if metric.model_id
    ]
    return points, of_models


def _plain(points: Points) -> bool:
    """Whether every key is allowed, every value a finite float, every time and step in range; column by column."""
    values = points.values
    return (
        all(key and validation.is_metric_key(key) for key in set(points.keys))
        and set(map(type, values)) == {float}
        # Infinite or NaN if one of them is; a sum that overflows only costs the slower look.
        and math.isfinite(sum(values))
        and min(points.timestamps) >= 0
        and max(points.timestamps) < _INT64
        and min(points.steps) >= -_INT64
        and max(points.steps) < _INT64
    )


def _checked_value(metric: _Metric, where: str) -> float:
    if not metric.key:
        raise protojson.missing(f"{where}key")
    validation.check_metric_key(metric.key, f"{where}name")
    value = _finite(metric, where)
    for name, number in (("timestamp", metric.timestamp), ("step", metric.step)):
        if not -_INT64 <= number < _INT64:
            raise protojson.invalid(f"{where}{name}", number, "a 64-bit integer was expected")
    validation.check_timestamp(metric.key, value, metric.timestamp, f"{where}timestamp")
    return value


def log_metric(body: bytes, _: Principal) -> LogBatch:
    try:
        metric = _decode_metric(body)
        if not metric.run_id or protojson.NUL in body:
            metric = _slow_metric(body)
    except (msgspec.MsgspecError, RecursionError):
        metric = _slow_metric(body)
    run = metric.run_id
    points, of_models = _points(run, (metric,), numbered=False)
    return LogBatch(run, points, model_metrics=of_models)


def log_batch(body: bytes, _: Principal) -> LogBatch:
    try:
        batch = _decode_batch(body)
        if protojson.NUL in body:
            batch = _slow_batch(body)
    except (msgspec.MsgspecError, RecursionError):
        batch = _slow_batch(body)
    run = batch.run_id
    if not run:
        raise protojson.missing("run_id")
    validation.check_run_id(run)
    points, of_models = _points(run, batch.metrics, numbered=True)
    params = [(pair.key, _checked(validation.check_param, pair, "params", at)) for at, pair in enumerate(batch.params)]
    tags = [(pair.key, _checked(validation.check_tag, pair, "tags", at)) for at, pair in enumerate(batch.tags)]
    validation.check_batch(len(batch.metrics), len(params), len(tags))
    validation.check_distinct_params([key for key, _ in params])
    return LogBatch(run, points, params, tags, of_models)


def _checked(check: Any, pair: _Pair, kind: str, index: int) -> str:
    if not pair.key:
        raise protojson.missing(f"{kind}[{index}].key")
    value: str = check(pair.key, pair.value, f"{kind}[{index}].key")
    return value


def log_parameter(body: bytes, _: Principal) -> LogBatch:
    fields = protojson.from_body(body)
    run, key = run_id(fields), fields.text("key", required=True)
    return LogBatch(run, params=[(key, validation.check_param(key, fields.text("value")))])


def set_tag(body: bytes, _: Principal) -> LogBatch:
    fields = protojson.from_body(body)
    run, key = run_id(fields), fields.text("key", required=True)
    return LogBatch(run, tags=[(key, validation.check_tag(key, fields.text("value")))])


def done(_: None) -> bytes:
    return b"{}"
