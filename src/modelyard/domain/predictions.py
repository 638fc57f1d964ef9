"""Predictions that were recorded, and what was learnt about them later.

A prediction's id begins with its time, so that ids sort as predictions were made. Feedback names a prediction by its
id, or by the caller's own key; it may come late, twice, corrected, or before the prediction's record. Of one prediction
the newest feedback counts.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

ID_BYTES: Final = 16
LONGEST_LABEL: Final = 10_000
"""Characters of a label that are kept."""
DAY_MS: Final = 86_400_000

_TRUE: Final = frozenset({"1", "true", "yes", "positive"})
_FALSE: Final = frozenset({"0", "false", "no", "negative"})


class Ids:
    """Makes ids of predictions: 48 bits of milliseconds, 40 random bits of this maker, a counter of 40 bits.

    Args:
        maker: five bytes that no other maker has, such as random ones.
    """

    __slots__ = ("_count", "_maker")

    def __init__(self, maker: bytes) -> None:
        self._maker = maker[:5].ljust(5, b"\0")
        self._count = 0

    def next(self, at_ms: int) -> bytes:
        """A new id; two of the same millisecond sort as they were made."""
        self._count = (self._count + 1) & 0xFF_FFFF_FFFF
        return at_ms.to_bytes(6, "big") + self._maker + self._count.to_bytes(5, "big")


def time_of(id: bytes) -> int:
    """The time in an id, ms since the epoch."""
    return int.from_bytes(id[:6], "big")


def first_id(at_ms: int) -> bytes:
    """The least id of a time."""
    return max(0, min(at_ms, 2**48 - 1)).to_bytes(6, "big") + bytes(ID_BYTES - 6)


class Prediction(NamedTuple):
    """One answered request, as it is stored.

    Attributes:
        id: see `Ids`.
        deployment: the name that was asked.
        at_ms: when, ms since the epoch.
        revision: that answered; 0: an endpoint of somebody else.
        endpoint: its name; empty: a revision.
        model, version: that answered.
        role: of the revision then: `stable`, `canary`, `shadow` or `endpoint`.
        segment: of the request; empty: none.
        latency_us: until the answer, microseconds.
        status: of HTTP.
        input, output: JSON texts; None: not kept.
        input_hash: of the input as it was sent, BLAKE2b of 16 bytes in hex; None: the input is kept, or nothing is.
        label, score, positive: what was read from the answer.
        key: the caller's own.
        parent: the prediction that the caller was answered, if this one is a shadow's.
    """

    id: bytes
    deployment: str
    at_ms: int
    revision: int
    endpoint: str
    model: str
    version: str
    role: str
    segment: str
    latency_us: int
    status: int
    input: str | None = None
    input_hash: str | None = None
    output: str | None = None
    label: str | None = None
    score: float | None = None
    positive: bool | None = None
    key: str | None = None
    parent: bytes | None = None


class Feedback(NamedTuple):
    """What was learnt about a prediction, or about all of one key.

    Attributes:
        id: its own, 16 bytes; the same one again is the same feedback.
        deployment: name of it; may be empty if `prediction` is given.
        prediction: the id of the prediction; None: `key` says.
        key: the caller's own; None: `prediction` says.
        truth: the label that would have been right; None: `right` says.
        right: whether the answer was right; None: `truth` says.
        at_ms: when it was said; of two, the later one counts.
        principal: who said it.
    """

    id: bytes
    deployment: str
    prediction: bytes | None
    key: str | None
    truth: str | None
    right: bool | None
    at_ms: int
    principal: str = ""


def text_of(value: Any) -> str | None:
    """A label as text: `true`, `3` (also for 3.0), `2.5`, or the text itself; None for what is no label.

    Args:
        value: from JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value) if isinstance(value, int) else None


def is_right(truth: str, label: str | None, positive: bool | None) -> bool | None:  # noqa: FBT001 - a value, no switch
    """Whether an answer is what turned out to be true; None if it says nothing that can be compared.

    Texts are compared as they are, numbers by value. A truth of yes or no (`true`, `0`, ...) is compared with whether
    the answer counts as positive where the label does not itself say so.
    """
    if label is not None:
        if truth == label:
            return True
        said = _yes(label)
        if said is not None and _yes(truth) is not None:
            return said is _yes(truth)
        try:
            return float(truth) == float(label)
        except ValueError:
            pass
    told = _yes(truth)
    if told is not None and positive is not None:
        return told is positive
    return None if label is None else False


def _yes(text: str) -> bool | None:
    lower = text.lower()
    return True if lower in _TRUE else False if lower in _FALSE else None


def judged(feedback: Feedback, label: str | None, positive: bool | None) -> bool | None:  # noqa: FBT001 - likewise
    """Whether a prediction was right, by feedback about itself."""
    if feedback.right is not None:
        return feedback.right
    return None if feedback.truth is None else is_right(feedback.truth, label, positive)


class Stored(NamedTuple):
    """A prediction as it is kept, with the newest feedback.

    Attributes:
        prediction: as it was recorded.
        truth: what would have been right; None: not known.
        right: whether it was; None: not known.
    """

    prediction: Prediction
    truth: str | None
    right: bool | None


class Wanted(NamedTuple):
    """Which predictions are asked for; None or empty: all.

    Attributes:
        deployment: name.
        model, version, revision, role, segment, label, key: as recorded.
        status: least and greatest, both included.
        right: whether feedback says so.
        since_ms, until_ms: from this time on, and before that.
        shadows: whether shadows' answers are wanted, too.
    """

    deployment: str = ""
    model: str = ""
    version: str = ""
    revision: int | None = None
    role: str | None = None
    segment: str | None = None
    status: tuple[int, int] | None = None
    label: str | None = None
    key: str | None = None
    right: bool | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    shadows: bool = True
