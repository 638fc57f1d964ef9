"""Requests and answers to show, from the files that lie in a model: input example and golden tests.

They are read as the JSON that they are, without NumPy and pandas; what is not there is made up from the signature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from modelyard.packaging import example
from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import Array, ColSpec, DataType, Map, Object, Schema, TensorSpec, Type
from modelyard.serving.protocols.open_inference_metadata import NESTED, described

_GOLDEN: Final = "modelyard/golden.json"
_MOST_ROWS: Final = 2
_MOST_BYTES: Final = 20_000
"""A longer example helps nobody; images are described by their schema."""
_LARGEST_FILE: Final = 20 * 2**20

Row = Any
"""A row as natural JSON has it: an object, a list, or a bare value."""


@dataclass(slots=True)
class Examples:
    """What to show of one model.

    Attributes:
        rows: of input, at least one if anything can be shown at all.
        params: of the prediction; None if the model takes none.
        answer: to the first row, as natural JSON has it; None if it is not known.
        real: whether the rows are the model's own, not made up.
        free: data of a model without a signature, as it is sent in `inputs`.
    """

    rows: list[Row] = field(default_factory=list)
    params: dict[str, Any] | None = None
    answer: Any = None
    real: bool = False
    free: Any = None


def of_model(manifest: Model, folder: Path | None) -> Examples:
    """Examples of a model; made up where its folder holds none.

    Args:
        manifest: of the model.
        folder: its directory; None to make everything up.
    """
    signature = manifest.signature
    schema = signature.inputs if signature else None
    outputs = signature.outputs if signature else None
    found = Examples()
    if signature and signature.params:
        found.params = {each.name: example.plain(each.default) for each in signature.params}
    golden = _golden(folder) if folder else None
    if schema is None:
        found.free = _free(manifest, folder)
        found.real = found.free is not None
    else:
        found.rows = _rows(_serving(manifest, folder), schema) if folder else []
        if not found.rows and golden is not None:
            found.rows = _rows(_wrapped(str(golden.get("kind")), golden.get("inputs")), schema)
        found.real = bool(found.rows)
        found.rows = found.rows or [_made_up(schema)]
        if len(json.dumps(found.rows)) > _MOST_BYTES:
            found.rows = found.rows[:1]
        if len(json.dumps(found.rows)) > _MOST_BYTES:
            found.rows = []
    if golden is not None and found.real and schema is not None:
        asked = _rows(_wrapped(str(golden.get("kind")), golden.get("inputs")), schema)
        if asked[:1] == found.rows[:1] and golden.get("params") in (None, {}, found.params):
            found.answer = _first(golden.get("expected"), outputs)
    return found


def _load(file: Path) -> Any:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            return None
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _contained(folder: Path, named: Any) -> Path | None:
    file = (folder / str(named)).resolve()
    return file if file.is_relative_to(folder.resolve()) else None


def _golden(folder: Path) -> dict[str, Any] | None:
    content = _load(folder / _GOLDEN)
    cases = content.get("cases") if isinstance(content, dict) else None
    return cases[0] if isinstance(cases, list) and cases and isinstance(cases[0], dict) else None


def _serving(manifest: Model, folder: Path) -> dict[str, Any]:
    """The input example as a body of `/invocations`; empty if there is none."""
    info = manifest.saved_input_example_info or {}
    for named in (info.get("serving_input_path") or example.SERVING_FILE, info.get("artifact_path")):
        file = _contained(folder, named) if named else None
        content = _load(file) if file else None
        if content is None:
            continue
        if named != info.get("artifact_path"):
            return content if isinstance(content, dict) else {}
        if info.get("params") and isinstance(content, dict):
            content = content.get("inputs")
        return _wrapped(str(info.get("type", "json_object")), content)
    return {}


def _wrapped(kind: str, content: Any) -> dict[str, Any]:
    if kind == "dataframe":
        return {"dataframe_split": content}
    if kind == "ndarray" and isinstance(content, dict) and set(content) == {"inputs"}:  # MLflow 2
        content = content["inputs"]
    return {"inputs": content}


def _free(manifest: Model, folder: Path | None) -> Any:
    content = _serving(manifest, folder) if folder else {}
    data = content.get("inputs")
    if data is None or len(json.dumps(data)) > _MOST_BYTES:
        return None
    return data


# ---------------------------------------------------------------- rows


def _rows(body: Mapping[str, Any], schema: Schema) -> list[Row]:
    """The first rows of a body of `/invocations`, as natural JSON has them; none if it does not fit the schema."""
    try:
        if "dataframe_split" in body:
            split = body["dataframe_split"]
            names = split.get("columns") or list(range(len(split["data"][0])))
            found = [dict(zip(map(str, names), row, strict=True)) for row in split["data"][:_MOST_ROWS]]
            return [_of_object(row, schema) for row in found]
        data = body.get("dataframe_records", body.get("instances", body.get("inputs")))
        if data is None:
            return []
        return _of_tensors(data, schema) if schema.is_tensor_spec() else _of_columns(data, schema)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        return []


def _of_object(row: Mapping[str, Any], schema: Schema) -> Row:
    if schema.is_tensor_spec():
        values = list(row.values())
        if not schema.has_input_names():
            return values if len(schema.inputs[0].shape) > 1 else values[0]  # type: ignore[union-attr]
        return {name: row[str(name)] for name in schema.input_names()}
    if not schema.has_input_names():
        values = list(row.values())[: len(schema)]
        return values[0] if len(schema) == 1 else values
    return {
        str(each.name): row[str(each.name)]
        for each in schema
        if each.required or row.get(str(each.name)) is not None
    }  # fmt: skip


def _of_columns(data: Any, schema: Schema) -> list[Row]:
    if isinstance(data, dict):
        nested = any(not isinstance(each.type, DataType) for each in schema)
        if nested or not any(isinstance(each, list) for each in data.values()):
            return [_of_object(data, schema)]
        count = min(_MOST_ROWS, *(len(each) for each in data.values() if isinstance(each, list)))
        rows = [{name: each[at] for name, each in data.items()} for at in range(count)]
        return [_of_object(row, schema) for row in rows]
    data = data if isinstance(data, list) else [data]
    if data and isinstance(data[0], dict) and schema.has_input_names():
        return [_of_object(row, schema) for row in data[:_MOST_ROWS]]
    single = len(schema) == 1
    if schema.has_input_names():
        names = [str(each.name) for each in schema]
        cells = [[each] if single and not isinstance(each, list) else each for each in data[:_MOST_ROWS]]
        return [dict(zip(names, row, strict=True)) for row in cells]
    return [each[0] if single and isinstance(each, list) else each for each in data[:_MOST_ROWS]]


def _of_tensors(data: Any, schema: Schema) -> list[Row]:
    specs = [each for each in schema if isinstance(each, TensorSpec)]
    if not schema.has_input_names():
        return list(data[:_MOST_ROWS]) if _batched(specs) else [data]
    if not isinstance(data, dict):
        data = {specs[0].name: data}
    if not _batched(specs):
        return [{str(each.name): data[each.name] for each in specs}]
    count = min(_MOST_ROWS, *(len(data[each.name]) for each in specs))
    return [{str(each.name): data[each.name][at] for each in specs} for at in range(count)]


def _batched(specs: Sequence[TensorSpec]) -> bool:
    """Whether the first length of all tensors is the number of rows."""
    return all(each.shape and each.shape[0] == -1 for each in specs)


# ---------------------------------------------------------------- made up

_VALUES: Final = {
    DataType.boolean: True,
    DataType.integer: 1,
    DataType.long: 1,
    DataType.float: 0.5,
    DataType.double: 0.5,
    DataType.string: "text",
    DataType.binary: "AAEC",
    DataType.datetime: "2026-01-31T08:30:00",
}


def value(kind: Type) -> Any:
    """A value of a type."""
    if isinstance(kind, DataType):
        return _VALUES[kind]
    if isinstance(kind, Array):
        return [value(kind.dtype)]
    if isinstance(kind, Map):
        return {"key": value(kind.value_type)}
    if isinstance(kind, Object):
        return {each.name: value(each.dtype) for each in kind.properties if each.required}
    return "anything"


def element(named: str) -> Any:
    """An element of a tensor of that type of NumPy."""
    if named in ("str", "object", "bytes"):
        return "text"
    if named.startswith("datetime"):
        return "2026-01-31T08:30:00"
    return False if named == "bool" else 0.0 if named.startswith("float") else 0


def _tensor(spec: TensorSpec, shape: Sequence[int]) -> Any:
    if not shape:
        return element(spec.type)
    return [_tensor(spec, shape[1:]) for _ in range(max(1, shape[0]))]


def _made_up(schema: Schema) -> Row:
    specs = [each for each in schema if isinstance(each, TensorSpec)]
    if specs:
        size = 0
        for each in specs:
            elements = 1
            for length in each.shape:
                elements *= max(1, length)
            size += elements
        if size > _MOST_BYTES // 4:
            return [0.0] * _MOST_BYTES  # is left out for its length
        shapes = [each.shape[1:] if _batched(specs) else each.shape for each in specs]
        arrays = [_tensor(each, shape) for each, shape in zip(specs, shapes, strict=True)]
        return dict(zip((each.name for each in specs), arrays, strict=True)) if schema.has_input_names() else arrays[0]
    columns = [each for each in schema if isinstance(each, ColSpec)]
    if schema.has_input_names():
        return {str(each.name): value(each.type) for each in columns}
    values = [value(each.type) for each in columns]
    return values[0] if len(values) == 1 else values


def _first(expected: Any, outputs: Schema | None) -> Any:
    """The answer to the first row, from a golden test's whole answer."""
    names = [str(each.name) for each in outputs or () if isinstance(each, ColSpec) and each.name is not None]
    if isinstance(expected, dict) and expected and all(isinstance(each, list) and each for each in expected.values()):
        return {name: each[0] for name, each in expected.items()}
    if not isinstance(expected, list) or not expected:
        return expected
    first = expected[0]
    if len(names) == 1 and not isinstance(first, list | dict):
        return {names[0]: first}
    if names and isinstance(first, list) and len(first) == len(names):
        return dict(zip(names, first, strict=True))
    return first


