"""What all pages share: the frame, the theme, and that nothing on them is inaccessible or hostile."""

from __future__ import annotations

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PLACES = {
    "Overview": "/",
    "Experiments": "/experiments",
    "Models": "/models",
    "Environments": "/environments",
    "Deployments": "/deployments",
    "Predictions": "/predictions",
    "Statistics": "/statistics",
}


def test_one_gets_everywhere_by_keyboard_alone(page) -> None:
    page.goto("/")
    for name, path in PLACES.items():
        link = page.get_by_role("navigation", name="Main").get_by_role("link", name=name)
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(rf"{re.escape(path)}(\?.*)?$"))
        assert page.title().endswith("Modelyard")


def test_the_theme_is_kept(page) -> None:
    page.goto("/")
    theme = page.locator("html")
    assert theme.get_attribute("data-theme") == "light"
    page.get_by_role("button", name="Switch to light").click()
    page.get_by_role("button", name="Switch to dark").click()
    assert theme.get_attribute("data-theme") == "dark"
    page.reload()
    assert theme.get_attribute("data-theme") == "dark"


@pytest.mark.parametrize(
    ("hash", "path"), [("#/experiments/{experiment}/runs/{run}", "/runs/{run}"), ("#/models/wine", "/models/wine")]
)
def test_links_that_mlflow_prints_lead_here(page, seeded, hash, path) -> None:
    names = {"experiment": seeded.experiment, "run": seeded.runs[0]}
    page.goto("/" + hash.format(**names))
    page.wait_for_url("**" + path.format(**names) + "*")


def test_a_page_that_is_not_there_says_so(page) -> None:
    page.goto("/no/such/page")
    page.get_by_role("heading", name="There is no such page").wait_for()


@pytest.mark.parametrize("path", [*PLACES.values(), "/experiments/{experiment}", "/runs/{run}", "/models/wine",
                                  "/models/wine/versions/2", "/deployments/wine", "/compare?runs={both}"])  # fmt: skip
def test_no_serious_violation_of_accessibility(page, seeded, shot, violations, path) -> None:
    both = f'["{seeded.runs[0]}","{seeded.runs[1]}"]'
    page.goto(path.format(experiment=seeded.experiment, run=seeded.runs[0], both=both))
    page.get_by_role("heading", level=1).wait_for()
    expect(page.get_by_label("Loading", exact=True)).to_have_count(0)
    shot("page" + re.sub(r"\W+", "-", path.split("?")[0].format(experiment="experiment", run="run")).rstrip("-"))
    assert violations() == []
