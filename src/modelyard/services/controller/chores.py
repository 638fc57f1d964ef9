"""What the controller does besides, now and then, in transactions of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import gateways as gateways_db
from modelyard.db import measurements, watching
from modelyard.services import gateways, policies

from .measuring import KEEP_S, tidy

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction


def tidy_up(tx: Transaction, now: int) -> bool:
    """Put old measurements together, and forget the oldest; whether there is more to do."""
    gateways_db.forget(tx, now - gateways.KNOWN_MS)
    measurements.forget(tx, now // 1000 - KEEP_S)
    return any(tidy(tx, number, now // 1000) for number in watching.every_id(tx))


def settle(tx: Transaction) -> None:
    """Have policies choose anew."""
    policies.settle(tx)
