"""The types that a signature is made of, in MLflow's JSON both ways.

MLflow 2.9 knows scalar columns and tensors; arrays and objects came with 2.10, maps with 2.17, `any` with 2.20. A
required scalar column is written without the key `required`, which 2.9 would refuse and later versions imply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from modelyard.domain.errors import InvalidArgument


class DataType(StrEnum):
    """The scalar types."""

    boolean = "boolean"
    integer = "integer"
    """32 bits."""
    long = "long"
    """64 bits."""
    float = "float"
    """32 bits."""
    double = "double"
    """64 bits."""
    string = "string"
    binary = "binary"
    datetime = "datetime"


class AnyType:
    """A value about which nothing is known: only missing values were seen."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyType)

    def __hash__(self) -> int:
        return hash(AnyType)

    def __repr__(self) -> str:
        return "any"

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return {"type": "any"}


@dataclass(frozen=True, slots=True)
class Array:
    """A list whose items have one type."""

    dtype: Type

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return {"type": "array", "items": _write(self.dtype)}


@dataclass(frozen=True, slots=True)
class Map:
    """A dictionary with any keys (text), whose values have one type."""

    value_type: Type

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        return {"type": "map", "values": _write(self.value_type)}


@dataclass(frozen=True, slots=True)
class Property:
    """A named value of an object."""

    name: str
    dtype: Type
    required: bool = True


@dataclass(frozen=True, slots=True)
class Object:
    """A dictionary with known keys; kept in the order of their names, as MLflow does."""

    properties: Sequence[Property]

    def __post_init__(self) -> None:
        names = [each.name for each in self.properties]
        if not names or len(set(names)) < len(names):
            raise InvalidArgument(f"An object needs properties with names of their own, not {names}.")
        object.__setattr__(self, "properties", tuple(sorted(self.properties, key=lambda each: each.name)))

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        properties = {each.name: _write(each.dtype) | {"required": each.required} for each in self.properties}
        return {"type": "object", "properties": properties}


Type = DataType | Array | Object | Map | AnyType


def type_of(given: Any) -> Type:
    """A type from itself or from its name, e.g. `"double"`.

    Raises:
        InvalidArgument: there is no such type.
    """
    if isinstance(given, DataType | Array | Object | Map | AnyType):
        return given
    try:
        return DataType(getattr(given, "name", given))
    except ValueError:
        names = ", ".join(DataType)
        raise InvalidArgument(f"No type {given!r}; expected one of {names}, Array, Object, Map or AnyType.") from None


def _write(kind: Type) -> dict[str, Any]:
    return {"type": str(kind)} if isinstance(kind, DataType) else kind.to_dict()


def _read(content: Any) -> Type:
    try:
        name = content["type"]
        if name == "array":
            return Array(_read(content["items"]))
        if name == "map":
            return Map(_read(content["values"]))
        if name == "any":
            return AnyType()
        if name == "sparkml_vector":
            return Array(DataType.double)
        if name == "object":
            return Object(
                [
                    Property(key, _read(value), bool(value.get("required", True)))
                    for key, value in content["properties"].items()
                ]
            )
    except (KeyError, TypeError, AttributeError):
        raise InvalidArgument(f"This is not a type of a signature: {content!r}.") from None
    return type_of(name)


@dataclass(frozen=True, slots=True)
class ColSpec:
    """A column: its type, its name (None: known by position) and whether it has to be there."""

    type: Type
    name: str | None = None
    required: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", type_of(self.type))

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        named = {} if self.name is None else {"name": self.name}
        implied = self.required and isinstance(self.type, DataType)
        return _write(self.type) | named | ({} if implied else {"required": self.required})


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An array of one NumPy type; -1 in the shape stands for any length."""

    type: str
    shape: tuple[int, ...]
    name: str | None = None

    def __post_init__(self) -> None:
        named = getattr(self.type, "name", None) or getattr(self.type, "__name__", None) or str(self.type)
        # the length of the longest text of a sample says nothing about the next one
        plain = "str" if named.startswith("str") else "bytes" if named.startswith("bytes") else named
        object.__setattr__(self, "type", plain)
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))

    @property
    def required(self) -> bool:
        """Always: MLflow knows no optional tensors."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        named = {} if self.name is None else {"name": self.name}
        return named | {"type": "tensor", "tensor-spec": {"dtype": self.type, "shape": list(self.shape)}}


Input = ColSpec | TensorSpec


