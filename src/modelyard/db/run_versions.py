"""Which registered versions come from runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, select

from modelyard.domain.runs import MadeVersion

from .statement import Statement
from .tables import model_alias, model_version, registered_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transaction import Transaction

_v, _a = model_version.c, model_alias.c
_OF_RUNS = Statement(
    select(_v.run_uuid, registered_model.c.name, _v.version, _v.label, _v.stage, _a.alias, _a.environment)
    .join(registered_model, registered_model.c.id == _v.model_id)
    .join(model_alias, and_(_a.model_id == _v.model_id, _a.version == _v.version), isouter=True)
    .where(_v.run_uuid.in_(bindparam("uuids", expanding=True)))
    .order_by(registered_model.c.name, _v.version, _a.alias)
)


def of_runs(tx: Transaction, uuids: Sequence[str]) -> dict[str, list[MadeVersion]]:
    """The versions that come from runs, by the run's uuid; runs without any are left out."""
    found: dict[tuple[str, str, int], MadeVersion] = {}
    for uuid, model, number, label, stage, alias, environment in tx.rows(_OF_RUNS, uuids=uuids):
        before = found.get((uuid, model, number))
        aliases = before.aliases if before else ()
        environments = before.environments if before else ()
        if environment is not None:
            environments = (*environments, environment)
        elif alias is not None:
            aliases = (*aliases, alias)
        found[uuid, model, number] = MadeVersion(model, number, label, stage, aliases, environments)
    of_run: dict[str, list[MadeVersion]] = {}
    for (uuid, _, _), version in found.items():
        of_run.setdefault(uuid, []).append(version)
    return of_run
