"""One request on its way to a model server, and who wants its answer."""

from __future__ import annotations

from time import monotonic
from typing import Protocol


class Way(Protocol):
    """What carries it."""

    def drop(self, exchange: Exchange) -> None:
        """Nobody waits for this one any more."""
        ...


class Caller(Protocol):
    """Who wants an answer."""

    def answered(self, head: bytes, body: bytes) -> None:
        """It came: its head with the status line, without the empty line at the end, and its body."""
        ...

    def broken(self, why: str, *, sent: bool) -> None:
        """It will not come: the connection broke, before or after the request was sent."""
        ...


class Exchange:
    """One request on its way.

    Attributes:
        since: when it began, on the monotonic clock.
        number: of it on a link.
        request: head and body, while it is on a link.
    """

    __slots__ = ("caller", "connection", "number", "request", "since")

    def __init__(self, caller: Caller, request: tuple[bytes, bytes] | None = None) -> None:
        self.caller: Caller | None = caller
        self.connection: Way | None = None
        self.since = monotonic()
        self.number = 0
        self.request = request

    def done(self) -> Caller | None:
        """It is over; whom to tell. Nothing here points anywhere any more: what is no circle needs no collector."""
        caller = self.caller
        self.caller = self.connection = self.request = None
        return caller

    def give_up(self) -> None:
        """Nobody waits for the answer any more; the replica learns it by the end of the connection."""
        self.caller = self.request = None
        if self.connection is not None:
            self.connection.drop(self)
