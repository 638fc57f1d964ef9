"""Values as JSON has them, as the types of a signature: what decodes at once, and what has to be looked at.

Whole numbers become doubles and nothing else becomes a number; a `long` fits 64 bits, an `integer` 32, a `float` the
range of 32 bits; dates are ISO 8601 texts without a zone, binaries base 64. A null is a missing value: in columns of
numbers with a point (NaN), texts, dates and binaries.
"""

from __future__ import annotations

import binascii
import contextlib
import datetime as dt
import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.schema import AnyType, Array, DataType, Map, Object, Type

MOST_FAULTS: Final = 20
"""So many are named; a million rows can have a million."""

_FLOAT32: Final = 3.4028235677973366e38
"""From here on, rounding to 32 bits gives infinity."""
_WHOLE: Final = 2.0**53

QUICK: Final[dict[DataType, Any]] = {
    DataType.boolean: bool,
    DataType.integer: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    DataType.long: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    DataType.float: Annotated[float, msgspec.Meta(gt=-_FLOAT32, lt=_FLOAT32)],
    DataType.double: float,
    DataType.string: str,
    DataType.binary: str,
    DataType.datetime: str,
}
"""Types whose decoding is the check."""

_CONVERTED: Final = (DataType.binary, DataType.datetime)
NULLABLE: Final = (DataType.float, DataType.double, DataType.string, DataType.binary, DataType.datetime)
"""Columns of these types have a word for a missing value."""


def is_plain_name(name: str) -> bool:
    """Whether JSON has the name as it is, which msgspec insists on."""
    return all(each >= " " and each not in '"\\' and not "\ud800" <= each <= "\udfff" for each in name)


