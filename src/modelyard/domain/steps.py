"""A rollout's steps and their checks as people write them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .checks import DEFAULT, Check, Measure
from .reading import Node, shown_seconds, shown_share
from .rollouts import DAY_S, Step, StepKind, Thin

MOST_STEPS: Final = 50
TRAFFIC_S: Final = 60.0
"""How long a step with a part of the traffic lasts if nobody says."""
WINDOW_S: Final = 60.0
"""How far a bake's checks look back if nobody says."""

_WORDS: Final = ("golden", "approve")
_KINDS: Final = tuple(each.value for each in StepKind)
_OPTIONS: Final = ("for", "checks", "window", "thin", "patience")
_DEFAULT: Final = "default"
_RATES: Final = (
    Measure.ERROR_RATE, Measure.DISAGREEMENT, Measure.CORRECTNESS, Measure.POSITIVE_SHARE, Measure.CONSTANT_OUTPUT,
)  # fmt: skip
_WITH_MARGIN: Final = (Measure.ERROR_RATE, Measure.CORRECTNESS, Measure.LATENCY)
_USUAL: Final = {each.measure: each for each in DEFAULT} | {
    Measure.SCORE_SHIFT: Check(measure=Measure.SCORE_SHIFT, limit=0.25, least=100)
}
"""What a measure's bare name means."""


def read(node: Node) -> tuple[Step, ...]:
    """Steps from `[golden, {shadow: 100%, for: 30s}, {weight: 10%}, approve, {bake: 10m}]`; notes what is wrong."""
    steps = []
    before = len(node.troubles)
    places = list(node.elements("steps"))
    if len(places) > MOST_STEPS:
        node.wrong(f"{len(places)} steps; at most {MOST_STEPS} are allowed")
    steps = [_step(each) for each in places]
    if len(node.troubles) == before:
        _check_order(places, steps)
    return tuple(steps)


def _step(node: Node) -> Step:
    if isinstance(node.value, str):
        word = node.one_of(_WORDS, "golden") if node.value not in _KINDS else node.value
        if word not in _WORDS:
            example = {"shadow": "{shadow: 100%, for: 5m}", "weight": "{weight: 10%, for: 5m}"}.get(word, "{bake: 10m}")
            node.wrong(f"{word!r} needs a value, such as {example}")
        return Step(kind=StepKind(word))
    given = [name for name in node.value if name in _KINDS] if isinstance(node.value, Mapping) else []
    if isinstance(node.value, Mapping) and len(given) != 1:
        node.wrong(f"a step is one of {', '.join(_KINDS)}; this has {' and '.join(given) or 'none of them'}")
    if len(given) != 1:
        node.fields([*_KINDS, *_OPTIONS], "a step")
        return Step(kind=StepKind.GOLDEN)
    kind = StepKind(given[0])
    if kind.value in _WORDS:
        node.wrong(f"write just `{kind.value}`; it has no settings")
        return Step(kind=kind)
    return _measured(node, kind)


def _measured(node: Node, kind: StepKind) -> Step:
    """A step with checks: shadow, weight or bake."""
    options = _OPTIONS if kind is not StepKind.BAKE else _OPTIONS[1:]
    parts = node.fields([kind.value, *options], f"a step `{kind.value}`")
    usual = Step(kind=kind)
    bake = kind is StepKind.BAKE
    weight = usual.weight
    if kind.value not in parts:
        node.at(kind.value).wrong("expected a value, such as 10m" if bake else "expected a share, such as 10%")
    elif not bake:
        weight = parts[kind.value].share(1.0, zero=False)
    lasting = parts.get(kind.value) if bake else parts.get("for")
    usual_s = 0.0 if kind is StepKind.WEIGHT and weight == 1 else TRAFFIC_S
    checks = _checks(parts["checks"]) if "checks" in parts else DEFAULT
    if kind is not StepKind.SHADOW and any(each.measure is Measure.DISAGREEMENT for each in checks):
        parts["checks"].wrong("only a shadow's answers are compared one by one; put `disagreement` into a shadow step")
    thin = Thin(parts["thin"].one_of([each.value for each in Thin], "wait")) if "thin" in parts else None
    return Step(
        kind=kind,
        weight=weight,
        for_s=lasting.duration(usual_s) if lasting is not None else usual_s,
        checks=checks,
        window_s=parts["window"].duration(0.0) if "window" in parts else _window(kind),
        thin=thin,
        patience_s=parts["patience"].duration(DAY_S) if "patience" in parts else DAY_S,
    )


