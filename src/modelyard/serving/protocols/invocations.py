"""MLflow's scoring protocol: `/invocations`.

Source: MLflow 3.17, `mlflow/pyfunc/scoring_server/__init__.py` and `mlflow/utils/proto_json_utils.py`. What differs on
purpose: unknown columns and params are refused, text and booleans never become numbers, numbers never lose digits,
binaries are base 64 in `inputs` and `instances` too, no rows are answered with no rows, NaN is written as null, and a
model that raises is status 500 (MLflow says 400).
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import io
import math
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging.enforcement import enforce, enforce_params
from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import DataType
from modelyard.serving import refusals, values
from modelyard.serving.calls import INVOCATIONS, JSON, Answered, Asked, Call
from modelyard.serving.outputs import Columns, encode, listed
from modelyard.serving.protocols.content_types import media_type
from modelyard.serving.protocols.readers import reader
from modelyard.serving.refusals import WrongContentType
from modelyard.serving.tables import Table
from modelyard.serving.tensors import Tensors

FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
CHAT: Final = ("messages", "prompt", "input")
"""Keys at the top that make the whole body the data, and the answer come without `predictions` around it."""

CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"

_FAILURES: Final = (msgspec.MsgspecError, ValueError, RecursionError, InvalidArgument)


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    data: Raw
    columns: list[str | int] | None = None
    index: Raw = Raw(b"null")


class _Body(msgspec.Struct):
    dataframe_split: _Split | UnsetType = UNSET
    dataframe_records: Raw | UnsetType = UNSET
    instances: Raw | UnsetType = UNSET
    inputs: Raw | UnsetType = UNSET
    params: dict[str, Any] | None = None
    messages: Raw | UnsetType = UNSET
    prompt: Raw | UnsetType = UNSET
    input: Raw | UnsetType = UNSET


_decode: Final = msgspec.json.Decoder(_Body).decode


class Invocations:
    """Reads and writes for one model.

    Args:
        metadata: of the model.
        lenient: leave out columns that the signature does not know.
    """

    def __init__(self, metadata: Model, *, lenient: bool = False) -> None:
        signature = metadata.signature
        self._schema = signature.inputs if signature else None
        self._params = signature.params if signature else None
        self._defaults = enforce_params(None, self._params)
        self._lenient = lenient
        self._reader = reader(self._schema, lenient=lenient)
        self._table = self._reader if isinstance(self._reader, Table) else None

    # ---------------------------------------------------------------- reading

    def read(self, asked: Asked) -> Call:
        """The rows and params of a body.

        Raises:
            InvalidArgument: it does not decode, or does not fit; everything that is wrong is named.
            WrongContentType: it is neither JSON nor CSV.
        """
        if asked.content_type != JSON:
            named = media_type(asked.content_type)
            if named == CSV:
                return self._csv(asked.body)
            if named == PARQUET:
                return self._parquet(asked.body)
            if named != "application/json":
                raise WrongContentType(f"The body has to be application/json or text/csv, not {named[:100]}.")
        try:
            call = self._quick(_decode(asked.body))
        except _FAILURES:
            call = None
        if call is not None:
            return call
        return self._closely(values.plain(asked.body))

    def _quick(self, body: _Body) -> Call | None:
        given = [each for each in (body.dataframe_records, body.instances, body.inputs) if each is not UNSET]
        if body.messages is not UNSET or body.prompt is not UNSET or body.input is not UNSET:
            return None
        params = self._defaults if not body.params else enforce_params(body.params, self._params)
        split = body.dataframe_split
        if self._schema is None and (split is not UNSET or body.dataframe_records is not UNSET):
            return None
        if split is not UNSET:
            if given or bytes(split.index)[:1] not in (b"[", b"n"):
                return None
            if self._table is not None:
                rows = self._table.split(split.columns, split.data)
                return None if rows is None else Call(rows, len(rows), params)
            if self._reader.named:  # type: ignore[attr-defined]
                return None
            given = [split.data]
        if len(given) != 1:
            return None
        if self._table is not None and bytes(given[0])[:1] == b"{":
            with contextlib.suppress(*_FAILURES):
                data, count, _ = self._table.decode_columns(given[0])
                return Call(data, count, params)
        data, count, _ = self._reader.decode(given[0])
        return Call(data, count, params)

    def _closely(self, content: Any) -> Call:
        if not isinstance(content, dict):
            raise InvalidArgument(f"{_EXPECTED}; got {values.told(content)}.")
        if any(name in content for name in CHAT):
            return self._chat(content)
        found = [name for name in FORMATS if name in content]
        if len(found) != 1:
            raise InvalidArgument(f"{_EXPECTED}; got {', '.join(map(repr, content)) or 'none'}.")
        params = content.get("params")
        if params is not None and not isinstance(params, dict):
            raise InvalidArgument(f"params are an object, not {values.told(params)}.")
        name, data = found[0], content[found[0]]
        checked = enforce_params(params, self._params) if params else self._defaults
        if name == "dataframe_split":
            taken = self._split(data)
        elif name == "dataframe_records":
            taken = self._records(data)
        elif self._table is not None and isinstance(data, dict):
            taken = self._table.of_columns(data)
        else:
            taken = self._reader.plain(data)
        return Call(taken[0], taken[1], checked)

    def _chat(self, content: dict[str, Any]) -> Call:
        known = {each.name for each in self._params or ()}
        params = {name: each for name, each in content.items() if name in known}
        data: Any = {name: each for name, each in content.items() if name not in known}
        checked = enforce_params(params, self._params) if params else self._defaults
        if self._schema is None:
            return Call(data, -1, checked, echo=True)
        data, rows, _ = self._table.checked([data], one=True) if self._table is not None else self._reader.plain(data)
        return Call(data, rows, checked, echo=True)

    def _split(self, content: Any) -> tuple[Any, int, bool]:
        if not isinstance(content, dict) or "data" not in content or set(content) - {"data", "columns", "index"}:
            raise InvalidArgument(
                "dataframe_split is an object with 'data', and with 'columns' and 'index' if need be; got "
                f"{', '.join(map(repr, content)) if isinstance(content, dict) else values.told(content)}."
            )
        data, columns = content["data"], content.get("columns")
        if columns is not None and not (
            isinstance(columns, list) and all(isinstance(each, str | int) for each in columns)
        ):
            raise InvalidArgument("dataframe_split: 'columns' is a list of names.")
        if columns is not None and len(set(map(str, columns))) < len(columns):
            twice = sorted({str(each) for each in columns if list(map(str, columns)).count(str(each)) > 1})
            raise InvalidArgument(f"The data does not fit the model's signature. Twice: {', '.join(twice)}.")
        if not isinstance(data, list):
            raise InvalidArgument(f"dataframe_split: 'data' is a list of rows, not {values.told(data)}.")
        index = content.get("index")
        if index is not None and not (isinstance(index, list) and len(index) == len(data)):
            raise InvalidArgument("dataframe_split: 'index' has to be as long as 'data'.")
        rows = [each if isinstance(each, list) else [each] for each in data]
        width = len(columns) if columns is not None else max(map(len, rows), default=0)
        for at, row in enumerate(rows):
            if len(row) != width:
                raise InvalidArgument(f"dataframe_split: row {at} has {len(row)} values for {width} columns.")
        return self._framed(None if columns is None else list(map(str, columns)), rows, columns)

    def _framed(self, names: list[str] | None, rows: list[list[Any]], labels: Any = None) -> tuple[Any, int, bool]:
        """Rows of a frame: cells in the order of the names."""
        table = self._table
        if self._schema is None:
            return self._frame(lambda pandas: pandas.DataFrame(rows, columns=labels)), -1, False
        if table is None:
            return self._tensors(names, rows)
        if table.named:
            names = names if names is not None else table.names
            return table.checked([dict(zip(names, row, strict=False)) for row in rows], one=False)
        width = len(table.columns)
        if table.lenient:
            rows = [row[:width] for row in rows]
        return table.checked([tuple(row) if width == 1 and len(row) == 1 else row for row in rows], one=False)

    def _tensors(self, names: list[str] | None, rows: list[list[Any]]) -> tuple[Any, int, bool]:
        tensors = self._reader
        assert isinstance(tensors, Tensors)  # noqa: S101 - what else there is has been asked for
        try:
            if tensors.named and (names is not None or len(tensors.names) == 1):
                columns = names if names is not None else tensors.names
                return tensors.plain({name: [row[at] for row in rows] for at, name in enumerate(columns)})
            return tensors.plain([row[0] for row in rows] if _single(rows) else rows)
        except InvalidArgument as fault:
            try:  # cells may hold what was an array, as one flat list
                data = enforce(self._frame(lambda pandas: pandas.DataFrame(rows, columns=names)), self._schema)  # type: ignore[arg-type]
            except Exception:  # noqa: BLE001 - likewise
                raise fault from None
            return data, len(rows), False

    def _records(self, content: Any) -> tuple[Any, int, bool]:
        if not isinstance(content, list):
            raise InvalidArgument(f"dataframe_records is a list of objects, not {values.told(content)}.")
        if self._schema is None:
            return self._frame(lambda pandas: pandas.DataFrame(content)), -1, False
        if self._table is not None:
            if self._table.named or not all(isinstance(each, dict) for each in content):
                return self._table.plain(content)
            return self._framed(None, [list(each.values()) for each in content])
        if not self._reader.named and all(isinstance(each, dict) for each in content):  # type: ignore[attr-defined]
            return self._framed(None, [list(each.values()) for each in content])
        return self._reader.plain(content)

    def _frame(self, make: Any) -> Any:
        import pandas as pd

        try:
            return make(pd)
        except Exception as fault:  # noqa: BLE001 - pandas asserts, too, that lists are as long as each other
            raise InvalidArgument(f"The data does not make a DataFrame: {fault}.") from None

    # ---------------------------------------------------------------- files

    def _csv(self, body: bytes | memoryview) -> Call:
        try:
            text = str(body, "utf-8-sig")
        except UnicodeDecodeError as fault:
            raise InvalidArgument(f"The body is not UTF-8: {fault.reason} at byte {fault.start}.") from None
        texts = {
            each.name: object
            for each in self._schema or ()
            if each.name is not None and each.type in (DataType.string, DataType.binary, DataType.datetime, "str")
        }
        import pandas as pd

        try:
            frame = pd.read_csv(io.StringIO(text), dtype=texts or None)
        except Exception as fault:  # noqa: BLE001 - likewise
            raise InvalidArgument(f"The body is not CSV with a line of names: {fault}.") from None
        return self._of_frame(frame)

    def _parquet(self, body: bytes | memoryview) -> Call:
        import pandas as pd

        try:
            frame = pd.read_parquet(io.BytesIO(body))
        except ImportError:
            raise WrongContentType("Parquet is read where pyarrow is installed, which it is not.") from None
        except Exception as fault:  # noqa: BLE001 - pyarrow has a hierarchy of its own
            raise InvalidArgument(f"The body is not a Parquet file of columns: {fault}.") from None
        return self._of_frame(frame)

    def _of_frame(self, frame: Any) -> Call:
        if self._schema is None:
            return Call(frame, -1, self._defaults)
        names = list(map(str, frame.columns))
        columns = [_cells(frame.iloc[:, at]) for at in range(len(names))]
        if names and names[0] == "Unnamed: 0" and self._table is not None and names[0] not in self._table.names:
            names, columns = names[1:], columns[1:]  # what `DataFrame.to_csv()` makes of the index
        rows = [list(row) for row in zip(*columns, strict=True)]
        data, count, _ = self._framed(names, rows)
        return Call(data, count, self._defaults)

    # ---------------------------------------------------------------- writing

    def write(self, call: Call, output: Any) -> Answered:
        """The answer in the words of stock MLflow.

        Raises:
            ModelFailed: JSON has no words for it.
        """
        kind = type(output)
        if kind is np.ndarray:
            found = output.tolist()
            if output.dtype.kind in "SOM":
                found = _worded(found)
        elif kind is Columns:
            names = list(map(str, output))
            columns = [
                listed(each) if type(each) is np.ndarray else list(map(_worded, each)) for each in output.values()
            ]
            found = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        else:
            found = _worded(output)
        return Answered(200, encode(found if call.echo else {"predictions": found}))

    def refuse(self, error: ModelyardError, status: int) -> Answered:
        """The error as `{"error_code", "message"}`."""
        return refusals.refuse(INVOCATIONS, status, error.message)


_EXPECTED: Final = f"The body has to be an object with exactly one of {', '.join(FORMATS)}"


def _single(rows: list[list[Any]]) -> bool:
    return bool(rows) and all(len(row) == 1 and isinstance(row[0], list) for row in rows)


def _cells(series: Any) -> list[Any]:
    """A column of a file as JSON would have brought it."""
    found = series.tolist()
    if found and not isinstance(found[0], float | int | str | bool):
        found = [_plain_cell(each) for each in found]
    return [None if isinstance(each, float) and math.isnan(each) else each for each in found]


def _plain_cell(value: Any) -> Any:
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.tolist() if hasattr(value, "tolist") else value


_PLAIN: Final = frozenset({float, int, str, bool, type(None)})


def _worded(value: Any) -> Any:
    """Bytes as MLflow's encoder writes them; dates of any kind by their own words."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return [each if type(each) in _PLAIN else _worded(each) for each in value]
    if kind is dict:
        return {name: _worded(each) for name, each in value.items()}
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode("ascii")
    if kind is np.ndarray:
        return _worded(value.tolist())
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value
