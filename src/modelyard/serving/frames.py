"""What the front and a model's process say to one another over their socket pair.

A frame is its length, its kind and its content::

    u32 length of the content, u32 kind, content

    CALLS    u32 slot, u32 count, then per call:   u32 ticket, u8 protocol, u8 length of the content type, u16 0,
                                                   i32 json_bytes, u32 length of the body, content type, body
    ANSWERS  f64 seconds at work, u32 count,
             then per answer:                      u32 ticket, u16 status, u8 length of the content type, u8 0,
                                                   i32 json_bytes, u32 rows, u32 length of the body, content type, body
    NOTE     JSON: what is neither

All numbers are little-endian; an empty content type stands for `application/json`. A slot is one loaded model in that
process, a ticket one request, of the front's choosing.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, cast

from .calls import JSON, Answered, Asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CALLS: Final = 1
ANSWERS: Final = 2
NOTE: Final = 3

HEAD: Final = Struct("<II")
_CALLS: Final = Struct("<IIII")
_CALL: Final = Struct("<IBBHiI")
_ANSWERS: Final = Struct("<IIdI")
_ANSWERED: Final = Struct("<dI")
_ANSWER: Final = Struct("<IHBBiII")

LONGEST: Final = 2**32 - 1
"""Bytes of a frame's content: bodies are bounded long before."""

_COPIED: Final = 256 * 1024
"""Bytes up to which a copy costs less than another buffer to send; a copy of 100 MB stops the front for 50 ms."""


def call_parts(ticket: int, protocol: int, content_type: bytes, json_bytes: int, body: bytes) -> tuple[bytes, bytes]:
    """One call as it stands in a frame; see `calls.Asked`."""
    kind = b"" if content_type == JSON else content_type
    return _CALL.pack(ticket, protocol, len(kind), 0, json_bytes, len(body)) + kind, body


def calls(slot: int, count: int, parts: Sequence[bytes | memoryview]) -> Sequence[bytes | memoryview]:
    """A frame of calls, to be sent in one go.

    Args:
        slot: the model.
        count: how many.
        parts: of `call_parts`, one after the other.
    """
    length = 8 + sum(map(len, parts))
    frame = (_CALLS.pack(length, CALLS, slot, count), *parts)
    return frame if length > _COPIED else (b"".join(frame),)


def read_calls(content: memoryview) -> tuple[int, list[int], list[Asked]]:
    """Slot, tickets and calls of a frame's content; the bodies are views into it."""
    slot, count = HEAD.unpack_from(content)
    at = HEAD.size
    tickets, asked = [], []
    for _ in range(count):
        ticket, protocol, kind_length, _, json_bytes, length = _CALL.unpack_from(content, at)
        at += _CALL.size
        kind = JSON
        if kind_length:
            kind = bytes(content[at : at + kind_length])
            at += kind_length
        tickets.append(ticket)
        asked.append(Asked(protocol, content[at : at + length], kind, json_bytes))
        at += length
    return slot, tickets, asked


def answers(tickets: Sequence[int], answered: Iterable[Answered], seconds: float) -> bytes:
    """A frame of answers.

    Args:
        tickets: whose.
        answered: in the same order.
        seconds: what the process worked for them.
    """
    parts: list[bytes] = []
    length = _ANSWERS.size - HEAD.size
    for ticket, each in zip(tickets, answered, strict=True):
        kind = b"" if each.content_type == JSON else each.content_type
        head = _ANSWER.pack(ticket, each.status, len(kind), 0, each.json_bytes, each.rows, len(each.body))
        parts += (head, kind, each.body) if kind else (head, each.body)
        length += _ANSWER.size + len(kind) + len(each.body)
    return b"".join((_ANSWERS.pack(length, ANSWERS, seconds, len(tickets)), *parts))


def read_answers(content: memoryview) -> tuple[float, list[tuple[int, Answered]]]:
    """Seconds at work, and ticket with answer for each."""
    seconds, count = _ANSWERED.unpack_from(content)
    at = _ANSWERED.size
    found = []
    for _ in range(count):
        ticket, status, kind_length, _, json_bytes, rows, length = _ANSWER.unpack_from(content, at)
        at += _ANSWER.size
        kind = JSON
        if kind_length:
            kind = bytes(content[at : at + kind_length])
            at += kind_length
        body = content[at : at + length]
        whole = bytes(body) if length <= _COPIED else cast("bytes", body)  # it will only be sent
        found.append((ticket, Answered(status, whole, kind, json_bytes, rows)))
        at += length
    return seconds, found


def note(content: bytes) -> bytes:
    """A frame that holds JSON."""
    return HEAD.pack(len(content), NOTE) + content


class Reader:
    """Cuts a stream of bytes into frames, copying each byte once at most."""

    def __init__(self) -> None:
        self._begun = bytearray()  # grows in place, also to 100 MB
        self._need = HEAD.size

    def feed(self, data: bytes | bytearray) -> list[tuple[int, memoryview]]:
        """Kind and content of every frame that these bytes complete."""
        if self._begun:
            self._begun += data
            if len(self._begun) < self._need:
                return []
            data, self._begun = self._begun, bytearray()
        found = []
        view = memoryview(data)
        at, end = 0, len(data)
        while end - at >= HEAD.size:
            length, kind = HEAD.unpack_from(data, at)
            if end - at < HEAD.size + length:
                self._need = HEAD.size + length
                break
            found.append((kind, view[at + HEAD.size : at + HEAD.size + length]))
            at += HEAD.size + length
        else:
            self._need = HEAD.size
        if at < end:
            self._begun = bytearray(view[at:])
        return found
