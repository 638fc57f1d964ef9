"""Runs as MLflow's clients see them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from modelyard.db import documents
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.runs import RunChange, RunStatus, plan
from modelyard.domain.search import parse_filter, parse_order_by
from modelyard.services import runs

from . import paging, protojson
from .experiments import number_of, numbers_of, view_of

if TYPE_CHECKING:
    import asyncio

    from modelyard.domain.principals import Principal
    from modelyard.domain.runs import NewRun, Run
    from modelyard.server.call import Call

    from .protojson import Fields

log = logging.getLogger("modelyard.mlflow")

DEFAULT_PAGE, LARGEST_PAGE = 1000, 50_000
_STATUS = tuple(RunStatus[name] for name in ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"))
_encode = msgspec.json.Encoder().encode


def run_id(fields: Fields) -> str:
    """The run's id, also under its old name."""
    return fields.text("run_id") or fields.text("run_uuid") or fields.text("run_id", required=True)


def info(run: Run) -> dict[str, Any]:
    """RunInfo as MLflow's JSON."""
    value = {
        "run_uuid": run.uuid,
        "experiment_id": str(run.experiment_id),
        "run_name": run.name,
        "user_id": run.user_id,
        "status": str(run.status),
        "start_time": run.start_ms or 0,
        "artifact_uri": run.artifact_uri,
        "lifecycle_stage": run.lifecycle,
        "run_id": run.uuid,
    }
    if run.end_ms:
        value["end_time"] = run.end_ms
    return value


def message(run: Run) -> dict[str, Any]:
    """A whole run as MLflow's JSON."""
    data: dict[str, Any] = {}
    if run.metrics:
        data["metrics"] = [
            {"key": m.key, "value": protojson.double(m.value), "timestamp": m.timestamp, "step": m.step}
            for m in run.metrics
        ]
    if run.params:
        data["params"] = [{"key": key, "value": value} for key, value in run.params]
    if run.tags:
        data["tags"] = [{"key": key, "value": value} for key, value in run.tags]
    value: dict[str, Any] = {"info": info(run), "data": data, "inputs": {}, "outputs": {}}
    if run.datasets:
        value["inputs"]["dataset_inputs"] = [
            {
                "tags": [{"key": key, "value": text} for key, text in item.tags],
                "dataset": {
                    name: text
                    for name, text in (
                        ("name", item.dataset.name),
                        ("digest", item.dataset.digest),
                        ("source_type", item.dataset.source_type),
                        ("source", item.dataset.source),
                        ("schema", item.dataset.schema),
                        ("profile", item.dataset.profile),
                    )
                    if text is not None
                },
            }
            for item in run.datasets
        ]
    read = [{"model_id": link.model_id} for link in run.models if link.direction == "input"]
    made = [{"model_id": link.model_id, "step": link.step} for link in run.models if link.direction == "output"]
    if read:
        value["inputs"]["model_inputs"] = read
    if made:
        value["outputs"]["model_outputs"] = made
    return value


def render(run: Run) -> bytes:
    """A run's document."""
    return _encode(message(run))


def _status(fields: Fields) -> RunStatus | None:
    raw = fields.raw("status")
    if raw is None:
        return None
    if isinstance(raw, int) and not isinstance(raw, bool) and 1 <= raw <= len(_STATUS):
        return _STATUS[raw - 1]
    try:
        return RunStatus(raw)
    except ValueError:
        raise protojson.invalid("status", raw, f"expected one of {', '.join(RunStatus)}") from None


def create(body: bytes, principal: Principal) -> NewRun:
    fields = protojson.from_body(body)
    return plan(
        number_of(fields.text("experiment_id") or "0"),
        name=fields.text("run_name"),
        start_ms=fields.integer("start_time", 0),
        user_id=fields.text("user_id"),
        created_by=principal.name,
        tags=fields.pairs("tags"),
        uuid=uuid4().hex,
    )


def created(run: Run) -> bytes:
    value = message(run)
    del value["outputs"]
    return _encode({"run": value})


async def get(call: Call, fields: Fields) -> Any:
    body = await call.read(runs.document, call.state.run_documents, run_id(fields))
    return b'{"run":' + body + b"}"


def update(body: bytes, _: Principal) -> RunChange:
    fields = protojson.from_body(body)
    return RunChange(run_id(fields), _status(fields), fields.integer("end_time"), fields.text("run_name"))


def updated(run: Run) -> bytes:
    return _encode({"run_info": info(run)})


async def delete(call: Call, fields: Fields) -> Any:
    await call.write(runs.delete, run_id(fields))
    return {}


async def restore(call: Call, fields: Fields) -> Any:
    await call.write(runs.restore, run_id(fields))
    return {}


async def delete_tag(call: Call, fields: Fields) -> Any:
    await call.write(runs.delete_tag, run_id(fields), fields.text("key", required=True))
    return {}


async def search(call: Call, fields: Fields) -> Any:
    limit = fields.integer("max_results", DEFAULT_PAGE)
    if limit > LARGEST_PAGE:
        raise protojson.invalid("max_results", limit)
    if limit < 1:
        raise InvalidArgument(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer"
        )
    offset = paging.offset_of(fields.text("page_token"))
    node = parse_filter(fields.text("filter"), "runs", "mlflow")
    order = parse_order_by(fields.texts("order_by"), "runs", "mlflow")
    experiments = numbers_of(fields.texts("experiment_ids"))
    state = call.state
    bodies, more, to_save = await call.scan(
        runs.search_documents,
        state.columns,
        state.run_documents,
        experiments,
        node,
        order,
        view_of(fields, "run_view_type"),
        limit,
        offset,
    )
    if to_save:
        saved = state.database.writer.submit(lambda tx: documents.save(tx, to_save))
        saved.add_done_callback(_note_failure)
    if not bodies:
        return {}
    token = b',"next_page_token":"' + paging.token_for(offset + limit).encode() + b'"' if more else b""
    return b'{"runs":[' + b",".join(bodies) + b"]" + token + b"}"


def _note_failure(saved: asyncio.Future[Any]) -> None:
    """Saving rendered documents is a convenience: its failure is nobody's error."""
    if not saved.cancelled() and saved.exception() is not None:
        log.warning("documents were not saved: %s", saved.exception())
