"""Tensors of the Open Inference Protocol: from JSON and from bytes, and to them.

Source of the binary form: Triton's docs/protocol/extension_binary_data.md (little-endian, row major, without padding;
BOOL a byte of 0 or 1; an element of BYTES behind its length as four bytes; BF16 the upper half of an FP32).
"""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.example import plain
from modelyard.serving.protocols.open_inference_metadata import BASE64, DATATYPES, DATETIME, NESTED, OF_NUMPY, TEXT
from modelyard.serving.values import binary

NUMPY: Final[dict[str, np.dtype[Any]]] = {kind: np.dtype(name).newbyteorder("<") for name, kind in OF_NUMPY.items()}
_BF16: Final = np.dtype("<u2")
_LENGTH: Final = struct.Struct("<I")
_DIMENSIONS: Final = 32

Length = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Input(msgspec.Struct):
    """One tensor of a request, its data not yet looked at."""

    name: str
    datatype: str
    shape: list[Length]
    data: msgspec.Raw = msgspec.Raw(b"")
    parameters: dict[str, Any] | None = None


class Output(msgspec.Struct):
    """One tensor that a request asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """The JSON of a request."""

    inputs: list[Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Output] | None = None


class LooseInput(Input):
    """The same, from a parser that has looked at the data: JSON that holds NaN or Infinity."""

    data: Any = None


class LooseRequest(Request):
    """The same, with such inputs."""

    inputs: list[LooseInput]  # type: ignore[assignment]


@dataclass(slots=True)
class Given:
    """A tensor that came.

    Attributes:
        name: as sent.
        datatype: as sent, one of `DATATYPES`.
        shape: as sent; it holds as many elements as came.
        elements: an array of that shape; for BYTES a flat list of texts or bytes, of None for null.
        content_type: MLServer's hint, "" without.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: Any
    content_type: str = ""

    @property
    def rows(self) -> int:
        """The first length; 1 for a single value."""
        return self.shape[0] if self.shape else 1


def size(shape: Iterable[int]) -> int:
    """How many elements a shape has; Python's numbers do not overflow."""
    product = 1
    for length in shape:
        product *= length
    return product


def given(sent: Input | LooseInput) -> Given:
    """The tensor of a request whose data came as JSON.

    Raises:
        InvalidArgument: the data does not fit datatype and shape.
    """
    kind, shape = sent.datatype, tuple(sent.shape)
    content = _content(sent)
    _known(kind, shape)
    raw = sent.data
    limited = isinstance(raw, msgspec.Raw)
    depth = _depth_of_text(memoryview(raw)) if limited else _depth(raw)
    if depth > _DIMENSIONS:
        raise InvalidArgument(f"data is nested more than {_DIMENSIONS} deep")
    try:
        loosely = None if limited else _element(kind, depth, limited=False)
        values = _decoder(kind, depth)(raw) if limited else msgspec.convert(raw, loosely)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise InvalidArgument(f"data is not {kind}: {fault}") from None
    if depth == 0:
        values = [values]
    if kind == "BYTES":
        values = _flat(values, depth)
        _counted(len(values), shape)
        return Given(sent.name, kind, shape, values, content)
    try:
        array = _array(values, kind, limited=limited)
    except (ValueError, TypeError, OverflowError) as fault:
        raise InvalidArgument(f"data is not a tensor of {kind}: {fault}") from None
    if depth > 1 and depth == len(shape) and array.shape != shape and array.size:
        raise InvalidArgument(f"data has the shape {list(array.shape)}, but shape says {list(shape)}")
    _counted(array.size, shape)
    return Given(sent.name, kind, shape, array if array.shape == shape else array.reshape(shape), content)


def _content(sent: Input) -> str:
    return str((sent.parameters or {}).get("content_type") or "")


def _known(kind: str, shape: Sequence[int]) -> None:
    if kind not in DATATYPES:
        raise InvalidArgument(f"there is no datatype {kind[:40]!r}; expected one of {', '.join(DATATYPES)}")
    if len(shape) > _DIMENSIONS:
        raise InvalidArgument(f"a tensor has at most {_DIMENSIONS} dimensions, not {len(shape)}")


def _counted(count: int, shape: Sequence[int]) -> None:
    if (expected := size(shape)) != count:
        raise InvalidArgument(f"the shape {list(shape)} holds {expected} elements, but {count} came")


_FLOATS: Final = {"FP16": 65504.0, "BF16": 3.3895313e38, "FP32": 3.4028234e38, "FP64": 0.0}
"""Largest number of each; 0: no smaller than that of JSON."""


def number(kind: str) -> Any:
    """What an element of a datatype is in JSON, as msgspec checks it; nothing is missing, and nothing is NaN."""
    if kind in _FLOATS:
        limit = _FLOATS[kind]
        return Annotated[float, msgspec.Meta(ge=-limit, le=limit)] if limit else float
    if kind in ("BOOL", "BYTES", "UINT64"):  # msgspec's limits end at 63 bits; what is above is NumPy's to refuse
        return {"BOOL": bool, "BYTES": str, "UINT64": int}[kind]
    limits = np.iinfo(NUMPY[kind])
    return Annotated[int, msgspec.Meta(ge=int(limits.min), le=int(limits.max))]


