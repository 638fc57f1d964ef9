"""Environments: what is wanted and what answers, why, and how it is changed and taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.api.native import Native


@pytest.fixture
def native(server) -> Native:
    return Native(server.url)


@pytest.fixture
def cellar(native) -> Iterator[str]:
    """A model with the labels 1.0, 1.1 and 2.0; only up to 1.9 may serve in production, where 1.0 is."""
    native("POST", "/models", {"name": "cellar"})
    for label in ("1.0", "1.1", "2.0"):
        native("POST", "/models/cellar/versions", {"source": "s3://bucket/model", "label": label})
    native("PUT", "/environments/production/slots/cellar/policy", {"policy": {"allowance": "<=1.9"}})
    native("POST", "/models/cellar/environments/production/promote", {"version": 1})
    yield "cellar"
    native("DELETE", "/environments/production/slots/cellar/policy")
    native("DELETE", "/models/cellar")


def cell(page, slot: str, environment: str):
    return page.get_by_role("button", name=f"{slot} in {environment}:")


def test_what_is_wanted_and_what_answers(page, seeded, shot, violations) -> None:
    page.goto("/environments")
    wine = cell(page, "wine", "production")
    wine.wait_for()
    assert "v2" in wine.inner_text()
    wine.get_by_text("nothing answers").wait_for()
    assert "not as wanted" in wine.inner_text()
    page.get_by_text("not as wanted").first.wait_for()
    shot("environments")
    assert violations() == []
    page.get_by_role("switch", name="Only what is not as wanted").click()
    page.wait_for_url("**drift=true*")
    wine.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name=seeded.deployment).first.wait_for()
    assert violations() == []
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_each_version_has_a_reason(page, cellar, shot) -> None:
    page.goto("/environments?slot=cellar&environment=production")
    table = page.get_by_role("table", name="Candidates")
    table.get_by_role("row").filter(has_text="v1").get_by_text("chosen").wait_for()
    refused = table.get_by_role("row").filter(has_text="v3")
    refused.get_by_text("refused").wait_for()
    refused.get_by_text("outside the allowance <=1.9").wait_for()
    shot("environments-explanation")
    page.get_by_role("button", name="Policy…").click()
    dialog = page.get_by_role("dialog", name="Policy of cellar in production")
    dialog.get_by_label("Allowance").fill("<=2.0")
    tried = dialog.get_by_label("What it would choose").get_by_role("row").filter(has_text="v3")
    tried.get_by_text("may serve", exact=True).wait_for()
    dialog.get_by_label("Allowance").fill("about two")
    dialog.get_by_role("alert").get_by_text("PEP 440").first.wait_for()
    page.keyboard.press("Escape")
    refused.get_by_text("refused").wait_for()


def test_promotion_shows_what_it_does_and_is_undone(page, cellar, native, shot, violations) -> None:
    native(
        "PUT", "/deployments/cellar",
        {"spec": {"name": "cellar", "environment": "production", "model": "cellar"}, "force": True},
    )  # fmt: skip
    page.goto("/models/cellar/versions/3")
    page.get_by_role("button", name="Promote…").click()
    dialog = page.get_by_role("dialog")
    preview = dialog.get_by_label("Preview")
    preview.get_by_text("refused").wait_for()
    preview.get_by_text("outside the allowance").wait_for()
    dialog.get_by_label("Allowance").fill("<=2.0")
    preview.get_by_text("may serve").wait_for()
    preview.get_by_text("production: version 1 → version 3").wait_for()
    preview.get_by_text("served by the deployment cellar: this starts a rollout").wait_for()
    shot("promote")
    assert violations() == []
    dialog.get_by_label("Why").fill("new code")
    dialog.get_by_role("button", name="Promote").click()
    page.get_by_role("link", name="in production").wait_for()
    assert native("GET", "/models/cellar")["environments"] == {"production": 3}

    page.get_by_role("link", name="in production").click()
    page.get_by_role("button", name="Undo the last promotion…").click()
    undo = page.get_by_role("dialog", name="Undo the last promotion")
    undo.get_by_text("Version 1 comes back, and the allowance is <=1.9 again instead of <=2.0").wait_for()
    undo.get_by_role("button", name="Undo", exact=True).click()
    undo.wait_for(state="detached")
    assert native("GET", "/models/cellar")["environments"] == {"production": 1}
    assert native("GET", "/environments/production/slots/cellar/policy")["policy"]["allowance"] == "<=1.9"
    page.get_by_role("table", name="Candidates").get_by_role("row").filter(has_text="v1").get_by_text(
        "chosen"
    ).wait_for()
    native("DELETE", "/deployments/cellar")


def test_what_cannot_be_undone_says_why(page, cellar, native) -> None:
    native("PUT", "/models/cellar/environments/production", {"version": 2})
    page.goto("/environments?slot=cellar&environment=production")
    page.get_by_role("button", name="Undo the last promotion…").click()
    page.get_by_text("This cannot be undone: it points to 2 now.").wait_for()
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("alert").get_by_text("cannot be undone").wait_for()


def test_an_environments_policy_is_edited(page, native) -> None:
    page.goto("/environments")
    page.get_by_role("button", name="Policy of staging").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="golden tests").click()
    dialog.get_by_label("Tags that it must have").fill("reviewed=yes\nowner")
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    page.get_by_text("needs golden · tags reviewed=yes, owner=*").wait_for()
    policy = native("GET", "/environments/staging/policy")["policy"]
    assert (policy["gates"], policy["tags"]) == (["golden"], {"reviewed": "yes", "owner": "*"})
    native("DELETE", "/environments/staging/policy")


def test_environments_are_added_put_into_order_and_removed(page, native) -> None:
    page.goto("/environments")
    page.get_by_role("button", name="Add, remove, order…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("New environment").fill("shadow")
    dialog.get_by_role("button", name="Add").click()
    dialog.get_by_role("button", name="Move shadow up").click()
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    page.get_by_role("columnheader").filter(has_text="shadow").wait_for()
    names = [each["name"] for each in native("GET", "/environments")["environments"]]
    assert names == ["staging", "shadow", "production"]
    page.get_by_role("button", name="Add, remove, order…").click()
    assert dialog.get_by_role("button", name="production stands for a stage").is_disabled()
    dialog.get_by_role("button", name="Remove shadow").click()
    dialog.get_by_text("what it points to stays as the alias @shadow").wait_for()
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    page.get_by_role("columnheader").filter(has_text="shadow").wait_for(state="detached")
