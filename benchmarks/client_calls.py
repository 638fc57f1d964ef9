"""What a call of `log_metric` costs the training loop: `modelyard`, `mlflow` and `mlflow-skinny`, in turn.

    python benchmarks/client_calls.py --mlflow ENV/bin/python --skinny ENV/bin/python [--mlflow-server ENV/bin/mlflow]

Every client runs in a process of its own and logs to an empty server: Modelyard's, which answers fastest, and with
`--mlflow-server` also a stock one. The rounds are interleaved; the figures are medians over the rounds. After each
process ended, the points are counted on the server.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from array import array
from pathlib import Path
from typing import Any

from run import free_port, started

RATE = 200_000
"""Calls a second of the paced variant."""

# variant → (client, how, calls)
VARIANTS: dict[str, tuple[str, str, int]] = {
    "modelyard": ("modelyard", "plain", 1_000_000),
    f"modelyard, {RATE:,} calls/s": ("modelyard", "paced", 1_000_000),
    "modelyard, synchronous": ("modelyard", "synchronous", 300),
    "mlflow": ("mlflow", "plain", 300),
    "mlflow, asynchronous": ("mlflow", "asynchronous", 3000),
    "mlflow-skinny": ("skinny", "plain", 300),
    "mlflow-skinny, asynchronous": ("skinny", "asynchronous", 3000),
}


# ------------------------------------------------------------------------------------ in the client's process


def rss() -> int:
    """Resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work(client: str, how: str, calls: int) -> dict[str, Any]:
    """Log, and time each call."""
    if client == "modelyard":
        import modelyard as mlflow
    else:
        import mlflow  # type: ignore[no-redef]

    mlflow.set_tracking_uri(os.environ["URI"])
    mlflow.set_experiment("benchmark")
    run = mlflow.start_run()
    log, clock = mlflow.log_metric, time.perf_counter_ns
    options = {"asynchronous": {"synchronous": False}, "synchronous": {"synchronous": True}}.get(how, {})
    for step in range(min(100, calls)):
        log("warm", 1.0, step=step, **options)
    times = array("q", bytes(8 * calls))
    before, most = rss(), 0
    began = clock()
    for step in range(calls):
        if how == "paced" and step % 200 == 0:
            while clock() - began < step * 1_000_000_000 // RATE:
                pass
        at = clock()
        log("loss", 0.5, step=step, **options)
        times[step] = clock() - at
        if step % 65_536 == 0:
            most = max(most, rss())
    loop = (clock() - began) / 1e9
    most = max(most, rss())
    began = clock()
    mlflow.end_run()
    flush = getattr(mlflow, "flush_async_logging", None)
    if flush is not None:
        flush()
    ordered = sorted(times)
    return {
        "run": run.info.run_id,
        "rate": calls / loop,
        "p50": ordered[calls // 2] / 1e3,
        "p99": ordered[calls * 99 // 100] / 1e3,
        "max": ordered[-1] / 1e3,
        "flush_s": (clock() - began) / 1e9,
        "grown_mb": (most - before) / 2**20,
    }


# ------------------------------------------------------------------------------------ around it


def count(url: str, run: str) -> int:
    """How many points of the run the server has."""
    total, token = 0, ""
    while True:
        query = {"run_id": run, "metric_key": "loss", "max_results": 25_000, **({"page_token": token} if token else {})}
        with urllib.request.urlopen(
            f"{url}/api/2.0/mlflow/metrics/get-history?{urllib.parse.urlencode(query)}"
        ) as answer:
            page = json.load(answer)
        total += len(page.get("metrics", []))
        token = page.get("next_page_token", "")
        if not token:
            return total


def measure(python: str, url: str, variant: str, folder: Path, share: float) -> dict[str, Any]:
    """One process of one variant."""
    client, how, calls = VARIANTS[variant]
    calls = max(100, int(calls * share))
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "MODELYARD_"))}
    environ = {
        **kept, "URI": url, "MODELYARD_SPOOL": str(folder / "spool"), "MODELYARD_SYSTEM_METRICS": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    }  # fmt: skip
    command = [python, "-W", "ignore", __file__, "--worker", client, how, str(calls)]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{variant}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["lost"] = calls - count(url, found["run"])
    return found


COLUMNS = [("rate", "calls/s"), ("p50", "p50 µs"), ("p99", "p99 µs"), ("max", "max µs"), ("flush_s", "flush s"),
           ("grown_mb", "memory MiB"), ("lost", "lost")]  # fmt: skip


def table(title: str, results: dict[str, list[dict[str, Any]]]) -> None:
    """Medians over the rounds; of what was lost, the sum."""
    print(f"\n{title}\n")
    print("| client | " + " | ".join(label for _, label in COLUMNS) + " |")
    print("|---|" + "---:|" * len(COLUMNS))
    for variant, rounds in results.items():
        cells = []
        for name, _ in COLUMNS:
            values = [each[name] for each in rounds]
            value = sum(values) if name == "lost" else statistics.median(values)
            cells.append(f"{value:,.0f}" if name in ("rate", "lost") or value >= 100 else f"{value:.2f}")
        print(f"| {variant} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlflow", help="a Python that has mlflow")
    parser.add_argument("--skinny", help="a Python that has mlflow-skinny")
    parser.add_argument("--modelyard", default=sys.executable, help="a Python that has modelyard")
    parser.add_argument("--mlflow-server", help="an `mlflow` executable: log to its server too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the calls: 0.1 for a quick look")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        client, how, calls = options.worker
        print(json.dumps(work(client, how, int(calls))))
        return
    pythons = {"modelyard": options.modelyard, "mlflow": options.mlflow, "skinny": options.skinny}
    wanted = [variant for variant, (client, _, _) in VARIANTS.items() if pythons[client]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        ours = [
            str(Path(sys.executable).with_name("modelyard")),
            "server",
            "--port",
            str(port),
            "--data",
            name + "/data",
        ]
        servers = {"To a Modelyard server": (ours, port)}
        if options.mlflow_server:
            port = free_port()
            store = [
                "--backend-store-uri",
                f"sqlite:///{name}/mlflow.db",
                "--artifacts-destination",
                f"{name}/artifacts",
            ]
            servers["To a stock MLflow server"] = (
                [options.mlflow_server, "server", "--port", str(port), "--workers", "1", *store], port
            )  # fmt: skip
        for title, (command, port) in servers.items():
            with started(command, port, folder / str(port)):
                results: dict[str, list[dict[str, Any]]] = {variant: [] for variant in wanted}
                for at in range(options.rounds):
                    for variant in wanted[at % len(wanted) :] + wanted[: at % len(wanted)]:
                        share = options.share / (100 if "stock" in title and "modelyard" in variant else 1)
                        results[variant].append(
                            measure(pythons[VARIANTS[variant][0]], f"http://127.0.0.1:{port}", variant, folder, share)
                        )
                table(title, results)


if __name__ == "__main__":
    main()
