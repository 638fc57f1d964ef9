"""One version of a model, and how its processes are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from modelyard.packaging.manifest import Model as Manifest

    from . import notes
    from .batching import Queue
    from .processes import Worker
    from .rounds import Found

LOADING: Final = "loading"
READY: Final = "ready"
RESTARTING: Final = "restarting"
EVICTED: Final = "evicted"

_slots: Final = itertools.count(1)


class Version:
    """One version of a model, in the processes that have it.

    Args:
        found: what it is.
        path: its directory.
        manifest: of it.
        queue: what waits for it.

    Attributes:
        slot: its number in every process.
        state: `loading`, `ready`, `restarting` or `evicted`.
        reason: why it is not ready, or not in all processes that it should have.
        loading_since: when a process began to load it, on the monotonic clock; None while it waits for its turn.
        told: what the first process said when it was ready.
        wanted: how many processes should have it; none while it is evicted.
        workers: those that have it.
        task: what is about to bring it into processes.
        retired: whether it is not to be served any more.
    """

    def __init__(self, found: Found, path: Path, manifest: Manifest, queue: Queue) -> None:
        self.found = found
        self.path = path
        self.manifest = manifest
        self.queue = queue
        self.slot = next(_slots)
        self.state = LOADING
        self.reason = ""
        self.loading_since: float | None = None
        self.told: notes.Loaded | None = None
        self.wanted = 0
        self.workers: list[Worker] = []
        self.task: asyncio.Task[None] | None = None
        self.retired = False

    @property
    def lacking(self) -> int:
        """How many processes it should have and has not; one that is being replaced does not count."""
        return 0 if self.retired else max(0, self.wanted - sum(not each.retiring for each in self.workers))

    @property
    def leaving(self) -> list[Worker]:
        """The processes that it leaves as soon as it has others."""
        return [each for each in self.workers if each.retiring]


def shown(found: Found) -> str:
    """For people."""
    return f"{found.name} ({found.uri})"
