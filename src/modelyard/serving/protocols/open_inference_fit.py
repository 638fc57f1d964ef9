"""Tensors that came, as what the model's signature takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.schema import AnyType, Array, ColSpec, DataType, Schema, TensorSpec, Type
from modelyard.serving import values
from modelyard.serving.protocols import open_inference_tensors as tensors
from modelyard.serving.protocols.open_inference_metadata import NESTED, TEXT, described
from modelyard.serving.protocols.open_inference_tensors import Given

_SMALL: Final = ("INT8", "INT16", "UINT8", "UINT16")
_WHOLE: Final = (*_SMALL, "INT32", "UINT32", "INT64", "UINT64")
_TARGETS: Final[Mapping[DataType, tuple[str, Sequence[str]]]] = {
    DataType.boolean: ("bool", ("BOOL",)),
    DataType.integer: ("int32", (*_SMALL, "INT32")),
    DataType.long: ("int64", (*_SMALL, "INT32", "UINT32", "INT64")),
    DataType.float: ("float32", ("FP16", "BF16", "FP32", *_WHOLE)),
    DataType.double: ("float64", ("FP16", "BF16", "FP32", "FP64", *_WHOLE)),
}
"""Column's type → NumPy's, and the datatypes that become it without a change of value."""


class Fit:
    """Puts tensors into the shape that a signature's inputs have.

    Args:
        schema: the signature's inputs; None if they are not known.
        lenient: pass over tensors that it does not name.
    """

    def __init__(self, schema: Schema | None, *, lenient: bool) -> None:
        self._schema = schema
        self._lenient = lenient
        self._told = described(schema, "input-")
        self._specs: dict[str, ColSpec | TensorSpec] = (
            {} if schema is None else {each.name: spec for each, spec in zip(self._told, schema, strict=True)}
        )
        self._named = schema is not None and schema.has_input_names()
        keys = [] if schema is None else schema.input_names()
        self._keys = dict(zip(self._specs, map(str, keys), strict=True))
        self._numbers = bool(schema) and all(
            isinstance(spec, ColSpec) and isinstance(spec.type, DataType) and spec.type in _TARGETS
            for spec in self._specs.values()
        )

    def data(
        self, found: Sequence[Given], content_type: str, faults: list[str], sent: Sequence[str]
    ) -> tuple[Any, int]:
        """What the model takes, and how many rows it is.

        Args:
            found: the tensors that could be read.
            content_type: MLServer's, of the whole request.
            faults: what was wrong so far; what is wrong here is added.
            sent: names of all tensors that came, in order.
        """
        twice = sorted({name for name in sent if sent.count(name) > 1}) if len(set(sent)) < len(sent) else []
        if twice:
            faults.append(f"twice: {', '.join(map(repr, twice))}")
        if not sent:
            faults.append("there are no inputs")
        if self._schema is None:
            return (None, -1) if faults else _free(found, content_type)
        if self._schema.is_tensor_spec():
            return self._tensors(found, faults, sent)
        return self._columns(found, faults, sent)

    # ---------------------------------------------------------------- columns

    def _columns(self, found: Sequence[Given], faults: list[str], sent: Sequence[str]) -> tuple[Any, int]:
        table = self._table(found)
        if table is not None:
            names, given = list(self._specs), [table] * len(self._specs)
        else:
            names, given = self._matched(found, faults, sent)
        data: dict[Any, Any] = {}
        for at, (name, tensor) in enumerate(zip(names, given, strict=True)):
            try:
                data[self._keys[name]] = _column(tensor, self._specs[name], at if tensor is table else None)
            except InvalidArgument as fault:
                faults.append(f"{name!r}: {fault.message}")
        lengths = {len(column) for column in data.values()}
        if len(lengths) > 1:
            told = ", ".join(f"{name!r} {len(column)}" for name, column in data.items())
            faults.append(f"the inputs have different numbers of rows: {told}")
        ordered = {key: data[key] for key in self._keys.values() if key in data}
        return ordered, lengths.pop() if lengths else 0

    def _table(self, found: Sequence[Given]) -> Given | None:
        """The only tensor, if it holds all columns, which are all numbers, side by side."""
        if len(found) != 1 or not self._numbers or found[0].datatype == "BYTES":
            return None
        wide = len(found[0].shape) == 2 and found[0].shape[1] == len(self._specs)
        return found[0] if wide and (len(self._specs) > 1 or found[0].name not in self._specs) else None

    def _matched(self, found: Sequence[Given], faults: list[str], sent: Sequence[str]) -> tuple[list[str], list[Given]]:
        """Names of the signature and the tensors for them."""
        known = self._specs
        if not self._named and (len(known) == 1 or not any(name in known for name in sent)):
            # without names the order counts, or the position if that is what they are called
            by_position = {str(at): name for at, name in enumerate(known)}
            if len(sent) != len(known):
                faults.append(f"{len(sent)} inputs, expected {len(known)}")
                return [], []
            at_place = dict(zip(sent, known, strict=True))
            if set(sent) == set(by_position):
                at_place = by_position
            return [at_place[each.name] for each in found], list(found)
        missing = [each for each in self._told if each.required and each.name not in sent]
        if missing:
            faults.append("missing: " + ", ".join(f"{each.name!r} ({each.datatype})" for each in missing))
        unknown = [name for name in dict.fromkeys(sent) if name not in known]
        if unknown and not self._lenient:
            faults.append(f"unknown: {', '.join(map(repr, unknown))}")
        chosen = [each for each in found if each.name in known]
        return [each.name for each in chosen], chosen

    # ---------------------------------------------------------------- tensors

    def _tensors(self, found: Sequence[Given], faults: list[str], sent: Sequence[str]) -> tuple[Any, int]:
        names, given = self._matched(found, faults, sent)
        arrays: dict[str, Any] = {}
        for name, tensor in zip(names, given, strict=True):
            spec = self._specs[name]
            assert isinstance(spec, TensorSpec)  # noqa: S101 - for the type checker
            try:
                arrays[name] = _tensor(tensor, spec)
            except InvalidArgument as fault:
                faults.append(f"{name!r}: {fault.message}")
        if faults or not arrays:
            return None, -1
        rows = _rows(arrays.values(), self._specs.values())
        if not self._named:
            return next(iter(arrays.values())), rows
        return {name: arrays[name] for name in self._specs if name in arrays}, rows

    # ---------------------------------------------------------------- raw

    def raw(self, body: memoryview) -> tuple[Any, int]:
        """The data of a request that is nothing but the bytes of the only input.

        Raises:
            InvalidArgument: the model has several inputs, or one whose shape the number of bytes does not tell.
        """
        if len(self._specs) != 1:
            raise InvalidArgument(
                "A body without JSON (Inference-Header-Content-Length: 0) is for models with one input, "
                f"this one has {len(self._specs) or 'no signature'}."
            )
        told = self._told[0]
        if told.datatype == "BYTES":
            tensor = Given(told.name, "BYTES", (1,) * len(told.shape), [bytes(body)], told.content_type and TEXT)
        else:
            shape = told.shape if -1 in told.shape[1:] else (-1, *told.shape[1:])
            item = tensors.size(length for length in shape if length >= 0) * tensors.NUMPY[told.datatype].itemsize
            if shape.count(-1) != 1 or not item or len(body) % item:
                raise InvalidArgument(
                    f"{len(body)} bytes do not tell the shape of {told.name!r}, {list(told.shape)} of {told.datatype}."
                )
            full = tuple(len(body) // item if length < 0 else length for length in shape)
            sent = tensors.Input(told.name, told.datatype, list(full))
            tensor = tensors.given_binary(sent, body)
        faults: list[str] = []
        data, rows = self.data([tensor], "", faults, [told.name])
        if faults:
            raise InvalidArgument(f"The request does not fit the model's signature. {'; '.join(faults)}.")
        return data, rows


def _rows(arrays: Any, specs: Any) -> int:
    """How many rows; -1 if the first length of an array is not their number."""
    if any(not spec.shape or spec.shape[0] != -1 for spec in specs):
        return -1
    lengths = {array.shape[0] for array in arrays}
    return lengths.pop() if len(lengths) == 1 else -1


def _column(tensor: Given, spec: ColSpec | TensorSpec, at: int | None) -> Any:
    """A column's values, from a tensor of its own, or (`at`) from its place in a table."""
    kind = spec.type
    if not isinstance(kind, DataType):
        return _nested(tensor, kind, spec)  # type: ignore[arg-type]
    if at is None and any(length != 1 for length in tensor.shape[1:]):
        raise InvalidArgument(f"expected the shape [rows] or [rows, 1], got {list(tensor.shape)}")
    if not tensor.shape:
        raise InvalidArgument("expected the shape [rows] or [rows, 1], got []")
    target, allowed = _TARGETS.get(kind, ("", ("BYTES",)))
    if tensor.datatype not in allowed:
        raise InvalidArgument(f"expected {kind} ({', '.join(allowed)}), got {tensor.datatype}")
    if kind is DataType.string:
        return tensors.texts(tensor)
    if kind is DataType.binary:
        return tensors.contents(tensor)
    if kind is DataType.datetime:
        return _dates(tensors.texts(tensor))
    values = tensor.elements.reshape(-1) if at is None else tensor.elements[:, at]
    if values.dtype == target:
        return values
    converted = values.astype(target)
    if tensor.datatype in _WHOLE and target[0] == "f" and not _exact(converted, values):
        raise InvalidArgument(f"a whole number is too large to become {kind} unchanged")
    return converted