def _window(kind: StepKind) -> float:
    return WINDOW_S if kind is StepKind.BAKE else 0.0


def _check_order(places: Sequence[Node], steps: Sequence[Step]) -> None:
    """Golden tests, then copies, then growing parts of the traffic, then the bake."""
    weight = 0.0
    traffic = ""
    for node, step in zip(places, steps, strict=True):
        if traffic == "bake":
            node.wrong("nothing comes after `bake`: all traffic has moved by then; put this before it")
        elif step.kind is StepKind.GOLDEN and (traffic or step in steps[: steps.index(step)]):
            node.wrong("golden tests run once, before any request; put `golden` first")
        elif step.kind is StepKind.SHADOW and weight:
            node.wrong(
                "the canary has real traffic already, which a shadow would take away; put `shadow` before `weight`"
            )
        elif step.kind is StepKind.WEIGHT and step.weight <= weight:
            node.wrong(f"weights have to grow; {shown_share(step.weight)} comes after {shown_share(weight)}")
        if step.kind is StepKind.WEIGHT:
            weight = max(weight, step.weight)
        if step.kind not in (StepKind.GOLDEN, StepKind.APPROVE):
            traffic = step.kind.value
    golden = [node for node, step in zip(places, steps, strict=True) if step.kind is StepKind.GOLDEN]
    for node in golden[1:]:
        if not any(place == node.place for place, _ in node.troubles):
            node.wrong("golden tests run once; remove this one")


# ------------------------------------------------------------------------------------ checks


def _checks(node: Node) -> tuple[Check, ...]:
    if node.value == _DEFAULT:
        return DEFAULT
    made: list[Check] = []
    for each in node.elements("checks"):
        if each.value == _DEFAULT:
            made += DEFAULT
        elif (check := _check(each)) is not None:
            made.append(check)
    return tuple(made)


def _check(node: Node) -> Check | None:
    names = [each.value for each in Measure]
    if isinstance(node.value, str):
        measure = Measure(node.one_of([*names, _DEFAULT], names[0])) if node.value != _DEFAULT else None
        if measure is not None and measure not in _USUAL:
            node.wrong(f"`{measure}` needs a limit, such as {{{measure}: {_example(measure)}}}")
        return _USUAL.get(measure) if measure is not None else None
    parts = node.fields(names, "a check")
    if len(parts) != 1:
        if isinstance(node.value, Mapping) and len(node.value) != 1:
            node.wrong(
                f"a check has one measure and its limit, such as {{error_rate: 1%}}; measures: {', '.join(names)}"
            )
        elif isinstance(node.value, Mapping) and set(node.value) <= set(names):
            node.wrong("expected a limit")
        return None
    ((name, value),) = parts.items()
    return _limits(Measure(name), value)


