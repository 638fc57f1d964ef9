"""What gateways are told of a deployment."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.deployments import Endpoint, Revision, Segment, Spec, Target, Where
from modelyard.domain.rollouts import Traffic
from modelyard.services.controller.routing import Running, deployment
from modelyard.wire.routing import RoutedDeployment


def running(number: int, *urls: str, target: Target | None = None, **spec: Any) -> Running:
    wanted = Spec(name="wine", environment="prod", models=("wine",), **spec)
    revision = Revision("wine", number, wanted, target or Target("wine", str(number + 8)), 0, "anna", "why")
    return Running(revision, [(str(at), url) for at, url in enumerate(urls)])


def told(stable: Running | None, canary: Running | None, weight: float = 0.0, shadow: float = 0.0) -> RoutedDeployment:
    document = deployment("wine", stable, canary, Traffic(weight, shadow))
    return msgspec.convert(document, RoutedDeployment)


def of(found: RoutedDeployment, segment: str = "") -> list[tuple[int | str, str, float]]:
    """Who answers: number or endpoint, role, weight."""
    shares = (found.segments[segment] if segment else found.default).shares
    return [
        (found.revisions[each.to].number or found.revisions[each.to].endpoint, each.role, each.weight)
        for each in shares
    ]


def test_nothing_is_told_of_what_has_no_revision():
    assert deployment("wine", None, None, Traffic()) is None


def test_stable_answers():
    found = told(running(1, "http://a"), None)
    assert of(found) == [(1, "stable", 1.0)]
    assert [(each.model, each.version, each.external) for each in found.revisions] == [("wine", "9", False)]
    assert [(each.name, each.url) for each in found.revisions[0].replicas] == [("0", "http://a")]
    assert found.shadow is None


def test_nobody_answers_before_the_first_revision_was_promoted():
    found = told(None, running(1, "http://a"))
    assert (of(found), len(found.revisions)) == ([], 1)


def test_a_canary_without_traffic_is_known_already():
    found = told(running(1, "http://a"), running(2, "http://b"))
    assert of(found) == [(1, "stable", 1.0)]
    assert [each.number for each in found.revisions] == [1, 2]


def test_a_canary_has_its_part():
    assert of(told(running(1, "http://a"), running(2, "http://b"), 0.25)) == [(2, "canary", 0.25), (1, "stable", 0.75)]


def test_stable_is_there_for_a_canary_that_has_everything():
    assert of(told(running(1, "http://a"), running(2, "http://b"), 1.0)) == [(2, "canary", 1.0), (1, "stable", 0.0)]


def test_a_shadow_gets_copies():
    found = told(running(1, "http://a"), running(2, "http://b"), shadow=0.5)
    assert found.shadow is not None
    assert (found.revisions[found.shadow.to].number, found.shadow.share) == (2, 0.5)
    assert of(found) == [(1, "stable", 1.0)]


def test_others_endpoints_keep_their_share_beside_a_canary():
    legacy = {
        "endpoints": {"old": Endpoint("http://old/ask")},
        "segments": {"de": Segment(share={"model": 0.8, "old": 0.2})},
    }
    found = told(running(1, "http://a", **legacy), running(2, "http://b", **legacy), 0.5)
    assert of(found, "de") == [(2, "canary", 0.4), (1, "stable", 0.4), ("old", "endpoint", 0.2)]
    assert of(found) == [(2, "canary", 0.5), (1, "stable", 0.5)]
    assert (found.revisions[2].external, found.revisions[2].replicas[0].url) == (True, "http://old/ask")


def test_each_revision_has_the_settings_it_was_made_with():
    stable = running(1, "http://a", segments={"de": Segment({"text": "inhalt"}, 0.5)})
    canary = running(2, "http://b", segments={"de": Segment({"text": "text"}, 0.9), "fr": Segment()})
    found = told(stable, canary, 0.1)
    assert [each.segments["de"].threshold for each in found.revisions] == [0.5, 0.9]
    assert found.revisions[0].segments["de"].inputs == {"text": "inhalt"}
    assert set(found.segments) == {"de", "fr"}


def test_what_is_read_of_a_request_is_stables_until_the_canary_has_everything():
    stable, canary = (
        running(1, "http://a", segment=Where(field="lang")),
        running(2, "http://b", segment=Where("language")),
    )
    assert told(stable, canary, 0.5).segment.field == "lang"
    assert told(stable, canary, 1.0).segment.header == "language"


def test_an_external_revision_is_asked_as_it_is():
    found = told(running(1, "http://other/predict", target=Target(url="http://other/predict")), None)
    assert found.revisions[0].external


@given(
    st.booleans(),
    st.booleans(),
    st.floats(0, 1),
    st.floats(0, 1),
    st.dictionaries(st.sampled_from(["model", "old", "older"]), st.floats(0.05, 1), min_size=1),
)
def test_a_segments_shares_add_up_to_one(stable, canary, weight, shadow, share):
    whole = sum(share.values())
    parts = {name: each / whole for name, each in share.items()}
    endpoints = {name: Endpoint(f"http://{name}") for name in ("old", "older")}
    spec: dict[str, Any] = {"endpoints": endpoints, "segments": {"de": Segment(share=parts)}}
    document = deployment(
        "wine",
        running(1, "http://a", **spec) if stable else None,
        running(2, "http://b", **spec) if canary else None,
        Traffic(weight, shadow),
    )
    if document is None:
        return
    found = msgspec.convert(document, RoutedDeployment)
    for segment in ("", "de"):
        shares = of(found, segment)
        answers = {name for name, _, _ in shares}
        if stable or (canary and weight > 0):
            assert abs(sum(each for _, _, each in shares) - 1) < 1e-9
        else:
            assert not answers & {1, 2}
