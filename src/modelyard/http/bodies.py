"""Bodies of requests as they come in: bounded in size and time, and all that are half received together as well."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, cast

from modelyard.domain.errors import ModelyardError, TooLarge, Unavailable

from .taking import SLOWEST

if TYPE_CHECKING:
    from .asgi import Message, Receive


class Gone(ModelyardError):
    """The client left before its request was complete."""


class TooSlow(ModelyardError):
    """The body did not come in time; its rest may never come."""


class Bodies:
    """Reads them.

    Args:
        largest: bytes of one.
        most: bytes of all that are not complete; further ones are refused.
        patience_s: without a byte; a body that takes longer has to come with `SLOWEST` bytes a second on average.

    Attributes:
        held: bytes of those that are not complete.
    """

    def __init__(self, largest: int, most: int, patience_s: float) -> None:
        self._largest = largest
        self._most = most
        self._patience_s = patience_s
        self.held = 0

    async def read(self, receive: Receive, announced: bytes = b"") -> bytes:
        """The whole body.

        Args:
            receive: ASGI's.
            announced: the header `Content-Length`; empty without it.

        Raises:
            TooLarge: it is larger than allowed.
            TooSlow: it does not come in time.
            Unavailable: too many bytes of other bodies are coming in.
            Gone: the client left.
        """
        self._bound(int(announced or 0))
        message = await self._next(receive)
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            return await self._pieces(receive, body)
        self._bound(len(body))
        return body

    async def _pieces(self, receive: Receive, first: bytes) -> bytes:
        # grows in place: to put 100 MB of pieces together at the end would stop the loop for as long as that takes
        body, size, began, more = bytearray(first), len(first), monotonic(), True
        self.held += size
        try:
            while more:
                message = await self._next(receive)
                part, more = message.get("body", b""), message.get("more_body", False)
                body += part
                size += len(part)
                self.held += len(part)
                self._bound(size)
                if self.held > self._most:
                    raise Unavailable("Too many large requests come in at once. Send this one again later.")
                seconds = monotonic() - began
                if seconds > self._patience_s and size < seconds * SLOWEST:
                    raise TooSlow(f"Only {size} bytes of the body came in {seconds:.0f} seconds.")
            return cast("bytes", body)  # nobody will ask for more than what both can do
        finally:
            self.held -= size

    async def _next(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(self._patience_s):
                message = await receive()
        except TimeoutError:
            raise TooSlow(f"Nothing more of the body came for {self._patience_s:g} seconds.") from None
        if message["type"] == "http.disconnect":
            raise Gone("The client left before its request was complete.")
        return message

    def _bound(self, size: int) -> None:
        if size > self._largest:
            raise TooLarge(f"The body is larger than {self._largest} bytes, the largest that is accepted here.")
