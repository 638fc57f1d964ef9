"""Policies: what must hold for a version to be in an environment, and which of those that may is chosen.

A policy is said for an environment (all models inherit it) and for a *slot* in it: the name that is served there, which
is a model's, or one for which several models compete. `explain` is a function of values; nothing is moved by it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import InvalidArgument


class Rule(enum.StrEnum):
    """How a version is selected."""

    MANUAL = "manual"
    """Whatever the environment's pointer says."""
    BEST = "best"
    """The best by a metric, measured on one dataset."""


class Direction(enum.StrEnum):
    """Which values of a metric are better."""

    MAX = "max"
    MIN = "min"


class Gate(enum.StrEnum):
    """What a version has to bring."""

    LABEL = "label"
    """A label: the user's own version."""
    DESCRIPTION = "description"
    """A model card: a description of the version or of the model."""
    OWNER = "owner"
    """A tag `owner` of the version or of the model."""
    RUN = "run"
    """The run that made it."""
    DIGEST = "digest"
    """The digest of its files (tag `modelyard.digest`)."""
    SIGNATURE = "signature"
    """A signature (tag `modelyard.signature`)."""
    GOLDEN = "golden"
    """Golden tests (tag `modelyard.golden`)."""
    EVALUATION = "evaluation"
    """A value of the policy's metric on the policy's dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for an environment, or for a slot in it. What is None is inherited.

    Attributes:
        allowance: which labels may serve, PEP 440 specifiers such as `>=1.0,<=2.0`; empty: any, also none.
        tags: tags that a version must have, `*` for any value.
        gates: what it must bring.
        rule: how one is selected.
        metric: of `best`.
        dataset: digest of the dataset that the metric must be measured on; empty: any one, the same for all.
        direction: which values are better.
        least_improvement: by how much a better one must be better than the current one, in the metric's unit.
        models: who competes for the slot; empty: the model of the slot's name.
    """

    allowance: str | None = None
    tags: Mapping[str, str] | None = None
    gates: tuple[Gate, ...] | None = None
    rule: Rule | None = None
    metric: str | None = None
    dataset: str | None = None
    direction: Direction | None = None
    least_improvement: float | None = None
    models: tuple[str, ...] | None = None

    def over(self, defaults: Policy) -> Policy:
        """This policy, with the defaults where it says nothing."""
        return Policy(**{
            name: getattr(defaults, name) if getattr(self, name) is None else getattr(self, name)
            for name in self.__dataclass_fields__
        })  # fmt: skip

    @property
    def selection(self) -> Rule:
        """How one is selected."""
        return self.rule or Rule.MANUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version that might be chosen.

    Attributes:
        model: its model.
        version: its number.
        label: the user's own version, if it has one.
        tags: of it.
        status: MLflow's: only READY serves.
        gates: what it brings.
        metrics: value by (metric, dataset digest).
    """

    model: str
    version: int
    label: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "READY"
    gates: frozenset[Gate] = frozenset()
    metrics: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __str__(self) -> str:
        label = f" ({self.label})" if self.label else ""
        return f"{self.model} version {self.version}{label}"


@dataclass(frozen=True, slots=True)
class Explained:
    """What became of a candidate.

    Attributes:
        candidate: it.
        admitted: whether it may serve.
        chosen: whether it does.
        value: of the metric, if a metric decides and it has one.
        reason: in a sentence.
    """

    candidate: Candidate
    admitted: bool
    chosen: bool
    value: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which candidate a policy chooses, and what became of the others.

    Attributes:
        chosen: None if none may serve.
        reason: in a sentence.
        candidates: all of them, the chosen one first, then those that may serve.
    """

    chosen: Candidate | None
    reason: str
    candidates: tuple[Explained, ...]


@dataclass(frozen=True, slots=True)
class Selected:
    """What a slot of an environment stands for.

    Attributes:
        model: name of a registered model.
        version: its number.
        reason: why.
        at_ms: ms since the epoch.
    """

    model: str
    version: int
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A version's metric on a dataset.

    Attributes:
        version: its number.
        dataset_digest: of the dataset.
        dataset_name: what people call it.
        metric: its name.
        value: it.
        at_ms: ms since the epoch.
        principal: who measured.
    """

    version: int
    dataset_digest: str
    dataset_name: str
    metric: str
    value: float
    at_ms: int
    principal: str


Admits = Callable[[str, str], bool]
"""Whether an allowance admits a label; PEP 440's rules are not ours to write again."""


def check(policy: Policy) -> None:
    """Refuse what cannot be meant.

    Raises:
        InvalidArgument: `best` without a metric, or an improvement below zero.
    """
    if policy.rule is Rule.BEST and not policy.metric:
        raise InvalidArgument("The rule `best` needs a metric, such as f1.", [("/metric", "is missing")])
    if policy.least_improvement is not None and not 0 <= policy.least_improvement < float("inf"):
        raise InvalidArgument("The least improvement is zero or more.", [("/least_improvement", "is out of range")])
    if policy.models is not None and len(set(policy.models)) != len(policy.models):
        raise InvalidArgument("A model stands twice among those that compete.", [("/models", "repeats a model")])


