"""In which processes versions run: of their own or shared, restarted, replaced when they grow, evicted, closed.

A version says how many processes it should have. Whatever takes one from it (its death, its growth, an eviction) only
changes that account; one task of each version, `_keep`, brings it back to order.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Final

from modelyard.domain.errors import ModelyardError, Timeout, Unavailable

from . import notes, processes, spawning
from .calls import Plan
from .processes import ProcessEnded
from .tasks import Tasks, turn
from .version import EVICTED, READY, RESTARTING, Version, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modelyard.settings import ServeSettings

    from .batching import Queue
    from .processes import Worker
    from .rounds import Found

log = logging.getLogger("modelyard.serving")

BATCHING_TAG: Final = "modelyard.batching"
"""Tag of a version that says whether its requests are put together: `auto`, `on` or `off`."""

_PATIENCE: Final = 1 / 20
"""Whoever loads for longer than this part of the time that it may take does not keep others from loading."""
_SHORT_LIFE_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 60.0
_LAST_WORDS_S: Final = 5.0
_MOST_MEMORY: Final = (3, 2**30)
"""A worker is replaced above so many times what it had when it was ready, and so many bytes."""
_LEAST_GROWTH: Final = 1.25
"""Below so many times what it had when it was ready, replacing it would not help."""


class Placement:
    """All processes, and who is in them.

    Args:
        settings: of the server.
        shared: whether many versions share a few processes; else each has its own.
        again: the directory of a model that was loaded before, verified anew.
    """

    def __init__(self, settings: ServeSettings, *, shared: bool, again: Callable[[Found, Path], Path]) -> None:
        self.shared = shared
        self._again = again
        self._settings = settings
        self._tasks = Tasks()
        self._placed: dict[int, Version] = {}
        self._workers: set[Worker] = set()
        self._pool: list[Worker] = []
        self._aside: set[Worker] = set()  # of the pool, while they load for long
        self._risky: set[str] = set()  # what a process died or hung over; the next time it is loaded in one of its own
        self._starting = asyncio.Semaphore(max(2, spawning.cores(settings)))
        self._growing = asyncio.Lock()
        self._evicting = asyncio.Lock()
        self._closing = False

    @property
    def workers(self) -> Iterator[Worker]:
        """The processes."""
        return iter(tuple(self._workers))

    def memory(self) -> int:
        """Bytes of all processes."""
        return sum(worker.resident() for worker in self._workers)

    # ------------------------------------------------------------ a version comes and goes

    async def load(self, version: Version) -> None:
        """Bring a new version into the processes that it should have.

        Raises:
            InvalidState: it could not be loaded; the message says why.
            Timeout: it took too long.
            Unavailable: it was let go meanwhile, or no process could be started.
        """
        self._placed[version.slot] = version
        version.wanted = self._count()
        version.queue.needed = lambda: self._need(version)
        version.task = asyncio.get_running_loop().create_task(self._fill(version))
        try:
            await version.task
        except asyncio.CancelledError:
            if version.retired:
                raise Unavailable("It is not to be served any more.") from None
            raise
        finally:
            version.task = None
        self._mend(version)
        if version.told is not None:
            wait = self._settings.max_wait_ms / 1000
            version.queue.use(Plan(version.told.rows, version.told.least), wait or None)
            for warning in version.told.warnings:
                log.warning("%s was saved with %s", shown(version.found), warning)
        await self._make_room(keep=version)

    async def let_go(self, version: Version, heir: Callable[[], Queue | None]) -> None:
        """Let a version answer what waits for it, then leave its processes.

        Args:
            version: it; once `retired` is set it gets no process any more.
            heir: who answers, once it is through, what it could not.
        """
        version.queue.needed = None
        if version.task is not None:
            version.task.cancel()
        until = monotonic() + self._settings.timeout_s
        while not version.queue.idle and version.queue.links and monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        version.queue.end(Unavailable("The model is no longer served."), heir())
        await asyncio.gather(*(self._leave(version, worker) for worker in tuple(version.workers)))
        self._placed.pop(version.slot, None)

    async def close(self) -> None:
        """Let every process end."""
        self._closing = True
        self._tasks.cancel()
        for version in self._placed.values():
            version.queue.end(Unavailable("The server is stopping."))
        workers = tuple(self._workers)
        for worker in workers:
            if worker.loading or worker.link.frames:  # nobody waits for it any more
                worker.discard()
            else:
                worker.close()
        await asyncio.gather(*(worker.gone(_LAST_WORDS_S) for worker in workers))

    # ------------------------------------------------------------ into processes

    def _count(self) -> int:
        return 1 if self.shared else max(1, self._settings.workers)

    def _shares(self, version: Version) -> bool:
        return self.shared and version.found.identity not in self._risky

    async def _fill(self, version: Version) -> None:
        """Until a version has as many processes as it should."""
        while version.lacking:
            version.loading_since = None
            if self._shares(version):
                await self._share(version)
            else:
                await self._start(version, version.lacking)

    async def _start(self, version: Version, count: int) -> None:
        """Processes of its own, copies of the first where the libraries allow a fork; else the first alone."""
        async with turn(self._starting, self._patience_s, lambda: True):
            version.loading_since = monotonic()
            workers, descriptors = await self._new(count - 1)
            note = self._note(version)
            for worker in workers:
                worker.expect(version.slot)
            note.copies = descriptors
            try:
                version.told = await workers[0].load(note, self._settings.load_timeout_s)
                self._attach(version, workers[0])
                self._risky.discard(version.found.identity)  # it was not to blame
                for worker in workers[1:] if version.told.forked else ():
                    await worker.loaded(version.slot, self._settings.load_timeout_s)
                    self._attach(version, worker)
            finally:
                for worker in workers:
                    if worker not in version.workers:
                        self._workers.discard(worker)
                        worker.discard()

    async def _share(self, version: Version) -> None:
        """A place in one of the processes that many versions share; none if that process died over it."""
        worker = await self._roomiest()
        worker.expect(version.slot)  # counts from now on
        try:
            async with turn(worker.loads, self._patience_s, lambda: self._set_aside(worker)):
                if worker not in self._pool:  # any more, after others were loaded
                    return
                version.loading_since = monotonic()
                try:
                    version.told = await worker.load(self._note(version), self._settings.load_timeout_s)
                finally:
                    self._take_back(worker)
            self._attach(version, worker)
        except ProcessEnded:
            self._risky.add(version.found.identity)
        except Timeout:
            self._risky.add(version.found.identity)
            self._replace(worker, "hangs while loading a model")
            raise
        finally:
            if worker not in version.workers:
                worker.drop(version.slot)
                await self._end_if_empty(worker)

    def _set_aside(self, worker: Worker) -> bool:
        """Have others loaded elsewhere while this one is at it: in one process only one at a time can be loaded."""
        if worker in self._pool and len(self._aside) < self._shared_by:
            self._pool.remove(worker)
            self._aside.add(worker)
        return worker in self._aside

    def _take_back(self, worker: Worker) -> None:
        if worker in self._aside:
            self._aside.discard(worker)
            if not (worker.retiring or worker.link.closed):
                self._pool.append(worker)

    @property
    def _shared_by(self) -> int:
        """How many processes many versions share; twice as many while all are at slow ones."""
        return self._settings.workers or spawning.cores(self._settings)

    async def _roomiest(self) -> Worker:
        async with self._growing:
            while len(self._pool) < self._shared_by:
                workers, _ = await self._new(0)
                self._pool += workers
        return min(self._pool, key=lambda each: len(each.slots))

    async def _new(self, copies: int) -> tuple[list[Worker], list[int]]:
        settings = self._settings
        workers, descriptors = await processes.start(
            self._ended, self._threads, settings.log_format, settings.log_level, copies
        )
        self._workers.update(workers)
        return workers, descriptors

    def _attach(self, version: Version, worker: Worker) -> None:
        if worker.link.closed:
            raise ProcessEnded("The model's process ended as soon as it had loaded it.")
        worker.settled = worker.resident()
        version.workers.append(worker)
        version.state, version.reason = READY, ""
        version.queue.attach(worker.link, version.slot)

    def _note(self, version: Version) -> notes.Load:
        settings = self._settings
        return notes.Load(
            slot=version.slot,
            path=str(version.path),
            name=version.found.name,
            version=version.found.version,
            batching=_batching(version.found) or settings.batching,
            max_rows=settings.max_batch_rows or None,
            unknown_columns=settings.unknown_columns,
            allow_pickle=settings.allow_pickle,
            trusted=list(settings.trusted),
            golden=settings.golden,
            onnx=settings.onnx == "auto",
            threads=self._threads,
            quick=self.shared,
            known=version.told,
        )

    @property
    def _patience_s(self) -> float:
        return self._settings.load_timeout_s * _PATIENCE

    @property
    def _threads(self) -> int:
        """For the pools of one process' libraries: a core is the front's."""
        return max(1, (spawning.cores(self._settings) - 1) // max(1, self._settings.workers))

    # ------------------------------------------------------------ out of them

    async def _leave(self, version: Version, worker: Worker) -> None:
        """Ask a process no more; what it was asked, it answers."""
        version.queue.detach(worker.link)
        if worker in version.workers:
            version.workers.remove(worker)
        worker.drop(version.slot)
        await self._end_if_empty(worker)

    async def _end_if_empty(self, worker: Worker) -> None:
        if worker.slots or worker in self._pool:
            return
        while worker.link.frames:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        worker.close()
        await worker.gone(_LAST_WORDS_S)
        self._workers.discard(worker)

    def _ended(self, worker: Worker, how: str) -> None:
        """A process has gone; if that was not our wish, another one takes its place."""
        self._workers.discard(worker)
        if worker in self._pool:
            self._pool.remove(worker)
        lost = [version for version in self._placed.values() if worker in version.workers]
        for version in lost:
            version.queue.detach(worker.link)
            version.workers.remove(worker)
        if worker.closing or self._closing or all(version.retired for version in lost):
            return
        log.error("A model's process (%d) ended: %s; starting another", worker.process, how)
        pause = 0.0 if monotonic() - worker.started > _SHORT_LIFE_S else 1.0
        for version in lost:
            if not version.workers:
                version.state, version.reason = RESTARTING, f"Its process ended: {how}."
            self._mend(version, pause)

    # ------------------------------------------------------------ in order again

    def _mend(self, version: Version, pause: float = 0.0) -> None:
        """See to it that a version has the processes that it should have."""
        if version.task is None and not (version.retired or self._closing) and (version.lacking or version.leaving):
            version.task = self._tasks.spawn(self._keep(version, pause))

    async def _keep(self, version: Version, pause: float) -> None:
        failures = 0
        try:
            while version.lacking:
                await asyncio.sleep(pause)
                try:
                    version.path = await asyncio.to_thread(self._again, version.found, version.path)
                    await self._fill(version)
                except ModelyardError as error:
                    failures += 1
                    pause = min(_LONGEST_PAUSE_S, max(1.0, pause * 2))
                    self._stays_away(version, error, failures)
            await asyncio.gather(*(self._leave(version, worker) for worker in version.leaving))
            await self._make_room(keep=version)
        finally:
            version.task = None
            self._mend(version)

    def _stays_away(self, version: Version, error: ModelyardError, failures: int) -> None:
        log.error("%s could not be loaded again: %s", shown(version.found), error.message)
        version.reason = error.message
        if not version.workers:
            version.state = RESTARTING
            if failures > 1:  # once may be an accident: who waits may wait for another try
                version.queue.refuse(Unavailable(f"The model could not be loaded again: {error.message}"))

    # ------------------------------------------------------------ memory

    def _need(self, version: Version) -> None:
        """Somebody asks for a version that is in no process: if it was evicted, it comes back."""
        if not version.wanted:
            version.wanted = self._count()
            self._mend(version)

    async def _make_room(self, keep: Version) -> None:
        """Evict versions that were not used for longest until the processes are below the limit."""
        limit = self._settings.memory_limit_bytes
        if not limit:
            return
        async with self._evicting:
            while self.memory() > limit:
                idle = [
                    each
                    for each in self._placed.values()
                    if each is not keep and each.workers and each.task is None and each.queue.idle and not each.retired
                ]
                if not idle:
                    return
                version = min(idle, key=lambda each: each.queue.used)
                version.wanted, version.state = 0, EVICTED
                await asyncio.gather(*(self._leave(version, worker) for worker in tuple(version.workers)))
                if self.shared:
                    await asyncio.sleep(0.02)  # for the memory to come back

    # ------------------------------------------------------------ once a second

    def tick(self) -> None:
        """Look after what hangs, waits too long, or grows."""
        now = perf_counter()
        processes.reap()
        limit = self._settings.timeout_s
        for worker in self.workers:
            if worker.link.stuck_s(now) > limit:
                worker.link.refuse(Timeout(f"No prediction within {limit:g} seconds: the model hangs."))
                worker.kill(f"no answer within {limit:g} seconds")
            elif self._has_grown(worker):
                self._replace(worker, f"has grown to {worker.resident() // 2**20} MB")
        for version in self._placed.values():
            version.queue.overdue(now)

    def _has_grown(self, worker: Worker) -> bool:
        if worker.retiring or worker.closing or worker.loading or not worker.settled:
            return False
        factor, least = _MOST_MEMORY
        limit = self._settings.worker_memory_bytes or max(factor * worker.settled, least)
        return worker.resident() > max(limit, _LEAST_GROWTH * worker.settled)

    def _replace(self, worker: Worker, why: str) -> None:
        """Start a worker in the place of one, and let that one go when it is done."""
        worker.retiring = True
        log.warning("A model's process (%d) %s; it is replaced", worker.process, why)
        if worker in self._pool:
            self._pool.remove(worker)
        for version in self._placed.values():
            if worker in version.workers:
                self._mend(version)


def _batching(found: Found) -> str:
    """What the model's tag says of it; empty if it says nothing that is understood."""
    told = found.tags.get(BATCHING_TAG, "")
    if told and told not in ("auto", "on", "off"):
        log.warning("%s has the tag %s=%s, which is none of auto, on and off", shown(found), BATCHING_TAG, told)
        return ""
    return told
