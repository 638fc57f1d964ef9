"""JSON as MLflow's protobuf layer reads it: int64 as number or string, unknown fields ignored, null as absent; queries.

Rules and messages: `_get_request_message` and the `_assert_*` checks of `server/handlers.py` in MLflow 3.11.1, as
observed.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn, overload
from urllib.parse import parse_qsl

import msgspec

from modelyard.domain.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADVICE = "See the API docs for more information about request parameters."
_decode = msgspec.json.Decoder().decode

LONGEST_SHOWN = 2000
"""Characters of a refused value that its error repeats."""

NUL = b"\\u0000"
"""How the character NUL is spelt in JSON; a body without these bytes has none."""


def missing(name: str) -> InvalidArgument:
    """The error for a required parameter that is absent or empty."""
    return InvalidArgument(f"Missing value for required parameter '{name}'. {_ADVICE}")


def invalid(name: str, value: Any, why: str = "") -> InvalidArgument:
    """The error for a parameter whose value has the wrong type or form; `why` is MLflow's hint at the type if empty."""
    try:
        shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        shown = repr(value)
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}... ({len(shown)} characters)"
    reason = why or f" Hint: Value was of type '{type(value).__name__}'"
    return InvalidArgument(f"Invalid value {shown} for parameter '{name}' supplied: {reason}. {_ADVICE}")


class Fields:
    """A request message by field name. Accessors check the type and raise MLflow's messages."""

    __slots__ = ("_prefix", "_values")

    def __init__(self, values: Mapping[str, Any], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix

    def has(self, name: str) -> bool:
        """Whether the field was sent with a value."""
        return self._values.get(name) is not None

    def raw(self, name: str) -> Any:
        """The value as it came."""
        return self._values.get(name)

    def _fail(self, name: str, value: Any) -> NoReturn:
        raise invalid(self._prefix + name, value)

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        """A string. Required: absent and empty are refused alike, as MLflow does."""
        value = self._values.get(name)
        if value is None:
            value = default
        if not isinstance(value, str):
            self._fail(name, value)
        if required and not value:
            raise missing(self._prefix + name)
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, None if absent."""
        return self.text(name) if self.has(name) else None

    @overload
    def integer(self, name: str, default: int, *, required: bool = False) -> int: ...
    @overload
    def integer(self, name: str, default: None = None, *, required: bool = False) -> int | None: ...
    def integer(self, name: str, default: int | None = None, *, required: bool = False) -> int | None:
        """An int64, sent as a number or as a decimal string."""
        value = self._values.get(name)
        if value is None or value == "":
            if required:
                raise missing(self._prefix + name)
            return default
        number = as_int64(value)
        if number is None:
            self._fail(name, value)
        return number

    def number(self, name: str) -> float:
        """A required double: a number, a numeric string, or "NaN", "Infinity", "-Infinity"."""
        value = self._values.get(name)
        if value is None or value == "":
            raise missing(self._prefix + name)
        number = as_double(value)
        if number is None:
            self._fail(name, value)
        return number

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """A bool."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._fail(name, value)
        return value

    def texts(self, name: str) -> list[str]:
        """A repeated string."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._fail(name, value)
        return value

    def message(self, name: str) -> Fields | None:
        """A nested message, None if absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._fail(name, value)
        return Fields(value, f"{self._prefix}{name}.")

    def messages(self, name: str) -> list[Fields]:
        """A repeated message."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._fail(name, value)
        return [Fields(item, f"{self._prefix}{name}[{index}].") for index, item in enumerate(value)]

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """A repeated message of `key` and `value`, such as tags."""
        return [(item.text("key", required=True), item.text("value")) for item in self.messages(name)]


class Query(Fields):
    """A message in a query string: of a name that is given twice, the first counts, unless the field is repeated."""

    __slots__ = ("_all",)

    def __init__(self, values: dict[str, list[str]]) -> None:
        super().__init__({name: texts[0] for name, texts in values.items()})
        self._all = values

    def texts(self, name: str) -> list[str]:
        """A repeated string."""
        return self._all.get(name, [])

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """`true` or `false`, in any case."""
        value = self.text(name).lower()
        if value not in ("", "true", "false"):
            raise InvalidArgument(f"Invalid boolean value: {value}, must be 'true' or 'false'.")
        return value == "true" if value else default


def as_int64(value: Any) -> int | None:
    """The integer that a JSON value stands for, None if it stands for none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return None


def as_double(value: Any) -> float | None:
    """The double that a JSON value stands for, None if it stands for none."""
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def double(value: float) -> float | str:
    """A double on its way out: NaN and infinities are strings."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def from_body(body: bytes) -> Fields:
    """The message in a JSON body; an empty body is an empty message.

    Raises:
        InvalidArgument: not JSON, or not an object.
    """
    if not body.strip():
        return Fields({})
    try:
        values = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"Failed to parse request body as JSON: {error}") from None
    if isinstance(values, str):  # a JSON text within a JSON text, which old clients send
        try:
            values = _decode(values.encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise InvalidArgument(f"Failed to parse request body as JSON: {error}") from None
    if not isinstance(values, dict):
        raise InvalidArgument("The request body must be a JSON object.")
    if NUL in body:
        refuse_nul(values)
    return Fields(values)


def refuse_nul(value: Any) -> None:
    """Refuse the character NUL, which PostgreSQL cannot store and whose text some programs take for the end.

    Raises:
        InvalidArgument: it is in one of the texts.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidArgument("A text in the request contains the character NUL (U+0000), which is not allowed.")
    elif isinstance(value, dict):
        for name, item in value.items():
            refuse_nul(name)
            refuse_nul(item)
    elif isinstance(value, list):
        for item in value:
            refuse_nul(item)


def from_query(query: bytes) -> Fields:
    """The message in a query string.

    Raises:
        InvalidArgument: the query is not UTF-8.
    """
    values: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise InvalidArgument("The query string is not UTF-8.") from None
    if b"%00" in query or b"\0" in query:
        refuse_nul(dict(pairs))
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return Query(values)
