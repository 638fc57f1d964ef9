"""Who wants to hear what changes, and the one who looks for it as long as anybody listens. No thread waits.

All but `_heard` belongs to the event loop. A listener that does not keep up misses nothing: what it was not told yet is
told together, and is never longer than one message may be.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Final

from modelyard.domain.changes import Changed
from modelyard.domain.errors import ModelyardError, Unavailable
from modelyard.services.changes import Looks

if TYPE_CHECKING:
    from modelyard.db.engine import Database

log = logging.getLogger("modelyard.feed")

LOOK_S: Final = 0.5
MOST_LISTENERS: Final = 1_000
_MOST_TOUCHED: Final = 5_000


class Listener:
    """One who wants to hear.

    Attributes:
        over: whether there will be no more: the server stops, or the listener has gone.
    """

    def __init__(self) -> None:
        self.over = False
        self._woken = asyncio.Event()
        self._untold = Changed()

    async def next(self, wait_s: float) -> Changed:
        """What changed since the last call, at the latest after so many seconds; nothing then."""
        try:
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
        found, self._untold = self._untold, Changed()
        return found

    def tell(self, changed: Changed) -> None:
        """Something changed."""
        self._untold = self._untold | changed
        self._woken.set()

    def end(self) -> None:
        """There will be no more."""
        self.over = True
        self._woken.set()


class Feed:
    """Tells listeners what changed.

    Args:
        database: where it does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._lock = threading.Lock()
        self._touched: dict[int, set[int]] = {}
        self._count = 0
        if database.dialect == "sqlite":  # PostgreSQL tells of every server's commits itself
            database.on_commit.append(self._heard)

    async def join(self) -> Listener:
        """A new listener, who hears of whatever is committed from now on; to be given to `leave`.

        Raises:
            Unavailable: there are too many already.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise Unavailable(f"{MOST_LISTENERS} listen for changes already; close some pages, or try again later.")
        listener = Listener()
        self._listeners.add(listener)
        if self._looking is None:
            self._begun.clear()
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            await self._begun.wait()
        except BaseException:
            self.leave(listener)
            raise
        return listener

    def leave(self, listener: Listener) -> None:
        """It has gone."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Tell all that there is no more."""
        for listener in self._listeners:
            listener.end()

    def _heard(self, touched: dict[int, set[int]]) -> None:
        """A commit of this process; on any thread."""
        if not self._listeners:
            return
        with self._lock:
            for experiment, runs in touched.items():
                known = self._touched.setdefault(experiment, set())
                if self._count < _MOST_TOUCHED:
                    self._count += len(runs - known)
                    known |= runs

    async def _look(self) -> None:
        """Look again and again, as long as anybody listens."""
        loop = asyncio.get_running_loop()
        looks, failed = Looks(), False
        try:
            while self._listeners:
                try:
                    changed = await loop.run_in_executor(self._database.readers, self._once, looks)
                except ModelyardError as error:  # whoever listens is told once it works again
                    log.debug("What changed could not be read: %s", error.message)
                    failed = True
                except Exception:
                    log.exception("Looking for changes failed; it goes on")
                    failed = True
                else:
                    changed, failed = Changed(all=True) if failed else changed, False
                    if changed:
                        for listener in self._listeners:
                            listener.tell(changed)
                self._begun.set()
                await asyncio.sleep(LOOK_S)
        finally:
            self._looking = None
            self._begun.set()

    def _once(self, looks: Looks) -> Changed:
        with self._lock:
            touched, self._touched = self._touched, {}
            many, self._count = self._count >= _MOST_TOUCHED, 0
        return self._database.read(looks.look, touched, many=many)
