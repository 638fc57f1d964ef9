"""The model server beside what a team would pick today: `mlflow models serve`, BentoML, LitServe, MLServer, Ray Serve
and plain FastAPI, each at its best, all with the same model files.

    python benchmarks/serving.py --env fastapi=ENV/bin/python --env litserve=... --env mlserver=... --quick
    python benchmarks/serving.py --env ... --work DIR           # everything; started again, it goes on where it was
    python benchmarks/serving.py --only identical,extras         # without peers
    python benchmarks/serving.py --soak 600                      # ten minutes of bad clients and killed workers

`--tool` is the neutral load tool (see README.md here), which drives `wrk`. Servers of one model run side by side and
take turns, forwards and backwards, one at a time under load; every figure is the median of the rounds. A figure during
which anything else used more than 0.15 of a core carries a `*`. Peers without an `--env` are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "serving"))

import models
import servers
from run import free_port
from servers import OURS, PEERS, QUICK, VARIANTS, Server, Start

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 64)
ROWS = 32
NOISY = 0.15
PARTS = ("table", "limits", "extras", "identical")


def say(*told: object) -> None:
    print(*told, file=sys.stderr, flush=True)


class Bench:
    """What has been measured so far, and how to measure more.

    Args:
        options: of the command line.
        tool: the load tool, as a module.
        work: where models, servers' logs and results lie.
    """

    def __init__(self, options: argparse.Namespace, tool: ModuleType, work: Path) -> None:
        self.options = options
        self.tool = tool
        self.work = work
        self.built = work / "models"
        self.out = Path(options.out) if options.out else work / "serving.json"
        self.found: dict[str, Any] = json.loads(self.out.read_text()) if self.out.exists() else {}
        self.pythons = {"": sys.executable, **dict(each.split("=", 1) for each in options.env)}
        self.asked = argparse.Namespace(
            duration=options.seconds, warmup=1.0, nice=options.nice, threads=1, pin_client=None, timeout=30.0,
            no_wrk=False, tries=1, max_other=NOISY,
        )  # fmt: skip

    def keep(self, key: str, value: Any) -> None:
        self.found[key] = value
        self.out.write_text(json.dumps(self.found, indent=1))

    def body(self, server: Server, model: str, count: int) -> str:
        path = self.work / "bodies" / f"{model}-{count}-{server.body.__name__}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(server.body(model, models.inputs(model, count)))
        return str(path)

    @contextlib.contextmanager
    def running(self, server: Server, model: str, *options: str) -> Iterator[Any]:
        """A server, from its first right answer to its end, as the tool's target."""
        scratch = self.work / "servers" / "".join(each if each.isalnum() else "-" for each in server.name)
        scratch.mkdir(parents=True, exist_ok=True)
        start = Start(self.pythons[server.environment], free_port(), model, self.built, scratch)
        command = servers.modelyard(start, *options) if options else server.start(start)
        target = self.tool.Target(
            f"http://127.0.0.1:{start.port}", server.path, self.body(server, model, 1), "application/json", "POST"
        )
        try:
            target.start(command, log=str(scratch / f"{model}.log"))
            yield target
        finally:
            target.stop()

    def point(self, target: Any, server: Server, model: str, count: int, connections: int) -> dict[str, Any]:
        target.payload = self.body(server, model, count)
        target.body = Path(target.payload).read_bytes()
        self.tool.point(target, connections, self.asked, self.asked.warmup)
        found: dict[str, Any] = self.tool.point(target, connections, self.asked)
        return found

    # ------------------------------------------------------------ the table

    def chosen(self, model: str) -> list[list[Server]]:
        """Servers that run side by side, ours first in each group."""
        wanted = [each for each in PEERS if model in each.models and each.environment in self.pythons]
        extra = [each for each in VARIANTS if model in each.models]
        if self.options.quick:
            wanted, extra = [each for each in wanted if each.name in QUICK[model]], []
        quiet = [OURS, *extra, *(each for each in wanted if not each.background)]
        return [quiet, *([OURS, each] for each in wanted if each.background)]

    def table(self) -> None:
        for model in self.options.models:
            for group in self.chosen(model):
                try:
                    self.group(model, group)
                except SystemExit as fault:
                    say(f"{model}: {fault}")

    def group(self, model: str, group: list[Server]) -> None:
        """All points of one model and the servers that take turns."""
        rounds = range(self.options.rounds)
        points = [(1, each) for each in self.options.connections] + ([] if self.options.quick else [(ROWS, 8)])
        together = "quiet" if len(group) != 2 or not group[1].background else group[1].name
        key = "{}|{}|{}|{}|{}|{}".format
        keys = [
            key(model, rows, connections, together, server.name, at)
            for rows, connections in points for server in group for at in rounds
        ]  # fmt: skip
        if all(each in self.found for each in keys):
            return
        with contextlib.ExitStack() as stack:
            targets = {}
            for server in group:
                try:
                    targets[server.name] = target = stack.enter_context(self.running(server, model))
                except SystemExit as fault:
                    say(f"{server.name} does not serve {model}: {fault}")
                    continue
                say(f"{model}: {server.name} answered after {target.cold} s: {target.once()[1][:60]!r}")
                self.keep(f"cold|{model}|{together}|{server.name}", target.cold)
            for rows, connections in points:
                for at in rounds:
                    for server in group if at % 2 == 0 else group[::-1]:
                        name = key(model, rows, connections, together, server.name, at)
                        if name in self.found or server.name not in targets:
                            continue
                        found = self.point(targets[server.name], server, model, rows, connections)
                        self.keep(name, found)
                        say(
                            f"{name}: {found['rps']:,.0f}/s p50 {found['p50_ms']} p99 {found['p99_ms']} "
                            f"cpu {found['cpu_ms_per_request']} ms other {found['other_cpu']} "
                            f"errors {sum(found['errors'].values())}"
                        )
            for server in group:
                if server.name in targets:
                    self.keep(f"peak|{model}|{together}|{server.name}", targets[server.name].watch.now())

    def rounds_of(self, model: str, rows: int, connections: int, together: str, name: str) -> list[dict[str, Any]]:
        start = f"{model}|{rows}|{connections}|{together}|{name}|"
        return [value for key, value in self.found.items() if key.startswith(start)]

    def printed(self, model: str) -> None:
        """The tables of one model."""
        points = [(1, each) for each in self.options.connections] + ([] if self.options.quick else [(ROWS, 8)])
        heads = [f"{connections}" if rows == 1 else f"{rows} rows, {connections}" for rows, connections in points]
        print(f"\n### {model}\n\nRequests a second, and ours as a multiple of theirs, by number of connections.\n")
        print("| server | " + " | ".join(heads) + " | p99 ms @64 | CPU ms @8 | peak MiB | cold start s | errors |")
        print("|---|" + "---:|" * (len(points) + 5))
        for group in self.chosen(model):
            together = "quiet" if len(group) != 2 or not group[1].background else group[1].name
            for server in group:
                if server is OURS and together != "quiet":
                    continue
                self.row(model, points, together, server)

    def row(self, model: str, points: Sequence[tuple[int, int]], together: str, server: Server) -> None:
        cells, errors = [], 0
        p99 = cpu = "–"
        for rows, connections in points:
            found = self.rounds_of(model, rows, connections, together, server.name)
            mine = self.rounds_of(model, rows, connections, together, OURS.name)
            if not found:
                cells.append("–")
                continue
            rate = median(found, "rps")
            errors += sum(sum(each["errors"].values()) for each in found)
            noisy = "*" if median(found, "other_cpu") > NOISY else ""
            times = f" ({median(mine, 'rps') / rate:.1f} x)" if server is not OURS and mine and rate else ""
            cells.append(f"{rate:,.0f}{noisy}{times}")
            if (rows, connections) == (1, 64):
                p99 = f"{median(found, 'p99_ms'):,.1f}"
            if (rows, connections) == (1, 8):
                cpu = f"{median(found, 'cpu_ms_per_request'):.3f}"
        if all(each == "–" for each in cells):
            return
        peak = self.found.get(f"peak|{model}|{together}|{server.name}", 0)
        cold = self.found.get(f"cold|{model}|{together}|{server.name}", 0)
        print(f"| {server.name} | {' | '.join(cells)} | {p99} | {cpu} | {peak:,.0f} | {cold:.2f} | {errors} |")

    # ------------------------------------------------------------ how far from the model itself

    def limits(self) -> None:
        for model in self.options.models:
            if f"limits|{model}" in self.found:
                continue
            command = [sys.executable, str(HERE / "serving" / "limits.py"), str(self.built / "saved" / model), model]
            one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            done = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"limits of {model}: {done.stderr[-2000:]}")
            self.keep(f"limits|{model}", json.loads(done.stdout))

    def printed_limits(self) -> None:
        print("\n### Distance to the model itself\n\nRows a second in a loop in one process, one thread, no server.\n")
        print("| model | | 1 row | 32 rows | 256 rows | server at 64 connections | of the best with JSON |")
        print("|---|---|---:|---:|---:|---:|---:|")
        labels = {"as_loaded": "as loaded", "tuned": "as the worker tuned it", "with_json": "and JSON of each row"}
        for model in self.options.models:
            found = self.found.get(f"limits|{model}")
            reached = self.rounds_of(model, 1, 64, "quiet", OURS.name)
            for name, rates in (found or {}).items():
                cells = " | ".join(f"{float(rate) * int(size):,.0f}" for size, rate in rates.items())
                last = " | "
                if name == "with_json" and reached:
                    rate = median(reached, "rps")
                    best = max(float(each) * int(size) for size, each in rates.items())
                    last = f"{rate:,.0f} | {rate / best:.2f}"
                print(f"| {model} | {labels[name]} | {cells} | {last} |")

    # ------------------------------------------------------------ the rest

    def extras(self) -> None:
        if "extras" not in self.found:
            import extras

            self.keep("extras", extras.measure(self))

    def printed_extras(self) -> None:
        print("\n### Start, memory, health\n")
        for name, value in self.found.get("extras", {}).items():
            print(f"- {name}: {value}")

    def identical(self) -> None:
        import identical

        for model in self.options.models:
            if f"identical|{model}" not in self.found:
                self.keep(f"identical|{model}", identical.check(self, model))

    def printed_identical(self) -> None:
        print("\n### The same bytes\n")
        print("| model | requests | requests in a frame, mean | of them with a body unlike alone | unlike in process |")
        print("|---|---:|---:|---:|---:|")
        for model in self.options.models:
            found = self.found.get(f"identical|{model}")
            if found:
                print(f"| {model} | {' | '.join(str(each) for each in found.values())} |")


