"""Environments: an ordered list of places where versions serve, with a pointer per model.

Stages and aliases are views on the pointers. The rule, and why: docs/decisions/0005. `Placement` holds one model's
state; the functions say what a move changes and keep two things true:

* a version to which environments with a stage point has the stage of the most advanced of them;
* where a version has an environment's stage, that environment points to one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .errors import InvalidArgument
from .versions import Stage, find_stage


@dataclass(frozen=True, slots=True)
class Environment:
    """A place where versions serve.

    Attributes:
        name: lower case.
        position: where in the list; greater is more advanced.
        stage: the stage that its version has for clients who know only stages; None: it has no part in stages.
    """

    name: str
    position: int
    stage: Stage | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model's versions are.

    Attributes:
        environments: all, in order.
        stages: stage by version, of the versions in an environment's stage (others may be left out).
        pointers: version by environment.
    """

    environments: tuple[Environment, ...]
    stages: dict[int, Stage]
    pointers: dict[str, int]


@dataclass(slots=True)
class Moves:
    """What a move changes.

    Attributes:
        stages: version → its new stage.
        pointers: environment → the version that it points to now; None: to nothing.
    """

    stages: dict[int, Stage] = field(default_factory=dict)
    pointers: dict[str, int | None] = field(default_factory=dict)


_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_RESERVED = re.compile(r"latest|v\d+")


def check_name(name: str) -> None:
    """Refuse a name that could not stand as an alias, or that a stage, `latest` or `v1` stands for.

    Raises:
        InvalidArgument: so it is.
    """
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name) or find_stage(name) is not None or len(name) > 255:
        raise InvalidArgument(
            f"Invalid environment name {name!r}: expected a lower-case letter, then lower-case letters, digits, _ or "
            "-; not a stage's name, `latest`, or `v` and digits."
        )


def transition(placement: Placement, version: int, stage: Stage, *, archive: bool = False) -> Moves:
    """An old client moves a version to a stage.

    It leaves every other environment that has a stage; an environment that loses its version so points to the newest
    one left in its stage, if any.

    Args:
        placement: the model's state.
        version: the version that moves.
        stage: where to.
        archive: the stage's other versions leave it.
    """
    stages, pointers = dict(placement.stages), dict(placement.pointers)
    for env in placement.environments:
        if env.stage and env.stage is not stage and pointers.get(env.name) == version:
            del pointers[env.name]
    stages[version] = stage
    for env in placement.environments:
        if env.stage is stage:
            pointers[env.name] = version
            if archive:
                _empty(placement, stages, pointers, stage, but=version)
    _refill(placement, stages, pointers)
    return _moves(placement, stages, pointers)


def point(placement: Placement, environment: Environment, version: int) -> Moves:
    """An environment is pointed to a version; other versions leave its stage."""
    stages, pointers = dict(placement.stages), dict(placement.pointers)
    pointers[environment.name] = version
    if environment.stage:
        _empty(placement, stages, pointers, environment.stage, but=version)
        stages[version] = _stage_of(placement, pointers, version)
    return _moves(placement, stages, pointers)


def clear(placement: Placement, environment: Environment) -> Moves:
    """An environment points to nothing any more; its stage is emptied."""
    stages, pointers = dict(placement.stages), dict(placement.pointers)
    pointers.pop(environment.name, None)
    if environment.stage:
        _empty(placement, stages, pointers, environment.stage)
    return _moves(placement, stages, pointers)


def remove(placement: Placement, version: int) -> Moves:
    """A version is deleted; environments that pointed to it point to the newest left in their stage, if any."""
    stages = {other: stage for other, stage in placement.stages.items() if other != version}
    pointers = {name: other for name, other in placement.pointers.items() if other != version}
    _refill(placement, stages, pointers)
    moves = _moves(placement, stages, pointers)
    moves.stages.pop(version, None)
    return moves


def _empty(
    placement: Placement, stages: dict[int, Stage], pointers: dict[str, int], stage: Stage, but: int | None = None
) -> None:
    for version, its_stage in list(stages.items()):
        if its_stage is stage and version != but:
            stages[version] = _stage_of(placement, pointers, version)


def _stage_of(placement: Placement, pointers: dict[str, int], version: int) -> Stage:
    """The stage of the most advanced environment that points to a version; Archived if none does."""
    for env in reversed(placement.environments):
        if env.stage and pointers.get(env.name) == version:
            return env.stage
    return Stage.ARCHIVED


def _refill(placement: Placement, stages: dict[int, Stage], pointers: dict[str, int]) -> None:
    for env in placement.environments:
        if env.stage and env.name not in pointers:
            left = [version for version, stage in stages.items() if stage is env.stage]
            if left:
                pointers[env.name] = max(left)


def _moves(placement: Placement, stages: dict[int, Stage], pointers: dict[str, int]) -> Moves:
    moves = Moves()
    for version, stage in stages.items():
        if placement.stages.get(version) is not stage:
            moves.stages[version] = stage
    for name in {*placement.pointers, *pointers}:
        if placement.pointers.get(name) != pointers.get(name):
            moves.pointers[name] = pointers.get(name)
    return moves
