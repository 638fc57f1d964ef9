"""What is served, in which state, and by which processes; made ready, followed, exchanged, evicted, restarted.

A new version is made ready beside the old one and takes its place in one step: from then on requests wait in its queue,
and the old one's are answered by the old one before its process ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, perf_counter, time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from modelyard.domain.errors import ModelyardError, Timeout, Unavailable
from modelyard.packaging.manifest import Model as Manifest

from . import notes, processes
from .batching import Bounds, Queue
from .calls import Plan
from .counts import Counts
from .rounds import Found, Missing, Round, difference

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from modelyard.settings import ServeSettings

    from .processes import Worker
    from .sources import Sources

log = logging.getLogger("modelyard.serving")

_SHARED_ABOVE: Final = 4
"""More models than this share processes, unless there are as many processes as models."""
BATCHING_TAG: Final = "modelyard.batching"
"""Tag of a version that says whether its requests are put together: `auto`, `on` or `off`."""

_SHOWN: Final = 20
_LOADING_S: Final = 600.0
_FIRST_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 300.0
_SHORT_LIFE_S: Final = 10.0
_MOST_MEMORY: Final = (3, 2**30)
"""A worker is replaced above so many times what it had when it was ready, and so many bytes."""


class Version:
    """One version of a model, in the processes that have it.

    Attributes:
        found: what it is.
        path: its directory.
        manifest: of it.
        queue: what waits for it.
        told: what the worker said when it was ready.
        workers: where it is, and in which slot.
        ready_at: seconds since the epoch.
    """

    def __init__(self, found: Found, path: Path, manifest: Manifest, queue: Queue, slot: int) -> None:
        self.found = found
        self.path = path
        self.manifest = manifest
        self.queue = queue
        self.slot = slot
        self.told: notes.Loaded | None = None
        self.workers: list[Worker] = []
        self.ready_at = 0.0
        self.loading = False
        self.retired = False


@dataclass(slots=True)
class Model:
    """A served name.

    Attributes:
        name: in paths.
        current: what answers; None before the first version is ready.
        state: `waiting`, `downloading`, `loading`, `ready`, `restarting`, `evicted`, `failed` or `missing`.
        reason: why it is not ready, or why what its source names now is not what answers.
        preparing: what is being made ready.
        counts: over all versions.
        golden: of the last attempt.
    """

    name: str
    current: Version | None = None
    state: str = "waiting"
    reason: str = ""
    preparing: Found | None = None
    counts: Counts = field(default_factory=Counts)
    golden: list[notes.GoldenResult] = field(default_factory=list)
    refused: str = ""
    tries: int = 0
    retry_at: float = 0.0

    @property
    def ready(self) -> bool:
        """Whether a request would be answered."""
        return self.current is not None and self.state in ("ready", "evicted")


class Catalog:
    """All of it.

    Args:
        settings: of the server.
        sources: what is to be served.
        first: what they name, looked up already.
    """

    def __init__(self, settings: ServeSettings, sources: Sources, first: Round) -> None:
        self.models: dict[str, Model] = {}
        self.generation = 0
        self._settings = settings
        self._sources = sources
        self._round = first
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers: set[Worker] = set()
        self._pool: list[Worker] = []
        self._busy: dict[Worker, asyncio.Lock] = {}
        self._slots = 0
        self._closing = False
        self._starting = asyncio.Semaphore(max(2, _cores(settings)))
        self._fetching = asyncio.Semaphore(8)
        self._evicting = asyncio.Lock()
        self._growing = asyncio.Lock()
        self._of: dict[int, tuple[Model, Version]] = {}
        self.shared = len(first.found) + len(first.missing) > max(_SHARED_ABOVE, settings.workers)
        self.away = ""

    # ------------------------------------------------------------ looking

    def find(self, name: str) -> Model | None:
        """The model of that name; the empty name is the default one's."""
        if name:
            return self.models.get(name)
        if self._settings.default_model:
            return self.models.get(self._settings.default_model)
        return next(iter(self.models.values())) if len(self.models) == 1 else None

    def listed(self) -> str:
        """The names, for a message."""
        names = sorted(self.models)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return ", ".join(map(repr, names[:_SHOWN])) + more or "none yet"

    @property
    def missing(self) -> dict[str, str]:
        """Name → why, for each model that should be served and is not ready."""
        return {name: _why(model) for name, model in self.models.items() if not model.ready}

    @property
    def ready(self) -> bool:
        """Whether every model that should be served would answer."""
        return bool(self.models) and not self._closing and all(model.ready for model in self.models.values())

    @property
    def workers(self) -> Iterator[Worker]:
        """The processes."""
        return iter(tuple(self._workers))

    # ------------------------------------------------------------ start and stop

    def start(self) -> None:
        """Make everything ready, and follow the sources."""
        self._apply(Round())
        if self._sources.asks or self._settings.poll_s:
            self._spawn(self._follow())

    async def close(self) -> None:
        """Let every process end."""
        self._closing = True
        self._sources.close()
        for task in tuple(self._tasks):
            task.cancel()
        for model in self.models.values():
            if model.current is not None:
                model.current.queue.close(Unavailable("The server is stopping."))
        workers = tuple(self._workers)
        for worker in workers:
            worker.close()
        await asyncio.gather(*(worker.gone(5.0) for worker in workers))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("Looking after the models failed; it goes on", exc_info=fault)

    # ------------------------------------------------------------ following

    async def _follow(self) -> None:
        pause = self._settings.poll_s
        while True:
            await asyncio.sleep(pause or 3600.0)
            if self._settings.poll_s:
                before = self._round
                self._round = await asyncio.to_thread(self._sources.look)
                if self._round.away != self.away:
                    self.away = self._round.away
                    if self.away:
                        log.warning("%s What is served stays.", self.away)
                    else:
                        log.info("The registry answers again")
                # further apart while nobody answers
                pause = min(60.0, pause * 2) if self.away else self._settings.poll_s
                self._apply(before)
            self._retry()

    def _apply(self, before: Round) -> None:
        """Do what makes the difference between the rounds."""
        now = self._round
        self.away = now.away
        changes = difference(before, now)
        for missing in now.missing.values():
            self._miss(missing)
        for name in changes.returned:
            if name in self.models:
                self.models[name].reason = ""
        for found in (*changes.added, *(to for _, to in changes.changed)):
            self._prepare(found)
        gone = [each.name for each in changes.removed]
        gone += [name for name in self.models if name not in now.found and name not in now.missing]
        for name in gone:
            if name not in now.found and name not in now.missing:
                self._remove(name)

    def _miss(self, missing: Missing) -> None:
        model = self._model(missing.name)
        model.reason = missing.reason
        if model.current is None and model.preparing is None:
            model.state = "missing"

    def _model(self, name: str) -> Model:
        if name not in self.models:
            self.models[name] = Model(name)
            self.generation += 1
        return self.models[name]

    def _remove(self, name: str) -> None:
        model = self.models.pop(name, None)
        self.generation += 1
        if model is not None and model.current is not None:
            log.info("%s is no longer served", name)
            self._retire(model.current)

    def _retry(self) -> None:
        for name, model in self.models.items():
            found = self._round.found.get(name)
            if found is None or model.preparing is not None or model.refused != found.identity:
                continue
            if monotonic() >= model.retry_at:
                self._prepare(found)

    def _prepare(self, found: Found) -> None:
        model = self._model(found.name)
        model.preparing = found
        if model.current is None:
            model.state, model.reason = "waiting", ""
        self._spawn(self._ready(model, found))

    async def _ready(self, model: Model, found: Found) -> None:
        """Make a version ready and let it answer, or say why not."""
        began = perf_counter()
        try:
            async with self._fetching:
                if model.current is None:
                    model.state = "downloading"
                path = await asyncio.to_thread(self._sources.fetch, found)
                manifest = await asyncio.to_thread(Manifest.read, path)
            if model.current is None:
                model.state = "loading"
            version = self._version(model, found, path, manifest)
            await self._load(version)
        except ModelyardError as error:
            self._failed(model, found, error)
            return
        if self.models.get(model.name) is not model or model.preparing is not found:  # something newer came meanwhile
            self._retire(version)
            return
        self._switch(model, version)
        log.info(
            "%s is ready after %.2f s: %s",
            _shown(found),
            perf_counter() - began,
            version.told.reason if version.told else "",
        )
        with suppress(OSError):
            await asyncio.to_thread(self._sources.served, found)

    def _failed(self, model: Model, found: Found, error: ModelyardError) -> None:
        if model.preparing is not found:
            return
        model.preparing = None
        model.refused = found.identity
        model.tries += 1
        model.retry_at = monotonic() + min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** (model.tries - 1))
        model.reason = error.message
        if isinstance(error, processes.LoadingFailed):
            model.golden = error.note.golden
        if model.current is None:
            model.state = "failed"
            log.error("%s is not served: %s", _shown(found), error.message)
        else:
            stays = _shown(model.current.found)
            log.error("%s is not served, %s stays: %s", _shown(found), stays, error.message)

    def _version(self, model: Model, found: Found, path: Path, manifest: Manifest) -> Version:
        settings = self._settings
        bounds = Bounds(settings.queue, settings.queue_bytes, settings.timeout_s, settings.timeout_s)
        name = quote(model.name, safe=" ")
        headers = f"modelyard-model: {name}\r\n"
        if found.version:
            headers += f"modelyard-version: {quote(found.version, safe='')}\r\n"
        self._slots += 1
        version = Version(found, path, manifest, Queue(bounds, model.counts, headers.encode()), self._slots)
        self._of[version.slot] = (model, version)
        return version

    def _switch(self, model: Model, version: Version) -> None:
        old, model.current = model.current, version
        model.state, model.reason, model.preparing, model.refused, model.tries = "ready", "", None, "", 0
        model.golden = version.told.golden if version.told else []
        version.ready_at = time()
        version.queue.needed = lambda: self._need(model, version)
        self.generation += 1
        if old is not None:
            self._retire(old)

    # ------------------------------------------------------------ processes

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
    def _threads(self) -> int:
        """For the pools of one process' libraries: a core is the front's."""
        return max(1, (_cores(self._settings) - 1) // max(1, self._settings.workers))

    async def _load(self, version: Version) -> None:
        """Bring a version into the processes that shall have it."""
        version.loading = True
        try:
            if self.shared:
                await self._load_shared(version)
            else:
                await self._load_apart(version, max(1, self._settings.workers))
        finally:
            version.loading = False
        if version.told is not None:
            wait = self._settings.max_wait_ms / 1000
            version.queue.use(Plan(version.told.rows, version.told.least), wait or None)
            for warning in version.told.warnings:
                log.warning("%s was saved with %s", _shown(version.found), warning)
        await self._make_room(keep=version)

    async def _load_apart(self, version: Version, count: int) -> None:
        """Processes of its own, copies of the first where the libraries allow a fork."""
        async with self._starting:
            first, forks, descriptors = await self._start(count - 1)
            note = self._note(version)
            note.copies = descriptors
            try:
                version.told = await first.load(note, _LOADING_S)
            except ModelyardError:
                for each in (first, *forks):
                    self._workers.discard(each)
                    each.close()
                raise
            self._attach(version, first)
            for fork in forks:
                if version.told.forked:
                    fork.slots[version.slot] = self._note(version)
                    await fork.loaded(version.slot, _LOADING_S)
                    self._attach(version, fork)
                else:
                    fork.close()
                    self._workers.discard(fork)
                    other, _, _ = await self._start(0)
                    await other.load(self._note(version), _LOADING_S)
                    self._attach(version, other)

    async def _load_shared(self, version: Version) -> None:
        """A place in one of the processes that many models share."""
        wanted = self._settings.workers or _cores(self._settings)
        async with self._growing:
            while len(self._pool) < wanted:
                worker, _, _ = await self._start(0)
                self._pool.append(worker)
        worker = min(self._pool, key=lambda each: len(each.slots))
        worker.slots.setdefault(version.slot, self._note(version))  # counts from now on
        async with self._busy.setdefault(worker, asyncio.Lock()):
            version.told = await worker.load(self._note(version), _LOADING_S)
        self._attach(version, worker)

    async def _start(self, copies: int) -> tuple[Worker, list[Worker], list[int]]:
        settings = self._settings
        worker, forks, descriptors = await processes.start(
            self._ended, self._threads, settings.log_format, settings.log_level, copies
        )
        self._workers.update((worker, *forks))
        return worker, forks, descriptors

    def _attach(self, version: Version, worker: Worker) -> None:
        worker.settled = worker.resident()
        version.workers.append(worker)
        version.queue.attach(worker.link, version.slot)

    def _retire(self, version: Version) -> None:
        """Let what waits be answered, then let go."""
        version.retired = True
        version.queue.needed = None
        self._spawn(self._wind_down(version))

    async def _wind_down(self, version: Version) -> None:
        until = monotonic() + self._settings.timeout_s
        while not version.queue.idle and monotonic() < until and version.queue.links:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        version.queue.close()
        self._of.pop(version.slot, None)
        for worker in version.workers:
            version.queue.detach(worker.link)
            worker.drop(version.slot)
            if not worker.slots and worker not in self._pool:
                self._workers.discard(worker)
                worker.close()
                await worker.gone(5.0)
        version.workers.clear()
        model = self.models.get(version.found.name)
        wanted = (model.current.found if model.current else None, model.preparing) if model else ()
        if not any(each and each.identity == version.found.identity for each in wanted):  # it may have come back
            self._sources.release(version.found)

    def _ended(self, worker: Worker, how: str) -> None:
        """A process has gone; if that was not our wish, another one takes its place."""
        self._workers.discard(worker)
        self._busy.pop(worker, None)
        if worker in self._pool:
            self._pool.remove(worker)
        lost = []
        for slot in tuple(worker.slots):
            model, version = self._of.get(slot, (None, None))
            if model is None or version is None:
                continue
            version.queue.detach(worker.link)
            if worker in version.workers:
                version.workers.remove(worker)
                lost.append((model, version))
        if worker.retiring or self._closing or not lost:
            return
        log.error("A model's process (%d) ended: %s; starting another", worker.process, how)
        for model, version in lost:
            if model.current is version and not version.workers:
                model.state, model.reason = "restarting", f"Its process ended: {how}."
        pause = 0.0 if monotonic() - worker.started > _SHORT_LIFE_S else 1.0
        for model, version in lost:
            if not version.retired:
                self._spawn(self._again(model, version, pause))

    async def _again(self, model: Model, version: Version, pause: float) -> None:
        """Bring a version back whose process died."""
        while not (version.retired or self._closing):
            await asyncio.sleep(pause)
            if version.loading:  # another of its processes is on its way; this one comes next
                pause = max(pause, 0.1)
                continue
            try:
                version.loading = True
                if self.shared:
                    await self._load_shared(version)
                else:
                    await self._load_apart(version, 1)
            except ModelyardError as error:
                model.reason = error.message
                pause = min(60.0, max(1.0, pause * 2))
            else:
                if model.current is version:
                    model.state, model.reason = "ready", ""
                return
            finally:
                version.loading = False

    # ------------------------------------------------------------ memory

    def _need(self, model: Model, version: Version) -> None:
        """Somebody asks for a model that was evicted."""
        if model.state == "evicted" and not version.loading:
            version.loading = True
            self._spawn(self._bring_back(model, version))

    async def _bring_back(self, model: Model, version: Version) -> None:
        try:
            await self._load(version)
        except ModelyardError as error:
            model.reason = error.message
            version.queue.close(Unavailable(f"The model could not be loaded again: {error.message}"))
        else:
            model.state = "ready"
        finally:
            version.loading = False

    async def _make_room(self, keep: Version) -> None:
        """Evict models that were not used for longest until the processes are below the limit."""
        limit = self._settings.memory_limit_bytes
        if not limit:
            return
        async with self._evicting:
            while self.memory() > limit:
                idle = [
                    (model, model.current)
                    for model in self.models.values()
                    if model.state == "ready"
                    and model.current is not None
                    and model.current is not keep
                    and model.current.queue.idle
                ]
                if not idle:
                    return
                model, version = min(idle, key=lambda pair: pair[1].queue.used)
                model.state = "evicted"
                for worker in version.workers:
                    version.queue.detach(worker.link)
                    worker.drop(version.slot)
                    if not self.shared:
                        self._workers.discard(worker)
                        worker.close()
                version.workers.clear()
                await asyncio.sleep(0.02)  # for the memory to come back

    def memory(self) -> int:
        """Bytes of all processes."""
        return sum(worker.resident() for worker in self._workers)

    # ------------------------------------------------------------ once a second

    def tick(self) -> None:
        """Look after what hangs, waits too long, or grows."""
        now = perf_counter()
        processes.reap()
        for worker in self.workers:
            if worker.link.stuck_s(now) > self._settings.timeout_s:
                limit = f"{self._settings.timeout_s:g}"
                worker.link.refuse(Timeout(f"No prediction within {limit} seconds: the model hangs."))
                worker.kill(f"no answer within {limit} seconds")
            elif self._grown(worker):
                self._replace(worker)
        for model in tuple(self.models.values()):
            if model.current is not None:
                model.current.queue.overdue(now)

    def _grown(self, worker: Worker) -> bool:
        if worker.retiring or not worker.settled:
            return False
        factor, least = _MOST_MEMORY
        return worker.resident() > (self._settings.worker_memory_bytes or max(factor * worker.settled, least))

    def _replace(self, worker: Worker) -> None:
        """Start a worker in the place of one that has grown, and let that one go when it is done."""
        worker.retiring = True
        log.warning(
            "A model's process (%d) has grown to %d MB; it is replaced", worker.process, worker.resident() // 2**20
        )
        if worker in self._pool:
            self._pool.remove(worker)
        for slot in tuple(worker.slots):
            model, version = self._of.get(slot, (None, None))
            if model is not None and version is not None and worker in version.workers:
                self._spawn(self._exchange(model, version, worker))

    async def _exchange(self, model: Model, version: Version, worker: Worker) -> None:
        await self._again(model, version, 0.0)
        version.queue.detach(worker.link)
        if worker in version.workers:
            version.workers.remove(worker)
        worker.slots.pop(version.slot, None)
        while worker.link.frames:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if not worker.slots:
            self._workers.discard(worker)
            worker.close()


def _batching(found: Found) -> str:
    """What the model's tag says of it; empty if it says nothing that is understood."""
    told = found.tags.get(BATCHING_TAG, "")
    if told and told not in ("auto", "on", "off"):
        log.warning("%s has the tag %s=%s, which is none of auto, on and off", _shown(found), BATCHING_TAG, told)
        return ""
    return told


def _cores(settings: ServeSettings) -> int:
    if settings.cpus_per_replica:
        return max(1, round(settings.cpus_per_replica))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _why(model: Model) -> str:
    told = {
        "waiting": "It waits for its turn to be downloaded.",
        "downloading": "It is being downloaded.",
        "loading": "It is being loaded and tested.",
        "restarting": "It is being restarted.",
    }.get(model.state, "")
    return model.reason or told


def _shown(found: Found) -> str:
    return f"{found.name} ({found.uri})"
