"""Work on an event loop: in the background, held until it is done and heard of if it fails; and in turns."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

log = logging.getLogger("modelyard.serving")


class Tasks:
    """The tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def cancel(self) -> None:
        """End all of them."""
        for task in tuple(self._tasks):
            task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("Looking after the models failed; it goes on", exc_info=fault)


@asynccontextmanager
async def turn(
    places: asyncio.Semaphore | asyncio.Lock, patience_s: float, may_leave: Callable[[], bool]
) -> AsyncIterator[None]:
    """One of the places of those that are at work at a time; who is at it for long leaves it, and delays nobody.

    Args:
        places: of which there are only so many.
        patience_s: how long is long.
        may_leave: asked then, and again and again.
    """
    loop = asyncio.get_running_loop()
    timer: list[asyncio.TimerHandle] = []
    left = False

    def leave() -> None:
        nonlocal left
        if may_leave():
            left = True
            places.release()
        else:
            timer[:] = [loop.call_later(patience_s, leave)]

    await places.acquire()
    timer.append(loop.call_later(patience_s, leave))
    try:
        yield
    finally:
        timer[0].cancel()
        if not left:
            places.release()
