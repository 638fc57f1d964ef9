"""SQL for the trash: what is in it, what still needs it, and its end.

`purging` is the lifecycle of what is being deleted for good: it cannot be restored any more, and the next attempt
finds it.
"""

from __future__ import annotations

import re
import time
from array import array
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from modelyard.domain.trash import Item

from .statement import Statement
from .tables import (
    change_log,
    dataset,
    experiment,
    experiment_tag,
    logged_model,
    logged_model_metric,
    logged_model_param,
    logged_model_tag,
    metric,
    metric_chunk,
    metric_fresh,
    model_version,
    param,
    run,
    run_document,
    run_input,
    run_input_tag,
    run_model,
    run_tag,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.sql.elements import BindParameter, ColumnElement

    from modelyard.domain.trash import Selection

    from .transaction import Transaction

PURGING: Final = "purging"
DEFAULT_EXPERIMENT: Final = 0

_TOKEN: Final = re.compile(r"[0-9a-f]{32}")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)

_VERSIONS = Statement(
    select(
        model_version.c.source,
        model_version.c.storage_location,
        model_version.c.logged_model_id,
        model_version.c.run_uuid,
    ).where(model_version.c.updated_ms >= bindparam("since"))
)
_MODELS = Statement(
    select(logged_model.c.id, logged_model.c.artifact_uri).where(
        logged_model.c.lifecycle == "active", logged_model.c.updated_ms >= bindparam("since")
    )
)
_gone_experiments = select(experiment.c.id).where(experiment.c.lifecycle != "active")


def _marking(table: Table) -> Statement:
    inside = or_(table.c.lifecycle != "active", table.c.experiment_id.in_(_gone_experiments))
    return Statement(update(table).where(table.c.id.in_(_IDS), inside).values(lifecycle=PURGING).returning(table.c.id))


_MARK_RUNS = _marking(run)
_MARK_MODELS = _marking(logged_model)

_inputs = select(run_input.c.id).where(run_input.c.run_id.in_(_IDS))
_ERASE_RUNS = (
    Statement(delete(run_input_tag).where(run_input_tag.c.input_id.in_(_inputs))),
    *(
        Statement(delete(table).where(table.c.run_id.in_(_IDS)))
        for table in (
            run_input,
            run_model,
            logged_model_metric,
            metric_fresh,
            metric_chunk,
            metric,
            param,
            run_tag,
            run_document,
        )
    ),
    Statement(delete(run).where(run.c.id.in_(_IDS))),
)
_ERASE_MODELS = (
    *(
        Statement(delete(table).where(table.c.model_id.in_(_IDS)))
        for table in (run_model, logged_model_metric, logged_model_param, logged_model_tag)
    ),
    Statement(delete(logged_model).where(logged_model.c.id.in_(_IDS))),
)
_ERASE_EXPERIMENTS = (
    Statement(delete(experiment_tag).where(experiment_tag.c.experiment_id.in_(_IDS))),
    Statement(delete(dataset).where(dataset.c.experiment_id.in_(_IDS))),
    Statement(delete(experiment).where(experiment.c.id.in_(_IDS))),
)
_STILL_GONE = Statement(_gone_experiments.where(experiment.c.id.in_(_IDS)))
_UNUSED_DATASETS = Statement(
    delete(dataset).where(~select(run_input.c.id).where(run_input.c.dataset_id == dataset.c.id).exists())
)
_NOTE = Statement(change_log.insert().values(txid=0, at_ms=bindparam("at"), runs=bindparam("runs")))
_NOTES = Statement(select(change_log.c.id, change_log.c.runs).where(change_log.c.id > bindparam("after")))
_LAST_NOTE = Statement(select(func.coalesce(func.max(change_log.c.id), 0)))
_FORGET_NOTES = Statement(
    delete(change_log).where(
        change_log.c.at_ms < bindparam("before"), change_log.c.id < select(func.max(change_log.c.id)).scalar_subquery()
    )
)

