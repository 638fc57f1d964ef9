"""What differs between two documents, by JSON pointer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .reading import pointer


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        place: JSON pointer.
        old: what was there; None: nothing.
        new: what is there now; None: nothing.
    """

    place: str
    old: Any
    new: Any


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """What changed from one document to another, in the documents' order; a list that grew or shrank is one change."""
    return tuple(_between(old, new, ""))


def _between(old: Any, new: Any, place: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _between(old.get(key), new.get(key), place + pointer(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _between(one, other, place + pointer(index))
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        yield Change(place, old, new)
