"""What holds for a deployment's segments, at hand in this process: read once, and again when it changes."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Final, Protocol

from modelyard.domain.errors import ModelyardError, NotFound
from modelyard.domain.specs import read

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from modelyard.domain.deployments import Segment, Spec
    from modelyard.wire.deployments import Deployment, DeploymentEventList, DeploymentRevision

log = logging.getLogger("modelyard")

WAIT_S: Final = 20.0
_LONGEST_PAUSE_S: Final = 30.0


class Source(Protocol):
    """What is asked: a `Client`."""

    def get_deployment(self, name: str) -> Deployment:
        """How a deployment stands."""
        ...

    def list_deployment_revisions(self, name: str) -> list[DeploymentRevision]:
        """Its revisions."""
        ...

    def get_deployment_events(
        self, name: str, after: int | None = None, wait_s: float = 0.0, max_results: int = 100
    ) -> DeploymentEventList:
        """What happened to it."""
        ...


class FollowedDeployment:
    """The settings of the revision that answers, kept up to date by a thread that waits at the server.

    Reading them costs nothing, and goes on with the last ones when the server is away. A change is here within a
    second. As a context manager it ends with the block, else with `close` or the process.

    Args:
        client: of the server.
        name: of the deployment.

    Raises:
        NotFound: there is no such deployment.
    """

    def __init__(self, client: Source, name: str) -> None:
        self.name = name
        self._client = client
        self._after = client.get_deployment_events(name, max_results=1).next_after
        self._revision: int | None = None
        self._spec = self._read()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"modelyard-follow-{name}", daemon=True)
        self._thread.start()

    @property
    def revision(self) -> int | None:
        """The number of the revision that answers; None while there is none."""
        return self._revision

    @property
    def spec(self) -> Spec:
        """All settings: of the revision that answers or, while there is none, those that are wanted."""
        return self._spec

    def segment(self, name: str = "") -> Segment:
        """What holds for a segment, with everything it inherits; of an unknown one, what holds for all."""
        return self._spec.settings(name)

    def close(self) -> None:
        """Follow no longer; the last settings stay."""
        self._stop.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> Spec:
        found = self._client.get_deployment(self.name)
        if found.stable is None:
            return read(found.spec, rehearsal=True)
        if found.stable.number != self._revision:
            revisions = self._client.list_deployment_revisions(self.name)
            self._spec = next(
                read(each.spec, rehearsal=True) for each in revisions if each.number == found.stable.number
            )
            self._revision = found.stable.number
        return self._spec

    def _follow(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            try:
                told = self._client.get_deployment_events(self.name, self._after, WAIT_S)
                if told.events:
                    with contextlib.suppress(NotFound):  # it is deleted: what was said last holds
                        self._spec = self._read()
                self._after, pause = told.next_after, 1.0
            except (ModelyardError, StopIteration) as error:
                log.debug("The deployment %s cannot be followed for now: %s", self.name, error)
                self._stop.wait(pause)
                pause = min(_LONGEST_PAUSE_S, 2 * pause)
