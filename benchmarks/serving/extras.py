"""What is measured of our server alone: start, memory, `/health` under load, many connections."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from typing import Any

from servers import OURS, PEERS

STARTS = 3


def measure(bench: Any) -> dict[str, str]:
    """Each figure, as text."""
    found = {}
    peers = [each for each in PEERS if each.environment in bench.pythons and not bench.options.quick]
    for server in (OURS, *peers):
        seconds = []
        for _ in range(STARTS if server is OURS else 1):
            try:
                with bench.running(server, "forest") as target:
                    seconds.append(target.cold)
            except SystemExit as fault:
                print(fault, file=sys.stderr)
        if seconds:
            found[f"cold start of the forest, {server.name}"] = f"{statistics.median(seconds):.2f} s"
    for model in ("forest", "text", "onnx"):
        found[f"memory of a further worker, {model}"] = workers(bench, model)
    with bench.running(OURS, "forest") as target:
        found["`/health` while 64 connections load the forest"] = health(bench, target)
        many = bench.point(target, OURS, "forest", 1, 1000)
        found["1,000 connections"] = (
            f"{many['rps']:,.0f}/s, p50 {many['p50_ms']:.1f} ms, p99 {many['p99_ms']:.1f} ms, errors "
            f"{sum(many['errors'].values())}"
        )
        found["peak memory by then"] = f"{target.watch.now():.0f} MiB"
    return found


def health(bench: Any, target: Any) -> str:
    """Latency of `/health`, asked a hundred times a second."""
    over = threading.Event()
    times: list[float] = []

    def probe() -> None:
        connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
        while not over.wait(0.01):
            began = time.perf_counter()
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            times.append((time.perf_counter() - began) * 1000)
        connection.close()

    thread = threading.Thread(target=probe)
    thread.start()
    loaded = bench.point(target, OURS, "forest", 1, 64)
    over.set()
    thread.join()
    times.sort()
    return (
        f"p50 {times[len(times) // 2]:.2f} ms, p99 {times[len(times) * 99 // 100]:.2f} ms, max {times[-1]:.2f} ms "
        f"({len(times)} asked, at {loaded['rps']:,.0f} predictions/s)"
    )


def workers(bench: Any, model: str) -> str:
    """What a second process takes, in proportional shares; and what the model itself takes."""
    sums, private = [], 0.0
    for count in (1, 2):
        with bench.running(OURS, model, "--workers", str(count)) as target:
            ready(target.base)
            bench.point(target, OURS, model, 1, 64)
            pids = bench.tool.tree(target.pid)
            sums.append(bench.tool.pss_mib(pids))
            told = json.loads(urllib.request.urlopen(f"{target.base}/models").read())
            if count == 2:
                private = min(bench.tool.pss_mib([each]) for each in pids if each != target.pid)
    return (
        f"{sums[1] - sums[0]:.0f} MiB (PSS; {sums[0]:.0f} with one worker, {sums[1]:.0f} with two, each "
        f"{private:.0f} at least); the model with its libraries in a process alone {alone(bench, model):.0f} MiB; "
        f"at load it took {size(told):.0f} MiB"
    )


def ready(url: str) -> None:
    """Wait for all workers."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if urllib.request.urlopen(f"{url}/ready").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)


def size(told: Any) -> float:
    """MiB of the first model in the answer of `/models`."""
    models = told if isinstance(told, list) else told.get("models", [])
    return float(models[0].get("bytes", 0)) / 2**20 if models else 0.0


def alone(bench: Any, model: str) -> float:
    """MiB (PSS) of a process that has loaded the model and answered once, less that of a bare interpreter."""
    code = (
        "import sys\n"
        "if len(sys.argv) > 1:\n"
        "    from modelyard.packaging import model\n"
        "    function = model.load_function(sys.argv[1]); function.predict(function.input_example)\n"
        "print(next(int(l.split()[1]) for l in open('/proc/self/smaps_rollup') if l.startswith('Pss:')) / 1024)"
    )
    taken = []
    for arguments in ([], [str(bench.built / "saved" / model)]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        taken.append(float(done.stdout.split()[-1]))
    return taken[1] - taken[0]
