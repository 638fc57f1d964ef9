"""Emptying the trash: runs, logged models and experiments that were deleted long ago, with their artifacts, for good.

In three steps, so that stopping half-way loses nothing that is still wanted and the next time goes on: rows are marked
(then they cannot be restored), artifacts are deleted, rows are deleted. What a model version or an active logged model
still points to is never marked.
"""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from typing import TYPE_CHECKING, Final

from modelyard.db import trash as db
from modelyard.domain.errors import (
    InvalidArgument,
    InvalidState,
    ModelyardError,
    NotFound,
    NotSupported,
    PermissionDenied,
    Unavailable,
)
from modelyard.domain.trash import Emptied, Item

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelyard.artifacts.base import ArtifactStore
    from modelyard.artifacts.places import Place, Places
    from modelyard.db.engine import Database
    from modelyard.db.transaction import Transaction
    from modelyard.domain.trash import Selection

BATCH: Final = 40
"""Things per transaction: few enough that a server's own writes wait some milliseconds, not seconds."""

_AT_ONCE: Final = 8
_OVERLAP_MS: Final = 60_000  # clocks of other servers may be behind


def pending(tx: Transaction, wanted: Selection) -> list[Item]:
    """Everything that is due.

    Raises:
        InvalidState: something that the selection names is not in the trash.
    """
    if gone := db.absent(tx, wanted):
        raise InvalidState(f"Not in the trash: {', '.join(gone)}. Only what was deleted can be deleted for good.")
    found: list[Item] = []
    if wanted.runs is None or wanted.experiments is None:
        found += _pages(tx, wanted)
    else:
        raise InvalidArgument("Name runs or experiments, not both.")
    return found


def _pages(tx: Transaction, wanted: Selection) -> Iterator[Item]:
    number = 0
    while page := db.runs(tx, wanted, number, 1000):
        yield from page
        number = int(page[-1].key)
    if wanted.runs is not None:
        return
    key = ""
    while models := db.logged_models(tx, wanted, key, 1000):
        yield from models
        key = str(models[-1].key)
    yield from db.experiments(tx, wanted)


def mark(tx: Transaction, items: list[Item], since_ms: int) -> list[Item]:
    """Mark the items that nothing needs and that nobody restored meanwhile; which these are.

    Args:
        tx: the transaction.
        items: due, and needed by nothing that is older than `since_ms`.
        since_ms: versions and logged models that changed since are looked at again.
    """
    needed = db.needed(tx, since_ms)
    return db.mark(tx, [item for item in items if item.token not in needed])


async def empty(database: Database, places: Places, wanted: Selection, *, dry_run: bool) -> Emptied:
    """Delete for good what is due, or only count it.

    Args:
        database: whose trash it is; servers may be running on it.
        places: where artifacts are.
        wanted: which part.
        dry_run: change nothing.

    Raises:
        InvalidState: something that the selection names is not in the trash.
        Unavailable: the database cannot be reached.
    """
    began = now_ms()
    items = database.read(pending, wanted)
    needed = database.read(db.needed)
    done = Emptied(kept=[item for item in items if item.kind != "experiment" and item.token in needed])
    kept = set(done.kept)
    due = [item for item in items if item not in kept]
    experiments = {int(item.key) for item in due if item.kind == "experiment"}
    for batch in _batches([item for item in due if item.kind != "experiment"]):
        started = time.monotonic()
        if not dry_run:
            free = set(database.write(mark, batch, began - _OVERLAP_MS))
            done.kept += [item for item in batch if item not in free]
            batch = [item for item in batch if item in free]  # noqa: PLW2901 - the same batch, less what is needed
        freed = await _artifacts(places, batch, done, dry_run=dry_run)
        done.runs += sum(item.kind == "run" for item in freed)
        done.logged_models += sum(item.kind == "logged_model" for item in freed)
        if not dry_run:
            database.write(db.erase, freed)
            # As long as this took, a server on the same SQLite file gets to write.
            await asyncio.sleep(min(1.0, time.monotonic() - started))
    if dry_run:
        occupied = {item.experiment_id for item in done.kept}
        done.experiments = len(experiments - occupied)
    else:
        done.experiments = len(database.write(db.erase_empty, experiments))
        database.write(db.erase_unused_datasets)
    return done


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    for _, same in groupby(items, key=lambda item: item.kind):
        page = list(same)
        for start in range(0, len(page), BATCH):
            yield page[start : start + BATCH]


async def _artifacts(places: Places, items: list[Item], done: Emptied, *, dry_run: bool) -> list[Item]:
    """Count and delete artifacts; the items that have none any more."""
    gate = asyncio.Semaphore(_AT_ONCE)
    try:
        await places.root.ready()
    except ModelyardError as error:  # where nothing can be reached, nothing can be found either
        unreachable = error.message
    else:
        unreachable = ""

    async def one(item: Item) -> bool:
        async with gate:
            try:
                place = folder_of(places, item)
                if place is None:
                    done.left.append(item.uri)
                    return True
                if unreachable and place.store is places.root:
                    raise Unavailable(unreachable)
                files, size = await _weigh(place.store, place.path)
                if not dry_run:
                    await place.store.delete(place.path)
            except ModelyardError as error:
                done.failed.append((item, error.message))
                return False
            done.files += files
            done.size += size
            return True

    results = await asyncio.gather(*(one(item) for item in items))
    return [item for item, freed in zip(items, results, strict=True) if freed]


def folder_of(places: Places, item: Item) -> Place | None:
    """The folder that belongs to this run or logged model alone; None if the server may not reach it.

    It is recognised by the id in its path. A URI without it is nobody's own: nothing is deleted there.
    """
    begin, found, rest = item.uri.partition(f"/{item.name}")
    if not found or (rest and rest[0] != "/"):
        return None
    try:
        return places.locate(begin + found)
    except (InvalidArgument, NotSupported, PermissionDenied):
        return None


async def _weigh(store: ArtifactStore, path: str) -> tuple[int, int]:
    """Files below a path, and their bytes."""
    files = size = 0
    folders = [path]
    while folders:
        folder = folders.pop()
        try:
            entries = await store.list(folder)
        except NotFound:
            continue
        for entry in entries:
            if entry.is_dir:
                folders.append(f"{folder}/{entry.name}")
            else:
                files += 1
                size += entry.size or 0
    return files, size
