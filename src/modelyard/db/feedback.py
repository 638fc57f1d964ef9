"""SQL for feedback, and how it is joined with predictions: whichever comes first, the newest feedback counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.predictions import Feedback, judged
from modelyard.domain.statistics import Count, Of, slot_of

from . import prediction_counts, served_names
from .statement import Statement
from .tables import feedback, prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelyard.domain.predictions import Prediction

    from .prediction_counts import Place
    from .transaction import Row, Transaction

_MOST_OF_A_KEY: Final = 10_000
"""Predictions of one request for feedback by key that are looked at, the newest."""

_f = feedback.c
_p = prediction.c
_LAST = Statement(select(func.max(_f.id)))
_SINCE = Statement(select(_f.uuid).where(_f.id > bindparam("last")))
_INSERT = Statement(
    insert(feedback)
    .values(
        {
            name: bindparam(name)
            for name in ("uuid", "deployment_id", "prediction", "key", "truth", "right", "at_ms", "principal")
        }
    )
    .on_conflict_do_nothing(index_elements=["uuid"])
)
_HOME_OF = Statement(select(_p.uuid, _p.deployment_id).where(_p.uuid.in_(bindparam("ids", expanding=True))))
_ROW = (
    _p.id, _p.uuid, _p.deployment_id, _p.at_ms, _p.revision, _p.endpoint, _p.model, _p.version, _p.role, _p.segment,
    _p.label, _p.positive, _p.key, _p.parent, _p.right, _p.told_ms,
)  # fmt: skip
_BY_ID = Statement(select(*_ROW).where(_p.uuid.in_(bindparam("ids", expanding=True))))
_BY_PARENT = Statement(select(*_ROW).where(_p.parent.in_(bindparam("ids", expanding=True))))
_BY_KEY = Statement(
    select(*_ROW)
    .where(_p.deployment_id == bindparam("home"), _p.key.in_(bindparam("keys", expanding=True)))
    .order_by(_p.id.desc())
    .limit(_MOST_OF_A_KEY)
)
_TELL = Statement(
    update(prediction)
    .where(_p.id == bindparam("of"))
    .values(truth=bindparam("to_truth"), right=bindparam("to_right"), told_ms=bindparam("to_told_ms"))
)
_SAID = (_f.uuid, _f.prediction, _f.key, _f.truth, _f.right, _f.at_ms, _f.principal, _f.id)
_ANY_ABOUT = Statement(select(_f.id).where(_f.prediction >= bindparam("least")).limit(1))
_ANY_KEYED = Statement(select(_f.id).where(_f.deployment_id == bindparam("home"), _f.key >= "").limit(1))
_ABOUT = Statement(select(*_SAID).where(_f.prediction.in_(bindparam("ids", expanding=True))))
_KEYED = Statement(
    select(*_SAID).where(_f.deployment_id == bindparam("home"), _f.key.in_(bindparam("keys", expanding=True)))
)
_ANY_SHADOW = Statement(select(_p.id).where(_p.parent >= bindparam("least")).limit(1))
_OF_PREDICTION = Statement(
    select(*_SAID)
    .where(
        or_(
            _f.prediction == bindparam("id"),
            _f.prediction == bindparam("parent"),
            (_f.deployment_id == bindparam("home")) & (_f.key == bindparam("key")),
        )
    )
    .order_by(_f.at_ms.desc(), _f.id.desc())
)
_OLDEST = Statement(select(_f.id, _f.at_ms).order_by(_f.id).limit(bindparam("most")))
_DELETE = Statement(delete(feedback).where(_f.id.in_(bindparam("ids", expanding=True))))


class _Known(NamedTuple):
    """A stored prediction, as far as feedback needs it."""

    id: int
    uuid: bytes
    home: int
    at_ms: int
    of: Of
    label: str | None
    positive: bool | None
    key: str | None
    parent: bytes | None
    right: bool | None
    told_ms: int | None


def _known(row: Row) -> _Known:
    return _Known(
        row[0], bytes(row[1]), row[2], row[3], Of(*row[4:10]), row[10], _flag(row[11]), row[12],
        None if row[13] is None else bytes(row[13]), _flag(row[14]), row[15],
    )  # fmt: skip


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _said(row: Row, home: str = "") -> Feedback:
    about = None if row[1] is None else bytes(row[1])
    return Feedback(bytes(row[0]), home, about, row[2], row[3], _flag(row[4]), row[5], row[6])


# ------------------------------------------------------------------------------------ feedback comes


def take(tx: Transaction, found: Sequence[Feedback], now: int) -> tuple[int, int]:
    """Store feedback, and tell the predictions that it is about. `predictions.alone` was called before.

    Args:
        tx: the transaction.
        found: feedback; what is known already by its id is passed over.
        now: ms since the epoch.

    Returns:
        How much of it is new, and how many predictions it is about.
    """
    if not found:
        return 0, 0
    homes = served_names.homes(tx, {each.deployment for each in found if each.deployment}, now)
    asked = list({each.prediction for each in found if each.prediction is not None})
    places = {bytes(id): home for id, home in tx.rows(_HOME_OF, ids=asked)} if asked else {}

    def home_of(each: Feedback) -> int:
        known = places.get(each.prediction) if each.prediction is not None else None
        return homes.get(each.deployment, 0) if known is None else known

    single = {each.id: each for each in found}
    last = tx.row(_LAST)
    before = (last[0] if last is not None else None) or 0
    rows: list[dict[str, Any]] = [
        {"uuid": each.id, "deployment_id": home_of(each), "prediction": each.prediction, "key": each.key,
         "truth": each.truth, "right": None if each.right is None else int(each.right), "at_ms": each.at_ms,
         "principal": each.principal}
        for each in single.values()
    ]  # fmt: skip
    if tx.many(_INSERT, rows) < len(rows):
        new = {bytes(row[0]) for row in tx.rows(_SINCE, last=before)}
        single = {id: each for id, each in single.items() if id in new}
    if not single:
        return 0, 0
    ordered = sorted(single.values(), key=lambda each: each.at_ms)  # what comes together counts in its order
    by_id, by_parent, by_key = _concerned(tx, ordered, home_of)
    told: dict[int, _Known] = {}
    news: dict[int, tuple[Feedback, bool | None]] = {}
    for each in ordered:
        live = by_id.get(each.prediction) if each.prediction is not None else None
        concerned = [live] if live is not None else []
        concerned += by_parent.get(each.prediction, []) if each.prediction is not None else []
        concerned += by_key.get((home_of(each), each.key), []) if each.key is not None else []
        for row in concerned:
            if _counts(row, news.get(row.id), each):
                told[row.id] = row
                news[row.id] = each, _judged(each, row, by_id.get(row.parent or b""))
    _tell(tx, told, news)
    return len(single), len(told)


def _concerned(
    tx: Transaction, found: Iterable[Feedback], home_of: Any
) -> tuple[dict[bytes, _Known], dict[bytes, list[_Known]], dict[tuple[int, str], list[_Known]]]:
    """The predictions that feedback is about: by id, by the id of who was answered, by key."""
    by_id: dict[bytes, _Known] = {}
    by_parent: dict[bytes, list[_Known]] = {}
    by_key: dict[tuple[int, str], list[_Known]] = {}
    ids = list({each.prediction for each in found if each.prediction is not None})
    if ids:
        by_id = {row.uuid: row for row in map(_known, tx.rows(_BY_ID, ids=ids))}
        for row in map(_known, tx.rows(_BY_PARENT, ids=ids)):
            by_parent.setdefault(row.parent or b"", []).append(row)
    keys: dict[int, dict[str, None]] = {}
    for each in found:
        if each.key is not None:
            keys.setdefault(home_of(each), {})[each.key] = None
    for home, theirs in keys.items():
        for row in map(_known, tx.rows(_BY_KEY, home=home, keys=list(theirs))):
            by_key.setdefault((home, row.key or ""), []).append(row)
            by_id.setdefault(row.uuid, row)
    return by_id, by_parent, by_key


def _counts(row: _Known, newer: tuple[Feedback, bool | None] | None, each: Feedback) -> bool:
    """Whether feedback is newer than what is known."""
    if newer is not None:
        return each.at_ms >= newer[0].at_ms
    return row.told_ms is None or each.at_ms >= row.told_ms


def _judged(each: Feedback, row: _Known, live: _Known | None) -> bool | None:
    """Whether an answer was right; of a shadow's answer, as far as feedback about the caller's says."""
    if each.right is None or row.parent is None or each.prediction == row.uuid:
        return judged(each, row.label, row.positive)
    if live is None or row.label is None or live.label is None:
        return None
    if row.label == live.label:
        return each.right
    return False if each.right else None


def _tell(tx: Transaction, rows: Mapping[int, _Known], news: Mapping[int, tuple[Feedback, bool | None]]) -> None:
    """Write beside predictions what is known of them now, and count it."""
    changes: dict[Place, Count] = {}
    for number, row in rows.items():
        right = news[number][1]
        change = Count(
            told=(right is not None) - (row.right is not None), right=(right is True) - (row.right is True)
        )  # fmt: skip
        if change.told or change.right:
            changes.setdefault((row.home, slot_of(row.at_ms), row.of), Count()).add(change)
    tx.many(
        _TELL,
        [
            {"of": number, "to_truth": said.truth, "to_right": None if right is None else int(right),
             "to_told_ms": said.at_ms}
            for number, (said, right) in news.items()
        ],
    )  # fmt: skip
    if changes:
        prediction_counts.add(tx, changes)


# ------------------------------------------------------------------------------------ predictions come


def join(tx: Transaction, new: Sequence[Prediction], homes: Mapping[str, int]) -> None:
    """Tell new predictions what was learnt before they came, and compare shadows' with the callers'."""
    least = min(min(each.id, each.parent or each.id) for each in new)
    # shadows that came before the answer that was used are judged again: now it is known what that was
    concerned = [(each.id, each.parent, each.key, homes[each.deployment]) for each in new]
    concerned += [(row.uuid, row.parent, row.key, row.home) for row in _pair(tx, new, homes, least)]
    waiting: dict[bytes, list[Row]] = {}
    if tx.row(_ANY_ABOUT, least=least) is not None:
        ids = [id for each in concerned for id in each[:2] if id is not None]
        for row in tx.rows(_ABOUT, ids=list(dict.fromkeys(ids))):
            waiting.setdefault(bytes(row[1]), []).append(row)
    keyed: dict[tuple[int, str], list[Row]] = {}
    keys: dict[int, dict[str, None]] = {}
    for _, _, key, home in concerned:
        if key is not None:
            keys.setdefault(home, {})[key] = None
    for home, theirs in keys.items():
        if tx.row(_ANY_KEYED, home=home) is not None:
            for row in tx.rows(_KEYED, home=home, keys=list(theirs)):
                keyed.setdefault((home, row[2]), []).append(row)
    if not waiting and not keyed:
        return
    newest: dict[bytes, Feedback] = {}
    ids = []
    for id, parent, key, home in concerned:
        about = [*waiting.get(id, ()), *waiting.get(parent or b"", ())]
        about += keyed.get((home, key), ()) if key is not None else ()
        if about:
            newest[id] = _said(max(about, key=lambda row: (row[5], row[7])))
            ids += [id] if parent is None else [id, parent]
    if not newest:
        return
    rows = {row.uuid: row for row in map(_known, tx.rows(_BY_ID, ids=list(dict.fromkeys(ids))))}
    told = {rows[id].id: rows[id] for id in newest}
    news = {
        row.id: (newest[row.uuid], _judged(newest[row.uuid], row, rows.get(row.parent or b""))) for row in told.values()
    }
    _tell(tx, told, news)


def _pair(tx: Transaction, new: Sequence[Prediction], homes: Mapping[str, int], least: bytes) -> list[_Known]:
    """Count pairs of a shadow's and the caller's answer of which one just came; shadows that had come before."""
    fresh = {each.id: each for each in new}
    changes: dict[Place, Count] = {}

    def count(place: Place, label: str | None, other: str | None) -> None:
        if label is not None and other is not None:
            changes.setdefault(place, Count()).add(Count(pairs=1, disagreements=int(label != other)))

    shadows = [each for each in new if each.parent is not None]
    older = [each.parent for each in shadows if each.parent is not None and each.parent not in fresh]
    known = {row.uuid: row.label for row in map(_known, tx.rows(_BY_ID, ids=older))} if older else {}
    for each in shadows:
        parent = each.parent or b""
        place = homes[each.deployment], slot_of(each.at_ms), _of(each)
        count(place, each.label, fresh[parent].label if parent in fresh else known.get(parent))
    before: list[_Known] = []
    lives = [each.id for each in new if each.parent is None]
    if lives and tx.row(_ANY_SHADOW, least=least) is not None:
        before = [row for row in map(_known, tx.rows(_BY_PARENT, ids=lives)) if row.uuid not in fresh]
    for row in before:
        count((row.home, slot_of(row.at_ms), row.of), row.label, fresh[row.parent or b""].label)
    if changes:
        prediction_counts.add(tx, changes)
    return before


def _of(each: Prediction) -> Of:
    return Of(each.revision, each.endpoint, each.model, each.version, each.role, each.segment)


# ------------------------------------------------------------------------------------ looking, and forgetting


def given(tx: Transaction, about: Prediction) -> list[Feedback]:
    """All feedback about a prediction, the newest first."""
    home = next(iter(served_names.all_of(tx, about.deployment)), 0)
    rows = tx.rows(_OF_PREDICTION, id=about.id, parent=about.parent, home=home, key=about.key)
    return [_said(row, about.deployment) for row in rows]


def prune(tx: Transaction, before_ms: int, most: int) -> int:
    """Delete some of the feedback from before a time.

    Returns:
        How much was deleted.
    """
    old = [number for number, at_ms in tx.rows(_OLDEST, most=most) if at_ms < before_ms]
    return tx.run(_DELETE, ids=old) if old else 0
