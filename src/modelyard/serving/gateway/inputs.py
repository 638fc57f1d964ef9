"""Fields of a request's body, for segments, keys and renamed inputs; only what a deployment asks for is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard.domain.predictions import text_of
from modelyard.serving.calls import INVOCATIONS, NATURAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Value = str | int | float | bool | None
_decode: Final = msgspec.json.Decoder().decode
_UNREAD: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What is no JSON, or goes too deep."""
_AROUND: Final = frozenset({"inputs", "params"})
"""An object of these alone has the rows in `inputs`."""


class Fields:
    """Reads some fields of the first row of a request.

    Args:
        names: of them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        fields = [(f"at{at}", _Value, None) for at in range(len(self._names))]
        told = {f"at{at}": name for at, name in enumerate(self._names)}
        shape = msgspec.defstruct("Fields", fields, rename=told)
        self._quick = msgspec.json.Decoder(shape)
        self._whole = "inputs" not in self._names

    def read(self, protocol: int, body: bytes) -> dict[str, str]:
        """The fields that are there and hold a value, as text.

        Args:
            protocol: see `calls`.
            body: of the request.
        """
        if protocol == NATURAL:
            try:
                row = self._quick.decode(body)
            except _UNREAD:
                pass
            else:
                values = {
                    name: text
                    for at, name in enumerate(self._names)
                    if (text := text_of(getattr(row, f"at{at}"))) is not None
                }
                if values or not self._whole:
                    return values
        try:
            first = _first(protocol, _decode(body), self._names)
        except (*_UNREAD, KeyError, IndexError, TypeError, ValueError):
            return {}
        return {name: text for name in self._names if (text := text_of(first.get(name))) is not None}


def _first(protocol: int, content: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """The first row."""
    if protocol == NATURAL:
        return _row(content["inputs"] if isinstance(content, dict) and content.keys() <= _AROUND else content)
    if protocol == INVOCATIONS:
        if "dataframe_split" in content:
            split = content["dataframe_split"]
            return dict(zip(split["columns"], split["data"][0], strict=False))
        for name in ("dataframe_records", "instances", "inputs"):
            if name in content:
                return _row(content[name])
        return {}
    found = {}
    for each in content["inputs"]:
        if each["name"] in names:
            value = each["data"]
            while isinstance(value, list):
                value = value[0]
            found[each["name"]] = value
    return found


def _row(rows: Any) -> Mapping[str, Any]:
    if isinstance(rows, list):
        rows = rows[0]
    if not isinstance(rows, dict):
        return {}
    return {name: value[0] if isinstance(value, list) and value else value for name, value in rows.items()}


def renamed(body: bytes, inputs: Mapping[str, str]) -> bytes:
    """A natural request with other names; as it is if it is not understood, so that the model server says why.

    Args:
        body: of the request.
        inputs: column of the model → field of the request.
    """
    try:
        content = _decode(body)
    except _UNREAD:
        return body
    around = isinstance(content, dict) and "inputs" in content and content.keys() <= _AROUND
    rows = content["inputs"] if around else content
    changed = [_as_columns(row, inputs) for row in rows] if isinstance(rows, list) else _as_columns(rows, inputs)
    try:
        return msgspec.json.encode({**content, "inputs": changed} if around else changed)
    except RecursionError:
        return body


def hold(body: bytes, inputs: Mapping[str, str]) -> bool:
    """Whether the rows of a natural request have all fields that columns are taken from.

    Args:
        body: of the request.
        inputs: column of the model → field of the request.
    """
    try:
        content = _decode(body)
    except _UNREAD:
        return False
    rows = content["inputs"] if isinstance(content, dict) and "inputs" in content else content
    rows = rows if isinstance(rows, list) else [rows]
    return all(isinstance(row, dict) and row.keys() >= set(inputs.values()) for row in rows)


def _as_columns(row: Any, inputs: Mapping[str, str]) -> Any:
    if not isinstance(row, dict):
        return row
    taken = {column: row[name] for column, name in inputs.items() if name in row}
    used = set(inputs.values())
    return {**{name: value for name, value in row.items() if name not in used and name not in taken}, **taken}
