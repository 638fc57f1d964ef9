"""Predictions and feedback: taken from gateways and callers, looked at, counted, and forgotten after a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from modelyard.db import feedback as feedback_db
from modelyard.db import prediction_counts, served_names
from modelyard.db import predictions as db
from modelyard.db.rounds import Rounds
from modelyard.domain.errors import InvalidArgument, ModelyardError, NotFound
from modelyard.domain.predictions import DAY_MS, time_of
from modelyard.domain.statistics import SLOT_S, Comparison, Count, answerer, compared

from .clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.engine import Database
    from modelyard.db.transaction import Transaction
    from modelyard.domain.predictions import Feedback, Prediction, Stored, Wanted
    from modelyard.domain.statistics import Slot

log = logging.getLogger("modelyard.predictions")

AT_ONCE: Final = {"sqlite": 250, "postgresql": 1000}
"""Predictions in one transaction: with SQLite, others that write wait for as long as these take."""

MOST_PER_PAGE: Final = 5000

_FOR_EVER_S: Final = 2**40
_LOOK_S: Final = 60.0
_PRUNED_AT_ONCE: Final = 2000
_MOST_PRUNED: Final = 50_000
_PAUSE_S: Final = 0.05


# ------------------------------------------------------------------------------------ in


def check(found: Sequence[Prediction]) -> None:
    """Refuse predictions whose ids do not begin with their time.

    Raises:
        InvalidArgument: so they are; the places name them.
    """
    wrong = [
        (f"/predictions/{at}/id", "Expected 48 bits of milliseconds since the epoch, within a day of `at_ms`.")
        for at, each in enumerate(found)
        if abs(time_of(each.id) - each.at_ms) > DAY_MS
    ]
    if wrong:
        raise InvalidArgument(f"{len(wrong)} ids do not begin with their prediction's time.", wrong)


def check_feedback(found: Sequence[Feedback], place: str = "/feedback/{}") -> None:
    """Refuse feedback that says nothing, or not about what.

    Args:
        found: feedback.
        place: where each stands in the message, by its number.

    Raises:
        InvalidArgument: so it is; the places name it.
    """
    wrong: list[tuple[str, str]] = []
    for at, each in enumerate(found):
        where = place.format(at)
        if each.prediction is None and each.key is None:
            wrong.append((where, "Say `prediction`, its id, or `key` and `deployment`."))
        elif each.key is not None and not each.deployment:
            wrong.append((f"{where}/deployment", "A key needs the deployment whose requests have it."))
        if each.truth is None and each.right is None:
            wrong.append((where, "Say `truth`, what would have been right, or `right`: true or false."))
    if wrong:
        raise InvalidArgument(f"Feedback cannot be used: {wrong[0][1]}", wrong)


def take(tx: Transaction, found: Sequence[Prediction]) -> int:
    """Store predictions; those that are known by their ids are passed over. How many are new."""
    return db.take(tx, found, now_ms())


def take_feedback(tx: Transaction, found: Sequence[Feedback]) -> tuple[int, int]:
    """Store feedback. How much is new, and how many predictions are known that it is about."""
    db.alone(tx)
    return feedback_db.take(tx, found, now_ms())


def take_all(database: Database, found: Sequence[Prediction], told: Sequence[Feedback]) -> tuple[int, int]:
    """Store a batch in transactions that are short; what was stored before a failure is passed over the next time.

    Returns:
        How many predictions and how much feedback is new.
    """
    check(found)
    check_feedback(told)
    size = AT_ONCE[database.dialect]
    stored = sum(database.write(take, found[at : at + size]) for at in range(0, len(found), size))
    new = sum(database.write(take_feedback, told[at : at + size])[0] for at in range(0, len(told), size))
    return stored, new


# ------------------------------------------------------------------------------------ out


def page(tx: Transaction, wanted: Wanted, limit: int, before: bytes | None = None) -> list[Stored]:
    """Predictions, the newest first.

    Args:
        tx: the transaction.
        wanted: which.
        limit: the most, 1 to 5001.
        before: the id of the last one of the page before.

    Raises:
        NotFound: nothing was ever served under the deployment's name.
    """
    if wanted.deployment:
        _homes(tx, wanted.deployment)
    return db.page(tx, wanted, limit, before)


def _homes(tx: Transaction, deployment: str) -> list[int]:
    found = served_names.all_of(tx, deployment)
    if not found:
        raise NotFound(f"There is no deployment {deployment!r}, and no prediction was recorded under that name.")
    return found


def runs_of(tx: Transaction, found: Sequence[Stored]) -> dict[tuple[str, str], str]:
    """The runs that made the versions which answered, by model and version; as far as the registry knows them."""
    return db.runs_of(tx, {(each.prediction.model, each.prediction.version) for each in found})


class Details(NamedTuple):
    """Everything about a prediction.

    Attributes:
        stored: itself.
        feedback: about it, the newest first.
        shadows: what shadows answered to the same request.
    """

    stored: Stored
    feedback: list[Feedback]
    shadows: list[Stored]


def get(tx: Transaction, id: str) -> Details:
    """Everything about a prediction.

    Raises:
        NotFound: it is not there: not recorded, not arrived, or deleted after its time.
    """
    try:
        raw = bytes.fromhex(id)
    except ValueError:
        raw = b""
    found = db.get(tx, raw) if len(raw) == 16 else None
    if found is None:
        raise NotFound(f"There is no prediction {id[:100]!r}. It may not have arrived yet.")
    return Details(found, feedback_db.given(tx, found.prediction), db.shadows(tx, raw))


class Period(NamedTuple):
    """What was counted in a period.

    Attributes:
        since_ms: its beginning; 0: everything.
        until_ms: its end.
        slots: what was counted.
    """

    since_ms: int
    until_ms: int
    slots: list[Slot]

    def callers(self) -> list[Slot]:
        """Of the answers that callers got."""
        return [slot for slot in self.slots if slot.of.role != "shadow"]

    def shadows(self) -> list[Slot]:
        """Of the others."""
        return [slot for slot in self.slots if slot.of.role == "shadow"]


def period(
    tx: Transaction,
    deployment: str,
    since_ms: int | None = None,
    until_ms: int | None = None,
    segment: str | None = None,
    version: str = "",
) -> Period:
    """What was counted of a deployment; the period is widened to whole slots of five minutes.

    Args:
        tx: the transaction.
        deployment: its name.
        since_ms: None: from the beginning.
        until_ms: None: until now.
        segment: only of this one.
        version: only of this one; see `is_version`.

    Raises:
        NotFound: nothing was ever served under the name.
    """
    homes = _homes(tx, deployment)
    slot_ms = SLOT_S * 1000
    first = (since_ms or 0) // slot_ms * SLOT_S
    end = _FOR_EVER_S if until_ms is None else -(-until_ms // slot_ms) * SLOT_S  # some clocks are ahead of ours
    slots = [
        slot
        for slot in prediction_counts.between(tx, homes, first, end)
        if (segment is None or slot.of.segment == segment) and (not version or is_version(slot, version))
    ]
    return Period(first * 1000, now_ms() if until_ms is None else end * 1000, slots)


def is_version(slot: Slot, version: str) -> bool:
    """Whether a count is of a version: `3`, `MODEL/3`, `endpoint:NAME`, or `revision:2`."""
    of = slot.of
    kind, _, name = version.partition(":")
    if kind == "endpoint":
        return of.endpoint == name
    if kind == "revision":
        return not of.endpoint and str(of.revision) == name
    return not of.endpoint and version in (of.version, f"{of.model}/{of.version}")


class Compared(NamedTuple):
    """Two versions side by side.

    Attributes:
        period: that was looked at.
        a, b: model, version and endpoint of each, and what was counted.
        comparison: how the first stands against the second.
    """

    period: Period
    a: tuple[tuple[str, str, str], Count]
    b: tuple[tuple[str, str, str], Count]
    comparison: Comparison


def compare(
    tx: Transaction,
    deployment: str,
    a: str,
    b: str,
    since_ms: int | None = None,
    until_ms: int | None = None,
    segment: str | None = None,
) -> Compared:
    """Compare two versions by the feedback on the answers that callers got.

    Raises:
        NotFound: nothing was served under the name, or one of the versions answered nobody in the period.
        InvalidArgument: they are the same, or one of them names several.
    """
    if a == b:
        raise InvalidArgument(f"{a!r} cannot be compared with itself; expected two versions.", [("b", "Another one.")])
    whole = period(tx, deployment, since_ms, until_ms, segment)
    sides = []
    for name in (a, b):
        theirs = [slot for slot in whole.callers() if is_version(slot, name)]
        found = {answerer(slot.of) for slot in theirs}
        if not found:
            raise NotFound(f"Version {name!r} of deployment {deployment!r} answered nobody in this period.")
        if len(found) > 1:
            several = ", ".join(sorted(f"{model}/{version}" for model, version, _ in found))
            raise InvalidArgument(
                f"Version {name!r} may be any of {several}; say which.", [("a", "Say the model too.")]
            )
        total = Count()
        for slot in theirs:
            total.add(slot.counted)
        sides.append((found.pop(), total))
    names = [name.replace(":", " ") if ":" in name else f"version {name}" for name in (a, b)]
    comparison = compared(names[0], sides[0][1], names[1], sides[1][1])
    return Compared(whole, sides[0], sides[1], comparison)


# ------------------------------------------------------------------------------------ forgetting


class Retention:
    """A thread that deletes predictions and feedback after their time, a little at a time.

    Args:
        database: that holds them.
        days: how long they are kept; 0: for ever.
    """

    def __init__(self, database: Database, days: float) -> None:
        self._database = database
        self._days = days
        self._rounds = Rounds("modelyard-retention", _LOOK_S, self.look, self._failed, database.drop_reader)

    def start(self) -> None:
        """Begin."""
        if self._days > 0:
            self._rounds.start()

    def stop(self) -> None:
        """End after the deletion at hand."""
        self._rounds.stop()

    def look(self) -> int:
        """Delete what is due, up to a bound; how much was."""
        before = now_ms() - round(self._days * DAY_MS)
        total = 0
        for prune in (db.prune, feedback_db.prune):
            gone = _PRUNED_AT_ONCE
            while gone == _PRUNED_AT_ONCE and total < _MOST_PRUNED and not self._rounds.stopping:
                gone = self._database.write(prune, before, _PRUNED_AT_ONCE)
                total += gone
                self._rounds.pause(_PAUSE_S)  # others write, too
        return total

    def _failed(self, error: Exception) -> None:
        if isinstance(error, ModelyardError):
            log.warning("old predictions are deleted later: %s", error)
        else:
            log.error("old predictions could not be deleted; it is tried again", exc_info=error)
