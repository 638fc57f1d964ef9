"""The heads of plain requests, read strictly: what is in doubt goes through the whole parser instead."""

from __future__ import annotations

import re
from typing import Final, Generic, NamedTuple, TypeVar

_MOST: Final = 4096
_NAME: Final = re.compile(rb"[A-Za-z0-9_-]+")
_CONTROL: Final = re.compile(rb"[\0-\x08\n-\x1f\x7f]")
_PATH: Final = re.compile(rb"/[!-~]*")
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"te"})

T = TypeVar("T")


class Post(NamedTuple):
    """The head of a POST.

    Attributes:
        path: as sent.
        length: of the body, in bytes; -1 if it is not said.
        fields: names in small letters and values, in order.
    """

    path: bytes
    length: int
    fields: list[tuple[bytes, bytes]]


def plain_post(head: bytes) -> Post | None:
    """A plain POST on a connection that is kept; None for everything else.

    Args:
        head: without the empty line at its end.
    """
    first, *lines = head.split(b"\r\n")
    method, _, rest = first.partition(b" ")
    path, _, version = rest.partition(b" ")
    if method != b"POST" or version != b"HTTP/1.1" or _PATH.fullmatch(path) is None:
        return None
    if _CONTROL.search(b"".join(lines)):
        return None
    length, fields = -1, []
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if not colon or _NAME.fullmatch(name) is None or name in _NOT_PLAIN:
            return None
        if name == b"content-length":
            if length >= 0 or not value.isdigit():
                return None
            length = int(value)
        elif name == b"connection" and value.lower() != b"keep-alive":
            return None
        fields.append((name, value))
    return Post(path, length, fields)


class Known(Generic[T]):
    """What was made of heads: those of one client repeat themselves. Stays within a few MB.

    Args:
        longest: bytes of a head that is kept.
    """

    def __init__(self, longest: int) -> None:
        self.found: dict[bytes, T] = {}
        self._longest = longest

    def keep(self, head: bytes, made: T) -> None:
        """Remember what was made of a head."""
        if len(head) <= self._longest:
            if len(self.found) >= _MOST:
                self.found.clear()
            self.found[head] = made
