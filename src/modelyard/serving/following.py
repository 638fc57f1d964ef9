"""Follows the sources while a server runs: looks again every few seconds, less often while the registry is away."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Final, Protocol

from .rounds import Changes, Round, difference

_log: Final = logging.getLogger("modelyard.serving")

LONGEST_PAUSE_S: Final = 60.0
"""Between two looks at a registry that is away, unless the setting is longer."""


class Looking(Protocol):
    """What can be looked at."""

    def look(self) -> Round:
        """What is named now."""


def follow(
    sources: Looking, first: Round, every_s: float, stop: threading.Event, tell: Callable[[Round, Changes], None]
) -> None:
    """Look again and again, until told to stop; for a thread of its own.

    Args:
        sources: what is looked at.
        first: what the first look came to.
        every_s: seconds between two looks; 0: none is needed, and this returns at once.
        stop: set by whoever wants it to end.
        tell: called after each look with what is named now, and what is new since the look before; also if nothing is,
            so that what failed can be tried again.
    """
    if not every_s:
        return
    last, pause_s = first, every_s
    # Not all servers of a fleet at the same moment.
    while not stop.wait(pause_s * random.uniform(0.9, 1.1)):  # noqa: S311 - not a secret
        try:
            now = sources.look()
            if now.away and now.away != last.away:
                _log.warning("%s Serving goes on with what is here; it is tried again.", now.away)
            elif last.away and not now.away:
                _log.info("The registry answers again.")
            pause_s = min(pause_s * 2, max(LONGEST_PAUSE_S, every_s)) if now.away else every_s
            tell(now, difference(last, now))
            last = now
        except Exception:  # noqa: BLE001 - whatever it is, the next look may succeed, and nobody else looks
            _log.exception("Looking for new versions failed; it is tried again.")
