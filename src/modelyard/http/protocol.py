"""uvicorn's HTTP protocol, with what it lacks: bounds on the size and the time of a request's head, and a short way.

The short way (see `Express`) is taken by a whole request that came in one piece while nothing else was under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from typing import Protocol as Interface

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[int, bytes, bytes], None]

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of request line and headers; several times what proxies in front of us let through."""

_NOTHING: Final = object()
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 35\r\nconnection: close\r\n\r\nThe request's headers are too large"
)


class Announced(Interface):
    """A request's head, understood."""

    @property
    def length(self) -> int:
        """Of the body, in bytes."""
        ...


class Express(Interface):
    """The requests that have a short way: from a connection's bytes to the work, without ASGI in between.

    An application that has one offers it as its attribute `express`.
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


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answering: Any = None
        self._head_bytes = 0
        self._idle_after: Any = _NOTHING
        self._idle_since = 0.0
        self._express: Express | None = getattr(self.config.app, "express", None)
        self._hurrying = False
        self._last = False
        self._held = bytearray()
        self._give_up: Callable[[], None] | None = None

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
                self._unset_keepalive_if_required()
                self._hurrying = True
                give_up = self._express.start(request, data[end + 4 :], self._answer)
                if self._hurrying:  # it was not answered at once
                    self._give_up = give_up
                return
        super().data_received(data)
        cycle = self.cycle
        if cycle is not self._answering:  # a head was completed by these bytes
            self._answering = cycle
            self._head_bytes = 0
        elif cycle is None or (cycle.response_complete and not cycle.more_body):
            # Not while the rest of a body comes in whose request was answered already.
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def _at_rest(self) -> bool:
        """Whether the next byte begins a request and no other is unanswered."""
        cycle: Any = self.cycle
        return (
            self._head_bytes == 0
            and not self.pipeline
            and (cycle is None or (cycle.response_complete and not cycle.more_body))
        )

    def _answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Send the answer to a request that took the short way."""
        self.server_state.total_requests += 1
        self._give_up = None
        if self.transport.is_closing():
            return
        if not status:
            self.transport.write(headers + body)
            self._answered()
            return
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += [name, b": ", value, b"\r\n"]
        if self._last:
            parts.append(b"connection: close\r\n")
        parts += [headers, b"content-length: %d\r\n\r\n" % len(body)]
        parts.append(body)
        self.transport.write(b"".join(parts))
        self._answered()

    def _answered(self) -> None:
        """Wait for the next request, or take up what came meanwhile."""
        if self._last:
            self.transport.close()
        elif self._held:
            self.loop.call_soon(self._go_on)
        else:
            self._hurrying = False
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _go_on(self) -> None:
        """Take up what came while a request was on its short way."""
        data, self._held, self._hurrying = bytes(self._held), bytearray(), False
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the work that nobody waits for it any more."""
        if self._give_up is not None:
            give_up, self._give_up = self._give_up, None
            give_up()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close once what is under way is answered; called at the server's stop."""
        if self._hurrying:
            self._last = True
        else:
            super().shutdown()

    def close_if_stuck(self, now: float, patience_s: float) -> None:
        """Hang up if no complete head came within the patience; called every few seconds.

        A connection that waits for a next request is not stuck: uvicorn's keep-alive timer has it.
        """
        cycle: Any = self.cycle
        if (
            self._hurrying
            or (cycle is not None and not cycle.response_complete)
            or self.timeout_keep_alive_task is not None
        ):
            self._idle_after = _NOTHING
        elif self._idle_after is not cycle:
            self._idle_after = cycle
            self._idle_since = now
        elif now - self._idle_since > patience_s and not self.transport.is_closing():
            self.transport.close()
