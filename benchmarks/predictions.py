"""Predictions recorded end to end: a gateway's journal, its delivering process, the server, the database.

    python benchmarks/predictions.py                          # 5,000 a second for 30 s into SQLite
    python benchmarks/predictions.py --database URL           # into a PostgreSQL database of your own
    python benchmarks/predictions.py --seconds 5 --rate 2000  # a short look

Starts a server on an empty database and a process that records as a gateway does, at a steady rate and then as fast as
it can; counts afterwards what is in the database. A prediction has an input of a dozen fields and an answer with label
and score.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from array import array
from pathlib import Path
from typing import Any

from run import free_port, started

INPUT = json.dumps({"inputs": [{f"feature_{at}": 1.25 * at for at in range(12)}]}).encode()
OUTPUT = json.dumps({"predictions": [{"label": "red", "score": 0.93}]}).encode()
BURST = 100_000
SLICES = 200
"""So many times a second, the steady load records what is due."""


def record(folder: str, url: str, rate: float, seconds: float) -> None:
    """What the recording process does; prints its figures as JSON."""
    from modelyard.domain.predictions import Ids
    from modelyard.serving.gateway.entries import Entry
    from modelyard.serving.gateway.recorder import Recorder

    recorder = Recorder(Path(folder), url, "benchmark")
    recorder.start()
    ids = Ids(os.urandom(5))
    clock = time.perf_counter_ns
    times = array("q")

    def one() -> None:
        now = time.time_ns() // 1_000_000
        entry = Entry(
            ids.next(now), "wine", now, 1, "", "wine", "3", "stable", "", 1200, 200, 0, INPUT, OUTPUT, label="red",
            score=0.93, positive=True,
        )  # fmt: skip
        at = clock()
        recorder.record(entry)
        times.append(clock() - at)

    def settle() -> float:
        began = time.perf_counter()
        while recorder.pending:
            time.sleep(0.005)
        return time.perf_counter() - began

    one()
    settle()  # everything runs, and is warm
    figures: dict[str, Any] = {}
    most, recorded, began = 0, 0, time.perf_counter()
    while recorded < rate * seconds:
        due = int(min(time.perf_counter() - began, seconds) * rate)
        for _ in range(due - recorded):
            one()
        recorded = max(recorded, due)
        most = max(most, recorder.pending)
        time.sleep(1 / SLICES)
    took = time.perf_counter() - began
    figures |= {"rate": recorded / took, "recorded": recorded + 1, "most_pending": most, "left_s": settle()}
    figures |= quantiles(times)
    times = array("q")
    began = time.perf_counter()
    for _ in range(BURST):
        one()
    figures["burst_record_s"] = time.perf_counter() - began
    figures["burst_rate"] = BURST / (figures["burst_record_s"] + settle())
    figures["recorded"] += BURST
    figures |= {"dropped": recorder.dropped, "rejected": recorder.rejected, "own_cpu_s": time.process_time()}
    figures["deliverer_cpu_s"] = cpu(recorder.deliverer)
    recorder.close()
    print(json.dumps(figures))


def quantiles(times: array[int]) -> dict[str, float]:
    """Of the time that one call took, in µs."""
    ordered = sorted(times)
    return {name: ordered[int(len(ordered) * at)] / 1000 for name, at in (("p50_us", 0.5), ("p99_us", 0.99))} | {
        "max_us": ordered[-1] / 1000
    }


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stored(url: str) -> tuple[int, int]:
    """How many predictions the server holds, and how many it counted."""
    with urllib.request.urlopen(f"{url}/api/v1/predictions/export?deployment=wine") as answer:
        ids = {json.loads(line)["id"] for line in answer}
    with urllib.request.urlopen(f"{url}/api/v1/statistics?deployment=wine") as answer:
        return len(ids), json.loads(answer.read())["total"]["calls"]


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--database", default="")
    parser.add_argument("--record", nargs=2, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.record:
        record(*told.record, told.rate, told.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), free_port()
        command = [sys.executable, "-m", "modelyard.cli.main", "server", "--port", str(port), "--data", folder]
        command += ["--database", told.database] if told.database else []
        with started(command, port, home / "server") as pid:
            url = f"http://127.0.0.1:{port}"
            before = cpu(pid)
            arguments = [
                "--rate",
                str(told.rate),
                "--seconds",
                str(told.seconds),
                "--record",
                f"{folder}/journals",
                url,
            ]
            done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True)
            figures = json.loads(done.stdout)
            figures["server_cpu_s"] = cpu(pid) - before
            figures["stored"], figures["counted"] = stored(url)
            for path in home.glob("modelyard.db"):
                figures["bytes_each"] = path.stat().st_size / figures["stored"]
    figures["lost"] = figures["recorded"] - figures["stored"]
    for name, value in figures.items():
        print(f"{name:16} {value:,.1f}" if isinstance(value, float) else f"{name:16} {value:,}")
    if figures["lost"] or figures["stored"] != figures["counted"]:
        sys.exit("predictions were lost, or counted wrongly")


if __name__ == "__main__":
    main()
