"""Natural JSON: the question in the words of the model's signature, and the answer likewise.

An object for a row of named columns, a value where there is one column, lists for tensors; a list of these for many
rows. `{"inputs": ..., "params": {...}}` around it brings params. The answer mirrors the question: one row, one answer.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging.enforcement import enforce_params
from modelyard.packaging.manifest import Model
from modelyard.serving import refusals, values
from modelyard.serving.calls import JSON, NATURAL, Answered, Asked, Call
from modelyard.serving.outputs import Columns, encode, listed
from modelyard.serving.protocols.content_types import require_json
from modelyard.serving.protocols.readers import reader

_WRAPPED: Final = ("inputs", "params")
_MANY: Final = (list, np.ndarray)
_FAILURES: Final = (msgspec.MsgspecError, ValueError, RecursionError, InvalidArgument)


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    inputs: msgspec.Raw
    params: dict[str, Any] | None = None


_unwrap: Final = msgspec.json.Decoder(_Wrapped).decode


class Natural:
    """Reads and writes for one model.

    Args:
        metadata: of the model.
        lenient: leave out what the signature does not know.
    """

    def __init__(self, metadata: Model, *, lenient: bool = False) -> None:
        signature = metadata.signature
        self._params = signature.params if signature else None
        self._defaults = enforce_params(None, self._params)
        self._reader = reader(signature.inputs if signature else None, lenient=lenient)
        self._decode = self._reader.decode
        self._free = signature is None or signature.inputs is None
        self._wraps = "inputs" not in getattr(self._reader, "names", ())
        self._outputs: list[str] = []
        outputs = signature.outputs if signature else None
        if outputs is not None and outputs.has_input_names() and not outputs.is_tensor_spec():
            self._outputs = [str(each.name) for each in outputs]

    def read(self, asked: Asked) -> Call:
        """The rows and params of a body.

        Raises:
            InvalidArgument: it does not decode, or does not fit; everything that is wrong is named.
            WrongContentType: it is no JSON.
        """
        if asked.content_type != JSON:
            require_json(asked.content_type)
        try:
            if self._free:
                return self._closely(msgspec.json.decode(asked.body))
            data, rows, one = self._decode(asked.body)
            return Call(data, rows, self._defaults, one)
        except _FAILURES:
            pass
        if self._wraps and not self._free:
            try:
                wrapped = _unwrap(asked.body)
                data, rows, one = self._decode(wrapped.inputs)
            except _FAILURES:
                pass
            else:
                params = enforce_params(wrapped.params, self._params) if wrapped.params else self._defaults
                return Call(data, rows, params, one)
        return self._closely(values.plain(asked.body))

    def _closely(self, content: Any) -> Call:
        params = self._defaults
        if self._wraps and isinstance(content, dict) and "inputs" in content and set(content) <= set(_WRAPPED):
            given = content.get("params")
            if given is not None and not isinstance(given, dict):
                raise InvalidArgument(f"params are an object, not {values.told(given)}.")
            params = enforce_params(given, self._params)
            content = content["inputs"]
        data, rows, one = self._reader.plain(content)
        return Call(data, rows, params, one)

    def write(self, call: Call, output: Any) -> Answered:
        """The answer: one for one row, else a list.

        Raises:
            ModelFailed: JSON has no words for it.
        """
        return Answered(200, encode(self._worded(output, call.rows, one=call.echo)))

    def _worded(self, output: Any, count: int, *, one: bool) -> Any:
        kind = type(output)
        if kind is np.ndarray:
            rows = listed(output)
            if self._outputs:
                rows = self._with_names(output, rows)
        elif kind is list:
            rows = output
            if len(self._outputs) == 1 and not any(isinstance(each, list | dict | tuple | np.ndarray) for each in rows):
                rows = [{self._outputs[0]: each} for each in rows]
        elif kind is Columns:
            rows = _objects(output)
        elif kind is dict and output and all(type(each) in _MANY for each in output.values()):
            columns = [listed(each) for each in output.values()]
            lengths = {len(each) if isinstance(each, list) else -1 for each in columns}
            if lengths != {count}:
                return dict(zip(map(str, output), columns, strict=True))
            names = list(map(str, output))
            rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        else:
            return output
        return rows[0] if one and isinstance(rows, list) and len(rows) == 1 else rows

    def _with_names(self, output: Any, rows: Any) -> Any:
        """An array as objects, if the signature's outputs are as many columns with names."""
        names = self._outputs
        if output.ndim == 1 and len(names) == 1:
            return [{names[0]: each} for each in rows]
        if output.ndim == 2 and output.shape[1] == len(names):
            return [dict(zip(names, each, strict=True)) for each in rows]
        return rows

    def refuse(self, error: ModelyardError, status: int) -> Answered:
        """The error as problem+json (RFC 9457)."""
        return refusals.refuse(NATURAL, status, error.message, error.places)


def _objects(columns: Columns) -> list[Any]:
    rows = columns.rows()
    names = columns.names
    if names is not None:
        return [dict(zip(names, row, strict=True)) for row in rows]
    return [row[0] for row in rows] if len(columns) == 1 else rows
