"""Many requests at once over one connection, between our own processes: a gateway and a model server.

A client asks for it by HTTP's upgrade (RFC 9110, section 7.8), in exactly these bytes: `ASKED`, further headers, an
empty line. Who does not know links answers something else than 101, and is asked over plain connections. After that,
both send frames: the request's number, the lengths of head and body, and the two as in HTTP/1.1, the head without its
empty line. Answers come in any order. What arrived together is answered together, so that a system call carries many.

A request's frame without a head says that nobody waits for that number any more. An answer's frame without a head says
that this request has to be sent over a plain connection; with the number 0, that no more requests should be sent.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .taking import Taking

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.server import ServerState

ASKED: Final = b"GET /link HTTP/1.1\r\nconnection: upgrade\r\nupgrade: modelyard-link\r\n"
AGREED: Final = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: modelyard-link\r\n\r\n"
FRAME: Final = struct.Struct("<III")
"""Number of the request, bytes of its head, bytes of its body."""
LARGEST_HEAD: Final = 64 * 1024
LARGEST_BODY: Final = 64 * 1024
"""Of a request; larger ones would keep the others waiting."""

TOGETHER: Final = 16
"""Frames in one write, at most: the other end works on these while the next ones are made. With all 64 of as many
callers in one write, only one process at a time had work, which cost a third of the throughput of two cores; with 8, a
model server's batches are smaller, which costs a tenth of it where other things fill the cores."""

_PARTS: Final = 3 * TOGETHER
_LAST_S: Final = 1.0


def at_once(transport: asyncio.BaseTransport) -> None:
    """Have each write sent when it is made: else the next one waits for an acknowledgement, up to 40 ms."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Framed(asyncio.Protocol):
    """What both ends share: frames that are made in one turn of the loop go out together.

    Attributes:
        transport: of the connection; set by each end.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._out: list[bytes] = []
        self._scheduled = False
        self._loop = asyncio.get_running_loop()

    def _write(self, number: int, head: bytes = b"", body: bytes = b"") -> None:
        """Write a frame."""
        out = self._out
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush_last)
        out += (FRAME.pack(number, len(head), len(body)), head, body)
        if len(out) >= _PARTS:
            self._flush()

    def _flush_last(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self.transport.is_closing():
            self.transport.write(b"".join(out))


class Served(Framed):
    """The server's end.

    Args:
        express: what answers, `protocol.Express`.
        state: of uvicorn's server.
        transport: of the connection.
    """

    def __init__(self, express: Any, state: ServerState, transport: asyncio.Transport) -> None:
        super().__init__()
        self.transport = transport
        self._express = express
        self._state = state
        self._open: dict[int, Callable[[], None] | None] = {}
        self._rest = b""
        self._leaving = False
        self._taking = Taking()
        self._told: list[tuple[bytes, bytes]] = []
        self._lines = b""
        at_once(transport)
        transport.write(AGREED)

    def data_received(self, data: bytes) -> None:
        """Requests, whole or in part."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= 12:
            number, head, body = FRAME.unpack_from(data, at)
            if head > LARGEST_HEAD or body > LARGEST_BODY or (head and number in self._open):
                self.transport.abort()
                return
            middle = at + 12 + head
            end = middle + body
            if end > size:
                break
            if head:
                self._start(number, data[at + 12 : middle], data[middle:end])
            else:
                give_up = self._open.pop(number, None)
                if give_up is not None:
                    give_up()
            at = end
        self._rest = data[at:]

    def _start(self, number: int, head: bytes, body: bytes) -> None:
        request = self._express.find(head)
        if request is None or request.length != len(body):
            self._write(number)
            return
        self._open[number] = None
        give_up = self._express.start(request, body, partial(self._answer, number))
        if number in self._open:  # it was not answered at once
            self._open[number] = give_up

    def _answer(self, number: int, status: int, headers: bytes, body: bytes) -> None:
        self._state.total_requests += 1
        if number not in self._open:
            return
        del self._open[number]
        if status:
            told = self._state.default_headers
            if told is not self._told:  # there is another date
                self._told = told
                self._lines = b"".join([name + b": " + value + b"\r\n" for name, value in told])
            head = b"%b%b%bcontent-length: %d\r\n" % (STATUS_LINE[status], self._lines, headers, len(body))
        else:  # it came from elsewhere as it is
            head = headers[:-2]
        self._write(number, head, body)
        if self._leaving and not self._open:
            self._loop.call_later(_LAST_S, self.transport.close)

    def pause_writing(self) -> None:
        """Who does not take answers is not asked for more questions."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Most of the answers were taken."""
        self._taking.moved()
        self.transport.resume_reading()

    def close_if_stuck(self, now: float, patience_s: float) -> None:
        """Hang up if too little of the answers is taken; called every few seconds."""
        if self._taking.stuck(self.transport, now, patience_s):
            self.transport.abort()

    def shutdown(self) -> None:
        """Answer what is under way, and ask for no more; called at the server's stop."""
        if not self._leaving:
            self._leaving = True
            self._write(0)
            if not self._open:
                self._loop.call_later(_LAST_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Nobody waits for an answer any more."""
        self._state.connections.discard(self)
        gone, self._open = self._open, {}
        for give_up in gone.values():
            if give_up is not None:
                give_up()
