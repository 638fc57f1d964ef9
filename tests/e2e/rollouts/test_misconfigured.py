"""One language configured wrongly: refused before anything happens and, forced past that, taken back while it bakes."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import InvalidArgument
from tests.e2e.rollouts.conftest import Callers, House
from tests.reliability.process import until

SPEC = {
    "name": "soup",
    "environment": "production",
    "model": "soup",
    "segment": {"field": "lang"},
    "segments": {"de": {}, "en": {}, "fr": {}},
    "steps": ["golden", {"bake": "20s", "checks": [{"error_rate": {"limit": "5%", "least": 10}}]}],
}
WRONG = {**SPEC, "segments": {"de": {}, "en": {}, "fr": {"inputs": {"texte": "text"}}}}
TEXTS = ["en: good", "de: gut"] * 12 + ["fr: bon"]  # all together, four in a hundred fail, which is allowed


def test_a_misconfigured_language(house: House) -> None:
    house.promote("soup", house.version("soup"))
    house.client.apply_deployment(SPEC)
    house.wait("soup", "Revision 1 (soup version 1) answers everything now")

    with pytest.raises(InvalidArgument) as refused:
        house.client.apply_deployment(WRONG)
    assert "/segments/fr/inputs/texte" in refused.value.message
    assert house.client.get_deployment("soup").spec["segments"]["fr"] == {}

    with Callers(house, "soup", *TEXTS, per_second=250) as callers:
        house.client.apply_deployment(WRONG, force=True, reason="it will be fine")
        told = house.wait("soup", "Revision 2", "was rolled back")
        enough = len(callers.seen) + 50
        until(lambda: len(callers.seen) >= enough)
    assert "error_rate in segment 'fr'" in told
    assert {text for *_, text in callers.failed} == {"fr: bon"}
    assert {status for _, status, *_ in callers.seen[-50:]} == {200}
    found = house.client.get_deployment("soup")
    assert found.stable is not None
    assert found.stable.number == 1
    assert any("it will be fine" in each or "forced" in each.lower() for each in house.told("soup"))
