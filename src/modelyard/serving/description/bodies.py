"""Bodies that are the same for every model, as JSON Schema: the protocols' envelopes, metadata, states, errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from modelyard.serving import refusals
from modelyard.serving.protocols.open_inference_metadata import DATATYPES

Json = dict[str, Any]


def _object(required: Sequence[str] = (), **properties: Json) -> Json:
    found: Json = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_TEXT: Final[Json] = {"type": "string"}
_TENSOR: Final[Json] = {
    "name": _TEXT,
    "datatype": {"enum": list(DATATYPES)},
    "shape": _list({"type": "integer", "minimum": 0}),
    "parameters": {"type": "object"},
    "data": {"type": "array", "description": "The elements, row by row; nested lists are understood too."},
}
_DESCRIBED: Final[Json] = _object(
    ("name", "datatype", "shape"),
    name=_TEXT, datatype={"enum": list(DATATYPES)}, shape=_list({"type": "integer"}), parameters={"type": "object"},
)  # fmt: skip
_STATES: Final = ("waiting", "downloading", "loading", "ready", "restarting", "evicted", "failed", "missing")

SHARED: Final[dict[str, Json]] = {
    "Problem": _object(
        ("type", "title", "status", "code", "detail", "errors"),
        type=_TEXT,
        title=_TEXT,
        status={"type": "integer"},
        code={"enum": [kind.code for kind in refusals.KINDS.values()]},
        detail={"type": "string", "description": "What was wrong, what was expected, and what to do."},
        errors=_list(
            _object(("pointer", "detail"), pointer={"type": "string", "description": "A JSON pointer."}, detail=_TEXT)
        ),
    ),
    "ScoringError": _object(("error_code", "message"), error_code=_TEXT, message=_TEXT),
    "InferenceError": _object(("error",), error=_TEXT),
    "Invocations": {
        "type": "object",
        "description": "One of the four forms, with params beside it if the model takes any.",
        "properties": {
            "dataframe_split": _object(
                ("data",),
                columns=_list({"type": ["string", "integer"]}),
                index={"type": "array"},
                data=_list({"type": "array"}),
            ),
            "dataframe_records": _list({"type": "object"}),
            "instances": {"description": "Rows: values, lists or objects."},
            "inputs": {"description": "Columns: a list, or an object of lists."},
            "params": {"type": ["object", "null"]},
        },
        "anyOf": [
            {"required": [name]} for name in ("dataframe_split", "dataframe_records", "instances", "inputs")
        ],
    },
    "Predictions": _object(("predictions",), predictions={}),
    "InferRequest": _object(
        ("inputs",),
        id=_TEXT,
        parameters={"type": "object", "description": "The params of the prediction, and `binary_data_output`."},
        inputs=_list(_object(("name", "datatype", "shape"), **_TENSOR)),
        outputs=_list(_object(("name",), name=_TEXT, parameters={"type": "object"})),
    ),
    "InferAnswer": _object(
        ("model_name", "outputs"),
        model_name=_TEXT,
        model_version=_TEXT,
        id=_TEXT,
        outputs=_list(_object(("name", "datatype", "shape"), **_TENSOR)),
    ),
    "ModelMetadata": _object(
        ("name", "versions", "platform", "inputs", "outputs"),
        name=_TEXT, versions=_list(_TEXT), platform=_TEXT, inputs=_list(_DESCRIBED), outputs=_list(_DESCRIBED),
    ),
    "ServerMetadata": _object(
        ("name", "version", "extensions"), name=_TEXT, version=_TEXT, extensions=_list(_TEXT)
    ),
    "ModelReady": _object(("name", "ready"), name=_TEXT, ready={"type": "boolean"}),
    "Live": _object(("live",), live={"type": "boolean"}),
    "Ready": _object(("ready",), ready={"type": "boolean"}),
    "IndexRequest": _object((), ready={"type": "boolean", "description": "Only models that are ready."}),
    "Index": _list(
        _object(
            ("name", "state", "reason"),
            name=_TEXT, version=_TEXT, state={"enum": ["READY", "UNAVAILABLE"]}, reason=_TEXT,
        )
    ),
    "Readiness": _object(
        ("ready", "models", "models_ready", "missing"),
        ready={"type": "boolean"},
        models={"type": "integer"},
        models_ready={"type": "integer"},
        missing=_list(_object(("name", "state", "reason"), name=_TEXT, state={"enum": list(_STATES)}, reason=_TEXT)),
        registry={"type": "string", "description": "Why the registry cannot be asked now; without it all is well."},
    ),
    "Models": _object(("models",), models=_list({"$ref": "#/components/schemas/Model"})),
    "Model": _object(
        ("name", "state", "ready", "reason"),
        name=_TEXT,
        state={"enum": list(_STATES)},
        ready={"type": "boolean"},
        reason=_TEXT,
        version=_TEXT,
        uri=_TEXT,
        source=_TEXT,
        digest=_TEXT,
        workers={"type": "integer"},
        waiting={"type": "integer"},
        batching={"type": "object"},
        golden=_list({"type": "object"}),
    ),
}  # fmt: skip
