"""Where the routing table comes from: the server, by long poll, or a file; and the last good one, from disk."""

from __future__ import annotations

import asyncio
import logging
from random import random
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from modelyard.domain.errors import ModelyardError, Unavailable

from . import tables

if TYPE_CHECKING:
    from pathlib import Path

    from modelyard.wire.routing import Routing

    from .deployed import Deployments
    from .server import Server

log = logging.getLogger("modelyard.gateway")

_WAIT_S: Final = 20.0
_PATIENCE_S: Final = 10.0
"""Beyond the wait."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 3.0
_LOOK_S: Final = 0.5


class Follower:
    """Follows the server's table.

    Args:
        server: that has it.
        name: of this gateway.
        path: where the last good one is kept.
        deployments: work by it.

    Attributes:
        trouble: why there is no newer one; empty if the server answers.
        heard_s: when the server last answered, on the monotonic clock; None: not yet.
    """

    def __init__(self, server: Server, name: str, path: Path, deployments: Deployments) -> None:
        self._server = server
        self._name = quote(name, safe="")
        self._path = path
        self._deployments = deployments
        self.trouble = ""
        self.heard_s: float | None = None
        self._newest: Routing | None = None
        self._keeping: asyncio.Task[None] | None = None

    def remember(self) -> None:
        """Begin with the table that was kept."""
        table = tables.kept(self._path)
        if table is not None:
            self._deployments.apply(table)

    async def follow(self) -> None:
        """Until it is cancelled."""
        pause, asked = _FIRST_PAUSE_S, ""
        while True:
            began = monotonic()
            try:
                # With what came from the disk the server is asked without waiting: whether it is the newest.
                fresh = await self._ask(asked, _WAIT_S if asked else 0.0)
                self.heard_s = monotonic()
                if self.trouble:
                    log.info("The server answers again")
                self.trouble, pause = "", _FIRST_PAUSE_S
                if fresh and fresh != asked:
                    asked = fresh
                    continue
                if monotonic() - began < _FIRST_PAUSE_S:  # it does not wait as it was asked to
                    await asyncio.sleep(_FIRST_PAUSE_S)
                continue
            except ModelyardError as error:
                trouble = error.message
            except Exception as error:
                log.exception("Following the server failed; it goes on")
                trouble = f"{type(error).__name__}: {error}"
            if trouble != self.trouble:
                log.warning("The last routing table holds: %s", trouble)
            self.trouble = trouble
            await asyncio.sleep(pause * (0.5 + random()))  # noqa: S311 - no secret
            pause = min(_LONGEST_PAUSE_S, pause * 2)

    async def _ask(self, since: str, wait_s: float) -> str:
        """Ask for another table than this; the generation that the server has.

        Raises:
            ModelyardError: there is none to be had.
        """
        target = f"/api/v1/routing?since={quote(since, safe='')}&wait_s={wait_s:g}&gateway={self._name}"
        answer = await self._server.ask("GET", target, timeout_s=wait_s + _PATIENCE_S)
        if answer.status != 200:
            raise Unavailable(f"The server answers {answer.status} when asked for its routing table.")
        table = tables.decode(answer.body)
        if table.generation != self._deployments.generation:
            self._deployments.apply(table)
            self._newest = table
            if self._keeping is None:  # a slow disk delays nothing
                self._keeping = asyncio.get_running_loop().create_task(self._keep())
        return table.generation

    async def _keep(self) -> None:
        """Write down the newest table."""
        while self._newest is not None:
            table, self._newest = self._newest, None
            try:
                await asyncio.to_thread(tables.keep, self._path, table)
            except OSError as error:
                log.warning("The routing table cannot be kept at %s: %s", self._path, error)
        self._keeping = None


class File:
    """Follows a file that people write.

    Args:
        path: of it.
        deployments: work by it.

    Attributes:
        trouble: what is wrong with it; empty: nothing.
    """

    def __init__(self, path: Path, deployments: Deployments) -> None:
        self._path = path
        self._deployments = deployments
        self._seen = (0, 0)
        self.trouble = ""

    def check(self) -> None:
        """See that it is understood.

        Raises:
            ModelyardError: it is not.
        """
        tables.read(self._path)

    def remember(self) -> None:
        """Begin with what it says."""
        try:
            self.read()
        except ModelyardError as error:
            self.trouble = error.message

    def read(self) -> None:
        """Work by what it says now.

        Raises:
            ModelyardError: it is not understood.
        """
        self._seen = self._stamp()
        table = tables.read(self._path)
        if table.generation != self._deployments.generation:
            self._deployments.apply(table)
        self.trouble = ""

    def _stamp(self) -> tuple[int, int]:
        try:
            told = self._path.stat()
        except OSError:
            return (0, 0)
        return told.st_mtime_ns, told.st_size

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._stamp() != self._seen:
                try:
                    self.read()
                except ModelyardError as error:
                    self.trouble = error.message
                    log.warning("The last routing table holds: %s", error.message)
