"""The whole way with the stock MLflow client: train, log, register, serve, promote, load back, predict.

`make demo` runs it. It starts `modelyard server` on a free port with its data in ./demo-data; training and registering
are plain `mlflow`: the only line that knows about Modelyard is the tracking URI. Then `modelyard serve` answers
requests with the model that the alias champion points to, also while the alias moves to a better one.

The servers stay up until Ctrl-C if somebody is watching; with DEMO_EXIT=1, or without a terminal, it stops at the end.
"""

import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

# MLflow reads these when it is imported: no address after each run, no progress bars, no calls home
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import mlflow.sklearn
from mlflow.models import infer_signature
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

# what MLflow says about its own future (stages) and its own use of pandas is no news about this example
warnings.filterwarnings("ignore", module="mlflow")
warnings.filterwarnings("ignore", category=FutureWarning, message=".*(stages|transition_model_version_stage)")
logging.getLogger("mlflow").setLevel(logging.WARNING)

DATA = Path(os.environ.get("DEMO_DATA", "demo-data"))
MODEL = "winetest"
READY_WITHIN = 30.0  # seconds
FORESTS = (
    {"max_depth": 1, "max_features": 1},
    {"max_depth": 2, "max_features": 2},
    {"max_depth": 8, "max_features": 3},
)
STEPS = range(10, 61, 10)  # trees after each step

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Trained:
    """One finished run."""

    run_id: str
    name: str
    params: dict[str, Any]
    accuracy: float
    loss: float