def pointer_to(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


class Faults:
    """What is wrong with a body; all of it is looked for before anything is said."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str]] = []
        self.count = 0

    def add(self, pointer: str, what: str) -> None:
        """Note a fault, at a JSON pointer."""
        self.count += 1
        if len(self.places) < MOST_FAULTS:
            self.places.append((pointer, what))

    def named(self, start: int, pointer: str = "") -> list[tuple[str, str]]:
        """The faults from that one on: their names, below a pointer, and what is wrong."""
        return [
            (place[len(pointer) + 1 :].replace("~1", "/").replace("~0", "~"), what)
            for place, what in self.places[start:]
        ]

    def error(self, said: list[str]) -> InvalidArgument:
        """The error that names them.

        Args:
            said: the faults in words.
        """
        more = f"; and {self.count - len(self.places)} more" if self.count > len(self.places) else ""
        return InvalidArgument(f"The data does not fit the model's signature. {'; '.join(said)}{more}.", self.places)


def told(value: Any) -> str:
    """A value of JSON, for a message: its kind, and itself if it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 40 else f"a text of {len(value)} characters"
    if isinstance(value, int | float):
        text = repr(value) if isinstance(value, float) or abs(value) < 10**20 else "a number of many digits"
        return text if len(text) > 20 else f"the number {text}"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"


# ---------------------------------------------------------------- bodies


def plain(body: bytes | memoryview) -> Any:
    """A body of JSON, NaN and Infinity included.

    Raises:
        InvalidArgument: it does not decode, is nested too deeply, or holds numbers or texts that cannot be kept.
    """
    try:
        text = str(body, "utf-8")
    except UnicodeDecodeError as fault:
        raise InvalidArgument(f"The body is not UTF-8: {fault.reason} at byte {fault.start}.") from None
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InvalidArgument("The body is empty; JSON was expected.")
    try:
        content = json.loads(text, parse_float=_number)
    except RecursionError:
        raise InvalidArgument("The body is nested too deeply.") from None
    except json.JSONDecodeError as fault:
        raise InvalidArgument(f"The body is not JSON: {fault}.") from None
    except ValueError as fault:  # a whole number of thousands of digits
        raise InvalidArgument(f"The body holds a number that is out of range: {fault}.") from None
    if "\\ud" in text or "\\uD" in text:
        try:
            msgspec.json.encode(content)
        except UnicodeEncodeError:
            raise InvalidArgument("The body holds a text with half of a surrogate pair: not Unicode.") from None
        except RecursionError:
            raise InvalidArgument("The body is nested too deeply.") from None
    return content


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise InvalidArgument(f"The number {text[:40]} is out of range: 64 bits do not hold it.")
    return value


# ---------------------------------------------------------------- types


def quick(kind: Type) -> Any:
    """The type to decode a value to; what `converts` needs a further look."""
    if isinstance(kind, DataType):
        return QUICK[kind]
    if isinstance(kind, Array) and not converts(kind):
        item = quick(kind.dtype)
        return list[item | None] if item is not Any else list[Any]  # type: ignore[valid-type]
    if isinstance(kind, Map) and not converts(kind):
        return dict[str, quick(kind.value_type)]  # type: ignore[misc]
    return Any


def converts(kind: Type) -> bool:
    """Whether a value has to be converted once it is decoded."""
    if isinstance(kind, Array | Map):
        return converts(kind.dtype if isinstance(kind, Array) else kind.value_type)
    return isinstance(kind, Object) or kind in _CONVERTED


def converter(kind: Type, *, required: bool) -> Callable[[Any], Any]:
    """A function from what was decoded to the model's value; raises ValueError if it is none."""
    if kind is DataType.datetime:
        return lambda value: None if value is None else moment(value)
    if kind is DataType.binary:
        return lambda value: None if value is None else binary(value)

    def convert(value: Any) -> Any:
        faults = Faults()
        found = checked(value, kind, faults, "", required=required)
        if faults.count:
            raise ValueError
        return found

    return convert


def checked(value: Any, kind: Type, faults: Faults, pointer: str, *, required: bool = True) -> Any:
    """A value of plain JSON as the model's; faults are noted, and the value is then of no use."""
    if isinstance(kind, AnyType):
        return value
    if value is None:
        if required and kind not in NULLABLE:
            faults.add(pointer, f"expected {words(kind)}, got null")
        return None
    if isinstance(kind, DataType):
        try:
            return scalar(value, kind)
        except ValueError as fault:
            faults.add(pointer, str(fault))
            return None
    if isinstance(kind, Array):
        if isinstance(value, list):
            items = enumerate(value)
            return [checked(each, kind.dtype, faults, f"{pointer}/{at}", required=False) for at, each in items]
    elif isinstance(value, dict):
        if isinstance(kind, Map):
            return {
                key: checked(each, kind.value_type, faults, pointer + pointer_to(key)) for key, each in value.items()
            }
        properties = {each.name: each for each in kind.properties}
        for name, each in properties.items():
            if each.required and name not in value:
                faults.add(pointer + pointer_to(name), "missing")
        found = {}
        for name, each in value.items():
            if name in properties:
                spec = properties[name]
                found[name] = checked(each, spec.dtype, faults, pointer + pointer_to(name), required=spec.required)
            else:
                faults.add(pointer + pointer_to(name), "unknown")
        return found
    faults.add(pointer, f"expected {words(kind)}, got {told(value)}")
    return None


def words(kind: Type) -> str:
    """A type, for a message."""
    if isinstance(kind, DataType):
        return str(kind)
    return {Array: "a list", Map: "an object", Object: "an object"}.get(type(kind), "any value")


def scalar(value: Any, kind: DataType) -> Any:
    """A value of plain JSON as that type.

    Raises:
        ValueError: it is none; the text says what was expected.
    """
    if kind is DataType.boolean:
        if isinstance(value, bool):
            return value
    elif kind in (DataType.integer, DataType.long):
        bits = 32 if kind is DataType.integer else 64
        if isinstance(value, float) and value.is_integer() and abs(value) <= _WHOLE:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
                return value
            raise ValueError(f"expected {kind}, got {told(value)}, which does not fit into {bits} bits")
    elif kind in (DataType.float, DataType.double):
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                raise ValueError(f"expected {kind}, got {told(value)}, which is out of range") from None
            if kind is DataType.float and math.isfinite(number) and abs(number) >= _FLOAT32:
                raise ValueError(f"expected {kind}, got {told(value)}, which does not fit into 32 bits")
            return number
    elif isinstance(value, str):
        return value if kind is DataType.string else moment(value) if kind is DataType.datetime else binary(value)
    raise ValueError(f"expected {_EXPECTED.get(kind, kind)}, got {told(value)}")


_EXPECTED: Final = {
    DataType.datetime: "datetime (a text, such as 2026-01-31T08:30:00)",
    DataType.binary: "binary (a text of base 64)",
}


def moment(text: str) -> Any:
    """A date of ISO 8601, or of another form that pandas reads.

    Raises:
        ValueError: it is no date, has a time zone, or lies outside of what 64 bits of nanoseconds hold.
    """
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        import pandas as pd

        stamp = pd.NaT
        with contextlib.suppress(Exception):  # whatever the parser of free text stumbles over
            stamp = pd.Timestamp(text)
        if stamp is pd.NaT:
            raise ValueError(f"expected {_EXPECTED[DataType.datetime]}, got {told(text)}") from None
        found = stamp.to_pydatetime(warn=False)
    if found.tzinfo is not None:
        raise ValueError(f"expected datetime without a time zone, got {told(text)}")
    if not 1678 <= found.year <= 2261:
        raise ValueError(f"expected datetime from 1678 to 2261, got {told(text)}")
    if len(text) > 26:  # nanoseconds, which Python drops
        try:
            return np.datetime64(text, "ns")
        except ValueError:
            return found
    return found


def binary(text: str) -> bytes:
    """Bytes from base 64, line breaks allowed.

    Raises:
        ValueError: it is none.
    """
    try:
        return binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        raise ValueError(f"expected {_EXPECTED[DataType.binary]}, got {told(text)}") from None
