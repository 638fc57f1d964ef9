"""The threads on which file systems are allowed to be slow."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_T = TypeVar("_T")

POOL: Final = ThreadPoolExecutor(8, thread_name_prefix="artifacts")
"""Shared by all local stores; its threads start when they are first needed, so after any fork."""


async def in_thread(call: Callable[..., _T], *args: object) -> _T:
    """The result of a blocking call, made on one of the threads. A cancelled call still runs to its end."""
    return await asyncio.wrap_future(POOL.submit(call, *args))
