"""SQL for environments and where a model's versions are in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.environments import Environment, Placement
from modelyard.domain.models import Alias
from modelyard.domain.versions import Stage

from .statement import Statement
from .tables import environment, model_alias, model_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelyard.domain.environments import Moves

    from .transaction import Transaction

_LIST = Statement(
    select(environment.c.name, environment.c.position, environment.c.stage).order_by(environment.c.position)
)
_INSERT = Statement(
    insert(environment)
    .values(name=bindparam("name"), position=bindparam("position"), stage=None)
    .on_conflict_do_nothing()
)
_PLACE = Statement(
    update(environment).where(environment.c.name == bindparam("of")).values(position=bindparam("position"))
)
_DELETE = Statement(delete(environment).where(environment.c.name == bindparam("of")))
_NAMESAKES = Statement(
    select(model_alias.c.model_id, model_alias.c.alias)
    .join(
        model_version,
        and_(model_version.c.model_id == model_alias.c.model_id, model_version.c.version == model_alias.c.version),
    )
    .where(func.lower(model_alias.c.alias) == bindparam("of"), model_alias.c.environment.is_(None))
    .order_by(model_alias.c.moved_ms)
)
_ADOPT = Statement(
    update(model_alias)
    .where(model_alias.c.model_id == bindparam("of_model"), model_alias.c.alias == bindparam("of"))
    .values(environment=bindparam("environment"))
)
_RELEASE = Statement(update(model_alias).where(model_alias.c.environment == bindparam("of")).values(environment=None))
_STAGED = Statement(
    select(model_version.c.version, model_version.c.stage).where(
        model_version.c.model_id == bindparam("model"),
        model_version.c.stage.in_([Stage.STAGING.value, Stage.PRODUCTION.value]),
    )
)
_POINTERS = Statement(
    select(model_alias.c.alias, model_alias.c.version, model_alias.c.environment, model_alias.c.moved_ms).where(
        model_alias.c.model_id == bindparam("model"), model_alias.c.environment.is_not(None)
    )
)
_STAGE = Statement(
    update(model_version)
    .where(model_version.c.model_id == bindparam("of_model"), model_version.c.version == bindparam("of"))
    .values(stage=bindparam("to"), updated_ms=bindparam("now"))
)
_CLEAR = Statement(
    delete(model_alias).where(
        model_alias.c.model_id == bindparam("model"), model_alias.c.environment == bindparam("environment")
    )
)
_point = insert(model_alias).values(
    model_id=bindparam("model"),
    alias=bindparam("alias"),
    version=bindparam("version"),
    environment=bindparam("environment"),
    moved_ms=bindparam("now"),
)
_POINT = Statement(
    _point.on_conflict_do_update(
        index_elements=["model_id", "alias"],
        set_={name: _point.excluded[name] for name in ("version", "environment", "moved_ms")},
    )
)


def listing(tx: Transaction) -> tuple[Environment, ...]:
    """All environments, in order."""
    return tuple(
        Environment(name, position, Stage(stage) if stage else None) for name, position, stage in tx.rows(_LIST)
    )


def create(tx: Transaction, name: str) -> bool:
    """Insert an environment, to be placed by `order`; False if there is one of this name.

    Aliases of this name become its pointers: of several spellings the exact one, else the one moved last.
    """
    if not tx.run(_INSERT, name=name, position=0):
        return False
    adopted: dict[int, str] = {}
    for model_id, alias in tx.rows(_NAMESAKES, of=name):
        if adopted.get(model_id) != name:
            adopted[model_id] = alias
    for model_id, alias in adopted.items():
        tx.run(_ADOPT, of_model=model_id, of=alias, environment=name)
    return True


def order(tx: Transaction, names: Iterable[str]) -> None:
    """Put the environments in this order."""
    tx.many(_PLACE, [{"of": name, "position": position} for position, name in enumerate(names, 1)])


def remove(tx: Transaction, name: str) -> None:
    """Delete an environment; its pointers become ordinary aliases."""
    tx.run(_RELEASE, of=name)
    tx.run(_DELETE, of=name)


def pointers(tx: Transaction, model_id: int) -> list[Alias]:
    """What a model's environments point to."""
    return [Alias(*row) for row in tx.rows(_POINTERS, model=model_id)]


def placement(tx: Transaction, model_id: int, environments: tuple[Environment, ...] | None = None) -> Placement:
    """Where a model's versions are."""
    return Placement(
        environments=listing(tx) if environments is None else environments,
        stages={version: Stage(stage) for version, stage in tx.rows(_STAGED, model=model_id)},
        pointers={alias.environment: alias.version for alias in pointers(tx, model_id) if alias.environment},
    )


def apply(tx: Transaction, model_id: int, moves: Moves, now: int, spelling: str | None = None) -> None:
    """Write what a move changed.

    Args:
        tx: the transaction.
        model_id: whose versions move.
        moves: from `modelyard.domain.environments`.
        now: ms since the epoch.
        spelling: the alias under which a pointer is listed from now on; None: as before, or the environment's name.
    """
    for version, stage in moves.stages.items():
        tx.run(_STAGE, of_model=model_id, of=version, to=stage.value, now=now)
    if not moves.pointers:
        return
    spelt = {alias.environment: alias.name for alias in pointers(tx, model_id)}
    for name, target in moves.pointers.items():
        tx.run(_CLEAR, model=model_id, environment=name)
        if target is not None:
            alias = spelling if spelling is not None and spelling.lower() == name else spelt.get(name, name)
            tx.run(_POINT, model=model_id, alias=alias, version=target, environment=name, now=now)
