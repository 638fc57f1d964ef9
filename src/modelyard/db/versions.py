"""SQL for model versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, func, literal_column, select, true, union_all, update
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.models import Alias
from modelyard.domain.versions import ModelVersion, Stage, VersionStatus

from .filters import Pairs, Source
from .statement import Statement
from .tables import (
    logged_model,
    logged_model_tag,
    model_alias,
    model_version,
    model_version_tag,
    registered_model,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.domain.search import Node, OrderKey, Scalar
    from modelyard.domain.versions import NewVersion

    from .transaction import Row, Transaction

_v = model_version.c
_m = registered_model.c
COLUMNS = (
    _v.model_id,
    _m.name,
    _v.version,
    _v.label,
    _v.description,
    _v.user_id,
    _v.created_ms,
    _v.updated_ms,
    _v.source,
    _v.storage_location,
    _v.run_uuid,
    _v.run_link,
    _v.logged_model_id,
    _v.status,
    _v.status_message,
    _v.stage,
    _v.created_by,
    _v.tags,
)
_WIDTH = len(COLUMNS)
_joined = select(*COLUMNS).join(registered_model, _m.id == _v.model_id)
_ids: Any = bindparam("ids", expanding=True)
_model: Any = bindparam("of_model")
_number: Any = bindparam("of")
_ITS_KEY = (_v.model_id == _model, _v.version == _number)

_GET = Statement(_joined.where(*_ITS_KEY))
_FIND = Statement(_joined.where(_m.name == bindparam("name"), _v.version == _number))
_LABELLED = Statement(_joined.where(_v.model_id == _model, _v.label_key == bindparam("key")))
_NEWEST = Statement(_joined.where(_v.model_id == _model).order_by(_v.version.desc()).limit(1))
_IN_STAGE = Statement(
    _joined.where(_v.model_id == _model, _v.stage == bindparam("stage")).order_by(_v.version.desc()).limit(1)
)
_ALIASES = Statement(
    select(
        model_alias.c.model_id,
        model_alias.c.alias,
        model_alias.c.version,
        model_alias.c.environment,
        model_alias.c.moved_ms,
        _v.label,
    )
    .join(model_version, and_(_v.model_id == model_alias.c.model_id, _v.version == model_alias.c.version), isouter=True)
    .where(model_alias.c.model_id.in_(_ids))
    .order_by(model_alias.c.model_id, model_alias.c.alias)
)
_stages = union_all(*(select(literal_column(f"'{stage.value}'").label("stage")) for stage in Stage)).subquery()
_other = model_version.alias()
_newest_of_stage = (
    select(func.max(_other.c.version))
    .where(_other.c.model_id == _m.id, _other.c.stage == _stages.c.stage)
    .correlate(registered_model, _stages)
    .scalar_subquery()
)
_LATEST = Statement(
    select(*COLUMNS)
    .select_from(registered_model)
    .join(_stages, true())
    .join(model_version, and_(_v.model_id == _m.id, _v.version == _newest_of_stage))
    .where(_m.id.in_(_ids))
    .order_by(_v.model_id, _v.version)
)
_NUMBER = Statement(
    update(registered_model)
    .where(_m.name == bindparam("name"))
    .values(next_version=_m.next_version + 1, updated_ms=bindparam("now"))
    .returning(_m.id, _m.next_version - 1)
)
_INSERT = Statement(
    insert(model_version).values(
        {column.name: bindparam(column.name) for column in model_version.columns if column.name != "model_id"}
        | {"model_id": _model}
    )
)
_tag = insert(model_version_tag).values(
    model_id=_model, version=_number, key=bindparam("key"), value=bindparam("value")
)
_INSERT_TAG = Statement(_tag)
_SET_TAG = Statement(
    _tag.on_conflict_do_update(index_elements=["model_id", "version", "key"], set_={"value": _tag.excluded.value})
)
_its_tags = (model_version_tag.c.model_id == _model, model_version_tag.c.version == _number)
_DELETE_TAG = Statement(delete_from(model_version_tag).where(*_its_tags, model_version_tag.c.key == bindparam("key")))
_DELETE_TAGS = Statement(delete_from(model_version_tag).where(*_its_tags))
_KEEP_TAGS = Statement(update(model_version).where(*_ITS_KEY).values(tags=bindparam("to")))
_DESCRIBE = Statement(
    update(model_version).where(*_ITS_KEY).values(description=bindparam("to"), updated_ms=bindparam("now"))
)
_LABEL = Statement(
    update(model_version)
    .where(*_ITS_KEY)
    .values(label=bindparam("to"), label_key=bindparam("key"), updated_ms=bindparam("now"))
)
_DELETE = Statement(delete_from(model_version).where(*_ITS_KEY))
_RUN_LOCATION = Statement(select(run.c.artifact_uri).where(run.c.uuid == _number))
_LOGGED = Statement(
    select(logged_model.c.artifact_uri, logged_model.c.source_run).where(
        logged_model.c.id == _number, logged_model.c.lifecycle == "active"
    )
)
_LOGGED_TAG = Statement(
    select(logged_model_tag.c.value).where(
        logged_model_tag.c.model_id == _number, logged_model_tag.c.key == bindparam("key")
    )
)
_logged_tag = insert(logged_model_tag).values(model_id=_number, key=bindparam("key"), value=bindparam("value"))
_SET_LOGGED_TAG = Statement(
    _logged_tag.on_conflict_do_update(index_elements=["model_id", "key"], set_={"value": _logged_tag.excluded.value})
)

SOURCE = Source(
    base=_joined,
    columns={
        "name": _m.name,
        "version_number": _v.version,
        "run_id": _v.run_uuid,
        "source_path": _v.source,
        "creation_timestamp": _v.created_ms,
        "last_updated_timestamp": _v.updated_ms,
    },
    ties=((_m.name, True), (_v.version, False)),
    pairs={
        "tag": Pairs(
            model_version_tag.c.key,
            model_version_tag.c.value,
            (model_version_tag.c.model_id == _v.model_id, model_version_tag.c.version == _v.version),
        )
    },
    texts=frozenset({"name", "run_id", "source_path"}),
)

_decode_tags = msgspec.json.Decoder(dict[str, str]).decode


def read_tags(document: str | None) -> dict[str, str]:
    """Tags from the document that a row keeps of them."""
    return _decode_tags(document) if document else {}


def write_tags(tags: Mapping[str, str]) -> str | None:
    """The document of tags that a row keeps."""
    return msgspec.json.encode(tags).decode() if tags else None


def _load(row: Row, aliases: tuple[str, ...] = ()) -> ModelVersion:
    values: tuple[Any, ...] = (*row[:17], read_tags(row[17]), aliases)
    return ModelVersion(*values)


def _found(tx: Transaction, row: Row | None) -> ModelVersion | None:
    """A version with its aliases."""
    if row is None:
        return None
    version = row[2]
    return _load(row, tuple(alias[1] for alias in tx.rows(_ALIASES, ids=[row[0]]) if alias[2] == version))


# ------------------------------------------------------------------------------------ reading


def get(tx: Transaction, model_id: int, number: int) -> ModelVersion | None:
    """A version by its keys."""
    return _found(tx, tx.row(_GET, of_model=model_id, of=number))


def pointed_at(tx: Transaction, model_id: int, number: int) -> ModelVersion | None:
    """As `get`, without its aliases."""
    row = tx.row(_GET, of_model=model_id, of=number)
    return _load(row) if row else None


def find(tx: Transaction, model: str, number: int) -> ModelVersion | None:
    """A version by its model's name and its number."""
    return _found(tx, tx.row(_FIND, name=model, of=number))


