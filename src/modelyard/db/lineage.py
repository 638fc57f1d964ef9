"""SQL for what versions come from, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, func, select

from modelyard.domain.deployments import Target
from modelyard.domain.lineage import Named, Reading

from .statement import Statement
from .tables import deployment, experiment, logged_model, model_version, registered_model, revision, run, run_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transaction import Transaction

_ids: Any = bindparam("ids", expanding=True)
_v, _m, _d, _r = model_version.c, registered_model.c, deployment.c, revision.c
_NUMBERS = Statement(select(run.c.uuid, run.c.id).where(run.c.uuid.in_(_ids)))
_EXPERIMENTS = Statement(select(experiment.c.id, experiment.c.name).where(experiment.c.id.in_(_ids)))
# By the run, which has an index: a version that is made of a logged model has its run.
_MADE_OF = Statement(
    select(_v.logged_model_id, _m.name, _v.version, _v.label)
    .select_from(logged_model)
    .join(model_version, and_(_v.run_uuid == logged_model.c.source_run, _v.logged_model_id == logged_model.c.id))
    .join(registered_model, _m.id == _v.model_id)
    .where(logged_model.c.id.in_(_ids))
    .order_by(_m.name, _v.version)
)
_READ_BY = Statement(
    select(run_model.c.model_id, run.c.uuid, run.c.name, run.c.experiment_id, _m.name, _v.version, _v.label)
    .select_from(run_model)
    .join(run, run.c.id == run_model.c.run_id)
    .join(model_version, _v.run_uuid == run.c.uuid, isouter=True)
    .join(registered_model, _m.id == _v.model_id, isouter=True)
    .where(run_model.c.model_id.in_(_ids), run_model.c.direction == "input", run.c.lifecycle == "active")
    .order_by(run.c.id.desc())
    .limit(bindparam("most"))
)
_USED = Statement(
    select(_d.id, _r.number, _r.target, _r.created_ms, _r.principal, _r.reason)
    .join(deployment, _d.id == _r.deployment_id)
    .where(_d.deleted_ms.is_(None), func.substr(_r.target, 1, bindparam("width")) == bindparam("start"))
    .order_by(_d.name, _r.number.desc())
)
_target = msgspec.json.Decoder(Target).decode


def numbers(tx: Transaction, run_ids: Sequence[str]) -> dict[str, int]:
    """The server's own numbers of runs, by uuid; those that are gone are left out."""
    return dict(tx.rows(_NUMBERS, ids=run_ids))


def experiments(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    """Names of experiments."""
    return dict(tx.rows(_EXPERIMENTS, ids=ids))


def made_of(tx: Transaction, logged_models: Sequence[str]) -> dict[str, list[Named]]:
    """The versions that were made of logged models, by the logged model's id."""
    found: dict[str, list[Named]] = {}
    for logged, *named in tx.rows(_MADE_OF, ids=logged_models):
        found.setdefault(logged, []).append(Named(*named))
    return found


def read_by(tx: Transaction, logged_models: Sequence[str], most: int) -> dict[str, list[Reading]]:
    """The runs that read logged models, newest first, by the logged model's id; so many in all."""
    found: dict[str, list[Reading]] = {}
    for logged, uuid, name, home, *named in tx.rows(_READ_BY, ids=logged_models, most=most):
        made = None if named[0] is None else Named(*named)
        found.setdefault(logged, []).append(Reading(uuid, name, home, made))
    return found


def revisions_of(tx: Transaction, model: str, version: int | None) -> list[tuple[int, int, Target, int, str, str]]:
    """Revisions of a model's versions, of deployments that are there, newest first.

    Returns:
        For each: the deployment's id, its number, what it runs, when it was made (ms since the epoch), who, and why.
    """
    # Targets are stored as one encoder writes them: model first, then version.
    whole = msgspec.json.encode(Target(model, "" if version is None else str(version))).decode()
    start = whole[: whole.index(',"version"' if version is None else ',"source"') + 1]
    rows = tx.rows(_USED, start=start, width=len(start))
    return [(row[0], row[1], _target(row[2]), row[3], row[4], row[5]) for row in rows]
