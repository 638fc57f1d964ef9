"""Work of the background that comes round every so often, on a thread of its own, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Rounds:
    """A thread that does a piece of work again and again.

    Args:
        name: of the thread.
        every_s: seconds between the end of one round and the next.
        work: one round.
        failed: told what a round raised; the next one comes all the same.
        over: called on the thread at its end.
    """

    def __init__(
        self,
        name: str,
        every_s: float,
        work: Callable[[], object],
        failed: Callable[[Exception], None],
        over: Callable[[], None] | None = None,
    ) -> None:
        self._every_s = every_s
        self._work = work
        self._failed = failed
        self._over = over
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_round, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether a round that takes long should come to an end."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin, with a pause."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the round at hand, and end; nothing if it never began."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def pause(self, seconds: float) -> bool:
        """Rest within a round; whether it should come to an end."""
        return self._stop.wait(seconds)

    def _go_round(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - whatever a round meets, the next one comes
                self._failed(error)
        if self._over is not None:
            self._over()