@dataclass(frozen=True, slots=True, eq=True)
class Schema:
    """Inputs or outputs: columns or tensors, all of one kind, all named or all unnamed."""

    inputs: Sequence[Input]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        names = [each.name for each in self.inputs]
        if not names:
            raise InvalidArgument("A schema needs at least one column or tensor.")
        if len({type(each) for each in self.inputs}) > 1:
            raise InvalidArgument("A schema has either columns or tensors, not both.")
        if len({name is None for name in names}) > 1:
            raise InvalidArgument(f"Either all columns have names or none; got {names}.")
        if names[0] is None and any(not each.required for each in self.inputs):
            raise InvalidArgument("A column without a name cannot be optional.")
        if names[0] is None and self.is_tensor_spec() and len(names) > 1:
            raise InvalidArgument("Several tensors need names.")

    def __iter__(self) -> Iterator[Input]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def is_tensor_spec(self) -> bool:
        """Whether it is made of tensors."""
        return isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Whether the columns or tensors have names."""
        return self.inputs[0].name is not None

    def input_names(self) -> list[str | int]:
        """The names, or positions."""
        return [at if each.name is None else each.name for at, each in enumerate(self.inputs)]

    def required_input_names(self) -> list[str | int]:
        """The names, or positions, of what has to be there."""
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if each.required]

    def input_types(self) -> list[Any]:
        """The types, in order."""
        return [each.type for each in self.inputs]

    def to_dict(self) -> list[dict[str, Any]]:
        """As in MLflow's JSON."""
        return [each.to_dict() for each in self.inputs]

    def to_json(self) -> str:
        """As text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """The schema from MLflow's JSON.

        Raises:
            InvalidArgument: it is no schema.
        """
        return cls([_input(each) for each in _entries(text)])


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """A parameter of a prediction: type, default, and shape (None: one value, (-1,): a list)."""

    name: str
    dtype: DataType | Object
    default: Any
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        dtype = type_of(self.dtype)
        if not isinstance(dtype, DataType | Object) or dtype is DataType.binary:
            raise InvalidArgument(f"A param is a single value, a list or an object, not {self.dtype!r}.")
        object.__setattr__(self, "dtype", dtype)
        if self.shape is not None and tuple(self.shape) != (-1,):
            raise InvalidArgument(f"Param {self.name!r}: the shape is None or (-1,), not {self.shape!r}.")
        object.__setattr__(self, "shape", None if self.shape is None else (-1,))

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's JSON."""
        many = self.shape is not None and isinstance(self.default, Sequence)
        default = [_plain(each) for each in self.default] if many else _plain(self.default)
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "default": default, "shape": shape} | _write(self.dtype)


@dataclass(frozen=True, slots=True)
class ParamSchema:
    """The parameters of a model."""

    params: Sequence[ParamSpec]

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", tuple(self.params))
        names = [each.name for each in self.params]
        if len(set(names)) < len(names):
            raise InvalidArgument(f"Params need names of their own; got {names}.")

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.params)

    def __len__(self) -> int:
        return len(self.params)

    def to_dict(self) -> list[dict[str, Any]]:
        """As in MLflow's JSON."""
        return [each.to_dict() for each in self.params]

    def to_json(self) -> str:
        """As text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ParamSchema:
        """The params from MLflow's JSON.

        Raises:
            InvalidArgument: they are none.
        """
        found = []
        for each in _entries(text):
            try:
                # 2.x wrote `dtype` at first
                kind = _read({"type": each.get("type") or each["dtype"], "properties": each.get("properties")})
                found.append(ParamSpec(str(each["name"]), kind, each["default"], each.get("shape")))  # type: ignore[arg-type]
            except KeyError as missing:
                raise InvalidArgument(f"A param in the signature has no {missing}: {each!r}.") from None
        return cls(found)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(text)
    except (TypeError, ValueError) as fault:
        raise InvalidArgument(f"The schema of a signature is not JSON: {fault}.") from None
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise InvalidArgument(f"The schema of a signature is a list of objects, not {text[:200]!r}.")
    return content


def _input(content: Mapping[str, Any]) -> Input:
    name = content.get("name")
    if content.get("type") == "tensor":
        try:
            tensor = content["tensor-spec"]
            return TensorSpec(tensor["dtype"], tuple(tensor["shape"]), name)
        except (KeyError, TypeError, ValueError):
            raise InvalidArgument(f"This is not a tensor of a signature: {content!r}.") from None
    # 2.9 wrote `optional`; a missing or null `required` means yes
    required = content.get("required")
    return ColSpec(_read(content), name, not content.get("optional") if required is None else bool(required))
