"""What one can do with runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import run_parts
from modelyard.db import runs as db
from modelyard.domain import validation
from modelyard.domain.errors import AlreadyExists, InvalidArgument, ModelyardError, NotFound
from modelyard.domain.runs import NAME_TAG, RunChange

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.db.columns import ColumnStore, Page, Window
    from modelyard.db.documents import Documents
    from modelyard.db.keyset import Mark
    from modelyard.db.transaction import Transaction
    from modelyard.domain.experiments import View
    from modelyard.domain.runs import NewRun, Run, RunStatus
    from modelyard.domain.search import Node, OrderKey
    from modelyard.domain.selection import Selection


def create(tx: Transaction, new: NewRun) -> Run:
    """Start a run (see `domain.runs.plan`).

    Raises:
        NotFound: no such experiment.
        InvalidState: the experiment is in the trash.
    """
    return _value(db.create(tx, [new])[0])


def ensure(tx: Transaction, new: NewRun, *, any_start: bool = False) -> Run:
    """Start a run, or give the one that the same caller started before under the same id, with what it has now.

    Its name and tags may have changed since and do not count; nor does its start, with `any_start`.

    Raises:
        NotFound: no such experiment.
        InvalidState: the experiment is in the trash.
        AlreadyExists: a run with this id was started otherwise.
    """
    try:
        number, _, _ = db.find(tx, new.run)
    except NotFound:
        return create(tx, new)
    (found,) = run_parts.load(tx, [number])
    differing = [
        name
        for name, one, other in (
            ("experiment", found.experiment_id, new.experiment_id),
            ("start", found.start_ms, found.start_ms if any_start else new.start_ms),
            ("user", found.user_id, new.user_id),
        )
        if one != other
    ]
    if differing:
        raise AlreadyExists(
            f"There is a run {new.run} already, started with another {' and '.join(differing)}. Choose another id."
        )
    return found


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


def search_documents(
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


# ------------------------------------------------------------------------------------ for the native API


def parts(tx: Transaction, uuid: str, wanted: Selection) -> Run:
    """The wanted parts of a run, deleted ones included.

    Raises:
        NotFound: no such run.
    """
    number, _, _ = db.find(tx, uuid)
    found = run_parts.load(tx, [number], wanted)
    if not found:
        db.find(tx, uuid)  # raises: it was erased in between
    return found[0]


def page(
    tx: Transaction,
    columns: ColumnStore,
    experiments: Sequence[int],
    node: Node | None,
    order: Sequence[OrderKey],
    view: View,
    limit: int,
    after: Mark | None,
    wanted: Selection,
) -> tuple[list[Run], Page]:
    """The wanted parts of one page of the runs that match; see `ColumnStore.page`.

    Raises:
        InvalidArgument: `after` belongs to another order.
    """
    found = columns.page(tx, experiments, node, order, view, limit, after)
    return run_parts.load(tx, found.ids, wanted), found


def window(
    tx: Transaction,
    columns: ColumnStore,
    experiments: Sequence[int],
    node: Node | None,
    order: Sequence[OrderKey],
    view: View,
    limit: int,
    offset: int,
    locate: str,
    wanted: Selection,
) -> tuple[list[Run], Window]:
    """The wanted parts of the runs at some positions, and where the run `locate` stands; see `ColumnStore.window`."""
    found = columns.window(tx, experiments, node, order, view, limit, offset, locate)
    return run_parts.load(tx, found.ids, wanted), found


def count(tx: Transaction, columns: ColumnStore, experiments: Sequence[int], node: Node | None, view: View) -> int:
    """How many runs match."""
    return columns.page(tx, experiments, node, (), view, 0).total


def change(
    tx: Transaction,
    uuid: str,
    *,
    name: str | None = None,
    status: RunStatus | None = None,
    end_ms: int | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> Run:
    """Change info and tags at once; what is not given stays. A tag that is None is removed, if it is there.

    A status that ends the run sets the end to now, unless it is given or was known.

    Raises:
        NotFound: no such run.
        InvalidState: it is in the trash.
        InvalidArgument: a tag's key is not allowed, its value is too long, or its name would be removed.
    """
    tags = tags or {}
    for key, value in tags.items():
        validation.check_tag(key, value or "")
        validation.check_length(f"tags.{key}", value or "", validation.LONGEST_TAG)
    if NAME_TAG in tags:
        if not tags[NAME_TAG]:
            raise InvalidArgument(f"The tag {NAME_TAG} is the run's name and cannot be removed.")
        if name not in (None, tags[NAME_TAG]):
            raise InvalidArgument(f"`name` and the tag {NAME_TAG} say different names.")
        name = tags[NAME_TAG]
    changed = update(tx, RunChange(uuid, status, end_ms, name or ""))
    if status is not None and status.ended and not changed.end_ms:
        update(tx, RunChange(uuid, end_ms=now_ms()))
    for key, value in tags.items():
        if value is None:
            db.delete_tag(tx, changed.id, key)
        elif key != NAME_TAG:
            db.set_tag(tx, changed.id, key, value)
    return run_parts.load(tx, [changed.id])[0]