def _exact(floats: Any, whole: Any) -> bool:
    if whole.dtype.itemsize < 4:
        return True
    # the largest numbers of 64 bits round up to what no longer is one
    limit = float(np.iinfo(whole.dtype).max)
    return bool((floats < limit).all() and (floats.astype(whole.dtype) == whole).all()) if whole.size else True


def _dates(texts: Sequence[str | None]) -> Any:
    try:
        moments = ["NaT" if each is None else values.moment(each) for each in texts]
    except ValueError as fault:
        raise InvalidArgument(str(fault)) from None
    return np.array([np.datetime64(each, "ns") for each in moments], dtype="datetime64[ns]")


def _nested(tensor: Given, kind: Type, spec: ColSpec | TensorSpec) -> list[Any]:
    """Lists and dictionaries: a JSON text for each row, or for lists one more dimension."""
    if not tensor.shape:
        raise InvalidArgument("expected the rows as first dimension, got the shape []")
    rows = tensor.shape[0]
    flat = all(length == 1 for length in tensor.shape[1:])
    if tensor.datatype == "BYTES" and flat and not (isinstance(kind, AnyType) and tensor.content_type != NESTED):
        cells = []
        for text in tensors.texts(tensor):
            try:
                cells.append(None if text is None else msgspec.json.decode(text))
            except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as fault:
                raise InvalidArgument(f"expected a JSON text for each row: {fault}") from None
    elif tensor.datatype == "BYTES":
        texts = np.empty(len(tensor.elements), dtype=object)
        texts[:] = tensors.texts(tensor)
        cells = texts.reshape(rows if isinstance(kind, AnyType) and flat else tensor.shape).tolist()
    else:
        cells = (
            tensor.elements.reshape(rows).tolist() if isinstance(kind, AnyType) and flat else tensor.elements.tolist()
        )
        if not isinstance(kind, Array | AnyType):
            raise InvalidArgument(f"expected {kind} as BYTES with a JSON text for each row, got {tensor.datatype}")
    faults = values.Faults()
    found = [values.checked(each, kind, faults, f"/{at}", required=spec.required) for at, each in enumerate(cells)]
    if faults.count:
        raise InvalidArgument("; ".join(f"{what} at {pointer}" for pointer, what in faults.places))
    return found


