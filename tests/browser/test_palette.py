"""Going anywhere by name, with the keyboard alone."""

from __future__ import annotations

import re


def test_a_run_is_found_by_its_id_and_a_model_by_its_name(page, seeded, shot, violations) -> None:
    page.goto("/")
    page.get_by_role("heading", name="Overview").wait_for()
    page.keyboard.press("Control+k")
    field = page.get_by_label("Where to")
    field.wait_for()
    page.keyboard.type(seeded.runs[3])
    page.get_by_role("option", name=re.compile("run-3")).wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{seeded.runs[3]}*")
    page.keyboard.press("Control+k")
    page.keyboard.type("wine")
    page.get_by_role("option", name=re.compile("^wine.*Model")).wait_for()
    page.get_by_role("option", name=re.compile("WineClassifier.*Experiment")).wait_for()
    assert violations() == []
    shot("palette")
    page.get_by_role("option", name=re.compile("^wine.*Model")).click()
    page.wait_for_url("**/models/wine*")


def test_escape_closes_it_where_one_was(page, seeded) -> None:
    page.goto("/models")
    page.get_by_role("button", name="Go to").click()
    page.get_by_label("Where to").fill("no such name anywhere")
    page.get_by_text("Nothing has that name.").wait_for()
    page.keyboard.press("Escape")
    page.get_by_label("Where to").wait_for(state="detached")
    assert page.url.endswith("/models")
