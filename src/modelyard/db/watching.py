"""SQL by which the controller finds out, several times a second, whether anything happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, literal, select

from .statement import Statement
from .tables import deployment, deployment_event, policy, registry_event

if TYPE_CHECKING:
    from .transaction import Transaction

_DEPLOYMENT = Statement(select(literal(1)).select_from(deployment).limit(1))
_POLICY = Statement(select(literal(1)).select_from(policy).limit(1))
_NEWEST = Statement(
    select(
        select(func.max(registry_event.c.id)).scalar_subquery(),
        select(func.max(deployment_event.c.id)).scalar_subquery(),
    )
)
_IDS = Statement(select(deployment.c.id))


def anything(tx: Transaction) -> bool:
    """Whether there is, or was, a deployment or a policy."""
    return tx.row(_DEPLOYMENT) is not None or tx.row(_POLICY) is not None


def policies(tx: Transaction) -> bool:
    """Whether there is a policy."""
    return tx.row(_POLICY) is not None


def newest(tx: Transaction) -> tuple[int, int]:
    """Numbers of the newest event in the registry, and of the newest of deployments."""
    row = tx.row(_NEWEST)
    return (row[0] or 0, row[1] or 0) if row else (0, 0)


def every_id(tx: Transaction) -> list[int]:
    """The numbers of all deployments, deleted ones too."""
    return [int(row[0]) for row in tx.rows(_IDS)]
