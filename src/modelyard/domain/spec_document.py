"""A deployment's spec as people would write it: only what is not by default. `specs.read` reads it again."""

from __future__ import annotations

from typing import Any, Final

from . import steps
from .deployments import Backend, GoldenRequest, Keep, Segment, Spec, Where
from .reading import shown_seconds, shown_share, shown_size
from .rollouts import default_steps

_DEFAULTS: Final = Spec(name="", environment="")


def document(spec: Spec) -> dict[str, Any]:
    """The spec as people would write it: only what is not by default. `read` makes the same spec of it."""
    found: dict[str, Any] = {"name": spec.name, "environment": spec.environment}
    if spec.url:
        found["url"] = spec.url
    elif len(spec.models) == 1:
        found["model"] = spec.models[0]
    else:
        found["models"] = list(spec.models)
    if spec.backend != (Backend.EXTERNAL if spec.url else Backend.LOCAL):
        found["backend"] = str(spec.backend)
    resources: dict[str, Any] = {}
    for name in ("cpus", "gpus"):
        if getattr(spec, name) != getattr(_DEFAULTS, name):
            resources[name] = getattr(spec, name)
    if spec.memory_bytes:
        resources["memory"] = shown_size(spec.memory_bytes)
    recording = _differences(spec.recording, _DEFAULTS.recording, ("input", "sample", "output"))
    if "sample" in recording:
        recording["sample"] = shown_share(recording["sample"])
    values: dict[str, Any] = {
        "replicas": spec.replicas if spec.replicas != _DEFAULTS.replicas else None,
        "resources": resources,
        "serve": dict(spec.serve),
        **{name: _shown_where(getattr(spec, name)) for name in ("segment", "sticky", "key")},
        "recording": recording,
        "answer": _differences(spec.answer, _DEFAULTS.answer, ("label", "score", "positive")),
        "defaults": _shown_segment(spec.defaults),
        "segments": {name: _shown_segment(each) for name, each in spec.segments.items()},
        "endpoints": {name: each.url for name, each in spec.endpoints.items()},
        "golden": [_shown_golden(each) for each in spec.golden],
        "start_timeout": shown_seconds(spec.start_timeout_s) if spec.start_timeout_s != 600.0 else None,
        "rehearse": spec.rehearse,
    }
    found |= {name: value for name, value in values.items() if value not in (None, "", {}, [])}
    if spec.steps != default_steps():
        found["steps"] = steps.document(spec.steps)
    return found


def _differences(value: object, usual: object, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(value, name) for name in names if getattr(value, name) != getattr(usual, name)}
    return {name: each.value if isinstance(each, Keep) else each for name, each in found.items()}


def _shown_where(where: Where) -> dict[str, str]:
    return {"header": where.header} if where.header else {"field": where.field} if where.field else {}


def _shown_segment(segment: Segment) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if segment.inputs:
        found["inputs"] = dict(segment.inputs)
    if segment.threshold is not None:
        found["threshold"] = segment.threshold
    if segment.share:
        found["share"] = {name: shown_share(part) for name, part in segment.share.items()}
    return found


def _shown_golden(golden: GoldenRequest) -> dict[str, Any]:
    shown: dict[str, Any] = {"input": golden.input, "expected": golden.expected}
    shown |= _differences(golden, GoldenRequest(None, None), ("relative", "absolute"))
    return shown