KEEP_NOTES_MS: Final = 600_000


def runs(tx: Transaction, wanted: Selection, after: int, limit: int) -> list[Item]:
    """Runs whose time is up: deleted themselves, or with their experiment."""
    conditions = [run.c.id > after, _due(run, wanted) | _experiment_due(wanted)]
    if wanted.runs is not None:
        conditions.append(run.c.uuid.in_(sorted(wanted.runs)))
    if wanted.experiments is not None:
        conditions.append(run.c.experiment_id.in_(sorted(wanted.experiments)))
    query = (
        select(run.c.id, run.c.uuid, run.c.experiment_id, run.c.artifact_uri)
        .join(experiment, experiment.c.id == run.c.experiment_id)
        .where(*conditions)
        .order_by(run.c.id)
        .limit(limit)
    )
    return [Item("run", number, uuid, where, uri) for number, uuid, where, uri in tx.rows(query)]


def logged_models(tx: Transaction, wanted: Selection, after: str, limit: int) -> list[Item]:
    """Logged models whose time is up."""
    conditions = [logged_model.c.id > after, _due(logged_model, wanted) | _experiment_due(wanted)]
    if wanted.experiments is not None:
        conditions.append(logged_model.c.experiment_id.in_(sorted(wanted.experiments)))
    query = (
        select(logged_model.c.id, logged_model.c.experiment_id, logged_model.c.artifact_uri)
        .join(experiment, experiment.c.id == logged_model.c.experiment_id)
        .where(*conditions)
        .order_by(logged_model.c.id)
        .limit(limit)
    )
    return [Item("logged_model", key, key, where, uri) for key, where, uri in tx.rows(query)]


def experiments(tx: Transaction, wanted: Selection) -> list[Item]:
    """Experiments whose time is up, whether or not something is in them still. The default one is never among them."""
    conditions = [_experiment_due(wanted), experiment.c.id != DEFAULT_EXPERIMENT]
    if wanted.experiments is not None:
        conditions.append(experiment.c.id.in_(sorted(wanted.experiments)))
    query = select(experiment.c.id).where(*conditions).order_by(experiment.c.id)
    return [Item("experiment", number, str(number), number, "") for (number,) in tx.rows(query)]


def _due(table: Table, wanted: Selection) -> ColumnElement[bool]:
    return or_(
        table.c.lifecycle == PURGING, and_(table.c.lifecycle == "deleted", table.c.deleted_ms <= wanted.before_ms)
    )


def _experiment_due(wanted: Selection) -> ColumnElement[bool]:
    return and_(experiment.c.lifecycle == "deleted", experiment.c.deleted_ms <= wanted.before_ms)


def absent(tx: Transaction, wanted: Selection) -> list[str]:
    """Which of the things named in the selection are not in the trash."""
    gone: list[str] = []
    if wanted.runs is not None:
        inside = or_(run.c.lifecycle != "active", experiment.c.lifecycle != "active")
        query = (
            select(run.c.uuid)
            .join(experiment, experiment.c.id == run.c.experiment_id)
            .where(inside, run.c.uuid.in_(sorted(wanted.runs)))
        )
        gone += sorted(wanted.runs - {uuid for (uuid,) in tx.rows(query)})
    if wanted.experiments is not None:
        numbers = select(experiment.c.id).where(
            experiment.c.lifecycle != "active", experiment.c.id.in_(sorted(wanted.experiments))
        )
        gone += [str(number) for number in sorted(wanted.experiments - {number for (number,) in tx.rows(numbers)})]
    return gone


