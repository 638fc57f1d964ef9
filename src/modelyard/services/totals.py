"""How much there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import totals as db

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.totals import Totals


def count(tx: Transaction) -> Totals:
    """How much of everything the database holds."""
    return db.count(tx)
