"""Tensors of the Open Inference Protocol: from JSON and from bytes, and to them.

Source of the binary form: Triton's docs/protocol/extension_binary_data.md (little-endian, row major, without padding;
BOOL a byte of 0 or 1; an element of BYTES behind its length as four bytes; BF16 the upper half of an FP32).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.serving.protocols.open_inference_metadata import BASE64, DATATYPES, OF_NUMPY, TEXT
from modelyard.serving.values import binary

NUMPY: Final[dict[str, np.dtype[Any]]] = {kind: np.dtype(name).newbyteorder("<") for name, kind in OF_NUMPY.items()}
_BF16: Final = np.dtype("<u2")
LENGTH: Final = struct.Struct("<I")
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
        at = start + LENGTH.unpack_from(data, at)[0]
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
