"""uvicorn's HTTP protocol, with the two bounds that it lacks: on the size of a request's head, and on its time."""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of request line and headers; several times what proxies in front of us let through."""

_NOTHING: Final = object()
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 35\r\nconnection: close\r\n\r\nThe request's headers are too large"
)


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answering: Any = None
        self._head_bytes = 0
        self._idle_after: Any = _NOTHING
        self._idle_since = 0.0

    def data_received(self, data: bytes) -> None:
        """Feed the parser; hang up on a head that does not end."""
        super().data_received(data)
        cycle = self.cycle
        if cycle is not self._answering:  # a head was completed by these bytes
            self._answering = cycle
            self._head_bytes = 0
        elif cycle is None or cycle.response_complete:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def close_if_stuck(self, now: float, patience_s: float) -> None:
        """Hang up if no complete head came within the patience; called every few seconds.

        A connection that waits for a next request is not stuck: uvicorn's keep-alive timer has it.
        """
        cycle: Any = self.cycle
        if (cycle is not None and not cycle.response_complete) or self.timeout_keep_alive_task is not None:
            self._idle_after = _NOTHING
        elif self._idle_after is not cycle:
            self._idle_after = cycle
            self._idle_since = now
        elif now - self._idle_since > patience_s and not self.transport.is_closing():
            self.transport.close()
