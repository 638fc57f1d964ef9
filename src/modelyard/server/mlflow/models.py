"""Registered models and aliases as MLflow's clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import parse_order_by
from modelyard.services import models

from . import protojson, versions
from .paging import offset_of, token_for

if TYPE_CHECKING:
    from modelyard.domain.models import RegisteredModel
    from modelyard.server.call import Call

    from .protojson import Fields

DEFAULT_RESULTS = 100
MOST_RESULTS = 1000


def message(model: RegisteredModel) -> dict[str, Any]:
    """A model as MLflow's JSON."""
    value: dict[str, Any] = {
        "name": model.name,
        "creation_timestamp": model.created_ms,
        "last_updated_timestamp": model.updated_ms,
    }
    if model.description:
        value["description"] = model.description
    if model.latest:
        value["latest_versions"] = [versions.message(version) for version in model.latest]
    if model.tags:
        value["tags"] = [{"key": key, "value": text} for key, text in model.tags.items()]
    if model.aliases:
        value["aliases"] = [{"alias": alias.name, "version": str(alias.version)} for alias in model.aliases]
    return value


def _answer(model: RegisteredModel) -> dict[str, Any]:
    return {"registered_model": message(model)}


async def create(call: Call, fields: Fields) -> Any:
    made = await call.write(
        models.create,
        call.principal,
        fields.text("name", required=True),
        description=fields.optional_text("description"),
        tags=dict(fields.pairs("tags")),
    )
    return _answer(made)


async def get(call: Call, fields: Fields) -> Any:
    return _answer(await call.read(models.get, fields.text("name", required=True)))


async def update(call: Call, fields: Fields) -> Any:
    name = fields.text("name", required=True)
    return _answer(await call.write(models.update, call.principal, name, fields.optional_text("description")))


async def rename(call: Call, fields: Fields) -> Any:
    name, new_name = fields.text("name", required=True), fields.text("new_name", required=True)
    return _answer(await call.write(models.rename, call.principal, name, new_name))


async def delete(call: Call, fields: Fields) -> Any:
    await call.write(models.delete, call.principal, fields.text("name", required=True))
    return b"{}"


async def search(call: Call, fields: Fields) -> Any:
    limit = fields.integer("max_results", DEFAULT_RESULTS)
    if limit < 0:
        raise InvalidArgument(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    if limit > MOST_RESULTS:
        raise protojson.invalid("max_results", limit, f"It must be at most {MOST_RESULTS}")
    where = versions.searched(fields, "registered_models")
    order = parse_order_by(fields.texts("order_by"), "registered_models", "mlflow")
    offset = offset_of(fields.text("page_token"))
    work = call.read if limit <= versions.SMALL_PAGE and versions.is_cheap(where) else call.scan
    found, _ = await work(models.search, where, order, limit=limit + 1, offset=offset)
    answer: dict[str, Any] = {}
    if found[:limit]:
        answer["registered_models"] = [message(model) for model in found[:limit]]
    if len(found) > limit:
        answer["next_page_token"] = token_for(offset + limit)
    return answer


async def set_tag(call: Call, fields: Fields) -> Any:
    name, key = fields.text("name", required=True), fields.text("key", required=True)
    await call.write(models.set_tag, call.principal, name, key, fields.text("value"))
    return b"{}"


async def delete_tag(call: Call, fields: Fields) -> Any:
    name, key = fields.text("name", required=True), fields.text("key", required=True)
    await call.write(models.delete_tag, call.principal, name, key)
    return b"{}"


async def set_alias(call: Call, fields: Fields) -> Any:
    name, alias = fields.text("name", required=True), fields.text("alias", required=True)
    await call.write(models.set_alias, call.principal, name, alias, versions.number_of(fields))
    return b"{}"


async def get_alias(call: Call, fields: Fields) -> Any:
    name, alias = fields.text("name", required=True), fields.text("alias", required=True)
    return {"model_version": versions.message(await call.read(models.by_alias, name, alias))}


async def delete_alias(call: Call, fields: Fields) -> Any:
    name, alias = fields.text("name", required=True), fields.text("alias", required=True)
    await call.write(models.delete_alias, call.principal, name, alias)
    return b"{}"
