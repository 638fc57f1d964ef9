"""Predictions and feedback as messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Raw

from .message import Answer, Limit, Millis, NextCursor, QueryCursor, Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelyard.domain import predictions as domain
    from modelyard.domain import statistics

MOST_PREDICTIONS = 5000
_NULL = Raw(b"null")

Hex = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="A prediction's id; it begins with the time.")]
RawId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Key = Annotated[str, Meta(min_length=1, max_length=500, description="The caller's own, of a request.")]
Short = Annotated[str, Meta(max_length=500)]
Role = Annotated[
    Literal["stable", "canary", "shadow", "endpoint"], Meta(description="What the revision was when it answered.")
]
Segment = Annotated[str, Meta(max_length=255, description="Of the request; empty: none.")]
Label = Annotated[str, Meta(max_length=10_000, description="Read from the answer.")]
RevisionNumber = Annotated[int, Meta(ge=0, le=2**31, description="0: an endpoint of somebody else.")]
Truth = Annotated[
    str | int | float | bool | None, Meta(description="What would have been right: compared with the answer's label.")
]
Right = Annotated[bool | None, Meta(description="Whether the answer was right, where nothing can be compared.")]


# ------------------------------------------------------------------------------------ in


class RecordedPrediction(Request):
    """One answered request."""

    id: Annotated[RawId, Meta(description="48 bits of milliseconds, then what nobody else has.")]
    deployment: Name
    at_ms: Millis
    revision: RevisionNumber
    role: Role
    latency_us: Annotated[int, Meta(ge=0, le=2**53)]
    status: Annotated[int, Meta(ge=0, le=999)]
    endpoint: Short = ""
    model: Short = ""
    version: Short = ""
    segment: Segment = ""
    input: Annotated[str | None, Meta(description="JSON.")] = None
    input_hash: Annotated[str, Meta(max_length=128)] | None = None
    output: Annotated[str | None, Meta(description="JSON.")] = None
    label: Label | None = None
    score: float | None = None
    positive: bool | None = None
    key: Key | None = None
    parent: Annotated[RawId | None, Meta(description="Of a shadow's: the prediction that the caller was answered.")] = (
        None
    )


class RecordedFeedback(Request):
    """Feedback as a gateway recorded it."""

    id: RawId
    at_ms: Millis
    deployment: Annotated[str, Meta(max_length=255)] = ""
    prediction: RawId | None = None
    key: Key | None = None
    truth: Label | None = None
    right: bool | None = None
    principal: Short = ""


class PredictionBatch(Request):
    """What a gateway recorded, as MessagePack; what is known already is not stored twice."""

    gateway: Annotated[str, Meta(max_length=200)] = ""
    predictions: Annotated[list[RecordedPrediction], Meta(max_length=MOST_PREDICTIONS)] = []
    feedback: Annotated[list[RecordedFeedback], Meta(max_length=MOST_PREDICTIONS)] = []


class Feedback(Request):
    """What turned out about one prediction (`prediction`), or about all of one key (`deployment` and `key`)."""

    prediction: Hex | None = None
    deployment: Annotated[str, Meta(max_length=255)] = ""
    key: Key | None = None
    truth: Truth = None
    right: Right = None
    id: Annotated[Hex | None, Meta(description="Your own, of this feedback: it is then safe to repeat.")] = None


class NewFeedback(Feedback):
    """One, or many in `feedback`."""

    feedback: Annotated[list[Feedback], Meta(max_length=MOST_PREDICTIONS)] | None = None


# ------------------------------------------------------------------------------------ out


class BatchTaken(Answer):
    """A batch is stored."""

    stored: Annotated[int, Meta(description="Predictions that were new.")]
    feedback: Annotated[int, Meta(description="Feedback that was new.")]


class FeedbackTaken(Answer):
    """Feedback is stored."""

    taken: Annotated[int, Meta(description="How many.")]
    joined: Annotated[int, Meta(description="Predictions that it is about and that are recorded already.")]


class GivenFeedback(Answer):
    """Feedback that was given, the newest first; the first one counts."""

    truth: str | None
    right: bool | None
    at_ms: int
    principal: str


class Prediction(Answer):
    """One answered request."""

    id: Hex
    deployment: str
    at_ms: int
    revision: int
    endpoint: str
    model: str
    version: str
    role: str
    segment: str
    latency_ms: float
    status: int
    input: Annotated[Any, Meta(description="Null if it was not kept.")]
    input_hash: str | None
    output: Annotated[Any, Meta(description="Null if it was not kept.")]
    label: str | None
    score: float | None
    positive: bool | None
    key: str | None
    parent: Annotated[str | None, Meta(description="Of a shadow's: the prediction that the caller was answered.")]
    truth: Annotated[str | None, Meta(description="By the newest feedback.")]
    right: bool | None


class PredictionDetails(Prediction):
    """One answered request, with all feedback and the shadows' answers to the same request."""

    feedback: list[GivenFeedback]
    shadows: list[Prediction]


