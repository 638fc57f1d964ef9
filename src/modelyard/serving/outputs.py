"""What a model answered, cut into the calls' parts and worded as JSON.

Numbers are written as they are, to the last digit: a 32-bit float as the double of the same value, which is what
`tolist` gives and what stock MLflow writes. NaN and infinity become null.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from modelyard.packaging.example import plain
from modelyard.packaging.schema import Schema, TensorSpec

from .refusals import ModelFailed


class Columns(dict[Any, Any]):
    """A DataFrame's columns, in order: name → array or list.

    Attributes:
        series: It was a Series.
        names: The names as text; None if the columns have only positions.
    """

    __slots__ = ("names", "series")

    def __init__(self, columns: Any = (), *, series: bool = False) -> None:
        super().__init__(columns)
        self.series = series
        self.names = None if list(self) == list(range(len(self))) else list(map(str, self))

    @property
    def named(self) -> bool:
        """Whether the columns have names, and not just positions."""
        return self.names is not None

    def rows(self) -> list[tuple[Any, ...]]:
        """Its rows, as values of Python."""
        return list(zip(*[each if type(each) is list else listed(each) for each in self.values()], strict=True))

    def cut(self, cells: tuple[Any, ...]) -> Columns:
        """These columns with other cells."""
        found: Columns = Columns.__new__(Columns)
        for name, cell in zip(self, cells):  # noqa: B905 - as long as each other, and this is done for each call
            found[name] = cell
        found.series, found.names = self.series, self.names
        return found


def normal(output: Any) -> Any:
    """The output as arrays, lists, dictionaries, `Columns` and values."""
    kind = type(output)
    if kind is np.ndarray or kind is list or kind is dict or kind is Columns:
        return output
    named = kind.__name__
    if named == "DataFrame" and hasattr(output, "iloc"):
        return _columns(output)
    if named == "Series" and hasattr(output, "iloc"):
        name = output.name if output.name is not None else 0
        return Columns({name: _cells(output.array)}, series=True)
    if kind is tuple:
        return list(output)
    if hasattr(output, "todense"):
        return output.toarray()
    if hasattr(output, "detach"):
        return output.detach().cpu().numpy()
    if isinstance(output, np.ndarray):
        return np.asarray(output)
    return output


def _columns(frame: Any) -> Columns:
    names = frame.columns.tolist()
    column = getattr(frame, "_get_column_array", None) or (lambda at: frame.iloc[:, at].array)
    return Columns({name: _cells(column(at)) for at, name in enumerate(names)})


def _cells(array: Any) -> Any:
    """A column's values as an array of NumPy, or as a list where NumPy has no such type."""
    if isinstance(array.dtype, np.dtype):
        array = np.asarray(array)
        return array.tolist() if array.dtype.kind == "O" else array
    missing = array.isna()
    found = array.tolist()
    if missing.any():
        found = [None if gap else each for each, gap in zip(found, missing, strict=True)]
    return found


def split(output: Any, sizes: Sequence[int], total: int) -> list[Any] | None:
    """The parts of a normal output that belong to calls of these numbers of rows; None if it has not `total` rows."""
    kind = type(output)
    if kind is np.ndarray or kind is list:
        if (kind is np.ndarray and not output.ndim) or len(output) != total:
            return None
        if total == len(sizes):  # all of one row
            return [output[at : at + 1] for at in range(total)]
        ends = list(itertools.accumulate(sizes))
        return [output[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    if kind is dict or kind is Columns:
        columns = []
        for each in output.values():
            cut = split(each, sizes, total) if type(each) is np.ndarray or type(each) is list else None
            if cut is None:
                return None
            columns.append(cut)
        if not columns:
            return None
        if kind is Columns:
            return [output.cut(cells) for cells in zip(*columns, strict=True)]
        return [dict(zip(output, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return None


def length(output: Any) -> int:
    """How many rows a normal output has; -1 if it has none."""
    kind = type(output)
    if kind is np.ndarray:
        return len(output) if output.ndim else -1
    if kind is list:
        return len(output)
    if (kind is dict or kind is Columns) and output:
        lengths = {length(each) for each in output.values()}
        return lengths.pop() if len(lengths) == 1 else -1
    return -1


# ---------------------------------------------------------------- JSON


def listed(values: Any) -> Any:
    """Arrays as lists; dates as dates, not as numbers."""
    if type(values) is not np.ndarray:
        return values
    return values.astype("datetime64[us]").tolist() if values.dtype.kind == "M" else values.tolist()


def _hook(value: Any) -> Any:
    if isinstance(value, np.generic):
        if value.dtype.kind == "M":
            return value.astype("datetime64[us]").item()
        found = value.item()
        if isinstance(found, complex):
            raise TypeError("complex numbers have no place in JSON")
        return found
    if isinstance(value, np.ndarray):
        return listed(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, dict):  # somebody's own kind of it, as below
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float | int):
        return float(value) if isinstance(value, float) else int(value)
    return plain(value)


_encoder = msgspec.json.Encoder(enc_hook=_hook)


def encode(value: Any) -> bytes:
    """JSON of what a model answered.

    Raises:
        ModelFailed: it holds something for which JSON has no words.
    """
    try:
        return _encoder.encode(value)
    except Exception:  # noqa: BLE001 - odd keys, half surrogates, numbers of many digits: once more, slowly
        try:
            return json.dumps(_worded(value), allow_nan=False).encode()
        except Exception as fault:
            raise ModelFailed(f"The model's answer cannot be written as JSON: {_short(fault)}") from fault


def _worded(value: Any) -> Any:
    value = listed(value)
    if isinstance(value, dict):
        return {key if isinstance(key, int) else str(key): _worded(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_worded(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return json.loads(_encoder.encode(value))


def _short(fault: BaseException) -> str:
    text = str(getattr(fault, "message", "")) or f"{type(fault).__name__}: {fault}"
    return text[:300]


# ---------------------------------------------------------------- nothing


def empty(schema: Schema | None) -> Any:
    """The output for no rows at all, of which models are not asked: in the shape that the signature says."""
    if schema is None:
        return []
    if not schema.is_tensor_spec():
        return Columns({each.name if each.name is not None else at: [] for at, each in enumerate(schema)})
    arrays = {
        each.name: np.empty([max(0, length) for length in each.shape], dtype=None if each.type in _TEXTS else each.type)
        for each in schema
        if isinstance(each, TensorSpec)
    }
    return next(iter(arrays.values())) if list(arrays) == [None] else arrays


_TEXTS = ("str", "bytes", "object")
