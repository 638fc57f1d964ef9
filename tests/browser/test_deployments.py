"""Deployments in the browser: the list, a deployment's page, making and changing one."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest

from modelyard.client import Client
from modelyard.domain.errors import NotFound

STEPS = ["golden", {"weight": "10%", "for": "5m"}, {"bake": "10m"}]


@pytest.fixture
def client(server: Any, seeded: Any) -> Client:
    return Client(server.url, server.url)


@pytest.fixture
def tea(client: Client) -> Any:
    """A deployment of the test's own, without replicas."""
    client.apply_deployment({"name": "tea", "environment": "production", "model": "wine", "steps": STEPS})
    yield "tea"
    with suppress(NotFound):  # the test deleted it
        client.delete_deployment("tea")


def kinds(client: Client, name: str) -> list[str]:
    return [each.kind for each in client.get_deployment_events(name).events]


def test_the_list_says_how_each_stands_and_is_filtered_by_its_address(page, tea, shot, violations):
    page.goto("/deployments")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="tea", exact=True))
    row.get_by_text("starting", exact=True).wait_for()
    row.get_by_text("nobody answers").wait_for()
    assert violations() == []
    shot("deployments")
    page.get_by_role("searchbox", name="Name or model").fill("te")
    page.wait_for_url("**/deployments?find=te")
    page.get_by_role("link", name="wine", exact=True).wait_for(state="detached")
    page.goto("/deployments?phase=serving")
    page.get_by_text("None is like that.").wait_for()


def test_one_is_made_by_a_form_that_is_checked_before(page, client, shot, violations):
    page.goto("/deployments")
    page.get_by_role("button", name="New deployment").click()
    page.get_by_role("combobox", name="Model").fill("wine")
    page.get_by_role("textbox", name="Name", exact=True).fill("Cup")
    page.get_by_role("list", name="Problems").get_by_text("Line 1").wait_for()
    make = page.get_by_role("button", name=re.compile("Create|Apply"))
    assert make.is_disabled()
    page.get_by_role("textbox", name="Name", exact=True).fill("cup")
    page.get_by_role("button", name="Create").wait_for()
    page.get_by_text("It can be applied.").wait_for()
    assert violations() == []
    shot("deployment-new")
    page.get_by_role("textbox", name="Reason").fill("to drink from")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="cup").wait_for()
    made = client.get_deployment("cup")
    assert made.spec["steps"][1:] == [
        {"weight": "1%", "for": "5m"}, {"weight": "10%", "for": "5m"}, {"weight": "50%", "for": "5m"}, {"bake": "10m"},
    ]  # fmt: skip
    client.delete_deployment("cup")


def test_a_spec_is_changed_as_yaml_with_problems_at_their_lines_and_what_would_change(
    page, tea, client, shot, violations
):
    page.goto(f"/deployments/{tea}?tab=spec")
    box = page.get_by_role("textbox", name="Spec, as YAML or JSON")
    text = box.input_value()
    assert "  - weight: 10%\n" in text
    box.fill(text.replace("weight: 10%", "weight: 10"))
    problems = page.get_by_role("list", name="Problems")
    problems.get_by_text("did you mean 10%?").wait_for()
    line = 1 + text[: text.index("weight:")].count("\n")
    assert f"Line {line}, /steps/1/weight" in problems.inner_text()
    shot("deployment-spec")
    box.fill("name: [")
    problems.get_by_text("Line 1").first.wait_for()
    box.fill(text.replace("weight: 10%", "weight: 25%") + "replicas: 2\n")
    changes = page.get_by_role("table", name="Changes")
    changes.get_by_role("row", name="/replicas").wait_for()
    assert violations() == []
    page.get_by_role("textbox", name="Reason").fill("more of it")
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("Applied.").wait_for()
    page.get_by_text("Nothing: the deployment is like that already.").wait_for()
    found = client.get_deployment(tea).spec
    assert (found["replicas"], found["steps"][1]["weight"]) == (2, "25%")


def test_what_one_says_is_confirmed_and_kept_with_its_reason(page, tea, client):
    page.goto(f"/deployments/{tea}")
    page.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Reason").fill("until Monday")
    dialog.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    assert page.get_by_role("button", name="Pause").count() == 0
    last = client.get_deployment_events(tea).events[-1]
    assert (last.kind, "until Monday" in last.told) == ("paused", True)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert kinds(client, tea)[-1] == "paused"


def test_one_is_deleted_by_typing_its_name(page, tea, client):
    page.goto(f"/deployments/{tea}")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    dialog.get_by_text("Type tea to delete it.").wait_for()
    dialog.get_by_role("textbox", name="The deployment's name").fill("tea")
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/deployments")
    with pytest.raises(NotFound):
        client.get_deployment(tea)


def test_the_address_says_what_is_shown_and_wrong_ones_do_no_harm(page, tea):
    page.goto(f"/deployments/{tea}?tab=events&kind=created")
    page.get_by_role("heading", name="1 event").wait_for()
    page.get_by_text("anonymous made the deployment.").wait_for()
    page.get_by_role("tab", name="Revisions").click()
    page.get_by_text("There is none yet").wait_for()
    page.go_back()
    page.get_by_role("heading", name="1 event").wait_for()
    page.goto(f"/deployments/{tea}?tab=nothing&rollout=x&period=%3Cscript%3E&step=-1&segment=%22%3E&quantile=p1")
    page.get_by_role("tab", name="Rollout", selected=True).wait_for()
    page.goto("/deployments/nothing")
    page.get_by_role("alert").get_by_text("not found").wait_for()


def test_without_a_gateway_trying_says_what_to_start(page, tea, violations):
    page.goto(f"/deployments/{tea}?tab=try")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("alert").get_by_text("modelyard up").wait_for()
    assert violations() == []
    page.goto(f"/deployments/{tea}?tab=call")
    page.get_by_text("No gateway has reported itself").wait_for()
    page.get_by_text("curl 'http://127.0.0.1:8000/models/tea/predict'").wait_for()


def test_on_a_phone_everything_is_readable(page, tea, shot):
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/deployments", f"/deployments/{tea}", f"/deployments/{tea}?tab=events"):
        page.goto(path)
        page.get_by_role("heading", level=1).wait_for()
        page.get_by_role("main").get_by_text(re.compile("tea|created")).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    shot("deployment-phone")
