"""What changes, as it happens: server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from modelyard.domain.errors import Unavailable
from modelyard.server.feed import Feed
from modelyard.wire import changes as wire

if TYPE_CHECKING:
    from modelyard.server.call import Call
    from modelyard.server.feed import Listener

HEARTBEAT_S: Final = 15.0
"""After so long without a message a comment is sent, so that nobody in between takes the connection for dead."""

_RETRY: Final = b"retry: 2000\n\n"
_HEARTBEAT: Final = b":\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx
)


async def follow(call: Call) -> None:
    state = call.state
    if state.stopping:
        raise Unavailable("The server is about to stop.")
    if state.feed is None:
        state.feed = Feed(state.database)
    start = {"type": "http.response.start", "status": 200, "headers": [*_HEADERS]}
    if call.scope["method"] == "HEAD":
        await call.send(start)
        await call.send({"type": "http.response.body", "body": b""})
        return
    listener = await state.feed.join()
    watching = asyncio.ensure_future(_watch(call, listener))
    try:
        # The answer begins once changes are looked for: what is read after that is not older than what is told.
        await call.send(start)
        await _say(call, _RETRY)
        while True:
            changed = await listener.next(HEARTBEAT_S)
            if listener.over:
                break
            await _say(call, _event(wire.changes(changed)) if changed else _HEARTBEAT)
        await call.send({"type": "http.response.body", "body": b""})
    finally:
        watching.cancel()
        state.feed.leave(listener)


def _event(message: wire.Changes) -> bytes:
    return b"data: " + msgspec.json.encode(message) + b"\n\n"


async def _say(call: Call, text: bytes) -> None:
    await call.send({"type": "http.response.body", "body": text, "more_body": True})


async def _watch(call: Call, listener: Listener) -> None:
    """End the listener when its client goes away."""
    while (await call.receive())["type"] != "http.disconnect":
        pass
    listener.end()
