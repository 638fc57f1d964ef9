"""One run: what is changed on its page, its charts, its files, and that nothing in them is executed."""

from __future__ import annotations

import io
import json
import math
import re
import time
from typing import Any

import pytest

from modelyard.client import Client
from modelyard.client.entities import LoggedModelOutput, Metric, Param
from tests.conftest import RunningServer

from .seeds import HOSTILE, NOW, PAGE, Seeded

PATCH = """\
diff --git a/train.py b/train.py
--- a/train.py
+++ b/train.py
@@ -1,2 +1,2 @@
 import math
-rate = 0.1
+rate = "<b>0.2</b>"
"""
STAGES = {
    "version": 1,
    "stages": [
        {"name": "load", "start_ms": NOW, "seconds": 2.0, "parent": None, "status": "FINISHED", "thread": "Main"},
        {"name": "train", "start_ms": NOW + 2000, "seconds": 8.0, "parent": None, "status": "FAILED", "thread": "Main",
         "error": "ValueError: <b>no</b>"},
        {"name": "epoch", "start_ms": NOW + 2000, "seconds": 3.0, "parent": 1, "status": "FINISHED", "thread": "Main"},
    ],
    "more": [],
}  # fmt: skip
ENVIRONMENT = {
    "code": {"commit": "cb660e8e06822c6b", "branch": "main", "dirty": True, "patch": {"cut": False, "left_out": []}},
    "command": {"directory": "."},
    "python": {"implementation": "CPython", "version": "3.11.7"},
    "machine": {"cpu": "A processor", "gpus": []},
}


@pytest.fixture
def client(server: RunningServer) -> Client:
    return Client(server.url, server.url)


@pytest.fixture
def run(client: Client, seeded: Seeded) -> str:
    """A run of the test's own."""
    made = client.create_run(seeded.experiment, NOW, {"team": "wine"}, "my run").info.run_id
    points = [
        Metric(key, math.exp(-step / 300) + len(key) / 100, NOW + step * 1000, step)
        for key in ("train/loss", "val/loss")
        for step in range(3000)
    ]
    for at in range(0, len(points), 1000):
        client.log_batch(made, points[at : at + 1000], [Param("rate", "0.1")] if at == 0 else [])
    client.log_batch(made, [Metric("accuracy", 0.957, NOW, 0), Metric("system/cpu", 50.0, NOW, 0)])
    client.set_terminated(made, "FINISHED", NOW + 10_000)
    return str(made)


def test_name_tags_and_description_are_changed(page: Any, client: Client, run: str) -> None:
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Rename the run").click()
    page.get_by_role("textbox", name="Name").fill("a better name")
    page.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_role("heading", name="a better name").wait_for()

    tags = page.get_by_role("region", name="Tags", exact=True)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("textbox", name="Tag", exact=True).fill("stage of work")
    page.get_by_role("textbox", name="Value").fill(HOSTILE)
    page.get_by_role("button", name="Save").click()
    tags.get_by_text(HOSTILE).wait_for()
    page.get_by_role("button", name="Edit the tag team").click()
    page.get_by_role("textbox", name="Value").fill("cheese")
    page.get_by_role("button", name="Save").click()
    tags.get_by_text("cheese").wait_for()
    page.get_by_role("button", name="Remove the tag stage of work").click()
    tags.get_by_text("stage of work").wait_for(state="detached")

    page.get_by_role("button", name="Edit the description").click()
    page.get_by_role("textbox", name="Description").fill("It went well.\nAgain!")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("It went well.").wait_for()
    kept = client.get_run(run)
    assert kept.info.run_name == "a better name"
    assert {key: kept.data.tags.get(key) for key in ("team", "stage of work", "mlflow.note.content")} == {
        "team": "cheese",
        "stage of work": None,
        "mlflow.note.content": "It went well.\nAgain!",
    }


def test_a_refusal_is_said_where_it_happened(page: Any, run: str) -> None:
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("textbox", name="Tag", exact=True).fill("bad\x01key")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").get_by_role("alert").wait_for()


