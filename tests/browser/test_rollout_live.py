"""A rollout watched live, from its start to the way back and to the promotion, with real replicas under traffic."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.rollouts.conftest import Callers, House
from tests.reliability.stack import Stack

from .conftest import BUILT

ERRORS = {"error_rate": {"limit": "5%", "least": 60}}
STEPS = [
    "golden",
    {"shadow": "100%", "for": "4s", "checks": [{"disagreement": "90%"}], "thin": "pass"},
    {"weight": "30%", "for": "3s", "checks": [ERRORS]},
    "approve",
    {"bake": "2s", "checks": [ERRORS]},
]
SEEN = """() => {
  window.seen = new Map();
  const note = (what) => {
    if (!window.seen.has(what)) window.seen.set(what, Date.now());
  };
  const look = () => {
    for (const each of document.querySelectorAll("li button[data-state]"))
      note(`${each.querySelector(".truncate").textContent}: ${each.dataset.state}`);
    for (const each of document.querySelectorAll("[role=img][aria-label*='(canary)']"))
      note(each.ariaLabel.match(/revision \\d+ \\(canary\\) \\d+%/)?.[0]);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""
"""Notes when the page first showed each state of each step, however short."""
SOON_MS = 5_000
"""On a quiet machine it is within a second; others may be at work."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    stack = Stack(folder / "data", MODELYARD_UI=str(BUILT))
    try:
        stack.start()
        house = House(stack, folder)
        house.promote("tea", house.version("tea"))
        house.deploy("tea", steps=["golden"], segment={"field": "lang"}, segments={"de": {}, "en": {}})
        house.wait("tea", "Revision 1 (tea version 1) answers everything now")
        house.deploy("tea", steps=STEPS, segment={"field": "lang"}, segments={"de": {}, "en": {}})
        yield house
    finally:
        print(stack.said())
        stack.end()


def late_ms(page: Any, house: House, state: str, told: str) -> float:
    """How long after it was written down the page showed it: by the page's clock, which is the server's."""
    shown = page.evaluate("state => window.seen.get(state)", state)
    [at] = [each.at_ms for each in house.client.get_deployment_events("tea").events if told in each.told][-1:]
    return float(shown - at)


def step(page: Any, label: str, state: str) -> Any:
    return page.locator(f'li button[data-state="{state}"]').filter(has_text=label)


def seen(page: Any, *states: str, seconds: float = 60) -> None:
    """Wait until the page has shown these states of steps."""
    for each in states:
        page.wait_for_function("state => window.seen.has(state)", arg=each, timeout=seconds * 1000)


@pytest.mark.timeout(300)
def test_a_rollout_is_watched_from_its_start_to_the_way_back_and_to_the_promotion(
    page: Any, house: House, shot: Any, violations: Any
) -> None:
    page.goto(f"{house.stack.url}/deployments/tea?period=5m")
    page.get_by_text("serving", exact=True).wait_for()
    page.evaluate(SEEN)
    with Callers(house, "tea", per_second=60):
        _goes_back(page, house, shot, violations)
        _comes_through(page, house, shot)
        _is_asked(page, house)


def _goes_back(page: Any, house: House, shot: Any, violations: Any) -> None:
    house.promote("tea", house.version("tea", raises="de:"))
    page.get_by_role("heading", name="Rollout of revision 2").wait_for()
    seen(page, "Start: current", "Shadow 100%: current")
    shot("rollout-shadow")
    seen(page, "Golden tests: done", "Shadow 100%: done", "Weight 30%: current")
    seen(page, "revision 2 (canary) 30%")
    step(page, "Weight 30%", "failed").wait_for(timeout=30_000)
    assert late_ms(page, house, "Weight 30%: failed", "was rolled back") < SOON_MS
    page.get_by_text("rolled back", exact=True).wait_for()
    step(page, "Bake", "skipped").wait_for()
    page.get_by_role("row", name=re.compile("error rate (all|de) fail")).first.wait_for()
    page.get_by_role("status").get_by_text(re.compile("^error_rate")).wait_for()
    page.get_by_role("list", name="What happened last").get_by_text("was rolled back").wait_for()
    page.get_by_role("img", name=re.compile(r"revision \d+ \(stable\) 100%")).first.wait_for()
    page.get_by_role("button", name="Try again").wait_for()
    page.get_by_role("img", name=re.compile("Shares of the answers over time: Revision 1.*Revision 2")).wait_for()
    page.get_by_label("Error rate over time").first.wait_for()
    assert violations() == []
    shot("rollout-rolled-back")


def _comes_through(page: Any, house: House, shot: Any) -> None:
    house.promote("tea", house.version("tea"))
    page.get_by_role("heading", name="Rollout of revision 3").wait_for()
    seen(page, "Approve: waiting")
    shot("rollout-approve")
    page.get_by_role("button", name="Approve", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Reason").fill("it looks good")
    dialog.get_by_role("button", name="Approve").click()
    seen(page, "Bake: current")
    page.get_by_role("main").get_by_text("promoted", exact=True).wait_for(timeout=30_000)
    assert page.locator('li button[data-state="done"]').count() == 6
    assert "it looks good" in house.wait("tea", "approved revision 3")
    page.get_by_role("combobox", name="Rollout").click()
    page.get_by_role("option", name=re.compile("^revision 2")).click()
    step(page, "Weight 30%", "failed").wait_for()
    assert "rollout=" in page.url


def _is_asked(page: Any, house: House) -> None:
    page.get_by_role("tab", name="Try it").click()
    page.get_by_label(re.compile("^text")).fill("en: one two three")
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("tea version 3, revision 3").wait_for()
    page.get_by_text("4 words").first.wait_for()
    assert (
        f"curl '{house.stack.gateway}/models/tea/predict'"
        in page.get_by_role("region", name=re.compile("shell")).inner_text()
    )
    link = page.get_by_role("link", name=re.compile("^[0-9a-f]{32}$"))
    prediction = link.inner_text()
    until = time.monotonic() + 20
    while True:  # it comes to the server a moment later
        page.goto(f"{house.stack.url}/predictions?deployment=tea&id={prediction}")
        dialog = page.get_by_role("dialog", name="Prediction")
        dialog.get_by_text(re.compile("one two three|not found", re.IGNORECASE)).first.wait_for()
        if "one two three" in dialog.inner_text():
            break
        assert time.monotonic() < until, dialog.inner_text()
    dialog.get_by_role("button", name="Right", exact=True).click()
    dialog.get_by_role("list", name=re.compile("Feedback so far")).get_by_text("right").wait_for()


def test_the_page_goes_on_when_the_server_was_away(page: Any, house: House) -> None:
    page.goto(f"{house.stack.url}/deployments/tea")
    page.get_by_role("heading", name="tea", level=1).wait_for()
    assert house.stack.kill("server")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            house.client.pause_deployment("tea", reason="after the fall")
            break
        except Exception:  # noqa: BLE001 - until it is back
            time.sleep(0.2)
    page.get_by_role("button", name="Resume").wait_for(timeout=20_000)
    told = json.dumps(house.told("tea")[-1])
    assert "after the fall" in told