def bare(tx: Transaction, model: str, number: int) -> ModelVersion | None:
    """As `find`, without its aliases."""
    row = tx.row(_FIND, name=model, of=number)
    return _load(row) if row else None


def labelled(tx: Transaction, model_id: int, key: str) -> ModelVersion | None:
    """The version with a label, by its comparable form."""
    return _found(tx, tx.row(_LABELLED, of_model=model_id, key=key))


def newest(tx: Transaction, model_id: int, stage: Stage | None = None) -> ModelVersion | None:
    """The version with the greatest number, in one stage or in all."""
    if stage is None:
        return _found(tx, tx.row(_NEWEST, of_model=model_id))
    return _found(tx, tx.row(_IN_STAGE, of_model=model_id, stage=stage.value))


def aliases(tx: Transaction, model_ids: Sequence[int]) -> dict[int, list[Alias]]:
    """The aliases of models, by name; models without any are left out."""
    found: dict[int, list[Alias]] = {}
    for model_id, *alias in tx.rows(_ALIASES, ids=model_ids):
        found.setdefault(model_id, []).append(Alias(*alias))
    return found


def newest_of_stages(tx: Transaction, model_ids: Sequence[int]) -> dict[int, list[ModelVersion]]:
    """For each model the newest version of each stage that has one, by number; without aliases."""
    found: dict[int, list[ModelVersion]] = {}
    for row in tx.rows(_LATEST, ids=model_ids):
        found.setdefault(row[0], []).append(_load(row))
    return found


