"""How long a connection stays whose requests take the short way."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from modelyard.http.protocol import Protocol

IDLE_S = 0.8
REQUEST = b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n1"


class App:
    """Answers everything the short way, after a time."""

    def __init__(self, takes_s: float) -> None:
        self.express = self
        self.takes_s = takes_s

    def find(self, head: bytes) -> Any:
        return SimpleNamespace(length=1)

    def start(self, request: Any, body: bytes, answer: Any) -> Any:
        timer = asyncio.get_running_loop().call_later(self.takes_s, answer, 200, b"", b"ok")
        return timer.cancel

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError


def asked(takes_s: float, pauses_s: list[float]) -> float:
    """Ask once after each pause, over one connection: seconds from the last answer to its end."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        config = uvicorn.Config(App(takes_s), lifespan="off", log_config=None, timeout_keep_alive=IDLE_S)  # type: ignore[arg-type]
        config.load()
        server = await loop.create_server(
            lambda: Protocol(config=config, server_state=ServerState(), app_state={}), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for pause_s in pauses_s:
            await asyncio.sleep(pause_s)
            writer.write(REQUEST)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        server.close()
        return time.monotonic() - began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def test_a_connection_that_is_used_stays_and_an_idle_one_is_closed() -> None:
    assert asked(0.0, [0.0, *[IDLE_S / 4] * 6]) > 0.8 * IDLE_S


def test_an_answer_that_takes_longer_is_waited_for() -> None:
    assert asked(2 * IDLE_S, [0.0]) > 0.8 * IDLE_S