def main() -> None:
    """Run the example."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    try:
        tell()
    except KeyboardInterrupt:
        console.print("\nStopped.")


def tell() -> None:
    """All of it, one step after the other."""
    with server() as url:
        mlflow.set_tracking_uri(url)
        mlflow.set_experiment("wine")
        features, labels = load_wine(return_X_y=True, as_frame=True)
        split = train_test_split(features, labels, test_size=0.4, stratify=labels, random_state=7)

        runs = [train(number, params, *split) for number, params in enumerate(FORESTS, 1)]
        show_runs(runs)
        challenger = register(runs)
        with model_server(url) as asked:
            promote(challenger, asked, split[1])
            predict(split[1], split[3])
            show_history(url)
            show_addresses(url, asked)
            if sys.stdin.isatty() and not os.environ.get("DEMO_EXIT"):
                wait_for_interrupt()


# ---------------------------------------------------------------- the servers


@contextmanager
def server() -> Iterator[str]:
    """A `modelyard server` of our own; its address."""
    DATA.mkdir(parents=True, exist_ok=True)
    with running("server", 5000, "/health", "--data", str(DATA)) as (url, took):
        heading(f"modelyard server is up at {url}, ready in {took:.1f} s")
        console.print(f"  SQLite and artifacts are in {DATA}, the server's log is {DATA / 'server.log'}")
        yield url


@contextmanager
def model_server(tracking: str) -> Iterator[str]:
    """A `modelyard serve` of the champion; its address."""
    what = f"models:/{MODEL}@champion"
    with running("serve", 8000, "/ping", what, "--tracking-uri", tracking, "--poll", "0.5") as (url, took):
        heading(f"modelyard serve {what} is up at {url}, ready in {took:.1f} s")
        yield url


@contextmanager
def running(name: str, port: int, ready: str, *arguments: str) -> Iterator[tuple[str, float]]:
    """One of our servers, ready: its address, and the seconds that it took. It is stopped, politely, at the end."""
    port = free_port(port)
    url = f"http://127.0.0.1:{port}"
    modelyard = Path(sys.executable).with_name("modelyard")
    command = [str(modelyard), name, *arguments, "--port", str(port)]
    environment = os.environ | {"MODELYARD_CACHE": str(DATA / "cache")}
    file = DATA / f"{name}.log"
    with file.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            began = time.perf_counter()
            wait_until_ready(process, url + ready, file)
            yield url, time.perf_counter() - began
        finally:
            process.terminate()
            try:
                process.wait(READY_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port(wanted: int) -> int:
    """The usual one, if nobody has it; any other if somebody does."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    sys.exit("no free port on 127.0.0.1")


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when the server answers; leave with its last words if it does not."""
    deadline = time.monotonic() + READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.02)
    sys.exit(f"the server did not start:\n{log.read_text()[-2000:]}")


# ---------------------------------------------------------------- what any user of MLflow writes


def train(number: int, params: dict[str, Any], train_x: Any, test_x: Any, train_y: Any, test_y: Any) -> Trained:
    """Grow one forest, ten trees at a time, and log all of it."""
    with mlflow.start_run(run_name=f"forest-{number}") as run:
        mlflow.log_params({"n_estimators": STEPS[-1], "criterion": "gini", **params})
        mlflow.set_tags({"dataset": "wine", "purpose": "demo"})
        mlflow.log_input(mlflow.data.from_pandas(train_x, name="wine"), context="training")

        forest = RandomForestClassifier(random_state=number, warm_start=True, **params)
        accuracy = loss = float("nan")
        for trees in STEPS:
            forest.set_params(n_estimators=trees).fit(train_x, train_y)
            accuracy = float(accuracy_score(test_y, forest.predict(test_x)))
            loss = float(log_loss(test_y, forest.predict_proba(test_x)))
            mlflow.log_metrics({"accuracy": accuracy, "log_loss": loss}, step=trees)

        mlflow.sklearn.log_model(
            forest,
            name="model",
            signature=infer_signature(train_x, forest.predict(train_x)),
            input_example=train_x.head(3),
            # skops rather than pickle: opening the file runs no code. Tree nodes are the one type it asks about
            serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
            # said, so that MLflow need not load the model in another process to find out
            pip_requirements=mlflow.sklearn.get_default_pip_requirements(include_skops=True),
        )
    return Trained(run.info.run_id, run.info.run_name, params, accuracy, loss)


def register(runs: list[Trained]) -> str:
    """Register all, worst first; the second best goes to production, the best, whose version this is, to staging."""
    client = mlflow.MlflowClient()
    ranked = sorted(runs, key=lambda run: run.loss, reverse=True)
    with redirect_stderr(io.StringIO()):  # MLflow announces each version there; the table below says it better
        versions = [str(mlflow.register_model(f"runs:/{run.run_id}/model", MODEL).version) for run in ranked]
    champion, challenger = versions[-2:]

    heading(f"Registered {MODEL}, moved two versions through the stages")
    for version, stage in ((champion, "Staging"), (champion, "Production"), (challenger, "Staging")):
        move(version, stage)
    client.set_registered_model_alias(MODEL, "champion", champion)
    client.set_registered_model_alias(MODEL, "challenger", challenger)
    table = Table("version", "stage", "aliases", "log loss", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    aliases = client.get_registered_model(MODEL).aliases
    for version, run in zip(versions, ranked, strict=True):
        pointing = ", ".join(sorted(name for name, at in aliases.items() if str(at) == version))
        table.add_row(version, client.get_model_version(MODEL, version).current_stage, pointing, f"{run.loss:.3f}")
    show(table)
    return challenger


def move(version: str, stage: str) -> None:
    """Move a version to a stage, and say so."""
    client = mlflow.MlflowClient()
    before = client.get_model_version(MODEL, version).current_stage
    client.transition_model_version_stage(MODEL, version, stage, archive_existing_versions=True)
    console.print(f"  version {version}: {before} → {stage}")


def promote(version: str, url: str, wines: Any) -> None:
    """Ask the model server, make this version the champion, and go on asking until it is the one that answers."""
    wine = wines.iloc[0].to_dict()
    answer, before = ask(url, wine)
    console.print(f"  POST {url}/predict with one wine as JSON: {answer}, modelyard-version: {before}")

    heading(f"The alias champion moves to version {version}, while requests are answered")
    move(version, "Production")
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "champion", version)
    deadline = time.monotonic() + READY_WITHIN
    asked, now = 0, before
    while now != version and time.monotonic() < deadline:
        answer, now = ask(url, wine)  # raises if a request fails
        asked += 1
        time.sleep(0.01)
    if now != version:
        sys.exit(f"version {version} is not served:\n{(DATA / 'serve.log').read_text()[-2000:]}")
    console.print(f"  modelyard-version: {before} → {now}, {asked} requests meanwhile, none failed")


def ask(url: str, wine: dict[str, float]) -> tuple[Any, str]:
    """What the model server answers, and the version that did."""
    request = Request(f"{url}/predict", json.dumps(wine).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer), answer.headers["modelyard-version"]


def predict(test_x: Any, test_y: Any) -> None:
    """Load what is in production now, as a consumer would, and use it."""
    uri = f"models:/{MODEL}/Production"
    model = mlflow.pyfunc.load_model(uri)
    answers = model.predict(test_x)
    right = int((answers == test_y).sum())
    heading(f"Loaded {uri} back and predicted")
    console.print(f"  {right} of {len(test_y)} wines that it had not seen before: [bold]right[/bold]")


# ---------------------------------------------------------------- saying so


def heading(text: str) -> None:
    """One line that stands out."""
    console.print(f"\n[bold green]✓[/bold green] [bold]{text}[/bold]")


def show(table: Table) -> None:
    """A table, set in a little."""
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        console.print(f"  {line}", markup=False)


def show_runs(runs: list[Trained]) -> None:
    """What was trained."""
    heading(f"Trained {len(runs)} forests: params, metrics at {len(STEPS)} steps, tags, dataset, model")
    table = Table("run", "max_depth", "max_features", "accuracy", "log loss", box=None, padding=(0, 3, 0, 0))
    for run in runs:
        depth, width = (str(run.params[name]) for name in ("max_depth", "max_features"))
        table.add_row(run.name, depth, width, f"{run.accuracy:.3f}", f"{run.loss:.3f}")
    show(table)


def show_history(url: str) -> None:
    """What stock MLflow does not keep, from the native API: who moved production, when, from and to which version."""
    heading("Remembered: each change of the registry, such as who moved production")
    with urlopen(f"{url}/api/v1/models/{MODEL}/history?limit=100", timeout=10) as answer:
        events = json.load(answer)["events"]
    for event in reversed(events):
        if event["change"] == "environment.moved" and event["subject"] == "production":
            when = datetime.fromtimestamp(event["at_ms"] / 1000).astimezone()
            move = f"{event['old'] or 'nothing'} → version {event['new']}"
            console.print(f"  {when:%Y-%m-%d %H:%M:%S}  {event['principal']}  {move}")


def show_addresses(url: str, asked: str) -> None:
    """Where to look next."""
    heading("Have a look")
    console.print(f"  {asked + '/docs':<54} the model: its columns, an example to change and send")
    for path, what in (
        ("/docs", "the native API, to read and to try"),
        (f"/api/v1/models/{MODEL}/history", "everything that ever happened to the model"),
        ("/metrics", "the server's own figures, for Prometheus"),
        ("/health", "alive, and ready"),
    ):
        console.print(f"  {url}{path:<33} {what}")
    console.print(f"  MLFLOW_TRACKING_URI={url} is all that your own training code needs")


def wait_for_interrupt() -> None:
    """Keep the servers up until somebody has seen enough."""
    console.print("\nThe servers keep running. Ctrl-C stops them.")
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
