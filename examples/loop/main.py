"""The whole loop on one machine: train, register, deploy, watch, roll out, roll back, count who was right.

`make demo` runs it. It starts `modelyard up` with its data in ./demo-data. Wine is trained, registered and moved by the
stock MLflow client; the review classifier by ours. Then a better review classifier is rolled out through shadow and
canary while people ask, one that always says the same is stopped, and one that fails for one language only.

Everything stays up until Ctrl-C if somebody is watching; with DEMO_EXIT=1, or without a terminal, it stops at the end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import wine
from reviews import NAME as REVIEWS
from reviews import Weights, learn, log, made
from rich.table import Table
from say import MODELYARD, command, console, heading, line, table
from traffic import Traffic

import modelyard

HERE = Path(__file__).parent
DATA = Path(os.environ.get("DEMO_DATA", "demo-data"))
READY_WITHIN = 60.0  # seconds
WATCHED = sys.stdin.isatty() and not os.environ.get("DEMO_EXIT")
"""Whether somebody looks on, so that it stays, and is shown."""


def main() -> None:
    """Run the example."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped then, too
    # what other programs left behind, and will find again, is none of this example's business
    os.environ["MODELYARD_SPOOL"] = str(DATA.absolute() / "spool")
    os.environ["MODELYARD_CACHE"] = str(DATA.absolute() / "cache")
    try:
        with up() as (server, gateway):
            if WATCHED:
                show(server)
            tell(server, gateway)
            if WATCHED:
                console.print("\nEverything keeps running. Ctrl-C stops it.")
                signal.pause()
    except KeyboardInterrupt:
        console.print("\nStopped.")


def tell(server: str, gateway: str) -> None:
    """All of it, one step after the other."""
    modelyard.set_tracking_uri(server)
    begin_anew()
    stock_client(server, gateway)

    known = made(3000, seed=1)
    first, better = learn(known[:40]), learn(known)
    modelyard.set_experiment("reviews")
    version = log(first, "forty reviews")
    move(version)
    heading("A review classifier, in English and German, with rules for those who come after it")
    command("apply", "-f", str(HERE / "sentiment.yaml"), url=server)
    until_serves(gateway, server, version)
    with Traffic(gateway, REVIEWS, made(4000, seed=2)) as traffic:
        good = story(server, traffic, better)
        command("rollback", REVIEWS, "--reason", "to show it", url=server)
        watch(server, REVIEWS)
    tell_traffic(traffic)
    statistics(server, good, str(version))
    addresses(server, gateway)


def show(server: str) -> None:
    """Open the pages, where there is a desktop: on a terminal alone, a browser for text would take it over."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(f"{server}/deployments")


def begin_anew() -> None:
    """Models and runs of an earlier time stay, deployments do not: the story begins with the first version."""
    client = modelyard.MlflowClient()
    for each in client.list_deployments():
        client.delete_deployment(each.name, "the demo begins anew")


def stock_client(server: str, gateway: str) -> None:
    """Wine, by people who know nothing of us but the address."""
    runs = wine.train(server)
    heading("Trained and registered three forests with the stock mlflow client")
    shown = Table("version", "max_depth", "max_features", "accuracy", "log loss", box=None, padding=(0, 3, 0, 0))
    for each in runs:
        depth, width = (str(each.params[name]) for name in ("max_depth", "max_features"))
        shown.add_row(each.version, depth, width, f"{each.accuracy:.3f}", f"{each.loss:.3f}")
    table(shown)

    heading("Deployed: from now on Production is what answers")
    wine.move(runs[1].version, "Production")
    command("deploy", wine.NAME, "--bake", "10s", "--wait", url=server)
    sample = wine.split()[1].iloc[0].to_dict()
    answer, before = ask(gateway, wine.NAME, sample)
    line(f"POST {gateway}/models/{wine.NAME}/predict with one wine: {answer}, by version {before}")

    heading(f"A stage call moves production to version {runs[2].version}, while requests are answered")
    began, asked, now = time.monotonic(), 0, before
    wine.move(runs[2].version, "Production")
    while now != runs[2].version and time.monotonic() - began < READY_WITHIN:
        _, now = ask(gateway, wine.NAME, sample)  # raises if a request fails
        asked += 1
        time.sleep(0.01)
    took = time.monotonic() - began
    if now != runs[2].version:
        sys.exit(f"version {runs[2].version} does not answer:\n{(DATA / 'up.log').read_text()[-4000:]}")
    line(f"version {before} → {now} after {took:.1f} s, {asked} requests meanwhile, none failed")


def story(server: str, traffic: Traffic, better: Weights) -> str:
    """Three new versions, and what becomes of them."""
    good = log(better, "all reviews")
    heading(f"Version {good} learnt from 3,000 reviews instead of 40: shadow, a tenth, half, all")
    move(good)
    watch(server, REVIEWS)

    same = log({language: {"": 3.0} for language in better}, "no weights")
    heading(f"Version {same} lost its weights: it says the same to everybody")
    move(same)
    watch(server, REVIEWS)

    english = log({"en": better["en"]}, "English only")
    heading(f"Version {english} has no German words: it fails for one language only")
    move(english)
    watch(server, REVIEWS)
    line(f"{len(traffic.failed)} of {sum(traffic.answered.values()):,} requests failed so far")
    return str(good)


def move(version: int) -> None:
    """Production is this version, from now on."""
    modelyard.MlflowClient().transition_model_version_stage(REVIEWS, str(version), "Production")


SEEN: dict[str, int] = {}
"""Up to which event each deployment's were told."""


