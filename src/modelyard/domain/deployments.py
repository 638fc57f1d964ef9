"""Deployments: a served name, what answers it, and how its requests are shared out.

A deployment follows an environment's pointer (or a slot's selection) and answers through *revisions*: each is immutable
and says which version runs, with which settings. `Spec` is what people write; `docs/deployments.md` describes it.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .rollouts import Rollout, Step, default_steps

MODEL_SHARE = "model"
"""The name in `Segment.share` that stands for the deployment's own model."""


class Backend(enum.StrEnum):
    """What runs a revision; packages may bring others."""

    LOCAL = "local"
    RAY = "ray"
    EXTERNAL = "external"
    """Nothing is run: somebody else serves it at a URL."""


class Role(enum.StrEnum):
    """What an answer's revision was when it answered."""

    STABLE = "stable"
    CANARY = "canary"
    SHADOW = "shadow"
    ENDPOINT = "endpoint"
    """Not a revision: another's endpoint that has a permanent share."""


class Keep(enum.StrEnum):
    """Which inputs are recorded with predictions."""

    ALL = "all"
    SAMPLED = "sampled"
    HASHED = "hashed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a request where a value stands; at most one of both is given, none: nowhere.

    Attributes:
        header: name of a header, lower case.
        field: name of a field of the input.
    """

    header: str = ""
    field: str = ""

    def __bool__(self) -> bool:
        return bool(self.header or self.field)


@dataclass(frozen=True, slots=True)
class Recording:
    """What is kept of predictions.

    Attributes:
        input: which inputs.
        sample: the share of predictions whose input is kept, from 0 to 1, if `input` is `sampled`.
        output: whether outputs are kept.
    """

    input: Keep = Keep.ALL
    sample: float = 0.1
    output: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Where label and score stand in an answer, for statistics and checks.

    Attributes:
        label: field of the label; empty: `label`, `prediction`, or the bare answer.
        score: field of the score; empty: `score` or `probability`.
        positive: the label that counts as positive; None: 1, true, `positive`, `yes`.
    """

    label: str = ""
    score: str = ""
    positive: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Settings of one segment (such as a language), or what all inherit.

    Attributes:
        inputs: input column of the model → field of the request that it is taken from; others by their own name.
        threshold: a score from here on makes the answer positive; None: the model's label says so.
        share: who answers: endpoint (or `model`) → part of the traffic, adding up to 1; empty: the model alone.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None
    share: Mapping[str, float] = field(default_factory=dict)

    def over(self, defaults: Segment) -> Segment:
        """These settings, with the defaults where nothing is said."""
        return Segment(
            {**defaults.inputs, **self.inputs},
            defaults.threshold if self.threshold is None else self.threshold,
            self.share or defaults.share,
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model that somebody else serves.

    Attributes:
        url: where requests go, such as `http://legacy:8080/predict`: the path is part of it.
    """

    url: str


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """A stored request with its answer, beside those that the version brings.

    Attributes:
        input: the body, natural JSON.
        expected: the answer.
        relative, absolute: how far its numbers may be away.
    """

    input: Any
    expected: Any
    relative: float = 1e-5
    absolute: float = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is to answer a name, where, and how a change is rolled out.

    Attributes:
        name: of the deployment, in paths: lower-case letters, digits, `-`, `_`, `.`.
        environment: whose pointer is followed.
        models: the registered model; several compete for the slot.
        url: instead of models: what somebody else serves.
        backend: what runs it.
        replicas: how many model servers.
        cpus, gpus, memory_bytes: of each replica; 0 memory: nobody counts.
        serve: further settings of the model server, by the names of `modelyard serve`.
        segment: where the segment stands in a request.
        sticky: where the key stands by which requests stay with one revision; nowhere: at random.
        key: where the caller's own key of a request stands, by which feedback can name it.
        recording: what is kept.
        answer: how an answer is read.
        defaults: what all segments inherit, and what holds for requests of no known segment.
        segments: by name.
        endpoints: others' endpoints that may have a share, by name.
        golden: further golden tests.
        steps: of a rollout.
        start_timeout_s: seconds that a new revision may take until it is ready.
        rehearse: time of day, UTC, such as `04:30`, at which deploying is rehearsed; empty: never.
    """

    name: str
    environment: str
    models: tuple[str, ...] = ()
    url: str = ""
    backend: str = Backend.LOCAL
    replicas: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    memory_bytes: int = 0
    serve: Mapping[str, Any] = field(default_factory=dict)
    segment: Where = Where()
    sticky: Where = Where()
    key: Where = Where()
    recording: Recording = Recording()
    answer: Answer = Answer()
    defaults: Segment = field(default_factory=Segment)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    golden: tuple[GoldenRequest, ...] = ()
    steps: tuple[Step, ...] = field(default_factory=default_steps)
    start_timeout_s: float = 600.0
    rehearse: str = ""

    def settings(self, segment: str) -> Segment:
        """What holds for a segment."""
        found = self.segments.get(segment)
        return self.defaults if found is None else found.over(self.defaults)

    def runs_as(self, other: Spec) -> bool:
        """Whether both say the same to run and to answer. How a change is tried they may say differently."""
        return self == replace(
            other, steps=self.steps, golden=self.golden, start_timeout_s=self.start_timeout_s, rehearse=self.rehearse
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a revision runs.

    Attributes:
        model: registered name; empty for a URL.
        version: its number as text; empty for a URL.
        source: where its files are, as the registry says.
        digest: of its files, if the registry knows it.
        url: of an external one.
        label: the user's own version, if there is one.
    """

    model: str = ""
    version: str = ""
    source: str = ""
    digest: str = ""
    url: str = ""
    label: str = ""

    def __str__(self) -> str:
        return self.url or f"{self.model} version {self.version}"


@dataclass(frozen=True, slots=True)
class Revision:
    """An immutable (deployment, number): what runs, with which settings.

    Attributes:
        deployment: its name.
        number: 1, 2, 3, ...
        spec: all settings.
        target: what runs.
        created_ms: ms since the epoch.
        principal: who.
        reason: why.
    """

    deployment: str
    number: int
    spec: Spec
    target: Target
    created_ms: int
    principal: str
    reason: str

    def held(self, spec: Spec, reason: str) -> Held:
        """What is to be remembered so that it is not tried again.

        Args:
            spec: of the deployment now; if only the way to try it is another one since, it is held all the same.
            reason: why.
        """
        return Held(self.target, spec if self.spec.runs_as(spec) else self.spec, reason)


@dataclass(frozen=True, slots=True)
class Held:
    """What is not tried again by itself: it was rolled back, aborted, or replaced by a person's `rollback`.

    Attributes:
        target: what would run.
        spec: with which settings.
        reason: why it is not tried.
    """

    target: Target
    spec: Spec
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is true of a deployment besides what is wanted.

    Attributes:
        stable: the revision that answers.
        previous: the one before it, which a rollback returns to.
        paused: whether changes wait.
        held: what is not tried again until the pointer, the settings, or a person move.
        trouble: why observed is not what is desired; empty if it is, or is on its way.
    """

    stable: int | None = None
    previous: int | None = None
    paused: bool = False
    held: Held | None = None
    trouble: str = ""


class Happened(enum.StrEnum):
    """Kinds of events of a deployment."""

    CREATED = "created"
    """document: the spec."""
    CHANGED = "changed"
    """document: the differences, as `changes` lists them."""
    FORCED = "forced"
    """document: what was wrong and is done all the same."""
    DELETED = "deleted"
    PAUSED = "paused"
    RESUMED = "resumed"
    APPROVED = "approved"
    REVISED = "revised"
    """A revision was made."""
    BEGUN = "rollout_begun"
    MOVED = "rollout_moved"
    """A rollout is at another step, or waits for something else."""
    ENDED = "rollout_ended"
    TROUBLE = "trouble"
    """What is observed is not what is desired; or it is again."""
    REHEARSING = "rehearsing"
    """A rehearsal began."""
    REHEARSED = "rehearsed"
    """document: whether it `passed`, the `target`, how many `seconds` it took."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a deployment.

    Attributes:
        id: grows with every event.
        rollout: number of the rollout that it belongs to, if any.
        at_ms: ms since the epoch.
        principal: who.
        kind: one of `Happened`; packages may bring others.
        told: in words.
        document: more of it, for programs.
    """

    id: int
    rollout: int | None
    at_ms: int
    principal: str
    kind: str
    told: str
    document: Any = None


def promoted(state: State, rollout: Rollout) -> State:
    """What is true of a deployment once a rollout's canary has become stable; the same if it has been told before."""
    if state.stable == rollout.canary:
        return state
    before = rollout.stable if rollout.stable is not None else state.previous
    return replace(state, stable=rollout.canary, previous=before, trouble="")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a segment's traffic.

    Attributes:
        to: number of a revision, or name of an endpoint.
        role: of it.
        weight: from 0 to 1; all of a segment's add up to 1.
    """

    to: int | str
    role: Role
    weight: float


def shares(settings: Segment, stable: int | None, canary: int | None, canary_weight: float) -> tuple[Share, ...]:
    """How a segment's traffic is shared out. The canary comes first, so that keys which it has stay as it grows.

    Args:
        settings: of the segment.
        stable: number of a revision; None: there is none.
        canary: likewise.
        canary_weight: the canary's part of what goes to the model, from 0 to 1.
    """
    model = settings.share.get(MODEL_SHARE, 0.0) if settings.share else 1.0
    found: list[Share] = []
    weight = canary_weight if stable is not None else 1.0
    if canary is not None and model * weight > 0:
        found.append(Share(canary, Role.CANARY, model * weight))
    if stable is not None and (canary is None or weight < 1):
        found.append(Share(stable, Role.STABLE, model * (1 - (weight if canary is not None else 0.0))))
    found += [Share(name, Role.ENDPOINT, part) for name, part in settings.share.items() if name != MODEL_SHARE and part]
    return tuple(each for each in found if each.weight > 0)


def choose(among: Sequence[Share], at: float) -> Share:
    """Who answers a request that stands at a position from 0 to 1 (1 excluded); see `position`."""
    upto = 0.0
    for share in among:
        upto += share.weight
        if at < upto:
            return share
    return among[-1]


def position(key: str, salt: str = "") -> float:
    """Where a key stands between 0 and 1 (1 excluded): always at the same place, evenly spread over keys.

    Args:
        key: the caller's.
        salt: the deployment's name, so that the same callers are not first everywhere.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
