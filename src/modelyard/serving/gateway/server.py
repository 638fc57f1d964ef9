"""The way to the Modelyard server: raw connections, so that a gateway needs no HTTP library on its event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from modelyard.domain.errors import InvalidArgument, Unavailable
from modelyard.http.passing import read

from .upstream import Upstream

if TYPE_CHECKING:
    from modelyard.http.passing import Fields


class Answer(NamedTuple):
    """What the server said.

    Attributes:
        status: of HTTP.
        headers: those that may be passed on.
        body: of it.
    """

    status: int
    headers: Fields
    body: bytes


class Server:
    """Asks it.

    Args:
        url: of it.

    Raises:
        InvalidArgument: that is no URL of a server.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgument(f"--server {url!r} is no URL of a server, such as http://127.0.0.1:5000.")
        self._path = parts.path.rstrip("/")
        self._upstream = Upstream(url)

    async def ask(self, method: str, target: str, body: bytes | None = None, *, timeout_s: float = 10.0) -> Answer:
        """Ask once.

        Args:
            method: of HTTP.
            target: path and query below the server's URL.
            body: JSON.
            timeout_s: for the answer.

        Raises:
            Unavailable: no answer came.
        """
        lines = f"{method} {self._path}{target} HTTP/1.1\r\n".encode("latin-1")
        lines += b"host: %b\r\n" % self._upstream.authority
        if body is not None:
            lines += b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        waiting = Waiting()
        exchange = self._upstream.ask(lines + b"\r\n" + (body or b""), waiting)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting.answer
        except TimeoutError:
            raise Unavailable(f"The server did not answer within {timeout_s:g} seconds.") from None
        finally:
            if not waiting.answer.done() or waiting.answer.cancelled():
                exchange.give_up()

    def close(self) -> None:
        """Close what is idle."""
        self._upstream.close()


class Waiting:
    """Wants an answer.

    Attributes:
        answer: once it is there; or `Unavailable`.
    """

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, head: bytes, body: bytes) -> None:
        """See `exchange.Caller`."""
        if self.answer.done():
            return
        status, fields = read(0, head)
        self.answer.set_result(Answer(status, fields, body))

    def broken(self, why: str, *, sent: bool) -> None:  # noqa: ARG002 - a caller's signature
        """See `exchange.Caller`."""
        if not self.answer.done():
            self.answer.set_exception(Unavailable(f"The server cannot be reached: {why}."))
