"""Large artifacts through our client and through `curl`, in turn, against one Modelyard server.

    python benchmarks/client_transfers.py                     # 2 GB up and down, five rounds
    python benchmarks/client_transfers.py --size 268435456 --rounds 3

Each transfer is a process of its own, so its peak memory can be told. Ours verifies: it computes the SHA-256 of what it
sends and of what it receives, and compares it with the server's; curl does not. The target of a download is written to
the same disk by both. Beside the rates, which suffer from whatever else the machine does, stand the seconds of
processor that client and server took together.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from run import free_port, started

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


def ours(way: str, url: str, path: Path) -> None:
    """One transfer by our client; prints seconds and the peak of its memory."""
    from modelyard.client import transfers
    from modelyard.client.transport import Transport

    folder = transfers.folder_at(Transport(url), "mlflow-artifacts:/bench")
    began = time.perf_counter()
    if way == "up":
        transfers.upload_file(folder, "large.bin", path)
    else:
        transfers.download_file(folder, "large.bin", path)
    seconds = time.perf_counter() - began
    print(json.dumps({"s": seconds, "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def one(client: str, way: str, url: str, path: Path) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of one transfer."""
    if client == "curl":
        address = f"{url}{ARTIFACTS}/bench/large.bin"
        told = ["-T", str(path), "-o", os.devnull] if way == "up" else ["-o", str(path)]
        done = subprocess.run(
            ["curl", "-sS", "--fail", *told, "-w", "%{time_total}", address], capture_output=True, text=True, check=True
        )
        return float(done.stdout.rsplit("}", 1)[-1]), 0.0
    command = [sys.executable, __file__, "--one", way, url, str(path)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told["s"], told["peak_kb"] / 1024


def processor(server: psutil.Process) -> float:
    """Seconds of processor that the server and the clients so far have used."""
    spent = [each.cpu_times() for each in (server, *server.children(recursive=True))]
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(each.user + each.system for each in spent) + clients.ru_utime + clients.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=2 * 10**9)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=3, metavar=("WAY", "URL", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        ours(options.one[0], options.one[1], Path(options.one[2]))
        return
    with tempfile.TemporaryDirectory(prefix="modelyard-transfers-") as name:
        folder = Path(name)
        source = folder / "source.bin"
        with source.open("wb") as file:
            for at in range(0, options.size, 2**20):
                file.write(os.urandom(min(2**20, options.size - at)))
        port = free_port()
        command = [str(Path(sys.executable).with_name("modelyard")), "server", "--data", str(folder / "data"),
                   "--port", str(port), "--log-level", "warning"]  # fmt: skip
        rates: dict[tuple[str, str], list[float]] = {}
        spent: dict[tuple[str, str], list[float]] = {}
        peaks: dict[tuple[str, str], float] = {}
        with started(command, port, folder / "server") as pid:
            server = psutil.Process(pid)
            for turn in range(options.rounds + 1):  # the first warms up
                for way in ("up", "down"):
                    clients = ("curl", "modelyard") if turn % 2 else ("modelyard", "curl")
                    for client in clients:
                        target = source if way == "up" else folder / f"{client}.bin"
                        target if way == "up" else target.unlink(missing_ok=True)
                        os.sync()
                        before = processor(server)
                        seconds, peak = one(client, way, f"http://127.0.0.1:{port}", target)
                        if turn:
                            rates.setdefault((way, client), []).append(options.size / seconds / 1e6)
                            spent.setdefault((way, client), []).append(processor(server) - before)
                            peaks[way, client] = max(peak, peaks.get((way, client), 0.0))
                            print(f"{turn} {way:5}{client:10}{options.size / seconds / 1e6:9,.0f} MB/s", flush=True)
        print("\n| way | curl, MB/s | Modelyard, MB/s | ratio | processor, s: curl | Modelyard | peak memory, MiB |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for way in ("up", "down"):
            theirs, mine = (statistics.median(rates[way, client]) for client in ("curl", "modelyard"))
            used = " | ".join(f"{statistics.median(spent[way, client]):.2f}" for client in ("curl", "modelyard"))
            peak = peaks[way, "modelyard"]
            print(f"| {way} | {theirs:,.0f} | {mine:,.0f} | {mine / theirs:.2f} | {used} | {peak:.0f} |")


if __name__ == "__main__":
    main()
