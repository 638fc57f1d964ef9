"""Strict reading of documents that people write: everything that is wrong is found at once, each with its place.

A `Node` is a value with its JSON pointer. Its methods answer the value if it is as expected; if not they note what is
wrong and what would be right, and answer the default, so that reading goes on.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeGuard

from .errors import InvalidArgument

Troubles = list[tuple[str, str]]
"""JSON pointer, and what is wrong there and what to do."""

_NUMBER: Final = r"(\d+(?:\.\d+)?)"
_DURATION: Final = re.compile(rf"(?:{_NUMBER}\s*(ms|s|m|h|d)\s*)+")
_PART: Final = re.compile(rf"{_NUMBER}\s*(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE: Final = re.compile(rf"{_NUMBER}\s*([kKMGT]i?)?B?")
_BYTES: Final = {
    "": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "ki": 2**10, "Ki": 2**10, "Mi": 2**20,
    "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
_PERCENT: Final = re.compile(rf"{_NUMBER}\s*%")


def seconds(text: str) -> float | None:
    """A duration such as `30s`, `1h30m` or `500ms`, in seconds; None if it is none."""
    if not _DURATION.fullmatch(text.strip()):
        return None
    return math.fsum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))


def shown_seconds(value: float) -> float | str:
    """A duration as people write it: `5m`; a bare number where that would not be exact."""
    for unit in ("d", "h", "m", "s", "ms"):
        amount = value / _SECONDS[unit]
        text = f"{amount:g}{unit}"
        if value and amount >= 1 and amount == int(amount) and seconds(text) == value:
            return text
    return value


def size(text: str) -> int | None:
    """Bytes, from `512MiB`, `2GB` or `512Mi`; None if it is no size."""
    found = _SIZE.fullmatch(text.strip())
    return round(float(found[1]) * _BYTES[found[2] or ""]) if found else None


def shown_size(value: int) -> int | str:
    """Bytes as people write them: `512MiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        amount, rest = divmod(value, _BYTES[unit[:-1]])
        if amount and not rest:
            return f"{amount}{unit}"
    return value


def percent(text: str) -> float | None:
    """A part of 1, from `10%`; None if it is none."""
    found = _PERCENT.fullmatch(text.strip())
    return float(found[1]) / 100 if found else None


def shown_share(value: float) -> float | str:
    """A part of 1 as people write it: `10%`; a bare number where that would not be exact."""
    text = f"{value * 100:g}%"
    return text if percent(text) == value else value


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` if one of the known words is like it, else empty."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def pointer(*keys: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def refuse(troubles: Sequence[tuple[str, str]], what: str) -> None:
    """Raise if there is trouble.

    Args:
        troubles: places, and what is wrong there.
        what: what was read.

    Raises:
        InvalidArgument: all of it, with its places.
    """
    if not troubles:
        return
    told = "; ".join(f"{place or 'the document'}: {text}" for place, text in troubles[:5])
    more = f"; and {len(troubles) - 5} more" if len(troubles) > 5 else ""
    raise InvalidArgument(f"{what} is not right: {told}{more}", places=troubles)


