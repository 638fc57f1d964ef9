"""The description of a model server (OpenAPI 3.1), made from the models' signatures and examples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from modelyard import __version__
from modelyard.packaging.signature import ModelSignature
from modelyard.serving import refusals
from modelyard.serving.protocols.open_inference_metadata import described, platform

from . import examples, schemas
from .bodies import SHARED, Json
from .examples import Examples
from .facts import Facts

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_TAGS: Final = {
    "Natural JSON": "The question in the words of the model's signature, the answer likewise.",
    "MLflow scoring": "What MLflow's clients send to `/invocations`.",
    "Open Inference Protocol": "What KServe's, MLServer's and Triton's clients send, version 2 of the protocol; with "
    "binary tensors if the header `Inference-Header-Content-Length` gives the length of the JSON before them.",
    "Server": "What is served, and how it is.",
}
_FAILURES: Final = (400, 413, 415, 500, 503, 504)
_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "The model's name.",
    "schema": {"type": "string", "minLength": 1},
}


@dataclass(frozen=True, slots=True)
class _Model:
    """One model on its way into a document.

    Attributes:
        facts: about it.
        signature: of it.
        shown: its examples.
        key: before the names of its components.
    """

    facts: Facts
    signature: ModelSignature | None
    shown: Examples
    key: str


def document(facts: Facts) -> bytes:
    """The description of one model, as JSON."""
    return msgspec.json.encode(describe([facts], alone=True))


def documents(served: Sequence[Facts]) -> bytes:
    """The description of a server with all its models, as JSON."""
    return msgspec.json.encode(describe(served, alone=len(served) == 1 and served[0].short))


def describe(served: Sequence[Facts], *, alone: bool) -> Json:
    """The description as a value.

    Args:
        served: the models.
        alone: describe the only one by its own paths: the protocols that have no types of their own are then
            described with its name in the path.
    """
    components = dict(SHARED)
    models = [_prepared(each, alone=alone) for each in served if each.manifest is not None]
    paths: dict[str, Json] = {}
    for model in models:
        paths |= _natural(model, components)
        if alone:
            paths |= _mlflow(model)
            paths |= _open_inference(model)
    if not alone:
        paths |= _any_model()
    paths |= _server(served, alone=alone)
    title = f"{served[0].name} {served[0].version}".strip() if alone and served else "Models"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": (served[0].version if alone and served else "") or __version__,
            "description": _about(served[0] if alone and served else None),
        },
        "servers": [{"url": (served[0].base_url if served else "") or "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": components, "responses": _responses(), "headers": _HEADERS},
    }


def _about(facts: Facts | None) -> str:
    text = "Predictions of "
    if facts is None:
        text += "the models that are served here."
    else:
        text += f"`{facts.name}`{f', version {facts.version}' if facts.version else ''}."
        text += f" Digest of its files: `{facts.digest}`." if facts.digest else ""
    return f"{text} Three protocols give the same answers: natural JSON, MLflow's scoring and Open Inference."


def _prepared(facts: Facts, *, alone: bool) -> _Model:
    assert facts.manifest is not None  # noqa: S101 - for the type checker
    shown = examples.of_model(facts.manifest, facts.folder)
    key = "" if alone else re.sub(r"[^A-Za-z0-9_-]", lambda found: f"_{ord(found[0]):x}_", facts.name) + "."
    return _Model(facts, facts.manifest.signature, shown, key)


# ---------------------------------------------------------------- natural JSON


def _natural(model: _Model, components: Json) -> dict[str, Json]:
    """The path of natural JSON with the model's own types."""
    facts, signature, key = model.facts, model.signature, model.key
    inputs, outputs = (signature.inputs, signature.outputs) if signature else (None, None)
    if inputs is None:
        components[f"{key}Question"] = {"description": "The model has no signature: whatever it takes, as JSON."}
    else:
        components[f"{key}Row"] = {"title": "Row", **schemas.row(inputs)}
        one: Json = {"$ref": f"#/components/schemas/{key}Row"}
        rows = [one]
        if (value := schemas.bare(inputs)) is not None:
            rows.append({"title": "The value alone", **value})
        forms = [*rows]
        if schemas.batched(inputs):
            forms.append(
                {"title": "Several rows", "type": "array", "items": rows[0] if len(rows) == 1 else {"anyOf": rows}}
            )
        if "inputs" not in inputs.input_names():
            wrapped: Json = {
                "title": "With params",
                "type": "object",
                "properties": {"inputs": {"anyOf": [*forms]}},
                "required": ["inputs"],
                "additionalProperties": False,
            }
            if signature is not None and signature.params:
                components[f"{key}Params"] = {"title": "Params", **schemas.params(signature.params)}
                wrapped["properties"]["params"] = {"$ref": f"#/components/schemas/{key}Params"}
            forms.append(wrapped)
        components[f"{key}Question"] = {"anyOf": forms}
    if outputs is None:
        components[f"{key}Answer"] = {"description": "Whatever the model answers."}
    else:
        components[f"{key}AnswerRow"] = {"title": "Answer to one row", **schemas.row(outputs, strict=False)}
        row = {"$ref": f"#/components/schemas/{key}AnswerRow"}
        several = {"title": "To several rows", "type": "array", "items": row}
        components[f"{key}Answer"] = {"anyOf": [row, several]} if schemas.batched(outputs) else row
    body: Json = {"schema": {"$ref": f"#/components/schemas/{key}Question"}}
    if shown := _questions(model.shown):
        body["examples"] = shown
    answer: Json = {"schema": {"$ref": f"#/components/schemas/{key}Answer"}}
    if model.shown.answer is not None:
        answer["examples"] = {"one": {"summary": "One row", "value": model.shown.answer}}
    operation = {
        "operationId": f"predict_{key.rstrip('.')}" if key else "predict",
        "summary": f"Predictions of {facts.name}.",
        "description": "One row gives one answer, a list of rows a list of answers.",
        "tags": ["Natural JSON"],
        "requestBody": {"required": True, "content": {_JSON: body}},
        "responses": {"200": _good("The answer", {_JSON: answer}), **_refused("Problem")},
    }
    return {f"{facts.prefix}/predict": {"post": operation}}


