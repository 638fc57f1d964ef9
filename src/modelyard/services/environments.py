"""What one can do with environments: the ordered list, and each model's pointers. The rule: docs/decisions/0005."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import environments as db
from modelyard.db import models, versions
from modelyard.domain import environments as rule
from modelyard.domain.environments import Environment
from modelyard.domain.errors import AlreadyExists, InvalidArgument, InvalidState, NotFound
from modelyard.domain.history import Change
from modelyard.domain.versions import Stage

from .history import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.environments import Moves, Placement
    from modelyard.domain.models import Alias
    from modelyard.domain.principals import Principal

MOST = 100


def listing(tx: Transaction) -> tuple[Environment, ...]:
    """All environments, the most advanced last."""
    return db.listing(tx)


def find(tx: Transaction, name: str) -> Environment | None:
    """The environment of this name, in any case; None if there is none."""
    wanted = name.lower()
    return next((env for env in db.listing(tx) if env.name == wanted), None)


def get(tx: Transaction, name: str) -> Environment:
    """The environment of this name, in any case.

    Raises:
        NotFound: there is none.
    """
    found = find(tx, name)
    if found is None:
        known = ", ".join(env.name for env in db.listing(tx))
        raise NotFound(f"Environment {name!r} not found. There are: {known}.")
    return found


def create(
    tx: Transaction, principal: Principal, name: str, *, after: str | None = None, reason: str | None = None
) -> Environment:
    """Add an environment; models' aliases of this name become its pointers.

    Args:
        tx: the transaction.
        principal: who does it.
        name: a lower-case letter, then lower-case letters, digits, `_` and `-`.
        after: the environment that it follows; None: it comes first.
        reason: why.

    Raises:
        AlreadyExists: there is one of this name.
        NotFound: there is no environment `after`.
        InvalidArgument: the name is not allowed, or there are 100 already.
    """
    rule.check_name(name)
    recorder = Recorder(tx, principal, reason)
    names = [env.name for env in db.listing(tx)]
    if len(names) >= MOST:
        raise InvalidArgument(f"There are {MOST} environments already, which is the most.")
    place = names.index(get(tx, after).name) + 1 if after else 0
    if not db.create(tx, name):
        raise AlreadyExists(f"Environment {name!r} already exists.")
    names.insert(place, name)
    db.order(tx, names)
    recorder.note(Change.ENVIRONMENT_CREATED, 0, "", subject=name, new=place + 1)
    return get(tx, name)


def remove(tx: Transaction, principal: Principal, name: str, *, reason: str | None = None) -> None:
    """Remove an environment; its pointers live on as ordinary aliases.

    Raises:
        NotFound: there is none.
        InvalidState: MLflow's stages need it.
    """
    recorder = Recorder(tx, principal, reason)
    env = get(tx, name)
    if env.stage:
        raise InvalidState(f"Environment {env.name!r} stands for the stage {env.stage.value} and cannot be removed.")
    db.remove(tx, env.name)
    db.order(tx, [other.name for other in db.listing(tx)])
    recorder.note(Change.ENVIRONMENT_REMOVED, 0, "", subject=env.name)


def replace(
    tx: Transaction, principal: Principal, names: Sequence[str], *, reason: str | None = None
) -> tuple[Environment, ...]:
    """Make these the environments, in this order: the others are removed, new ones added.

    Raises:
        InvalidState: one would be removed that MLflow's stages need.
        InvalidArgument: a name is not allowed or stands twice, there are more than 100, or those with a stage would
            change places, which would change the stages of versions.
    """
    if len(set(names)) != len(names):
        raise InvalidArgument("An environment stands twice in the list.")
    if len(names) > MOST:
        raise InvalidArgument(f"The list has {len(names)} environments; at most {MOST} are allowed.")
    recorder = Recorder(tx, principal, reason)
    before = db.listing(tx)
    for env in before:
        if env.name not in names:
            remove(tx, principal, env.name, reason=reason)
    kept = [env.name for env in before if env.name in names]
    staged = [env.name for env in before if env.stage]
    if [name for name in names if name in staged] != staged:
        raise InvalidArgument(f"{' and '.join(staged)} must stay in this order: MLflow's stages stand for them.")
    previous: str | None = None
    for name in names:
        if name not in kept:
            create(tx, principal, name, after=previous, reason=reason)
        previous = name
    db.order(tx, names)
    for old, new in zip(kept, (name for name in names if name in kept), strict=True):
        if old != new:
            place = names.index(new) + 1
            was = next(env.position for env in before if env.name == new)
            recorder.note(Change.ENVIRONMENT_PLACED, 0, "", subject=new, old=was, new=place)
    return db.listing(tx)


def pointers(tx: Transaction, model: str) -> list[Alias]:
    """What a model's environments point to, in the environments' order.

    Raises:
        NotFound: there is no such model.
    """
    found = models.bare(tx, model)
    if found is None:
        raise NotFound(f"Registered Model with name={model} not found")
    order = {env.name: env.position for env in db.listing(tx)}
    return sorted(db.pointers(tx, found.id), key=lambda alias: order[alias.environment or ""])


def move(
    tx: Transaction,
    principal: Principal,
    model: str,
    environment: str,
    version: int,
    *,
    reason: str | None = None,
    spelling: str | None = None,
) -> None:
    """Point a model's environment to a version. With a stage behind it, other versions leave that stage.

    Args:
        tx: the transaction.
        principal: who does it.
        model: name of the model.
        environment: name of the environment.
        version: number of the version.
        reason: why.
        spelling: the alias under which MLflow's clients see the pointer; None: as before, or the environment's name.

    Raises:
        NotFound: there is no such environment or version.
    """
    recorder = Recorder(tx, principal, reason)
    env = get(tx, environment)
    found = versions.bare(tx, model, version)
    if found is None:
        raise NotFound(f"Model Version (name={model}, version={version}) not found")
    before = db.placement(tx, found.model_id)
    before.stages[version] = Stage(found.stage)
    moves = rule.point(before, env, version)
    if spelling is not None:
        moves.pointers[env.name] = version
    write(tx, recorder, found.model_id, model, before, moves, spelling=spelling)


def clear(tx: Transaction, principal: Principal, model: str, environment: str, *, reason: str | None = None) -> None:
    """Point a model's environment to nothing; with a stage behind it, its versions are archived.

    Raises:
        NotFound: there is no such environment or model.
    """
    recorder = Recorder(tx, principal, reason)
    env = get(tx, environment)
    found = models.bare(tx, model)
    if found is None:
        raise NotFound(f"Registered Model with name={model} not found")
    before = db.placement(tx, found.id)
    write(tx, recorder, found.id, model, before, rule.clear(before, env))


def write(
    tx: Transaction,
    recorder: Recorder,
    model_id: int,
    model: str,
    before: Placement,
    moves: Moves,
    *,
    spelling: str | None = None,
) -> None:
    """Write and record what a move changed; nothing if it changed nothing."""
    if not moves.stages and not moves.pointers:
        return
    db.apply(tx, model_id, moves, recorder.now, spelling)
    for version, stage in moves.stages.items():
        old = before.stages.get(version)
        if stage is not old:
            recorder.note(Change.VERSION_STAGED, model_id, model, version, old=old, new=stage)
    for name in _in_order(before.environments, moves):
        target = moves.pointers[name]
        old_target = before.pointers.get(name)
        if target != old_target:
            recorder.note(Change.ENVIRONMENT_MOVED, model_id, model, target, subject=name, old=old_target, new=target)
    models.touch(tx, model_id, recorder.now)


def _in_order(environments: Sequence[Environment], moves: Moves) -> list[str]:
    return [env.name for env in environments if env.name in moves.pointers]