def _tensor(tensor: Given, spec: TensorSpec) -> Any:
    shape = tensor.shape
    if len(spec.shape) == 1 and len(shape) == 2 and shape[1] == 1:  # MLServer's array of one dimension
        shape = tensor.shape = shape[:1]
        if tensor.datatype != "BYTES":
            tensor.elements = tensor.elements.reshape(shape)
    fits = len(shape) == len(spec.shape) and all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))
    if not fits:
        raise InvalidArgument(f"expected the shape {list(spec.shape)}, got {list(shape)}")
    if spec.type in ("str", "bytes", "object") or tensor.datatype == "BYTES":
        if tensor.datatype != "BYTES":
            if spec.type == "object":
                return tensor.elements.astype(object)
            raise InvalidArgument(f"expected {spec.type} (BYTES), got {tensor.datatype}")
        return _text_tensor(tensor, spec.type)
    target = np.dtype(spec.type)
    dtype = tensor.elements.dtype
    if dtype == target:
        return tensor.elements
    if np.can_cast(dtype, target) or (dtype.kind in "iu" and target.kind == "f"):
        return tensor.elements.astype(target)
    raise InvalidArgument(f"expected {target} ({_name(target)}), got {tensor.datatype}")


def _name(dtype: Any) -> str:
    return next((kind for kind, known in tensors.NUMPY.items() if known == dtype), "BYTES")


def _text_tensor(tensor: Given, kind: str) -> Any:
    if kind.startswith("datetime64"):
        return _dates(tensors.texts(tensor)).astype(kind).reshape(tensor.shape)
    if kind not in ("str", "bytes", "object"):
        raise InvalidArgument(f"expected {kind}, got BYTES")
    if kind == "bytes":
        tensor.content_type = tensor.content_type or TEXT
        values: list[Any] = list(tensors.contents(tensor))
    else:
        values = list(tensors.texts(tensor))
    if kind != "object" and None not in values and not any(each[-1:] in ("\0", b"\0") for each in values):
        return np.array(values, dtype=np.str_ if kind == "str" else np.bytes_).reshape(tensor.shape)
    array = np.empty(len(values), dtype=object)  # NumPy's fixed widths cut off zeros at the end
    array[:] = values
    return array.reshape(tensor.shape)


# ---------------------------------------------------------------- no signature


def _free(found: Sequence[Given], content_type: str) -> tuple[Any, int]:
    """What a model without a signature gets: an array, a dictionary of them, or a DataFrame if that is asked for."""
    arrays = {each.name: _plain(each) for each in found}
    if content_type == "pd":
        import pandas as pd

        columns = {each.name: pd.Series(list(_plain(each).reshape(each.rows, -1)[:, 0])) for each in found}
        return pd.DataFrame(columns), -1
    if len(arrays) == 1 and content_type != "dict":
        return next(iter(arrays.values())), -1
    return arrays, -1


def _plain(tensor: Given) -> Any:
    if tensor.datatype != "BYTES":
        return tensor.elements
    binary = tensor.content_type == "base64" or any(isinstance(each, bytes) for each in tensor.elements)
    values: list[Any]
    try:
        values = list(tensors.texts(tensor)) if tensor.content_type != "base64" else list(tensors.contents(tensor))
    except InvalidArgument:
        if not binary:
            raise
        values = list(tensors.contents(tensor))
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(tensor.shape)
