"""Environments and what they point to, as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from .message import Answer, Millis, Request
from .versions import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelyard.domain import environments as domain
    from modelyard.domain.models import Alias

EnvironmentName = Annotated[
    str,
    Meta(min_length=1, max_length=255, description="A lower-case letter, then lower-case letters, digits, `_`, `-`."),
]


class NewEnvironment(Request):
    """An environment to add."""

    name: EnvironmentName
    after: Annotated[
        EnvironmentName | None, Meta(description="The environment that it follows; null: it is first.")
    ] = None
    reason: Reason = ""


class NewEnvironmentList(Request):
    """All environments, in order. Those that are not named are removed, those that are new are added."""

    environments: Annotated[list[EnvironmentName], Meta(max_length=100)]
    reason: Reason = ""


class At(Request):
    """A moment."""

    time_ms: Millis


class Environment(Answer):
    """A place where versions serve."""

    name: str
    position: Annotated[int, Meta(description="Greater is more advanced.")]
    stage: Annotated[
        str | None, Meta(description="What MLflow's clients call it; null: they do not see it as a stage.")
    ]


class EnvironmentList(Answer):
    """All environments, the most advanced last."""

    environments: list[Environment]


class Pointer(Answer):
    """What an environment points to, for one model."""

    environment: str
    version: Annotated[int | None, Meta(description="Null: it points to nothing.")]
    moved_ms: Annotated[int | None, Meta(description="Since when.")]


class PointerList(Answer):
    """What all environments point to, for one model; the most advanced last."""

    environments: list[Pointer]


class PointedAt(Answer):
    """What an environment pointed to at a moment."""

    model: str
    environment: str
    time_ms: int
    version: Annotated[int | None, Meta(description="Null: it pointed to nothing.")]


def environment(of: domain.Environment) -> Environment:
    """The message that describes an environment."""
    return Environment(name=of.name, position=of.position, stage=str(of.stage) if of.stage else None)


def environments(of: Iterable[domain.Environment]) -> EnvironmentList:
    """The message that lists environments."""
    return EnvironmentList(environments=[environment(each) for each in of])


def pointers(of: Iterable[Alias], among: Iterable[domain.Environment]) -> PointerList:
    """The message that says what each environment points to."""
    found = {alias.environment: alias for alias in of}
    return PointerList(environments=[_pointer(each.name, found.get(each.name)) for each in among])


def _pointer(name: str, alias: Alias | None) -> Pointer:
    if alias is None:
        return Pointer(environment=name, version=None, moved_ms=None)
    return Pointer(environment=name, version=alias.version, moved_ms=alias.moved_ms)
