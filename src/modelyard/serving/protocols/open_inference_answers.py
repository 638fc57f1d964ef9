"""What a model answered, as tensors of the Open Inference Protocol: in JSON and in bytes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from modelyard.packaging.example import plain
from modelyard.serving.protocols import open_inference_tensors as tensors
from modelyard.serving.protocols.open_inference_metadata import BASE64, DATETIME, NESTED, OF_NUMPY, TEXT


@dataclass(slots=True)
class Told:
    """A tensor of an answer.

    Attributes:
        name: of the output.
        datatype: one of `DATATYPES`.
        shape: of the tensor.
        elements: an array or flat list of numbers; for BYTES a flat list of texts, bytes or None.
        content_type: MLServer's name for what a BYTES tensor holds; "" for numbers.
    """

    name: str
    datatype: str
    shape: list[int]
    elements: Any
    content_type: str = ""

    def to_json(self) -> dict[str, Any]:
        """With its data."""
        told: dict[str, Any] = {"name": self.name, "datatype": self.datatype, "shape": self.shape}
        if self.content_type:
            told["parameters"] = {"content_type": self.content_type}
        if self.datatype != "BYTES":
            told["data"] = self.elements if isinstance(self.elements, list) else self.elements.ravel().tolist()
        elif self.content_type == BASE64:
            told["data"] = [None if each is None else base64.b64encode(each).decode("ascii") for each in self.elements]
        else:
            told["data"] = self.elements
        return told

    def to_binary(self) -> tuple[dict[str, Any], bytes]:
        """Without its data, and the data."""
        if self.datatype == "BYTES":
            parts = []
            for each in self.elements:
                element = each.encode("utf-8", "replace") if isinstance(each, str) else each or b""
                parts += [tensors.LENGTH.pack(len(element)), element]
            data = b"".join(parts)
        else:
            data = np.ascontiguousarray(self.elements, tensors.NUMPY[self.datatype]).tobytes()
        parameters: dict[str, Any] = {"binary_data_size": len(data)}
        if self.content_type and self.content_type != BASE64:  # the bytes are themselves here
            parameters["content_type"] = self.content_type
        told = {"name": self.name, "datatype": self.datatype, "shape": self.shape, "parameters": parameters}
        return told, data


def told(name: str, values: Any, *, column: bool = False) -> Told:
    """A tensor for what a model answered.

    Args:
        name: of the output.
        values: array, list or a single value; anything that is not numbers travels as BYTES.
        column: whether its shape is `[rows, 1]`, as metadata describe columns.

    Raises:
        InvalidArgument: JSON has no word for it.
    """
    if isinstance(values, list) and values:
        kind = _PLAIN.get(type(values[0]))
        if kind is not None and len(set(map(type, values))) == 1 and _fits(kind, values):
            shape = [len(values), 1] if column else [len(values)]
            return Told(name, kind, shape, values, TEXT if kind == "BYTES" else "")
    array = values if isinstance(values, np.ndarray) else _as_array(values)
    if array.ndim == 0:
        array = array.reshape(1)
    shape = [array.shape[0], 1] if column and array.ndim == 1 else list(array.shape)
    if (known := _OF_DTYPE.get(array.dtype)) is not None:
        return Told(name, known, shape, array)
    if array.dtype.kind == "f":
        return Told(name, "FP64", shape, array.astype(np.float64))
    if array.dtype.kind == "U":
        return Told(name, "BYTES", shape, array.ravel().tolist(), TEXT)
    if array.dtype.kind == "M":
        return Told(name, "BYTES", shape, plain(array.ravel()), DATETIME)
    return _objects(name, shape, array.ravel().tolist())


_PLAIN: Final[dict[type, str]] = {str: "BYTES", float: "FP64", int: "INT64", bool: "BOOL"}


def _fits(kind: str, values: list[Any]) -> bool:
    return kind != "INT64" or (min(values) >= -(2**63) and max(values) < 2**63)


_OF_DTYPE: Final = {np.dtype(name): kind for name, kind in OF_NUMPY.items()}


def _as_array(values: Any) -> Any:
    if hasattr(values, "detach"):  # a tensor of PyTorch; NumPy has no bfloat16
        values = values.detach().cpu()
        return (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    if hasattr(values, "todense"):
        return values.toarray()
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    if isinstance(values, list | tuple):
        if all(isinstance(each, bool | int | float | np.generic | list | np.ndarray) for each in values):
            try:
                array = np.array(values)
                if array.dtype.kind in "biuf":
                    return array
            except (ValueError, OverflowError):
                pass  # ragged
        return _column(values)
    return np.asarray(values) if hasattr(values, "__array__") else _column([values])


def _column(values: Sequence[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = [_Cell(each) if isinstance(each, list | tuple | np.ndarray) else each for each in values]
    return array


class _Cell:
    """A list that NumPy shall not take apart."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _objects(name: str, shape: list[int], cells: list[Any]) -> Told:
    values = [_missing(each.value if isinstance(each, _Cell) else each) for each in cells]
    there = [each for each in values if each is not None]
    if all(isinstance(each, bool | np.bool_) for each in there) and len(there) == len(values) and values:
        return Told(name, "BOOL", shape, np.array(values, dtype=bool))
    if there and all(isinstance(each, int | float | np.number) and not isinstance(each, bool) for each in there):
        whole = len(there) == len(values) and all(isinstance(each, int | np.integer) for each in there)
        try:
            return Told(name, "INT64" if whole else "FP64", shape, np.array(values, "int64" if whole else "float64"))
        except OverflowError:
            pass  # as texts
    if all(isinstance(each, str) for each in there):
        return Told(name, "BYTES", shape, values, TEXT)
    if all(isinstance(each, bytes | bytearray) for each in there):
        return Told(name, "BYTES", shape, [None if each is None else bytes(each) for each in values], BASE64)
    if all(hasattr(each, "isoformat") for each in there):
        return Told(name, "BYTES", shape, [plain(each) for each in values], DATETIME)
    return Told(name, "BYTES", shape, [msgspec.json.encode(plain(each)).decode() for each in values], NESTED)


def _missing(value: Any) -> Any:
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return None
    return value
