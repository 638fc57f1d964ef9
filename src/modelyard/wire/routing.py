"""What a gateway is told (who answers what), and what it tells (what it measured), as messages.

A gateway asks `GET /api/v1/routing?since=G&wait_s=20`: the answer comes when there is another generation than G, or
after the wait. Asking says which generation the gateway works by: nothing is stopped that a gateway may still send to.
Settings of segments belong to revisions, so that a canary is tried with its own, and stable keeps the ones it has.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .message import GREATEST, Answer, Request

Name = Annotated[str, Meta(max_length=300)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Where(Answer):
    """A place in a request; both empty: nowhere."""

    header: str
    field: str


class RoutedReplica(Answer):
    """Where a model server answers."""

    name: str
    url: str


class RoutedSettings(Answer):
    """How a segment's requests are put to a revision: each revision has its own."""

    inputs: Annotated[dict[str, str], Meta(description="Input column → field of the request.")]
    threshold: Annotated[float | None, Meta(description="A score from here on is a positive answer.")]


class RoutedRevision(Answer):
    """What can be asked."""

    number: Annotated[int, Meta(description="Of the revision; 0 for an endpoint of somebody else.")]
    endpoint: Annotated[str, Meta(description="Name of somebody else's endpoint; empty for a revision.")]
    model: str
    version: str
    external: Annotated[
        bool, Meta(description="Somebody else's: requests go to the replica's URL as it is, whatever path was asked.")
    ]
    replicas: Annotated[list[RoutedReplica], Meta(description="Ready or not: whoever asks finds that out.")]
    default: Annotated[RoutedSettings, Meta(description="For requests of a segment that is not among `segments`.")]
    segments: dict[str, RoutedSettings]


class RoutedShare(Answer):
    """A part of a segment's traffic."""

    to: Annotated[int, Meta(description="Index in `revisions`.")]
    role: Annotated[str, Meta(description="`stable`, `canary` or `endpoint`.")]
    weight: Annotated[float, Meta(description="From 0 to 1; a segment's add up to 1.")]


class RoutedSegment(Answer):
    """Who answers a segment's requests."""

    shares: Annotated[list[RoutedShare], Meta(description="Empty: nobody can yet.")]


class RoutedShadow(Answer):
    """Who gets copies."""

    to: Annotated[int, Meta(description="Index in `revisions`.")]
    share: Annotated[float, Meta(description="Of the requests, from 0 to 1.")]


class RoutedRecording(Answer):
    """What is kept of predictions."""

    input: Annotated[str, Meta(description="`all`, `sampled`, `hashed` or `none`.")]
    sample: float
    output: bool


class RoutedAnswer(Answer):
    """Where label and score stand in an answer; empty: where they usually do."""

    label: str
    score: str
    positive: str | None


class RoutedDeployment(Answer):
    """One name, and who answers it."""

    name: str
    environment: str
    segment: Where
    sticky: Where
    key: Where
    recording: RoutedRecording
    answer: RoutedAnswer
    revisions: list[RoutedRevision]
    default: Annotated[RoutedSegment, Meta(description="For requests of no segment, or of an unknown one.")]
    segments: dict[str, RoutedSegment]
    shadow: RoutedShadow | None


class Routing(Answer):
    """Everything that a gateway needs to answer."""

    generation: Annotated[str, Meta(description="Another one when anything changed; give it as `since`.")]
    deployments: list[RoutedDeployment]


class RoutingQuery(Request):
    """Asking for it."""

    since: Annotated[str, Meta(max_length=40, description="The generation that you work by; empty: none yet.")] = ""
    wait_s: Annotated[float, Meta(ge=0, le=60, description="Seconds to wait for another one.")] = 0.0
    gateway: Annotated[str, Meta(max_length=200, description="Who asks; each gateway has a name of its own.")] = ""


