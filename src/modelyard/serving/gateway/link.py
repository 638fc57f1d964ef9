"""Our end of a link to a model server: many requests at once over one connection. See `http.link`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from modelyard.http.link import AGREED, ASKED, FRAME, Framed, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .exchange import Exchange

_LARGEST_NUMBER: Final = 2**32 - 1


class Link(Framed):
    """One connection.

    Args:
        authority: host and port of the model server.
        again: called with what has to go over a connection of its own.
        ended: called once, when the other side wants no more requests or has gone.

    Attributes:
        agreed: true once the other side said yes, false if it said something else.
        usable: whether requests may be sent.
    """

    def __init__(self, authority: bytes, again: Callable[[Exchange], None], ended: Callable[[Link], None]) -> None:
        super().__init__()
        self.agreed: asyncio.Future[bool] = self._loop.create_future()
        self.usable = False
        self._authority = authority
        self._again = again
        self._ended: Callable[[Link], None] | None = ended
        self._open: dict[int, Exchange] = {}
        self._number = 0
        self._rest = b""
        self._leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the link."""
        self.transport = transport  # type: ignore[assignment]  # of a stream, it is one
        at_once(transport)
        self.transport.write(ASKED + b"host: " + self._authority + b"\r\n\r\n")

    # ------------------------------------------------------------ requests

    def ask(self, head: bytes, body: bytes, exchange: Exchange) -> None:
        """Send a request at the end of the loop's turn, together with others.

        Args:
            head: with the empty line at its end.
            body: of it.
            exchange: who is told.
        """
        self._number = number = self._number + 1 if self._number < _LARGEST_NUMBER else 1
        exchange.connection = self
        exchange.number = number
        self._open[number] = exchange
        self._write(number, head[:-4], body)

    def drop(self, exchange: Exchange) -> None:
        """Nobody waits for this one any more."""
        if self._open.pop(exchange.number, None) is not None:
            self._write(exchange.number)

    def exchanges(self) -> Iterator[Exchange]:
        """Those that are under way."""
        return iter(tuple(self._open.values()))

    # ------------------------------------------------------------ answers

    def data_received(self, data: bytes) -> None:
        """Answers, whole or in part."""
        if self._rest:
            data = self._rest + data
        if not self.agreed.done():
            if not data.startswith(AGREED):
                if not AGREED.startswith(data):
                    self.agreed.set_result(False)
                    self.transport.abort()
                self._rest = data
                return
            self.usable = True
            self.agreed.set_result(True)
            data = data[len(AGREED) :]
        at, size, took = 0, len(data), self._open.pop
        while size - at >= 12:
            number, head, body = FRAME.unpack_from(data, at)
            middle = at + 12 + head
            end = middle + body
            if end > size:
                break
            exchange = took(number, None)
            if exchange is None:
                if not (head or number):
                    self._leave()
            elif not head:
                self._again(exchange)
            elif (caller := exchange.done()) is not None:
                caller.answered(data[at + 12 : middle], data[middle:end])
            at = end
        self._rest = data[at:] if at < size else b""
        if self._leaving and not self._open:
            self.transport.close()

    def _leave(self) -> None:
        self._leaving, self.usable = True, False
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self)

    def pause_writing(self) -> None:
        """The other side does not keep up: further requests take connections of their own."""
        self.usable = False

    def resume_writing(self) -> None:
        """It does again."""
        self.usable = not self._leaving

    def connection_lost(self, exc: Exception | None) -> None:
        """What is under way here will not be answered."""
        self._leave()
        if not self.agreed.done():
            self.agreed.set_result(False)
        broken, self._open = self._open, {}
        for exchange in broken.values():
            caller = exchange.done()
            if caller is not None:
                caller.broken(f"its connection broke ({exc or 'closed'})", sent=True)

    def abort(self) -> None:
        """Break it."""
        self.transport.abort()

    def close(self) -> None:
        """Close when all is answered."""
        self._leaving, self.usable = True, False
        if not self._open:
            self.transport.close()