# ---------------------------------------------------------------- protocols


def question(found: Examples, rows: int = 1) -> Any:
    """A body of `/predict`: one row, or a list of so many."""
    if not found.rows:
        return found.free
    return found.rows[0] if rows == 1 else found.rows[:rows]


def invocations(found: Examples, schema: Schema | None) -> dict[str, Any]:
    """Bodies of `/invocations`, by the form's name."""
    params = {"params": found.params} if found.params else {}
    if schema is None or not found.rows:
        return {} if found.free is None else {"inputs": {"inputs": found.free, **params}}
    rows = found.rows
    if schema.is_tensor_spec():
        specs = [each for each in schema if isinstance(each, TensorSpec)]
        if not schema.has_input_names():
            whole: Any = rows if _batched(specs) else rows[0]
            return {"inputs": {"inputs": whole, **params}, "instances": {"instances": whole, **params}}
        whole = {str(each.name): [row[each.name] for row in rows] for each in specs} if _batched(specs) else rows[0]
        return {"inputs": {"inputs": whole, **params}}
    if schema.has_input_names():
        names = [name for name in map(str, schema.input_names()) if any(name in row for row in rows)]
        data = [[row.get(name) for name in names] for row in rows]
        return {
            "dataframe_split": {"dataframe_split": {"columns": names, "data": data}, **params},
            "dataframe_records": {"dataframe_records": rows, **params},
        }
    data = [row if len(schema) > 1 else [row] for row in rows]
    return {"dataframe_split": {"dataframe_split": {"data": data}, **params}}


