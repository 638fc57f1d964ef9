"""Whether a client takes what is sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

SLOWEST: Final = 1024
"""Bytes a second that a client has to send or take on average, once it takes longer than the patience."""


class Taking:
    """One client's progress; looked at every few seconds."""

    __slots__ = ("_since", "_unsent")

    def __init__(self) -> None:
        self._unsent = 0
        self._since = 0.0

    def moved(self) -> None:
        """It took something."""
        self._unsent = 0

    def stuck(self, transport: asyncio.Transport, now: float, patience_s: float) -> bool:
        """Whether it took too little for too long of what waits for it."""
        unsent = transport.get_write_buffer_size()
        if unsent and self._unsent:
            if now - self._since <= patience_s:
                return False
            if self._unsent - unsent < SLOWEST * patience_s:
                return True
        self._unsent, self._since = unsent, now
        return False
