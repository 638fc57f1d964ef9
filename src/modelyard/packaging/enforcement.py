"""Checks what goes into a model against its signature: all that is wrong is named, at once.

The conversions are MLflow's: a value may become a wider type of its kind, whole numbers may become floats, text and
objects may become dates; nothing that could change a value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
    Type,
)


def enforce(data: Any, schema: Schema) -> Any:
    """The data as the model expects it: a DataFrame for columns, arrays for tensors.

    Columns come in the schema's order; columns that the schema does not know are left out.

    Raises:
        InvalidArgument: columns are missing or mistyped, or a tensor has another type or shape; all are named.
    """
    return _tensors(data, schema) if schema.is_tensor_spec() else _columns(data, schema)


# ---------------------------------------------------------------- columns

_NUMPY = {
    DataType.boolean: "bool",
    DataType.integer: "int32",
    DataType.long: "int64",
    DataType.float: "float32",
    DataType.double: "float64",
}


def _columns(data: Any, schema: Schema) -> Any:
    import pandas as pd

    frame = _frame(data, schema)
    faults: list[str] = []
    if schema.has_input_names():
        by_text = {str(name): name for name in frame.columns}
        missing = [repr(name) for name in schema.required_input_names() if str(name) not in by_text]
        if missing:
            faults.append(f"missing: {', '.join(missing)}")
        chosen = [(each, by_text[str(each.name)]) for each in schema if str(each.name) in by_text]
        known = {str(each.name) for each in schema}
        unknown = [repr(name) for text, name in by_text.items() if text not in known]
        if missing and unknown:
            faults.append(f"unknown: {', '.join(unknown)}")
    else:
        if len(frame.columns) < len(schema):
            raise InvalidArgument(
                f"The data does not fit the model's signature: {len(frame.columns)} columns, expected {len(schema)}."
            )
        chosen = list(zip(schema, frame.columns[: len(schema)], strict=True))
    columns = {}
    for spec, name in chosen:
        try:
            columns[name] = _column(frame[name], spec)
        except InvalidArgument as fault:
            faults.append(f"{name!r}: {fault.message}")
    if faults:
        raise InvalidArgument(f"The data does not fit the model's signature. {'; '.join(faults)}.")
    # one by one, so that no column's type is changed by its neighbours
    return pd.DataFrame(columns, index=frame.index, columns=[name for _, name in chosen])


def _frame(data: Any, schema: Schema) -> Any:
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        if not data.columns.is_unique:
            twice = sorted({str(name) for name in data.columns[data.columns.duplicated()]})
            raise InvalidArgument(f"The data does not fit the model's signature. Twice: {', '.join(twice)}.")
        return data
    if isinstance(data, pd.Series):
        return data.to_frame()
    names = [each.name for each in schema] if schema.has_input_names() else None
    try:
        if isinstance(data, Mapping):
            nested = any(isinstance(each.type, Array | Object | Map) for each in schema)
            single = nested or not any(_is_column(value) for value in data.values())
            return pd.DataFrame([dict(data)] if single else dict(data))
        if isinstance(data, list | tuple):
            if data and isinstance(data[0], Mapping):
                return pd.DataFrame(list(data))
            return pd.DataFrame(pd.Series(list(data), dtype=None if data else object), columns=_named(names, 1))
        if hasattr(data, "ndim") and data.ndim in (1, 2):
            array = data.toarray() if hasattr(data, "todense") else data
            width = 1 if array.ndim == 1 else array.shape[1]
            return pd.DataFrame(array, columns=_named(names, width))
        if data is None or isinstance(data, str | bytes | int | float | dt.date):
            return pd.DataFrame([data], columns=_named(names, 1))
    except ValueError as fault:
        raise InvalidArgument(f"The data does not make a DataFrame: {fault}.") from None
    raise InvalidArgument(f"A DataFrame was expected, or what makes one, not {type(data).__name__}.")


def _named(names: list[str | None] | None, width: int) -> Any:
    """Names for data without: by position, if there are as many."""
    return names if names is not None and len(names) == width else None


def _is_column(value: Any) -> bool:
    return isinstance(value, list | tuple) or (hasattr(value, "ndim") and value.ndim > 0)


def _column(series: Any, spec: ColSpec | TensorSpec) -> Any:
    import pandas as pd

    kind = spec.type
    if not isinstance(kind, DataType):
        return pd.Series(
            [_value(each, kind, required=spec.required) for each in series],  # type: ignore[arg-type]
            index=series.index,
            dtype=object,
        )
    if series.dtype == object:
        if kind is DataType.binary:
            return series
        if kind is DataType.string:
            wrong = next((each for each in series if not isinstance(each, str) and not pd.isna(each)), None)
            if wrong is None:
                return series
            raise InvalidArgument(f"expected string, got {type(wrong).__name__}")
        series = series.infer_objects()
    found = _kind(series)
    target = _NUMPY.get(kind)
    if kind in (DataType.string, DataType.binary) and found in ("string", "binary"):
        return series
    if kind is DataType.datetime and found in ("datetime", "object", "string"):
        try:
            return pd.to_datetime(series).astype("datetime64[ns]")
        except (ValueError, TypeError):
            raise InvalidArgument(f"expected datetime without a time zone, got {series.dtype}") from None
    if found == "object" and series.isna().all():
        return series.astype("float64") if target and target[0] == "f" else series
    if target is not None and _widens(series.dtype, target):
        return series.astype(target)
    if target and target[0] == "f" and found in ("int", "uint"):
        floats = series.astype(target)
        if bool((floats.astype(series.dtype) == series).all()):  # whole numbers above 2**53 do not all fit
            return floats
    hint = ""
    if found == "float" and target and target[0] == "i" and series.isna().any():
        hint = " (missing values turn whole numbers into floats; give the column as double, or without gaps)"
    raise InvalidArgument(f"expected {kind}, got {series.dtype}{hint}")


def _kind(series: Any) -> str:
    name = str(series.dtype).lower()
    if name.startswith(("str", "string")):
        return "string"
    return next((kind for kind in ("datetime", "uint", "int", "float", "bool") if name.startswith(kind)), "object")


def _widens(dtype: Any, target: str) -> bool:
    import numpy as np

    source = getattr(dtype, "numpy_dtype", dtype)  # of a nullable type of pandas
    if not isinstance(source, np.dtype) or (source.kind == "b" and target != "bool"):
        return False
    return not (source.kind in "iu" and target[0] == "f" and source.itemsize == 8) and np.can_cast(source, target)


def _value(value: Any, kind: Type, *, required: bool = True, where: str = "") -> Any:
    """A value of a nested type, checked; returned as plain lists and dictionaries."""
    told = where or "a value"
    if isinstance(kind, AnyType):
        return value
    if value is None:
        if required:
            raise InvalidArgument(f"{told} is missing")
        return None
    if isinstance(kind, Array):
        if not isinstance(value, list | tuple) and not hasattr(value, "__array_interface__"):
            raise InvalidArgument(f"{told}: expected a list, got {type(value).__name__}")
        return [_value(each, kind.dtype, required=False, where=f"{where}[{at}]") for at, each in enumerate(value)]
    if isinstance(kind, Map | Object) and not isinstance(value, Mapping):
        raise InvalidArgument(f"{told}: expected a dictionary, got {type(value).__name__}")
    if isinstance(kind, Map):
        return {key: _value(each, kind.value_type, where=f"{where}.{key}") for key, each in value.items()}
    if isinstance(kind, Object):
        properties = {each.name: each for each in kind.properties}
        unknown = [str(key) for key in value if key not in properties]
        missing = [key for key, each in properties.items() if each.required and key not in value]
        if unknown or missing:
            faults = [f"{word} {names}" for word, names in (("missing", missing), ("unknown", unknown)) if names]
            raise InvalidArgument(f"{told}: {', '.join(faults)}")
        return {
            key: _value(each, properties[key].dtype, required=properties[key].required, where=f"{where}.{key}")
            for key, each in value.items()
        }
    return _scalar(value, kind, told)


_PYTHON: dict[DataType, tuple[type, ...]] = {
    DataType.boolean: (bool,),
    DataType.integer: (int,),
    DataType.long: (int,),
    DataType.float: (float, int),
    DataType.double: (float, int),
    DataType.string: (str,),
    DataType.binary: (bytes, bytearray),
    DataType.datetime: (dt.date,),
}


def _scalar(value: Any, kind: DataType, told: str) -> Any:
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if kind is DataType.datetime and isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            raise InvalidArgument(f"{told}: {value!r} is not a date") from None
    allowed: tuple[Any, ...] = _PYTHON[kind]
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not DataType.boolean):
        raise InvalidArgument(f"{told}: expected {kind}, got {type(value).__name__}")
    if kind is DataType.integer and not -(2**31) <= value < 2**31:
        raise InvalidArgument(f"{told}: {value} does not fit into 32 bits")
    return float(value) if kind in (DataType.float, DataType.double) else value


# ---------------------------------------------------------------- tensors


def _tensors(data: Any, schema: Schema) -> Any:
    specs = [each for each in schema if isinstance(each, TensorSpec)]
    if not schema.has_input_names():
        return _tensor(_as_array(data, specs[0]), specs[0])
    if len(specs) == 1 and hasattr(data, "__array_interface__"):
        data = {specs[0].name: data}
    columns = {str(name): data[name] for name in getattr(data, "columns", data)} if _named_parts(data) else None
    if columns is None:
        raise InvalidArgument(f"A dictionary of arrays was expected, or a DataFrame, not {type(data).__name__}.")
    faults, found = [], {}
    for spec in specs:
        if str(spec.name) not in columns:
            faults.append(f"missing: {spec.name!r}")
            continue
        try:
            found[str(spec.name)] = _tensor(_as_array(columns[str(spec.name)], spec), spec)
        except InvalidArgument as fault:
            faults.append(f"{spec.name!r}: {fault.message}")
    if faults:
        raise InvalidArgument(f"The data does not fit the model's signature. {'; '.join(faults)}.")
    return found


def _named_parts(data: Any) -> bool:
    return isinstance(data, Mapping) or type(data).__name__ == "DataFrame"


def _as_array(data: Any, spec: TensorSpec) -> Any:
    import numpy as np

    if hasattr(data, "todense"):
        return data
    if hasattr(data, "detach"):  # a tensor of PyTorch; NumPy has no bfloat16
        data = data.detach().cpu()
        return (data.float() if str(data.dtype) == "torch.bfloat16" else data).numpy()
    if type(data).__name__ in ("DataFrame", "Series"):
        values = data.to_numpy()
        if values.dtype == object and spec.type not in ("object", "str", "bytes"):
            # each cell holds a list: the rows are put together again
            rows = values[:, 0] if values.ndim == 2 else values
            try:
                values = np.stack([np.asarray(each, dtype=spec.type) for each in rows])
            except (ValueError, TypeError) as fault:
                raise InvalidArgument(f"the column does not make an array: {fault}") from None
        elif values.ndim == 2 and values.shape[1] == 1 and len(spec.shape) == 1:
            values = values[:, 0]
        return values.reshape(_fitting(values, spec))
    if isinstance(data, list | tuple | int | float | bool | str):
        try:
            return np.asarray(data, dtype=spec.type)
        except (ValueError, TypeError) as fault:
            raise InvalidArgument(f"the data does not make an array: {fault}") from None
    if hasattr(data, "__array_interface__"):
        return np.asarray(data)
    raise InvalidArgument(f"an array was expected, not {type(data).__name__}")


def _fitting(values: Any, spec: TensorSpec) -> tuple[int, ...]:
    inner = spec.shape[1:]
    size = 1
    for length in inner:
        size *= length
    fits = len(values) and -1 not in inner and values.size == len(values) * size
    return (len(values), *inner) if fits else values.shape


def _tensor(array: Any, spec: TensorSpec) -> Any:
    import numpy as np

    shape = array.shape
    fits = len(shape) == len(spec.shape) and all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))
    if not fits:
        raise InvalidArgument(f"expected the shape {spec.shape}, got {shape}")
    kind = array.dtype.kind
    if spec.type in ("str", "bytes", "object"):
        if spec.type == "object" or kind == {"str": "U", "bytes": "S"}[spec.type] or kind == "O":
            return array
        raise InvalidArgument(f"expected {spec.type}, got {array.dtype}")
    target = np.dtype(spec.type)
    if array.dtype == target:
        return array
    if kind in "biuf" and (np.can_cast(array.dtype, target) or (kind in "iu" and target.kind == "f")):
        return array.astype(target)
    raise InvalidArgument(f"expected {target}, got {array.dtype}")


# ---------------------------------------------------------------- params


def enforce_params(params: Mapping[str, Any] | None, schema: ParamSchema | None) -> dict[str, Any] | None:
    """The params as the model expects them, defaults filled in; None if there are none.

    Raises:
        InvalidArgument: a param is not in the signature, or of another type; all are named.
    """
    if schema is None:
        if params:
            raise InvalidArgument(
                f"The model takes no params, but got {', '.join(map(repr, params))}. Save it with a signature that has "
                "params: infer_signature(inputs, outputs, params={...})."
            )
        return None
    given = dict(params or {})
    faults = [f"unknown: {name!r}" for name in given if name not in {each.name for each in schema}]
    found = {}
    for spec in schema:
        try:
            found[spec.name] = _param(given[spec.name], spec) if spec.name in given else spec.default
        except InvalidArgument as fault:
            faults.append(fault.message)
    if faults:
        known = ", ".join(each.name for each in schema)
        raise InvalidArgument(f"The params do not fit the model's signature ({known}). {'; '.join(faults)}.")
    return found


def _param(value: Any, spec: ParamSpec) -> Any:
    if spec.shape is None:
        return _value(value, spec.dtype, required=False, where=spec.name)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise InvalidArgument(f"{spec.name}: expected a list, got {type(value).__name__}")
    return [_value(each, spec.dtype, required=False, where=f"{spec.name}[{at}]") for at, each in enumerate(value)]