def _limits(measure: Measure, node: Node) -> Check:
    """A check from its limit, or from an object with it."""
    usual = _USUAL.get(measure, Check(measure=measure))
    if not isinstance(node.value, Mapping):
        return Check(measure=measure, limit=_limit(measure, node), least=usual.least, segments=usual.segments)
    known = ["limit", "least", "segments"]
    known += ["margin"] if measure in _WITH_MARGIN else []
    known += ["quantile"] if measure is Measure.LATENCY else []
    parts = node.fields(known, f"the check `{measure}`")
    limit = _limit(measure, parts["limit"]) if "limit" in parts else None
    margin = _margin(measure, parts["margin"]) if "margin" in parts else None
    if limit is None and margin is None:
        limit, margin = usual.limit, usual.margin
        if limit is None and margin is None:
            options = "`limit` or `margin`" if measure in _WITH_MARGIN else "`limit`"
            node.wrong(f"expected {options}")
    quantile = usual.quantile
    if "quantile" in parts:
        quantile = parts["quantile"].share(usual.quantile, zero=False)
        if quantile == 1:
            parts["quantile"].wrong("expected less than 100%, such as 99%: one slow answer would decide")
    return Check(
        measure=measure,
        limit=limit,
        margin=margin,
        quantile=quantile,
        least=parts["least"].whole(1, 10**9, usual.least) if "least" in parts else usual.least,
        segments=parts["segments"].flag(default=usual.segments) if "segments" in parts else usual.segments,
    )


def _limit(measure: Measure, node: Node) -> float:
    if measure is Measure.LATENCY:
        return node.duration(1.0, zero=False)
    if measure is Measure.SCORE_SHIFT:
        return node.number(0, math.inf, 0.25)
    return node.share(0.0)


def _margin(measure: Measure, node: Node) -> float:
    """Absolute for rates, a factor for latency."""
    return node.number(0.01, 1000, 3.0) if measure is Measure.LATENCY else node.share(0.0)


def _example(measure: Measure) -> str:
    return {Measure.LATENCY: "200ms", Measure.CORRECTNESS: "90%", Measure.SCORE_SHIFT: "0.25"}.get(measure, "5%")


# ------------------------------------------------------------------------------------ writing


def document(steps: Sequence[Step]) -> list[Any]:
    """Steps as people would write them."""
    return [_written(each) for each in steps]


def _written(step: Step) -> Any:
    if step.kind.value in _WORDS:
        return step.kind.value
    bake = step.kind is StepKind.BAKE
    usual_s = 0.0 if step.kind is StepKind.WEIGHT and step.weight == 1 else TRAFFIC_S
    found: dict[str, Any] = {step.kind.value: shown_seconds(step.for_s) if bake else shown_share(step.weight)}
    if not bake and step.for_s != usual_s:
        found["for"] = shown_seconds(step.for_s)
    if step.checks != DEFAULT:
        usual = step.checks[: len(DEFAULT)] == DEFAULT
        found["checks"] = [_DEFAULT] if usual else []
        found["checks"] += [_written_check(each) for each in step.checks[len(DEFAULT) if usual else 0 :]]
    if step.window_s != _window(step.kind):
        found["window"] = shown_seconds(step.window_s)
    if step.thin is not None:
        found["thin"] = step.thin.value
    if step.patience_s != DAY_S:
        found["patience"] = shown_seconds(step.patience_s)
    return found


def _written_check(check: Check) -> Any:
    usual = _USUAL.get(check.measure)
    if check == usual:
        return check.measure.value
    bare = Check(measure=check.measure) if usual is None else usual
    found: dict[str, Any] = {}
    if check.limit is not None:
        found["limit"] = _shown_limit(check.measure, check.limit)
    if check.margin is not None:
        found["margin"] = check.margin if check.measure is Measure.LATENCY else shown_share(check.margin)
    if check.quantile != bare.quantile:
        found["quantile"] = shown_share(check.quantile)
    if check.least != bare.least:
        found["least"] = check.least
    if check.segments != bare.segments:
        found["segments"] = check.segments
    return {check.measure.value: found["limit"] if set(found) == {"limit"} else found}


def _shown_limit(measure: Measure, limit: float) -> float | str:
    if measure is Measure.LATENCY:
        return shown_seconds(limit)
    return limit if measure is Measure.SCORE_SHIFT else shown_share(limit)
