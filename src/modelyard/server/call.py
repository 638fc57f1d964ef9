"""One HTTP request as both edges see it: who calls, what they sent, and the way to the services."""

from __future__ import annotations

import asyncio
import types
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from modelyard.domain.errors import InvalidArgument, Timeout, TooLarge, Unavailable

from .auth import principal_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, MutableMapping

    from modelyard.db.transaction import Transaction

    from .state import State

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SLOWEST: Final = 1024
"""Bytes a second that a body must come with on average, once it takes longer than a silence may."""

MOST_AT_ONCE: Final = 4
"""Bodies of the largest size that may be half received at the same time; what goes beyond is refused for now."""

P = ParamSpec("P")
T = TypeVar("T")


class Call:
    """A request on its way through an edge.

    Attributes:
        state: what the server was put together from.
        path: variable parts of the route.
        principal: who calls.
    """

    __slots__ = ("path", "principal", "receive", "scope", "send", "state")

    def __init__(self, state: State, scope: Scope, receive: Receive, send: Send, path: dict[str, str]) -> None:
        self.state = state
        self.scope = scope
        self.receive = receive
        self.send = send
        self.path = path
        self.principal = principal_of(scope)

    def header(self, name: bytes) -> bytes:
        """A header's value by its lower-case name; empty if absent."""
        for key, value in self.scope["headers"]:
            if key == name:
                found: bytes = value
                return found
        return b""

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it is over the limit.
            Timeout: the client stopped sending, or is too slow.
            Unavailable: too many large bodies come in at once.
            InvalidArgument: the client hung up in the middle.
        """
        settings = self.state.settings
        declared = self.header(b"content-length")
        if declared and int(declared) > settings.max_body_bytes:
            raise TooLarge(f"The body has {int(declared)} bytes; the limit is {settings.max_body_bytes}.")
        message = await self._next(settings.body_timeout_s)
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body
        return await self._pieces(body)

    async def _pieces(self, first: bytes) -> bytes:
        """The body whose first piece is this; more follow."""
        state, settings = self.state, self.state.settings
        parts, size, began, more = [first], 0, monotonic(), True
        try:
            while more:
                message = await self._next(settings.body_timeout_s)
                part, more = message.get("body", b""), message.get("more_body", False)
                parts.append(part)
                size += len(part)
                state.receiving += len(part)
                seconds = monotonic() - began
                if seconds > settings.body_timeout_s and size < seconds * SLOWEST:
                    raise self._gave_up(f"Only {size} bytes came in {seconds:.0f} s.")
                if len(first) + size > settings.max_body_bytes:
                    raise TooLarge(f"The body is over the limit of {settings.max_body_bytes} bytes.")
                if state.receiving > MOST_AT_ONCE * settings.max_body_bytes:
                    raise Unavailable("Too many large requests come in at once; send this one again later.")
            return b"".join(parts)
        finally:
            state.receiving -= size

    async def _next(self, seconds: float) -> MutableMapping[str, Any]:
        coroutine = self.receive()
        try:
            # Usually the body came with the head and the first step ends it: then no timer is needed.
            waited_for = coroutine.send(None)  # type: ignore[attr-defined]
        except StopIteration as done:
            message: MutableMapping[str, Any] = done.value
        else:
            message = await self._later(_resumed(coroutine, waited_for), seconds)
        if message["type"] == "http.disconnect":
            raise InvalidArgument("The client hung up before the body was complete.")
        return message

    async def _later(self, message: Awaitable[MutableMapping[str, Any]], seconds: float) -> MutableMapping[str, Any]:
        try:
            async with asyncio.timeout(seconds):
                return await message
        except TimeoutError:
            raise self._gave_up(f"No data came for {seconds:g} s.") from None

    def _gave_up(self, why: str) -> Timeout:
        """The error for a client that is too slow; the answer hangs up, since the rest of the body may never come."""
        send = self.send

        async def closing(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        self.send = closing
        return Timeout(why)

    async def read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A read of a few rows by key: on the event loop with SQLite, where a thread would cost more than the work."""
        database = self.state.database
        if database.dialect == "sqlite":
            return database.read(work, *args, **kwargs)
        return await self.scan(work, *args, **kwargs)

    async def scan(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A read that may take long: on a reader thread."""
        database = self.state.database
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(database.readers, partial(database.read, work, *args, **kwargs))

    async def write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A write; returns once it is durable."""
        writer = self.state.database.writer
        result: T = await writer.submit(lambda tx: work(tx, *args, **kwargs))
        return result


@types.coroutine
def _resumed(coroutine: Any, waited_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine whose first step was taken by hand."""
    while True:
        try:
            sent = yield waited_for
        except BaseException as error:  # noqa: BLE001 - a cancellation goes where it belongs
            step, value = coroutine.throw, error
        else:
            step, value = coroutine.send, sent
        try:
            waited_for = step(value)
        except StopIteration as done:
            return done.value
