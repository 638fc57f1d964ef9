"""Specs are read strictly, and every trouble has its place and its remedy."""

import copy
import functools

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain import specs
from modelyard.domain.checks import DEFAULT, Check, Measure
from modelyard.domain.deployments import Endpoint, GoldenRequest, Keep, Recording, Segment, Spec, Where
from modelyard.domain.differences import Change, changes
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.reading import percent, seconds, shown_seconds, shown_share, shown_size, size
from modelyard.domain.rollouts import Step, StepKind, Thin, default_steps
from modelyard.domain.spec_document import document

LEAST = {"name": "reviews", "environment": "production", "model": "sentiment"}
FULL = """
name: reviews
environment: production
models: [sentiment, challenger]
backend: ray
replicas: 3
resources: {cpus: 0.5, gpus: 1, memory: 512MiB}
serve: {workers: 2, worker_memory_bytes: 1GiB, timeout_s: 10s, batching: "off"}
segment: {header: X-Language}
sticky: {field: user}
key: {header: x-request-key}
defaults: {inputs: {text: review}, threshold: 0.5, share: {model: 90%, legacy: 0.1}}
segments:
  de: {threshold: 0.6}
  fr: {inputs: {text: avis}, share: {legacy: 1}}
  it:
endpoints: {legacy: "http://legacy:8080/predict"}
recording: {input: sampled, sample: 25%, output: false}
answer: {label: label, score: score, positive: 1}
golden: [{input: {text: good}, expected: null, absolute: 0.05}]
start_timeout: 5m
rehearse: "04:30"
steps:
  - golden
  - {shadow: 100%, for: 10m, checks: [default, {disagreement: 20%}]}
  - {weight: 1%, for: 30s, window: 20s, thin: fail, patience: 1h}
  - approve
  - {weight: 50%, checks: [latency, {latency: 200ms}, {latency: {margin: 2, quantile: 95%, least: 7}}]}
  - {weight: 100%, checks: []}
  - bake: 1h30m
    window: 2m
    checks: [{error_rate: {limit: 1%, margin: 0.5%}}, {correctness: {margin: 2%, segments: false}}]
"""


DEEP = functools.reduce(lambda inner, _: [inner], range(900), 1)


def troubles(**changed):
    with pytest.raises(InvalidArgument) as caught:
        specs.read({**LEAST, **changed})
    found = {}
    for place, told in caught.value.places:
        found[place] = f"{found.get(place, '')} {told}"
    return found


def test_the_shortest_spec_has_the_defaults():
    assert specs.read(LEAST) == Spec(name="reviews", environment="production", models=("sentiment",))
    assert document(specs.read(LEAST)) == LEAST


def test_a_spec_that_uses_everything():
    spec = specs.read(yaml.safe_load(FULL))
    assert spec == Spec(
        name="reviews",
        environment="production",
        models=("sentiment", "challenger"),
        backend="ray",
        replicas=3,
        cpus=0.5,
        gpus=1,
        memory_bytes=512 << 20,
        serve={"workers": 2, "worker_memory_bytes": 1 << 30, "timeout_s": 10.0, "batching": "off"},
        segment=Where(header="x-language"),
        sticky=Where(field="user"),
        key=Where(header="x-request-key"),
        recording=Recording(Keep.SAMPLED, 0.25, output=False),
        answer=spec.answer,
        defaults=Segment({"text": "review"}, 0.5, {"model": 0.9, "legacy": 0.1}),
        segments={
            "de": Segment(threshold=0.6), "fr": Segment({"text": "avis"}, None, {"legacy": 1.0}), "it": Segment(),
        },
        endpoints={"legacy": Endpoint("http://legacy:8080/predict")},
        golden=(GoldenRequest({"text": "good"}, None, 1e-5, 0.05),),
        steps=spec.steps,
        start_timeout_s=300,
        rehearse="04:30",
    )  # fmt: skip
    assert spec.answer.positive == "1"
    assert spec.steps == (
        Step(kind=StepKind.GOLDEN),
        Step(
            kind=StepKind.SHADOW, for_s=600, checks=(*DEFAULT, Check(measure=Measure.DISAGREEMENT, limit=0.2)),
        ),
        Step(
            kind=StepKind.WEIGHT, weight=0.01, for_s=30, checks=DEFAULT, window_s=20, thin=Thin.FAIL, patience_s=3600,
        ),
        Step(kind=StepKind.APPROVE),
        Step(
            kind=StepKind.WEIGHT, weight=0.5, for_s=60,
            checks=(
                DEFAULT[1],
                Check(measure=Measure.LATENCY, limit=0.2, least=100, segments=False),
                Check(measure=Measure.LATENCY, margin=2, quantile=0.95, least=7, segments=False),
            ),
        ),
        Step(kind=StepKind.WEIGHT, weight=1),
        Step(
            kind=StepKind.BAKE, for_s=5400, window_s=120,
            checks=(
                Check(measure=Measure.ERROR_RATE, limit=0.01, margin=0.005),
                Check(measure=Measure.CORRECTNESS, margin=0.02, segments=False),
            ),
        ),
    )  # fmt: skip


