"""How searches and charts grow: the same questions to an experiment of 1,000 and of 100,000 runs (10 million points).

    python benchmarks/scale.py [--small 1000] [--large 100000]

Fills a SQLite server in this process, through its HTTP endpoints but without sockets, so that only the server's own
work is timed; prints the medians, their growth, and how many bytes a history point takes after compaction.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from modelyard.db import metrics
from modelyard.db.checkpoint import Checkpointer
from modelyard.server.app import App, create_app
from modelyard.settings import load

T0 = 1_700_000_000_000
TOGETHER = 64
HEADERS = [(b"content-type", b"application/json")]
QUESTIONS: dict[str, dict[str, Any]] = {
    "newest 100": {},
    "metric and param filter, by a metric": {
        "filter": "metrics.m0 > 0.9 and params.p0 = 'v1'",
        "order_by": ["metrics.m1 DESC"],
    },
    "tag and metric filter": {"filter": "tags.t0 = 'x' and metrics.m2 < 0.1"},
    "a page of 1,000": {"max_results": 1000},
}


async def send(app: App, method: str, path: str, body: bytes, query: bytes = b"") -> bytes:
    """One request; its answer's body."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": HEADERS}
    await app(scope, receive, keep)
    if messages[0]["status"] != 200:
        raise SystemExit(f"{path}: {messages}")
    answer: bytes = messages[1]["body"]
    return answer


def batch(run: str, number: int) -> bytes:
    """A run's params, tags, and 10 points each of 10 metrics."""
    rng = random.Random(number)
    return json.dumps(
        {
            "run_id": run,
            "params": [{"key": "p0", "value": f"v{number % 10}"}]
            + [{"key": f"p{k}", "value": f"value-{number}-{k}"} for k in range(1, 10)],
            "metrics": [
                {"key": f"m{k}", "value": round(rng.random(), 6), "timestamp": T0 + 1000 * step, "step": step}
                for k in range(10)
                for step in range(10)
            ],
            "tags": [{"key": "t0", "value": "xyzw"[number % 4]}]
            + [{"key": f"t{k}", "value": f"tag-{number}-{k}"} for k in range(1, 5)],
        }
    ).encode()


async def whole_run(app: App, experiment: str, number: int) -> None:
    """A run from start to end."""
    wish = {"experiment_id": experiment, "run_name": f"run-{number}", "start_time": T0 + number}
    answer = await send(app, "POST", "/api/2.0/mlflow/runs/create", json.dumps(wish).encode())
    run = json.loads(answer)["run"]["info"]["run_id"]
    await send(app, "POST", "/api/2.0/mlflow/runs/log-batch", batch(run, number))
    end = {"run_id": run, "status": "FINISHED", "end_time": T0 + number + 60_000}
    await send(app, "POST", "/api/2.0/mlflow/runs/update", json.dumps(end).encode())


async def fill(app: App, name: str, runs: int) -> str:
    """An experiment of so many runs; its id."""
    answer = await send(app, "POST", "/api/2.0/mlflow/experiments/create", json.dumps({"name": name}).encode())
    experiment: str = json.loads(answer)["experiment_id"]
    for first in range(0, runs, TOGETHER):
        await asyncio.gather(
            *(whole_run(app, experiment, number) for number in range(first, min(runs, first + TOGETHER)))
        )
    return experiment


async def curve(app: App, points: int) -> str:
    """A run with one long series; its id."""
    answer = await send(app, "POST", "/api/2.0/mlflow/runs/create", b'{"experiment_id":"0"}')
    run: str = json.loads(answer)["run"]["info"]["run_id"]
    for first in range(0, points, 1000):
        points_of = [
            {"key": "curve", "value": (i * 7919 % 100003) / 100003, "timestamp": T0 + i, "step": i}
            for i in range(first, first + 1000)
        ]
        body = json.dumps({"run_id": run, "metrics": points_of}).encode()
        await send(app, "POST", "/api/2.0/mlflow/runs/log-batch", body)
    return run


async def timed(
    app: App, method: str, path: str, body: bytes, query: bytes = b"", count: int = 15
) -> tuple[float, float]:
    """The first answer's time, and the median of the next ones, in ms."""
    values = []
    for _ in range(count + 1):
        began = time.perf_counter()
        await send(app, method, path, body, query)
        values.append(1000 * (time.perf_counter() - began))
    return values[0], statistics.median(values[1:])


async def measure(app: App, small: int, large: int) -> None:
    """Fill, ask, print."""
    began = time.perf_counter()
    experiments = [await fill(app, f"of {runs}", runs) for runs in (small, large)]
    runs = [await curve(app, 10_000), await curve(app, 100_000)]
    print(f"filled in {time.perf_counter() - began:.0f} s")
    print(f"{'question':40} {small:>12,} {large:>12,} {'growth':>7}   first answer of the large one")
    for name, fields in QUESTIONS.items():
        body = [json.dumps({"experiment_ids": [e], "max_results": 100, **fields}).encode() for e in experiments]
        (_, one), (first, other) = [await timed(app, "POST", "/api/2.0/mlflow/runs/search", text) for text in body]
        print(f"{name:40} {one:9.2f} ms {other:9.2f} ms {other / one:6.1f}x   {first:.0f} ms")
    chart = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    query = [f"run_ids={run}&metric_key=curve&max_results=320".encode() for run in runs]
    (_, one), (first, other) = [await timed(app, "GET", chart, b"", text) for text in query]
    print(
        f"{'chart of 10,000 and 100,000 points':40} {one:9.2f} ms {other:9.2f} ms {other / one:6.1f}x   {first:.0f} ms"
    )


def bytes_per_point(app: App, path: Path, points: int) -> None:
    """Compact everything and say what the history takes."""
    compactor = app.state.compactor
    for number, _, _ in app.state.database.read(metrics.pending):
        compactor.compact(number)
    app.close()
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")
    size = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    history = sum(total for name, total in size.items() if "metric_chunk" in name or "metric_fresh" in name)
    print(f"history of {points:,} points after compaction: {history / points:.2f} bytes a point")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="modelyard-scale-") as folder:
        app = create_app(load({"data": folder}))
        checkpointer = Checkpointer(app.state.database)  # as in a server, else reads would go through all of the log
        checkpointer.start()
        uvloop.run(measure(app, options.small, options.large))
        checkpointer.stop()
        points = 100 * (options.small + options.large) + 110_000
        bytes_per_point(app, Path(folder) / "modelyard.db", points)


if __name__ == "__main__":
    main()
