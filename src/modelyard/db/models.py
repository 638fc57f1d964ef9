"""SQL for registered models and their aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.models import Alias, RegisteredModel
from modelyard.domain.versions import ModelVersion

from . import environments, versions
from .filters import Pairs, Source
from .statement import Statement
from .tables import (
    model_alias,
    model_version,
    model_version_tag,
    registered_model,
    registered_model_tag,
)
from .versions import read_tags, write_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelyard.domain.search import Node, OrderKey, Scalar

    from .transaction import Row, Transaction

_m = registered_model.c
COLUMNS = (_m.id, _m.name, _m.description, _m.created_ms, _m.updated_ms, _m.created_by, _m.tags)
_model: Any = bindparam("of")
_select = select(*COLUMNS)

_GET = Statement(_select.where(_m.name == bindparam("name")))
_BY_ID = Statement(_select.where(_m.id == _model))
_INSERT = Statement(
    insert(registered_model)
    .values(
        name=bindparam("name"),
        description=bindparam("description"),
        created_ms=bindparam("now"),
        updated_ms=bindparam("now"),
        created_by=bindparam("by"),
        next_version=1,
        tags=bindparam("tags"),
    )
    .on_conflict_do_nothing()
    .returning(_m.id)
)
_tag = insert(registered_model_tag).values(model_id=_model, key=bindparam("key"), value=bindparam("value"))
_INSERT_TAG = Statement(_tag)
_SET_TAG = Statement(
    _tag.on_conflict_do_update(index_elements=["model_id", "key"], set_={"value": _tag.excluded.value})
)
_DELETE_TAG = Statement(
    delete_from(registered_model_tag).where(
        registered_model_tag.c.model_id == _model, registered_model_tag.c.key == bindparam("key")
    )
)
_KEEP_TAGS = Statement(update(registered_model).where(_m.id == _model).values(tags=bindparam("to")))
_DESCRIBE = Statement(
    update(registered_model).where(_m.id == _model).values(description=bindparam("to"), updated_ms=bindparam("now"))
)
_RENAME = Statement(
    update(registered_model).where(_m.id == _model).values(name=bindparam("to"), updated_ms=bindparam("now"))
)
_TOUCH = Statement(update(registered_model).where(_m.id == _model).values(updated_ms=bindparam("now")))
_TOUCH_VERSIONS = Statement(
    update(model_version).where(model_version.c.model_id == _model).values(updated_ms=bindparam("now"))
)
_alias = insert(model_alias).values(
    model_id=_model,
    alias=bindparam("alias"),
    version=bindparam("version"),
    environment=None,
    moved_ms=bindparam("now"),
)
_SET_ALIAS = Statement(
    _alias.on_conflict_do_update(
        index_elements=["model_id", "alias"],
        set_={"version": _alias.excluded.version, "environment": None, "moved_ms": _alias.excluded.moved_ms},
    )
)
_ALIAS = Statement(
    select(model_alias.c.alias, model_alias.c.version, model_alias.c.environment, model_alias.c.moved_ms).where(
        model_alias.c.model_id == _model, model_alias.c.alias == bindparam("alias")
    )
)
_NAMED = Statement(
    select(_m.id, model_alias.c.alias, model_alias.c.version, model_alias.c.environment, model_alias.c.moved_ms)
    .join_from(registered_model, model_alias, model_alias.c.model_id == _m.id, isouter=True)
    .where(_m.name == bindparam("name"))
    .order_by(model_alias.c.alias)
)
_DELETE_ALIAS = Statement(
    delete_from(model_alias).where(model_alias.c.model_id == _model, model_alias.c.alias == bindparam("alias"))
)
_DELETE_ALL = [
    *(
        Statement(delete_from(table).where(table.c.model_id == _model))
        for table in (model_alias, model_version_tag, model_version, registered_model_tag)
    ),
    Statement(delete_from(registered_model).where(_m.id == _model)),
]

SOURCE = Source(
    base=_select,
    columns={"name": _m.name, "creation_timestamp": _m.created_ms, "last_updated_timestamp": _m.updated_ms},
    ties=((_m.name, True),),
    pairs={
        "tag": Pairs(
            registered_model_tag.c.key,
            registered_model_tag.c.value,
            (registered_model_tag.c.model_id == _m.id,),
        )
    },
    texts=frozenset({"name"}),
)


def _load(
    row: Row, aliases: Iterable[Alias] = (), latest: Iterable[ModelVersion] = (), newest: ModelVersion | None = None
) -> RegisteredModel:
    values: tuple[Any, ...] = (*row[:6], read_tags(row[6]), tuple(aliases), tuple(latest), newest)
    return RegisteredModel(*values)


# ------------------------------------------------------------------------------------ reading


def get(tx: Transaction, name: str) -> RegisteredModel | None:
    """A model with its aliases and latest versions."""
    row = tx.row(_GET, name=name)
    return _complete(tx, [row])[0] if row else None


def by_id(tx: Transaction, model_id: int) -> RegisteredModel | None:
    """A model by its number, without aliases and latest versions."""
    row = tx.row(_BY_ID, of=model_id)
    return _load(row) if row else None


def bare(tx: Transaction, name: str) -> RegisteredModel | None:
    """A model without its aliases and latest versions."""
    row = tx.row(_GET, name=name)
    return _load(row) if row else None


def search(
    tx: Transaction,
    where: Node | None,
    order: Sequence[OrderKey],
    *,
    limit: int,
    offset: int = 0,
    after: Sequence[Scalar] | None = None,
) -> tuple[list[RegisteredModel], list[tuple[Scalar, ...]]]:
    """A page of models, and where each stands in the ordering."""
    rows = SOURCE.page(tx, where, order, limit=limit, offset=offset, after=after)
    return _complete(tx, rows), SOURCE.positions(rows, order)


def _complete(tx: Transaction, rows: Sequence[Row]) -> list[RegisteredModel]:
    if not rows:
        return []
    ids = [row[0] for row in rows]
    aliases = versions.aliases(tx, ids)
    latest = versions.newest_of_stages(tx, ids)
    newest = {model_id: theirs[-1] for model_id, theirs in latest.items()}
    for model_id, theirs in aliases.items():
        if model_id in latest and any(alias.environment for alias in theirs):
            latest[model_id] = _current(tx, model_id, latest[model_id], theirs)
    return [_load(row, aliases.get(row[0], ()), latest.get(row[0], ()), newest.get(row[0])) for row in rows]


def _current(tx: Transaction, model_id: int, newest: list[ModelVersion], aliases: list[Alias]) -> list[ModelVersion]:
    """The newest version of each stage, or, where an environment stands behind the stage, the one it points to."""
    pointers = {alias.environment: alias.version for alias in aliases if alias.environment}
    wanted = {version.stage: version for version in newest}
    for env in environments.listing(tx):
        target = pointers.get(env.name)
        if env.stage and target is not None and env.stage in wanted and wanted[env.stage].number != target:
            found = versions.pointed_at(tx, model_id, target)
            if found is not None:
                wanted[env.stage] = found
    by_number = {version.number: version for version in wanted.values()}
    return [by_number[number] for number in sorted(by_number)]


def named_aliases(tx: Transaction, name: str) -> tuple[int, list[Alias]] | None:
    """A model's number and aliases by its name."""
    rows = tx.rows(_NAMED, name=name)
    if not rows:
        return None
    return rows[0][0], [Alias(*row[1:]) for row in rows if row[1] is not None]


