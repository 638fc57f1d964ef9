"""What is served, in which state: looked up, made ready, followed, exchanged, taken away.

A new version is made ready beside the old one and takes its place in one step: from then on requests wait in its queue,
and the old one's are answered by the old one before its process ends. In which processes that happens: `placement`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from modelyard.domain.errors import InvalidState, ModelyardError
from modelyard.packaging.manifest import Model as Manifest

from . import notes, processes
from .batching import Bounds, Queue
from .counts import Counts
from .placement import Placement
from .rounds import Found, Missing, Round, difference
from .tasks import Tasks
from .version import EVICTED, READY, Version, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelyard.settings import ServeSettings

    from .processes import Worker
    from .sources import Sources

log = logging.getLogger("modelyard.serving")

_SHARED_ABOVE: Final = 4
"""More models than this share processes, unless there are as many processes as models."""

_SHOWN: Final = 20
_FIRST_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 300.0
_FIRST_POLL_S: Final = 1.0
_LONGEST_POLL_S: Final = 60.0


@dataclass(slots=True)
class Model:
    """A served name.

    Attributes:
        name: in paths.
        current: what answers; None before the first version is ready.
        stage: while nothing answers: `waiting`, `downloading`, `loading`, `failed` or `missing`.
        trouble: why what its source names now could not be had the last time; empty if it could.
        preparing: what is being made ready.
        coming: that, once its files are here.
        counts: over all versions.
        golden: of the last attempt.
    """

    name: str
    current: Version | None = None
    stage: str = "waiting"
    trouble: str = ""
    preparing: Found | None = None
    coming: Version | None = None
    counts: Counts = field(default_factory=Counts)
    golden: list[notes.GoldenResult] = field(default_factory=list)
    refused: str = ""
    tries: int = 0
    retry_at: float = 0.0

    @property
    def state(self) -> str:
        """Its stage, or once it was ready: `ready`, `restarting` or `evicted`."""
        return self.current.state if self.current is not None else self.stage

    @property
    def reason(self) -> str:
        """Why it is not ready, or why what its source names now is not what answers."""
        return (self.current.reason if self.current is not None else "") or self.trouble

    @property
    def ready(self) -> bool:
        """Whether a request would be answered."""
        return self.state in (READY, EVICTED)


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
        self._tasks = Tasks()
        self._closing = False
        self._fetching = asyncio.Semaphore(8)
        many = len(first.found) + len(first.missing) > max(_SHARED_ABOVE, settings.workers)
        self._placement = Placement(settings, shared=many, again=sources.again)
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
        return {name: self._why(model) for name, model in self.models.items() if not model.ready}

    def _why(self, model: Model) -> str:
        if model.current is not None:
            return model.reason or "It is being restarted."
        told = {
            "waiting": "It waits for its turn to be downloaded.",
            "downloading": "It is being downloaded.",
            "loading": "It waits for its turn to be loaded.",
        }.get(model.stage, "")
        if model.coming is not None and model.coming.loading_since is not None:
            seconds = monotonic() - model.coming.loading_since
            limit = f"{self._settings.load_timeout_s:g}"
            told = f"It is being loaded and tested, for {seconds:.0f} s now; after {limit} s that is given up."
        if told and model.trouble:
            return f"{told} The last time: {model.trouble}"
        return told or model.trouble

    @property
    def ready(self) -> bool:
        """Whether every model that should be served would answer."""
        return bool(self.models) and not self._closing and all(model.ready for model in self.models.values())

    @property
    def workers(self) -> Iterator[Worker]:
        """The processes."""
        return self._placement.workers

    # ------------------------------------------------------------ start and stop

    def start(self) -> None:
        """Make everything ready, and follow the sources."""
        self._apply(Round())
        self._tasks.spawn(self._follow())

    async def close(self) -> None:
        """Let every process end."""
        self._closing = True
        self._sources.close()
        self._tasks.cancel()
        await self._placement.close()

    def tick(self) -> None:
        """What is due once a second."""
        self._placement.tick()
        self._retry()

    # ------------------------------------------------------------ following

    async def _follow(self) -> None:
        """Look again and again; without a wish to, until everybody has answered once."""
        pause = self._settings.poll_s or _FIRST_POLL_S
        while self._settings.poll_s or self.away:
            await asyncio.sleep(pause)
            before = self._round
            try:
                self._round = await asyncio.to_thread(self._sources.look)
            except Exception:
                log.exception("Looking for new versions failed; it goes on")
                continue
            if self._round.away != self.away:
                self.away = self._round.away
                if self.away:
                    log.warning("%s What is served stays.", self.away)
                else:
                    log.info("The registry answers again")
            # further apart while nobody answers
            pause = min(_LONGEST_POLL_S, pause * 2) if self.away else self._settings.poll_s
            self._apply(before)

    def _apply(self, before: Round) -> None:
        """Do what makes the difference between the rounds."""
        now = self._round
        self.away = now.away
        changes = difference(before, now)
        for missing in now.missing.values():
            self._miss(missing)
        for name in changes.returned:
            if name in self.models:
                self.models[name].trouble = ""
        for found in (*changes.added, *(to for _, to in changes.changed)):
            self._prepare(found)
        gone = [each.name for each in changes.removed]
        gone += [name for name in self.models if name not in now.found and name not in now.missing]
        for name in gone:
            if name not in now.found and name not in now.missing:
                self._remove(name)

    def _miss(self, missing: Missing) -> None:
        model = self._model(missing.name)
        model.trouble = missing.reason
        if model.preparing is None:
            model.stage = "missing"

    def _model(self, name: str) -> Model:
        if name not in self.models:
            self.models[name] = Model(name)
            self.generation += 1
        return self.models[name]

    def _remove(self, name: str) -> None:
        model = self.models.pop(name, None)
        self.generation += 1
        if model is not None:
            log.info("%s is no longer served", name)
            model.preparing = None
            self._retire(model.coming)
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
        self._retire(model.coming)  # this one is newer
        model.coming = None
        if model.refused != found.identity:
            model.trouble, model.refused, model.tries = "", "", 0
        if model.current is not None and model.current.found.identity == found.identity:  # its source names it again
            model.preparing = None
            return
        model.preparing, model.stage = found, "waiting"
        self._tasks.spawn(self._ready(model, found))

    async def _ready(self, model: Model, found: Found) -> None:
        """Make a version ready and let it answer, or say why not."""
        began = perf_counter()
        version = None
        try:
            async with self._fetching:
                if model.preparing is found:
                    model.stage = "downloading"
                path = await asyncio.to_thread(self._sources.fetch, found)
                manifest = await asyncio.to_thread(Manifest.read, path)
            if model.preparing is not found:  # something newer came meanwhile
                self._release(found)
                return
            model.stage = "loading"
            version = model.coming = self._version(model, found, path, manifest)
            await self._placement.load(version)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
            self._retire(version)
            self._failed(model, found, error)
            return
        if version.retired:
            return
        self._switch(model, version)
        plan = version.told.reason if version.told else ""
        log.info("%s is ready after %.2f s: %s", shown(found), perf_counter() - began, plan)
        with suppress(OSError):
            await asyncio.to_thread(self._sources.served, found)

    def _failed(self, model: Model, found: Found, error: Exception) -> None:
        if model.preparing is not found:
            return
        if not isinstance(error, ModelyardError):
            log.error("Making %s ready failed", shown(found), exc_info=error)
            error = InvalidState(f"Making it ready failed: {type(error).__name__}: {error}")
        model.preparing = model.coming = None
        model.refused = found.identity
        model.tries += 1
        model.retry_at = monotonic() + min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** (model.tries - 1))
        model.stage, model.trouble = "failed", error.message
        if isinstance(error, processes.LoadingFailed):
            model.golden = error.note.golden
        if model.current is None:
            log.error("%s is not served: %s", shown(found), error.message)
        else:
            log.error("%s is not served, %s stays: %s", shown(found), shown(model.current.found), error.message)

    def _version(self, model: Model, found: Found, path: Path, manifest: Manifest) -> Version:
        settings = self._settings
        bounds = Bounds(settings.queue, settings.queue_bytes, settings.timeout_s, settings.timeout_s)
        name = quote(model.name, safe=" ")
        headers = f"modelyard-model: {name}\r\n"
        if found.version:
            headers += f"modelyard-version: {quote(found.version, safe='')}\r\n"
        return Version(found, path, manifest, Queue(bounds, model.counts, headers.encode()))

    def _switch(self, model: Model, version: Version) -> None:
        old, model.current = model.current, version
        model.preparing = model.coming = None
        model.trouble, model.refused, model.tries = "", "", 0
        model.golden = version.told.golden if version.told else []
        self.generation += 1
        self._retire(old)

    # ------------------------------------------------------------ what goes

    def _retire(self, version: Version | None) -> None:
        """Let what waits be answered, then let go."""
        if version is not None and not version.retired:
            version.retired = True
            self._tasks.spawn(self._wind_down(version))

    async def _wind_down(self, version: Version) -> None:
        def heir() -> Queue | None:
            model = self.models.get(version.found.name)
            return model.current.queue if model is not None and model.current not in (None, version) else None

        await self._placement.let_go(version, heir)
        self._release(version.found)

    def _release(self, found: Found) -> None:
        """A fetched model's files are not needed any more, unless it has come back."""
        model = self.models.get(found.name)
        wanted = (model.current.found if model.current else None, model.preparing) if model else ()
        if not any(each and each.identity == found.identity for each in wanted):
            self._sources.release(found)
