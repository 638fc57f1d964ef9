"""uvicorn's HTTP protocol, with what it lacks: bounds on a request's head and on slow clients, and a short way.

The short way (see `Express`) is taken by a whole request that came in one piece while nothing else was under way.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from typing import Protocol as Interface

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from . import link
from .taking import Taking

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    Answer = Callable[[int, bytes, bytes], None]

log = logging.getLogger("modelyard.http")

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of request line and headers; several times what proxies in front of us let through."""

_LINGER_S: Final = 5.0
"""So long a client that was answered may be silent before we hang up on it, and six times as long it may go on."""
_MOST_DROPPED: Final = 256 * 2**20
"""Bytes of a body that are read although its request was answered already, so that the client gets to the answer."""
_FIRST_LOOK_S: Final = 0.01
_LONGEST_LOOK_S: Final = 1.0

_COPIED: Final = 64 * 1024
"""Bytes of a body from which on it is not copied to stand behind its head."""

_NOTHING: Final = object()
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def _refusal(status: int, title: str, detail: str) -> bytes:
    """An answer to what is no request, as problem+json (RFC 9457)."""
    body = f'{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}'
    return (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n\r\n{body}"
    ).encode()


_INVALID: Final = _refusal(400, "Bad Request", "That is not valid HTTP.")
_TOO_LARGE: Final = _refusal(431, "Request Header Fields Too Large", "The request's headers are too large.")


class Announced(Interface):
    """A request's head, understood."""

    @property
    def length(self) -> int:
        """Of the body, in bytes."""
        ...


class Express(Interface):
    """The requests that have a short way: from a connection's bytes to the work, without ASGI in between.

    An application that has one offers it as its attribute `express`; with a true attribute `links` also over links.
    """

    def find(self, head: bytes) -> Announced | None:
        """The request that a head announces, None if it goes the ordinary way."""
        ...

    def start(self, request: Any, body: bytes, answer: Answer) -> Callable[[], None] | None:
        """Carry out a request: calls `answer(status, headers, body)` once, now or later.

        The headers end in line breaks. With the status 0 they are a whole head that came from elsewhere, its status and
        the body's length included, and go out as they are. Returns what is to be called if the client goes away before
        the answer.
        """
        ...


def _nothing() -> None:
    """For an answer that nobody waits for."""


