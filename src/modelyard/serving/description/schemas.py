"""A signature as JSON Schema (2020-12): what natural JSON, MLflow's and the Open Inference Protocol's bodies hold."""

from __future__ import annotations

from typing import Any, Final

from modelyard.packaging import example
from modelyard.packaging.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    Schema,
    TensorSpec,
    Type,
)

JsonSchema = dict[str, Any]

_WIDEST: Final = 1.7976931348623157e308
_DAY: Final = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME: Final = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
_SCALARS: Final[dict[DataType, JsonSchema]] = {
    DataType.boolean: {"type": "boolean"},
    DataType.integer: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    DataType.long: {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    DataType.float: {"type": "number", "format": "float", "minimum": -3.4028234e38, "maximum": 3.4028234e38},
    DataType.double: {"type": "number", "format": "double", "minimum": -_WIDEST, "maximum": _WIDEST},
    DataType.string: {"type": "string"},
    DataType.binary: {"type": "string", "contentEncoding": "base64"},
    DataType.datetime: {
        "type": "string",
        "description": "ISO 8601, without a time zone",
        "pattern": rf"^{_DAY}([T ]{_TIME})?$",
    },
}
_MISSING: Final = (DataType.float, DataType.double, DataType.string, DataType.binary, DataType.datetime)
"""Types with a word for a missing value."""


def nullable(schema: JsonSchema) -> JsonSchema:
    """The schema, or null."""
    kind = schema.get("type")
    if kind is None:
        return schema
    return {**schema, "type": [*([kind] if isinstance(kind, str) else kind), "null"]}


def of_type(kind: Type, *, missing: bool = False) -> JsonSchema:
    """A value of a type.

    Args:
        kind: the type.
        missing: whether null is allowed whatever the type.
    """
    found: JsonSchema
    if isinstance(kind, DataType):
        found = dict(_SCALARS[kind])
        missing = missing or kind in _MISSING
    elif isinstance(kind, Array):
        found = {"type": "array", "items": of_type(kind.dtype, missing=True)}
    elif isinstance(kind, Map):
        found = {"type": "object", "additionalProperties": of_type(kind.value_type)}
    elif isinstance(kind, Object):
        found = {
            "type": "object",
            "properties": {each.name: of_type(each.dtype, missing=not each.required) for each in kind.properties},
            "required": [each.name for each in kind.properties if each.required],
            "additionalProperties": False,
        }
    else:
        return {}
    return nullable(found) if missing else found


def of_element(named: str) -> JsonSchema:
    """An element of a tensor of that type of NumPy."""
    if named == "bool":
        return {"type": "boolean"}
    if named.startswith(("int", "uint")):
        bits = int(named.lstrip("uint"))
        low, high = (0, 2**bits - 1) if named[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": "integer", "minimum": low, "maximum": min(high, 2**63 - 1)}
    if named.startswith("float"):
        widest = {"float16": 65504.0, "float32": 3.4028234e38}.get(named, _WIDEST)
        return {"type": ["number", "null"], "minimum": -widest, "maximum": widest}
    return {"type": "string"} if named in ("str", "bytes") or named.startswith("datetime") else {}


def of_tensor(spec: TensorSpec, *, row: bool = False) -> JsonSchema:
    """Nested lists.

    Args:
        spec: the tensor.
        row: one row of it, without the first length.
    """
    found = of_element(spec.type)
    for length in reversed(spec.shape[1:] if row else spec.shape):
        found = {"type": "array", "items": found}
        if length >= 0:
            found |= {"minItems": length, "maxItems": length}
    return found


def batched(schema: Schema) -> bool:
    """Whether data of the schema comes in rows."""
    return all(not isinstance(each, TensorSpec) or (each.shape and each.shape[0] == -1) for each in schema)


def row(schema: Schema, *, strict: bool = True) -> JsonSchema:
    """One row in natural JSON; all data, if it does not come in rows.

    Args:
        schema: inputs or outputs.
        strict: whether other properties are refused: those of a question are, those of an answer are not described.
    """
    if schema.is_tensor_spec():
        one = batched(schema)
        parts = [of_tensor(each, row=one) for each in schema if isinstance(each, TensorSpec)]
        required = [True] * len(parts)
    else:
        columns = [each for each in schema if isinstance(each, ColSpec)]
        parts = [of_type(each.type, missing=not strict or not each.required) for each in columns]
        required = [each.required for each in columns]
    if schema.has_input_names():
        names = [str(name) for name in schema.input_names()]
        found: JsonSchema = {"type": "object", "properties": dict(zip(names, parts, strict=True))}
        needed = [name for name, needs in zip(names, required, strict=True) if needs]
        if needed:
            found["required"] = needed
        if strict:
            found["additionalProperties"] = False
        return found
    if len(parts) == 1:
        return parts[0]
    return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}


def bare(schema: Schema) -> JsonSchema | None:
    """The only column's value without its name around it; None if the schema has no such form."""
    spec = schema.inputs[0]
    if len(schema) == 1 and schema.has_input_names() and isinstance(spec, ColSpec) and isinstance(spec.type, DataType):
        return of_type(spec.type)
    return None


def params(schema: ParamSchema) -> JsonSchema:
    """The params of a prediction."""
    properties: dict[str, JsonSchema] = {}
    for each in schema:
        found = of_type(each.dtype, missing=True)
        if each.shape is not None:
            found = {"type": "array", "items": found}
        if each.default is not None:
            found["default"] = example.plain(each.default)
        properties[each.name] = found
    return {"type": "object", "properties": properties, "additionalProperties": False}


def words(kind: Type | str, shape: tuple[int, ...] | None = None) -> str:
    """A type in a few words, for people."""
    if shape is not None:
        lengths = [str(each) if each >= 0 else "any" if at else "rows" for at, each in enumerate(shape)]
        return f"{kind} [{', '.join(lengths)}]"
    if isinstance(kind, Array):
        return f"list of {words(kind.dtype)}"
    if isinstance(kind, Map):
        return f"object of {words(kind.value_type)}"
    if isinstance(kind, Object):
        inner = ", ".join(f"{each.name}: {words(each.dtype)}" for each in kind.properties)
        return f"object with {inner}"
    return "anything" if isinstance(kind, AnyType) else str(kind)