def test_what_is_written_is_read_again():
    spec = specs.read(yaml.safe_load(FULL))
    written = document(spec)
    assert specs.read(written) == spec
    assert document(specs.read(written)) == written
    assert written["segments"]["de"] == {"threshold": 0.6}
    assert written["resources"] == {"cpus": 0.5, "gpus": 1.0, "memory": "512MiB"}
    assert written["start_timeout"] == "5m"


def test_somebody_elses_endpoint():
    spec = specs.read({"name": "a", "environment": "int", "url": "https://legacy/predict"})
    assert (spec.url, spec.backend, spec.models) == ("https://legacy/predict", "external", ())
    assert document(spec) == {"name": "a", "environment": "int", "url": "https://legacy/predict"}
    assert specs.read({"name": "a", "environment": "int", "url": "http://x", "backend": "external"}).url == "http://x"


@pytest.mark.parametrize(
    ("changed", "place", "told"),
    [
        ({"treshold": 1}, "/treshold", "knows no 'treshold'"),
        ({"replica": 2}, "/replica", "did you mean 'replicas'?"),
        ({"name": "A b"}, "/name", "lower-case letters"),
        ({"name": "a-rehearsal"}, "/name", "for rehearsals"),
        ({"name": 7}, "/name", "write it in quotes"),
        ({"model": None}, "", "nothing says what is to answer"),
        ({"url": "http://x/"}, "", "exclude each other"),
        ({"models": ["a"]}, "", "exclude each other"),
        ({"model": None, "models": []}, "/models", "at least one"),
        ({"model": None, "models": ["a", "a"]}, "/models", "twice"),
        ({"backend": "external"}, "/backend", "`url`"),
        ({"model": None, "url": "http://x", "backend": "local"}, "/backend", "remove `backend`"),
        ({"model": None, "url": "http://x", "replicas": 2}, "/replicas", "remove this"),
        ({"model": None, "url": "legacy:80"}, "/url", "http://legacy:8080/predict"),
        ({"model": None, "url": "http://u:p@x"}, "/url", "password"),
        ({"model": None, "url": "http://x:99999"}, "/url", "no URL"),
        ({"replicas": 0}, "/replicas", "from 1 to 1000, not 0"),
        ({"replicas": True}, "/replicas", "whole number"),
        ({"resources": {"cpu": 1}}, "/resources/cpu", "did you mean 'cpus'?"),
        ({"resources": {"memory": "512 apples"}}, "/resources/memory", "512MiB"),
        ({"resources": {"cpus": float("nan")}}, "/resources/cpus", "number"),
        ({"segment": {"header": "a", "field": "b"}}, "/segment", "one of `header` and `field`"),
        ({"segment": {"header": "a b"}}, "/segment/header", "no header's name"),
        ({"sticky": "user"}, "/sticky", "names with values"),
        ({"defaults": {"threshold": 1.5}}, "/defaults/threshold", "from 0 to 1, not 1.5"),
        ({"defaults": {"share": {"model": "90%"}}}, "/defaults/share", "add up to 90%, not 100%"),
        ({"defaults": {"share": {"model": 0}}}, "/defaults/share", "no model would answer"),
        ({"defaults": {"share": {}}}, "/defaults/share", "no model would answer"),
        ({"defaults": {"share": {"model": 0.5, "old": 0.5}}}, "/defaults/share/old", "there is no endpoint 'old'"),
        ({"defaults": {"share": {"model": 10}}}, "/defaults/share/model", "did you mean 10%?"),
        ({"segments": {"de": {}}}, "/segments", "where a request's segment stands"),
        ({"segment": {"field": "l"}, "segments": {False: {}}}, "/segments", "write it in quotes"),
        ({"segment": {"field": "l"}, "segments": {"de": {"limit": 1}}}, "/segments/de/limit", "knows no 'limit'"),
        ({"endpoints": {"old": "http://x"}}, "/endpoints/old", "no share names the endpoint 'old'"),
        ({"endpoints": {"model": "http://x"}}, "/endpoints/model", "another name"),
        ({"endpoints": {"old": {}}}, "/endpoints/old", "`url` is missing"),
        ({"recording": {"sample": 0.5}}, "/recording/sample", "input: sampled"),
        ({"recording": {"input": "some"}}, "/recording/input", "'some' is not one of all, sampled, hashed, none"),
        ({"answer": {"positive": True}}, "/answer/positive", "quotes"),
        ({"golden": [{"input": 1}]}, "/golden/0", "`expected` is missing"),
        ({"golden": {"input": 1}}, "/golden", "expected a list"),
        ({"golden": [{"input": DEEP, "expected": 1}]}, "/golden/0/input", "too deeply"),
        ({"start_timeout": "5x"}, "/start_timeout", "30s, 5m"),
        ({"start_timeout": 0}, "/start_timeout", "more than 0"),
        ({"rehearse": "25:00"}, "/rehearse", "04:30"),
        ({"rehearse": 870}, "/rehearse", "in quotes"),
        ({"serve": {"a": [1]}}, "/serve/a", "a text, a number, true or false"),
        ({"serve": {"a/b~": None}}, "/serve/a~1b~0", "a text, a number, true or false"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place_and_a_remedy(changed, place, told):
    found = troubles(**changed)
    assert place in found, found
    assert told in found[place]


@pytest.mark.parametrize(
    ("steps", "place", "told"),
    [
        ("golden", "", "a list of steps"),
        (["gold"], "/0", "did you mean 'golden'?"),
        (["bake"], "/0", "such as {bake: 10m}"),
        (["shadow"], "/0", "{shadow: 100%"),
        ([{"golden": True}], "/0", "write just `golden`"),
        ([{}], "/0", "none of them"),
        ([{"shadow": 1, "weight": 1}], "/0", "shadow and weight"),
        ([{"weihgt": 1}], "/0/weihgt", "did you mean 'weight'?"),
        ([{"weight": 0}], "/0/weight", "more than 0%"),
        ([{"weight": None}], "/0/weight", "such as 10%"),
        ([{"weight": 10}], "/0/weight", "did you mean 10%?"),
        ([{"bake": "1m", "for": "2m"}], "/0/for", "knows no 'for'"),
        ([{"bake": "5 parsecs"}], "/0/bake", "30s, 5m"),
        ([{"bake": "1m", "thin": "maybe"}], "/0/thin", "wait, pass, fail"),
        ([{"weight": 0.5}, "golden"], "/1", "put `golden` first"),
        (["golden", "golden"], "/1", "once"),
        ([{"weight": 0.5}, {"weight": 0.5}], "/1", "weights have to grow; 50% comes after 50%"),
        ([{"weight": 0.5}, {"weight": 0.1}], "/1", "weights have to grow"),
        ([{"weight": 0.5}, {"shadow": 1}], "/1", "put `shadow` before `weight`"),
        ([{"bake": "1m"}, {"weight": 1}], "/1", "nothing comes after `bake`"),
        ([{"bake": "1m"}, "approve"], "/1", "nothing comes after `bake`"),
        ([{"bake": "1m", "checks": ["errors"]}], "/0/checks/0", "is not one of"),
        ([{"bake": "1m", "checks": ["disagreement"]}], "/0/checks/0", "needs a limit"),
        ([{"shadow": 1, "checks": [{"disagreement": {}}]}], "/0/checks/0/disagreement", "expected `limit`"),
        ([{"bake": "1m", "checks": [{"disagreement": 0.1}]}], "/0/checks", "into a shadow step"),
        ([{"bake": "1m", "checks": [{"error_rate": 2}]}], "/0/checks/0/error_rate", "did you mean 2%?"),
        ([{"bake": "1m", "checks": [{"error_rate": None}]}], "/0/checks/0", "expected a limit"),
        ([{"bake": "1m", "checks": [{"error_rate": 1, "latency": 1}]}], "/0/checks/0", "one measure"),
        ([{"bake": "1m", "checks": [{"disagreement": {"margin": 1}}]}], "/0/checks/0/disagreement/margin", "knows no"),
        ([{"bake": "1m", "checks": [{"latency": {"quantile": 1}}]}], "/0/checks/0/latency/quantile", "99%"),
        ([{"bake": "1m", "checks": [{"latency": {"least": 0}}]}], "/0/checks/0/latency/least", "from 1"),
        ([{"weight": (n + 1) / 100} for n in range(60)], "", "at most 50"),
    ],
)  # fmt: skip
def test_steps_that_cannot_be(steps, place, told):
    found = troubles(steps=steps)
    assert "/steps" + place in found, found
    assert told in found["/steps" + place]


def test_everything_is_found_at_once_and_told_below_where_it_was_sent():
    with pytest.raises(InvalidArgument) as caught:
        specs.read({"name": "x", "replicas": 0, "steps": ["bake"], "segments": {"a": {"threshold": 2}}}, at="/spec")
    assert [place for place, _ in caught.value.places] == [
        "/spec", "/spec", "/spec/replicas", "/spec/segments/a/threshold", "/spec/segments", "/spec/steps/0",
    ]  # fmt: skip
    assert "and 1 more" in caught.value.message
    assert caught.value.message.startswith("The deployment's spec 'x' is not right: ")


@pytest.mark.parametrize("said", [None, [], "x", 3])
def test_what_is_no_object_is_refused(said):
    with pytest.raises(InvalidArgument, match="expected a spec"):
        specs.read(said)


def test_columns_that_the_model_has_not_are_found():
    spec = specs.read(yaml.safe_load(FULL))
    assert specs.unknown_columns(spec, {"text"}, "it") == []
    found = dict(specs.unknown_columns(spec, {"body", "title"}, "sentiment version 3"))
    assert found.keys() == {"/defaults/inputs/text", "/segments/fr/inputs/text"}
    assert found["/defaults/inputs/text"] == ("sentiment version 3 has no input column 'text'; it has body, title")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats() | st.text("ab%1ms", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw):
    """A whole spec with something else at one place."""
    document = copy.deepcopy(yaml.safe_load(FULL))
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
            node[key] = draw(JSON)
            return document
        node = node[key]


@given(spoilt())
def test_whatever_is_said_it_is_read_or_refused_and_read_again_alike(said):
    places = []
    try:
        spec = specs.read(said)
    except InvalidArgument as error:
        places = [place for place, _ in error.places]
    else:
        assert specs.read(document(spec)) == spec
        return
    assert places
    assert all(place == "" or place.startswith("/") for place in places)


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400), ("2d", 172_800), ("1h 5m", 3900)],
)
def test_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "m", "5 parsecs", "-1s", "1s2", "1e3s", "s5"])
def test_what_is_no_time(text):
    assert seconds(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("512MiB", 512 << 20), ("2GB", 2 * 10**9), ("512Mi", 512 << 20), ("1.5GiB", 3 << 29), ("10", 10), ("1kB", 1000)],
)
def test_sizes(text, value):
    assert size(text) == value


