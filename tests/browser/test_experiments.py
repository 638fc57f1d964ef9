"""The experiments: found, made, renamed, tagged, deleted and restored; at any number, and whatever they are called."""

from __future__ import annotations

import re

from modelyard.client import Client


def test_experiments_are_a_tree_of_their_names(page, seeded, shot, violations) -> None:
    page.goto("/experiments")
    tree = page.get_by_role("tree", name="Experiments")
    leaf = tree.get_by_role("treeitem").filter(has_text="WineClassifier")
    leaf.get_by_text("12 runs").wait_for()
    assert "1 running" in leaf.inner_text()
    assert violations() == []
    shot("experiments")
    tree.get_by_role("button", name=re.compile("wine")).click()
    leaf.wait_for(state="detached")
    page.reload()
    tree.get_by_role("treeitem").filter(has_text="wine").first.wait_for()
    assert leaf.count() == 0  # what is closed is in the address
    page.get_by_role("searchbox", name="Find by name or tag").fill("sentiment")
    tree.get_by_role("treeitem").filter(has_text="Sentiment").wait_for()
    assert tree.get_by_role("treeitem").filter(has_text="scratch").count() == 0


def test_the_tree_is_walked_by_keyboard(page, seeded) -> None:
    page.goto("/experiments")
    tree = page.get_by_role("tree", name="Experiments")
    tree.get_by_text("WineClassifier").wait_for()
    tree.focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")  # closes the first folder
    tree.locator("[role=treeitem][aria-expanded=false]").first.wait_for()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => !document.querySelector('[role=treeitem][aria-expanded=false]')")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/experiments/\d+"))


def test_an_experiment_from_its_making_to_the_trash_and_back(page, server, seeded) -> None:
    page.goto("/experiments")
    page.get_by_role("button", name="New experiment").click()
    page.get_by_label("Name", exact=True).fill("/teams/new/First")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="No runs yet").wait_for()
    assert page.title().startswith("/teams/new/First")
    page.goto("/experiments?q=first")
    line = page.get_by_role("treeitem").filter(has_text="First")
    act = page.get_by_role("button", name="Actions for First")

    act.click()
    page.get_by_role("menuitem", name="Rename…").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("/teams/wine/baselines")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("alert").get_by_text("already exists").wait_for()
    page.get_by_role("textbox", name="Name", exact=True).fill("/teams/other/First one")
    page.get_by_role("button", name="Rename").click()
    line.get_by_text("First one").wait_for()

    page.get_by_role("button", name="Actions for First one").click()
    page.get_by_role("menuitem", name="Tags…").click()
    page.get_by_role("button", name="Add a tag").click()
    page.get_by_role("textbox", name="Tag", exact=True).fill("owner")
    page.get_by_role("textbox", name="Value of owner").fill("ann")
    page.get_by_role("button", name="Save").click()
    line.get_by_text("owner: ann").wait_for()

    page.get_by_role("button", name="Actions for First one").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    line.wait_for(state="detached")
    page.get_by_role("button", name="Trash").click()
    line.wait_for()
    page.get_by_role("button", name="Actions for First one").click()
    page.get_by_role("menuitem", name="Restore").click()
    line.wait_for(state="detached")
    client = Client(server.url, server.url)
    found = client.get_experiment_by_name("/teams/other/First one")
    assert found is not None
    assert found.lifecycle_stage == "active"
    client.delete_experiment(found.experiment_id)


def test_a_name_with_markup_is_a_name(page, seeded) -> None:
    page.goto("/experiments?q=hostile")
    page.get_by_role("treeitem").filter(has_text="<img src=x").wait_for()
    assert page.title() == "Experiments · Modelyard"


def test_thousands_of_experiments(page, server, seeded) -> None:
    client = Client(server.url, server.url)
    made = [client.create_experiment(f"/many/group {at % 7}/experiment {at:04}") for at in range(600)]
    page.goto("/experiments?q=many")
    tree = page.get_by_role("tree", name="Experiments")
    tree.get_by_text("experiment 0000").wait_for()
    assert tree.get_by_role("treeitem").count() < 100
    tree.focus()
    page.keyboard.press("End")
    tree.get_by_text("experiment 0594").wait_for()
    for experiment in made:
        client.delete_experiment(experiment)


def test_experiments_on_a_phone(page, seeded, shot, violations) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/experiments")
    page.get_by_role("treeitem").filter(has_text="WineClassifier").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations() == []
    shot("experiments-phone")
