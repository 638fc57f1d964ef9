"""Statistics in the browser: correctness with its intervals, calls, and which version is better."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelyard.client import Client

from .recorded import now_ms, prediction, right, send

DAY = 86_400_000


@pytest.fixture(scope="module")
def judged(server: Any, seeded: Any) -> str:
    """Two versions in two segments on three days: version 2 is right half of the time, version 3 nearly always."""
    Client(server.url, server.url).apply_deployment(
        {
            "name": "judged", "environment": "production", "model": seeded.model,
            "segment": {"field": "lang"}, "segments": {"de": {}, "fr": {}},
        }
    )  # fmt: skip
    made, said = [], []
    for at in range(600):
        version = "2" if at % 2 else "3"
        one = prediction(
            "judged", at_ms=now_ms() - (at % 3) * DAY - 600_000, version=version, revision=int(version) - 1,
            segment=("de", "fr")[at % 4 // 2], role="stable" if version == "2" else "canary",
        )  # fmt: skip
        made.append(one)
        said.append(right(one, at % 4 == 1 if version == "2" else at % 50 != 0))
    send(server.url, *made, feedback=said)
    return "judged"


def test_each_version_is_told_with_its_interval(page, judged, shot, violations):
    page.goto(f"/statistics?deployment={judged}")
    versions = page.get_by_role("list", name="Correctness by version, with 95 % intervals")
    assert re.search(r"Version 2\s+50%\s+44.4% to 55.6%\s+300 of 300 answers", versions.inner_text())
    assert re.search(r"Version 3\s+96%", versions.inner_text())
    page.get_by_role("list", name="Correctness in fr, with 95 % intervals").wait_for()
    page.get_by_role("img", name="Calls per day, by version").wait_for()
    page.get_by_role("figure", name="Correctness per day, by version").wait_for()
    numbers = page.get_by_role("table", name="Versions in numbers")
    assert "300" in numbers.get_by_role("row", name=re.compile("wine version 2")).inner_text()
    assert violations() == []
    shot("statistics")


def test_which_is_better_is_a_sentence(page, judged):
    page.goto(f"/statistics?deployment={judged}&a=2&b=3")
    page.get_by_text(
        re.compile(r"^version 2 is worse by 46\.\d points|^version 3 is better by 46", re.IGNORECASE)
    ).wait_for()
    page.get_by_role("combobox", name="One version").click()
    page.get_by_role("option", name="Version 3").click()
    page.get_by_text("Choose two different ones.").wait_for()


def test_what_is_shown_stands_in_the_address(page, judged):
    page.goto(f"/statistics?deployment={judged}")
    page.get_by_role("combobox", name="Segment").click()
    page.get_by_role("option", name="fr").click()
    page.wait_for_url("**segment=fr**")
    page.get_by_text("150 of 150 answers").first.wait_for()
    page.get_by_role("combobox", name="Period").click()
    page.get_by_role("option", name="Last day").click()
    page.wait_for_url("**period=1d**")
    page.get_by_text("50 of 50 answers").first.wait_for()
    page.get_by_role("heading", name="Calls per hour").wait_for()
    page.goto(f"/statistics?deployment={judged}&period=never&window=year&a=99&b=%3Cb%3E&until=x")
    page.get_by_role("heading", name="Calls per day").wait_for()
    page.goto("/statistics?deployment=nothing")
    page.get_by_text("There is no deployment 'nothing'").wait_for()


def test_on_a_phone_it_is_readable(page, judged, shot):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/statistics?deployment={judged}")
    page.get_by_role("list", name="Correctness by version, with 95 % intervals").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot("statistics-phone")