def test_a_run_goes_to_the_trash_and_comes_back(page: Any, client: Client, run: str) -> None:
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="More to do").click()
    page.get_by_role("menuitem", name="Move to the trash").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Move to the trash").click()
    page.get_by_text("This run is in the trash.").wait_for()
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    page.get_by_role("button", name="Restore").click()
    page.get_by_text("This run is in the trash.").wait_for(state="detached")
    assert client.get_run(run).info.lifecycle_stage == "active"


def test_a_zoom_is_in_the_address_and_asks_for_all_points_of_the_range(page: Any, run: str, shot: Any) -> None:
    page.goto(f"/runs/{run}")
    page.get_by_role("tab", name="Metrics").click()
    chart = page.get_by_role("figure", name="train/loss")
    cursor = chart.get_by_role("slider")
    cursor.wait_for()
    assert page.get_by_text("one point, at step 0").is_visible()  # accuracy is no line
    shot("run-metrics")
    box = cursor.bounding_box()
    with page.expect_request("**/metrics/series") as asked:
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50, steps=4)
        page.mouse.up()
        page.wait_for_url(re.compile("zoom="))
    body = asked.value.post_data_json
    assert abs(body["start"] - 750) < 30
    assert abs(body["end"] - 1500) < 30
    for place in (0.3, 0.35):  # again and again
        before = page.url
        page.mouse.move(box["x"] + box["width"] * place, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 50, steps=4)
        page.mouse.up()
        page.wait_for_url(lambda url, before=before: url != before)
    first = float(cursor.get_attribute("aria-valuemin"))
    page.reload()
    cursor.wait_for()
    assert float(cursor.get_attribute("aria-valuemin")) == first
    chart.get_by_role("button", name="Show everything").click()
    page.wait_for_url(lambda url: "zoom=" not in url)
    page.go_back()
    page.wait_for_url(re.compile("zoom="))


def test_charts_are_set_by_the_address(page: Any, run: str) -> None:
    page.goto(f"/runs/{run}?tab=metrics&smooth=0.6&log=true&x=relative&find=val")
    assert page.get_by_role("slider", name="Smoothing").input_value() == "0.6"
    assert page.get_by_role("switch", name="Log scale").get_attribute("aria-checked") == "true"
    page.get_by_role("figure", name="val/loss").wait_for()
    assert page.get_by_role("figure").count() == 1
    page.get_by_role("switch", name="Log scale").click()
    page.wait_for_url(lambda url: "log=" not in url and "smooth=0.6" in url)
    page.get_by_role("searchbox", name="Search metrics").fill("/^train.*s$/")
    page.get_by_role("figure", name="train/loss").wait_for()
    page.goto(f"/runs/{run}?tab=nonsense&smooth=many&zoom=x&x=9")
    page.get_by_role("heading", name="my run").wait_for()


def test_other_runs_are_laid_over(page: Any, seeded: Seeded, run: str, shot: Any) -> None:
    page.goto(f"/runs/{run}?tab=metrics&find=train")
    page.get_by_role("button", name="Overlay runs").click()
    dialog = page.get_by_role("dialog", name="Overlay other runs")
    for name in ("run-3", "run-4"):
        dialog.get_by_role("checkbox", name=f"Overlay {name}", exact=True).click()
    dialog.get_by_role("button", name="Done").click()
    chart = page.get_by_role("figure", name="train/loss")
    assert chart.get_by_role("listitem").all_inner_texts() == ["my run", "run-3", "run-4"]
    page.reload()
    chart.get_by_role("button", name="run-4").click()
    assert chart.get_by_role("button", name="run-4").get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Enlarge train/loss").click()
    page.get_by_role("dialog", name="train/loss").get_by_role("slider").wait_for()
    shot("run-metric-large")


def test_a_chart_is_read_by_keyboard_and_as_a_table(page: Any, run: str) -> None:
    page.goto(f"/runs/{run}?tab=metrics&find=train")
    chart = page.get_by_role("figure", name="train/loss")
    cursor = chart.get_by_role("slider")
    cursor.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert re.match(r"step 2,9\d\d: train/loss 0\.1", cursor.get_attribute("aria-valuetext"))
    page.keyboard.press("+")
    page.wait_for_url(re.compile("zoom="))
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "zoom=" not in url)
    chart.get_by_role("button", name="More of train/loss").click()
    page.get_by_role("menuitem", name="Show as table").click()
    assert chart.get_by_role("row").count() > 100
    chart.get_by_role("button", name="More of train/loss").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save as CSV").click()
    assert saved.value.path().read_text().startswith("series,step,value\ntrain/loss,0,")


