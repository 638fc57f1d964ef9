"""The registry's history: recorded by every change, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import history as db
from modelyard.db import models
from modelyard.domain.errors import InvalidArgument, NotFound

from .clock import now_ms

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.history import Change, Event
    from modelyard.domain.principals import Principal

MOST_PER_PAGE = 1000


class Recorder:
    """Begins a change of the registry and appends its events: one principal, one time, one reason.

    To be made before anything is read that the change depends on: from here on nobody else changes the registry.

    Attributes:
        now: ms since the epoch; the time that the call's other rows carry too.
    """

    __slots__ = ("_principal", "_reason", "_tx", "now")

    def __init__(self, tx: Transaction, principal: Principal, reason: str | None = None) -> None:
        self._tx = tx
        self._principal = principal.name
        self._reason = reason or None
        db.begin(tx)
        self.now = now_ms()

    def note(
        self,
        kind: Change,
        model_id: int,
        model: str,
        version: int | None = None,
        *,
        subject: str | None = None,
        old: str | int | None = None,
        new: str | int | None = None,
    ) -> None:
        """Record one change."""
        db.append(
            self._tx,
            kind,
            at_ms=self.now,
            principal=self._principal,
            model_id=model_id,
            model_name=model,
            version=version,
            subject=subject,
            old=None if old is None else str(old),
            new=None if new is None else str(new),
            reason=self._reason,
        )


def events(
    tx: Transaction,
    model: str | None = None,
    version: int | None = None,
    *,
    limit: int = 100,
    before: int | None = None,
) -> list[Event]:
    """What happened, newest first.

    Args:
        tx: the transaction.
        model: only of the model that has, or last had, this name; under whichever names it had before.
        version: only of this version of the model.
        limit: the most events, 1 to 1000.
        before: only events with a smaller id: the id of the last event of the page before.

    Raises:
        NotFound: no model has or had the name.
        InvalidArgument: the limit is out of bounds, or a version is asked for without a model.
    """
    if not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidArgument(f"Invalid limit {limit}: expected 1 to {MOST_PER_PAGE}.")
    if model is None and version is not None:
        raise InvalidArgument("A version's history needs the name of its model.")
    return db.page(tx, model_id(tx, model) if model is not None else None, version, limit, before)


def model_id(tx: Transaction, name: str) -> int:
    """The number of the model that has this name or, if none has it, last had it.

    Raises:
        NotFound: none ever had.
    """
    found = models.bare(tx, name)
    number = found.id if found else db.once_named(tx, name)
    if number is None:
        raise NotFound(f"Registered Model with name={name} not found")
    return number
