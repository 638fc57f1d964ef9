"""What the model takes, made from calls; and its output, cut into answers.

The input is in the form that `packaging.enforcement.enforce` gives, to the type and the order in memory of each array:
otherwise sums could be rounded otherwise than in process.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from msgspec import UNSET

from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.schema import ColSpec, DataType, Schema

from . import shortcut
from .calls import Call
from .tensors import dtype_of

_DTYPES: Final[dict[DataType, Any]] = {
    DataType.boolean: np.dtype("bool"),
    DataType.integer: np.dtype("int32"),
    DataType.long: np.dtype("int64"),
    DataType.float: np.dtype("float32"),
    DataType.double: np.dtype("float64"),
    DataType.datetime: np.dtype("datetime64[ns]"),
}
_FEW_ROWS: Final = 64
"""Up to so many, columns are turned into rows, so that calls of all protocols are put together."""


class Frames:
    """Makes DataFrames from rows and columns.

    Args:
        schema: of columns.
        arrays: make a plain array instead, where all columns have one type of numbers.
    """

    def __init__(self, schema: Schema, *, arrays: bool = False) -> None:
        import pandas as pd

        self._pd = pd
        self._columns = [each for each in schema if isinstance(each, ColSpec)]
        self._names: list[Any] = [each.name if each.name is not None else at for at, each in enumerate(self._columns)]
        self._texts = [str(each) for each in schema.input_names()]
        self._index = pd.Index(self._names)
        self._gaps = any(not each.required for each in self._columns)
        kinds = {_DTYPES.get(each.type) if isinstance(each.type, DataType) else None for each in self._columns}
        only = kinds.pop() if len(kinds) == 1 else None
        self.dtype = only if only is not None and only.kind in "bif" else None
        """The one type of all columns, if it is one of numbers."""
        self.arrays = arrays and self.dtype is not None
        self._places = np.arange(len(self._names))
        # since pandas 3; what DataFrame() does around it costs more than a small model
        self._from_blocks = getattr(getattr(pd.api, "internals", None), "create_dataframe_from_blocks", None)
        text = pd.Series(["text"])
        self._text_dtype = text.dtype
        self._text_array = type(text.array) if text.dtype != object else None
        self._arrow: Any = importlib.import_module("pyarrow") if "Arrow" in str(self._text_array) else None
        self._only_text = len(self._columns) == 1 and self._columns[0].type is DataType.string

    def rows(self, columns: Mapping[str, Any], count: int) -> list[tuple[Any, ...]]:
        """Columns as rows in the signature's order, absent ones as `UNSET`."""
        found = [columns.get(name, UNSET) for name in self._texts]
        cells = ([UNSET] * count if each is UNSET else each if type(each) is list else _listed(each) for each in found)
        return list(zip(*cells, strict=True))

    def make(self, calls: Sequence[Call], fill: int = 0) -> Any:
        """The model's input: the calls' rows one after the other, the last one repeated `fill` times."""
        first = calls[0].data
        if type(first) is list:
            rows = first if len(calls) == 1 else list(itertools.chain.from_iterable([call.data for call in calls]))
            return self._of_rows(rows + [rows[-1]] * fill if fill else rows)
        present = [at for at, name in enumerate(self._texts) if name in first]
        count = sum(call.rows for call in calls) + fill
        return self._of_columns(present, [_gathered(calls, self._texts[at], fill) for at in present], count)

    def _of_rows(self, rows: list[tuple[Any, ...]]) -> Any:
        first = rows[0]
        if self._gaps and UNSET in first:
            present = [at for at, each in enumerate(first) if each is not UNSET]
            return self._of_columns(present, [[[row[at] for row in rows]] for at in present], len(rows))
        if self.dtype is not None:
            return self.block(np.array(rows, dtype=self.dtype, order="F"))
        if self._only_text:
            texts = self._text([row[0] for row in rows])
            if self._text_array is not None:
                return self._framed(texts, len(rows))
        columns = zip(*rows, strict=True)
        return self._of_columns(range(len(first)), [[list(each)] for each in columns], len(rows))

    def block(self, array: Any) -> Any:
        """A frame of an array of rows by columns; the array itself, if that is what is wanted."""
        return array if self.arrays else self._framed(array.T, array.shape[0])

    def _framed(self, block: Any, count: int) -> Any:
        """A frame of one block: an array of columns by rows, or pandas's array for the only column."""
        if self._from_blocks is not None:
            return self._from_blocks([(block, self._places)], self._pd.RangeIndex(count), self._index)
        return self._pd.DataFrame(block.T if block.ndim == 2 else block, columns=self._index, copy=False)

    def _of_columns(self, present: Sequence[int], parts: Sequence[Sequence[Any]], count: int) -> Any:
        columns = [self._column(at, each) for at, each in zip(present, parts, strict=True)]
        if self.dtype is not None and len(present) == len(self._columns):
            return self.block(np.array(columns).T)
        if not columns:
            return self._pd.DataFrame(index=range(count))
        return self._pd.DataFrame(dict(zip((self._names[at] for at in present), columns, strict=True)))

    def _column(self, at: int, parts: Sequence[Any]) -> Any:
        """One column from lists or arrays."""
        kind = self._columns[at].type
        dtype = _DTYPES.get(kind) if isinstance(kind, DataType) else None
        if dtype is not None:
            made = [np.asarray(each, dtype=dtype) for each in parts]
            return made[0] if len(made) == 1 else np.concatenate(made)
        lists = [each.tolist() if isinstance(each, np.ndarray) else each for each in parts]
        cells = list(itertools.chain.from_iterable(lists))
        if kind is DataType.string:
            return self._text(cells)
        return np.fromiter(cells, dtype=object, count=len(cells))

    def _text(self, cells: list[Any]) -> Any:
        if self._text_array is None:
            return np.fromiter(cells, dtype=object, count=len(cells))
        if self._arrow is not None:
            return self._text_array(self._arrow.array(cells, type=self._arrow.large_string()), dtype=self._text_dtype)
        return self._text_array._from_sequence(cells, dtype=self._text_dtype)  # noqa: SLF001 - pandas's interface for arrays


