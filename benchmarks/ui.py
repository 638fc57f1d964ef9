"""How soon one sees something: our pages and MLflow's, on the same data, in headless Chromium, by turns.

    python benchmarks/ui.py --mlflow PATH/TO/mlflow                 # fills both (minutes), then measures
    python benchmarks/ui.py --mlflow PATH/TO/mlflow --keep DIR      # fills DIR once, and uses it again

One experiment of `--runs` runs (10 params, 10 metrics, 5 tags each), `--models` registered models, and a run with a
metric of `--points` points. Every figure is the median of `--rounds`, each in a fresh browser context, so that nothing
is cached; the two take turns, and stand still in the turns of the other. MLflow's database is filled by SQL, ours
through its endpoints. What is waited for is what a person waits for: the row that should be first, pixels on a chart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
from run import free_port
from scale import HEADERS, T0, send

from modelyard.server.app import App, create_app
from modelyard.settings import load

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
EXPERIMENT = "large"
CURVE = "curve"
TOGETHER = 64
LONG_S = 120.0
START_S = 180.0
DRAWN = """() => [...document.querySelectorAll('canvas')].some(canvas => {
  if (!canvas.width || !canvas.height || !canvas.offsetParent) return false;
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let at = 0; at < data.length; at += 40) seen.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);
  return seen.size > 8;
})"""
"""Whether something is on a canvas: more colours than an empty frame has."""
LINES = """[...document.querySelectorAll('canvas')].map(canvas => canvas.toDataURL()).join() +
  [...document.querySelectorAll('path.js-line')].map(path => path.getAttribute('d')).join()"""
PICTURE = f"() => {{ window.before = {LINES}; }}"
CHANGED = f"() => window.before !== {LINES}"
ZOOMS = {True: "[role=slider][aria-label^='Cursor of']", False: ".js-plotly-plot .nsewdrag"}
"""What one drags over, on our pages and on MLflow's."""