def alias(tx: Transaction, model_id: int, name: str) -> Alias | None:
    """An alias as it is spelt."""
    row = tx.row(_ALIAS, of=model_id, alias=name)
    return Alias(*row) if row else None


# ------------------------------------------------------------------------------------ writing


def create(
    tx: Transaction, name: str, description: str | None, tags: Mapping[str, str], now: int, by: str
) -> RegisteredModel | None:
    """Insert a model; None if the name is taken."""
    row = tx.row(_INSERT, name=name, description=description, now=now, by=by, tags=write_tags(tags))
    if row is None:
        return None
    if tags:
        tx.many(_INSERT_TAG, [{"of": row[0], "key": key, "value": value} for key, value in tags.items()])
    return RegisteredModel(row[0], name, description, now, now, by, dict(tags))


def describe(tx: Transaction, model_id: int, description: str | None, now: int) -> None:
    """Give it another description."""
    tx.run(_DESCRIBE, of=model_id, to=description, now=now)


def rename(tx: Transaction, model_id: int, name: str, now: int) -> None:
    """Give it another name, and so its versions."""
    tx.run(_RENAME, of=model_id, to=name, now=now)
    tx.run(_TOUCH_VERSIONS, of=model_id, now=now)


def touch(tx: Transaction, model_id: int, now: int) -> None:
    """Note that a version of it changed."""
    tx.run(_TOUCH, of=model_id, now=now)


def delete(tx: Transaction, model_id: int) -> None:
    """Remove it with versions, tags and aliases; history stays."""
    for statement in _DELETE_ALL:
        tx.run(statement, of=model_id)


def set_tag(tx: Transaction, model: RegisteredModel, key: str, value: str) -> None:
    """Add or replace a tag."""
    tx.run(_SET_TAG, of=model.id, key=key, value=value)
    tx.run(_KEEP_TAGS, of=model.id, to=write_tags({**model.tags, key: value}))


def delete_tag(tx: Transaction, model: RegisteredModel, key: str) -> None:
    """Remove a tag."""
    tx.run(_DELETE_TAG, of=model.id, key=key)
    left = {other: value for other, value in model.tags.items() if other != key}
    tx.run(_KEEP_TAGS, of=model.id, to=write_tags(left))


def set_alias(tx: Transaction, model_id: int, name: str, version: int, now: int) -> None:
    """Point an ordinary alias to a version."""
    tx.run(_SET_ALIAS, of=model_id, alias=name, version=version, now=now)


def delete_alias(tx: Transaction, model_id: int, name: str) -> None:
    """Remove an alias."""
    tx.run(_DELETE_ALIAS, of=model_id, alias=name)