def test_points_appear_while_the_run_goes_on(page: Any, client: Client, seeded: Seeded) -> None:
    run = client.create_run(seeded.experiment, int(time.time() * 1000), {}, "live").info.run_id
    client.log_batch(run, [Metric("loss", 1.0, NOW + at, at) for at in range(5)])
    page.goto(f"/runs/{run}?tab=metrics")
    cursor = page.get_by_role("slider", name="Cursor of loss")
    cursor.wait_for()
    assert cursor.get_attribute("aria-valuemax") == "4"
    client.log_batch(run, [Metric("loss", 0.5, NOW + at, at) for at in range(5, 50)])
    page.locator("[role=slider][aria-valuemax='49']").wait_for()
    client.set_terminated(run, "FINISHED")
    page.get_by_text("finished", exact=True).wait_for()


def test_files_are_looked_at(page: Any, seeded: Seeded, shot: Any, violations: Any) -> None:
    page.goto(f"/runs/{seeded.runs[0]}?tab=artifacts")
    files = page.get_by_role("navigation", name="Files")
    files.get_by_role("button", name="notes.txt").click()
    page.get_by_role("region", name="Text of notes.txt").get_by_text("second line").wait_for()
    files.get_by_role("button", name="config.json").click()
    page.get_by_role("button", name="layers: [").wait_for()
    page.get_by_role("button", name="layers: [").click()
    page.get_by_role("button", name="layers: [ 2 ]").wait_for()
    files.get_by_role("button", name="tables").click()
    files.get_by_role("button", name="scores.csv").click()
    table = page.get_by_role("table", name="Rows of tables/scores.csv")
    table.get_by_role("cell", name="row 3", exact=True).wait_for()
    assert table.get_by_role("row").count() < 100  # of 500
    shot("run-artifacts")
    assert violations() == []
    page.reload()
    table.wait_for()  # the file is in the address
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "scores.csv"


def test_a_page_among_the_files_executes_nothing_of_ours(page: Any, seeded: Seeded) -> None:
    page.goto(f"/runs/{seeded.runs[0]}?tab=artifacts&path=report.html")
    page.get_by_role("heading", name="report.html").wait_for()
    page.frame_locator("iframe").get_by_role("heading", name="A report").wait_for()
    assert "owned" not in {frame.title() for frame in page.frames}
    page.get_by_role("button", name="Show the source").click()
    page.get_by_role("region", name="Text of report.html").get_by_text(PAGE[:40]).wait_for()
    assert "owned" not in page.title()


