"""What one can do with runs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from modelyard.db import runs as db
from modelyard.domain.errors import ModelyardError, NotFound

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.columns import ColumnStore, Found
    from modelyard.db.documents import Documents
    from modelyard.db.engine import Transaction
    from modelyard.domain.experiments import View
    from modelyard.domain.runs import NewRun, Run, RunChange
    from modelyard.domain.search import Node, OrderKey


def create(tx: Transaction, new: NewRun) -> Run:
    """Start a run (see `domain.runs.plan`).

    Raises:
        NotFound: no such experiment.
        InvalidState: the experiment is in the trash.
    """
    return _value(db.create(tx, [new])[0])


def update(tx: Transaction, change: RunChange) -> Run:
    """Change status, end time or name. The run without its data.

    Raises:
        NotFound: no such run.
        InvalidState: it is in the trash.
    """
    return _value(db.change(tx, [change])[0])


def _value(outcome: Run | ModelyardError) -> Run:
    if isinstance(outcome, ModelyardError):
        raise outcome
    return outcome


def get(tx: Transaction, uuid: str) -> Run:
    """A whole run, deleted ones included.

    Raises:
        NotFound: no such run.
    """
    number, _, _ = db.find(tx, uuid)
    return db.load(tx, [number])[number]


def delete(tx: Transaction, uuid: str) -> None:
    """Move a run to the trash; it may be there already.

    Raises:
        NotFound: no such run.
    """
    db.set_lifecycle(tx, uuid, "deleted", now_ms())


def restore(tx: Transaction, uuid: str) -> None:
    """Take a run out of the trash.

    Raises:
        NotFound: no such run.
    """
    db.set_lifecycle(tx, uuid, "active", now_ms())


def delete_tag(tx: Transaction, uuid: str, key: str) -> None:
    """Remove a tag.

    Raises:
        NotFound: no such run, or no such tag.
        InvalidState: the run is in the trash.
    """
    number, _ = db.touch(tx, uuid)
    if not db.delete_tag(tx, number, key):
        raise NotFound(f"No tag with name: {key} in run with id {uuid}")


def search(  # noqa: PLR0913 - a search has these parts
    tx: Transaction,
    columns: ColumnStore,
    experiments: Sequence[int],
    node: Node | None,
    order: Sequence[OrderKey],
    view: View,
    limit: int,
    offset: int,
) -> Found:
    """One page of the runs that match; see `ColumnStore.search`."""
    return columns.search(tx, experiments, node, order, view, limit, offset)


def search_documents(  # noqa: PLR0913 - a search has these parts
    tx: Transaction,
    columns: ColumnStore,
    documents: Documents,
    experiments: Sequence[int],
    node: Node | None,
    order: Sequence[OrderKey],
    view: View,
    limit: int,
    offset: int,
) -> tuple[list[bytes], bool, list[dict[str, object]]]:
    """One page of the runs that match as documents, whether more follow, and documents worth saving."""
    found = columns.search(tx, experiments, node, order, view, limit, offset)
    bodies, to_save = documents.fetch(tx, found.ids)
    return bodies, found.total > offset + len(found.ids), to_save


def document(tx: Transaction, documents: Documents, uuid: str) -> bytes:
    """A run's document.

    Raises:
        NotFound: no such run.
    """
    number, _, _ = db.find(tx, uuid)
    return documents.fetch(tx, [number])[0][0]


def locate(tx: Transaction, uuid: str) -> str:
    """Where a run keeps its artifacts, deleted ones included.

    Raises:
        NotFound: no such run.
    """
    return db.artifact_uri(tx, uuid)
