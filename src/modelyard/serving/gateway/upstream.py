"""How a request gets to a replica, and its answer back: kept connections, bytes as they come.

The answers of our own servers are cut at their length and not looked at any further. Other answers (in pieces, without
a length) are read by a parser and put together.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httptools

from modelyard.http.link import LARGEST_BODY

from .exchange import Exchange
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .exchange import Caller

_LONGEST_HEAD: Final = 64 * 1024
_IDLE_S: Final = 50.0
"""Below the 75 s after which our servers close an idle connection."""
_CONNECT_S: Final = 5.0
_UNUSUAL: Final = frozenset({b"100", b"101", b"102", b"103", b"204", b"304"})
_LAST_STATUS: Final = 599
_RESET: Final = struct.pack("ii", 1, 0)
_OWN: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"trailer"})


class Upstream:
    """The way to one address.

    Args:
        url: of it, such as `http://10.0.0.7:41233`.
        leaving: called when who answers there wants no more requests; None: it is no model server of ours.

    Attributes:
        ours: whether it is one.
    """

    def __init__(self, url: str, leaving: Callable[[], None] | None = None) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self.authority = parts.netloc.rpartition("@")[2].encode()
        self._leaving = leaving
        self.ours = leaving is not None
        self._link: Link | None = None
        self._linking: asyncio.Task[None] | None = None
        self._linkable = leaving is not None
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, head: bytes, body: bytes, caller: Caller) -> Exchange:
        """Send a plain request for a prediction, over the link if there is one; as `ask`.

        Args:
            head: with the empty line at its end.
            body: of it.
            caller: is told of its answer once, unless it gives up.
        """
        link = self._link
        if link is None or not link.usable or len(body) > LARGEST_BODY:
            return self.ask(head + body, caller)
        exchange = Exchange(caller, (head, body))
        link.ask(head, body, exchange)
        return exchange

    def ask(self, request: bytes, caller: Caller) -> Exchange:
        """Send a request, head and body; the caller is told of its answer once, unless it gives up."""
        exchange = Exchange(caller)
        self._ask(request, exchange)
        return exchange

    def _ask(self, request: bytes, exchange: Exchange) -> None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                connection.ask(request, exchange)
                return
        task = asyncio.get_running_loop().create_task(self._connect(request, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def link(self) -> None:
        """See that there is a link, if the other side knows what that is; called whenever it has answered."""
        if self._linkable and self._link is None and self._linking is None and not self._closed:
            self._linking = asyncio.get_running_loop().create_task(self._agree())

    async def _agree(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, link = await loop.create_connection(
                    lambda: Link(self.authority, self._again, self._unlinked), self._host, self._port
                )
                self._linkable = await link.agreed
            if self._linkable and not self._closed and link.usable:
                self._link = link
            else:
                link.abort()
        except (OSError, TimeoutError):
            pass  # the next answer tries again
        finally:
            self._linking = None

    def _again(self, exchange: Exchange) -> None:
        """A request that has to go over a connection of its own after all."""
        if exchange.request is not None:
            head, body = exchange.request
            exchange.request = None
            self._ask(head + body, exchange)

    def _unlinked(self, link: Link) -> None:
        if link is self._link:
            self._link = None
            if self._leaving is not None and not self._closed:
                self._leaving()

    async def _connect(self, request: bytes, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            caller = exchange.done()
            if caller is not None:
                caller.broken(f"no connection: {str(error) or 'no answer'}", sent=False)
            return
        if self._closed or exchange.caller is None:
            connection.abort()
            caller = exchange.done()
            if caller is not None:
                caller.broken("the replica is being stopped", sent=False)
            return
        self._open.add(connection)
        connection.ask(request, exchange)

    async def reach(self) -> str:
        """See whether somebody listens there; why not, or an empty text."""
        if any(each.exchange is None and not each.transport.is_closing() for each in self._open):
            return ""
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            return f"no connection: {str(error) or 'no answer'}"
        self._open.add(connection)
        self.freed(connection, keep=True)
        return ""

    def exchanges(self) -> Iterator[Exchange]:
        """Those that are under way."""
        yield from [each.exchange for each in self._open if each.exchange is not None]
        if self._link is not None:
            yield from self._link.exchanges()

    def sweep(self, now: float) -> None:
        """Close connections that nobody used for long; called now and then."""
        for connection in tuple(self._idle):
            if now - connection.idle_since > _IDLE_S:
                self._idle.remove(connection)
                connection.transport.close()

    def abort(self) -> None:
        """Break every connection: what is under way is told so."""
        for connection in tuple(self._open):
            connection.abort()
        if self._link is not None:
            self._link.abort()

    def close(self) -> None:
        """Close what is idle now, and the rest when it is answered."""
        self._closed = True
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()
        if self._link is not None:
            self._link.close()

    def freed(self, connection: Connection, *, keep: bool) -> None:
        """An answer is complete; the connection may be used again."""
        if keep and not self._closed and not connection.transport.is_closing():
            connection.idle_since = monotonic()
            self._idle.append(connection)
        else:
            connection.transport.close()

    def lost(self, connection: Connection) -> None:
        """A connection has gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


