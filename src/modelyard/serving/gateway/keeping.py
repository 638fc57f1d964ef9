"""The replicas' number follows the requests in flight, and the gateway follows the replicas."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final

from modelyard.domain.errors import ModelyardError
from modelyard.serving.backends.base import STOPPING
from modelyard.serving.scaling import Sample, decide, history_s

from .replicas import Replicas

if TYPE_CHECKING:
    from modelyard.serving.backends import base
    from modelyard.serving.scaling import Policy
    from modelyard.settings import ServeSettings

log = logging.getLogger("modelyard.serving")

_SOON_S: Final = 0.2
_BETWEEN_S: Final = 1.0
_ENSURE_S: Final = 10.0
"""Even if nothing changed: somebody may have stopped a replica behind our back."""
_SAMPLES_PER_S: Final = 10
_MOST_SAMPLES: Final = 1200


class Keeper:
    """Asks the backend for replicas.

    Args:
        settings: of the server.
        backend: it.
        spec: of the replicas; their number is decided here.
        policy: how that is decided.

    Attributes:
        replicas: where requests go.
        wanted: how many there shall be.
        told: what the backend said last.
        trouble: why it could not be asked; empty if it could.
    """

    def __init__(self, settings: ServeSettings, backend: base.Backend, spec: base.Spec, policy: Policy) -> None:
        self._changed = asyncio.Event()
        self.replicas = Replicas(settings.queue, settings.timeout_s, settings.start_timeout_s, self._changed.set)
        self.policy = policy
        self.wanted = spec.replicas
        self.told: tuple[base.Replica, ...] = ()
        self.trouble = ""
        self._backend = backend
        self._spec = spec
        self._samples: deque[Sample] = deque()
        self._task: asyncio.Task[None] | None = None
        # the loop's ticks are finer than a long history needs
        self._every_s = max(1 / _SAMPLES_PER_S, history_s(policy) / _MOST_SAMPLES)
        self._ensured: tuple[int, float] | None = None

    @property
    def asleep(self) -> bool:
        """Whether there is no replica because nobody asks for one."""
        return self.wanted == 0 and not self.trouble

    def start(self) -> None:
        """Begin; on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Stop the replicas."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.replicas.close()
        try:
            await asyncio.to_thread(self._backend.stop, self._spec.name)
            await asyncio.to_thread(self._backend.close)
        except ModelyardError as error:
            log.warning("The replicas may go on: %s", error.message)

    def measure(self) -> None:
        """Take a sample, and decide; ten times a second."""
        if self.policy.fixed:
            return
        now = monotonic()
        if self._samples and now - self._samples[-1].at < self._every_s * 0.9:
            return
        self._samples.append(Sample(now, self.replicas.in_flight))
        while self._samples[0].at < now - history_s(self.policy):
            self._samples.popleft()
        wanted = decide(self._samples, self.policy, now, self.wanted)
        if wanted != self.wanted:
            log.info("%d replicas instead of %d: %d requests in flight", wanted, self.wanted, self.replicas.in_flight)
            self.wanted = wanted
            self._changed.set()

    async def _keep(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._once()
            except ModelyardError as error:
                if error.message != self.trouble:
                    log.warning("The replicas cannot be looked after: %s", error.message)
                self.trouble = self.replicas.reason = error.message
            except Exception as error:
                log.exception("Looking after the replicas failed; it goes on")
                self.trouble = self.replicas.reason = f"{type(error).__name__}: {error}"
            settled = self.trouble or self.replicas.ready == self.wanted
            with suppress(TimeoutError):
                async with asyncio.timeout(_BETWEEN_S if settled else _SOON_S):
                    await self._changed.wait()

    async def _once(self) -> None:
        wanted, now = self.wanted, monotonic()
        if self._ensured is None or self._ensured[0] != wanted or now - self._ensured[1] > _ENSURE_S:
            await asyncio.to_thread(self._backend.ensure, replace(self._spec, replicas=wanted))
            self._ensured = (wanted, now)
        status = await asyncio.to_thread(self._backend.status, self._spec.name)
        self.told = tuple(each for each in status.replicas if each.state != STOPPING)
        self.trouble = ""
        self.replicas.update(status.replicas)