def _questions(shown: Examples) -> Json:
    if not shown.rows:
        return {} if shown.free is None else {"one": {"summary": "The model's example", "value": shown.free}}
    found: Json = {"one": {"summary": "One row", "value": shown.rows[0]}}
    if len(shown.rows) > 1:
        found["several"] = {"summary": "Several rows", "value": shown.rows}
    if shown.params:
        value = {"inputs": shown.rows[0], "params": shown.params}
        found["params"] = {"summary": "With params", "value": value}
    return found


# ---------------------------------------------------------------- the other protocols


def _mlflow(model: _Model) -> dict[str, Json]:
    inputs = model.signature.inputs if model.signature else None
    content: Json = {"schema": {"$ref": "#/components/schemas/Invocations"}}
    shown = examples.invocations(model.shown, inputs)
    if shown:
        content["examples"] = {name: {"summary": name, "value": value} for name, value in shown.items()}
    operation = _scoring(content)
    if inputs is not None and not inputs.is_tensor_spec():
        operation["requestBody"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return {f"{model.facts.prefix}/invocations": {"post": operation}}


def _scoring(content: Json) -> Json:
    return {
        "operationId": "invocations",
        "summary": "Predictions, as MLflow's scoring server gives them.",
        "tags": ["MLflow scoring"],
        "requestBody": {"required": True, "content": {_JSON: content}},
        "responses": {
            "200": _good("The answer", {_JSON: {"schema": {"$ref": "#/components/schemas/Predictions"}}}),
            **_refused("ScoringError"),
        },
    }


def _open_inference(model: _Model) -> dict[str, Json]:
    signature, path = model.signature, model.facts.open_inference
    content: Json = {"schema": {"$ref": "#/components/schemas/InferRequest"}}
    shown = examples.infer(model.shown, signature.inputs if signature else None)
    if shown is not None:
        content["examples"] = {"one": {"summary": "The model's example", "value": shown}}
    answer: Json = {"schema": {"$ref": "#/components/schemas/InferAnswer"}}
    metadata: Json = {"schema": {"$ref": "#/components/schemas/ModelMetadata"}}
    if signature is not None:
        sides = {"inputs": described(signature.inputs, "input-"), "outputs": described(signature.outputs, "output-")}
        metadata["example"] = {
            "name": model.facts.name,
            "versions": [model.facts.version] if model.facts.version else [],
            "platform": platform(model.facts.manifest) if model.facts.manifest else "",
            **{side: [each.to_dict() for each in told] for side, told in sides.items()},
        }
    return _inference_paths(path, content, answer, metadata, [])


def _inference_paths(path: str, content: Json, answer: Json, metadata: Json, parameters: list[Json]) -> dict[str, Json]:
    common: Json = {"parameters": parameters} if parameters else {}
    tags = ["Open Inference Protocol"]
    gone = {"404": {"$ref": "#/components/responses/InferenceError404"}}
    return {
        f"{path}/infer": {
            **common,
            "post": {
                "operationId": "infer",
                "summary": "Predictions, from tensors and as tensors.",
                "tags": tags,
                "requestBody": {"required": True, "content": {_JSON: content, "application/octet-stream": {}}},
                "responses": {
                    "200": _good("The answer", {_JSON: answer, "application/octet-stream": {}}),
                    **_refused("InferenceError"),
                },
            },
        },
        path: {
            **common,
            "get": {
                "operationId": "model_metadata",
                "summary": "The model's tensors: names, datatypes and shapes.",
                "tags": tags,
                "responses": {"200": {"description": "The tensors", "content": {_JSON: metadata}}, **gone},
            },
        },
        f"{path}/ready": {
            **common,
            "get": {
                "operationId": "model_ready",
                "summary": "Whether the model answers.",
                "tags": tags,
                "responses": {
                    "200": _plain("It does", "ModelReady"),
                    "503": _plain("It does not", "ModelReady"),
                    **gone,
                },
            },
        },
    }


def _any_model() -> dict[str, Json]:
    """The protocols that are alike for all models, with the name as parameter."""
    scoring = _scoring({"schema": {"$ref": "#/components/schemas/Invocations"}})
    return {
        "/models/{name}/invocations": {"parameters": [_NAME], "post": scoring},
        **_inference_paths(
            "/v2/models/{name}",
            {"schema": {"$ref": "#/components/schemas/InferRequest"}},
            {"schema": {"$ref": "#/components/schemas/InferAnswer"}},
            {"schema": {"$ref": "#/components/schemas/ModelMetadata"}},
            [_NAME],
        ),
    }


# ---------------------------------------------------------------- server


def _server(served: Sequence[Facts], *, alone: bool) -> dict[str, Json]:
    oip, server = ["Open Inference Protocol"], ["Server"]

    def text(said: str) -> Json:
        return {"description": said, "content": {"text/plain": {"schema": {"type": "string"}}}}

    def get(name: str, summary: str, tags: list[str], responses: Json) -> Json:
        return {"get": {"operationId": name, "summary": summary, "tags": tags, "responses": responses}}

    ready = {
        "200": _plain("It is", "Readiness"),
        "503": {
            **_plain("It is not", "Readiness"),
            "headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}},
        },
    }
    one = {
        "200": _plain("The model", "Model"),
        "404": {"$ref": "#/components/responses/Problem404"},
    }
    paths = {
        "/ready": get("ready", "Whether every model is ready, and what is missing.", server, ready),
        "/health": get("health", "Whether the server runs.", server, {"200": text("It does")}),
        "/ping": get(
            "ping", "Whether every model is ready, as MLflow asks.", server,
            {"200": text("It is"), "503": _plain("It is not", "Readiness")},
        ),
        "/version": get("version", "The server's version.", server, {"200": text("It")}),
        "/metrics": get("metrics", "Metrics for Prometheus.", server, {"200": text("They")}),
        "/models": get("models", "What is served.", server, {"200": _plain("The models", "Models")}),
        "/v2": get(
            "server_metadata", "The server's name and extensions.", oip, {"200": _plain("They", "ServerMetadata")}
        ),
        "/v2/health/live": get("live", "Whether the server runs.", oip, {"200": _plain("It does", "Live")}),
        "/v2/health/ready": get(
            "server_ready", "Whether every model is ready.", oip,
            {"200": _plain("It is", "Ready"), "503": _plain("It is not", "Ready")},
        ),
        "/v2/repository/index": {
            "post": {
                "operationId": "repository_index",
                "summary": "The models and their states.",
                "tags": oip,
                "requestBody": {
                    "required": False,
                    "content": {_JSON: {"schema": {"$ref": "#/components/schemas/IndexRequest"}}},
                },
                "responses": {
                    "200": _plain("The models", "Index"),
                    "400": {"$ref": "#/components/responses/InferenceError400"},
                },
            }
        },
    }  # fmt: skip
    if alone and served:
        paths[served[0].models] = get("model", f"How {served[0].name} is.", server, one)
    else:
        paths["/models/{name}"] = {"parameters": [_NAME], **get("model", "How a model is.", server, one)}
    return paths


def _plain(text: str, schema: str) -> Json:
    return {"description": text, "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


_HEADERS: Final[Json] = {
    "Model": {"description": "The model that answered.", "schema": {"type": "string"}},
    "Version": {"description": "Its version.", "schema": {"type": "string"}},
    "RequestId": {
        "description": "The request's own id, or one that was made for it; it is in the log.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {"description": "Seconds after which it may go better.", "schema": {"type": "string"}},
}


def _good(text: str, content: Mapping[str, Json]) -> Json:
    headers = {"modelyard-model": "Model", "modelyard-version": "Version", "x-request-id": "RequestId"}
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{each}"} for name, each in headers.items()},
        "content": dict(content),
    }


def _refused(schema: str) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{schema}{status}"} for status in (*_FAILURES, 404)}


def _responses() -> Json:
    found: Json = {}
    for schema in ("Problem", "ScoringError", "InferenceError"):
        for status in (*_FAILURES, 404):
            response: Json = {
                "description": refusals.KINDS[status].title,
                "content": {
                    _PROBLEM if schema == "Problem" else _JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}
                },
            }
            if status == 503:
                response["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
            found[f"{schema}{status}"] = response
    return found
