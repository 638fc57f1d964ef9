"""Requests to structs: JSON bodies and query strings, strictly, with errors that say where and what is allowed."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from modelyard.domain.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.wire.message import Request

T = TypeVar("T", bound="Request")

_MOST_PARAMETERS: Final = 2000
_AT: Final = re.compile(r" - at `(key in )?\$?([^`]*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
# PostgreSQL cannot keep NUL in a text, so nobody may.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
NUL_REFUSED: Final = "Texts cannot hold the character U+0000."


@cache
def _decoder(kind: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


@cache
def _unpacker(kind: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(kind).decode


def from_body(body: bytes, kind: type[T]) -> T:
    """Decode a JSON body.

    Raises:
        InvalidArgument: it is not JSON, or not of this form.
    """
    if not body:
        raise InvalidArgument(f"The body is empty; expected a JSON object with {_listed(kind)}.")
    if b"\\u0000" in body and _NUL.search(body):
        raise InvalidArgument(NUL_REFUSED)
    try:
        message: T = _decoder(kind)(body)
    except msgspec.ValidationError as error:
        raise _malformed(str(error), kind) from None
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise InvalidArgument("The body nests too deeply.") from None
    return message


def from_msgpack(body: bytes, kind: type[T]) -> T:
    """Decode a MessagePack body.

    Raises:
        InvalidArgument: it is not MessagePack, or not of this form.
    """
    if not body:
        raise InvalidArgument(f"The body is empty; expected a MessagePack map with {_listed(kind)}.")
    try:
        message: T = _unpacker(kind)(body)
    except msgspec.ValidationError as error:
        raise _malformed(str(error), kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"The body is not MessagePack: {error}.") from None
    except RecursionError:
        raise InvalidArgument("The body nests too deeply.") from None
    return message


def from_query(query: bytes, kind: type[T]) -> T:
    """Decode a query string: a list is a parameter that is repeated.

    Raises:
        InvalidArgument: a parameter is unknown, is given twice, or has a value that is not allowed.
    """
    values: dict[str, Any] = {}
    lists = _lists(kind)
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise InvalidArgument(f"The query has more than {_MOST_PARAMETERS} parameters.") from None
    for name, value in pairs:
        if "\0" in value:
            raise InvalidArgument(NUL_REFUSED)
        if value.lower() == "null" and name in _optional(kind):  # msgspec would take it for None
            detail = f"The query parameter {name!r} cannot be null; leave it out."
            raise InvalidArgument(detail, [(name, "Leave it out.")])
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            detail = f"The query parameter {name[:100]!r} is given twice."
            raise InvalidArgument(detail, [(name, "Give it once.")])
        else:
            values[name] = value
    try:
        message: T = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _malformed(str(error), kind, query=True) from None
    return message


@cache
def _lists(kind: type[Any]) -> frozenset[str]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)  # noqa: S101 - messages are structs
    return frozenset(field.encode_name for field in found.fields if isinstance(_bare(field.type), inspect.ListType))


@cache
def _optional(kind: type[Any]) -> frozenset[str]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)  # noqa: S101 - messages are structs
    return frozenset(
        field.encode_name
        for field in found.fields
        if any(isinstance(each, inspect.NoneType) for each in _alternatives(field.type))
    )


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _malformed(text: str, kind: type[Any], *, query: bool = False) -> InvalidArgument:
    """From msgspec's words to ours."""
    found = _AT.search(text)
    steps = [name or index for name, index in _STEP.findall(found[2])] if found else []
    what = text[: found.start()] if found else text
    unknown = _UNKNOWN.search(what)
    if unknown:
        what = f"Unknown field {unknown[1][:100]!r}; there are {_fields_at(inspect.type_info(kind), steps)}"
        steps.append(unknown[1])
    elif found and found[1]:
        what += " as a key"
    place = ".".join(steps) if query else "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
    where = "The query" if query else "The body"
    shown = f"{where} is not valid at {place[:200]!r}: " if steps else f"{where} is not valid: "
    return InvalidArgument(f"{shown}{what}.", [(place if steps else "", f"{what}.")])


def _fields_at(kind: inspect.Type, steps: list[str]) -> str:
    """The fields of the struct at the end of a path."""
    for step in steps:
        kind = _inner(kind, step)
    structs = [each for each in _alternatives(kind) if isinstance(each, inspect.StructType)]
    return ", ".join(field.encode_name for each in structs for field in each.fields) or "none"


def _alternatives(kind: inspect.Type) -> list[inspect.Type]:
    kind = _bare(kind)
    return [_bare(each) for each in kind.types] if isinstance(kind, inspect.UnionType) else [kind]


def _inner(kind: inspect.Type, step: str) -> inspect.Type:
    for each in _alternatives(kind):
        if isinstance(each, inspect.StructType):
            for field in each.fields:
                if field.encode_name == step:
                    return field.type
        elif isinstance(each, inspect.ListType):
            return each.item_type
        elif isinstance(each, inspect.DictType):
            return each.value_type
    return inspect.AnyType()


def _listed(kind: type[Any]) -> str:
    return ", ".join(kind.__struct_fields__)