def search(
    tx: Transaction,
    where: Node | None,
    order: Sequence[OrderKey],
    *,
    limit: int,
    offset: int = 0,
    after: Sequence[Scalar] | None = None,
    with_aliases: bool = False,
) -> tuple[list[ModelVersion], list[tuple[Scalar, ...]]]:
    """A page of versions, and where each stands in the ordering."""
    rows = SOURCE.page(tx, where, order, limit=limit, offset=offset, after=after)
    positions = SOURCE.positions(rows, order)
    if not with_aliases or not rows:
        return [_load(row) for row in rows], positions
    theirs = aliases(tx, sorted({row[0] for row in rows}))
    return [
        _load(row, tuple(alias.name for alias in theirs.get(row[0], ()) if alias.version == row[2])) for row in rows
    ], positions


def run_location(tx: Transaction, run_id: str) -> str | None:
    """Where a run keeps its artifacts."""
    row = tx.row(_RUN_LOCATION, of=run_id)
    return str(row[0]) if row else None


def logged(tx: Transaction, logged_model_id: str) -> tuple[str, str | None] | None:
    """Where a logged model's files are, and the run that made it."""
    row = tx.row(_LOGGED, of=logged_model_id)
    return (row[0], row[1]) if row else None


# ------------------------------------------------------------------------------------ writing


def next_number(tx: Transaction, model: str, now: int) -> tuple[int, int] | None:
    """Take the model's next version number; the model's id and the number, None if there is no such model."""
    row = tx.row(_NUMBER, name=model, now=now)
    return (row[0], row[1]) if row else None


def create(
    tx: Transaction,
    model_id: int,
    model: str,
    number: int,
    new: NewVersion,
    *,
    storage_location: str | None,
    run_id: str | None,
    label_key: str | None,
    now: int,
    by: str,
) -> ModelVersion:
    """Insert a version."""
    tx.run(
        _INSERT,
        of_model=model_id,
        version=number,
        label=new.label,
        label_key=label_key,
        description=new.description,
        user_id=new.user_id,
        created_ms=now,
        updated_ms=now,
        source=new.source,
        storage_location=storage_location,
        run_uuid=run_id,
        run_link=new.run_link,
        logged_model_id=new.logged_model_id,
        status=VersionStatus.READY.value,
        status_message=None,
        stage=Stage.NONE.value,
        created_by=by,
        tags=write_tags(new.tags),
    )
    if new.tags:
        rows = [{"of_model": model_id, "of": number, "key": key, "value": value} for key, value in new.tags.items()]
        tx.many(_INSERT_TAG, rows)
    return ModelVersion(
        model_id=model_id,
        model=model,
        number=number,
        label=new.label,
        description=new.description,
        user_id=new.user_id,
        created_ms=now,
        updated_ms=now,
        source=new.source,
        storage_location=storage_location,
        run_id=run_id,
        run_link=new.run_link,
        logged_model_id=new.logged_model_id,
        status=VersionStatus.READY.value,
        status_message=None,
        stage=Stage.NONE.value,
        created_by=by,
        tags=dict(new.tags),
    )


def describe(tx: Transaction, version: ModelVersion, description: str | None, now: int) -> None:
    """Give it another description."""
    tx.run(_DESCRIBE, of_model=version.model_id, of=version.number, to=description, now=now)


def label(tx: Transaction, version: ModelVersion, text: str | None, key: str | None, now: int) -> None:
    """Give it another label, or none."""
    tx.run(_LABEL, of_model=version.model_id, of=version.number, to=text, key=key, now=now)


def set_tag(tx: Transaction, version: ModelVersion, key: str, value: str) -> None:
    """Add or replace a tag."""
    tx.run(_SET_TAG, of_model=version.model_id, of=version.number, key=key, value=value)
    tx.run(_KEEP_TAGS, of_model=version.model_id, of=version.number, to=write_tags({**version.tags, key: value}))


def delete_tag(tx: Transaction, version: ModelVersion, key: str) -> None:
    """Remove a tag."""
    tx.run(_DELETE_TAG, of_model=version.model_id, of=version.number, key=key)
    left = {other: value for other, value in version.tags.items() if other != key}
    tx.run(_KEEP_TAGS, of_model=version.model_id, of=version.number, to=write_tags(left))


def delete(tx: Transaction, version: ModelVersion) -> None:
    """Remove a version and its tags; aliases that point to it stay."""
    tx.run(_DELETE_TAGS, of_model=version.model_id, of=version.number)
    tx.run(_DELETE, of_model=version.model_id, of=version.number)


def note_on_logged(tx: Transaction, logged_model_id: str, key: str, entry: dict[str, str | int]) -> None:
    """Add an entry to the JSON list that a logged model's tag holds."""
    row = tx.row(_LOGGED_TAG, of=logged_model_id, key=key)
    try:
        held = json.loads(row[0]) if row else []
    except ValueError:  # somebody wrote something else there
        held = []
    entries = held if isinstance(held, list) else []
    if entry not in entries:
        tx.run(_SET_LOGGED_TAG, of=logged_model_id, key=key, value=json.dumps([*entries, entry]))