class Measured(Request):
    """What a gateway counted of one revision, role and segment in one second."""

    deployment: Name
    revision: Count
    role: Annotated[str, Meta(max_length=20)]
    second: Annotated[int, Meta(ge=0, le=GREATEST // 1000, description="Since the epoch, by the gateway's clock.")]
    endpoint: Name = ""
    segment: Name = ""
    requests: Count = 0
    errors: Count = 0
    latency: Annotated[list[Count], Meta(max_length=31, description="By bucket of the documented bounds.")] = []
    labelled: Count = 0
    positives: Count = 0
    outputs: Annotated[
        dict[Name, Count], Meta(max_length=17, description="Answers by digest, the commonest 16; `` for all others.")
    ] = {}
    scores: Annotated[list[Count], Meta(max_length=20, description="By bin: 20 between 0 and 1.")] = []
    pairs: Count = 0
    disagreements: Count = 0


class GatewayReport(Request):
    """What a gateway measured since its last report; a repeated number is ignored."""

    gateway: Annotated[str, Meta(min_length=1, max_length=200)]
    number: Annotated[
        int, Meta(ge=1, le=GREATEST, description="Greater than that of its last report, also after a restart: a time.")
    ]
    generation: Annotated[str, Meta(max_length=40, description="Of the routing that it works by.")] = ""
    url: Annotated[str, Meta(max_length=500, description="Where it answers.")] = ""
    now_ms: Annotated[int, Meta(ge=0, description="Its clock, as it sends this; 0: like the server's.")] = 0
    measured: Annotated[list[Measured], Meta(max_length=20_000)] = []


class Reported(Answer):
    """The report arrived."""

    known: Annotated[bool, Meta(description="Whether it was counted; false: it was a repetition.")]


class Gateway(Answer):
    """A gateway that was heard of."""

    name: str
    url: str
    generation: Annotated[str, Meta(description="Of the routing that it works by.")]
    seen_ms: Annotated[int, Meta(description="When it last said something.")]
    live: Annotated[bool, Meta(description="Whether that was lately; others are not waited for.")]


class GatewayList(Answer):
    """All gateways that were heard of within a day."""

    generation: Annotated[str, Meta(description="Of the newest routing.")]
    gateways: list[Gateway]


class MeasurementQuery(Request):
    """Which part of what was measured."""

    since_ms: Annotated[int, Meta(ge=0, description="From here on; 0: the last hour.")] = 0
    until_ms: Annotated[int, Meta(ge=0, description="To here; 0: now.")] = 0
    step_s: Annotated[int, Meta(ge=1, le=86_400, description="Seconds that a point stands for.")] = 10


class MeasuredSeries(Answer):
    """What was measured of a revision, in a role and a segment: columns, one entry for each point with requests."""

    revision: Annotated[int, Meta(description="0: of somebody else's endpoint.")]
    endpoint: str
    role: str
    segment: Annotated[str | None, Meta(description="null: all together; empty: requests of no segment.")]
    at_s: Annotated[list[int], Meta(description="Where each point begins, seconds since the epoch.")]
    requests: list[int]
    errors: list[int]
    p50_s: Annotated[list[float | None], Meta(description="Of the time to an answer, seconds.")]
    p95_s: list[float | None]
    p99_s: list[float | None]
    labelled: list[int]
    positives: list[int]
    pairs: list[int]
    disagreements: list[int]
    mean_score: Annotated[list[float | None], Meta(description="By the middle of the bins; null without scores.")]


class MeasurementPage(Answer):
    """What was measured."""

    step_s: int
    series: list[MeasuredSeries]


class DeploymentRate(Answer):
    """How much a deployment is asked: a number for each step, the oldest first; copies to shadows are not counted."""

    deployment: str
    requests: list[int]
    errors: Annotated[list[int], Meta(description="Answered with 5xx.")]


class RateList(Answer):
    """How much all deployments are asked now; those that are not asked at all are left out."""

    from_s: Annotated[int, Meta(description="Where the first step begins, seconds since the epoch.")]
    step_s: int
    rates: list[DeploymentRate]
