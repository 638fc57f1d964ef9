"""Rows of columns from JSON: decoded into the signature's types in one go, and looked at closely where that fails.

A call's rows are a list of tuples in the order of the signature, as values of Python; an optional column that no row of
the call has is `msgspec.UNSET` in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import astuple

from modelyard.packaging.schema import Array, ColSpec, DataType, Schema

from . import values
from .values import NULLABLE, Faults, checked, pointer_to, told

Rows = list[tuple[Any, ...]]
Taken = tuple[Any, int, bool]
"""Data, number of rows, and whether they came as one row rather than as a list."""

_WIDE: Final = 1000
"""More columns are always looked at closely: the time for finding names in an object grows with their square."""
_ORDERS: Final = 64
"""Orders of columns that are remembered; a client keeps to one."""


class Table:
    """Reads rows of one signature.

    Args:
        schema: the columns.
        lenient: leave out columns that the signature does not know, instead of refusing.
    """

    def __init__(self, schema: Schema, *, lenient: bool = False) -> None:
        self.columns = [each for each in schema if isinstance(each, ColSpec)]
        self.named = schema.has_input_names()
        self.lenient = lenient
        self.names = [str(name) for name in schema.input_names()]
        self._at = {name: at for at, name in enumerate(self.names)}
        self._gaps = [at for at, each in enumerate(self.columns) if not each.required]
        self._converters = [
            (at, values.converter(each.type, required=each.required))
            for at, each in enumerate(self.columns)
            if values.converts(each.type)
        ]
        # the only column's value, without its name around it
        self.bare = len(self.columns) == 1 and isinstance(self.columns[0].type, DataType)
        self._types = [_quick(each) for each in self.columns]
        self.row: Any = None
        self._decoder: Any = None
        self._by_column: Any = None
        plain = not self.named or (len(self.names) <= _WIDE and all(map(values.is_plain_name, self.names)))
        if self.named and plain:
            self.row = self._struct(self._types)
            if all(isinstance(each.type, DataType) for each in self.columns):  # else values may be lists themselves
                self._by_column = msgspec.json.Decoder(self._struct([_list(kind) for kind in self._types]))
        if plain:
            self._decoder = msgspec.json.Decoder(self._body())
        self._orders: dict[tuple[Any, ...], Any] = {}

    def _body(self) -> Any:
        if self.named:
            row = self.row
            value = row | self._types[0] if self.bare else row
            return value | _list(value)
        return self._types[0] | _list(self._types[0]) if self.bare else list[Any]

    def _struct(self, kinds: Sequence[Any]) -> Any:
        fields: list[Any] = [
            (f"c{at}", kind | msgspec.UnsetType, UNSET) if at in self._gaps else (f"c{at}", kind)
            for at, kind in enumerate(kinds)
        ]
        return msgspec.defstruct(
            "Row",
            fields,
            rename={f"c{at}": name for at, name in enumerate(self.names)},
            forbid_unknown_fields=not self.lenient,
            kw_only=True,
            gc=False,
        )

    # ---------------------------------------------------------------- quick

    def decode(self, body: bytes | memoryview | msgspec.Raw) -> Taken:
        """Rows of a body: one as an object or as the only column's value, or a list of such.

        Raises:
            MsgspecError, ValueError, RecursionError: it has to be looked at closely.
        """
        if self._decoder is None:
            raise ValueError
        given = self._decoder.decode(body)
        if type(given) is self.row:
            return self._settled([astuple(given)]), 1, True
        if self.named:
            if type(given) is not list:
                return self._settled([(given,)]), 1, True
            if self.bare:
                row = self.row
                rows = [astuple(each) if type(each) is row else (each,) for each in given]
            else:
                rows = [astuple(each) for each in given]
            return self._settled(rows), len(rows), False
        if self.bare:
            if type(given) is list:
                return self._settled([(each,) for each in given]), len(given), False
            return self._settled([(given,)]), 1, True
        return self.plain(given)

    def decode_columns(self, body: msgspec.Raw) -> Taken:
        """Rows of an object of columns.

        Raises:
            MsgspecError, ValueError, RecursionError: it has to be looked at closely.
        """
        if self._by_column is None:
            raise ValueError
        columns = astuple(self._by_column.decode(body))
        count = max(len(each) for each in columns if each is not UNSET)
        rows = list(zip(*([UNSET] * count if each is UNSET else each for each in columns), strict=True))
        return self._settled(rows), count, False

    def _settled(self, rows: Rows) -> Rows:
        if self._converters:
            converted = []
            for row in rows:
                fresh = list(row)
                for at, convert in self._converters:
                    if fresh[at] is not UNSET:
                        fresh[at] = convert(fresh[at])
                converted.append(tuple(fresh))
            rows = converted
        return self._with_gaps(rows) if self._gaps else rows

    def _with_gaps(self, rows: Rows) -> Rows:
        """Optional columns: there in all rows, with nulls, or in none.

        Raises:
            ValueError: a null has no place in that column.
        """
        changed: dict[int, list[Any]] = {}
        for at in self._gaps:
            found = [row[at] for row in rows]
            strict = self.columns[at].type in _NUMBERS
            missing = [each is UNSET or (strict and each is None) for each in found]
            if all(missing):
                if any(each is None for each in found):
                    changed[at] = [UNSET] * len(rows)
            elif any(missing):
                if strict:
                    raise ValueError
                changed[at] = [None if each is UNSET else each for each in found]
        if not changed:
            return rows
        fresh = [list(row) for row in rows]
        for at, column in changed.items():
            for row, value in zip(fresh, column, strict=True):
                row[at] = value
        return [tuple(row) for row in fresh]

    def split(self, columns: Sequence[Any] | None, data: msgspec.Raw) -> Rows | None:
        """Rows from lists without names, as `dataframe_split` has them; None if they need a closer look.

        Args:
            columns: the names in the lists' order; None for the signature's.
            data: JSON, a list of lists.
        """
        order = tuple(columns) if columns is not None else ()
        known = self._orders.get(order)
        if known is None:
            known = self._order(order)
            if len(self._orders) < _ORDERS:
                self._orders[order] = known
        decoder, places = known
        if decoder is None:
            return None
        try:
            rows = decoder.decode(data)
            if places is not None:
                rows = [tuple([UNSET if at < 0 else row[at] for at in places]) for row in rows]
            return self._settled(rows)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None

    def _order(self, order: tuple[Any, ...]) -> tuple[Any, list[int] | None]:
        if not order or not self.named:
            given = list(range(len(self.names)))
            if order and order != tuple(given):
                return None, None
            if self._gaps:
                return None, None
        else:
            if len(set(order)) < len(order) or any(each not in self._at for each in order):
                return None, None
            given = [self._at[each] for each in order]
        if any(at not in given for at in range(len(self.names)) if at not in self._gaps):
            return None, None
        row = _tuple(tuple(self._types[at] for at in given))
        places = [given.index(at) if at in given else -1 for at in range(len(self.names))]
        return msgspec.json.Decoder(_list(row)), None if places == list(range(len(places))) else places

    # ---------------------------------------------------------------- closely

    def plain(self, content: Any) -> Taken:
        """Rows of plain JSON: an object, a list of them, or bare values.

        Raises:
            InvalidArgument: they do not fit; all that is wrong is named.
        """
        if not isinstance(content, list):
            return self.checked([self._bare(content)], one=True)
        if not self.named and not self.bare:
            if len(self.columns) == 1:  # of lists, or of objects
                deep = isinstance(self.columns[0].type, Array) and not (content and isinstance(content[0], list))
                return self.checked([(content,)] if deep else [(each,) for each in content], one=deep)
            if content and not isinstance(content[0], list):
                return self.checked([content], one=True)
        elif self.named and len(self.columns) == 1 and isinstance(self.columns[0].type, Array):
            bare = content and not isinstance(content[0], list | dict)
            if bare:
                return self.checked([(content,)], one=True)
        return self.checked([self._bare(each) for each in content], one=False)

    def _bare(self, row: Any) -> Any:
        single = len(self.columns) == 1
        return row if not single or (self.named and isinstance(row, dict)) else (row,)

    def of_columns(self, content: dict[str, Any]) -> Taken:
        """Rows of an object of columns; of one row, if its values are no lists, or lists are values of the model's.

        Raises:
            InvalidArgument: they do not fit; all that is wrong is named.
        """
        nested = any(not isinstance(each.type, DataType) for each in self.columns)
        if nested or not any(isinstance(each, list) for each in content.values()):
            return self.checked([content], one=True)
        lengths = {len(each) if isinstance(each, list) else 1 for each in content.values()}
        if len(lengths) > 1:
            faults = Faults()
            for name, each in content.items():
                faults.add(pointer_to(name), f"has the length {len(each) if isinstance(each, list) else 1}")
            raise faults.error([f"The columns differ in length: {', '.join(map(str, sorted(lengths)))}"])
        count = lengths.pop()
        columns = {name: each if isinstance(each, list) else [each] for name, each in content.items()}
        return self.checked([{name: each[at] for name, each in columns.items()} for at in range(count)], one=False)

    def checked(self, given: Sequence[Any], *, one: bool) -> Taken:
        """Rows as objects, or as lists in the signature's order.

        Raises:
            InvalidArgument: they do not fit; all that is wrong is named.
        """
        faults = Faults()
        said: list[str] = []
        rows: Rows = []
        for number, row in enumerate(given):
            pointer, place = ("", "") if one else (f"/{number}", f"row {number}: ")
            before = len(faults.places)
            found = self._row(row, faults, pointer)
            if len(faults.places) > before:
                said.append(place + _in_words(faults.named(before, pointer), self.named))
            rows.append(found)
        if faults.count:
            raise faults.error(said)
        if self._gaps:
            try:
                rows = self._with_gaps(rows)
            except ValueError:
                raise self._holes(rows, one=one) from None
        return rows, len(rows), one

    def _row(self, row: Any, faults: Faults, pointer: str) -> tuple[Any, ...]:
        if isinstance(row, list | tuple):
            if len(row) != len(self.columns) or (self.named and type(row) is list):
                expected = f"an object with {_listed(self.names)}" if self.named else f"{len(self.columns)} values"
                faults.add(pointer, f"expected {expected}, got {told(list(row))}")
                return ()
            cells: Any = enumerate(row)
            where = [pointer if type(row) is tuple else f"{pointer}/{at}" for at in range(len(row))]
        elif isinstance(row, dict) and self.named:
            for name, each in zip(self.names, self.columns, strict=True):
                if each.required and name not in row:
                    faults.add(pointer + pointer_to(name), "missing")
            if not self.lenient:
                for name in row:
                    if name not in self._at:
                        faults.add(pointer + pointer_to(name), "unknown")
            cells = ((at, row[name]) for at, name in enumerate(self.names) if name in row)
            where = [pointer + pointer_to(name) for name in self.names]
        else:
            expected = f"an object with {_listed(self.names)}" if self.named else f"a list of {len(self.columns)}"
            faults.add(pointer, f"expected {expected}, got {told(row)}")
            return ()
        found = [UNSET] * len(self.columns)
        for at, value in cells:
            spec = self.columns[at]
            found[at] = checked(value, spec.type, faults, where[at], required=spec.required)
        return tuple(found)

    def _holes(self, rows: Rows, *, one: bool) -> Exception:
        faults = Faults()
        for at in self._gaps:
            if self.columns[at].type in _NUMBERS:
                name = pointer_to(self.names[at])
                for number in [number for number, row in enumerate(rows) if row[at] is None or row[at] is UNSET]:
                    faults.add(name if one else f"/{number}{name}", "missing, and other rows have it")
        said = [f"{name!r}: {what}" for name, what in faults.named(0)]
        return faults.error([*said, "whole numbers and booleans have no word for a missing value"])


_NUMBERS: Final = (DataType.boolean, DataType.integer, DataType.long)


_list: Any = list.__class_getitem__  # types that are made at run time, and are none to a type checker
_tuple: Any = tuple.__class_getitem__


def _quick(spec: ColSpec) -> Any:
    kind = values.quick(spec.type)
    if kind is Any:
        return Any
    nullable = spec.type in NULLABLE or not spec.required
    return kind | None if nullable else kind


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def _in_words(faults: Sequence[tuple[str, str]], named: bool) -> str:  # noqa: FBT001
    """The faults of one row: missing and unknown names together, then the others."""
    absent = {word: [repr(name) for name, what in faults if what == word] for word in ("missing", "unknown")}
    said = [f"{word}: {', '.join(names)}" for word, names in absent.items() if names]
    said += [
        f"{name!r}: {what}" if name and named else f"column {name}: {what}" if name else what
        for name, what in faults
        if what not in ("missing", "unknown")
    ]
    return "; ".join(said)
