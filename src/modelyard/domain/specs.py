"""Deployments' specs as people write them, read strictly. docs/deployments.md describes the form."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from . import steps
from .deployments import (
    MODEL_SHARE,
    Answer,
    Backend,
    Endpoint,
    GoldenRequest,
    Keep,
    Recording,
    Segment,
    Spec,
    Where,
)
from .reading import Node, Troubles, pointer, refuse, shown_share

REHEARSAL: Final = "-rehearsal"
"""What a rehearsal's name ends in."""

MOST_SEGMENTS: Final = 1000
MOST_REPLICAS: Final = 1000
LONGEST_NAME: Final = 100
DEEPEST: Final = 50
"""Levels of a golden test's input."""

FIELDS: Final = (
    "name", "environment", "model", "models", "url", "backend", "replicas", "resources", "serve", "segment", "sticky",
    "key", "recording", "answer", "defaults", "segments", "endpoints", "golden", "steps", "start_timeout", "rehearse",
)  # fmt: skip
_OF_SEGMENT: Final = ("inputs", "threshold", "share")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SUM_MAY_BE_OFF: Final = 1e-6


def read(document: Mapping[str, Any], *, at: str = "", rehearsal: bool = False) -> Spec:
    """A spec from its document.

    Args:
        document: what JSON or YAML say.
        at: JSON pointer of the document, if it is a part of something.
        rehearsal: whether the name may be a rehearsal's.

    Raises:
        InvalidArgument: something in it is not right; `places` are all of it.
    """
    troubles: Troubles = []
    spec = _spec(Node(document, at, troubles), rehearsal=rehearsal)
    refuse(troubles, f"The deployment's spec {spec.name!r}" if spec.name else "The deployment's spec")
    return spec


def _spec(node: Node, *, rehearsal: bool) -> Spec:
    found = node.fields(FIELDS, "a spec")
    for needed in ("name", "environment"):
        if isinstance(node.value, Mapping) and needed not in found:
            node.wrong(f"`{needed}` is missing")
    models, url = _what(node, found)
    made: dict[str, Any] = {
        "name": _name(found["name"], rehearsal=rehearsal) if "name" in found else "",
        "environment": found["environment"].text() if "environment" in found else "",
        "models": models,
        "url": url,
        **_running(found, external=bool(url)),
        "segment": _where(found, "segment"),
        "sticky": _where(found, "sticky"),
        "key": _where(found, "key"),
        "endpoints": _endpoints(found),
        **_parts(found),
    }
    defaults = found.get("defaults")
    made["defaults"] = _segment(defaults, made["endpoints"]) if defaults else Segment()
    made["segments"] = _segments(found, made["endpoints"], where=made["segment"])
    _leftovers(found, made)
    if "steps" in found:
        made["steps"] = steps.read(found["steps"])
    return Spec(**made)


def _name(node: Node, *, rehearsal: bool) -> str:
    name = node.text()
    if name and (not _NAME.fullmatch(name) or len(name) > LONGEST_NAME):
        node.wrong(
            f"{name[:120]!r} is no deployment's name; expected up to {LONGEST_NAME} lower-case letters, digits, `-`, "
            "`_` and `.`, a letter or digit first"
        )
    elif name.endswith(REHEARSAL) and not rehearsal:
        node.wrong(f"names that end in {REHEARSAL!r} are for rehearsals; take another")
    return name


def _what(node: Node, found: Mapping[str, Node]) -> tuple[tuple[str, ...], str]:
    """Models and URL: what answers."""
    given = [name for name in ("model", "models", "url") if name in found]
    if isinstance(node.value, Mapping) and len(given) != 1:
        what = "nothing says what is to answer" if not given else f"{' and '.join(given)} exclude each other"
        node.wrong(f"{what}; give one of `model`, `models` (that compete) and `url` (that somebody else serves)")
    models: tuple[str, ...] = ()
    if "models" in found:
        models = tuple(each.text() for each in found["models"].elements("models' names"))
        if not models:
            found["models"].wrong("expected at least one model's name")
        if len(set(models)) != len(models):
            found["models"].wrong("a model stands twice in the list; remove one")
    elif "model" in found:
        models = (found["model"].text(),)
    return models, _url(found["url"]) if "url" in found else ""


def _url(node: Node) -> str:
    text = node.text(most=2000)
    if not text:
        return ""
    parts = urlsplit("")
    with contextlib.suppress(ValueError):
        found = urlsplit(text)
        parts = found if found.port != 0 else parts
    usable = parts.scheme in ("http", "https") and parts.hostname
    if not usable or any(each.isspace() for each in text) or parts.fragment:
        node.wrong(f"{text[:200]!r} is no URL of an endpoint; expected such as http://legacy:8080/predict")
        return ""
    if parts.username or parts.password:
        node.wrong("a URL with a password would be shown to everybody; sign in some other way")
    return text


