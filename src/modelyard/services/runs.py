"""What one can do with runs."""

from __future__ import annotations

import secrets
import uuid as uuids
from dataclasses import replace
from typing import TYPE_CHECKING

from modelyard.db import experiments as db_experiments
from modelyard.db import runs as db
from modelyard.domain import run_names
from modelyard.domain.errors import InvalidArgument, InvalidState, NotFound
from modelyard.domain.runs import Run, RunStatus, artifact_uri

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.columns import ColumnStore, Found
    from modelyard.db.documents import Documents
    from modelyard.db.engine import Transaction
    from modelyard.domain.experiments import View
    from modelyard.domain.principals import Principal
    from modelyard.domain.search import Node, OrderKey

NAME_TAG = "mlflow.runName"


def create(  # noqa: PLR0913 - what a run is made of
    tx: Transaction,
    principal: Principal,
    experiment_id: int,
    *,
    name: str = "",
    start_ms: int = 0,
    user_id: str = "",
    tags: Sequence[tuple[str, str]] = (),
    uuid: str = "",
) -> Run:
    """Start a run.

    Args:
        name: empty: the tag `mlflow.runName`, or a made-up one.
        start_ms: ms since the epoch.
        uuid: 32 hex digits; empty: a new one.

    Raises:
        NotFound: no such experiment.
        InvalidState: the experiment is in the trash.
        InvalidArgument: name and name tag differ.
    """
    experiment = db_experiments.place(tx, experiment_id)
    if experiment is None:
        raise NotFound(f"No Experiment with id={experiment_id} exists")
    location, lifecycle = experiment
    if lifecycle != "active":
        raise InvalidState(f"The experiment {experiment_id} must be in the 'active' state. Current state is deleted.")
    named = dict(tags).get(NAME_TAG, "")
    if name and named and name != named:
        raise InvalidArgument(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{named}')."
        )
    name = name or named or run_names.make(secrets.randbits(32))
    all_tags = list(dict(tags).items())
    if not named:
        all_tags = [(key, value) for key, value in all_tags if key != NAME_TAG] + [(NAME_TAG, name)]
    uuid = uuid or uuids.uuid4().hex
    uri = artifact_uri(location, uuid)
    number = db.create(
        tx,
        uuid=uuid,
        experiment_id=experiment_id,
        name=name,
        status=RunStatus.RUNNING,
        start_ms=start_ms,
        user_id=user_id,
        uri=uri,
        by=principal.name,
        tags=all_tags,
    )
    return Run(
        number, uuid, experiment_id, name, RunStatus.RUNNING, start_ms, None, "active", user_id, uri, 1, tags=all_tags
    )


def update(
    tx: Transaction, uuid: str, *, status: RunStatus | None = None, end_ms: int | None = None, name: str = ""
) -> Run:
    """Change status, end time or name; what is not given stays. The run without its data.

    Raises:
        NotFound: no such run.
        InvalidState: it is in the trash.
    """
    found = db.touch_info(tx, uuid)
    changed = replace(
        found,
        status=status or found.status,
        end_ms=end_ms if end_ms is not None else found.end_ms,
        name=name or found.name,
    )
    if changed != found:
        db.update_info(tx, changed)
    if name and name != found.name:
        db.set_tag(tx, found.id, NAME_TAG, name)
    return changed


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