def needed(tx: Transaction, since_ms: int = 0) -> set[str]:
    """The tokens (see `Item`) of everything whose artifacts a model version or an active logged model points to.

    An artifact's URI contains the id of the run or logged model in whose folder it lies, whatever its scheme; so it is
    enough to look for ids in the URIs, and an id too many merely keeps something.

    Args:
        tx: the transaction.
        since_ms: only versions and logged models that changed since then.
    """
    found: set[str] = set()
    for source, location, model_id, run_uuid in tx.rows(_VERSIONS, since=since_ms):
        found.update(_TOKEN.findall(f"{source} {location or ''} {model_id or ''}"))
        if model_id:
            found.add(model_id.removeprefix("m-"))
        if run_uuid and not source.startswith("models:"):
            found.add(run_uuid)
    for model_id, uri in tx.rows(_MODELS, since=since_ms):
        # Not its own: an active one is due only if its experiment is.
        found.update(token for token in _TOKEN.findall(uri) if not model_id.endswith(token))
    return found


def mark(tx: Transaction, items: Sequence[Item]) -> list[Item]:
    """From here on these cannot be restored; those that still were in the trash."""
    marked: set[tuple[str, int | str]] = set()
    for kind, statement in (("run", _MARK_RUNS), ("logged_model", _MARK_MODELS)):
        keys = [item.key for item in items if item.kind == kind]
        if keys:
            marked.update((kind, row[0]) for row in tx.rows(statement, ids=keys))
    return [item for item in items if (item.kind, item.key) in marked]


def erase(tx: Transaction, items: Sequence[Item]) -> None:
    """Delete the rows of runs and logged models, with everything that hangs on them."""
    numbers = [item.key for item in items if item.kind == "run"]
    if numbers:
        for statement in _ERASE_RUNS:
            tx.run(statement, ids=numbers)
        _note(tx, [(item.experiment_id, int(item.key)) for item in items if item.kind == "run"])
    models = [item.key for item in items if item.kind == "logged_model"]
    if models:
        for statement in _ERASE_MODELS:
            tx.run(statement, ids=models)


def erase_empty(tx: Transaction, numbers: Iterable[int]) -> list[int]:
    """Delete those of the experiments that nothing is in any more, unless they were restored; which ones they were."""
    ids = [row[0] for row in tx.rows(_STILL_GONE, ids=sorted(numbers))]
    occupied = {
        row[0]
        for table in (run, logged_model)
        for row in tx.rows(select(table.c.experiment_id).where(table.c.experiment_id.in_(ids)).distinct())
    }
    empty = [number for number in ids if number not in occupied]
    if empty:
        for statement in _ERASE_EXPERIMENTS:
            tx.run(statement, ids=empty)
    return empty


def erase_unused_datasets(tx: Transaction) -> int:
    """Delete datasets that no run has as an input; how many."""
    return tx.run(_UNUSED_DATASETS)


# ------------------------------------------------------------------ for a server on the same SQLite file


def _note(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> None:
    """Tell every server that these runs changed. PostgreSQL's servers learn it as they learn all changes."""
    for experiment_id, number in pairs:
        tx.touch(experiment_id, (number,))
    if tx.dialect == "sqlite":
        flat = array("q", [number for pair in pairs for number in pair])
        now = int(time.time() * 1000)
        tx.run(_NOTE, at=now, runs=flat.tobytes())
        tx.run(_FORGET_NOTES, before=now - KEEP_NOTES_MS)


def last_note(tx: Transaction) -> int:
    """Where `notes` begins for a server that starts now."""
    row = tx.row(_LAST_NOTE)
    return int(row[0]) if row else 0


def notes(tx: Transaction, after: int) -> tuple[int, dict[int, set[int]]]:
    """SQLite: runs that another process erased, by experiment, and where to go on next time."""
    touched: dict[int, set[int]] = {}
    for number, body in tx.rows(_NOTES, after=after):
        after = max(after, number)
        pairs = array("q")
        pairs.frombytes(body)
        for experiment_id, run_id in zip(pairs[::2], pairs[1::2], strict=True):
            touched.setdefault(experiment_id, set()).add(run_id)
    return after, touched
