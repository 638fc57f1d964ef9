"""The short way for the requests that are sent all day: JSON, flat, of just the types that the signature names.

It says None to everything else, which is then looked at closely; what it takes, the long way would take alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.schema import ColSpec, DataType, Schema, TensorSpec
from modelyard.serving.protocols import open_inference_tensors as tensors
from modelyard.serving.protocols.open_inference_metadata import OF_NUMPY
from modelyard.serving.protocols.open_inference_tensors import Input

_SAME: Final[Mapping[DataType, Sequence[str]]] = {
    DataType.boolean: ("BOOL",),
    DataType.integer: ("INT8", "INT16", "INT32", "UINT8", "UINT16"),
    DataType.long: ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32"),
    DataType.float: ("FP32",),
    DataType.double: ("FP64",),
    DataType.string: ("BYTES",),
}
"""Datatypes whose JSON is what the column takes, as it stands."""

Read = Callable[[Any], list[Any]]
Quick = Callable[[Sequence[Input], memoryview | None], tuple[Any, int] | None]
_LOOK_CLOSER: Final = (
    KeyError, IndexError, TypeError, ValueError, RecursionError, msgspec.DecodeError, InvalidArgument
)  # fmt: skip
_ONLY_SIZE: Final = {"binary_data_size"}
_NO_NEWS: Final[tuple[Any, ...]] = (None, {}, {"content_type": "np"}, {"content_type": "str"})
"""Parameters of an input that say nothing which the signature does not."""


@functools.cache
def _reader(datatype: str) -> Read:
    return msgspec.json.Decoder(list[tensors.number(datatype)]).decode  # type: ignore[misc]


def quick(schema: Schema | None) -> Quick | None:
    """The short way for a signature's inputs; None if there is none.

    What it gives takes the inputs of a request, and the bytes behind its JSON if it came with any, and gives the
    model's data (columns as rows of tuples) with the number of rows, or None.
    """
    if schema is None:
        return None
    if schema.is_tensor_spec():
        specs = [each for each in schema if isinstance(each, TensorSpec)]
        regular = all(each.type in OF_NUMPY and each.shape and each.shape[0] == -1 for each in specs)
        return functools.partial(_tensors, specs) if regular else None
    columns: dict[str, Mapping[str, Read]] = {}
    for spec in schema:
        if not isinstance(spec, ColSpec) or spec.name is None or spec.type not in _SAME:
            return None
        columns[spec.name] = {datatype: _reader(datatype) for datatype in _SAME[spec.type]}  # type: ignore[index]
    return functools.partial(_columns, columns)


def _columns(
    columns: Mapping[str, Mapping[str, Read]], inputs: Sequence[Input], body: memoryview | None
) -> tuple[Any, int] | None:
    if body is not None:
        return None
    if len(inputs) != len(columns):
        return _table(columns, inputs[0]) if len(inputs) == 1 else None
    data: list[list[Any]] = []
    rows = -1
    try:
        for name, sent in zip(columns, inputs, strict=True):
            if sent.name != name or sent.parameters not in _NO_NEWS:
                return None
            values = columns[name][sent.datatype](sent.data)
            count, shape = len(values), sent.shape
            if count != shape[0] or (len(shape) != 1 and (len(shape) != 2 or shape[1] != 1)):
                return None
            if rows < 0:
                rows = count
            elif rows != count:
                return None
            data.append(values)
    except _LOOK_CLOSER:
        return None
    return list(zip(*data, strict=True)), rows


def _table(columns: Mapping[str, Mapping[str, Read]], sent: Input) -> tuple[Any, int] | None:
    """All columns side by side in one tensor of `[rows, columns]`."""
    kind, width = sent.datatype, len(columns)
    alike = kind != "BYTES" and all(kind in readers for readers in columns.values())
    if not alike or sent.parameters not in _NO_NEWS or len(sent.shape) != 2 or sent.shape[1] != width:
        return None
    try:
        values = _reader(kind)(sent.data)
    except _LOOK_CLOSER:
        return None
    if len(values) != sent.shape[0] * width:
        return None
    return [tuple(values[at : at + width]) for at in range(0, len(values), width)], sent.shape[0]


def _tensors(specs: Sequence[TensorSpec], inputs: Sequence[Input], body: memoryview | None) -> tuple[Any, int] | None:
    if len(inputs) != len(specs):
        return None
    data: dict[str | None, Any] = {}
    rows, at = -1, 0
    try:
        for spec, sent in zip(specs, inputs, strict=True):
            shape, name = sent.shape, spec.name
            if OF_NUMPY[spec.type] != sent.datatype or len(shape) != len(spec.shape) or name not in (None, sent.name):
                return None
            for want, got in zip(spec.shape, shape, strict=True):
                if want not in (-1, got):
                    return None
            if sent.parameters in _NO_NEWS:
                array = np.array(_reader(sent.datatype)(sent.data), dtype=spec.type)
            elif body is not None and sent.parameters is not None and sent.parameters.keys() == _ONLY_SIZE:
                count = sent.parameters["binary_data_size"]
                if type(count) is not int or count < 0:
                    return None
                start, at = at, at + count
                array = tensors.view(sent.datatype, body[start:at])
            else:
                return None
            data[name] = array if len(shape) == 1 else array.reshape(shape)
            if rows not in (-1, shape[0]) or len(data[name]) != shape[0]:
                return None
            rows = shape[0]
    except _LOOK_CLOSER:
        return None
    if body is not None and at != len(body):
        return None
    return data.get(None, data), rows
