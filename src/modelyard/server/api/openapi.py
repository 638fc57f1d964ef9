"""The description of the native API (OpenAPI 3.1), made from the endpoint table and the wire structs."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard import __version__
from modelyard.domain import errors as domain
from modelyard.wire.artifacts import FileQuery
from modelyard.wire.problems import Problem

from . import errors
from .edge import PACKED, PREFIX
from .routes import ROUTES

if TYPE_CHECKING:
    from .edge import Route

_REF: Final = "#/components/schemas/{name}"
_READING: Final = ("GET", "DELETE")
_VARIABLE: Final = re.compile(r"\{(\w+)(\*?)\}")

GROUPS: Final = {
    "Runs": "One execution of training code: its info, params, tags and metrics.",
    "Metrics": "The history of metrics, as columns for charts.",
    "Experiments": "Named sets of runs.",
    "Models": "Registered models: names under which versions are kept, and their aliases.",
    "Versions": "Immutable packages under a model's name, numbered, with a label of your own if you like.",
    "Environments": "An ordered list of places where versions serve, with a pointer per model.",
    "Policies": "What must hold for a version to serve somewhere, and which one is chosen.",
    "Deployments": "Served names: which revision answers them, and how a new one takes its place.",
    "Gateways": "What gateways are told, and what they tell.",
    "Predictions": "What was answered, what was learnt about it later, and how versions compare.",
    "History": "Who changed what in the registry, when, from what, to what, and why.",
    "Logged models": "What one `log_model` call makes, before anything is registered.",
    "Artifacts": "Files of runs, logged models and versions.",
    "Totals": "How much there is.",
    "Changes": "What changes, as it happens.",
}

_VARIABLES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "experiment_id": ("The experiment's id.", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
    "run_id": ("The run's id, 32 hex digits.", {"type": "string", "minLength": 1}),
    "key": ("The metric's key; slashes are part of it.", {"type": "string", "minLength": 1}),
    "name": ("The registered model's name, or the deployment's.", {"type": "string", "minLength": 1}),
    "alias": ("The alias.", {"type": "string", "minLength": 1}),
    "version": (
        "The version: its number, its label, `@alias`, an environment, a stage, or `latest`.",
        {"type": "string", "minLength": 1},
    ),
    "environment": ("The environment's name.", {"type": "string", "minLength": 1}),
    "slot": ("The slot: a model's name, or one for which several compete.", {"type": "string", "minLength": 1}),
    "prediction_id": ("The prediction's id, 32 hex digits.", {"type": "string", "minLength": 1}),
    "model_id": ("The logged model's id.", {"type": "string", "minLength": 1}),
    "path": ("The file's path below the root; slashes are part of it.", {"type": "string", "minLength": 1}),
}


@cache
def document() -> bytes:
    """The description as JSON."""
    return msgspec.json.encode(describe(ROUTES))


def describe(routes: list[Route]) -> dict[str, Any]:
    """The description of a table as a value."""
    kinds = {kind for route in routes for kind in (route.takes, route.gives) if kind is not None} | {Problem}
    _, components = msgspec.json.schema_components(sorted(kinds, key=lambda kind: kind.__name__), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = PREFIX + _VARIABLE.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, components)
    queries = {route.takes.__name__ for route in routes if route.takes is not None and route.method in _READING}
    used = {route.takes.__name__ for route in routes if route.takes is not None and route.method not in _READING}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Modelyard",
            "version": __version__,
            "description": "Experiments, runs, metrics and the model registry. Times are milliseconds since the epoch, "
            "in fields that end in `_ms`; NaN is null. Lists are read page by page: pass `next_cursor` on as `cursor`. "
            "Errors are `application/problem+json`.",
        },
        "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
        "paths": paths,
        "x-problems": [
            {"code": kind.code, "status": kind.status, "title": kind.title, "advice": kind.advice}
            for kind in sorted(errors.KINDS, key=lambda kind: (kind.status, kind.code))
        ],
        # A query is described parameter by parameter.
        "components": {"schemas": {name: each for name, each in components.items() if name not in queries - used}},
    }


def operation_id(route: Route) -> str:
    """A name for an endpoint, unique in the table."""
    module = route.endpoint.__module__.rpartition(".")[2]
    if module == "artifacts":
        action = {"GET": "download" if route.media else "list", "PUT": "upload"}[route.method]
        return f"artifacts.{action}_of_{route.path.split('/')[1].replace('-', '_')}"
    return f"{module}.{route.endpoint.__name__}"


def _operation(route: Route, components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [route.group],
        "parameters": [
            {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
            for name, (text, schema) in ((name, _VARIABLES[name]) for name, _ in _VARIABLE.findall(route.path))
        ],
    }
    failures: set[type[domain.ModelyardError]] = {
        domain.InvalidArgument,
        domain.Unavailable,
        domain.PermissionDenied,
        *route.errors,
    }
    if route.method == "GET":
        failures.discard(domain.PermissionDenied)
        failures.update(set(route.errors) & {domain.PermissionDenied})
    kinds = [errors.STATUS[failure] for failure in failures]
    if route.media:
        _transfer(route, operation, kinds, components)
    else:
        if route.gives is not None or route.takes is not None:
            kinds.append(errors.NOT_ACCEPTABLE)
        if route.takes is not None and route.method in _READING:
            operation["parameters"] += _query(route.takes, components)
        elif route.takes is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {PACKED if route.packed else "application/json": {"schema": _ref(route.takes)}},
            }
            kinds += [errors.WRONG_MEDIA, errors.STATUS[domain.TooLarge], errors.STATUS[domain.Timeout]]
        operation["responses"] = {str(route.status) if route.gives else "204": _success(route)}
    for status in sorted({kind.status for kind in kinds}):
        titles = sorted({kind.title for kind in kinds if kind.status == status})
        operation["responses"][str(status)] = {
            "description": "; ".join(titles),
            "content": {"application/problem+json": {"schema": _ref(Problem)}},
        }
    if not operation["parameters"]:
        del operation["parameters"]
    return operation


def _transfer(route: Route, operation: dict[str, Any], kinds: list[errors.Kind], components: dict[str, Any]) -> None:
    if route.gives is not None:
        stream = {"schema": {"type": "string", "description": "`data:` lines with one `Changes` as JSON each."}}
        operation["responses"] = {
            "200": {"description": "Messages, as long as you listen", "content": {route.media: stream}}
        }
        return
    if route.takes is not None:
        operation["parameters"] += _query(route.takes, components)
    if route.takes is not None and route.takes is not FileQuery:
        operation["responses"] = {"200": {"description": "Found", "content": {route.media: {"schema": {}}}}}
        return
    if route.method == "PUT":
        from modelyard.wire.artifacts import Stored  # noqa: PLC0415 - described here alone

        _, components = msgspec.json.schema_components([Stored], ref_template=_REF)
        operation["requestBody"] = {"required": False, "content": {route.media: {"schema": {}}}}
        content = {"application/json": {"schema": components["Stored"]}}
        operation["responses"] = {"201": {"description": "Stored", "content": content}}
        kinds += [errors.STATUS[domain.TooLarge], errors.STATUS[domain.Timeout]]
        return
    operation["responses"] = {
        "200": {"description": "The file", "content": {"*/*": {"schema": {}}}},
        "206": {"description": "The range that was asked for", "content": {"*/*": {"schema": {}}}},
        "304": {"description": "Not modified"},
        "416": {"description": "No such range"},
    }


def _success(route: Route) -> dict[str, Any]:
    if route.gives is None:
        return {"description": "Done"}
    answer: dict[str, Any] = {
        "description": "Made" if route.status == 201 else "Found" if route.method == "GET" else "Done",
        "content": {"application/json": {"schema": _ref(route.gives)}},
    }
    if route.location:
        answer["headers"] = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
    return answer


def _query(kind: type[Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    schema = components[kind.__name__]
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            **({"description": text} if (text := prop.get("description", "")) else {}),
            "schema": {key: value for key, value in prop.items() if key != "description"},
        }
        for name, prop in ((name, _without_null(prop)) for name, prop in schema["properties"].items())
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is left out, never null."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **choices[0]}


def _ref(kind: type[Any]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}
