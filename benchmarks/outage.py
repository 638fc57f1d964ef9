"""A training loop that logs while its server dies and comes back, and a second one that is killed.

    python benchmarks/outage.py                                   # 60 s, 1,000 points/s, server away from 10 s to 40 s
    python benchmarks/outage.py --seconds 12 --from 2 --to 8      # a short look

Runs both twice, without and with the outage, and prints how long the loop and its calls took, and how many of the
points are on the server after `modelyard sync`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

from client_calls import count
from run import free_port, started

SLICE = 10
"""Points that are logged together, as a training loop logs several metrics a step."""


def work(seconds: float, rate: float, said: Path) -> None:
    """A loop of so many steps, each of which takes as long as it takes: it is not hurried on after a delay."""
    import modelyard as mlflow

    mlflow.set_tracking_uri(os.environ["URI"])
    mlflow.set_experiment("outage")
    run = mlflow.start_run()
    said.write_text(run.info.run_id)
    steps = int(seconds * rate / SLICE)
    times = array("q")
    clock = time.perf_counter_ns
    pause = SLICE / rate
    logged = said.with_suffix(".logged").open("w", buffering=1)
    began, own = clock(), time.thread_time()
    for step in range(steps):
        for point in range(SLICE):
            at = clock()
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step * SLICE + point)
            times.append(clock() - at)
        if step % 10 == 9:
            logged.write(f"{(step + 1) * SLICE}\n")
        time.sleep(pause)
    took, own = (clock() - began) / 1e9, time.thread_time() - own
    ordered = sorted(times)
    began = clock()
    mlflow.end_run()
    print(
        json.dumps(
            {
                "loop_s": took, "own_s": own, "points": len(times), "p50_us": ordered[len(times) // 2] / 1e3,
                "p99_us": ordered[len(times) * 99 // 100] / 1e3, "max_us": ordered[-1] / 1e3,
                "end_run_s": (clock() - began) / 1e9,
            }
        )
    )  # fmt: skip


def client(folder: Path, url: str, name: str, seconds: float, rate: float) -> subprocess.Popen[str]:
    """A process with the loop."""
    environ = {**os.environ, "URI": url, "MODELYARD_SPOOL": str(folder / "spool"), "MODELYARD_SYSTEM_METRICS": "false"}
    command = [sys.executable, __file__, "--worker", str(seconds), str(rate), str(folder / name)]
    return subprocess.Popen(command, env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate()
    if process.returncode:
        sys.exit(errors[-2000:])
    if errors:
        print("  it said: " + "\n           ".join(errors.splitlines()))
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1000, help="points a second")
    parser.add_argument("--from", type=float, default=10, dest="begin", help="when the server is killed")
    parser.add_argument("--to", type=float, default=40, help="when it is started again")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        seconds, rate, said = options.worker
        work(float(seconds), float(rate), Path(said))
        return
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "modelyard.cli.main", "server", "--port", str(port), "--data", f"{name}/data"]
        with started(command, port, folder):
            process = client(folder, url, "calm", options.seconds, options.rate)
            victim = client(folder, url, "calm victim", options.seconds, options.rate)
            time.sleep((options.begin + options.to) / 2)
            victim.kill()
            victim.communicate()
            calm = ended(process)
        with started(command, port, folder) as pid:
            process = client(folder, url, "outage", options.seconds, options.rate)
            victim = client(folder, url, "victim", options.seconds, options.rate)
            time.sleep(options.begin)
            os.kill(pid, signal.SIGKILL)
            print(f"server killed at {options.begin:g} s")
            time.sleep((options.to - options.begin) / 2)
            victim.kill()
            victim.communicate()
            print("second client killed")
            time.sleep((options.to - options.begin) / 2)
        with started(command, port, folder):
            print(f"server started at {options.to:g} s")
            outage = ended(process)
            environ = {**os.environ, "MODELYARD_SPOOL": str(folder / "spool")}
            synced = subprocess.run(
                [sys.executable, "-m", "modelyard.cli.main", "sync"], env=environ, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            print(f"sync: {synced.stdout.strip()} {synced.stderr.strip()} (exit code {synced.returncode})\n")
            print("| loop | s | its thread's own s | p50 µs | p99 µs | max µs | logged | on the server |")
            print("|---|---:|---:|---:|---:|---:|---:|---:|")
            for label, said, found in (("calm", "calm", calm), ("outage", "outage", outage)):
                there = count(url, (folder / said).read_text())
                print(
                    f"| {label} | {found['loop_s']:.2f} | {found['own_s']:.2f} | "
                    f"{found['p50_us']:.1f} | {found['p99_us']:.1f} | {found['max_us']:,.0f} | {found['points']:,} | "
                    f"{there:,} |"
                )
            returned = int((folder / "victim.logged").read_text().split()[-1])
            there = count(url, (folder / "victim").read_text())
            print(f"| killed | | | | | | {returned:,} at least | {there:,} |")
            exact = count(url, (folder / "outage").read_text()) == outage["points"] and returned <= there
            print(f"\nevery point exactly once: {'yes' if exact else 'NO'}")
            if not exact:
                sys.exit(1)


if __name__ == "__main__":
    main()
