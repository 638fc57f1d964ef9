"""Runs beside each other: charts, parallel coordinates, scatter, contour, table, importance, code."""

from __future__ import annotations

import csv
import json
import math
import random
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from modelyard.client import Client
from modelyard.client.entities import Metric, Param

NOW = 1_790_000_000_000
BEST = 0.01
"""The learning rate at which the sweep's loss is least."""


@dataclass(frozen=True)
class Sweep:
    experiment: str
    runs: list[str]


@pytest.fixture(scope="module")
def sweep(server) -> Sweep:
    """Thirty runs whose loss depends on the learning rate most, and on nothing else but the optimizer."""
    client, chance = Client(server.url, server.url), random.Random(7)
    experiment, runs = client.create_experiment("sweep to compare"), []
    for at in range(30):
        tags = {"mlflow.source.git.commit": f"{'ab'[at % 2]}" * 40, "mlflow.source.git.branch": "main"}
        id = client.create_run(experiment, NOW + at * 1000, tags, f"sweep-{at:02d}").info.run_id
        rate, optimizer = 10 ** (-4 + at / 10), ("adam", "sgd")[chance.randint(0, 1)]
        loss = abs(math.log10(rate / BEST)) + (0.2 if optimizer == "sgd" else 0)
        points = [Metric("val/loss", loss + 3 * 0.8**step, NOW + at * 1000 + step, step) for step in range(25)]
        points.append(Metric("score", 1 - loss / 4, NOW, 0))
        params = {"lr": f"{rate:.3g}", "optimizer": optimizer, "dropout": f"{chance.random():.3f}", "epochs": "25"}
        client.log_batch(id, points, [Param(key, value) for key, value in params.items()])
        client.set_terminated(id, "FINISHED", NOW + at * 1000 + 500)
        runs.append(id)
    for at, numpy in ((0, "2.0.1"), (1, "2.1.0")):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "requirements.txt").write_text(f"numpy=={numpy}\nscipy==1.14\n")
            Path(folder, "environment.json").write_text(json.dumps({"python": {"version": f"3.1{at + 1}"}}))
            Path(folder, "changes.patch").write_text(
                f"diff --git a/train.py b/train.py\n@@ -1 +1 @@\n-rate = 0\n+rate = {at + 1}\n"
            )
            client.log_artifacts(runs[at], folder, "modelyard")
    return Sweep(experiment, runs)


def of_all(sweep: Sweep, **more: object) -> str:
    """The address that compares all runs of the sweep, by the short way to say so."""
    return address(experiments=[sweep.experiment], order=["start_time ASC"], first=30, **more)


def address(**search: object) -> str:
    return "/compare?" + "&".join(
        f"{name}={quote(value if isinstance(value, str) else json.dumps(value))}" for name, value in search.items()
    )


def wait_for_charts(page, count: int) -> None:
    """Until so many charts have drawn something."""
    page.wait_for_function(
        """(count) => [...document.querySelectorAll('main canvas')].filter((canvas) => {
            if (!canvas.width || !canvas.height) return false;
            const middle = canvas.getContext('2d').getImageData(0, canvas.height >> 1, canvas.width, 8).data;
            return middle.some((each) => each !== 0);
        }).length >= count""",
        arg=count,
        polling=200,
    )


def listed(page):
    return page.get_by_role("complementary", name="Runs that are compared")


def test_a_chart_of_each_metric_and_a_line_of_each_run(page, sweep, shot) -> None:
    page.goto(address(runs=sweep.runs[:12]))
    page.get_by_role("heading", name="Compare 12 runs").wait_for()
    wait_for_charts(page, 2)
    assert page.get_by_role("figure", name="val/loss").is_visible()
    page.get_by_role("switch", name="Log scale").click()
    page.wait_for_url("**log=true*")
    page.get_by_role("combobox", name="What runs along the charts").click()
    page.get_by_role("option", name="by time since start").click()
    page.wait_for_url("**by=relative*")
    slider = page.get_by_role("slider", name="Smoothing")
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_url("**smooth=0.99*")
    page.go_back()
    page.wait_for_url(lambda url: "by=relative" not in url)
    page.get_by_label("Find a metric").fill("score")
    page.get_by_role("figure", name="val/loss").wait_for(state="detached")
    wait_for_charts(page, 1)
    shot("compare-charts")


def test_runs_are_hidden_removed_and_made_the_baseline(page, sweep) -> None:
    page.goto(of_all(sweep))
    page.get_by_role("heading", name="Compare 30 runs").wait_for()
    listed(page).get_by_role("button", name="Hide sweep-03").click()
    listed(page).get_by_text("29 of 30 runs drawn").wait_for()
    page.go_back()
    listed(page).get_by_text("30 runs", exact=True).wait_for()
    listed(page).get_by_role("link", name="sweep-02").hover()
    listed(page).get_by_role("button", name="Remove sweep-02").click()
    page.get_by_role("heading", name="Compare 29 runs").wait_for()
    listed(page).get_by_label("Find a run").fill("sweep-05")
    listed(page).get_by_role("link", name="sweep-05").focus()
    listed(page).get_by_role("button", name="Compare others with sweep-05").click()
    listed(page).get_by_text("baseline").wait_for()
    page.reload()
    page.get_by_role("heading", name="Compare 29 runs").wait_for()
    assert f"baseline={sweep.runs[5]}" in page.url