def median(found: Sequence[dict[str, Any]], name: str) -> float:
    return statistics.median(each.get(name) or 0.0 for each in found)


def load_tool(path: str) -> ModuleType:
    """The load tool as a module."""
    spec = importlib.util.spec_from_file_location("load_tool", path)
    if spec is None or spec.loader is None or not Path(path).exists():
        sys.exit(f"There is no load tool at {path}; name it with --tool or SERVING_TOOL.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = HERE.parent.parent / "shared" / "bench" / "serving.py"
    parser.add_argument("--tool", default=os.environ.get("SERVING_TOOL", str(default)), help="the load tool")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=PYTHON", help="a peer's Python; repeatable")
    parser.add_argument("--quick", action="store_true", help="single rows, and the best peers only")
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(models.MODELS))
    parser.add_argument("--connections", type=lambda text: [int(each) for each in text.split(",")], default=CONNECTIONS)
    parser.add_argument("--only", type=lambda text: text.split(","), default=PARTS, help=f"of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement, after one that warms up")
    parser.add_argument("--nice", type=int, help="scheduling value of server and client; -10 as root")
    parser.add_argument("--work", help="keep models and results here, and go on from what is there")
    parser.add_argument("--out", help="the results as JSON; default: in --work")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="instead of everything else")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped; with --work the next run goes on from here."))
    tool = load_tool(options.tool)
    known = {each.environment for each in PEERS}
    given = {each.partition("=")[0] for each in options.env}
    if given - known:
        sys.exit(f"There is no peer {', '.join(sorted(given - known))}; there are {', '.join(sorted(known))}.")
    with contextlib.ExitStack() as stack:
        work = Path(options.work or stack.enter_context(tempfile.TemporaryDirectory(prefix="modelyard-serving-")))
        work = work.absolute()
        bench = Bench(options, tool, work)
        began = time.monotonic()
        models.build(bench.built)
        if options.soak:
            import soak

            soak.run(bench, options.soak)
            return
        for part in PARTS:
            if part in options.only:
                getattr(bench, part)()
        if "table" in options.only:
            for model in options.models:
                bench.printed(model)
        for part in PARTS[1:]:
            if part in options.only:
                getattr(bench, f"printed_{part}")()
        absent = sorted({each.name for each in PEERS if each.environment not in bench.pythons})
        print(f"\n{time.monotonic() - began:.0f} s." + (f" Left out, no --env: {', '.join(absent)}." if absent else ""))


if __name__ == "__main__":
    main()