def explain(
    policy: Policy, candidates: Iterable[Candidate], current: tuple[str, int] | None, admits: Admits
) -> Explanation:
    """Choose among candidates.

    Args:
        policy: with everything inherited.
        candidates: all versions of the models that compete.
        current: what the pointer names (`manual`), or what was chosen last (`best`).
        admits: whether an allowance admits a label.
    """
    known = list(candidates)
    refused = {_key(each): why for each in known if (why := _refusal(policy, each, admits))}
    open_ones = [each for each in known if _key(each) not in refused]
    if policy.selection is Rule.MANUAL:
        chosen, why, values = _pointed(known, refused, current), "The pointer names it.", {}
        reason = _manual_reason(known, refused, current)
    else:
        values = _values(policy, open_ones)
        chosen, reason = _best(policy, open_ones, values, current)
        why = reason
    told = [
        Explained(
            each,
            _key(each) not in refused,
            each is chosen,
            values.get(_key(each)),
            why if each is chosen else refused.get(_key(each)) or _passed_over(policy, each, values, chosen),
        )
        for each in known
    ]
    told.sort(key=lambda each: (not each.chosen, not each.admitted, each.candidate.model, -each.candidate.version))
    return Explanation(chosen, reason, tuple(told))


def _key(candidate: Candidate) -> tuple[str, int]:
    return candidate.model, candidate.version


def _refusal(policy: Policy, candidate: Candidate, admits: Admits) -> str:
    """Why a candidate may not serve; empty if it may."""
    if candidate.status != "READY":
        return f"It is not ready: {candidate.status}."
    if policy.allowance:
        if candidate.label is None:
            return f"It has no label, and the allowance is {policy.allowance}."
        if not admits(policy.allowance, candidate.label):
            return f"Its label {candidate.label} is outside the allowance {policy.allowance}."
    for key, value in (policy.tags or {}).items():
        found = candidate.tags.get(key)
        if found is None:
            return f"It has no tag {key}."
        if value not in ("*", found):
            return f"Its tag {key} is {found!r}, not {value!r}."
    missing = [gate for gate in policy.gates or () if gate not in candidate.gates]
    return f"It lacks what is required: {', '.join(missing)}." if missing else ""


def _pointed(
    known: Sequence[Candidate], refused: Mapping[tuple[str, int], str], current: tuple[str, int] | None
) -> Candidate | None:
    return next((each for each in known if _key(each) == current and current not in refused), None)


def _manual_reason(
    known: Sequence[Candidate], refused: Mapping[tuple[str, int], str], current: tuple[str, int] | None
) -> str:
    if current is None:
        return "The environment points to no version."
    found = next((each for each in known if _key(each) == current), None)
    if found is None:
        return f"The environment points to {current[0]} version {current[1]}, which is not there."
    why = refused.get(current)
    return f"The environment points to {found}, which may not serve: {why}" if why else f"The pointer names {found}."


def _values(policy: Policy, among: Sequence[Candidate]) -> dict[tuple[str, int], float]:
    """The metric by candidate, all on one dataset: the policy's, or else the one on which most were measured."""
    metric, dataset = policy.metric or "", policy.dataset
    if not dataset:
        counts: dict[str, int] = {}
        for each in among:
            for name, digest in each.metrics:
                if name == metric:
                    counts[digest] = counts.get(digest, 0) + 1
        dataset = max(counts, key=lambda digest: (counts[digest], digest)) if counts else ""
    return {_key(each): value for each in among if (value := each.metrics.get((metric, dataset))) is not None}


def _best(
    policy: Policy,
    among: Sequence[Candidate],
    values: Mapping[tuple[str, int], float],
    current: tuple[str, int] | None,
) -> tuple[Candidate | None, str]:
    sign = -1.0 if policy.direction is Direction.MIN else 1.0
    measured = [each for each in among if _key(each) in values]
    now = next((each for each in among if _key(each) == current), None)
    if not measured:
        told = f"No version that may serve has a value of {policy.metric}{_on(policy)}."
        return now, f"{told} {now} stays." if now else told
    best = max(measured, key=lambda each: (sign * values[_key(each)], _key(each) == current, each.version))
    value = values[_key(best)]
    if now is None or now is best:
        return best, f"{best} has the best {policy.metric}: {value:g}{_on(policy)}."
    mine = values.get(_key(now))
    if mine is None:
        return best, f"{best} has the best {policy.metric}: {value:g}{_on(policy)}; {now} has none."
    gain, least = sign * (value - mine), policy.least_improvement or 0.0
    if gain <= 0 or gain < least:
        return now, (
            f"{now} stays with {policy.metric} {mine:g}: {best} has {value:g}, better by {gain:g}, "
            f"and {least:g} is the least."
        )
    return best, f"{best} has the best {policy.metric}: {value:g}, {now} has {mine:g}{_on(policy)}."


def _on(policy: Policy) -> str:
    return f" on dataset {policy.dataset}" if policy.dataset else ""


def _passed_over(
    policy: Policy, candidate: Candidate, values: Mapping[tuple[str, int], float], chosen: Candidate | None
) -> str:
    if policy.selection is Rule.MANUAL:
        return "It may serve; the pointer names another." if chosen else "It may serve; nothing points to it."
    value = values.get(_key(candidate))
    if value is None:
        return f"It has no value of {policy.metric}{_on(policy)}."
    return f"Its {policy.metric} is {value:g}; {chosen} is preferred."
