"""Records predictions on disk, from where another process delivers them; see `journal.py` and `deliverer.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from modelyard.domain.predictions import Feedback


class Entry(NamedTuple):
    """One answered request, as the gateway knows it.

    Attributes:
        id: see `domain.predictions.Ids`.
        deployment: the name that was asked.
        at_ms: when, ms since the epoch.
        revision: that answered; 0: an endpoint.
        endpoint: name of somebody else's endpoint; empty: a revision.
        model, version: that answered.
        role: `stable`, `canary`, `shadow` or `endpoint`.
        segment: of the request; empty: none.
        latency_us: until the answer, microseconds.
        status: of HTTP.
        protocol: see `serving.calls`.
        request, response: bodies; None: not kept.
        hashed: keep the request's hash instead of the request, which then never reaches the disk.
        label, score, positive: read from the answer.
        key: the caller's own.
        parent: of a shadow's: the prediction that the caller was answered.
    """

    id: bytes
    deployment: str
    at_ms: int
    revision: int
    endpoint: str
    model: str
    version: str
    role: str
    segment: str
    latency_us: int
    status: int
    protocol: int = 0
    request: bytes | None = None
    response: bytes | None = None
    hashed: bool = False
    label: str | None = None
    score: float | None = None
    positive: bool | None = None
    key: str | None = None
    parent: bytes | None = None


class Recorder:
    """Takes what was answered, on the event loop, and sees to it that it arrives.

    Args:
        folder: where journals are; several gateways may share it.
        server: URL of the server.
        gateway: this gateway's name.
        limit_bytes: the most that waits on disk; what comes then is dropped and counted.

    Attributes:
        pending: records that are not delivered yet.
        dropped: records that found no room.
    """

    def __init__(self, folder: Path, server: str, gateway: str, *, limit_bytes: int = 2 * 2**30) -> None:
        self.folder = folder
        self.server = server
        self.gateway = gateway
        self.limit_bytes = limit_bytes
        self.pending = 0
        self.dropped = 0

    def start(self) -> None:
        """Start delivering."""

    def record(self, entry: Entry) -> None:  # noqa: ARG002
        """Write down one answered request. Never raises, never waits."""
        self.pending += 1

    def feedback(self, document: Feedback) -> None:  # noqa: ARG002
        """Write down what was learnt later. Never raises, never waits."""
        self.pending += 1

    def close(self) -> None:
        """Deliver what can be delivered at once, and leave the rest to the next gateway."""
