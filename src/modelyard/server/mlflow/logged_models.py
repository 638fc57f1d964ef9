"""Logged models as MLflow's 3.x clients see them."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.logged_models import DatasetChoice, LoggedModelStatus, ModelOrder
from modelyard.domain.runs import ModelLink
from modelyard.domain.search import RULES, parse_filter
from modelyard.services import logged_models

from . import protojson
from .experiments import experiment_id, numbers_of

if TYPE_CHECKING:
    from modelyard.domain.logged_models import LoggedModel, ModelMetric
    from modelyard.server.call import Call

    from .protojson import Fields

DEFAULT_PAGE, PAGE_FOR_ZERO, LARGEST_PAGE = 50, 100, 50_000

_STATUS = {
    LoggedModelStatus.UNSPECIFIED: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    LoggedModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    LoggedModelStatus.READY: "LOGGED_MODEL_READY",
    LoggedModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
_STATUS_BY_NAME: dict[Any, LoggedModelStatus] = {name: status for status, name in _STATUS.items()}
_STATUS_BY_NUMBER = dict(enumerate(_STATUS))


def message(model: LoggedModel) -> dict[str, Any]:
    """A logged model as MLflow's JSON."""
    info: dict[str, Any] = {
        "model_id": model.id,
        "experiment_id": str(model.experiment_id),
        "name": model.name,
        "creation_timestamp_ms": model.created_ms,
        "last_updated_timestamp_ms": model.updated_ms,
        "artifact_uri": model.artifact_uri,
        "status": _STATUS[model.status],
        "model_type": model.model_type or "",
        "source_run_id": model.source_run or "",
    }
    if model.tags:
        info["tags"] = [{"key": key, "value": value} for key, value in model.tags.items()]
    data: dict[str, Any] = {}
    if model.params:
        data["params"] = [{"key": key, "value": value} for key, value in model.params.items()]
    if model.metrics:
        data["metrics"] = [_metric(metric) for metric in model.metrics]
    return {"info": info, "data": data}


def _metric(metric: ModelMetric) -> dict[str, Any]:
    value: dict[str, Any] = {
        "key": metric.key,
        "value": protojson.double(metric.value),
        "timestamp": metric.timestamp,
        "step": metric.step,
        "model_id": metric.model_id,
        "run_id": metric.run,
    }
    if metric.dataset_name:
        value["dataset_name"] = metric.dataset_name
    if metric.dataset_digest:
        value["dataset_digest"] = metric.dataset_digest
    return value


async def create(call: Call, fields: Fields) -> Any:
    model = await call.write(
        logged_models.create,
        call.principal,
        experiment_id(fields),
        name=fields.text("name"),
        model_type=fields.text("model_type"),
        source_run=fields.text("source_run_id"),
        params=fields.pairs("params"),
        tags=fields.pairs("tags"),
    )
    return {"model": message(model)}


async def get(call: Call, fields: Fields) -> Any:
    found = await call.read(logged_models.get, call.path["model_id"], deleted=fields.boolean("allow_deleted"))
    return {"model": message(found)}


async def finalize(call: Call, fields: Fields) -> Any:
    fields.text("model_id", required=True)
    model = await call.write(logged_models.finalize, call.principal, call.path["model_id"], _status(fields))
    return {"model": message(model)}


def _status(fields: Fields) -> LoggedModelStatus:
    raw = fields.raw("status")
    if raw is None or raw == "":
        raise protojson.missing("status")
    number = protojson.as_int64(raw)
    status = _STATUS_BY_NAME.get(raw) if isinstance(raw, str) and number is None else _STATUS_BY_NUMBER.get(number or 0)
    if status is None or (number is not None and number not in _STATUS_BY_NUMBER):
        raise protojson.invalid("status", raw, f"one of {', '.join(_STATUS_BY_NAME)} was expected")
    return status


async def delete(call: Call, fields: Fields) -> Any:
    await call.write(logged_models.discard, call.principal, call.path["model_id"])
    return {}


async def log_params(call: Call, fields: Fields) -> Any:
    fields.text("model_id", required=True)
    await call.write(logged_models.add_params, call.principal, call.path["model_id"], fields.pairs("params"))
    return {}


async def set_tags(call: Call, fields: Fields) -> Any:
    await call.write(logged_models.set_tags, call.principal, call.path["model_id"], fields.pairs("tags"))
    return {}


async def delete_tag(call: Call, fields: Fields) -> Any:
    await call.write(logged_models.delete_tag, call.principal, call.path["model_id"], call.path["tag_key"])
    return {}


