"""Where a model's versions come from, and where they go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from modelyard.db import deployments, lineage, models, rollouts, run_parts, versions
from modelyard.domain.deployments import promoted
from modelyard.domain.lineage import Lineage, Use
from modelyard.domain.rollouts import Status
from modelyard.domain.search import And, Comparison, Field, Op
from modelyard.domain.selection import EVERYTHING
from modelyard.domain.validation import check_model_name

from . import references
from .models import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.search import Node
    from modelyard.domain.selection import Selection
    from modelyard.domain.versions import ModelVersion

MOST_READINGS: Final = 1000
"""Runs that read a version, of all versions that are asked about."""


def of_version(tx: Transaction, model: str, reference: str, wanted: Selection = EVERYTHING) -> Lineage:
    """Where one version comes from, and where it goes.

    Args:
        tx: the transaction.
        model: its name.
        reference: what names the version, see `references.resolve`.
        wanted: parts of the run.

    Raises:
        NotFound: there is no such model or version.
        InvalidArgument: the reference is none.
    """
    found = references.resolve(tx, model, reference)
    return _of(tx, model, [found], wanted, found.number)[0]


def of_model(
    tx: Transaction, model: str, wanted: Selection = EVERYTHING, *, limit: int, before: int | None = None
) -> list[Lineage]:
    """Where a model's versions come from, and where they go; the newest first.

    Args:
        tx: the transaction.
        model: its name.
        wanted: parts of the runs.
        limit: the most versions.
        before: only versions of smaller numbers; None: from the newest on.

    Raises:
        NotFound: there is no such model.
    """
    check_model_name(model)
    if models.bare(tx, model) is None:
        raise not_found(model)
    its: Node = Comparison(Field("attribute", "name"), Op.EQ, model)
    if before is not None:
        its = And((its, Comparison(Field("attribute", "version_number"), Op.LT, before)))
    found, _ = versions.search(tx, its, (), limit=limit)
    return _of(tx, model, found, wanted)


def _of(
    tx: Transaction, model: str, of: Sequence[ModelVersion], wanted: Selection, only: int | None = None
) -> list[Lineage]:
    numbers = lineage.numbers(tx, sorted({each.run_id for each in of if each.run_id})) if of else {}
    runs = {run.uuid: run for run in run_parts.load(tx, sorted(numbers.values()), replace(wanted, models=True))}
    homes = lineage.experiments(tx, sorted({run.experiment_id for run in runs.values()})) if runs else {}
    read = {link.model_id for run in runs.values() for link in run.models if link.direction == "input"}
    made_of = lineage.made_of(tx, sorted(read)) if read else {}
    logged = sorted({each.logged_model_id for each in of if each.logged_model_id})
    readings = lineage.read_by(tx, logged, MOST_READINGS) if logged else {}
    uses = _uses(tx, model, only)
    found = []
    for each in of:
        run = runs.get(each.run_id or "")
        inputs = [link.model_id for link in run.models if link.direction == "input"] if run else []
        found.append(
            Lineage(
                version=each.number,
                label=each.label,
                run=run,
                experiment=homes.get(run.experiment_id) if run else None,
                parents=tuple(named for model_id in inputs for named in made_of.get(model_id, ())),
                readings=tuple(readings.get(each.logged_model_id or "", ())),
                uses=tuple(uses.get(each.number, ())),
            )
        )
    return found


def _uses(tx: Transaction, model: str, only: int | None) -> dict[int, list[Use]]:
    """Revisions by version."""
    found: dict[int, list[Use]] = {}
    known: dict[int, tuple[str, str, dict[int | None, str]]] = {}
    for deployment, number, target, created, who, why in lineage.revisions_of(tx, model, only):
        if deployment not in known:
            known[deployment] = _roles(tx, deployment)
        name, environment, roles = known[deployment]
        use = Use(name, environment, number, roles.get(number, ""), created, who, why)
        found.setdefault(int(target.version), []).append(use)
    return found


def _roles(tx: Transaction, deployment: int) -> tuple[str, str, dict[int | None, str]]:
    """A deployment's name, its environment, and what its revisions are to it."""
    row = deployments.by_id(tx, deployment)
    if row is None:
        raise AssertionError
    latest = rollouts.latest(tx, deployment)
    state = promoted(row.state, latest[1]) if latest and latest[1].status is Status.PROMOTED else row.state
    roles: dict[int | None, str] = {state.previous: "previous", state.stable: "stable"}
    if latest and not latest[1].ended:
        roles[latest[1].canary] = "canary"
    return row.name, row.environment, roles
