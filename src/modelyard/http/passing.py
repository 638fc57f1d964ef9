"""What a proxy passes on of heads, and what is said to the next one only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Fields = list[tuple[bytes, bytes]]
"""Names in small letters and values, in order."""

BETWEEN_TWO: Final = frozenset({
    b"connection", b"content-length", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""Headers that are said to the next one only (RFC 9110, section 7.6.1), or that a proxy writes itself."""


def passed(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Those that go on: neither said to the next one only, nor named so by `Connection`."""
    fields = list(fields)
    named = {each.strip().lower() for name, value in fields if name == b"connection" for each in value.split(b",")}
    return [each for each in fields if each[0] not in BETWEEN_TWO and each[0] not in named]


def read(status: int, head: bytes) -> tuple[int, Fields]:
    """Status and headers of an answer, as `protocol.Express` gives them, for one who writes his own date.

    Args:
        status: of HTTP; 0: the head's first line says it.
        head: lines that end in line breaks.
    """
    lines = [line for line in head.split(b"\r\n") if line]
    if not status:
        status = int(lines.pop(0)[9:12])
    pairs = [line.partition(b":") for line in lines]
    found = [(name.lower(), value.strip(b" \t")) for name, _, value in pairs]
    return status, [each for each in found if each[0] not in BETWEEN_TWO and each[0] != b"date"]
