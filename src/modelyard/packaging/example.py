"""Data as JSON and back: the input example of a model as MLflow keeps it, and the inputs of golden tests.

The files `input_example.json` and `serving_input_example.json`, and the entry `saved_input_example_info`, are as
MLflow 2.9 to 3.17 write and read them.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging.schema import Schema, TensorSpec

FILE: Final = "input_example.json"
SERVING_FILE: Final = "serving_input_example.json"
_SPARSE: Final = {"csr": "sparse_matrix_csr", "csc": "sparse_matrix_csc"}


def plain(value: Any) -> Any:
    """The value as JSON can hold it: arrays and frames as lists, missing values and NaN as null, bytes as base 64.

    A DataFrame becomes a list of rows, each a dictionary; infinities become the texts `inf` and `-inf`.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode("ascii")
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if type(value).__name__ == "DataFrame":
        rows = zip(*(plain(value.iloc[:, at]) for at in range(len(value.columns))), strict=True)
        return [dict(zip(map(str, value.columns), row, strict=True)) for row in rows]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "todense"):
        return plain(value.toarray())
    if hasattr(value, "detach"):  # a tensor of PyTorch
        return plain(value.detach().cpu().numpy())
    if hasattr(value, "dtype") and getattr(value.dtype, "kind", "") == "M":
        times = value.to_numpy("datetime64[us]") if hasattr(value, "to_numpy") else value.astype("datetime64[us]")
        return [None if each == "NaT" else each for each in times.astype(str).tolist()]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "__array__"):
        import numpy as np

        return plain(np.asarray(value))
    raise InvalidArgument(
        f"A value of type {type(value).__name__} cannot be kept as JSON; give numbers, text, lists, dictionaries, "
        "arrays or DataFrames."
    )


def encode(data: Any) -> tuple[str, Any]:
    """Input data as `(kind, content)`, in MLflow's words for the kind.

    Raises:
        InvalidArgument: it cannot be kept as JSON.
    """
    named = type(data).__name__
    if named == "Series":
        data, named = data.to_frame(), "DataFrame"
    if named == "DataFrame":
        columns = [plain(data.iloc[:, at]) for at in range(len(data.columns))]
        content: dict[str, Any] = {"data": [list(row) for row in zip(*columns, strict=True)]}
        if list(data.columns) != list(range(len(data.columns))):
            content = {"columns": [plain(name) for name in data.columns], **content}
        return "dataframe", content
    if sparse := _SPARSE.get(getattr(data, "format", "") if hasattr(data, "todense") else ""):
        parts = {name: getattr(data, name).tolist() for name in ("data", "indices", "indptr")}
        return sparse, {**parts, "shape": list(data.shape)}
    if hasattr(data, "__array_interface__") and data.ndim:
        return "ndarray", plain(data)
    if isinstance(data, Mapping) and data and all(hasattr(value, "__array_interface__") for value in data.values()):
        return "ndarray", plain(data)
    return "json_object", plain(data)


def decode(kind: str, content: Any, schema: Schema | None = None) -> Any:
    """The data again; its types come from the schema where JSON has lost them.

    Raises:
        DataCorrupted: the content is not of that kind.
    """
    try:
        return _decode(kind, content, schema)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as fault:
        raise DataCorrupted(f"The example does not decode as {kind}: {fault}") from None


def _decode(kind: str, content: Any, schema: Schema | None) -> Any:
    if kind == "dataframe":
        import pandas as pd

        frame = pd.DataFrame(content["data"], columns=content.get("columns"))
        return frame if schema is None or schema.is_tensor_spec() else _typed(frame, schema)
    if kind == "ndarray":
        import numpy as np

        if isinstance(content, dict):
            types = {each.name: each.type for each in (schema or ()) if isinstance(each, TensorSpec)}
            return {name: np.asarray(value, dtype=types.get(name)) for name, value in content.items()}
        tensor = schema.inputs[0] if schema is not None and schema.is_tensor_spec() else None
        return np.asarray(content, dtype=str(tensor.type) if tensor else None)
    if kind in _SPARSE.values():
        import scipy.sparse  # type: ignore[import-untyped]

        matrix = scipy.sparse.csr_matrix if kind == "sparse_matrix_csr" else scipy.sparse.csc_matrix
        return matrix((content["data"], content["indices"], content["indptr"]), shape=tuple(content["shape"]))
    return content


def _typed(frame: Any, schema: Schema) -> Any:
    types = {
        "boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64",
        "datetime": "datetime64[ns]",
    }  # fmt: skip
    for at, each in enumerate(schema):
        name = each.name if each.name is not None else frame.columns[at] if at < len(frame.columns) else None
        if name not in frame.columns:
            continue
        dtype = types.get(str(each.type))
        if dtype and frame[name].dtype != dtype and not (dtype[0] in "bi" and frame[name].isna().any()):
            frame[name] = frame[name].astype(dtype)
        elif str(each.type) == "binary":
            frame[name] = [None if value is None else base64.decodebytes(value.encode()) for value in frame[name]]
    return frame


def split(example: Any) -> tuple[Any, dict[str, Any] | None]:
    """Data and params of an example: MLflow takes a pair whose second is a dictionary for both."""
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
        return example[0], example[1]
    return example, None


def save(example: Any, folder: Path) -> dict[str, Any]:
    """Write the example's two files and return the entry for the MLmodel file.

    Raises:
        InvalidArgument: it cannot be kept as JSON.
    """
    data, params = split(example)
    kind, content = encode(data)
    info: dict[str, Any] = {"artifact_path": FILE, "serving_input_path": SERVING_FILE, "type": kind}
    if kind == "dataframe":
        info["pandas_orient"] = "split" if "columns" in content else "values"
    serving = {"dataframe_split" if kind == "dataframe" else "inputs": plain(data) if "sparse" in kind else content}
    if params is not None:
        info["params"] = "true"
        content, serving = {"inputs": content, "params": plain(params)}, {**serving, "params": plain(params)}
    (folder / FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / SERVING_FILE).write_text(json.dumps(serving, ensure_ascii=False, indent=2), encoding="utf-8")
    return info


def read(folder: Path, info: Mapping[str, Any] | None, schema: Schema | None) -> tuple[Any, dict[str, Any] | None]:
    """The example of a model: data and params; `(None, None)` if it has none.

    Raises:
        DataCorrupted: the file is missing or does not decode.
    """
    if not info or not info.get("artifact_path"):
        return None, None
    file = (folder / str(info["artifact_path"])).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise DataCorrupted(f"The input example lies outside the model: {info['artifact_path']!r}.")
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise DataCorrupted(f"The input example does not read: {fault}") from None
    params = content.get("params") if info.get("params") else None
    data = content.get("inputs") if info.get("params") else content
    return decode(str(info.get("type", "json_object")), data, schema), params