def test_a_table_of_parquet_shows_its_first_rows(page: Any, client: Client, run: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame({"id": range(3000), "name": [f"{at} {HOSTILE}" for at in range(3000)]})
    for name, compression in (("data.parquet", "snappy"), ("zstd.parquet", "zstd")):
        buffer = io.BytesIO()
        table.to_parquet(buffer, compression=compression)
        _put(client, run, name, buffer.getvalue())
    _put(client, run, "data.tsv", b"a\tb\n1\t<i>x</i>\n")
    _put(client, run, "blob", bytes(range(256)))
    page.goto(f"/runs/{run}?tab=artifacts&path=data.parquet")
    page.get_by_role("cell", name=f"2 {HOSTILE}", exact=True).wait_for()
    page.get_by_text("1,000 of 3,000 rows").wait_for()
    page.get_by_role("button", name="zstd.parquet").click()
    page.wait_for_url("**path=zstd.parquet")
    page.get_by_role("cell", name=f"2 {HOSTILE}", exact=True).wait_for()
    page.get_by_role("button", name="data.tsv").click()
    page.get_by_role("cell", name="<i>x</i>").wait_for()
    page.get_by_role("button", name="blob").click()
    page.get_by_text("cannot be shown here").wait_for()
    assert "owned" not in page.title()


def test_five_thousand_params_and_hostile_text(page: Any, seeded: Seeded, shot: Any, violations: Any) -> None:
    page.goto(f"/runs/{seeded.hostile_run}")
    params = page.get_by_role("region", name="Params", exact=True)
    params.get_by_text("param 0", exact=True).wait_for()
    assert params.get_by_role("row").count() < 100
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot("run-hostile")
    assert violations() == []
    page.get_by_role("searchbox").fill("param 4999")
    params.get_by_text("param 4999", exact=True).wait_for()
    page.get_by_role("searchbox").fill("long")
    page.get_by_role("button", name="all 6,000 characters").click()
    page.goto(f"/runs/{seeded.hostile_run}?tab=metrics")
    page.get_by_text("4 points are NaN or infinite").wait_for()
    assert page.title() == f"{HOSTILE} · Modelyard"


def test_timings_environment_and_how_to_reproduce(
    page: Any, client: Client, run: str, shot: Any, violations: Any
) -> None:
    _put(client, run, "modelyard/stages.json", json.dumps(STAGES).encode())
    _put(client, run, "modelyard/environment.json", json.dumps(ENVIRONMENT).encode())
    _put(client, run, "modelyard/requirements.txt", b"numpy==2.4.1\npandas==2.3.0\n")
    _put(client, run, "modelyard/changes.patch", PATCH.encode())
    client.set_tag(run, "modelyard.command", "python train.py --token '***'")
    page.goto(f"/runs/{run}?tab=timings")
    stages = page.get_by_role("table", name="Stages")
    stages.wait_for()
    assert [row.split()[0] for row in stages.get_by_role("row").all_inner_texts()[1:]] == ["load", "train", "epoch"]
    stages.get_by_text("ValueError: <b>no</b>").wait_for()
    shot("run-timings")
    assert violations() == []
    page.get_by_role("tab", name="Environment").click()
    page.get_by_text('+ rate = "<b>0.2</b>"').wait_for()
    page.get_by_role("searchbox", name="Search packages").fill("num")
    assert page.get_by_role("table", name="Packages").get_by_role("row").count() == 2
    shot("run-environment")
    assert violations() == []
    page.get_by_role("tab", name="Reproduce").click()
    page.get_by_text(f"modelyard reproduce {run} --secret NAME=TEXT").wait_for()
    page.get_by_text("What was changed since, as a patch").wait_for()
    assert violations() == []


def test_the_model_that_a_run_logged(page: Any, client: Client, seeded: Seeded, shot: Any, violations: Any) -> None:
    [model] = [each for each in client.search_logged_models([seeded.experiment]) if each.name == "tree-1"]
    client.log_outputs(seeded.runs[1], [LoggedModelOutput(model.model_id, 0)])
    page.goto(f"/runs/{seeded.runs[1]}?tab=model")
    inputs = page.get_by_role("table", name="Inputs")
    inputs.get_by_role("cell", name="alcohol").wait_for()
    page.get_by_role("heading", name="sklearn").wait_for()
    page.get_by_text("mlflow.pyfunc.load_model(").wait_for()
    page.get_by_role("heading", name="Input example").wait_for()
    shot("run-model")
    assert violations() == []


def test_a_run_on_a_phone(page: Any, seeded: Seeded, run: str, shot: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in ("overview", "metrics", "artifacts", "environment", "reproduce", "timings"):
        page.goto(f"/runs/{run}?tab={tab}")
        page.get_by_role("heading", name="my run").wait_for()
        page.get_by_label("Loading").first.wait_for(state="detached")
        assert page.evaluate("document.querySelector('main').scrollWidth <= innerWidth"), tab
    page.goto(f"/runs/{seeded.hostile_run}")
    page.get_by_role("heading", level=1).wait_for()
    shot("run-phone")


def test_an_unknown_run_is_said_to_be_none(page: Any) -> None:
    page.goto("/runs/00000000000000000000000000000000")
    page.get_by_role("heading", name="There is no such run").wait_for()


def _put(client: Client, run: str, path: str, content: bytes) -> None:
    import tempfile
    from pathlib import Path

    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory() as made:
        file = Path(made, name)
        file.write_bytes(content)
        client.log_artifact(run, file, folder or None)