class Node:
    """A value and where it stands.

    Attributes:
        value: anything that JSON can say.
        place: JSON pointer.
        troubles: where what is wrong is noted; shared by all nodes of a document.
    """

    __slots__ = ("place", "troubles", "value")

    def __init__(self, value: Any, place: str, troubles: Troubles) -> None:
        self.value = value
        self.place = place
        self.troubles = troubles

    def wrong(self, text: str) -> None:
        """Note what is wrong here."""
        self.troubles.append((self.place, text))

    def at(self, key: str | int) -> Node:
        """A member or an element."""
        return Node(self.value[key], self.place + pointer(key), self.troubles)

    def fields(self, known: Sequence[str], what: str) -> Mapping[str, Node]:
        """Members by name, those that are null left out; others than the known are noted.

        Args:
            known: names.
            what: what the object is, for people.
        """
        members = dict(self.members(what))
        for key, node in members.items():
            if key not in known:
                node.wrong(f"{what} knows no {key!r}" + (meant(key, known) or f"; it knows {', '.join(known)}"))
        return {key: node for key, node in members.items() if key in known and node.value is not None}

    def members(self, what: str) -> Iterator[tuple[str, Node]]:
        """Members of an object whose names are free."""
        if not isinstance(self.value, Mapping):
            self.wrong(f"expected {what}: names with values, not {_kind(self.value)}")
            return
        for key in self.value:
            if not isinstance(key, str):
                self.wrong(f"the name {key!r} is {_kind(key)}; write it in quotes")
            elif not key:
                self.wrong("a name is empty")
            else:
                yield key, self.at(key)

    def elements(self, what: str) -> Iterator[Node]:
        """Elements of a list."""
        if not isinstance(self.value, list | tuple):
            self.wrong(f"expected a list of {what}, not {_kind(self.value)}")
            return
        for index in range(len(self.value)):
            yield self.at(index)

    def text(self, default: str = "", *, most: int = 1000) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str):
            self.wrong(f"expected a text, not {_kind(self.value)}; write it in quotes")
            return default
        if not self.value or len(self.value) > most or "\0" in self.value:
            self.wrong(f"expected a text of 1 to {most} characters")
            return default
        return self.value

    def one_of(self, known: Sequence[str], default: str) -> str:
        """One of some words."""
        if self.value not in known:
            word = str(self.value)
            self.wrong(f"{word!r} is not one of {', '.join(known)}{meant(word, known)}")
            return default
        return str(self.value)

    def flag(self, *, default: bool) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.wrong(f"expected true or false, not {_kind(self.value)}")
            return default
        return self.value

    def whole(self, least: int, most: int, default: int) -> int:
        """A whole number within bounds."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not least <= self.value <= most:
            self.wrong(f"expected a whole number from {least} to {most}, not {self._shown()}")
            return default
        return self.value

    def number(self, least: float, most: float, default: float) -> float:
        """A number within bounds."""
        if not _is_number(self.value) or not least <= self.value <= most:
            bounds = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
            self.wrong(f"expected a number {bounds}, not {self._shown()}")
            return default
        return float(self.value)

    def share(self, default: float, *, zero: bool = True) -> float:
        """A part of 1: `10%` or `0.1`."""
        value = percent(self.value) if isinstance(self.value, str) else self.value
        if not _is_number(value) or not 0 <= value <= 1 or not (zero or value):
            hint = ""
            if _is_number(self.value) and 1 < self.value <= 100:
                hint = f"; did you mean {self.value:g}%?"
            least = "0%" if zero else "more than 0%"
            self.wrong(f"expected a share from {least} to 100% (such as 10% or 0.1), not {self._shown()}{hint}")
            return default
        return float(value)

    def duration(self, default: float, *, zero: bool = True, most: float = 366 * 86_400.0) -> float:
        """Seconds: `30s`, `5m`, `1h30m`, or a number."""
        value = seconds(self.value) if isinstance(self.value, str) else self.value
        if not _is_number(value) or value < 0 or value > most or not (zero or value):
            hint = " of more than 0" if not zero else ""
            long = f", {shown_seconds(most)} at most" if _is_number(value) and value > most else ""
            self.wrong(f"expected a time{hint} such as 30s, 5m or 1h30m{long}, not {self._shown()}")
            return default
        return float(value)

    def size(self, default: int = 0) -> int:
        """Bytes: `512MiB`, or a number."""
        value = size(self.value) if isinstance(self.value, str) else self.value
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.wrong(f"expected a size such as 512MiB or 2GiB, not {self._shown()}")
            return default
        return value

    def _shown(self) -> str:
        if isinstance(self.value, str | int | float) and not isinstance(self.value, bool):
            return repr(self.value)[:60]
        return _kind(self.value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return f"the number {value!r}"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else type(value).__name__