def say(*told: object) -> None:
    print(*told, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------ the same data for both


def params(number: int) -> dict[str, str]:
    return {"p0": f"v{number % 10}", **{f"p{at}": f"value-{number}-{at}" for at in range(1, 10)}}


def tags(number: int) -> dict[str, str]:
    return {"t0": "xyzw"[number % 4], **{f"t{at}": f"tag-{number}-{at}" for at in range(1, 5)}}


def metrics(number: int) -> dict[str, float]:
    chance = random.Random(number)
    return {f"m{at}": round(chance.random(), 6) for at in range(10)}


def curve(step: int) -> float:
    return (step * 7919 % 100_003) / 100_003 + 1 / (1 + step / 50_000)


# ------------------------------------------------------------------------------------ ours


async def post(app: App, path: str, body: Any) -> Any:
    return json.loads(await send(app, "POST", f"/api/2.0/mlflow/{path}", json.dumps(body).encode()) or b"{}")


async def fill_run(app: App, experiment: str, number: int) -> None:
    wanted = {"experiment_id": experiment, "run_name": f"run-{number}", "start_time": T0 + number}
    run = (await post(app, "runs/create", wanted))["run"]["info"]["run_id"]
    await post(
        app,
        "runs/log-batch",
        {
            "run_id": run,
            "params": [{"key": key, "value": value} for key, value in params(number).items()],
            "tags": [{"key": key, "value": value} for key, value in tags(number).items()],
            "metrics": [
                {"key": key, "value": value, "timestamp": T0 + number, "step": 0}
                for key, value in metrics(number).items()
            ],
        },
    )
    await post(app, "runs/update", {"run_id": run, "status": "FINISHED", "end_time": T0 + number + 60_000})


async def fill(app: App, options: argparse.Namespace) -> None:
    experiment = (await post(app, "experiments/create", {"name": EXPERIMENT}))["experiment_id"]
    for first in range(0, options.runs, TOGETHER):
        last = min(options.runs, first + TOGETHER)
        await asyncio.gather(*(fill_run(app, experiment, number) for number in range(first, last)))
    for number in range(options.models):
        await post(app, "registered-models/create", {"name": f"model-{number:04}"})
    other = (await post(app, "experiments/create", {"name": "long"}))["experiment_id"]
    wanted = {"experiment_id": other, "run_name": CURVE, "start_time": T0}
    run = (await post(app, "runs/create", wanted))["run"]["info"]["run_id"]
    for first in range(0, options.points, 1000):
        steps = range(first, first + 1000)
        points = [{"key": CURVE, "value": curve(at), "timestamp": T0 + at, "step": at} for at in steps]
        await post(app, "runs/log-batch", {"run_id": run, "metrics": points})


def fill_ours(folder: Path, options: argparse.Namespace) -> None:
    app = create_app(load({"data": str(folder)}))
    with contextlib.closing(app):
        uvloop.run(fill(app, options))


# ------------------------------------------------------------------------------------ MLflow's


def rows_of(table: str, connection: sqlite3.Connection, rows: Iterator[dict[str, Any]]) -> None:
    """Insert rows, with what the table wants besides left empty or zero."""
    known = {name: kind for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")}
    first = next(rows)
    names = [name for name in first if name in known]
    command = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    connection.execute(command, [first[name] for name in names])
    connection.executemany(command, ([each[name] for name in names] for each in rows))


def fill_mlflow(folder: Path, options: argparse.Namespace) -> None:
    """MLflow's own schema, filled by SQL: through its endpoints it would take hours."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mlflow.db"
    subprocess.run([options.mlflow, "db", "upgrade", f"sqlite:///{path}"], check=True, capture_output=True)
    connection = sqlite3.connect(path)
    ids = [uuid.UUID(int=random.Random(at).getrandbits(128)).hex for at in range(options.runs + 1)]
    experiments = ((1, EXPERIMENT), (2, "long"))
    rows_of(
        "experiments",
        connection,
        (
            {
                "experiment_id": id, "name": name, "artifact_location": str(folder / "artifacts" / str(id)),
                "lifecycle_stage": "active", "creation_time": T0, "last_update_time": T0, "workspace": "default",
            }
            for id, name in experiments
        ),
    )  # fmt: skip

    def runs() -> Iterator[dict[str, Any]]:
        for at, id in enumerate(ids):
            name, experiment = (CURVE, 2) if at == options.runs else (f"run-{at}", 1)
            yield {
                "run_uuid": id, "name": name, "source_type": "UNKNOWN", "source_name": "", "entry_point_name": "",
                "user_id": "", "status": "FINISHED", "start_time": T0 + at, "end_time": T0 + at + 60_000,
                "deleted_time": None, "source_version": "", "lifecycle_stage": "active",
                "artifact_uri": str(folder / "artifacts" / id), "experiment_id": experiment,
            }  # fmt: skip

    rows_of("runs", connection, runs())
    rows_of(
        "params",
        connection,
        (
            {"key": key, "value": value, "run_uuid": ids[at]}
            for at in range(options.runs)
            for key, value in params(at).items()
        ),
    )
    rows_of(
        "tags",
        connection,
        (
            {"key": key, "value": value, "run_uuid": ids[at]}
            for at in range(options.runs)
            for key, value in {"mlflow.runName": f"run-{at}", **tags(at)}.items()
        ),
    )

    def points() -> Iterator[dict[str, Any]]:
        for at in range(options.runs):
            for key, value in metrics(at).items():
                yield {
                    "key": key,
                    "value": value,
                    "timestamp": T0 + at,
                    "run_uuid": ids[at],
                    "step": 0,
                    "is_nan": False,
                }
        for step in range(options.points):
            yield {
                "key": CURVE, "value": curve(step), "timestamp": T0 + step, "run_uuid": ids[-1], "step": step,
                "is_nan": False,
            }  # fmt: skip

    def latest() -> Iterator[dict[str, Any]]:
        yield from (each for each in points() if each["key"] != CURVE or each["step"] == options.points - 1)

    rows_of("metrics", connection, points())
    rows_of("latest_metrics", connection, latest())
    rows_of(
        "registered_models",
        connection,
        (
            {
                "name": f"model-{at:04}", "creation_time": T0, "last_updated_time": T0, "description": "",
                "workspace": "default",
            }
            for at in range(options.models)
        ),
    )  # fmt: skip
    connection.commit()
    connection.close()


# ------------------------------------------------------------------------------------ both, running


@contextlib.contextmanager
def running(command: list[object], url: str, log: Path) -> Iterator[int]:
    """A server, until the end; its process group."""
    with log.open("wb") as said:
        process = subprocess.Popen([str(each) for each in command], stdout=said, stderr=said, start_new_session=True)
    try:
        until = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                break
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        for each in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, each)
                os.killpg(process.pid, signal.SIGCONT)
                process.wait(15)


def asked(url: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), dict(_json()))
    with urllib.request.urlopen(request, timeout=LONG_S) as answer:
        return json.load(answer)


def _json() -> Iterator[tuple[str, str]]:
    yield from ((name.decode(), value.decode()) for name, value in HEADERS)


class Site:
    """A UI: where its pages are, and how one sees that they are there.

    Args:
        name: as the table has it.
        url: of its server.
        group: its process group.
    """

    def __init__(self, name: str, url: str, group: int) -> None:
        self.name, self.url, self.group = name, url, group
        found = asked(url, "experiments/search", {"max_results": 100, "filter": f"name = '{EXPERIMENT}'"})
        self.experiment = found["experiments"][0]["experiment_id"]
        runs = asked(url, "runs/search", {"experiment_ids": [self.experiment], "max_results": 100})["runs"]
        self.newest = [run["info"]["run_id"] for run in runs]
        long = asked(url, "experiments/search", {"max_results": 100, "filter": "name = 'long'"})["experiments"][0]
        self.long = long["experiment_id"]
        self.curve = asked(url, "runs/search", {"experiment_ids": [self.long]})["runs"][0]["info"]["run_id"]

    @property
    def ours(self) -> bool:
        return self.name == "modelyard"

    def runs(self) -> str:
        if self.ours:
            return f"{self.url}/experiments/{self.experiment}"
        return f"{self.url}/#/experiments/{self.experiment}/runs"

    def models(self) -> str:
        return f"{self.url}/models" if self.ours else f"{self.url}/#/models"

    def compare(self) -> str:
        ids = json.dumps(self.newest, separators=(",", ":"))
        if self.ours:
            return f"{self.url}/compare?runs={ids}"
        return f"{self.url}/#/compare-runs?runs={ids}&experiments=[%22{self.experiment}%22]"

    def chart(self) -> str:
        if self.ours:
            return f"{self.url}/runs/{self.curve}?tab=metrics"
        return f"{self.url}/#/experiments/{self.long}/runs/{self.curve}/model-metrics"


def drawn(page: Any, site: Site) -> None:
    """Wait for a chart: pixels on a canvas, or a line of MLflow's Plotly."""
    if site.ours:
        page.wait_for_function(DRAWN, timeout=LONG_S * 1000, polling=20)
    else:
        page.wait_for_selector(".js-plotly-plot path.js-line, .js-plotly-plot g.parcoords", timeout=LONG_S * 1000)


def text(page: Any, wanted: str) -> None:
    page.get_by_text(wanted, exact=True).first.wait_for(timeout=LONG_S * 1000)


class Timed:
    """Measures in fresh contexts of one browser."""

    def __init__(self, browser: Any, options: argparse.Namespace) -> None:
        self.browser, self.options = browser, options
        self.found: dict[tuple[str, str], list[float]] = {}
        self.loaded: dict[str, float] = {}

    @contextlib.contextmanager
    def tab(self) -> Iterator[Any]:
        context = self.browser.new_context(viewport={"width": 1280, "height": 800})
        try:
            yield context.new_page()
        finally:
            context.close()

    def note(self, what: str, site: Site, began: float) -> None:
        took = 1000 * (time.perf_counter() - began)
        self.found.setdefault((what, site.name), []).append(took)
        say(f"{what}: {site.name} {took:,.0f} ms")

    def opened(self, what: str, site: Site, address: str, there: Callable[[Any], None]) -> None:
        """From typing an address to seeing what was wanted."""
        with self.tab() as page:
            began = time.perf_counter()
            page.goto(address, wait_until="commit")
            there(page)
            self.note(what, site, began)

    def table(self, site: Site) -> None:
        newest = f"run-{self.options.runs - 1}"
        with self.tab() as page:
            began = time.perf_counter()
            page.goto(site.runs(), wait_until="commit")
            text(page, newest)
            self.note("runs table", site, began)
            if site.ours:
                sizes = page.evaluate("""performance.getEntriesByType('resource')
                    .filter(each => each.name.endsWith('.js')).map(each => each.encodedBodySize)""")
                self.loaded[site.name] = sum(sizes) / 1000
            self.filtered(site, page)
            if site.ours:
                self.scrolled(site, page)

    def filtered(self, site: Site, page: Any) -> None:
        """From Enter to the first row of the answer."""
        number = self.options.runs - 4  # its p0 is that of a tenth of all
        box = page.get_by_role("combobox", name="Filter") if site.ours else page.get_by_test_id("search-box")
        try:
            box.wait_for(timeout=20_000)
            box.fill(f"params.p1 = 'value-{number}-1'")
            began = time.perf_counter()
            box.press("Enter")
            page.get_by_text(f"run-{self.options.runs - 1}", exact=True).first.wait_for(
                state="detached", timeout=LONG_S * 1000
            )
            text(page, f"run-{number}")
            self.note("a filter's answer", site, began)
            box.fill("")
            box.press("Enter")
            text(page, f"run-{self.options.runs - 1}")
        except Exception as error:  # noqa: BLE001 - what one of them cannot do is a dash in the table
            say(f"filter: {site.name}: {str(error)[:300]}")

    def scrolled(self, site: Site, page: Any) -> None:
        """From a jump of the scroll bar to the middle to the rows there."""
        middle = self.options.runs // 2
        began = time.perf_counter()
        page.evaluate("""() => { const box = [...document.querySelectorAll('*')]
            .filter(each => each.scrollHeight > 100000).at(-1); box.scrollTop = box.scrollHeight / 2; }""")
        page.wait_for_function(
            "middle => [...document.querySelectorAll('[role=row], tr')].some(row => { const found ="
            " /run-(\\d+)/.exec(row.textContent); return found && Math.abs(found[1] - middle) < 100 })",
            arg=middle, timeout=LONG_S * 1000, polling=10,
        )  # fmt: skip
        self.note("a jump to the middle", site, began)

    def zoomed(self, site: Site) -> None:
        """The long metric, and a look at a part of it: from letting go of the mouse to another picture, in full."""
        with self.tab() as page:
            began = time.perf_counter()
            page.goto(site.chart(), wait_until="commit")
            drawn(page, site)
            self.note("chart of the long metric, by its address", site, began)
            page.wait_for_timeout(2000)  # somebody looks at it first
            place = page.locator(ZOOMS[site.ours]).first
            place.scroll_into_view_if_needed()
            box = place.bounding_box()
            page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=4)
            page.evaluate(PICTURE)
            if site.ours:  # it stretches at once what it has, and asks for the rest
                with page.expect_response(lambda answer: answer.url.endswith("/metrics/series")) as asked:
                    began = time.perf_counter()
                    page.mouse.up()
                asked.value.finished()
                page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            else:
                began = time.perf_counter()
                page.mouse.up()
            page.wait_for_function(CHANGED, timeout=LONG_S * 1000, polling="raf")
            self.note("zoom into it", site, began)

    def chosen(self, site: Site) -> None:
        """The same chart, from the run's page."""
        with self.tab() as page:
            page.goto(site.chart().replace("?tab=metrics", "").replace("/model-metrics", ""))
            tab = page.get_by_role("tab", name="Metrics" if site.ours else "Model metrics")
            tab.wait_for(timeout=LONG_S * 1000)
            page.wait_for_timeout(1500)  # somebody looks at the page first
            began = time.perf_counter()
            tab.click()
            drawn(page, site)
            self.note("chart of the long metric, by its tab", site, began)


def tasks(timed: Timed, site: Site) -> dict[str, Callable[[], None]]:
    """What is measured on one of them."""
    return {
        "runs table": lambda: timed.table(site),
        "models": lambda: timed.opened("models", site, site.models(), lambda tab: text(tab, "model-0000")),
        "100 runs compared": lambda: timed.opened(
            "100 runs compared", site, site.compare(), lambda tab: drawn(tab, site)
        ),
        "chart": lambda: timed.zoomed(site),
        "tab": lambda: timed.chosen(site),
    }


def measure(options: argparse.Namespace, sites: list[Site]) -> Timed:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=list(ARGUMENTS))
        timed = Timed(browser, options)
        for at in range(options.rounds):
            for site in sites if at % 2 == 0 else sites[::-1]:
                for each in sites:  # what the other one does in the background is not this one's
                    os.killpg(each.group, signal.SIGCONT if each is site else signal.SIGSTOP)
                for what, run in tasks(timed, site).items():
                    if options.only and what not in options.only:
                        continue
                    try:
                        run()
                    except Exception as error:  # noqa: BLE001 - as above
                        say(f"{what}: {site.name}: {str(error)[:400]}")
        browser.close()
    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlflow", default=shutil.which("mlflow"), help="its command; without it, only ours")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", help="of: runs table, models, 100 runs compared, chart, tab")
    parser.add_argument("--keep", help="where the data stays; it is filled if it is empty")
    options = parser.parse_args()
    folder = Path(options.keep or tempfile.mkdtemp(prefix="modelyard-ui-")).absolute()
    try:
        if not (folder / "ours").exists():
            began = time.perf_counter()
            fill_ours(folder / "ours", options)
            say(f"ours filled in {time.perf_counter() - began:.0f} s")
        if options.mlflow and not (folder / "mlflow").exists():
            began = time.perf_counter()
            fill_mlflow(folder / "mlflow", options)
            say(f"MLflow's filled in {time.perf_counter() - began:.0f} s")
        report(options, folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def report(options: argparse.Namespace, folder: Path) -> None:
    """Start both, measure, print."""
    ports = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        url = f"http://127.0.0.1:{ports[0]}"
        ours = [sys.executable, "-m", "modelyard.cli.main", "server", "--data", folder / "ours", "--port", ports[0]]
        group = stack.enter_context(running(ours, url, folder / "ours.log"))
        sites = [Site("modelyard", url, group)]
        if options.mlflow:
            url = f"http://127.0.0.1:{ports[1]}"
            database = f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}"
            theirs = [options.mlflow, "server", "--backend-store-uri", database, "--port", ports[1], "--workers", 1]
            group = stack.enter_context(running(theirs, url, folder / "mlflow.log"))
            sites.append(Site("mlflow", url, group))
        timed = measure(options, sites)
    print("| what | Modelyard ms | MLflow ms | ratio |\n|---|---:|---:|---:|")
    for what in dict.fromkeys(what for what, _ in timed.found):
        mine, theirs_ = (timed.found.get((what, name)) for name in ("modelyard", "mlflow"))
        cells = [f"{statistics.median(each):,.0f}" if each else "–" for each in (mine, theirs_)]
        ratio = f"{statistics.median(theirs_) / statistics.median(mine):.1f}" if mine and theirs_ else ""
        print(f"| {what} | {cells[0]} | {cells[1]} | {ratio} |")
    for name, size in timed.loaded.items():
        print(f"\nScripts that the runs table of {name} loads: {size:.0f} kB compressed.")


if __name__ == "__main__":
    main()
