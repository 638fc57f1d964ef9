"""What gateways work by, as this process knows it, and who waits for the next one. No thread waits.

All but `post` belongs to the event loop. The routing is in the database, since the server that makes it may be another
one; it is read again five times a second, but only while somebody waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

log = logging.getLogger("modelyard.controller")

LOOK_S: Final = 0.2

Read = Callable[[], Awaitable[tuple[str, str]]]


class Board:
    """The newest routing.

    Attributes:
        generation: of it; empty while nobody asked.
        document: the deployments, as JSON.
    """

    def __init__(self) -> None:
        self.generation = ""
        self.document = "[]"
        self._waiting: set[asyncio.Future[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def post(self, generation: str, document: str) -> None:
        """There is a new one, in the database already; from any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._take, generation, document)

    async def newer(self, since: str, wait_s: float, read: Read) -> tuple[str, str]:
        """The newest routing (generation, document), at once if it is another than `since`, else after the wait.

        Args:
            since: the generation that the asker has.
            wait_s: seconds that it would wait.
            read: how to read generation and document from the database.

        Raises:
            Unavailable: the database does not answer, and nothing is known yet.
        """
        self._loop = asyncio.get_running_loop()
        if not self.generation or self._looking is None:
            self._take(*await read())
        if self.generation == since and wait_s > 0:
            if self._looking is None:
                self._looking = self._loop.create_task(self._look(read))
            future = self._loop.create_future()
            self._waiting.add(future)
            try:
                async with asyncio.timeout(wait_s):
                    await future
            except TimeoutError:
                pass
            finally:
                self._waiting.discard(future)
        return self.generation, self.document

    def release(self) -> None:
        """Let nobody wait any longer."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _take(self, generation: str, document: str) -> None:
        if generation != self.generation:
            self.generation, self.document = generation, document
            self.release()

    async def _look(self, read: Read) -> None:
        """Read again and again, as long as anybody waits."""
        try:
            while self._waiting:
                await asyncio.sleep(LOOK_S)
                try:
                    self._take(*await read())
                except Exception as error:  # noqa: BLE001 - whoever waits goes on by what it has
                    log.debug("the routing could not be read: %s", error)
        finally:
            self._looking = None