class PredictionPage(Answer):
    """Some predictions, the newest first."""

    predictions: list[Prediction]
    next_cursor: NextCursor


class PredictionFilter(Request):
    """Which predictions."""

    deployment: Short = ""
    model: Short = ""
    version: Short = ""
    revision: RevisionNumber | None = None
    role: Role | None = None
    segment: Segment | None = None
    status: Annotated[
        str, Meta(pattern="^(|ok|error|[0-9]{3})$", description="`ok` (below 400), `error` (5xx), or a number.")
    ] = ""
    label: Label | None = None
    key: Key | None = None
    right: Annotated[bool | None, Meta(description="Only those that feedback says are right, or wrong.")] = None
    since_ms: Millis | None = None
    until_ms: Annotated[Millis | None, Meta(description="This time excluded.")] = None


class PredictionQuery(PredictionFilter):
    """Which predictions, a page at a time."""

    limit: Limit = 100
    cursor: QueryCursor = ""


# ------------------------------------------------------------------------------------ the names of the proxy


class ProxyAnswers(Answer):
    """What the user said, and what the model said."""

    user_answered: bool | None
    model_answered: bool | None


class ProxyDetails(Answer):
    """How an answer came about."""

    run_id: Annotated[str | None, Meta(description="Of the run that made the version.")]
    model: str
    version: str
    revision: int
    role: str
    elapsed_ms: float
    timestamp: Annotated[str, Meta(description="RFC 3339, UTC.")]


class ProxyPrediction(Answer):
    """A prediction in the words of a prediction proxy."""

    id: Hex
    text: Annotated[Any, Meta(description="The field `text` of the input, else the whole input; null: not kept.")]
    is_positive: ProxyAnswers
    details: ProxyDetails


class ProxyRates(Answer):
    """Counts of the answers to callers."""

    correctness_rate: Annotated[float | None, Meta(description="From 0 to 1; null: no feedback yet.")]
    right: int
    answered: Annotated[int, Meta(description="Answers with feedback.")]
    predictions: int


class ProxyStatistics(Answer):
    """Statistics in the words of a prediction proxy."""

    statistics: ProxyRates
    versions: Annotated[dict[str, ProxyRates], Meta(description="By version.")]


class ProxyQuery(Request):
    """Which part of the list."""

    limit: Limit = 100


# ------------------------------------------------------------------------------------ from the domain


def prediction(of: domain.Stored) -> Prediction:
    """The message that describes a prediction."""
    return Prediction(**_fields(of))


def details(
    of: domain.Stored, feedback: Iterable[domain.Feedback], shadows: Iterable[domain.Stored]
) -> PredictionDetails:
    """The message that tells everything about a prediction."""
    given = [
        GivenFeedback(truth=each.truth, right=each.right, at_ms=each.at_ms, principal=each.principal)
        for each in feedback
    ]
    return PredictionDetails(**_fields(of), feedback=given, shadows=[prediction(each) for each in shadows])


def _fields(of: domain.Stored) -> dict[str, Any]:
    it = of.prediction
    told = it._asdict()
    del told["latency_us"]
    told.update(
        id=it.id.hex(), latency_ms=it.latency_us / 1000, input=_raw(it.input), output=_raw(it.output),
        parent=it.parent.hex() if it.parent is not None else None, truth=of.truth, right=of.right,
    )  # fmt: skip
    return told


def _raw(text: str | None) -> Raw:
    return _NULL if text is None else Raw(text.encode())


def proxy_rates(of: statistics.Count) -> ProxyRates:
    """Counts in the words of a prediction proxy."""
    return ProxyRates(correctness_rate=of.correctness, right=of.right, answered=of.told, predictions=of.calls)


def proxy_prediction(
    of: domain.Stored,
    text: Raw,
    user_answered: bool | None,  # noqa: FBT001 - a value
    run_id: str | None,
) -> ProxyPrediction:
    """A prediction in the words of a prediction proxy."""
    it = of.prediction
    return ProxyPrediction(
        id=it.id.hex(),
        text=text,
        is_positive=ProxyAnswers(user_answered=user_answered, model_answered=it.positive),
        details=ProxyDetails(
            run_id=run_id,
            model=it.model,
            version=it.version,
            revision=it.revision,
            role=it.role,
            elapsed_ms=it.latency_us / 1000,
            timestamp=timestamp(it.at_ms),
        ),
    )


def timestamp(at_ms: int) -> str:
    """A time in ms as RFC 3339, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
