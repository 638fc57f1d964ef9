"""Tells the server what was measured, each half second; what did not arrive is told again, in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final

import msgspec

from modelyard.domain.errors import ModelyardError
from modelyard.wire.routing import GatewayReport

if TYPE_CHECKING:
    from .deployed import Deployments
    from .measuring import Measuring
    from .server import Server

log = logging.getLogger("modelyard.gateway")

_EVERY_S: Final = 0.5
_IDLE_S: Final = 5.0
"""So often it says that it is there although nothing was asked."""
_MOST_KEPT: Final = 1200
"""Ten minutes' worth; older ones would not be looked at any more."""
_MOST_CELLS: Final = 20_000
_TIMEOUT_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 4.0
_AGAIN: Final = frozenset({408, 425, 429})


class Reporter:
    """Tells it.

    Args:
        server: who is told.
        name: of this gateway.
        url: where it answers.
        deployments: whose generation it works by.
        measuring: what was counted.

    Attributes:
        lost: reports that were given up.
    """

    def __init__(self, server: Server, name: str, url: str, deployments: Deployments, measuring: Measuring) -> None:
        self._server = server
        self._name = name
        self._url = url
        self._deployments = deployments
        self._measuring = measuring
        self._kept: deque[GatewayReport] = deque()
        self._number = 0
        self._told_s = 0.0
        self.lost = 0

    @property
    def pending(self) -> int:
        """Reports that have not arrived."""
        return len(self._kept)

    async def report(self) -> None:
        """Until it is cancelled."""
        pause = 0.0
        due = 0.0
        while True:
            await asyncio.sleep(_EVERY_S)
            self.take()
            if monotonic() < due:
                continue
            if await self._tell():
                pause = 0.0
            else:
                pause = min(_LONGEST_PAUSE_S, max(_EVERY_S, pause * 2))
                due = monotonic() + pause

    async def last(self) -> None:
        """At the stop: tell what is left."""
        self.take()
        await self._tell()

    def take(self) -> None:
        """Take up what was counted since the last time."""
        measured = self._measuring.take()
        now = monotonic()
        if not measured and now - self._told_s < _IDLE_S:
            return
        self._told_s = now
        for at in range(0, max(1, len(measured)), _MOST_CELLS):
            # A time, so that numbers go on after a restart.
            self._number = max(self._number + 1, time_ns() // 1_000_000)
            self._kept.append(
                GatewayReport(
                    gateway=self._name, number=self._number, url=self._url, measured=measured[at : at + _MOST_CELLS]
                )
            )
        while len(self._kept) > _MOST_KEPT:
            self._kept.popleft()
            self.lost += 1

    async def _tell(self) -> bool:
        """Tell what has not arrived; whether all of it has."""
        while self._kept:
            report = self._kept[0]
            report.generation = self._deployments.generation
            report.now_ms = time_ns() // 1_000_000
            try:
                answer = await self._server.ask(
                    "POST", "/api/v1/gateways/report", msgspec.json.encode(report), timeout_s=_TIMEOUT_S
                )
            except ModelyardError:
                return False
            if answer.status >= 500 or answer.status in _AGAIN:
                return False
            if answer.status != 200:
                self.lost += 1
                log.warning("A report was refused (%d): %s", answer.status, answer.body[:300].decode(errors="replace"))
            if self._kept and self._kept[0] is report:
                self._kept.popleft()
        return True