class HeadTooLarge(ValueError):
    """More than `LARGEST_HEAD` bytes."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: deque[Any] = deque()  # requests on the ordinary way whose head is complete and whose answer is not
        self._in_head = False
        self._moved = False  # whether the last bytes completed a head or belonged to a body
        self._head_bytes = 0
        self._dropped = 0
        self._upgrade = False  # a body follows the wish for another protocol
        self._replaying = False
        self._refusal = b""
        self._exit: Any = None
        self._idle_after: Any = _NOTHING
        self._idle_since = 0.0
        self._taking = Taking()
        self._express: Express | None = getattr(self.config.app, "express", None)
        self._links = self._express is not None and getattr(self.config.app, "links", False)
        self._hurrying = False
        self._blocked = False
        self._last = False
        self._ended = False  # the client sends nothing more
        self._lingering = False
        self._held = bytearray()
        self._give_up: Callable[[], None] | None = None
        self._rested = 0.0  # when the last answer on the short way was sent, by the loop's clock

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._exit = _Exit(self, transport)

    # ------------------------------------------------------------ what comes in

    def data_received(self, data: bytes) -> None:
        """Take the short way, or feed the parser; hang up on a head that does not end."""
        if self._hurrying:
            self._held += data
            if len(self._held) > LARGEST_HEAD:
                self.flow.pause_reading()
            return
        if self._express is not None and data.startswith(b"POST ") and self._at_rest():
            end = data.find(b"\r\n\r\n", 0, LARGEST_HEAD)
            request = self._express.find(data[:end]) if end > 0 else None
            if request is not None and len(data) - end - 4 == request.length:
                self._hurrying = True
                give_up = self._express.start(request, data[end + 4 :], self._answer)
                if self._hurrying:  # it was not answered at once
                    self._give_up = give_up
                return
        elif self._links and data.startswith(link.ASKED) and data.endswith(b"\r\n\r\n") and self._at_rest():
            self._switch()
            return
        self._parse(data)

    def _switch(self) -> None:
        """The connection becomes a link: another protocol takes it over."""
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        served = link.Served(self._express, self.server_state, self.transport)
        self.connections.add(served)  # type: ignore[arg-type]  # it is asked for no more than `shutdown`
        self.transport.set_protocol(served)
        # nobody else will break these circles
        self.parser = None  # type: ignore[assignment]  # as uvicorn does
        self._exit.protocol = None

    def _at_rest(self) -> bool:
        """Whether the next byte begins a request and no other is unanswered."""
        cycle: Any = self.cycle
        return not (self._head_bytes or self._open or self._lingering) and (cycle is None or not cycle.more_body)

    def _parse(self, data: bytes) -> None:
        if self._refusal or self._lingering or self.transport.is_closing():
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        self._moved = False
        while data:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # We speak nothing else, and ignore the wish (RFC 9110, section 7.8). The parser took it for granted.
                data = data[upgrade.args[0] :]
                if self._upgrade:
                    self._take_up_body()
            except httptools.HttpParserError as error:
                log.debug("Not HTTP: %s", error)
                self._refuse(_TOO_LARGE if isinstance(error.__context__, HeadTooLarge) else _INVALID)
                return
        if self._moved:
            self._head_bytes = int(self._in_head)
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD:
            self._refuse(_TOO_LARGE)

    def _take_up_body(self) -> None:
        """Have the parser, which expects a new message, read the body of the last one."""
        self._upgrade, self._replaying = False, True
        length = dict(self.headers).get(b"content-length")
        how = b"transfer-encoding: chunked" if length is None else b"content-length: " + length
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + how + b"\r\n\r\n")

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > _MOST_DROPPED:
            self.transport.abort()

    # ------------------------------------------------------------ what the parser says

    def on_message_begin(self) -> None:
        """A head begins."""
        if not self._replaying:
            self._in_head = True
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        if not self._replaying:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what stands behind a body is none."""
        if self._in_head:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """A head is complete.

        Raises:
            ValueError: its body could be read in more than one way, or it is too large.
        """
        if self._replaying:
            self._replaying = False
            return
        chunked = body = False
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"transfer-encoding":
                if value.lower() != b"chunked" or self.parser.get_http_version() != "1.1":
                    raise ValueError(value)
                chunked = body = True
            elif name == b"content-length" and not chunked:
                body = value.strip(b"0") != b""
        if size > LARGEST_HEAD:
            raise HeadTooLarge
        super().on_headers_complete()
        self._in_head, self._moved = False, True
        self._upgrade = body and self.parser.should_upgrade()
        self.cycle.transport = self._exit
        self._open.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of a body; nobody wants that of a request that was answered already."""
        self._moved = True
        if self.cycle.response_complete:
            self._drop(len(body))
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._moved = True
        if self._upgrade:
            return
        super().on_message_complete()
        self.cycle.more_body = False
        self._dropped = 0
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            self._wait_for_next()

    # ------------------------------------------------------------ what goes out

    def on_response_complete(self) -> None:
        """An answer on the ordinary way is complete."""
        self._open.popleft()
        if self._lingering:
            self.pipeline.clear()
            self._open.clear()
        super().on_response_complete()
        if not self._open and not self._lingering:
            if self._refusal:
                self._hang_up()
            elif self._ended:
                self.transport.close()

    def _answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Send the answer to a request that took the short way."""
        self.server_state.total_requests += 1
        self._give_up = None
        transport = self.transport
        if transport.is_closing():
            return
        if status:
            parts = [STATUS_LINE[status]]
            for name, value in self.server_state.default_headers:
                parts += [name, b": ", value, b"\r\n"]
            if self._last:
                parts.append(b"connection: close\r\n")
            parts += [headers, b"content-length: %d\r\n\r\n" % len(body)]
            headers = b"".join(parts)
        if len(body) < _COPIED:
            transport.write(headers + body)
        else:
            transport.writelines((headers, body))
        self._answered()

    def _answered(self) -> None:
        """Wait for the next request, or take up what came meanwhile."""
        if self._last:
            self.transport.close()
        elif self.flow.write_paused:  # who does not take the answer is not asked for the next question
            self._blocked = True
        elif self._held:
            self.loop.call_soon(self._go_on)
        elif self._ended:
            self.transport.close()
        else:
            self._hurrying = False
            self._rested = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._wait_for_next()

    def _wait_for_next(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for long.

        The short way lets the timer run: to set and unset one for each request would cost more than to look here.
        """
        self.timeout_keep_alive_task = None
        if self._hurrying:
            return  # its answer sets another one
        left_s = self._rested + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _go_on(self) -> None:
        """Take up what came while a request was on its short way."""
        data, self._held, self._hurrying = bytes(self._held), bytearray(), False
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.data_received(data)
            if self._ended and not self._under_way():
                self.transport.close()

    def resume_writing(self) -> None:
        """The client has taken most of what was sent."""
        super().resume_writing()
        self._taking.moved()
        if self._blocked:
            self._blocked = False
            self._answered()

    # ------------------------------------------------------------ ends

    def _refuse(self, answer: bytes) -> None:
        """What came is no request: say so once those before it are answered, and hang up."""
        cycle: Any = self.cycle
        if not self._in_head and cycle is not None and cycle.more_body:  # it is in a body
            if cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            self._open.remove(cycle)
            if self.pipeline and self.pipeline[0][0] is cycle:  # the newest
                self.pipeline.popleft()
        self._refusal = answer
        if not self._open:
            self._hang_up()

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self._refusal)
            self.linger()

    def leave(self) -> None:
        """Close after an answer."""
        if self.cycle.more_body:
            self.linger()
        else:
            self.transport.close()

    def linger(self) -> None:
        """Close, but let the client finish what it is sending: else it would get a reset instead of the answer."""
        if not self._lingering and not self.transport.is_closing():
            self._lingering = True
            self.transport.write_eof()
            self.flow.resume_reading()
            self.loop.call_later(_LINGER_S, self._end_linger, self._dropped, 5)

    def _end_linger(self, dropped: int, more: int) -> None:
        if dropped == self._dropped or not more:
            self.transport.close()
        else:
            self.loop.call_later(_LINGER_S, self._end_linger, self._dropped, more - 1)

    @property
    def lingering(self) -> bool:
        """Whether the last answer was sent."""
        return self._lingering

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has gone, or will only listen from now on: which of the two shows when something is sent."""
        if self._lingering or not self._under_way():
            return False
        if not self._ended:
            self._ended = True
            cycle = self._open[0] if self._open else None
            if cycle is None or (cycle.scope["http_version"] == "1.1" and not cycle.response_started):
                self.transport.write(_CONTINUE)
            self.loop.call_later(_FIRST_LOOK_S, self._look, _FIRST_LOOK_S)
        return True

    def _under_way(self) -> bool:
        """Whether a whole request is unanswered."""
        return self._hurrying or bool(self._open and (len(self._open) > 1 or not self._open[0].more_body))

    def _look(self, waited_s: float) -> None:
        """Hang up if the client refused what was sent to it. Nobody else would tell: nothing is read any more."""
        if self.transport.is_closing():
            return
        if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            pause_s = min(_LONGEST_LOOK_S, 2 * waited_s)
            self.loop.call_later(pause_s, self._look, pause_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the work that nobody waits for it any more."""
        self._unset_keepalive_if_required()
        if self._give_up is not None:
            give_up, self._give_up = self._give_up, None
            give_up()
        for cycle in self._open:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)
        # no circles, which would wait for the collector with all that hangs on them
        for cycle in (*self._open, self.cycle):
            if cycle is not None:
                cycle.on_response = _nothing
        self.pipeline.clear()
        self._open.clear()
        self._exit.protocol = None

    def shutdown(self) -> None:
        """Close once what is under way is answered; called at the server's stop."""
        if self._hurrying:
            self._last = True
        else:
            super().shutdown()

    def close_if_stuck(self, now: float, patience_s: float) -> None:
        """Hang up if no complete head came, or too little of an answer was taken; called every few seconds.

        A connection that waits for a next request is not stuck: uvicorn's keep-alive timer has it.
        """
        if self._taking.stuck(self.transport, now, patience_s):
            self.transport.abort()
            return
        cycle: Any = self.cycle
        if self._hurrying or self._open or self.timeout_keep_alive_task is not None:
            self._idle_after = _NOTHING
        elif self._idle_after is not cycle:
            self._idle_after = cycle
            self._idle_since = now
        elif now - self._idle_since > patience_s and not self.transport.is_closing():
            self.transport.close()


class _Flow(FlowControl):
    """Reads no further while requests wait for their turn; uvicorn's own would, whenever one is being answered."""

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class _Exit:
    """A connection's transport, as one request sees it."""

    __slots__ = ("_transport", "protocol", "write")

    def __init__(self, protocol: Protocol, transport: asyncio.Transport) -> None:
        self.protocol: Protocol | None = protocol
        self._transport = transport
        self.write = transport.write

    def is_closing(self) -> bool:
        return self._transport.is_closing() or self.protocol is None or self.protocol.lingering

    def close(self) -> None:
        if self.protocol is not None:
            self.protocol.leave()
