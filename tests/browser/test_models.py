"""Models and their versions: what one finds, where it comes from, and how it is moved."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from modelyard.client import Client
from tests.browser.seeds import HOSTILE
from tests.server.api.native import Native


@pytest.fixture
def native(server) -> Native:
    return Native(server.url)


@pytest.fixture
def made(native) -> Callable[..., str]:
    """`made(name, versions=2)` registers a model with so many versions."""

    def make(name: str, versions: int = 2, **version: object) -> str:
        native("POST", "/models", {"name": name})
        for _ in range(versions):
            native("POST", f"/models/{name}/versions", {"source": "s3://bucket/model", **version})
        return f"/models/{name}"

    return make


def row(page, text: str):
    return page.get_by_role("row").filter(has_text=text)


def test_a_model_is_made_found_renamed_and_deleted(page) -> None:
    page.goto("/models")
    page.get_by_role("button", name="New model").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("cider")
    dialog.get_by_label("Description").fill("Apples or pears.")
    dialog.get_by_role("button", name="Create").click()
    page.wait_for_url("**/models/cider")
    page.get_by_text("Apples or pears.").wait_for()
    page.get_by_text("No version yet").wait_for()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("dialog").get_by_label("New name").fill("perry")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.wait_for_url("**/models/perry")
    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("searchbox").fill("perr")
    page.get_by_role("link", name="perry").click()
    page.wait_for_url("**/models/perry")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    dialog.get_by_role("alert").filter(has_text="as it is").wait_for()
    dialog.get_by_label("Type its name to confirm").fill("perry")
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile(r"/models(\?.*)?$"))
    page.get_by_role("link", name="wine").wait_for()
    assert page.get_by_role("link", name="perry").count() == 0


def test_the_filter_language_is_understood_and_its_errors_are_told(page, made, native) -> None:
    native("PATCH", made("grappa"), {"tags": {"cellar": "left"}})
    page.goto("/models")
    page.get_by_role("searchbox").fill("tags.cellar = 'left'")
    page.get_by_role("link", name="grappa").wait_for()
    page.get_by_role("link", name="wine", exact=True).wait_for(state="detached")
    assert "q=" in page.url
    page.get_by_role("searchbox").fill("tags.cellar ==== 3")
    page.get_by_role("alert").wait_for()
    page.get_by_role("searchbox").fill("nothing is called so")
    page.get_by_role("heading", name="No model matches").wait_for()
    page.go_back()


def test_many_models_are_scrolled_through(page, native, server) -> None:
    for at in range(300):
        native("POST", "/models", {"name": f"many-{at:03}"})
    page.goto("/models?q=many-")
    page.get_by_text("300 registered").wait_for()
    page.get_by_role("link", name="many-000").wait_for()
    assert page.get_by_role("row").count() < 80
    table = page.get_by_role("region", name="Registered models")
    table.evaluate("box => box.scrollTo(0, box.scrollHeight)")
    page.get_by_role("link", name="many-299").wait_for()
    for at in range(300):
        native("DELETE", f"/models/many-{at:03}")


def test_a_row_says_what_is_where(page, shot) -> None:
    page.goto("/models")
    wine = row(page, "wine")
    wine.get_by_role("link", name="wine", exact=True).wait_for()
    assert re.search(r"production.*v2.*staging.*v3.*@champion", wine.inner_text(), re.DOTALL)
    shot("models")
    wine.get_by_title("@champion: version 2").click()
    page.wait_for_url("**/models/wine/versions/2")


def test_two_clicks_lead_from_a_model_to_any_versions_dataset(page, native, seeded, made) -> None:
    data = {
        "name": "cellar", "digest": "d41d8c", "source_type": "s3", "source": '{"uri": "s3://data/cellar.parquet"}',
        "schema": '{"mlflow_colspec": [{"type": "double", "name": "alcohol"}]}', "profile": '{"num_rows": 4711}',
    }  # fmt: skip
    run = native("POST", "/runs", {"experiment_id": int(seeded.experiment), "name": "with data"})["run_id"]
    native("POST", f"/runs/{run}/inputs", {"datasets": [data]})
    native("POST", f"/runs/{run}/log", {"metrics": [{"key": "f1", "value": 0.75}]})
    page.goto(made("traced", 1, run_id=run))
    page.get_by_role("region", name="Versions").get_by_role("link", name="v1").click()  # one
    page.get_by_role("tab", name="Data and lineage").click()  # two
    page.get_by_role("button", name="cellar d41d8c").first.wait_for()
    page.get_by_role("button", name="cellar d41d8c").last.click()
    page.get_by_text("s3://data/cellar.parquet").wait_for()
    page.get_by_role("cell", name="alcohol").wait_for()
    assert "dataset=d41d8c" in page.url
    page.go_back()
    page.goto("/models/traced")
    page.get_by_role("link", name="cellar d41d8c").click()  # or one
    page.get_by_text("s3://data/cellar.parquet").wait_for()
    page.get_by_role("link", name="with data").first.click()
    page.wait_for_url(f"**/runs/{run}*")


def test_an_alias_is_moved_with_a_reason(page, made, native) -> None:
    path = made("moved")
    native("PUT", f"{path}/aliases/champion", {"version": 1})
    page.goto(f"{path}/versions/2")
    page.get_by_role("button", name="Alias…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Alias").fill("champion")
    dialog.get_by_text("@champion points to version 1 now").wait_for()
    dialog.get_by_label("Why").fill("it won")
    dialog.get_by_role("button", name="Point").click()
    page.get_by_label("What points to it").get_by_text("@champion").wait_for()
    page.get_by_role("tab", name="History").click()
    page.get_by_text("moved @champion from version 1 to 2").wait_for()
    page.get_by_text("it won").wait_for()
    page.get_by_role("button", name="Remove @champion").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.get_by_label("What points to it").wait_for(state="detached")
    assert native("GET", path)["aliases"] == {}


def test_a_stage_change_names_what_follows_from_it(page, made, native) -> None:
    path = made("staged")
    spec = {"name": "staged", "environment": "production", "model": "staged", "steps": ["golden", {"weight": "10%"}]}
    native("PUT", "/deployments/staged", {"spec": spec, "force": True})
    native("PATCH", f"{path}/versions/1", {"stage": "Production"})
    page.goto(f"{path}/versions/2")
    page.get_by_role("button", name="Stage…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Stage").click()
    page.get_by_role("option", name="Production").click()
    dialog.get_by_text("served by the deployment staged: this starts a rollout (golden, weight 10%").wait_for()
    dialog.get_by_label("Why").fill("ripe")
    dialog.get_by_role("button", name="Move").click()
    page.get_by_role("link", name="in production").wait_for()
    assert [native("GET", f"{path}/versions/{at}")["stage"] for at in (1, 2)] == ["Archived", "Production"]
    native("DELETE", "/deployments/staged")


def test_a_version_tells_what_it_takes_and_how_it_is_used(page, shot, violations) -> None:
    page.goto("/models/wine/versions/2")
    page.get_by_text("python_function, sklearn").wait_for()
    shot("version-overview")
    page.get_by_role("tab", name="Signature").click()
    page.get_by_role("table", name="Inputs").get_by_role("cell", name="alcohol").wait_for()
    shot("version-signature")
    assert violations() == []
    page.get_by_role("tab", name="lineage").click()
    page.get_by_role("link", name="run-1").first.wait_for()
    shot("version-lineage")
    assert violations() == []
    page.get_by_role("tab", name="Golden tests").click()
    page.get_by_role("heading", name="input example").wait_for()
    page.get_by_role("tab", name="Files").click()
    page.get_by_role("button", name="modelyard").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download modelyard/golden.json").click()
    assert download.value.path().read_bytes().startswith(b"{")
    assert "path=modelyard" in page.url
    page.get_by_role("tab", name="Use it").click()
    page.get_by_text('mlflow.pyfunc.load_model("models:/wine/2")').wait_for()
    page.get_by_text("modelyard serve 'models:/wine/2'").wait_for()
    assert violations() == []


def test_versions_are_measured_and_drawn(page, made, native, shot) -> None:
    path = made("measured", 3)
    for at in (1, 2, 3):
        body = {"dataset_digest": "8f14", "dataset_name": "reviews", "metrics": {"f1": 0.6 + at / 10}}
        native("POST", f"{path}/versions/{at}/evaluations", body)
    page.goto(path)
    row(page, "v2").get_by_text("0.8", exact=True).wait_for()
    page.get_by_role("tab", name="Trend").click()
    page.get_by_role("img", name="f1 on reviews by version").first.wait_for()
    shot("model-trend")
    page.get_by_role("button", name="Metrics 1 of 1").click()
    page.get_by_role("checkbox", name="f1 on reviews").click()
    page.get_by_text("Nothing to draw").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Timeline").click()
    page.get_by_text("measured version 3: f1 on reviews is 0.9").wait_for()


def test_whoever_is_hostile_gets_nowhere(page, native, server, shot) -> None:
    client = Client(server.url, server.url)
    name = HOSTILE.replace("/", "").replace(":", "")
    client.create_registered_model(name, {"long": "x" * 4000, "arabic": "نموذج <b>جيد</b>"}, f"{HOSTILE} " + "y" * 9000)
    client.create_model_version(name, "s3://b/m", description=HOSTILE)
    page.goto("/models?q=onerror")
    page.get_by_role("link", name=name).click()
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_role("region", name="Versions").get_by_role("link", name="v1").click()
    page.get_by_role("heading", level=1).filter(has_text="version 1").wait_for()
    page.get_by_role("tab", name="Use it").click()
    page.get_by_text("mlflow.pyfunc.load_model").first.wait_for()
    assert "owned" not in page.title().replace(name, "")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot("version-hostile")
    client.delete_registered_model(name)


@pytest.mark.parametrize("path", ["/models", "/models/wine", "/models/wine/versions/2", "/environments"])
def test_a_phone_is_enough_to_read(page, shot, path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path)
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_label("Loading").first.wait_for(state="detached")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot("phone" + re.sub(r"\W+", "-", path))
