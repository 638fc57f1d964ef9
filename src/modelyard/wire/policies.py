"""Policies, what they choose and why, promotions and evaluations, as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from modelyard.domain import policies as domain

from .message import Answer, Request
from .versions import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable


Allowance = Annotated[
    str,
    Meta(max_length=500, description="Labels that may serve: PEP 440 specifiers, such as `>=1.0,<=2.0`; empty: any."),
]
Slot = Annotated[str, Meta(max_length=256, description="A model's name, or one for which several models compete.")]
GateName = Literal["label", "description", "owner", "run", "digest", "signature", "golden", "evaluation"]


class PolicySettings(Request):
    """What holds for an environment, or for a slot in it. What is null is inherited."""

    allowance: Allowance | None = None
    tags: Annotated[
        dict[str, str] | None, Meta(description="Tags that a version must have; `*` stands for any value.")
    ] = None
    gates: Annotated[
        Annotated[list[GateName], Meta(max_length=20)] | None, Meta(description="What a version must bring.")
    ] = None
    rule: Annotated[
        Literal["manual", "best"] | None, Meta(description="Follow the pointer, or choose by a metric.")
    ] = None
    metric: Annotated[Annotated[str, Meta(max_length=250)] | None, Meta(description="That `best` goes by.")] = None
    dataset: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(description="Digest of the dataset that the metric is measured on."),
    ] = None
    direction: Annotated[Literal["max", "min"] | None, Meta(description="Which values are better.")] = None
    least_improvement: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="By how much a better one must be better, in the metric's unit."),
    ] = None
    models: Annotated[
        Annotated[list[str], Meta(max_length=20)] | None,
        Meta(description="Who competes for the slot; null: its own model."),
    ] = None


class PolicyChange(Request):
    """A policy to put in the place of what is there."""

    policy: PolicySettings
    reason: Reason = ""


class PolicyEntry(Answer):
    """What is said for an environment, or for a slot in it."""

    environment: str
    slot: Annotated[str, Meta(description="Empty: the whole environment.")]
    policy: PolicySettings


class PolicyList(Answer):
    """All policies."""

    policies: list[PolicyEntry]


class ExplainQuery(Request):
    """What to explain."""

    policy: Annotated[
        PolicySettings | None, Meta(description="A policy to try for the slot; null: the one that is there.")
    ] = None


class Candidate(Answer):
    """A version, and what became of it."""

    model: str
    version: int
    label: str | None
    admitted: Annotated[bool, Meta(description="Whether it may serve.")]
    chosen: bool
    value: Annotated[float | None, Meta(description="Of the metric that decides.")]
    reason: str


class Explanation(Answer):
    """Which version an environment's slot stands for, and why the others do not."""

    environment: str
    slot: str
    model: Annotated[str | None, Meta(description="Null: none may serve.")]
    version: int | None
    reason: str
    policy: Annotated[PolicySettings, Meta(description="With everything inherited.")]
    candidates: Annotated[list[Candidate], Meta(description="The chosen one first, then those that may serve.")]


class Promotion(Request):
    """Pointing an environment to a version, and raising the allowance with it."""

    version: Annotated[int | str, Meta(description="Number, label, `@alias`, environment or `latest`.")]
    allowance: Allowance | None = None
    slot: Slot = ""
    reason: Reason = ""


class LastPromotion(Answer):
    """The last promotion of a model in an environment that was not undone."""

    slot: str
    before: Annotated[int | None, Meta(description="The version that would serve again; null: none.")]
    after: Annotated[int, Meta(description="The version that was promoted.")]
    allowance_before: Annotated[str | None, Meta(description="Of the slot's own policy; null: none is said.")]
    allowance_after: Annotated[str | None, Meta(description="Likewise.")]
    at_ms: int
    principal: Annotated[str, Meta(description="Who.")]
    obstacle: Annotated[str, Meta(description="Why it cannot be undone; empty: it can.")]


class Undone(Answer):
    """What a promotion had been."""

    slot: str
    before: Annotated[int | None, Meta(description="The version that serves again; null: none.")]
    after: Annotated[int, Meta(description="The version that was promoted.")]


class NewEvaluation(Request):
    """Metrics of a version, measured on one dataset."""

    dataset_digest: Annotated[str, Meta(min_length=1, max_length=100)]
    metrics: Annotated[dict[str, float], Meta(min_length=1, max_length=1000)]
    dataset_name: Annotated[str, Meta(max_length=500)] = ""


class Evaluation(Answer):
    """A metric of a version on a dataset."""

    version: int
    dataset_digest: str
    dataset_name: str
    metric: str
    value: float
    at_ms: int
    principal: str


class EvaluationList(Answer):
    """Metrics of a model's versions, the newest version first."""

    evaluations: list[Evaluation]


def policy(of: domain.Policy) -> PolicySettings:
    """The message that says a policy."""
    return PolicySettings(
        allowance=of.allowance,
        tags=None if of.tags is None else dict(of.tags),
        gates=None if of.gates is None else [each.value for each in of.gates],
        rule=None if of.rule is None else of.rule.value,
        metric=of.metric,
        dataset=of.dataset,
        direction=None if of.direction is None else of.direction.value,
        least_improvement=of.least_improvement,
        models=None if of.models is None else list(of.models),
    )


def read(of: PolicySettings) -> domain.Policy:
    """The policy that a message says."""
    return domain.Policy(
        allowance=of.allowance,
        tags=of.tags,
        gates=None if of.gates is None else tuple(domain.Gate(each) for each in of.gates),
        rule=None if of.rule is None else domain.Rule(of.rule),
        metric=of.metric,
        dataset=of.dataset,
        direction=None if of.direction is None else domain.Direction(of.direction),
        least_improvement=of.least_improvement,
        models=None if of.models is None else tuple(of.models),
    )


def policies(of: Iterable[tuple[str, str, domain.Policy]]) -> PolicyList:
    """The message that lists policies."""
    return PolicyList(policies=[PolicyEntry(environment=env, slot=slot, policy=policy(each)) for env, slot, each in of])


def explanation(environment: str, slot: str, of: domain.Explanation, by: domain.Policy) -> Explanation:
    """The message that explains a choice."""
    return Explanation(
        environment=environment,
        slot=slot,
        model=of.chosen.model if of.chosen else None,
        version=of.chosen.version if of.chosen else None,
        reason=of.reason,
        policy=policy(by),
        candidates=[
            Candidate(
                model=each.candidate.model,
                version=each.candidate.version,
                label=each.candidate.label,
                admitted=each.admitted,
                chosen=each.chosen,
                value=each.value,
                reason=each.reason,
            )
            for each in of.candidates
        ],
    )


def evaluations(of: Iterable[domain.Evaluation]) -> EvaluationList:
    """The message that lists evaluations."""
    return EvaluationList(
        evaluations=[
            Evaluation(
                version=each.version,
                dataset_digest=each.dataset_digest,
                dataset_name=each.dataset_name,
                metric=each.metric,
                value=each.value,
                at_ms=each.at_ms,
                principal=each.principal,
            )
            for each in of
        ]
    )