@functools.cache
def _element(kind: str, depth: int, *, limited: bool) -> Any:
    element: Any = number(kind) if limited or kind not in _FLOATS else float
    if kind == "BOOL":
        element = bool | Annotated[int, msgspec.Meta(ge=0, le=1)]
    elif kind == "BYTES" or kind in _FLOATS:
        element = element | None  # null for NaN, which JSON cannot say
    for _ in range(depth):
        element = list[element]
    return element


@functools.cache
def _decoder(kind: str, depth: int) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(_element(kind, depth, limited=True)).decode


def _array(values: Any, kind: str, *, limited: bool) -> Any:
    target = np.dtype("<f4") if kind == "BF16" else NUMPY[kind]
    if limited or _FLOATS.get(kind, 0.0) == 0.0:
        return np.array(values, dtype=target)
    wide = np.array(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        narrow = wide.astype(target)
    if (np.isinf(narrow) & ~np.isinf(wide)).any():
        raise ValueError(f"a number is beyond the range of {kind}")
    return narrow


def _depth_of_text(text: memoryview) -> int:
    depth = 0
    for byte in text[:4096]:
        if byte == 0x5B:
            depth += 1
        elif byte not in b" \t\r\n":
            break
    return depth


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = value[0] if value else None
    return depth


def _flat(values: Any, depth: int) -> list[Any]:
    for _ in range(depth - 1):
        values = [each for inner in values for each in inner]
    return list(values)


# ---------------------------------------------------------------- bytes


def given_binary(sent: Input, data: memoryview) -> Given:
    """The tensor of a request whose data came as bytes. Nothing is copied but what is badly aligned, and texts.

    Raises:
        InvalidArgument: the data does not fit datatype and shape.
    """
    kind, shape = sent.datatype, tuple(sent.shape)
    content = _content(sent)
    _known(kind, shape)
    if kind == "BYTES":
        elements = split(data)
        _counted(len(elements), shape)
        return Given(sent.name, kind, shape, elements, content)
    width = 2 if kind == "BF16" else NUMPY[kind].itemsize
    if len(data) != size(shape) * width:
        raise InvalidArgument(
            f"the shape {list(shape)} of {kind} takes {size(shape) * width} bytes, but binary_data_size is {len(data)}"
        )
    return Given(sent.name, kind, shape, view(kind, data).reshape(shape), content)


def view(kind: str, data: memoryview) -> Any:
    """The elements of a tensor of numbers, which stay where they are if that is aligned.

    Raises:
        InvalidArgument: a byte of BOOL is no truth value.
        ValueError: the number of bytes is no multiple of the element's.
    """
    if kind == "BF16":
        return (np.frombuffer(data, _BF16).astype("<u4") << 16).view("<f4")
    array = np.frombuffer(data, NUMPY[kind])
    if kind == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise InvalidArgument("a byte of BOOL is 0 or 1")
    # some libraries refuse addresses that are no multiple of the item's size
    return array if array.flags.aligned else array.copy()


def split(data: memoryview) -> list[bytes]:
    """The elements of a BYTES tensor, each behind its length.

    Raises:
        InvalidArgument: it ends in the middle of one.
    """
    found, at, end = [], 0, len(data)
    while at < end:
        start = at + 4
        if start > end:
            raise InvalidArgument("the data ends within the length of an element")
        at = start + _LENGTH.unpack_from(data, at)[0]
        if at > end:
            raise InvalidArgument(f"an element of {at - start} bytes is cut off after {end - start}")
        found.append(bytes(data[start:at]))
    return found


def texts(tensor: Given) -> list[str | None]:
    """The elements of a BYTES tensor as texts.

    Raises:
        InvalidArgument: an element is not UTF-8, or not base 64 although it says so.
    """
    values = tensor.elements
    if tensor.content_type == BASE64:
        values = contents(tensor)
    elif all(type(each) is str for each in values):
        return list(values)
    try:
        return [each.decode() if isinstance(each, bytes) else each for each in values]
    except UnicodeDecodeError as fault:
        raise InvalidArgument(f"an element is not UTF-8: {fault}") from None


def contents(tensor: Given) -> list[bytes | None]:
    """The elements of a BYTES tensor as bytes: what came as bytes, or base 64 of what came as JSON.

    With the content type `str` a text stands for its UTF-8.

    Raises:
        InvalidArgument: an element is not base 64.
    """
    if tensor.content_type == TEXT:
        return [each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each for each in tensor.elements]
    told = tensor.content_type == BASE64
    try:
        return [
            each if each is None or (isinstance(each, bytes) and not told) else binary(_ascii(each))
            for each in tensor.elements
        ]
    except ValueError as fault:
        raise InvalidArgument(str(fault)) from None


def _ascii(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("ascii", "replace")


# ---------------------------------------------------------------- answers


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
                parts += [_LENGTH.pack(len(element)), element]
            data = b"".join(parts)
        else:
            data = np.ascontiguousarray(self.elements, NUMPY[self.datatype]).tobytes()
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