def infer(found: Examples, schema: Schema | None) -> dict[str, Any] | None:
    """A body of `/v2/models/{name}/infer`; None if there is nothing to show."""
    if schema is None or not found.rows:
        return None
    params = {"parameters": found.params} if found.params else {}
    inputs = []
    for at, (told, spec) in enumerate(zip(described(schema, "input-"), schema, strict=True)):
        if isinstance(spec, TensorSpec):
            batched = _batched([each for each in schema if isinstance(each, TensorSpec)])
            rows = [row[spec.name] if spec.name is not None else row for row in found.rows]
            whole = rows if batched else rows[0]
            inputs.append({"name": told.name, "shape": _shape(whole), "datatype": told.datatype, "data": _flat(whole)})
            continue
        cells = [_cell(row, spec, at, len(schema)) for row in found.rows]
        if not spec.required and any(each is None for each in cells):
            continue
        if told.content_type == NESTED:
            cells = [json.dumps(each, ensure_ascii=False) for each in cells]
        tensor: dict[str, Any] = {"name": told.name, "shape": [len(cells), 1], "datatype": told.datatype, "data": cells}
        if told.content_type in (NESTED, "base64"):
            tensor["parameters"] = {"content_type": told.content_type}
        inputs.append(tensor)
    return {"inputs": inputs, **params}


def _cell(row: Row, spec: ColSpec, at: int, width: int) -> Any:
    if spec.name is not None:
        return row.get(spec.name)
    return row[at] if width > 1 else row


def _shape(data: Any) -> list[int]:
    shape = []
    while isinstance(data, list):
        shape.append(len(data))
        data = data[0] if data else None
    return shape


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    return [each for inner in data for each in (_flat(inner) if isinstance(inner, list) else [inner])]
