"""The signature of a model: what goes in, what comes out, and which params it takes.

`infer_signature` follows MLflow's rules (frames become columns, arrays become tensors whose first length is free), so
that both sides infer the same from the same data. NumPy and pandas are looked at only when the data is theirs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Input,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    TensorSpec,
    Type,
)

__all__ = [
    "AnyType", "Array", "ColSpec", "DataType", "Map", "ModelSignature", "Object", "ParamSchema", "ParamSpec",
    "Property", "Schema", "TensorSpec", "infer_params", "infer_schema", "infer_signature",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """Inputs, outputs and params of a model; each may be unknown (None)."""

    inputs: Schema | None = None
    outputs: Schema | None = None
    params: ParamSchema | None = None

    def __post_init__(self) -> None:
        if self.inputs is None and self.outputs is None and self.params is None:
            raise InvalidArgument("A signature needs inputs, outputs or params.")
        for name, kind in (("inputs", Schema), ("outputs", Schema), ("params", ParamSchema)):
            if (value := getattr(self, name)) is not None and not isinstance(value, kind):
                raise InvalidArgument(f"The {name} of a signature are a {kind.__name__}, not {type(value).__name__}.")

    def to_dict(self) -> dict[str, str | None]:
        """As in the MLmodel file: three texts of JSON."""
        return {
            "inputs": self.inputs.to_json() if self.inputs else None,
            "outputs": self.outputs.to_json() if self.outputs else None,
            "params": self.params.to_json() if self.params else None,
        }

    @classmethod
    def from_dict(cls, content: Any) -> ModelSignature | None:
        """The signature of an MLmodel file; None if it says nothing.

        Raises:
            InvalidArgument: it does not decode.
        """
        if not isinstance(content, Mapping):
            raise InvalidArgument(f"A signature has inputs, outputs and params; got {content!r}.")
        inputs, outputs, params = (content.get(name) for name in ("inputs", "outputs", "params"))
        if not (inputs or outputs or params):
            return None
        return cls(
            Schema.from_json(inputs) if inputs else None,
            Schema.from_json(outputs) if outputs else None,
            ParamSchema.from_json(params) if params else None,
        )


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None
) -> ModelSignature:
    """The signature of data that went in and came out.

    Args:
        model_input: DataFrame, Series, array, sparse matrix, dictionary (of arrays, or of plain values), list, or a
            single value such as a text.
        model_output: Likewise.
        params: Name → default value.

    Raises:
        InvalidArgument: a value has no type that a signature knows, or types are mixed in one column.
    """
    return ModelSignature(
        None if model_input is None else infer_schema(model_input),
        None if model_output is None else infer_schema(model_output),
        infer_params(params) if params else None,
    )


def infer_schema(data: Any) -> Schema:
    """The schema of data, see `infer_signature`."""
    if _is_frame(data):
        if not len(data.columns):
            raise InvalidArgument("A frame without columns has no schema.")
        names = [name if isinstance(name, str) else str(name) for name in data.columns]
        positions = list(data.columns) == list(range(len(names)))
        columns = [_column(data.iloc[:, at], None if positions else name) for at, name in enumerate(names)]
        return Schema([ColSpec(each.type) for each in columns] if positions else columns)
    if _is_series(data):
        column = _column(data, None if data.name is None else str(data.name))
        return Schema([column if column.name is not None else ColSpec(column.type)])
    if _is_array(data):
        return Schema([_tensor(data)])
    if isinstance(data, Mapping):
        return Schema(_named(data))
    if isinstance(data, list | tuple):
        if data and all(isinstance(each, Mapping) for each in data):
            return Schema(_rows(data))
        kind = _merged([_type(each) for each in data]) if data else DataType.string  # as MLflow, for an empty list
        return Schema([ColSpec(kind)])
    return Schema([ColSpec(_type(data))])


def infer_params(params: Mapping[str, Any]) -> ParamSchema:
    """The schema of params from their defaults."""
    specs = []
    for name, default in params.items():
        if _is_array(default):
            default = default.tolist()  # noqa: PLW2901
        if isinstance(default, list | tuple):
            kind = _merged([_type(each) for each in default])
            specs.append(ParamSpec(name, kind, list(default), (-1,)))  # type: ignore[arg-type]
        else:
            value = default.item() if type(default).__module__ == "numpy" else default
            specs.append(ParamSpec(name, _type(default), value))  # type: ignore[arg-type]
    return ParamSchema(specs)


def _module(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _is_frame(data: Any) -> bool:
    return _module(data) == "pandas" and type(data).__name__ == "DataFrame"


def _is_series(data: Any) -> bool:
    return _module(data) == "pandas" and type(data).__name__ == "Series"


def _is_array(data: Any) -> bool:
    if _module(data) == "scipy":
        return hasattr(data, "tocsr")
    return hasattr(data, "__array_interface__") and hasattr(data, "ndim") and data.ndim > 0


def _tensor(data: Any, name: str | None = None) -> TensorSpec:
    kind = {"U": "str", "S": "bytes"}.get(data.dtype.kind) or str(data.dtype)  # however long the texts are
    return TensorSpec(kind, (-1, *data.shape[1:]), name)


def _named(data: Mapping[Any, Any]) -> list[Input]:
    if not all(isinstance(name, str) for name in data):
        raise InvalidArgument("The keys of a dictionary that goes into a model are texts.")
    if data and all(_is_array(value) for value in data.values()):
        return [_tensor(value, name) for name, value in data.items()]
    return [ColSpec(kind := _type(value), name, not isinstance(kind, AnyType)) for name, value in data.items()]


def _rows(rows: Sequence[Mapping[Any, Any]]) -> list[Input]:
    names = dict.fromkeys(name for row in rows for name in row)
    if not names:
        raise InvalidArgument("Dictionaries without keys have no schema.")
    return [
        ColSpec(
            _merged([_type(row[name]) for row in rows if name in row], str(name)),
            str(name),
            all(row.get(name) is not None for row in rows),
        )
        for name in names
    ]


_DTYPES = {
    "bool": DataType.boolean,
    "int32": DataType.integer,
    "int16": DataType.integer,
    "int8": DataType.integer,
    "uint8": DataType.integer,
    "uint16": DataType.integer,
    "int64": DataType.long,
    "uint32": DataType.long,
    "float16": DataType.float,
    "float32": DataType.float,
    "float64": DataType.double,
}
"""NumPy's name → the narrowest type that holds every value."""


