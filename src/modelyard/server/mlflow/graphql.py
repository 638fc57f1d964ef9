"""`/graphql`, which only MLflow's browser interface asks: the REST endpoints' answers, cut to the fields of a query.

Answers are `{"data", "errors"}` with status 200; errors are texts. Limits are MLflow's (`graphql_no_batching.py` of its
3.11.1), but fields that come in by fragments count as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard import optional
from modelyard.artifacts.paths import contained
from modelyard.domain.errors import ModelyardError, NotFound
from modelyard.services import runs as run_service

from . import datasets, experiments, metrics, protojson, runs, versions
from .artifacts import file_infos
from .protojson import Fields

if TYPE_CHECKING:
    from modelyard.server.call import Call

log = logging.getLogger("modelyard.mlflow")

MAX_DEPTH, MAX_SELECTIONS, MAX_ROOT_FIELDS, MAX_ALIASES = 10, 1000, 10, 10
MAX_TOKENS = 20_000


@dataclass(slots=True)
class _Asked:
    """What the resolvers of one request share."""

    call: Call
    experiments: dict[str, Any]


class _Refusal(Exception):
    """A query over a limit."""


async def answer(call: Call, fields: Fields) -> Any:
    """GET and POST `/graphql`."""
    text = fields.text("query", required=True)
    variables = fields.raw("variables")
    if isinstance(variables, str):  # in a query string
        variables = json.loads(variables) if variables else None
    if not isinstance(variables, dict | None):
        raise protojson.invalid("variables", variables, "an object was expected")
    graphql = optional.load("graphql", to="answer GraphQL queries")
    try:
        document = graphql.parse(text, no_location=True, max_tokens=MAX_TOKENS)
        _check_size(document)
        errors = graphql.validate(_schema(), document)
    except RecursionError:
        return _refused(f"Query exceeds maximum depth of {MAX_DEPTH}")
    except (graphql.GraphQLError, _Refusal) as error:
        return _refused(getattr(error, "message", None) or str(error))
    if errors:
        return _refused(*(error.message for error in errors))
    result = graphql.execute(
        _schema(),
        document,
        root_value={},
        context_value=_Asked(call, {}),
        variable_values=variables,
        operation_name=fields.optional_text("operationName"),
    )
    if isinstance(result, Awaitable):
        result = await result
    return {"data": result.data, "errors": [error.message for error in result.errors] if result.errors else None}


def _refused(*messages: str) -> dict[str, Any]:
    return {"data": None, "errors": list(messages)}


def _check_size(document: Any) -> None:
    """Count what a query asks for before anything is looked up.

    Raises:
        _Refusal: it is over a limit.
    """
    named = {part.name.value: part for part in document.definitions if part.kind == "fragment_definition"}
    left, most_aliases, root_fields = MAX_SELECTIONS, 0, 0

    def walk(selections: Any, depth: int, inside: frozenset[str]) -> int:
        """The number of aliases of one level, fragments spread out."""
        nonlocal left, most_aliases, root_fields
        if depth > MAX_DEPTH:
            raise _Refusal(f"Query exceeds maximum depth of {MAX_DEPTH}")
        aliases = 0
        for selection in selections.selections:
            left -= 1
            if left < 0:
                raise _Refusal(f"Query exceeds maximum total selections of {MAX_SELECTIONS}")
            if selection.kind == "field":
                root_fields += depth == 1
                aliases += selection.alias is not None
                if selection.selection_set:
                    below = walk(selection.selection_set, depth + 1, inside)
                    most_aliases = max(most_aliases, below)
            elif selection.kind == "inline_fragment":
                aliases += walk(selection.selection_set, depth, inside)
            elif (name := selection.name.value) in named and name not in inside:
                aliases += walk(named[name].selection_set, depth, inside | {name})
        return aliases

    for definition in document.definitions:
        if definition.kind == "operation_definition":
            top = walk(definition.selection_set, 1, frozenset())
            most_aliases = max(most_aliases, top)
    for what, count, most in (("root fields", root_fields, MAX_ROOT_FIELDS), ("aliases", most_aliases, MAX_ALIASES)):
        if count > most:
            raise _Refusal(f"GraphQL queries should have at most {most} {what}, got {count} {what}.")


# ---------------------------------------------------------------- what the root fields ask for

_built: list[Any] = []


def _schema() -> Any:
    if not _built:
        leaf = optional.load("modelyard.server.mlflow.graphql_schema", to="answer GraphQL queries")
        _built.append(leaf.build({name: _guarded(resolve) for name, resolve in _ROOTS.items()}))
    return _built[0]


def _guarded(resolve: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Errors as GraphQL writes them: ours with their text, accidents without."""

    async def guarded(source: Any, info: Any, **arguments: Any) -> Any:
        try:
            return await resolve(source, info.context, **arguments)
        except ModelyardError as error:
            raise _Refusal(error.message) from None
        except Exception:
            log.exception("GraphQL field %s failed", info.field_name)
            raise _Refusal("An internal error occurred; the server's log has the details.") from None

    return guarded


