"""Tensors from JSON: nested lists to arrays of the signature's type and shape; and data without a signature."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import numpy as np

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.schema import Schema, TensorSpec

from .values import Faults, is_plain_name, pointer_to, told

Taken = tuple[Any, int, bool]

_TEXTS: Final = ("str", "bytes", "object")


_list: Any = list.__class_getitem__  # types that are made at run time, and are none to a type checker


def dtype_of(named: str) -> Any:
    """NumPy's type for a signature's."""
    return {"str": np.str_, "bytes": np.bytes_, "object": object}.get(named) or np.dtype(named)


class Tensor:
    """Reads one array.

    Args:
        spec: its type and shape.
    """

    def __init__(self, spec: TensorSpec) -> None:
        self.shape = spec.shape
        self.free = bool(spec.shape) and spec.shape[0] == -1
        self.dtype = dtype_of(spec.type)
        leaf = _leaf(spec.type, self.dtype)
        self.exact = leaf is not Any
        self.kind = self._nested(leaf)
        floats = self.exact and self.dtype is not np.str_ and np.dtype(self.dtype).kind == "f"
        self._loose = self._nested(float | None) if floats else self.kind
        self.row: Any = None
        """Of one row, where decoding is all the check that it needs: its lengths are known."""
        if self.free and leaf is not Any and -1 not in self.shape[1:]:
            self.row = leaf
            for length in reversed(self.shape[1:]):
                self.row = Annotated[_list(self.row), msgspec.Meta(min_length=length, max_length=length)]

    def _nested(self, leaf: Any) -> Any:
        depth = len(self.shape)
        if leaf is Any or not depth:
            return leaf
        kind = leaf | _list(leaf) if self.free else _list(leaf)  # a row alone has one list less
        for _ in range(depth - 1):
            kind = _list(kind)
        return kind

    def array(self, value: Any) -> tuple[Any, bool]:
        """The array, and whether one row came, without the list around it.

        Args:
            value: decoded as `kind`, or plain JSON that `convert` has seen.

        Raises:
            InvalidArgument: it has another shape, or does not make an array.
        """
        depth, probe = 0, value
        while type(probe) is list:
            depth += 1
            if not probe:
                break
            probe = probe[0]
        one = self.free and depth == len(self.shape) - 1
        if value == [] and self.free:
            return np.empty((0, *(max(0, length) for length in self.shape[1:])), dtype=self.dtype), False
        try:
            array = np.array([value] if one else value, dtype=self.dtype)
        except (ValueError, TypeError, OverflowError) as fault:
            raise InvalidArgument(f"the lists do not make an array of {self.named}: {fault}") from None
        want = self.shape
        found = array.shape
        if found != want and (
            len(found) != len(want) or any(a not in (-1, b) for a, b in zip(want, found, strict=True))
        ):
            shown = list(found[1:] if one else found)
            raise InvalidArgument(f"expected the shape {list(want)}, got {shown}")
        return array, one

    def _require_range(self, value: Any) -> None:
        """Infinity is a value, but what becomes infinite by rounding is out of range."""
        try:
            wide = np.array(value, dtype=np.float64)
        except ValueError:  # ragged, which is found out later
            return
        with np.errstate(over="ignore"):
            if np.any(np.isinf(wide.astype(self.dtype)) & np.isfinite(wide)):
                raise InvalidArgument(f"a number does not fit into {np.dtype(self.dtype).itemsize * 8} bits")

    @property
    def named(self) -> str:
        """Its type, for messages."""
        return "text" if self.dtype is np.str_ else "bytes" if self.dtype is np.bytes_ else str(np.dtype(self.dtype))

    def convert(self, value: Any) -> Any:
        """Plain JSON as what `array` takes.

        Raises:
            InvalidArgument: a value is of another type.
        """
        if not self.exact:
            return value
        try:
            found = msgspec.convert(value, self._loose)
            if self._loose is not self.kind and np.dtype(self.dtype).itemsize < 8:
                self._require_range(found)
            return found
        except msgspec.ValidationError as fault:
            whole = _whole(value) if "`int`, got `float`" in str(fault) else None
            if whole is not None:
                return self.convert(whole)
            raise InvalidArgument(f"expected {self.named}: {_plainly(fault)}") from None
        except RecursionError:
            raise InvalidArgument("nested too deeply") from None


def _leaf(named: str, dtype: Any) -> Any:
    if named == "str":
        return str
    if named in _TEXTS:
        return Any
    if dtype.kind == "b":
        return bool
    if dtype.kind == "f":
        if dtype.itemsize >= 8:
            return float | None
        top = float(np.finfo(dtype).max)
        # texts of the largest numbers may be rounded up
        return Annotated[float, msgspec.Meta(ge=-top * 1.00000002, le=top * 1.00000002)] | None
    if dtype.kind in "iu":
        span = np.iinfo(dtype)
        return Annotated[int, msgspec.Meta(ge=max(int(span.min), -(2**63)), le=min(int(span.max), 2**63 - 1))]
    return Any


def _whole(value: Any) -> Any:
    """Lists with whole numbers for floats without a fraction, None if there are others."""
    if isinstance(value, list):
        found = [_whole(each) for each in value]
        return None if any(each is None for each in found) else found
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= 2**53 else None
    return value


def _plainly(fault: Exception) -> str:
    return str(fault).replace("`", "").replace("$", "").replace("Expected", "expected")


class Tensors:
    """Reads the arrays of one signature: one without a name, or several with names."""

    def __init__(self, schema: Schema, *, lenient: bool = False) -> None:
        specs = [each for each in schema if isinstance(each, TensorSpec)]
        self.named = schema.has_input_names()
        self.names = [str(name) for name in schema.input_names()]
        self.parts = [Tensor(each) for each in specs]
        self.lenient = lenient
        self.row: Any = None
        plain = not self.named or all(map(is_plain_name, self.names))
        if self.named and plain:
            self.row = msgspec.defstruct(
                "Row",
                [(f"t{at}", each.kind) for at, each in enumerate(self.parts)],
                rename={f"t{at}": name for at, name in enumerate(self.names)},
                forbid_unknown_fields=not lenient,
            )
        kind = self.row | _list(self.row) if self.row is not None else self.parts[0].kind
        self._decoder: Any = msgspec.json.Decoder(kind) if plain else None
        only = self.parts[0]
        self._row = None if self.named or only.row is None else msgspec.json.Decoder(only.row)
        self._rows = None if self.named or only.row is None else msgspec.json.Decoder(_list(only.row))
        self._brackets = b"[" * len(only.shape)

    def decode(self, body: bytes | memoryview | msgspec.Raw) -> Taken:
        """Arrays of a body; of one array without a name, lists of its rows, which are made an array later.

        Raises:
            MsgspecError, ValueError, RecursionError, InvalidArgument: it has to be looked at closely.
        """
        if self._rows is not None and self._row is not None:
            begins = bytes(memoryview(body)[:32]).translate(None, b" \n\r\t")
            if begins.startswith(self._brackets):
                rows = self._rows.decode(body)
                return rows, len(rows), False
            return ([], 0, False) if begins == b"[]" else ([self._row.decode(body)], 1, True)
        if self._decoder is None:
            raise ValueError
        return self._take(self._decoder.decode(body))

    def _take(self, given: Any) -> Taken:
        if not self.named:
            array, one = self.parts[0].array(given)
            return array, array.shape[0] if self.parts[0].free else -1, one
        if type(given) is list:
            return self._of_rows([msgspec.structs.astuple(each) for each in given])
        return self._of_columns(msgspec.structs.astuple(given))

    def plain(self, content: Any) -> Taken:
        """Arrays of plain JSON.

        Raises:
            InvalidArgument: they do not fit; all that is wrong is named.
        """
        if not self.named:
            try:
                return self._take(self.parts[0].convert(content))
            except InvalidArgument as fault:
                raise Faults().error([fault.message]) from None
        objects = isinstance(content, list) and content and isinstance(content[0], dict)
        if len(self.parts) == 1 and not isinstance(content, dict) and not objects:
            content = {self.names[0]: content}
        if isinstance(content, dict):
            return self._of_columns(self._converted(content, ""))
        if isinstance(content, list) and all(isinstance(each, dict) for each in content):
            return self._of_rows([self._converted(each, f"/{at}") for at, each in enumerate(content)])
        names = ", ".join(map(repr, self.names))
        raise InvalidArgument(f"An object with the arrays {names} was expected, not {told(content)}.")

    def _converted(self, content: dict[str, Any], pointer: str) -> tuple[Any, ...]:
        faults = Faults()
        for name in self.names:
            if name not in content:
                faults.add(pointer + pointer_to(name), "missing")
        if not self.lenient:
            for name in content:
                if name not in self.names:
                    faults.add(pointer + pointer_to(name), "unknown")
        found = []
        for name, part in zip(self.names, self.parts, strict=True):
            try:
                found.append(part.convert(content.get(name)) if name in content else None)
            except InvalidArgument as fault:
                faults.add(pointer + pointer_to(name), fault.message)
        self._raise(faults, pointer)
        return tuple(found)

    def _raise(self, faults: Faults, pointer: str = "") -> None:
        if not faults.count:
            return
        said = [
            f"{what}: {name!r}" if what in ("missing", "unknown") else f"{name!r}: {what}"
            for name, what in faults.named(0, pointer)
        ]  # fmt: skip
        raise faults.error([f"row {pointer[1:]}: {said[0]}", *said[1:]] if pointer else said)

    def _of_columns(self, given: tuple[Any, ...]) -> Taken:
        faults = Faults()
        arrays, ones = {}, []
        for name, part, value in zip(self.names, self.parts, given, strict=True):
            try:
                arrays[name], one = part.array(value)
                ones.append(one)
            except InvalidArgument as fault:
                faults.add(pointer_to(name), fault.message)
        self._raise(faults)
        if any(ones) and not all(each or not part.free for each, part in zip(ones, self.parts, strict=True)):
            raise InvalidArgument("Either all arrays have one row more around them, or none has.")
        if not all(part.free for part in self.parts):
            return arrays, -1, False
        lengths = {name: each.shape[0] for name, each in arrays.items()}
        if len(set(lengths.values())) > 1:
            # as the model would get them in process; not to be put together with others
            return arrays, -1, False
        return arrays, next(iter(lengths.values())), all(ones)

    def _of_rows(self, rows: list[tuple[Any, ...]]) -> Taken:
        if not rows:
            return {name: part.array([])[0] for name, part in zip(self.names, self.parts, strict=True)}, 0, False
        columns = [list(each) for each in zip(*rows, strict=True)]
        arrays, count, one = self._of_columns(tuple(columns))
        if one or count not in (-1, len(rows)):
            raise InvalidArgument("Each row of a list holds its arrays without a further list around them.")
        return arrays, count, False


class Free:
    """Reads data for a model without a signature, as MLflow's `inputs`: lists become arrays."""

    def decode(self, body: bytes | memoryview | msgspec.Raw) -> Taken:
        """Arrays of a body.

        Raises:
            MsgspecError, RecursionError, InvalidArgument: it has to be looked at closely.
        """
        return self.plain(msgspec.json.decode(body))

    def plain(self, content: Any) -> Taken:
        """Arrays of any JSON: of a list, of an object's values, of the values of a list's objects.

        Raises:
            InvalidArgument: lists are ragged.
        """
        try:
            if isinstance(content, dict):
                return {name: np.array(each) for name, each in content.items()}, -1, False
            if isinstance(content, list) and content and all(isinstance(each, dict) for each in content):
                return [{name: np.array(value) for name, value in each.items()} for each in content], -1, False
            array = np.array(content)
        except (ValueError, OverflowError) as fault:
            raise InvalidArgument(f"The data does not make an array: {fault}.") from None
        whole = array.ndim < 2 or array.dtype == object
        return array, 0 if array.shape == (0,) else -1 if whole else array.shape[0], False
