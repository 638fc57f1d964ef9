"""What places model servers, and where each one lives.

A backend starts replicas of `modelyard serve`, keeps them running, says where they answer, and stops them. It knows
nothing of traffic: who asks which of them is the gateway's business. All of it is plain blocking code, safe to call
from several threads, and every call may be repeated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from modelyard import optional
from modelyard.domain.errors import InvalidArgument, InvalidState
from modelyard.settings import ServeSettings

BACKENDS: Final = {
    "external": "modelyard.serving.backends.external",
    "local": "modelyard.serving.backends.local",
    "ray": "modelyard.serving.backends.ray",
}
"""Name → the leaf whose `open_backend` makes it."""

ENTRY_POINTS: Final = "modelyard.backends"
"""Group of entry points by which other packages bring backends; each names a function like `open_backend`."""

STARTING: Final = "starting"
READY: Final = "ready"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"
STOPPING: Final = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is to run.

    Attributes:
        name: of it, for the backend; lower-case letters, digits, `-`, `_` and `.`.
        models: as `modelyard serve` takes them; none, if somebody else serves it.
        url: where somebody else serves it; only for the backend `external`.
        settings: fields of `ServeSettings` that are not as by default.
        replicas: how many there shall be.
        cpus: cores of each replica.
        gpus: of each replica; may be a fraction.
        memory_bytes: that each replica is given room for; 0: nobody counts.
        env: further variables, such as how to sign in to the registry.
    """

    name: str
    models: tuple[str, ...] = ()
    url: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    replicas: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    memory_bytes: int = 0
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def fingerprint(self) -> str:
        """Of everything but the number of replicas: what must be equal for two specs to be the same thing."""
        import hashlib  # a keeper does without these

        import msgspec

        content = [
            self.name, self.models, self.url, sorted(self.settings.items()), self.cpus, self.gpus, self.memory_bytes,
            sorted(self.env.items()),
        ]  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:12]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a replica, beyond what its machine has."""
        told = {f"{ServeSettings.PREFIX}{name.upper()}": _text(value) for name, value in self.settings.items()}
        return {**self.env, **told}


@dataclass(frozen=True, slots=True)
class Replica:
    """One running model server, or one on its way.

    Attributes:
        name: unlike that of any other replica of its spec, and kept when it is started again.
        state: `starting`, `ready`, `failed` (it ended, and is started again), `stopping`, or `unknown`: its node does
            not answer, which need not mean that the replica does not.
        url: where it answers; empty before that is known.
        node: the machine.
        reason: why it is not ready.
    """

    name: str
    state: str
    url: str = ""
    node: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What there is of a spec; no replicas if it was never asked for."""

    name: str
    replicas: tuple[Replica, ...] = ()


class Backend(Protocol):
    """Places replicas, and keeps them running."""

    def ensure(self, spec: Spec) -> None:
        """See that there are as many replicas as the spec says, without waiting until they are ready.

        The same spec again changes nothing; with another number of replicas it starts or stops some.

        Raises:
            InvalidState: a spec of this name runs that differs in more than its replicas. Take another name.
            InvalidArgument: the spec cannot be run here.
            Unavailable: what the backend itself needs cannot be reached.
        """
        ...

    def status(self, name: str) -> Status:
        """What there is now; answers within a second or two.

        Raises:
            Unavailable: what the backend itself needs cannot be reached.
        """
        ...

    def stop(self, name: str) -> None:
        """Stop its replicas, each after it has answered what it was asked; returns before that."""
        ...

    def list(self) -> tuple[str, ...]:
        """The names of all specs that have replicas."""
        ...

    def close(self) -> None:
        """Let go: waits for what is being stopped, and stops whatever does not outlast this process."""
        ...


def find(name: str, address: str = "", *, lasting: bool = False) -> Backend:
    """Open a backend: one of ours, or another package's by entry point.

    Args:
        name: of it.
        address: of what it runs on; its own default if empty.
        lasting: whether replicas go on when this process ends, and are found again by the next one.

    Raises:
        InvalidArgument: nobody brings such a backend, or its replicas cannot outlast this process.
        MissingExtraError: its library is not installed; the message says what to install.
        Unavailable: it cannot be reached.
    """
    if name in BACKENDS:
        leaf = optional.load(BACKENDS[name], to=f"place model servers with {name}")
        found: Backend = leaf.open_backend(address, lasting=lasting)
        return found
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS, name=name):
        brought: Backend = entry.load()(address, lasting=lasting)
        return brought
    raise InvalidArgument(f"No backend {name!r}. Known are {', '.join(sorted(BACKENDS))}; others come with packages.")


def check_same(spec: Spec, running: str) -> None:
    """Refuse a spec whose name is another one's.

    Raises:
        InvalidState: the fingerprints differ.
    """
    if spec.fingerprint != running:
        raise InvalidState(
            f"{spec.name!r} runs already, with other models, settings or resources. Stop it, or take another name."
        )


def numbered(taken: set[int], count: int) -> list[int]:
    """The lowest numbers that are free."""
    found: list[int] = []
    number = 0
    while len(found) < count:
        if number not in taken:
            found.append(number)
        number += 1
    return found


def inherited(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that a replica elsewhere needs as this process has them: the client's, not the model server's."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(("MODELYARD_", "MLFLOW_")) and not name.startswith(ServeSettings.PREFIX)
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