def _running(found: Mapping[str, Node], *, external: bool) -> dict[str, Any]:
    """Backend, replicas, resources, settings."""
    made: dict[str, Any] = {"backend": Backend.EXTERNAL.value if external else Backend.LOCAL.value}
    if "backend" in found:
        backend = found["backend"].text(made["backend"], most=100)
        if external and backend != Backend.EXTERNAL:
            found["backend"].wrong(f"{backend!r} runs nothing that has a `url`; remove `backend`, or say external")
        elif not external and backend == Backend.EXTERNAL:
            found["backend"].wrong("external runs no models; say with `url` where somebody else serves it")
        else:
            made["backend"] = backend
    if external:
        for name in ("replicas", "resources", "serve"):
            if name in found:
                found[name].wrong("somebody else runs what has a `url`; remove this")
        return made
    if "replicas" in found:
        made["replicas"] = found["replicas"].whole(1, MOST_REPLICAS, 1)
    if "resources" in found:
        parts = found["resources"].fields(("cpus", "gpus", "memory"), "resources")
        if "cpus" in parts:
            made["cpus"] = parts["cpus"].number(0, 10_000, 1.0)
        if "gpus" in parts:
            made["gpus"] = parts["gpus"].number(0, 1000, 0.0)
        if "memory" in parts:
            made["memory_bytes"] = parts["memory"].size()
    if "serve" in found:
        made["serve"] = dict(_scalars(found["serve"], "settings of the model server"))
    return made


def _scalars(node: Node, what: str) -> list[tuple[str, Any]]:
    kept: list[tuple[str, Any]] = []
    for key, member in node.members(what):
        if isinstance(member.value, str) and key.endswith("_bytes"):
            kept.append((key, member.size()))
        elif isinstance(member.value, str) and key.endswith("_s"):
            kept.append((key, member.duration(0.0)))
        elif isinstance(member.value, str | int | float) and member.value == member.value:
            kept.append((key, member.value))
        else:
            member.wrong("expected a text, a number, true or false")
    return kept


def _where(found: Mapping[str, Node], name: str) -> Where:
    if name not in found:
        return Where()
    node = found[name]
    parts = node.fields(("header", "field"), f"`{name}`")
    if isinstance(node.value, Mapping) and len(parts) != 1:
        node.wrong("expected one of `header` and `field`: where it stands in a request")
        return Where()
    if "header" in parts:
        header = parts["header"].text(most=200)
        if header and not _HEADER.fullmatch(header):
            parts["header"].wrong(f"{header!r} is no header's name")
        return Where(header=header.lower())
    return Where(field=parts["field"].text(most=200)) if "field" in parts else Where()


def _parts(found: Mapping[str, Node]) -> dict[str, Any]:
    """What is read on its own."""
    made: dict[str, Any] = {}
    if "recording" in found:
        made["recording"] = _recording(found["recording"])
    if "answer" in found:
        parts = found["answer"].fields(("label", "score", "positive"), "`answer`")
        made["answer"] = Answer(
            parts["label"].text(most=200) if "label" in parts else "",
            parts["score"].text(most=200) if "score" in parts else "",
            _label(parts["positive"]) if "positive" in parts else None,
        )
    if "golden" in found:
        made["golden"] = tuple(_golden(each) for each in found["golden"].elements("golden tests"))
    if "start_timeout" in found:
        made["start_timeout_s"] = found["start_timeout"].duration(600.0, zero=False)
    if "rehearse" in found:
        time = found["rehearse"]
        if isinstance(time.value, str) and _TIME.fullmatch(time.value):
            made["rehearse"] = time.value
        else:
            time.wrong("expected a time of day in UTC, in quotes, such as '04:30'")
    return made


def _label(node: Node) -> str:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return str(node.value)
    return node.text(most=1000)


def _recording(node: Node) -> Recording:
    parts = node.fields(("input", "sample", "output"), "`recording`")
    usual = Recording()
    keep = Keep(parts["input"].one_of([each.value for each in Keep], usual.input)) if "input" in parts else usual.input
    if "sample" in parts and keep is not Keep.SAMPLED:
        parts["sample"].wrong("only used with `input: sampled`; add that, or remove this")
    return Recording(
        keep,
        parts["sample"].share(usual.sample) if "sample" in parts else usual.sample,
        parts["output"].flag(default=True) if "output" in parts else usual.output,
    )


