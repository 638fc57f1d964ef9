"""SQL for policies, what they chose, promotions, and versions' metrics on fixed datasets."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.policies import Evaluation, Policy, Selected

from .statement import Statement
from .tables import evaluation, policy, promotion, selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.domain.policies import Candidate

    from .transaction import Transaction

_GET = Statement(
    select(policy.c.document).where(
        policy.c.environment == bindparam("of_environment"), policy.c.slot == bindparam("of_slot")
    )
)
_LIST = Statement(
    select(policy.c.environment, policy.c.slot, policy.c.document).order_by(policy.c.environment, policy.c.slot)
)
_put = insert(policy).values(
    environment=bindparam("environment"),
    slot=bindparam("slot"),
    document=bindparam("document"),
    updated_ms=bindparam("updated_ms"),
    principal=bindparam("principal"),
)
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=["environment", "slot"],
        set_={name: _put.excluded[name] for name in ("document", "updated_ms", "principal")},
    )
)
_DELETE = Statement(
    delete(policy).where(policy.c.environment == bindparam("of_environment"), policy.c.slot == bindparam("of_slot"))
)
_CHOSEN = Statement(
    select(selection.c.model, selection.c.version, selection.c.reason, selection.c.at_ms).where(
        selection.c.environment == bindparam("of_environment"), selection.c.slot == bindparam("of_slot")
    )
)
_choose = insert(selection).values(
    environment=bindparam("environment"),
    slot=bindparam("slot"),
    model=bindparam("model"),
    version=bindparam("version"),
    reason=bindparam("reason"),
    at_ms=bindparam("at_ms"),
)
_CHOOSE = Statement(
    _choose.on_conflict_do_update(
        index_elements=["environment", "slot"],
        set_={name: _choose.excluded[name] for name in ("model", "version", "reason", "at_ms")},
    )
)
_FORGET = Statement(
    delete(selection).where(
        selection.c.environment == bindparam("of_environment"), selection.c.slot == bindparam("of_slot")
    )
)
_PROMOTED = Statement(
    insert(promotion)
    .values(
        environment=bindparam("environment"),
        model_id=bindparam("model_id"),
        document=bindparam("document"),
        at_ms=bindparam("at_ms"),
        principal=bindparam("principal"),
    )
    .returning(promotion.c.id)
)
_LAST_PROMOTION = Statement(
    select(promotion.c.id, promotion.c.document, promotion.c.at_ms, promotion.c.principal)
    .where(
        promotion.c.environment == bindparam("of_environment"),
        promotion.c.model_id == bindparam("of_model"),
        promotion.c.undone_ms.is_(None),
    )
    .order_by(promotion.c.id.desc())
    .limit(1)
)
_UNDO = Statement(update(promotion).where(promotion.c.id == bindparam("of")).values(undone_ms=bindparam("undone_ms")))
_evaluate = insert(evaluation).values(
    model_id=bindparam("model_id"),
    version=bindparam("version"),
    dataset_digest=bindparam("dataset_digest"),
    metric=bindparam("metric"),
    dataset_name=bindparam("dataset_name"),
    value=bindparam("value"),
    at_ms=bindparam("at_ms"),
    principal=bindparam("principal"),
)
_EVALUATE = Statement(
    _evaluate.on_conflict_do_update(
        index_elements=["model_id", "version", "dataset_digest", "metric"],
        set_={name: _evaluate.excluded[name] for name in ("dataset_name", "value", "at_ms", "principal")},
    )
)
_EVALUATIONS = Statement(
    select(
        evaluation.c.version,
        evaluation.c.dataset_digest,
        evaluation.c.dataset_name,
        evaluation.c.metric,
        evaluation.c.value,
        evaluation.c.at_ms,
        evaluation.c.principal,
    )
    .where(evaluation.c.model_id == bindparam("of_model"))
    .order_by(evaluation.c.version.desc(), evaluation.c.dataset_digest, evaluation.c.metric)
)


def document(of: Policy) -> dict[str, Any]:
    """A policy as plain values, without what it does not say."""
    return {name: value for name, value in msgspec.to_builtins(of).items() if value is not None}


def read(found: dict[str, Any]) -> Policy:
    """A policy from plain values."""
    return msgspec.convert(found, Policy)


def get(tx: Transaction, environment: str, slot: str) -> Policy | None:
    """What is said for a slot, or with the empty slot for the whole environment."""
    row = tx.row(_GET, of_environment=environment, of_slot=slot)
    return read(json.loads(row[0])) if row else None


def listing(tx: Transaction) -> list[tuple[str, str, Policy]]:
    """All policies: environment, slot, policy."""
    return [(row[0], row[1], read(json.loads(row[2]))) for row in tx.rows(_LIST)]


def put(tx: Transaction, environment: str, slot: str, new: Policy | None, now: int, principal: str) -> None:
    """Replace a policy; None removes it."""
    if new is None:
        tx.run(_DELETE, of_environment=environment, of_slot=slot)
        return
    text = json.dumps(document(new))
    tx.run(_PUT, environment=environment, slot=slot, document=text, updated_ms=now, principal=principal)


def selected(tx: Transaction, environment: str, slot: str) -> Selected | None:
    """What a slot stands for; None if nothing was chosen yet."""
    row = tx.row(_CHOSEN, of_environment=environment, of_slot=slot)
    return Selected(*row) if row else None


def select_version(
    tx: Transaction, environment: str, slot: str, chosen: Candidate | None, reason: str, now: int
) -> None:
    """Have a slot stand for a version; None: for nothing."""
    if chosen is None:
        tx.run(_FORGET, of_environment=environment, of_slot=slot)
        return
    tx.run(
        _CHOOSE,
        environment=environment,
        slot=slot,
        model=chosen.model,
        version=chosen.version,
        reason=reason,
        at_ms=now,
    )


def note_promotion(tx: Transaction, environment: str, model_id: int, what: dict[str, Any], now: int, who: str) -> int:
    """Write down a promotion with what it replaced; its number."""
    row = tx.row(
        _PROMOTED, environment=environment, model_id=model_id, document=json.dumps(what), at_ms=now, principal=who
    )
    return int(row[0]) if row else 0


def last_promotion(tx: Transaction, environment: str, model_id: int) -> tuple[int, dict[str, Any], int, str] | None:
    """The newest promotion that was not undone: its number, what it replaced, when (ms since the epoch), and who."""
    row = tx.row(_LAST_PROMOTION, of_environment=environment, of_model=model_id)
    return (row[0], json.loads(row[1]), row[2], row[3]) if row else None


def mark_undone(tx: Transaction, number: int, now: int) -> None:
    """A promotion was undone."""
    tx.run(_UNDO, of=number, undone_ms=now)


def evaluate(tx: Transaction, model_id: int, rows: Sequence[Evaluation]) -> None:
    """Store metrics of versions; a newer value replaces an older one."""
    tx.many(_EVALUATE, [{"model_id": model_id, **asdict(each)} for each in rows])


def evaluations(tx: Transaction, model_id: int) -> list[Evaluation]:
    """All metrics of a model's versions, the newest version first."""
    return [Evaluation(*row) for row in tx.rows(_EVALUATIONS, of_model=model_id)]