@given(st.floats(0, 1e7))
def test_times_and_shares_survive_being_written(value):
    shown = shown_seconds(value)
    assert (seconds(shown) if isinstance(shown, str) else shown) == value
    part = shown_share(value / 1e7)
    assert (percent(part) if isinstance(part, str) else part) == value / 1e7


@given(st.integers(0, 2**50))
def test_sizes_survive_being_written(value):
    shown = shown_size(value)
    assert (size(shown) if isinstance(shown, str) else shown) == value


def test_differences_name_their_place():
    old = {"a": 1, "b": {"c": [1, {"d": 2}], "x/y": 1}, "gone": True, "same": [1]}
    new = {"a": 1.0, "b": {"c": [1, {"d": 3}], "x/y": True}, "new": "n", "same": [1], "grown": [1]}
    assert changes(old, new) == (
        Change("/b/c/1/d", 2, 3),
        Change("/b/x~1y", 1, True),
        Change("/gone", True, None),
        Change("/new", None, "n"),
        Change("/grown", None, [1]),
    )
    assert changes({"a": [1]}, {"a": [1, 2]}) == (Change("/a", [1], [1, 2]),)
    assert changes(old, old) == ()


def test_default_steps_are_not_written():
    assert "steps" not in document(Spec(name="a", environment="b", models=("c",), steps=default_steps()))
    assert document(Spec(name="a", environment="b", models=("c",), steps=()))["steps"] == []
    assert specs.read({**LEAST, "steps": []}).steps == ()