def test_runs_are_selected_on_an_axis(page, sweep, shot) -> None:
    page.goto(of_all(sweep, tab="parallel", logs=["params.lr"]))
    wait_for_charts(page, 1)
    shot("compare-parallel")
    chart = page.get_by_role("img", name=re.compile("Parallel coordinates of 30 runs"))
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 100)  # the first axis: what is most important
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 200, steps=5)
    page.mouse.up()
    page.get_by_text(re.compile(r"^\d+ of 30 runs are selected")).wait_for()
    assert "brush=" in page.url
    page.get_by_role("button", name="Select all").click()
    # The same without a mouse.
    page.get_by_label("lr: from").fill("0.005")
    page.get_by_label("lr: to").fill("0.02")
    page.keyboard.press("Enter")
    page.get_by_text("7 of 30 runs are selected").wait_for()
    page.get_by_role("button", name="Compare only these").click()
    page.get_by_role("heading", name="Compare 7 runs").wait_for()


def test_a_point_leads_to_its_run(page, sweep, shot) -> None:
    page.goto(of_all(sweep, tab="scatter", x="params.lr", y="metrics.score", logs=["params.lr"]))
    wait_for_charts(page, 1)
    shot("compare-scatter")
    x, y = page.evaluate(
        """() => { // where the first run's colour is
            const canvas = document.querySelector('main canvas');
            const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            for (let at = 0; at < data.length; at += 4) {
                if (Math.abs(data[at] - 0x3f) + Math.abs(data[at + 1] - 0x5b) + Math.abs(data[at + 2] - 0xd8) < 90) {
                    const box = canvas.getBoundingClientRect();
                    const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
                    return [box.x + x / devicePixelRatio, box.y + y / devicePixelRatio + 4];
                }
            }
        }"""
    )
    page.mouse.click(x, y)
    page.wait_for_url(re.compile("/runs/[0-9a-f]{32}"))
    assert page.url.rsplit("/", 1)[1][:32] in sweep.runs


def test_a_surface_says_what_it_is(page, sweep, shot) -> None:
    page.goto(of_all(sweep, tab="contour", x="params.lr", y="params.dropout", z="metrics.score", logs=["params.lr"]))
    wait_for_charts(page, 1)
    page.get_by_text("weighted by one over its squared distance").wait_for()
    shot("compare-contour")


def test_the_table_shows_what_differs(page, sweep, shot, tmp_path) -> None:
    page.goto(of_all(sweep, tab="table", baseline=sweep.runs[4]))
    table = page.get_by_role("table", name="Params and metrics of all runs")
    table.get_by_role("rowheader", name="lr", exact=True).wait_for()
    assert table.get_by_role("columnheader").nth(1).inner_text().startswith("sweep-04")
    assert not table.get_by_role("rowheader", name="epochs").is_visible()
    page.get_by_role("switch", name="Also what is the same").click()
    table.get_by_role("rowheader", name="epochs").wait_for()
    page.get_by_role("switch", name="Also what is the same").click()
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="by importance").click()
    page.wait_for_url("**sort=importance*")
    params = [each for each in table.get_by_role("rowheader").all_inner_texts() if "metric" not in each]
    assert params[0].startswith("lr")
    shot("compare-table")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "runs.csv")
    rows = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    assert len(rows) == 30
    assert {row["run_id"] for row in rows} == set(sweep.runs)
    assert rows[0]["params.lr"] == "0.0001"


def test_importance_names_the_param_that_matters(page, sweep, shot) -> None:
    page.goto(of_all(sweep, tab="importance", metric="metrics.score"))
    rows = page.get_by_role("table", name="Params by importance for score").get_by_role("row")
    rows.nth(1).get_by_text("lr").wait_for()
    assert "epochs" not in page.get_by_role("table").first.inner_text()
    page.get_by_text("What the number is:").wait_for()
    shot("compare-importance")


def test_packages_and_patches_of_two_runs(page, sweep, shot) -> None:
    page.goto(address(runs=sweep.runs[:2], tab="code"))
    packages = page.get_by_role("table", name="Packages that differ")
    assert packages.get_by_role("row").nth(1).inner_text().split() == ["numpy", "2.0.1", "2.1.0"]
    page.get_by_role("table", name="What differs about the environment").get_by_text("3.11").wait_for()
    page.get_by_text("2 different commits").wait_for()
    page.get_by_text("train.py").click()
    page.get_by_label("Differences of train.py").get_by_text("+rate = 2").wait_for()
    shot("compare-code")


def test_what_somebody_hostile_logged_does_nothing(page, seeded) -> None:
    runs = [seeded.hostile_run, seeded.runs[0]]
    for tab in ("charts", "parallel", "scatter", "contour", "importance", "code", "table"):
        page.goto(address(runs=runs, tab=tab))
        page.get_by_role("heading", name="Compare 2 runs").wait_for()
        page.wait_for_load_state("networkidle")
        assert page.title() == "Compare 2 runs · Modelyard"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("rowheader", name="param 17", exact=True).wait_for()
    assert page.locator("tbody tr").count() < 100  # of five thousand
    assert page.get_by_role("table").first.get_attribute("aria-rowcount") > "5000"


def test_runs_that_are_not_there_are_counted(page, sweep) -> None:
    page.goto(address(runs=[sweep.runs[0], "0" * 32]))
    page.get_by_text("1 more was asked for and is not there (any more).").wait_for()
    page.goto(address(runs=["0" * 32]))
    page.get_by_role("heading", name="None of these runs is there").wait_for()
    page.goto("/compare")
    page.get_by_role("heading", name="Which runs?").wait_for()


@pytest.mark.parametrize("tab", ["charts", "parallel", "scatter", "contour", "table", "importance", "code"])
def test_no_serious_violation_of_accessibility(page, sweep, violations, tab) -> None:
    page.goto(address(runs=sweep.runs[:12], tab=tab))
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    assert violations() == []
