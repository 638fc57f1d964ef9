"""The main tasks without a mouse: nothing is focused but by Tab, and what is focused shows that it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelyard.client import Client
from modelyard.client.entities import Metric
from tests.server.api.native import Native

from .recorded import prediction, send

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

MOST = 120
"""Keys to get anywhere on a page: what takes more is out of reach."""
VISIBLE = """() => {
  const marked = (each, part) => {
    const style = getComputedStyle(each, part);
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  };
  for (let each = document.activeElement; each && each !== document.body; each = each.parentElement)
    if (marked(each) || marked(each, '::after') || marked(each, '::before')) return true;
  return false;
}"""


class Keys:
    """A keyboard in front of a page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def to(self, wanted: Any, key: str = "Tab") -> Keys:
        """Press a key until this has the focus, which must be seen."""
        wanted = wanted.first
        wanted.wait_for()
        for _ in range(MOST):
            if wanted.evaluate("each => each === document.activeElement"):
                assert self.page.evaluate(VISIBLE), f"no mark of the focus on {wanted}"
                return self
            self.page.keyboard.press(key)
        raise AssertionError(f"{MOST} keys did not reach {wanted}")

    def press(self, *keys: str) -> Keys:
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def type(self, text: str) -> Keys:
        self.page.keyboard.type(text)
        return self


@pytest.fixture
def keys(page) -> Keys:
    return Keys(page)


@pytest.fixture
def client(server, seeded) -> Client:
    return Client(server.url, server.url)


def heading(page, name: str) -> None:
    page.get_by_role("heading", level=1).filter(has_text=name).wait_for()


def test_runs_are_found_filtered_and_compared(page, seeded, keys) -> None:
    page.goto("/")
    keys.to(page.get_by_role("link", name="Experiments", exact=True)).press("Enter")
    keys.to(page.get_by_role("searchbox")).type("WineClass")
    page.get_by_role("treeitem", name=re.compile("WineClassifier")).wait_for()
    keys.to(page.locator("[role=tree] [tabindex='0'], [role=tree][tabindex='0']")).press("End", "Enter")
    heading(page, "WineClassifier")
    keys.to(page.get_by_role("combobox", name="Filter")).type("params.criterion = 'gini'").press("Enter")
    page.wait_for_url(re.compile("q="))
    page.get_by_text("6 runs").first.wait_for()
    grid = page.get_by_role("grid", name="Runs")
    keys.to(grid).press("ArrowDown", "Space", "ArrowDown", "Space")
    page.get_by_text("2 runs selected").wait_for()
    keys.to(page.get_by_role("link", name="Compare", exact=True)).press("Enter")
    page.wait_for_url(re.compile("/compare"))
    heading(page, "Compare")
    keys.to(page.get_by_role("tab", selected=True)).press("ArrowRight", "Enter")
    page.wait_for_url(re.compile("tab="))


def test_a_run_is_read(page, seeded, keys) -> None:
    page.goto(f"/runs/{seeded.runs[0]}")
    heading(page, "run-0")
    keys.to(page.get_by_role("tab", selected=True))
    metrics = page.get_by_role("tab", name="Metrics")
    keys.to(metrics, "ArrowRight").press("Enter")
    cursor = page.get_by_role("slider", name="Cursor of train/loss")
    keys.to(cursor).press("End", "ArrowLeft", "+")
    page.wait_for_url(re.compile("zoom="))
    keys.press("Escape")
    page.wait_for_url(lambda url: "zoom=" not in url)
    keys.to(page.get_by_role("button", name="More of train/loss")).press("Enter", "ArrowDown")
    page.get_by_role("menuitem").first.wait_for()
    keys.press("Escape")
    keys.to(page.get_by_role("tab", name="Metrics"), "Shift+Tab")
    keys.to(page.get_by_role("tab", name="Artifacts"), "ArrowRight").press("Enter")
    keys.to(page.get_by_role("button", name="notes.txt")).press("Enter")
    page.get_by_text("second line").wait_for()