def _listed(column: Any) -> list[Any]:
    return list(column) if getattr(column, "dtype", _OBJECT).kind == "M" else column.tolist()


_OBJECT: Final = np.dtype(object)


def _gathered(calls: Sequence[Call], name: str, fill: int) -> list[Any]:
    parts = [call.data[name] for call in calls]
    if fill:
        last = parts[-1]
        parts.append([last[-1]] * fill if isinstance(last, list) else np.repeat(last[-1:], fill, axis=0))
    return parts


def _arrays(calls: Sequence[Call], fill: int, dtype: Any) -> Any:
    first = calls[0].data
    if type(first) is list:
        rows = first if len(calls) == 1 else list(itertools.chain.from_iterable([call.data for call in calls]))
        return np.array(rows + [rows[-1]] * fill if fill else rows, dtype=dtype)
    if type(first) is dict:
        return {name: _joined([call.data[name] for call in calls], fill) for name in first}
    return _joined([call.data for call in calls], fill)


def _joined(arrays: list[Any], fill: int) -> Any:
    arrays = [np.asarray(each) for each in arrays]
    if fill:
        arrays.append(np.repeat(arrays[-1][-1:], fill, axis=0))
    if len(arrays) > 1:
        return np.concatenate(arrays)
    # a view of a request's bytes is not for writing, which a model may do
    return arrays[0] if arrays[0].flags.writeable else arrays[0].copy()


def assemble(schema: Schema | None, calls: Sequence[Call], fill: int = 0) -> Any:
    """What a model of this signature takes; `Assembly` keeps what this makes anew each time.

    Args:
        schema: of the inputs.
        calls: at least one, of one `Assembly.key`, none of them without rows.
        fill: how often the last row is repeated.
    """
    if calls[0].rows < 0:
        return calls[0].data
    if schema is None or schema.is_tensor_spec():
        return _arrays(calls, fill, _dtype(schema))
    return Frames(schema).make(calls, fill)


def _dtype(schema: Schema | None) -> Any:
    """Of the only tensor's lists."""
    return dtype_of(str(schema.inputs[0].type)) if schema is not None else None


class Assembly:
    """How one model is asked.

    Where a library takes the array out of a frame and answers the same to it, no frame is made, see `shortcut`.

    Args:
        function: the model, tuned already.
    """

    def __init__(self, function: LoadedFunction) -> None:
        self.function = function
        signature = function.metadata.signature
        self.schema = signature.inputs if signature else None
        self._predict: Callable[[Any, dict[str, Any] | None], Any] = function.predict_checked
        self._frames: Frames | None = None
        self._gaps = any(not each.required for each in self.schema or ())
        self._dtype: Any = None
        if self.schema is None or self.schema.is_tensor_spec():
            self._dtype = _dtype(self.schema)
        else:
            self._frames = Frames(self.schema)
            if self._frames.dtype is not None:
                found = shortcut.find(function, self._frames.block, len(self.schema), self._frames.dtype)
                if found is not None:
                    self._predict = found
                    self._frames.arrays = True

    @property
    def arrays(self) -> bool:
        """Whether the model gets an array where the signature has columns."""
        return self._frames is not None and self._frames.arrays

    def key(self, call: Call) -> Hashable:
        """What calls have to have in common to be put together; None: this one is always alone.

        Some columns become rows by this, as most protocols have them.
        """
        data = call.data
        if call.rows < 0:
            return None
        kind = type(data)
        if kind is dict and self._frames is not None and 0 < call.rows <= _FEW_ROWS:
            data = call.data = self._frames.rows(data, call.rows)
            kind = list
        if kind is list:
            return tuple(each is UNSET for each in data[0]) if self._gaps and data else ()
        if kind is np.ndarray:
            return (data.dtype.kind if data.dtype.kind in "SU" else data.dtype, data.shape[1:])
        if kind is dict:
            return tuple((name, each.shape[1:] if type(each) is np.ndarray else None) for name, each in data.items())
        return None

    def make(self, calls: Sequence[Call], fill: int = 0) -> Any:
        """What the model takes.

        Args:
            calls: at least one, of one `key`, none of them without rows.
            fill: how often the last row is repeated.
        """
        if calls[0].rows < 0:
            return calls[0].data
        return self._frames.make(calls, fill) if self._frames is not None else _arrays(calls, fill, self._dtype)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Ask the model."""
        return self._predict(data, params)  # type: ignore[arg-type]