def _endpoint(function: Callable[[Call, Fields], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A root field that is a REST endpoint."""

    async def resolve(_source: Any, asked: _Asked, **arguments: Any) -> Any:
        return _plain(await function(asked.call, _message(**arguments)))

    return resolve


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, bytes) else value


def _message(input: dict[str, Any] | None = None) -> Fields:  # the schema's name
    leaf = optional.load("modelyard.server.mlflow.graphql_schema", to="answer GraphQL queries")
    protojson.refuse_nul(input)  # in a text of the query it is spelt otherwise than in the body's JSON
    return Fields({leaf.snake(name): value for name, value in (input or {}).items()})


async def _test(_source: Any, _asked: _Asked, inputString: str | None = None) -> Any:  # noqa: N803 - the schema's name
    return {"output": inputString}


async def _files(_source: Any, asked: _Asked, **arguments: Any) -> Any:
    fields = _message(**arguments)
    path = contained(fields.text("path"))
    uri = await asked.call.read(run_service.locate, runs.run_id(fields))
    place = asked.call.state.artifacts.locate(uri).below(path)
    return _plain(file_infos(await place.store.list(place.path), below=path, root_uri=uri))


async def _experiment_of_run(run: Any, asked: _Asked) -> Any:
    number = run["info"]["experiment_id"]
    if number not in asked.experiments:
        try:
            found = await experiments.get(asked.call, Fields({"experiment_id": number}))
        except NotFound:
            found = {"experiment": None}
        asked.experiments[number] = found["experiment"]
    return asked.experiments[number]


async def _experiment(source: Any, asked: _Asked) -> Any:
    return await _experiment_of_run(source, asked) if "info" in source else source.get("experiment")


async def _versions(source: Any, asked: _Asked) -> Any:
    if "info" not in source:  # the answer of a search, not a run
        return source.get("model_versions", [])
    found = await versions.search(asked.call, Fields({"filter": f"run_id = '{source['info']['run_id']}'"}))
    return _plain(found).get("model_versions", [])


_ROOTS: dict[str, Callable[..., Awaitable[Any]]] = {
    "test": _test,
    "testMutation": _test,
    "mlflowGetExperiment": _endpoint(experiments.get),
    "mlflowGetRun": _endpoint(runs.get),
    "mlflowSearchRuns": _endpoint(runs.search),
    "mlflowListArtifacts": _files,
    "mlflowGetMetricHistoryBulkInterval": _endpoint(metrics.get_history_bulk_interval),
    "mlflowSearchModelVersions": _endpoint(versions.search),
    "mlflowSearchDatasets": _endpoint(datasets.search),
    "experiment": _experiment,
    "modelVersions": _versions,
}
