"""What the gateway costs: the wine forest asked at its model server and through the gateway, by turns, on one machine.

    python benchmarks/gateway.py                     # latency, throughput, a shadow at 100 %, splits, changes
    python benchmarks/gateway.py --only points --rounds 5 --nice -10

`--tool` is the neutral load tool (see README.md here), which drives `wrk`. The gateway records every prediction, with
its input, and a Modelyard server takes them into SQLite meanwhile; its routing table is a file, so that nothing but
the gateway is measured. Every figure is the median of the rounds; one during which anything else used more than 0.15
of a core carries a `*`. On a machine that others use, `--realtime` comes close to what a quiet one says; where all
cores are full, its p99 then holds the kernel's bound on such processes (50 ms of each second).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "serving"))

import models
from run import free_port
from serving import load_tool

HERE = Path(__file__).parent
PARTS = ("points", "shadow", "splits", "changes")
NOISY = 0.15
READY_S = 120.0


def say(*told: object) -> None:
    print(*told, file=sys.stderr, flush=True)


class Stand:
    """The processes: two model servers of the same forest, a Modelyard server, a gateway.

    Args:
        options: of the command line.
        tool: the load tool.
        work: a directory of its own.
    """

    def __init__(self, options: argparse.Namespace, tool: ModuleType, work: Path) -> None:
        self.options, self.tool, self.work = options, tool, work
        self.table = work / "table.json"
        self.body = work / "row.json"
        self.ports = {name: free_port() for name in ("one", "two", "server", "gateway")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @contextlib.contextmanager
    def up(self, saved: Path) -> Iterator[None]:
        self.body.write_bytes(models.natural("forest", models.rows(1)))
        self.route()
        try:
            for name in ("one", "two"):
                self._start(name, "serve", f"wine={saved}", "--port", self.ports[name])
            self._start("server", "server", "--port", self.ports["server"], "--data", self.work / "data")
            for name, page in (("one", "/ready"), ("two", "/ready"), ("server", "/health")):
                self._wait(name, page)
            self._start(
                "gateway", "gateway", "--port", self.ports["gateway"], "--table", self.table, "--server",
                self.url("server"), "--folder", self.work / "gateway",
            )  # fmt: skip
            self._wait("gateway", "/ready")
            for name in ("one", "two", "gateway"):
                # what delivers the gateway's predictions stays where it put itself
                pids = self.tool.tree(self.processes[name].pid)[: 1 if name == "gateway" else None]
                if self.options.nice is not None:
                    self.tool.prefer(pids, self.options.nice)
                if self.options.realtime:
                    first(pids)
            yield
        finally:
            for process in reversed(self.processes.values()):
                process.terminate()
            for process in self.processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                process.kill()

    def _start(self, name: str, *arguments: object) -> None:
        log = (self.work / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "modelyard.cli.main", *map(str, arguments)]
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def _wait(self, name: str, page: str) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if ask(self.ports[name], "GET", page)[0] == 200:
                    return
            if self.processes[name].poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"{name} is not ready: {(self.work / f'{name}.log').read_text()[-2000:]}")

    def route(self, two: float = 0.0, shadow: float | None = None) -> None:
        """Another table: the second revision's weight, and its share as a shadow."""
        mine: dict[str, Any] = {"replicas": [self.url("one")], "model": "forest", "version": "1", "weight": 1 - two}
        other: dict[str, Any] = {"replicas": [self.url("two")], "model": "forest", "version": "2", "weight": two}
        if shadow is not None:
            other["shadow"] = shadow
        fresh = self.table.with_suffix(".fresh")
        fresh.write_text(json.dumps({"deployments": {"wine": {"revisions": [mine, other]}}}))
        fresh.replace(self.table)

    def settle(self, true: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the gateway works by the table."""
        while True:
            told = json.loads(ask(self.ports["gateway"], "GET", "/deployments")[2])["deployments"][0]
            if true(told) and all(each["ready"] for one in told["revisions"] for each in one["replicas"]):
                return
            time.sleep(0.05)

    def target(self, name: str) -> Any:
        return self.tool.Target(self.url(name), "/models/wine/predict", str(self.body), "application/json", "POST")

    def busy(self) -> float:
        """CPU seconds of all our processes."""
        pids = {pid for each in self.processes.values() for pid in self.tool.tree(each.pid)}
        return float(self.tool.cpu_s(sorted(pids)))

    def measured(self, name: str, connections: int, seconds: float) -> dict[str, Any]:
        """One point by wrk, with what everything else used of the machine."""
        mine, all_, began = self.busy(), self.tool.busy_s(), time.perf_counter()
        with self._first():
            point: dict[str, Any] = self.tool.point(self.target(name), connections, self._asked(seconds))
        wall = time.perf_counter() - began
        point["other"] = max(0.0, (self.tool.busy_s() - all_ - self.busy() + mine) / wall - point["client_cpu"])
        return point

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        """The load, too, goes before everybody else."""
        if not self.options.realtime:
            yield
            return
        first([os.getpid()])
        try:
            yield
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def _asked(self, seconds: float) -> argparse.Namespace:
        return argparse.Namespace(
            duration=seconds, warmup=1.0, nice=self.options.nice, threads=1, pin_client=None, timeout=30.0,
            no_wrk=False, tries=1, max_other=NOISY,
        )  # fmt: skip

    def steady(self, name: str, rate: float, seconds: float) -> dict[str, Any]:
        """So many requests a second, whatever the answers take."""
        asked = argparse.Namespace(
            rate=rate, duration=seconds, timeout=10.0, keepalive=True, mark=None, slow=1.0, nice=None
        )
        mine, all_, began = self.busy(), self.tool.busy_s(), time.perf_counter()
        used = time.process_time()
        with self._first():
            found: dict[str, Any] = asyncio.run(self.tool.open_loop(self.target(name), asked))
        wall = time.perf_counter() - began
        client = time.process_time() - used
        found["other"] = max(0.0, (self.tool.busy_s() - all_ - self.busy() + mine - client) / wall)
        return found


def first(pids: list[int]) -> None:
    """Have processes, with all their threads, go before everybody else's."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(10))


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def median(found: list[dict[str, Any]], name: str) -> float:
    return statistics.median(float(each[name]) for each in found)


def mark(*found: list[dict[str, Any]]) -> str:
    return "*" if any(median(each, "other") > NOISY for each in found) else ""


def points(stand: Stand) -> dict[str, Any]:
    """Direct and through the gateway, at 1, 8 and 64 connections."""
    out = {}
    print("| connections | direct /s | gateway /s | kept | p50 added ms | p99 direct, gateway ms |")
    print("|---:|---:|---:|---:|---:|---:|")
    for connections in stand.options.connections:
        found: dict[str, list[dict[str, Any]]] = {"one": [], "gateway": []}
        for at in range(stand.options.rounds):
            for name in ("one", "gateway") if at % 2 == 0 else ("gateway", "one"):
                stand.measured(name, connections, 1)
                found[name].append(point := stand.measured(name, connections, stand.options.seconds))
                say(f"{connections} {name}: {point['rps']:,.0f}/s p50 {point['p50_ms']} p99 {point['p99_ms']} "
                    f"other {point['other']:.2f} errors {sum(point['errors'].values())}")  # fmt: skip
        one, gate = found["one"], found["gateway"]
        ratio = statistics.median(b["rps"] / a["rps"] for a, b in zip(one, gate, strict=True))
        added = statistics.median(b["p50_ms"] - a["p50_ms"] for a, b in zip(one, gate, strict=True))
        rates = f"{median(one, 'rps'):,.0f} | {median(gate, 'rps'):,.0f}"
        print(f"| {connections}{mark(one, gate)} | {rates} | {ratio:.2f} | {added:.2f} "
              f"| {median(one, 'p99_ms'):.2f}, {median(gate, 'p99_ms'):.2f} |")  # fmt: skip
        errors = sum(sum(each["errors"].values()) for each in gate)
        out[connections] = {"kept": ratio, "p50_added_ms": added, "errors": errors, **found}
        if errors:
            print(f"\n{errors} requests failed.\n")
    told = json.loads(ask(stand.ports["gateway"], "GET", "/deployments")[2])
    print(f"\nPredictions dropped: {told['predictions_dropped']}, not delivered yet: {told['predictions_pending']}.")
    return out


def shadow(stand: Stand) -> dict[str, Any]:
    """Callers' latency with and without a shadow that gets every request."""
    out = {}
    print("\n| requests a second | p50 without, with ms | p99 without, with ms | p99 with / without |")
    print("|---:|---:|---:|---:|")
    for rate in stand.options.rates:
        found: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for at in range(2 * stand.options.rounds):
            for copies in (False, True) if at % 2 == 0 else (True, False):
                stand.route(shadow=1.0 if copies else None)
                stand.settle(lambda told, copies=copies: bool(told["shadow"]) is copies)  # type: ignore[misc]
                stand.steady("gateway", rate, 0.5)
                found[copies].append(point := stand.steady("gateway", rate, stand.options.seconds))
                say(f"{rate:g}/s shadow {copies}: p50 {point['p50_ms']} p99 {point['p99_ms']} failed {point['failed']} "
                    f"other {point['other']:.2f}")  # fmt: skip
        without, with_ = found[False], found[True]
        ratio = median(with_, "p99_ms") / median(without, "p99_ms")
        print(f"| {rate:g}{mark(without, with_)} | {median(without, 'p50_ms'):.2f}, {median(with_, 'p50_ms'):.2f} "
              f"| {median(without, 'p99_ms'):.2f}, {median(with_, 'p99_ms'):.2f} | {ratio:.2f} |")  # fmt: skip
        out[rate] = {"p99_ratio": ratio, "without": without, "with": with_}
    stand.route()
    return out


def splits(stand: Stand) -> dict[str, Any]:
    """How far shares of 10,000 requests are from what they should be."""
    out = {}
    body = stand.body.read_bytes()
    for weight in (0.01, 0.1, 0.5):
        stand.route(two=weight)
        stand.settle(lambda told, weight=weight: told["shares"][-1]["weight"] == weight)  # type: ignore[misc]
        seen: Counter[str] = Counter()
        connection = http.client.HTTPConnection("127.0.0.1", stand.ports["gateway"], timeout=30)
        for _ in range(stand.options.requests):
            connection.request("POST", "/models/wine/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            seen[answer.headers["modelyard-revision"]] += 1
        connection.close()
        got = seen["2"] / stand.options.requests
        print(f"\nA share of {weight:.0%} got {got:.2%} of {stand.options.requests:,} requests.")
        out[str(weight)] = got
    stand.route()
    return out


def changes(stand: Stand) -> dict[str, Any]:
    """From a table's change in a file to the first answer by it."""
    body, took = stand.body.read_bytes(), []
    for at in range(10):
        before, wanted = ("1", "2") if at % 2 == 0 else ("2", "1")
        stand.route(two=1.0 if before == "2" else 0.0)
        stand.settle(lambda told, before=before: [str(each["to"]) for each in told["shares"]] == [before])  # type: ignore[misc]
        began = time.perf_counter()
        stand.route(two=1.0 if wanted == "2" else 0.0)
        headers = {"modelyard-revision": ""}
        while headers["modelyard-revision"] != wanted:
            status, headers, _ = ask(stand.ports["gateway"], "POST", "/models/wine/predict", body)
            if status != 200:
                sys.exit(f"A request failed with {status} during a change.")
        took.append(time.perf_counter() - began)
    print(f"\nFrom a file's change to an answer by it: median {statistics.median(took):.2f} s, most {max(took):.2f} s.")
    stand.route()
    return {"seconds": took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = HERE.parent.parent / "shared" / "bench" / "serving.py"
    parser.add_argument("--tool", default=os.environ.get("SERVING_TOOL", str(default)), help="the load tool")
    parser.add_argument("--only", type=lambda text: text.split(","), default=PARTS, help=f"of {','.join(PARTS)}")
    parser.add_argument("--connections", type=lambda text: [int(each) for each in text.split(",")], default=(1, 8, 64))
    parser.add_argument("--rates", type=lambda text: [float(each) for each in text.split(",")], default=(200.0,))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=10_000, help="for each split")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement, after one that warms up")
    parser.add_argument("--nice", type=int, help="scheduling value of everything but the server; -10 as root")
    parser.add_argument("--realtime", action="store_true", help="let all of that go before everybody else; as root")
    parser.add_argument("--models", help="where the models are, or are put; default: a temporary directory")
    parser.add_argument("--out", help="the results as JSON")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="modelyard-gateway-"))
    try:
        built = Path(options.models).absolute() if options.models else work / "models"
        models.build(built)
        stand = Stand(options, load_tool(options.tool), work)
        found = {}
        with stand.up(built / "saved" / "forest"):
            for part in PARTS:
                if part in options.only:
                    found[part] = globals()[part](stand)
        if options.out:
            Path(options.out).write_text(json.dumps(found, indent=1))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