def _column(series: Any, name: str | None) -> ColSpec:
    named = str(series.dtype)
    missing = bool(series.isna().any())
    kind: Type
    if named.startswith("datetime64"):
        kind = DataType.datetime
    elif named == "category":
        kind = _column(series.cat.categories.to_series(), name).type
    elif named in ("string", "str") or named.startswith("string"):
        kind = DataType.string
    elif named.lower() in _DTYPES:
        kind = _DTYPES[named.lower()]
    elif named == "object":
        kind = _merged([_type(value) for value in series.tolist()], name)
    else:
        raise InvalidArgument(f"Column {name!r} has the type {named}, for which a signature has no word.")
    return ColSpec(kind, name, not missing and not isinstance(kind, AnyType))


_SCALARS: dict[str, DataType] = {
    "bool": DataType.boolean, "bool_": DataType.boolean, "int": DataType.long, "int64": DataType.long,
    "int32": DataType.integer, "float": DataType.double, "float64": DataType.double, "float32": DataType.float,
    "str": DataType.string, "str_": DataType.string, "bytes": DataType.binary, "bytes_": DataType.binary,
    "bytearray": DataType.binary, "datetime64": DataType.datetime, "Timestamp": DataType.datetime,
    "int8": DataType.integer, "int16": DataType.integer, "uint8": DataType.integer, "uint16": DataType.integer,
    "uint32": DataType.long, "float16": DataType.float,
}  # fmt: skip


def _missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value  # noqa: PLR0124


def _type(value: Any) -> Type:
    if _missing(value):
        return AnyType()
    if isinstance(value, Mapping):
        if not value:
            return AnyType()
        properties = []
        for name, each in value.items():
            kind = _type(each)
            properties.append(Property(str(name), kind, not isinstance(kind, AnyType)))
        return Object(properties)
    if isinstance(value, list | tuple) or _is_array(value):
        return Array(_merged([_type(each) for each in value])) if len(value) else AnyType()
    if isinstance(value, dt.date):
        return DataType.datetime
    kind_of_scalar = _SCALARS.get(type(value).__name__)
    if kind_of_scalar is None:
        raise InvalidArgument(
            f"A value of type {type(value).__name__} has no place in a signature; expected numbers, text, bytes, "
            "dates, lists and dictionaries of them, arrays or DataFrames."
        )
    return kind_of_scalar


def _merged(kinds: Sequence[Type], name: str | None = None) -> Type:
    """The type that all of these have, missing ones aside."""
    found: Type = AnyType()
    for kind in kinds:
        found = _merge(found, kind, name)
    return found


def _merge(one: Type, other: Type, name: str | None) -> Type:
    if isinstance(other, AnyType) or one == other:
        return one
    if isinstance(one, AnyType):
        return other
    if isinstance(one, Array) and isinstance(other, Array):
        return Array(_merge(one.dtype, other.dtype, name))
    if isinstance(one, Map) and isinstance(other, Map):
        return Map(_merge(one.value_type, other.value_type, name))
    if isinstance(one, Object) and isinstance(other, Object):
        left, right = ({each.name: each for each in kind.properties} for kind in (one, other))
        return Object(
            [
                Property(
                    key, _merge(left[key].dtype, right[key].dtype, key), left[key].required and right[key].required
                )
                if key in left and key in right
                else Property(key, (left.get(key) or right[key]).dtype, required=False)
                for key in left | right
            ]
        )
    where = "" if name is None else f" in {name!r}"
    raise InvalidArgument(f"Mixed types{where}: {one} and {other}. A column of a signature has one type.")