class Connection(asyncio.Protocol):
    """One connection: one request after the other.

    Attributes:
        transport: of it.
        exchange: the request that is not answered yet.
        idle_since: when the last answer was complete, on the monotonic clock.
    """

    __slots__ = (
        "_foreign",
        "_head",
        "_missing",
        "_parts",
        "_unusual",
        "_upstream",
        "exchange",
        "idle_since",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._foreign = not upstream.ours
        self.exchange: Exchange | None = None
        self.idle_since = 0.0
        self._head = b""
        self._parts: list[bytes] = []
        self._missing = 0
        self._unusual: _Unusual | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # of a stream, it is one

    def ask(self, request: bytes, exchange: Exchange) -> None:
        """Send a request; nothing else is under way here."""
        self.exchange = exchange
        exchange.connection = self
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Cut the answer at its length, or have it parsed."""
        if self.exchange is None:  # nobody asked for this
            self.transport.abort()
            return
        if self._unusual is not None:
            self._feed(data)
            return
        if self._head:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing <= 0:
                self._whole()
            return
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > _LONGEST_HEAD:
                self.transport.abort()
            else:
                self._parts.append(data)
            return
        at = data.find(b"\r\ncontent-length: ", 0, end)
        digits = data[at + 18 : data.find(b"\r", at + 18, end + 1)]
        if (
            self._foreign  # may say any header in any case
            or at < 0
            or not data.startswith(b"HTTP/1.1 ")
            or data[9:12] in _UNUSUAL
            or not digits.isdigit()
            or data.find(b"\r\ntransfer-encoding:", 0, end) >= 0
            or data.find(b"\r\nconnection:", 0, end) >= 0
        ):
            self._unusual = _Unusual()
            self._feed(data)
            return
        self._head = data[: end + 2]
        self._parts.append(data[end + 4 :])
        self._missing = int(digits) - (len(data) - end - 4)
        if self._missing <= 0:
            self._whole()

    def _whole(self) -> None:
        """Hand over an answer of known length."""
        if self._missing < 0:  # more than was announced: whose would that be?
            self.transport.abort()
            return
        parts = self._parts
        head, body = self._head, parts[0] if len(parts) == 1 else b"".join(parts)
        self._head = b""
        parts.clear()
        self._hand_over(head, body, keep=True)

    def _feed(self, data: bytes) -> None:
        unusual = self._unusual
        if unusual is None:
            return
        try:
            unusual.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()
            return
        if unusual.complete:
            self._unusual = None
            self._hand_over(*unusual.whole(), keep=unusual.keep)

    def _hand_over(self, head: bytes, body: bytes, *, keep: bool) -> None:
        exchange, self.exchange = self.exchange, None
        self._upstream.freed(self, keep=keep)
        caller = exchange.done() if exchange is not None else None
        if caller is not None:
            caller.answered(head, body)

    def eof_received(self) -> bool:
        """The other side is done; that may be the end of an answer without a length."""
        unusual = self._unusual
        if unusual is not None and unusual.until_end:
            self._unusual = None
            self._hand_over(*unusual.whole(), keep=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """What is under way here will not be answered."""
        self._upstream.lost(self)
        exchange, self.exchange = self.exchange, None
        caller = exchange.done() if exchange is not None else None
        if caller is not None:
            caller.broken(f"its connection broke ({exc or 'closed'})", sent=True)

    def drop(self, exchange: Exchange) -> None:  # noqa: ARG002 - it is the only one here
        """Nobody waits for what is under way here."""
        self.abort()

    def abort(self) -> None:
        """Break it, with a reset: an end alone could mean that we only listen from now on."""
        if not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class _Unusual:
    """An answer that has to be parsed, and is handed on with a length."""

    def __init__(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.complete = False
        self.keep = False
        self._final = False
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def on_message_begin(self) -> None:
        self._reason, self._headers, self._body, self._final = b"", [], [], False

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._final = self.parser.get_status_code() >= 200
        self.keep = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.complete = self._final

    @property
    def until_end(self) -> bool:
        """Whether it is complete when the connection ends."""
        told = {name for name, _ in self._headers}
        return self._final and not told & {b"content-length", b"transfer-encoding"}

    def whole(self) -> tuple[bytes, bytes]:
        """Head and body."""
        body = b"".join(self._body)
        status = self.parser.get_status_code()
        lines = [b"HTTP/1.1 %d %b" % (status if status <= _LAST_STATUS else 502, self._reason)]
        lines += [b"%b: %b" % each for each in self._headers if each[0] not in _OWN]
        lines += [b"content-length: %d" % len(body), b""]
        self.parser = None  # it points at us, and both would wait for the collector
        return b"\r\n".join(lines), body
