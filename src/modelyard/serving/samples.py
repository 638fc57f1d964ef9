"""Rows to try a model with: like those of its golden tests and its input example, or made up from its signature.

One row repeated would prove little: answers that depend on the neighbours are found only with neighbours that differ.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from msgspec import UNSET

from modelyard.domain.errors import ModelyardError
from modelyard.packaging import example, golden
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.schema import Array, ColSpec, DataType, Map, Object, Schema, TensorSpec, Type

ALTERED: Final = 0
"""Values are altered: numbers moved, texts cut and lengthened. Every row is new."""
MIXED: Final = 1
"""Values are as found; each column is shuffled for itself."""
FOUND: Final = 2
"""Rows are as found, in another order."""
LIBERTIES: Final = (ALTERED, MIXED, FOUND)

_WORDS: Final = (
    "the",
    "a",
    "very",
    "good",
    "bad",
    "not",
    "quiet",
    "and",
    "cafe",
    "with",
    "people",
    "who",
    "like",
    "tea",
)
_FREE_LENGTH: Final = 8
"""For a free length within a row of a tensor, of which nothing is known."""


class Samples:
    """A model's rows.

    Args:
        function: the model; it must have a signature with inputs.

    Attributes:
        found: where values come from, for people.
        liberties: which of `LIBERTIES` make a difference.
    """

    def __init__(self, function: LoadedFunction) -> None:
        signature = function.metadata.signature
        if signature is None or signature.inputs is None:
            raise ValueError("Rows are made for models with a signature.")
        self.schema: Schema = signature.inputs
        self._pools = _pools(function, self.schema)
        self.found = "its golden tests and input example" if self._pools is not None else "its signature"
        self.liberties = LIBERTIES if self._pools is not None else LIBERTIES[:1]

    def rows(self, count: int, liberty: int = ALTERED) -> Any:
        """So many rows in the shape of `Call.data`; the same ones each time.

        Args:
            count: how many.
            liberty: one of `LIBERTIES`.
        """
        random = np.random.default_rng(count)
        order = random.integers(0, 2**31, count)
        columns = []
        for at, spec in enumerate(self.schema):
            pool = None if self._pools is None else self._pools.get(spec.name if spec.name is not None else str(at))
            if pool is None:
                absent = self._pools is not None and not spec.required
                columns.append([UNSET] * count if absent else _made(spec, count, random))
            elif liberty == FOUND:
                columns.append(_taken(pool, order % len(pool)))
            else:
                found = _taken(pool, random.integers(0, len(pool), count))
                columns.append(_altered(found, pool, random) if liberty == ALTERED else found)
        if not self.schema.is_tensor_spec():
            return list(zip(*map(_listed, columns), strict=True))
        return (
            dict(zip(self.schema.input_names(), columns, strict=True)) if self.schema.has_input_names() else columns[0]
        )

    def filler(self, liberty: int = ALTERED) -> tuple[Any, ...] | None:
        """A row that should cost little, in the signature's order: its texts are short.

        None if there are no texts, or not all columns.
        """
        if self.schema.is_tensor_spec() or not any(each.type is DataType.string for each in self.schema):
            return None
        rows = self.rows(32, liberty)
        row = min(rows, key=lambda row: sum(len(each) for each in row if isinstance(each, str)))
        if UNSET in row:
            return None
        if liberty == ALTERED:
            return tuple(each.partition(" ")[0] if isinstance(each, str) else each for each in row)
        return tuple(row)


def take(data: Any, places: Sequence[int]) -> Any:
    """Rows of what `Samples.rows` gave, as if they had been given alone.

    Args:
        data: a list of rows, an array, or a dictionary of arrays.
        places: which rows, in this order.
    """
    if isinstance(data, Mapping):
        return {name: _taken(values, places) for name, values in data.items()}
    return _taken(data, places)


def count(data: Any) -> int:
    """How many rows there are."""
    return len(next(iter(data.values())) if isinstance(data, Mapping) else data)


def _taken(values: Any, places: Any) -> Any:
    return values[np.asarray(places)] if isinstance(values, np.ndarray) else [values[int(at)] for at in places]


def _listed(values: Any) -> list[Any]:
    if not isinstance(values, np.ndarray):
        return list(values)
    found: list[Any] = (values.astype("datetime64[us]") if values.dtype.kind == "M" else values).tolist()
    return found


# ---------------------------------------------------------------- what is there


def _pools(function: LoadedFunction, schema: Schema) -> dict[str, Any] | None:
    """Column → its values in all golden inputs and the input example; None if there are none."""
    found: list[dict[str, Any]] = []
    try:
        cases = golden.read(function.path)[0]
        given = [example.decode(str(each["kind"]), each["inputs"], schema) for each in cases]
        given.append(function.input_example)
    except (ModelyardError, KeyError):
        given = []
    for each in given:
        columns = _columns(each, schema)
        if columns is not None and all(len(values) for values in columns.values()):
            found.append(columns)
    if not found:
        return None
    pools: dict[str, Any] = {}
    for name, values in found[0].items():
        parts = [each[name] for each in found if name in each]
        if isinstance(values, np.ndarray):
            parts = [each for each in parts if isinstance(each, np.ndarray) and each.shape[1:] == values.shape[1:]]
            pools[name] = np.concatenate(parts)
        else:
            pools[name] = [value for part in parts for value in part]
    return pools


def _columns(data: Any, schema: Schema) -> dict[str, Any] | None:
    """An input as columns or tensors by name."""
    from modelyard.packaging.enforcement import enforce

    if data is None:
        return None
    try:
        data = enforce(data, schema)
    except ModelyardError:
        return None
    if schema.is_tensor_spec():
        return {"0": data} if not isinstance(data, Mapping) else dict(data)
    named = schema.has_input_names()
    found = {}
    for at, name in enumerate(data.columns):
        values = data[name].to_numpy()
        found[str(name) if named else str(at)] = values if values.dtype.kind in "fiubM" else data[name].tolist()
    return found


# ---------------------------------------------------------------- what is altered


def _altered(values: Any, pool: Any, random: np.random.Generator) -> Any:
    if isinstance(values, np.ndarray):
        kind = values.dtype.kind
        if kind == "f":
            return (values * random.normal(1.0, 0.3, values.shape)).astype(values.dtype)
        if kind in "iu":  # may be an index: never above the largest that is known
            least, most = int(pool.min()), int(pool.max())
            return random.integers(min(least, 0) if least >= 0 else least, most + 1, values.shape).astype(values.dtype)
        if kind == "b":
            return random.integers(0, 2, values.shape).astype(bool)
        return values
    if all(isinstance(each, str) for each in values):
        words = [*(word for text in pool for word in text.split()), *_WORDS]
        return [_text(text, words, random) for text in values]
    return values


def _text(text: str, words: list[str], random: np.random.Generator) -> str:
    """The same words, fewer or more of them."""
    own = text.split()
    kept = own[: int(random.integers(1, len(own) + 1))] if own else []
    return " ".join([*kept, *random.choice(words, int(random.integers(0, len(own) + 3))).tolist()])


# ---------------------------------------------------------------- what is made up


def _made(spec: ColSpec | TensorSpec, count: int, random: np.random.Generator) -> Any:
    if isinstance(spec, TensorSpec):
        shape = (count, *(_FREE_LENGTH if each < 0 else each for each in spec.shape[1:]))
        if spec.type in ("str", "bytes", "object"):
            texts = [_value(DataType.string, random) for _ in range(int(np.prod(shape)))]
            kind = object if spec.type == "object" else spec.type
            return np.array([each.encode() for each in texts] if kind == "bytes" else texts, dtype=kind).reshape(shape)
        return _numbers(np.dtype(spec.type), shape, random)
    plain = {
        DataType.boolean: "bool", DataType.integer: "int32", DataType.long: "int64", DataType.float: "float32",
        DataType.double: "float64",
    }  # fmt: skip
    if isinstance(spec.type, DataType) and spec.type in plain:
        return _numbers(np.dtype(plain[spec.type]), (count,), random)
    values = [_value(spec.type, random) for _ in range(count)]
    return np.array(values, dtype="datetime64[ns]") if spec.type is DataType.datetime else values


def _numbers(kind: np.dtype[Any], shape: tuple[int, ...], random: np.random.Generator) -> Any:
    if kind.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    if kind.kind in "iu":
        return random.integers(0, 2, shape).astype(kind)
    if kind.kind == "M":
        return np.datetime64("2024-01-01", "ns") + random.integers(0, 365 * 86400, shape).astype("timedelta64[s]")
    return random.normal(0.0, 1.0, shape).astype(kind)


def _value(kind: Type, random: np.random.Generator) -> Any:
    if isinstance(kind, Array):
        return [_value(kind.dtype, random) for _ in range(int(random.integers(1, 5)))]
    if isinstance(kind, Map):
        return {name: _value(kind.value_type, random) for name in ("one", "other")}
    if isinstance(kind, Object):
        return {each.name: _value(each.dtype, random) for each in kind.properties}
    if kind in (DataType.string, DataType.binary):
        text = " ".join(random.choice(_WORDS, int(random.integers(1, 30))).tolist())
        return text if kind is DataType.string else text.encode()
    if kind is DataType.boolean:
        return bool(random.integers(0, 2))
    if kind in (DataType.integer, DataType.long):
        return int(random.integers(0, 2))
    if kind is DataType.datetime:
        return dt.datetime(2024, 1, 1) + dt.timedelta(seconds=int(random.integers(0, 365 * 86400)))  # noqa: DTZ001
    return float(random.normal()) if kind in (DataType.float, DataType.double) else None
