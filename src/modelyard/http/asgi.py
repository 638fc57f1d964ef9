"""The turns of ASGI that every application without a framework needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a whole answer."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


def hanging_up(headers: Iterable[tuple[bytes, bytes]], receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Both, where an answer that is given before the body has come says that the connection ends with it.

    Args:
        headers: of the request.
        receive: ASGI's.
        send: ASGI's.
    """
    values = dict(headers)
    if b"transfer-encoding" not in values and values.get(b"content-length", b"0") == b"0":
        return receive, send
    unread = True

    async def receiving() -> Message:
        nonlocal unread
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            unread = False
        return message

    async def sending(message: Message) -> None:
        if unread and message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return receiving, sending


async def answered(waiting: asyncio.Future[Any], receive: Receive) -> bool:
    """Wait for the answer; False if the client goes away first."""
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
