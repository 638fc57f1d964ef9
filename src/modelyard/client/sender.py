"""The background thread that delivers a process's journal, and those that dead processes left behind.

It sleeps, looks, and sends what has gathered in few large requests: the training loop holds the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Final

from .delivery import Deliverer
from .exchange import Unreachable
from .journal.journal import left_by_the_dead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .journal.journal import Journal
    from .transport import Transport

TICK_S: Final = 0.2
"""How long points gather before they are sent."""

IDLE_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
ADOPT_EVERY_S: Final = 60.0
FAILED_PAUSE_S: Final = 2.0

log = logging.getLogger("modelyard")


class Sender:
    """Delivers one journal in the background.

    Args:
        journal: what to deliver.
        transport: to where.
        shown: the tracking URI for messages.

    Attributes:
        deliverer: of the journal.
        away: why the server could not be reached at the last attempt; empty if it could.
        failures: how many attempts did not reach it.
        answered: when it last did (`time.monotonic`); 0 if never.
    """

    def __init__(self, journal: Journal, transport: Transport, shown: str) -> None:
        self.journal = journal
        self.deliverer = Deliverer(journal, transport)
        self.away = ""
        self.failures = 0
        self.answered = 0.0
        self._transport = transport
        self._shown = shown
        self._step = threading.RLock()  # who delivers: the thread, or at the very end the caller
        self._changed = threading.Condition()  # on an RLock: a signal's handler may notify in the middle of a notify
        self._awake = False
        self._waiters = 0
        self._stopping = False
        self._pauses = 0
        self._not_before = 0.0  # our own pause
        self._asked_until = 0.0  # the server's wish, which holds even if somebody waits
        self._adopted: tuple[Iterator[Journal], Deliverer] | None = None
        self._adopt_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; where no thread can be started, what is logged is delivered by who flushes."""
        thread = threading.Thread(target=self._run, name="modelyard-sender", daemon=True)
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def wake(self) -> None:
        """There is something that should not wait."""
        if not self._awake:
            self._awake = True
            with self._changed:
                self._changed.notify_all()

    # -------------------------------------------------------------------------------- waiting

    def until(self, done: Callable[[], bool], timeout_s: float, *, patient: bool = False) -> bool:
        """Wait until something is delivered.

        Args:
            done: whether it is.
            timeout_s: the longest wait.
            patient: go on waiting when an attempt fails.

        Returns:
            Whether it is.
        """
        end = time.monotonic() + timeout_s
        failures = self.failures
        if not patient and self._asked_until > time.monotonic():
            return done()
        self._not_before = 0.0  # somebody waits: try now
        self._waiters += 1
        try:
            self.wake()
            if self._thread is None or not self._thread.is_alive():
                return self._deliver_here(done, end)
            with self._changed:
                while not done():
                    left = end - time.monotonic()
                    if left <= 0 or (self.failures > failures and not patient):
                        return False
                    self._changed.wait(min(left, 1.0))
            return True
        finally:
            self._waiters -= 1

    def _deliver_here(self, done: Callable[[], bool], end: float) -> bool:
        while not done() and time.monotonic() < end:
            if not self._attempt():
                return done()
        return done()

    # -------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        idle = TICK_S
        while not self._stopping:
            with self._changed:
                if not self._awake and not self._stopping:
                    self._changed.wait(idle)
            if self._ends():
                return
            if self._awake:
                if not self._waiters:
                    time.sleep(0.005)  # records come in flocks
                self._awake = False
            left = max(self._not_before, self._asked_until) - time.monotonic()
            if left > 0:
                idle = min(left, IDLE_S)
                continue
            worked = False
            while not self._ends() and self._attempt():
                worked = True
            idle = TICK_S if worked else min(idle * 1.5, IDLE_S)

    def _ends(self) -> bool:
        return self._stopping

    def stop(self, timeout_s: float = 1.0) -> bool:
        """End the thread; False if it is still in a request."""
        self._stopping = True
        with self._changed:
            self._changed.notify_all()
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(timeout_s)
            return not thread.is_alive()
        return True

    def _attempt(self) -> bool:
        """Deliver a little.

        Returns:
            Whether there may be more to do at once.
        """
        with self._step:
            try:
                if self.journal.pending():
                    more = self.deliverer.step()
                    self._succeeded()
                else:
                    more = self._adopt()
                self.journal.alive()
            except Unreachable as away:
                self._failed(away)
                more = False
            except Exception as error:
                if self._stopping:  # the journal was closed over a request that took too long
                    return False
                log.debug("delivery failed", exc_info=True)
                self._failed(Unreachable(f"{type(error).__name__}: {error}"))
                more = False
        with self._changed:
            self._changed.notify_all()
        return more

    def _succeeded(self) -> None:
        if self.away:
            log.warning("%s answers again; what was logged meanwhile is being delivered.", self._shown)
        self.away = ""
        self._pauses = 0
        self._not_before = 0.0
        self.answered = time.monotonic()

    def _failed(self, away: Unreachable) -> None:
        if not self.away and self.journal.pending():
            where = self.journal.folder or "memory"
            log.warning("%s What is logged is kept in %s and delivered later.", _sentence(away.reason), where)
        self.away = away.reason
        self.failures += 1
        pause = min(FIRST_PAUSE_S * 2 ** min(self._pauses, 10), LONGEST_PAUSE_S)
        self._pauses += 1
        # everybody differently, so that a server that comes back is not met by all at once
        self._not_before = time.monotonic() + random.uniform(pause / 2, pause)  # noqa: S311
        self._asked_until = time.monotonic() + away.wait_s

    # -------------------------------------------------------------------------------- what the dead left

    def adopt_soon(self) -> None:
        """Look for journals of dead processes at the next occasion."""
        self._adopt_at = 0.0

    def adopting(self) -> bool:
        """Whether a dead process's journal is being delivered, or the next look for one is due."""
        return self._adopted is not None or time.monotonic() >= self._adopt_at

    def _adopt(self) -> bool:
        """Deliver a little of what the dead left; that it fails is of no concern to our own journal."""
        if self._adopted is None:
            if time.monotonic() < self._adopt_at:
                return False
            self._adopt_at = time.monotonic() + ADOPT_EVERY_S
            return self._adopt_next(left_by_the_dead(self.journal.uri))
        found, deliverer = self._adopted
        try:
            if deliverer.step():
                return True
            deliverer.finish()
        except Unreachable as away:
            if away.failed and not self._stopping:
                self._not_before = time.monotonic() + FAILED_PAUSE_S
                return False  # perhaps it is the data: go on with it
            self._leave()
        except BaseException:
            self._leave()
            raise
        else:
            deliverer.journal.remove()
            self._adopted = None
        return self._adopt_next(found)

    def _adopt_next(self, found: Iterator[Journal]) -> bool:
        journal = next(found, None)
        if journal is None:
            return False
        self._adopted = found, Deliverer(journal, self._transport, adopted=True)
        return True

    def _leave(self) -> None:
        """Give back a journal that cannot be delivered now."""
        if self._adopted is not None:
            self._adopted[1].journal.close()
            self._adopted = None

    def close(self) -> None:
        """Stop, and give back what was adopted."""
        if self.stop():
            with self._step:
                self._leave()


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
