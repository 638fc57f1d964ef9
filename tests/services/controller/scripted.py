"""A backend that says what it is told to say."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelyard.serving.backends.base import Replica, Spec, Status


@dataclass
class Scripted:
    """See `backends.base.Backend`."""

    said: dict[str, tuple[Replica, ...]] = field(default_factory=dict)
    ensured: list[Spec] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    refusal: Exception | None = None

    def ensure(self, spec: Spec) -> None:
        self.ensured.append(spec)
        if self.refusal is not None:
            raise self.refusal

    def status(self, name: str) -> Status:
        return Status(name, self.said.get(name, ()))

    def stop(self, name: str) -> None:
        self.stopped.append(name)
        self.said.pop(name, None)

    def list(self) -> tuple[str, ...]:
        return tuple(self.said)

    def close(self) -> None:
        pass


backend = Scripted()


def open_backend(address: str = "", *, lasting: bool = False) -> Scripted:
    assert lasting
    return backend
