"""What one can do with experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modelyard.db import experiment_activity
from modelyard.db import experiments as db
from modelyard.domain import validation
from modelyard.domain.errors import AlreadyExists, InvalidArgument, InvalidState, NotFound

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.db.experiment_activity import Activity
    from modelyard.db.transaction import Transaction
    from modelyard.domain.experiments import Experiment, View
    from modelyard.domain.principals import Principal
    from modelyard.domain.search import Node, OrderKey, Scalar

MOST_RESULTS = 50_000


def get(tx: Transaction, number: int) -> Experiment:
    """An experiment by id, deleted ones included.

    Raises:
        NotFound: there is none.
    """
    found = db.get(tx, number)
    if found is None:
        raise _absent(number)
    return found


def get_by_name(tx: Transaction, name: str) -> Experiment:
    """An experiment by name, deleted ones included.

    Raises:
        NotFound: there is none.
    """
    found = db.get_by_name(tx, name)
    if found is None:
        raise NotFound(f"Could not find experiment with name '{name}'")
    return found


def active(tx: Transaction, number: int) -> Experiment:
    """An experiment that may be changed.

    Raises:
        NotFound: there is none.
        InvalidState: it is in the trash.
    """
    found = get(tx, number)
    if found.lifecycle != "active":
        raise InvalidState(f"The experiment {number} must be in the 'active' state. Current state is deleted.")
    return found


def _absent(number: int) -> NotFound:
    return NotFound(f"No Experiment with id={number} exists")


def create(
    tx: Transaction,
    principal: Principal,
    name: str,
    location: str,
    root: str,
    tags: Sequence[tuple[str, str]] | Mapping[str, str] = (),
) -> int:
    """Make an experiment; its id.

    Args:
        tx: the transaction.
        principal: who does it.
        name: unique, also among deleted ones.
        location: URI for its artifacts; empty: a folder named after its id below `root`.
        root: the server's default artifact root, such as `mlflow-artifacts:`.
        tags: key and value; the last one of a key wins.

    Raises:
        AlreadyExists: the name is taken, if only by a deleted experiment.
        InvalidArgument: the name is too long, the location cannot hold artifacts, or a tag is not allowed.
    """
    validation.check_experiment_name(name)
    validation.check_location(location)
    try:
        urlsplit(location)
    except ValueError as error:
        raise InvalidArgument(f"'artifact_location' is not a URI: {error}. Given: {location[:200]!r}") from None
    tags = dict(tags)
    for key, value in tags.items():
        validation.check_experiment_tag(key, value)
    _check_free(tx, name)
    now = now_ms()
    number = db.create(tx, name, location, now, principal.name)
    if not location:
        db.locate(tx, number, f"{root}/{number}")
    if tags:
        db.set_tags(tx, number, tags)
    return number


def named(tx: Transaction, principal: Principal, name: str, root: str) -> int:
    """The id of the experiment with this name, which is made if there is none; see `create`.

    Raises:
        InvalidState: it is in the trash.
        InvalidArgument: the name is not allowed.
    """
    found = db.get_by_name(tx, name)
    if found is None:
        return create(tx, principal, name, "", root)
    if found.lifecycle != "active":
        raise InvalidState(f"The experiment {name!r} is in the trash: restore it, or choose another name.")
    return found.id


def _check_free(tx: Transaction, name: str) -> None:
    taken = db.get_by_name(tx, name)
    if taken is not None:
        hint = " It is in the trash: restore it, or choose another name." if taken.lifecycle == "deleted" else ""
        raise AlreadyExists(f"Experiment(name={name}) already exists.{hint}")


def rename(tx: Transaction, principal: Principal, number: int, name: str) -> None:
    """Give an experiment another name.

    Raises:
        NotFound: there is no such experiment.
        InvalidState: it is in the trash.
        AlreadyExists: the name is taken.
        InvalidArgument: the name is too long.
    """
    del principal
    validation.check_experiment_name(name)
    found = get(tx, number)
    if found.lifecycle != "active":
        raise InvalidState("Cannot rename a non-active experiment.")
    if found.name != name:
        _check_free(tx, name)
    db.rename(tx, number, name, now_ms())


def delete(tx: Transaction, principal: Principal, number: int) -> None:
    """Move an experiment and all its runs to the trash.

    Raises:
        NotFound: there is no such experiment, or it is there already.
    """
    del principal
    if get(tx, number).lifecycle != "active":
        raise _absent(number)
    db.set_lifecycle(tx, number, "deleted", now_ms())


def restore(tx: Transaction, principal: Principal, number: int) -> None:
    """Take an experiment and all its runs out of the trash.

    Raises:
        NotFound: there is no such experiment, or it is not there.
    """
    del principal
    if get(tx, number).lifecycle != "deleted":
        raise _absent(number)
    db.set_lifecycle(tx, number, "active", now_ms())


def set_tag(tx: Transaction, principal: Principal, number: int, key: str, value: str) -> None:
    """Add or replace a tag.

    Raises:
        NotFound: there is no such experiment.
        InvalidState: it is in the trash.
        InvalidArgument: key or value is not allowed.
    """
    del principal
    validation.check_experiment_tag(key, value)
    active(tx, number)
    db.set_tags(tx, number, {key: value})


def delete_tag(tx: Transaction, principal: Principal, number: int, key: str) -> None:
    """Remove a tag.

    Raises:
        NotFound: there is no such experiment, or it has no such tag.
        InvalidState: it is in the trash.
    """
    del principal
    active(tx, number)
    if not db.delete_tag(tx, number, key):
        raise NotFound(f"No tag with name: {key} in experiment with id {number}")


def search(
    tx: Transaction,
    wanted: Node | None = None,
    order: Sequence[OrderKey] = (),
    view: View = "active",
    *,
    limit: int,
    offset: int = 0,
) -> list[Experiment]:
    """Experiments, by default the newest first.

    Args:
        tx: the transaction.
        wanted: what must hold.
        order: keys to sort by; ties by id, newest first.
        view: active ones, those in the trash, or both.
        limit: how many at most, up to 50,001 (a page, and one to know whether there is another).
        offset: how many to skip.

    Raises:
        InvalidArgument: the limit is out of range.
    """
    if not 0 < limit <= MOST_RESULTS + 1:
        raise InvalidArgument(f"The limit is {limit}; 1 to {MOST_RESULTS + 1} are allowed.")
    return db.search(tx, wanted, order, view, limit, offset)


def page(
    tx: Transaction,
    wanted: Node | None = None,
    order: Sequence[OrderKey] = (),
    view: View = "active",
    *,
    limit: int,
    after: Sequence[Scalar] | None = None,
) -> tuple[list[Experiment], list[tuple[Scalar, ...]]]:
    """Like `search`, but a page begins behind a position: what is added or removed meanwhile moves nothing.

    Args:
        tx: the transaction.
        wanted: what must hold.
        order: keys to sort by; ties by id, newest first.
        view: active ones, those in the trash, or both.
        limit: how many at most.
        after: position of the last one of the page before; with the same order.

    Returns:
        The experiments, and the position of each.
    """
    return db.page(tx, wanted, order, view, limit, after)


def count(tx: Transaction, wanted: Node | None = None, view: View = "active") -> int:
    """How many experiments match."""
    return db.count(tx, wanted, view)


def activity(tx: Transaction, ids: Sequence[int]) -> dict[int, Activity]:
    """What goes on in experiments, by id."""
    return experiment_activity.of(tx, ids)


def active_ids(tx: Transaction) -> list[int]:
    """Ids of all experiments that are not in the trash."""
    return db.active_ids(tx)


def change(
    tx: Transaction,
    principal: Principal,
    number: int,
    *,
    name: str | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> Experiment:
    """Change name and tags at once; what is not given stays. A tag that is None is removed, if it is there.

    Raises:
        NotFound: there is no such experiment.
        InvalidState: it is in the trash.
        AlreadyExists: the name is taken.
        InvalidArgument: the name, a key or a value is not allowed.
    """
    found = active(tx, number)
    if name is not None and name != found.name:
        rename(tx, principal, number, name)
    for key, value in (tags or {}).items():
        if value is None:
            db.delete_tag(tx, number, key)
        else:
            set_tag(tx, principal, number, key, value)
    return get(tx, number)