async def log_outputs(call: Call, fields: Fields) -> Any:
    run = fields.text("run_id", required=True)
    if not fields.has("models"):
        raise protojson.missing("models")
    links = [
        ModelLink(item.text("model_id", required=True), "output", item.integer("step", 0))
        for item in fields.messages("models")
    ]
    await call.write(logged_models.log_outputs, call.principal, run, links)
    return {}


async def record(call: Call, fields: Fields) -> Any:
    """`runs/log-model`, which clients before 3.0 send beside the files of a model."""
    run, manifest = fields.text("run_id", required=True), fields.text("model_json", required=True)
    await call.write(logged_models.record, call.principal, run, manifest)
    return {}


# ------------------------------------------------------------------------------------ search


async def search(call: Call, fields: Fields) -> Any:
    if not fields.has("experiment_ids"):
        raise protojson.missing("experiment_ids")
    ids = fields.texts("experiment_ids")
    numbers = numbers_of(ids)
    text = fields.text("filter") or None
    wanted = parse_filter(text, "logged_models", "mlflow")
    datasets = [_dataset(item) for item in fields.messages("datasets")]
    order_sent = [_order_sent(item) for item in fields.messages("order_by")] or None
    order = [_order(sent) for sent in order_sent or ()]
    limit = fields.integer("max_results", DEFAULT_PAGE) or PAGE_FOR_ZERO
    if not 1 <= limit <= LARGEST_PAGE:
        raise protojson.invalid("max_results", limit, f"1 to {LARGEST_PAGE} was expected")
    question = {"experiment_ids": ids, "filter_string": text, "order_by": order_sent}
    token = fields.text("page_token")
    offset = _offset(token, question) if token else 0
    found = await call.scan(
        logged_models.search, numbers, wanted, datasets=datasets, order=order, offset=offset, limit=limit + 1
    )
    value: dict[str, Any] = {}
    if found:
        value["models"] = [message(model) for model in found[:limit]]
    if len(found) > limit:
        continued = json.dumps({**question, "offset": offset + limit})
        value["next_page_token"] = base64.b64encode(continued.encode()).decode()
    return value


def _dataset(item: Fields) -> DatasetChoice:
    name = item.text("dataset_name")
    if not name:
        raise InvalidArgument("`dataset_name` in the `datasets` clause must be specified.")
    return DatasetChoice(name, item.text("dataset_digest") or None)


def _order_sent(item: Fields) -> dict[str, Any]:
    """A key as it stands in a page token."""
    return {
        "field_name": item.text("field_name"),
        "ascending": item.boolean("ascending", default=True),
        "dataset_name": item.text("dataset_name") or None,
        "dataset_digest": item.text("dataset_digest") or None,
    }


def _order(sent: dict[str, Any]) -> ModelOrder:
    name: str = sent["field_name"]
    prefix, dot, key = name.partition(".")
    if dot and prefix == "attributes":
        prefix, dot = key, ""
    if not dot:
        known = RULES["logged_models", "mlflow"].sortable.get(prefix)
        if known is None:
            raise InvalidArgument(f"Invalid order by field name: {name}")
        return ModelOrder("attribute", known, sent["ascending"])
    if prefix != "metrics":
        raise InvalidArgument(f"Invalid order by field name: {name}. Only metrics are supported.")
    return ModelOrder("metric", key, sent["ascending"], sent["dataset_name"], sent["dataset_digest"])


_MISMATCH = {
    "experiment_ids": "Experiment IDs in the page token do not match the requested experiment IDs.",
    "filter_string": "Filter string in the page token does not match the requested filter string.",
    "order_by": "Order by in the page token does not match the requested order by.",
}


def _offset(token: str, question: dict[str, Any]) -> int:
    """Where the token continues; it must belong to the same question."""
    try:
        known = json.loads(base64.b64decode(token))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidArgument(f"Invalid page token: {token[:200]}. {error}") from None
    if not isinstance(known, dict):
        raise InvalidArgument(f"Invalid page token: {token[:200]}.")
    for name, mismatch in _MISMATCH.items():
        if known.get(name) != question[name]:
            raise InvalidArgument(f"{mismatch} Expected: {question[name]}. Found: {known.get(name)}")
    offset = known.get("offset", 0)
    if type(offset) is not int or not 0 <= offset < 2**63:
        raise InvalidArgument(f"Invalid page token: {token[:200]}. Its offset is not a whole number.")
    return offset
