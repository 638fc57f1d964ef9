"""How fast predictions are delivered while more come in than have to be stored at once."""

from __future__ import annotations

from typing import Final

PACE: Final = 2500.0
"""Predictions a second that are delivered under heavy traffic."""

HEAVY: Final = 6000.0
"""Predictions a second from which on traffic is heavy; up to here they are delivered as they come."""

_LOOK_S: Final = 1.0


class Pace:
    """Gives way to heavy traffic: to store a prediction takes a machine as long as to relay its request.

    What is in the journal is safe, so that it can wait until traffic has calmed, as long as the journal has room.

    Args:
        most_bytes: that may wait.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._looked_at = 0.0
        self._written: int | None = None
        self._came = 0.0

    def restart(self) -> None:
        """Look anew: what waits is not comparable with what waited before."""
        self._written = None

    def rest_s(self, now: float, records: int, size: int, waiting: int, delivered: int) -> float:
        """Seconds from one round's begin to the next one's; 0: go on at once.

        Args:
            now: on the monotonic clock.
            records: of the last round.
            size: of them, in bytes.
            waiting: bytes that are not delivered yet.
            delivered: bytes that ever were.
        """
        written = waiting + delivered
        if self._written is None:
            self._looked_at, self._written, self._came = now, written, 0.0
        elif now - self._looked_at >= _LOOK_S:
            self._came = (written - self._written) / (now - self._looked_at) * records / size
            self._looked_at, self._written = now, written
        return records / PACE if self._came > HEAVY and waiting < self._most_bytes else 0.0
