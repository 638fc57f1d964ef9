"""The overview: what somebody wants to see first, and the way from there to any fact about a version."""

from __future__ import annotations

import re

import pytest

from modelyard.client import Client
from modelyard.client.entities import Dataset, DatasetInput
from tests.conftest import serve

from .conftest import BUILT


def region(page, title: str):
    """A section of the page by its heading."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_what_goes_on_is_seen_at_once(page, seeded, shot) -> None:
    page.goto("/")
    serving = region(page, "What runs where")
    serving.get_by_role("link", name=seeded.deployment, exact=True).wait_for()
    runs = region(page, "Running and latest runs")
    first = runs.get_by_role("row").nth(1)
    first.get_by_text("running").wait_for()
    first.get_by_text("run-11").wait_for()
    events = region(page, "Latest in the registry")
    events.get_by_text("moved @champion").or_(events.get_by_text("pointed @champion")).wait_for()
    counts = page.get_by_role("list", name="How much there is")
    assert re.search(r"1\s+model, 3 versions", counts.inner_text())
    shot("home")


def test_it_fits_a_phone(page, seeded, shot) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    region(page, "What runs where").get_by_role("link", name=seeded.deployment, exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot("home-phone")


def test_a_run_that_begins_appears_by_itself(page, seeded, server) -> None:
    page.goto("/")
    runs = region(page, "Running and latest runs")
    runs.get_by_role("row").nth(1).wait_for()
    with page.expect_response("**/api/v1/runs/search", timeout=30_000):
        client = Client(server.url, server.url)
        id = client.create_run(seeded.experiment, run_name="just begun").info.run_id
    runs.get_by_role("link", name="just begun").wait_for()
    client.set_terminated(id, "FINISHED")
    runs.get_by_role("row").filter(has_text="just begun").get_by_text("finished").wait_for()


def test_any_fact_about_a_version_is_at_most_four_clicks_away(page, seeded, server) -> None:
    """Requirement S1-21: params, metrics, dataset and use in production of any version."""
    data = DatasetInput(dataset=Dataset(name="cultivars", digest="c0ffee"))
    Client(server.url, server.url).log_inputs(seeded.runs[1], [data])
    page.goto("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Models").click()
    page.get_by_role("link", name=seeded.model, exact=True).first.click()
    page.get_by_role("link", name=re.compile("^v2")).first.click()
    page.wait_for_url("**/models/wine/versions/2*")  # three clicks
    main = page.get_by_role("main")
    main.get_by_text("max_depth").first.wait_for()
    main.get_by_text("val/accuracy").first.wait_for()
    main.get_by_text("production").first.wait_for()
    page.get_by_role("tab", name="Data and lineage").click()
    main.get_by_text("cultivars").first.wait_for()


@pytest.fixture
def empty(tmp_path):
    yield from serve(tmp_path / "data", ui=str(BUILT), controller=False)


def test_an_empty_server_shows_how_to_begin(page, empty, shot) -> None:
    page.goto(empty.url)
    page.get_by_role("heading", name="Nothing is here yet").wait_for()
    code = page.locator("pre").inner_text()
    assert f'mlflow.set_tracking_uri("{empty.url}")' in code
    assert len(code.strip().splitlines()) == 3
    shot("home-empty")