def watch(server: str, name: str) -> None:
    """Tell what happens until nothing does."""
    client = modelyard.MlflowClient()
    seen = SEEN.get(name, 0)
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        found = get(f"{server}/api/v1/deployments/{name}/events?after={seen}&wait_s=2")
        for event in found["events"]:
            line(f"{event['kind']:<18} {event['told']}")
        seen = found["next_after"]
        if any(event["kind"] == "rollout_ended" for event in found["events"]):
            break
    SEEN[name] = seen
    line(f"= {client.get_deployment(name).told}")


def until_serves(gateway: str, server: str, version: int) -> None:
    """Wait for the first answer."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            _, now = ask(gateway, REVIEWS, {"text": "Very good cafe", "language": "en"})
        except (HTTPError, URLError):
            time.sleep(0.1)
            continue
        if now == str(version):
            SEEN[REVIEWS] = get(f"{server}/api/v1/deployments/{REVIEWS}/events")["next_after"]
            return
    sys.exit(f"{REVIEWS} does not answer:\n{(DATA / 'up.log').read_text()[-4000:]}")


def tell_traffic(traffic: Traffic) -> None:
    """Who answered."""
    heading("What people noticed")
    shares = ", ".join(f"version {version}: {count:,}" for version, count in sorted(traffic.answered.items()))
    line(f"answers by {shares}; failed: {len(traffic.failed)}")
    for each in traffic.failed[:3]:
        line(f"  {each}")


def statistics(server: str, good: str, first: str) -> None:
    """Who was right."""
    heading("Who was right, by what people said later")
    command("statistics", REVIEWS, url=server)
    command("statistics", REVIEWS, "--compare", good, first, url=server)


def addresses(server: str, gateway: str) -> None:
    """Where to look next."""
    heading("Have a look")
    for address, what in (
        (server, "everything that happened here, in the browser"),
        (f"{server}/deployments/{REVIEWS}", "what answers, its rollouts with every check, and a form to try it"),
        (f"{server}/statistics?deployment={REVIEWS}", "who was right, version by version"),
        (f"{gateway}/models/{REVIEWS}/docs", "the model that answers: its columns, an example to change and send"),
        (f"{gateway}/deployments", "who answers what, as the gateway has it"),
        (f"{server}/docs", "the native API, to read and to try"),
        (f"{server}/models/{REVIEWS}", "its versions, and who moved what, when and why"),
    ):
        console.print(f"  {address:<58} {what}")
    console.print(f"  MLFLOW_TRACKING_URI={server} is all that your own training code needs")


# ---------------------------------------------------------------- asking


def get(url: str) -> Any:
    """An answer in JSON."""
    with urlopen(url, timeout=40) as answer:
        return json.load(answer)


def ask(gateway: str, name: str, row: dict[str, Any]) -> tuple[Any, str]:
    """A prediction, and the version that made it."""
    url = f"{gateway}/models/{name}/predict"
    request = Request(url, json.dumps(row).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer), answer.headers["modelyard-version"]


# ---------------------------------------------------------------- everything on one machine


@contextmanager
def up() -> Iterator[tuple[str, str]]:
    """`modelyard up`: the addresses of server and gateway. It is stopped, politely, at the end."""
    DATA.mkdir(parents=True, exist_ok=True)
    port, gateway_port = free_port(5000), free_port(8000)
    server, gateway = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{gateway_port}"
    arguments = ["up", "--data", str(DATA), "--port", str(port), "--gateway-port", str(gateway_port)]
    file = DATA / "up.log"
    began = time.perf_counter()
    with (
        file.open("w") as out,
        subprocess.Popen([MODELYARD, *arguments], stdout=out, stderr=out) as it,
    ):
        try:
            for url in (f"{server}/health", f"{gateway}/health"):
                until_answers(it, url, file)
            heading(f"modelyard up: server and gateway answer after {time.perf_counter() - began:.1f} s")
            line(f"{server} tracks and keeps models, {gateway} answers; all data is in {DATA}, the log in {file}")
            yield server, gateway
        finally:
            it.send_signal(signal.SIGINT)
            try:
                it.wait(READY_WITHIN)
            except subprocess.TimeoutExpired:
                it.kill()


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


def until_answers(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    """Return when it answers; leave with its last words if it does not."""
    deadline = time.monotonic() + READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    sys.exit(f"modelyard up did not start:\n{log_file.read_text()[-4000:]}")


if __name__ == "__main__":
    main()