def _golden(node: Node) -> GoldenRequest:
    parts = node.fields(("input", "expected", "relative", "absolute"), "a golden test")
    given = node.value if isinstance(node.value, Mapping) else {}
    for needed in ("input", "expected"):
        if isinstance(node.value, Mapping) and needed not in given:
            node.wrong(f"`{needed}` is missing")
        elif isinstance(node.value, Mapping) and _depth(given[needed]) > DEEPEST:
            node.at(needed).wrong(f"nests too deeply; {DEEPEST} levels are the most")
    return GoldenRequest(
        given.get("input"),
        given.get("expected"),
        parts["relative"].number(0, math.inf, 1e-5) if "relative" in parts else 1e-5,
        parts["absolute"].number(0, math.inf, 1e-8) if "absolute" in parts else 1e-8,
    )


def _depth(value: Any) -> int:
    """How many levels of lists and objects there are."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, Mapping | list | tuple)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, Mapping) else each)]
    return depth


# ------------------------------------------------------------------------------------ segments


def _endpoints(found: Mapping[str, Node]) -> dict[str, Endpoint]:
    if "endpoints" not in found:
        return {}
    made = {}
    for name, node in found["endpoints"].members("endpoints by name"):
        if name == MODEL_SHARE:
            node.wrong(f"`{MODEL_SHARE}` stands for the deployment's own model; take another name")
            continue
        if isinstance(node.value, Mapping):
            parts = node.fields(("url",), "an endpoint")
            if "url" not in parts:
                node.wrong("`url` is missing")
            made[name] = Endpoint(_url(parts["url"]) if "url" in parts else "")
        else:
            made[name] = Endpoint(_url(node))
    return made


def _segment(node: Node, endpoints: Collection[str]) -> Segment:
    parts = node.fields(_OF_SEGMENT, "a segment")
    inputs = {}
    if "inputs" in parts:
        inputs = {column: each.text(most=200) for column, each in parts["inputs"].members("fields by input column")}
    threshold = None
    if "threshold" in parts:
        threshold = parts["threshold"].number(0, 1, 0.5)
    return Segment(inputs, threshold, _share(parts["share"], endpoints) if "share" in parts else {})


def _share(node: Node, endpoints: Collection[str]) -> dict[str, float]:
    before = len(node.troubles)
    shares = {}
    for name, part in node.members("shares by endpoint"):
        if name != MODEL_SHARE and name not in endpoints:
            known = ", ".join([MODEL_SHARE, *endpoints])
            part.wrong(f"there is no endpoint {name!r}; add it to `endpoints`, or take one of {known}")
        shares[name] = part.share(0.0)
    if len(node.troubles) > before:
        return shares
    total = math.fsum(shares.values())
    if not shares or not total:
        node.wrong("no model would answer; give `model` or an endpoint a share, or remove `share` to inherit it")
        return {}
    if abs(total - 1) > _SUM_MAY_BE_OFF:
        parts = " + ".join(f"{shown_share(each)}" for each in shares.values())
        node.wrong(f"the shares add up to {total * 100:g}%, not 100% ({parts}); change one of them")
    return shares


def _segments(found: Mapping[str, Node], endpoints: Collection[str], *, where: Where) -> dict[str, Segment]:
    if "segments" not in found:
        return {}
    node = found["segments"]
    made = {}
    for name, each in node.members("settings by segment"):
        if len(name) > 200:
            each.wrong("a segment's name has 200 characters at most")
        made[name] = _segment(each, endpoints) if each.value is not None else Segment()
    if len(made) > MOST_SEGMENTS:
        node.wrong(f"{len(made)} segments; at most {MOST_SEGMENTS} are allowed")
    if made and not where and "segment" not in found:
        node.wrong("nothing says where a request's segment stands; add `segment: {header: NAME}` or `{field: NAME}`")
    return made


def _leftovers(found: Mapping[str, Node], made: Mapping[str, Any]) -> None:
    """What nobody uses was forgotten, or belongs elsewhere."""
    used = {name for each in (made["defaults"], *made["segments"].values()) for name in each.share}
    for name in made["endpoints"]:
        if name not in used:
            node = found["endpoints"].at(name)
            node.wrong(
                f"no share names the endpoint {name!r}; give it one under `defaults` or in a segment, or remove it"
            )


# ------------------------------------------------------------------------------------ against a model


def unknown_columns(spec: Spec, columns: Collection[str], model: str) -> Troubles:
    """What a spec says of input columns that a model does not have.

    Args:
        spec: it.
        columns: the model's, as its signature says.
        model: what it is called, for people.
    """
    troubles: Troubles = []
    places: dict[tuple[str, ...], Segment] = {("defaults",): spec.defaults}
    places |= {("segments", name): each for name, each in spec.segments.items()}
    for place, segment in places.items():
        for column in segment.inputs:
            if column not in columns:
                node = Node(None, pointer(*place, "inputs", column), troubles)
                known = ", ".join(sorted(columns)[:20]) or "none"
                node.wrong(f"{model} has no input column {column!r}; it has {known}")
    return troubles
