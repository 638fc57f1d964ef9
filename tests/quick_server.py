"""uvicorn's server for tests, of which a thousand start one each: it stops at once, not in a quarter of a second."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn


class QuickServer(uvicorn.Server):
    """Waits for a word instead of looking every tenth of a second, and rests no tenth of a second before it ends."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._runs = threading.Event()

    def stop(self) -> None:
        """From any thread, and as soon as it has started."""
        assert self._runs.wait(30), "the server did not start"
        self._loop.call_soon_threadsafe(self._word.set)

    async def main_loop(self) -> None:
        self._loop, self._word = asyncio.get_running_loop(), asyncio.Event()
        self._runs.set()
        while not self._word.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._word.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()  # as the real one, which lets nobody wait then
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.002)
        await self.lifespan.shutdown()
