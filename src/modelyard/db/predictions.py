"""SQL for recorded predictions: stored once whatever is sent twice, counted, and joined with feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.deployments import Role
from modelyard.domain.predictions import Prediction, Stored, first_id
from modelyard.domain.statistics import Count, Of, bucket, slot_of

from . import feedback, prediction_counts, served_names
from .statement import Statement
from .tables import model_version, prediction, registered_model

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from modelyard.domain.predictions import Wanted

    from .prediction_counts import Place
    from .transaction import Row, Transaction

LOCK: Final = 0x7072656469
"""Any number that nobody else takes."""

_p = prediction.c
_ALONE = Statement(select(func.pg_advisory_xact_lock(LOCK)))
_LAST = Statement(select(func.max(_p.id)))
_SINCE = Statement(select(_p.uuid).where(_p.id > bindparam("last")))
_INSERT = Statement(
    insert(prediction)
    .values(
        {
            name: bindparam(name)
            for name in (
                "uuid", "deployment_id", "at_ms", "revision", "endpoint", "model", "version", "role", "segment",
                "latency_us", "status", "input", "input_hash", "output", "label", "score", "positive", "key", "parent",
            )
        }
    )
    .on_conflict_do_nothing(index_elements=["uuid"])
)  # fmt: skip
_COLUMNS = (
    _p.uuid, _p.deployment_id, _p.at_ms, _p.revision, _p.endpoint, _p.model, _p.version, _p.role, _p.segment,
    _p.latency_us, _p.status, _p.input, _p.input_hash, _p.output, _p.label, _p.score, _p.positive, _p.key, _p.parent,
    _p.truth, _p.right,
)  # fmt: skip
_GET = Statement(select(*_COLUMNS).where(_p.uuid == bindparam("of")))
_SHADOWS = Statement(select(*_COLUMNS).where(_p.parent == bindparam("of")).order_by(_p.uuid))
_CORRECTNESS = Statement(
    select(_p.revision, _p.segment, func.sum(_p.right), func.count(_p.right))
    .where(_p.deployment_id == bindparam("of"), _p.told_ms >= bindparam("since"))
    .group_by(_p.revision, _p.segment)
)
_RUNS = Statement(
    select(registered_model.c.name, model_version.c.version, model_version.c.run_uuid)
    .join(registered_model, registered_model.c.id == model_version.c.model_id)
    .where(
        registered_model.c.name.in_(bindparam("models", expanding=True)),
        model_version.c.version.in_(bindparam("versions", expanding=True)),
        model_version.c.run_uuid.is_not(None),
    )
)
_oldest: Any = select(_p.id).where(_p.uuid < bindparam("before")).order_by(_p.uuid).limit(bindparam("most"))
_PRUNE = Statement(delete(prediction).where(_p.id.in_(_oldest.scalar_subquery())))


def alone(tx: Transaction) -> None:
    """Let one transaction at a time change predictions and what is counted of them; SQLite has one writer anyway."""
    if tx.dialect == "postgresql":
        tx.row(_ALONE)


def take(tx: Transaction, found: Sequence[Prediction], now: int) -> int:
    """Store predictions; those whose id is known already are passed over.

    Args:
        tx: the transaction.
        found: predictions.
        now: ms since the epoch.

    Returns:
        How many are new.
    """
    if not found:
        return 0
    alone(tx)
    homes = served_names.homes(tx, {each.deployment for each in found}, now)
    single = {each.id: each for each in found}
    last = tx.row(_LAST)
    before = (last[0] if last is not None else None) or 0
    stored = tx.many(_INSERT, [_row(each, homes[each.deployment]) for each in single.values()])
    if stored < len(single):
        new = {bytes(row[0]) for row in tx.rows(_SINCE, last=before)}
        single = {id: each for id, each in single.items() if id in new}
    if single:
        changes: dict[Place, Count] = {}
        for each in single.values():
            place = homes[each.deployment], slot_of(each.at_ms), of(each)
            count = changes.get(place)
            if count is None:
                count = changes[place] = Count()
            count.calls += 1
            count.errors += each.status >= 500
            count.labelled += each.label is not None or each.positive is not None
            count.positives += each.positive is True
            count.latency[bucket(each.latency_us)] += 1
        prediction_counts.add(tx, changes)
        feedback.join(tx, list(single.values()), homes)
    return len(single)


def _row(each: Prediction, home: int) -> dict[str, Any]:
    return {
        "uuid": each.id, "deployment_id": home, "at_ms": each.at_ms, "revision": each.revision,
        "endpoint": each.endpoint, "model": each.model, "version": each.version, "role": each.role,
        "segment": each.segment, "latency_us": each.latency_us, "status": each.status, "input": each.input,
        "input_hash": each.input_hash, "output": each.output, "label": each.label, "score": each.score,
        "positive": None if each.positive is None else int(each.positive), "key": each.key, "parent": each.parent,
    }  # fmt: skip


def of(each: Prediction) -> Of:
    """Whose prediction it is."""
    return Of(each.revision, each.endpoint, each.model, each.version, each.role, each.segment)


def get(tx: Transaction, id: bytes) -> Stored | None:
    """A prediction; None if it is not there."""
    found = _stored(tx, tx.rows(_GET, of=id))
    return found[0] if found else None


def shadows(tx: Transaction, id: bytes) -> list[Stored]:
    """What shadows answered to the request of a prediction."""
    return _stored(tx, tx.rows(_SHADOWS, of=id))


def page(tx: Transaction, wanted: Wanted, limit: int, before: bytes | None = None) -> list[Stored]:
    """Predictions, the newest first.

    Args:
        tx: the transaction.
        wanted: which.
        limit: the most.
        before: only older ones: the id of the last one of the page before.
    """
    conditions = _conditions(wanted, before)
    if not wanted.deployment:
        return _stored(tx, tx.rows(select(*_COLUMNS).where(*conditions).order_by(_p.uuid.desc()).limit(limit)))
    rows: list[Row] = []
    for home in served_names.all_of(tx, wanted.deployment):
        query = select(*_COLUMNS).where(_p.deployment_id == home, *conditions).order_by(_p.uuid.desc()).limit(limit)
        rows += tx.rows(query)
    rows.sort(key=lambda row: bytes(row[0]), reverse=True)
    return _stored(tx, rows[:limit])


def _conditions(wanted: Wanted, before: bytes | None) -> list[Any]:
    found: list[Any] = []
    if before is not None:
        found.append(_p.uuid < before)
    if wanted.since_ms is not None:
        found.append(_p.uuid >= first_id(wanted.since_ms))
    if wanted.until_ms is not None:
        found.append(_p.uuid < first_id(wanted.until_ms))
    for column, value in ((_p.model, wanted.model), (_p.version, wanted.version)):
        if value:
            found.append(column == value)
    for column, given in (
        (_p.revision, wanted.revision), (_p.role, wanted.role), (_p.segment, wanted.segment), (_p.label, wanted.label),
        (_p.key, wanted.key), (_p.right, None if wanted.right is None else int(wanted.right)),
    ):  # fmt: skip
        if given is not None:
            found.append(column == given)
    if not wanted.shadows:
        found.append(_p.role != Role.SHADOW.value)
    if wanted.status is not None:
        found.append(_p.status.between(*wanted.status))
    return found


def _stored(tx: Transaction, rows: Sequence[Row]) -> list[Stored]:
    names = served_names.names_of(tx, {row[1] for row in rows}) if rows else {}
    return [Stored(_read(row, names.get(row[1], "")), row[19], _flag(row[20])) for row in rows]


def _read(row: Row, name: str) -> Prediction:
    parent = None if row[18] is None else bytes(row[18])
    values: tuple[Any, ...] = (bytes(row[0]), name, *row[2:16], _flag(row[16]), row[17], parent)
    return Prediction(*values)


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def runs_of(tx: Transaction, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The runs that made versions, by model and version."""
    numbers = {int(version) for _, version in versions if version.isdecimal() and len(version) < 18}
    rows = tx.rows(_RUNS, models=list({model for model, _ in versions}), versions=list(numbers)) if numbers else []
    return {(model, str(version)): run for model, version, run in rows}


def correctness(tx: Transaction, deployment_id: int, since_ms: int) -> dict[tuple[int, str], tuple[int, int]]:
    """How many answers of each revision in each segment were right, of how many, by feedback given since a time."""
    rows = tx.rows(_CORRECTNESS, of=deployment_id, since=since_ms)
    return {(revision, segment): (int(right or 0), count) for revision, segment, right, count in rows if count}


def prune(tx: Transaction, before_ms: int, most: int) -> int:
    """Delete some of the predictions from before a time; what was counted of them stays.

    Returns:
        How many were deleted; fewer than `most`: no more are left.
    """
    return tx.run(_PRUNE, before=first_id(before_ms), most=most)