def test_a_version_is_promoted_and_taken_back(page, seeded, keys, server) -> None:
    page.goto("/models")
    keys.to(page.get_by_role("link", name="wine", exact=True)).press("Enter")
    heading(page, "wine")
    keys.to(page.get_by_role("region", name="Versions").get_by_role("link", name="v3")).press("Enter")
    heading(page, "version 3")
    promote = page.get_by_role("button", name="Promote…")
    keys.to(promote).press("Enter")
    dialog = page.get_by_role("dialog")
    keys.to(dialog.get_by_label("Why")).type("by keyboard")
    keys.to(dialog.get_by_role("button", name="Promote")).press("Enter")
    keys.to(page.get_by_role("link", name="in production")).press("Enter")
    keys.to(page.get_by_role("button", name="Undo the last promotion…")).press("Enter")
    undo = page.get_by_role("dialog", name="Undo the last promotion")
    keys.to(undo.get_by_role("button", name="Undo", exact=True)).press("Enter")
    undo.wait_for(state="detached")
    assert Native(server.url)("GET", "/models/wine")["environments"]["production"] == 2


def test_a_deployment_is_paused_and_the_focus_comes_back(page, seeded, keys, client) -> None:
    page.goto("/deployments")
    keys.to(page.get_by_role("link", name="wine", exact=True)).press("Enter")
    heading(page, "wine")
    keys.to(page.get_by_role("button", name="Pause")).press("Enter")
    dialog = page.get_by_role("dialog")
    keys.press("Escape")
    dialog.wait_for(state="detached")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    keys.press("Enter")
    keys.to(dialog.get_by_role("textbox", name="Reason")).type("no mouse")
    keys.to(dialog.get_by_role("button", name="Pause")).press("Enter")
    keys.to(page.get_by_role("button", name="Resume")).press("Enter")
    keys.to(dialog.get_by_role("button", name="Resume")).press("Enter")
    page.get_by_role("button", name="Pause").wait_for()
    told = [each.told for each in client.get_deployment_events("wine").events]
    assert any("no mouse" in each for each in told)


def test_what_a_dialog_is_over_is_out_of_reach(page, seeded, keys) -> None:
    page.goto("/deployments/wine")
    keys.to(page.get_by_role("button", name="Pause")).press("Enter")
    page.get_by_role("dialog").wait_for()
    for _ in range(15):
        keys.press("Tab")
        inside = page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('[role=dialog]') !== null"
            " || document.activeElement.hasAttribute('data-base-ui-focus-guard')"
        )
        assert inside, page.evaluate("document.activeElement.outerHTML")


def test_the_menu_is_skipped(page, seeded, keys) -> None:
    page.goto(f"/experiments/{seeded.experiment}")
    heading(page, "WineClassifier")
    keys.press("Tab")
    skip = page.get_by_role("link", name=re.compile("Skip"))
    assert skip.evaluate("each => each === document.activeElement")
    keys.press("Enter")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_prediction_is_judged(page, seeded, keys, server) -> None:
    send(server.url, prediction("wine", input='{"text": "by hand"}'))
    page.goto("/predictions?deployment=wine")
    row = page.get_by_role("row").filter(has_text="by hand")
    keys.to(row.get_by_role("button")).press("Enter")
    dialog = page.get_by_role("dialog", name="Prediction")
    keys.to(dialog.get_by_role("button", name="Right", exact=True)).press("Enter")
    dialog.get_by_role("list", name=re.compile("Feedback so far")).get_by_text("right").wait_for()
    keys.press("Escape")
    dialog.wait_for(state="detached")


def test_a_chart_of_many_points_is_panned(page, seeded, keys, client) -> None:
    run = client.create_run(seeded.experiment, 1_790_000_000_000, {}, "long").info.run_id
    client.log_batch(run, [Metric("loss", at % 7, 1_790_000_000_000 + at, at) for at in range(900)])
    page.goto(f"/runs/{run}?tab=metrics")
    cursor = page.get_by_role("slider", name="Cursor of loss")
    keys.to(cursor).press("+")
    page.wait_for_url(re.compile("zoom="))
    first = cursor.get_attribute("aria-valuemin")
    keys.press("Shift+ArrowRight")
    expect(cursor).not_to_have_attribute("aria-valuemin", first)
