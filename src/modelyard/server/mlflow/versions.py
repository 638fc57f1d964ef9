"""Model versions as MLflow's clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import And, Comparison, Entity, Field, Node, Not, Op, parse_filter, parse_order_by
from modelyard.domain.validation import check_version_number
from modelyard.domain.versions import NewVersion
from modelyard.services import references, versions

from . import protojson
from .paging import offset_of, token_for

if TYPE_CHECKING:
    from modelyard.domain.versions import ModelVersion
    from modelyard.server.call import Call

    from .protojson import Fields

DEFAULT_RESULTS = 10_000
MOST_RESULTS = 200_000
SMALL_PAGE = 100
"""The most rows of a page that is read on the event loop; see `Call.read`."""

_PROMPT_TAG = "mlflow.prompt.is_prompt"
_IS_PROMPT = Comparison(Field("tag", _PROMPT_TAG), Op.EQ, "true")
_NEWEST_FIRST = parse_order_by(["last_updated_timestamp DESC"], "model_versions", "mlflow")


def message(version: ModelVersion) -> dict[str, Any]:
    """A version as MLflow's JSON."""
    value: dict[str, Any] = {
        "name": version.model,
        "version": str(version.number),
        "creation_timestamp": version.created_ms,
        "last_updated_timestamp": version.updated_ms,
        "current_stage": version.stage,
    }
    if version.description is not None:
        value["description"] = version.description
    if version.user_id:
        value["user_id"] = version.user_id
    value["source"] = version.source
    value["run_id"] = version.run_id or ""
    value["status"] = version.status
    if version.status_message:
        value["status_message"] = version.status_message
    if version.tags:
        value["tags"] = [{"key": key, "value": text} for key, text in version.tags.items()]
    value["run_link"] = version.run_link or ""
    if version.aliases:
        value["aliases"] = version.aliases
    if version.label:
        value["label"] = version.label  # not MLflow's: its clients ignore what they do not know, ours shows it
    return value


def number_of(fields: Fields) -> int:
    """The version that a message names: a decimal string."""
    return check_version_number(fields.text("version", required=True))


def find(fields: Fields) -> tuple[str, int]:
    """The model and the version that a message names."""
    name = fields.text("name", required=True)
    return name, number_of(fields)


def searched(fields: Fields, entity: Entity) -> Node | None:
    """The filter of a search, without prompts unless they are asked for.

    MLflow keeps prompts as models with a tag. Its clients add a clause for that tag, which models without it fail.
    """
    where = parse_filter(fields.text("filter"), entity, "mlflow")
    clauses = [] if where is None else list(where.items) if isinstance(where, And) else [where]
    asked = [clause for clause in clauses if isinstance(clause, Comparison) and clause.field == _IS_PROMPT.field]
    if asked and (asked[0].op, str(asked[0].value).lower()) in ((Op.EQ, "true"), (Op.NE, "false")):
        return where
    rest = [clause for clause in clauses if clause not in asked]
    return And((*rest, Not(_IS_PROMPT))) if rest else Not(_IS_PROMPT)


async def create(call: Call, fields: Fields) -> Any:
    name = fields.text("name", required=True)
    new = NewVersion(
        source=fields.text("source", required=True),
        run_id=fields.text("run_id") or None,
        tags=dict(fields.pairs("tags")),
        run_link=fields.text("run_link") or None,
        description=fields.text("description"),
        logged_model_id=fields.text("model_id") or None,
    )
    return {"model_version": message(await call.write(versions.create, call.principal, name, new))}


async def get(call: Call, fields: Fields) -> Any:
    return {"model_version": message(await call.read(references.get, *find(fields)))}


async def update(call: Call, fields: Fields) -> Any:
    name, number = find(fields)
    description = fields.optional_text("description")
    return {
        "model_version": message(await call.write(versions.update, call.principal, name, number, description)),
    }


async def delete(call: Call, fields: Fields) -> Any:
    await call.write(versions.delete, call.principal, *find(fields))
    return b"{}"


async def transition(call: Call, fields: Fields) -> Any:
    name, number = find(fields)
    archive = fields.raw("archive_existing_versions")
    if archive is not None and not isinstance(archive, bool):
        raise protojson.invalid(
            "archive_existing_versions", archive, f" Hint: Value was of type '{type(archive).__name__}'"
        )
    moved = await call.write(
        versions.transition,
        call.principal,
        name,
        number,
        fields.text("stage", required=True),
        archive=bool(archive),
    )
    return {"model_version": message(moved)}


async def set_tag(call: Call, fields: Fields) -> Any:
    name, number = find(fields)
    key = fields.text("key", required=True)
    await call.write(versions.set_tag, call.principal, name, number, key, fields.text("value"))
    return b"{}"


async def delete_tag(call: Call, fields: Fields) -> Any:
    name, number = find(fields)
    await call.write(versions.delete_tag, call.principal, name, number, fields.text("key", required=True))
    return b"{}"


async def download_uri(call: Call, fields: Fields) -> Any:
    # Unlike its siblings this one has no required fields in MLflow; the messages differ.
    name = fields.text("name")
    if not name:
        raise InvalidArgument("Missing value for required parameter 'name'.")
    number = check_version_number(fields.text("version"))
    return {"artifact_uri": await call.read(versions.download_uri, name, number)}


async def search(call: Call, fields: Fields) -> Any:
    limit = fields.integer("max_results", DEFAULT_RESULTS)
    if limit < 1:
        raise InvalidArgument(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    if limit > MOST_RESULTS:
        raise protojson.invalid("max_results", limit, f"It must be at most {MOST_RESULTS}")
    where = searched(fields, "model_versions")
    order = parse_order_by(fields.texts("order_by"), "model_versions", "mlflow") or _NEWEST_FIRST
    offset = offset_of(fields.text("page_token"))
    work = call.read if limit <= SMALL_PAGE and _names_one_model(where) else call.scan
    found, _ = await work(versions.search, where, order, limit=limit + 1, offset=offset)
    answer: dict[str, Any] = {}
    if found:
        answer["model_versions"] = [message(version) for version in found[:limit]]
    if len(found) > limit:
        answer["next_page_token"] = token_for(offset + limit)
    return answer


def is_cheap(where: Node | None) -> bool:
    """Whether every clause is an equality, for which there are indexes."""
    clauses = where.items if isinstance(where, And) else (where,)
    return all(
        clause == Not(_IS_PROMPT) or (isinstance(clause, Comparison) and clause.op is Op.EQ) for clause in clauses
    )


def _names_one_model(where: Node | None) -> bool:
    clauses = where.items if isinstance(where, And) else (where,)
    return any(
        isinstance(clause, Comparison) and clause.op is Op.EQ and clause.field == Field("attribute", "name")
        for clause in clauses
    )


async def latest(call: Call, fields: Fields) -> Any:
    stages = fields.raw("stages")
    if isinstance(stages, str) and call.scope["method"] != "GET":
        raise protojson.invalid("stages", stages, " Hint: Value was of type 'str'")
    found = await call.read(references.latest, fields.text("name", required=True), fields.texts("stages"))
    return {"model_versions": [message(version) for version in found]} if found else b"{}"
