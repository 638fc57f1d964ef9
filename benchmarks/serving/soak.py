"""A server under all that goes wrong: bad clients of several kinds, and workers killed.

Good callers check every answer against the one that the model gave at the start. Beside them run: invalid bodies, huge
ones, clients that send a byte a second and clients that go away before the answer. Every 30 s a worker gets SIGKILL.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from typing import Any

from models import columns, inputs, natural
from servers import OURS

MODEL = "forest"
KILL_EVERY_S = 30
GOOD, HUGE_ROWS = 8, 30_000
HEADERS = {"content-type": "application/json"}


class Soak:
    """The clients of one server.

    Args:
        host: of the server.
        port: likewise.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.bodies = [natural(MODEL, inputs(MODEL, 1, seed)) for seed in range(100)]
        self.bodies += [natural(MODEL, inputs(MODEL, 40, seed)) for seed in range(20)]
        self.expected = [self.once(body)[1] for body in self.bodies]
        self.latest = 0.0

    def once(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=90)
        connection.request("POST", "/predict", body, HEADERS)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def good(self, seed: int) -> None:
        """Valid requests on one connection, each answer compared."""
        chance = random.Random(seed)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=90)
        while not self.over.is_set():
            at = chance.randrange(len(self.bodies))
            began = time.monotonic()
            try:
                connection.request("POST", "/predict", self.bodies[at], HEADERS)
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
            except OSError as fault:
                self.counts[f"good: no answer ({type(fault).__name__})"] += 1
                connection.close()
                continue
            self.latest = max(self.latest, time.monotonic() - began)
            if status != 200:
                self.counts[f"good: {status}"] += 1
            else:
                self.counts["good: right" if body == self.expected[at] else "good: WRONG"] += 1

    def invalid(self) -> None:
        """Bodies that are no JSON, have no such columns, or hold what no forest takes."""
        row = dict.fromkeys(columns(), 1.0)
        bad = [b"{", b"[]x", b"\xff\xfe", json.dumps({**row, "more": 1}).encode(), json.dumps({"alcohol": 1}).encode(),
               json.dumps({**row, "alcohol": "much"}).encode(), b"[" * 100_000]  # fmt: skip
        for at in self.turns(0.01):
            status, _ = self.once(bad[at % len(bad)])
            self.counts["invalid: 400" if status == 400 else f"invalid: {status} for {bad[at % len(bad)][:20]!r}"] += 1

    def huge(self) -> None:
        """Thirty thousand rows at once."""
        body = natural(MODEL, inputs(MODEL, HUGE_ROWS))
        for _ in self.turns(2.0):
            status, answer = self.once(body)
            good = status == 200 and len(json.loads(answer)) == HUGE_ROWS
            self.counts["huge: answered" if good else f"huge: {status}"] += 1

    def slow(self) -> None:
        """Half a request, a byte a second; then gone."""
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n"
        for _ in self.turns(0.5):
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 10) as connection:
                connection.sendall(head)
                for _ in range(5):
                    connection.sendall(b" ")
                    self.over.wait(1)
                self.counts["slow: gave up"] += 1

    def leaving(self) -> None:
        """A whole request, and no wait for its answer."""
        body = self.bodies[0]
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        for _ in self.turns(0.02):
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 10) as connection:
                connection.sendall(head % len(body) + body)
            self.counts["leaving: left"] += 1

    def turns(self, pause_s: float) -> Any:
        """Numbers, with a pause between, until it is over; what goes wrong is counted by the caller."""
        at = 0
        while not self.over.wait(pause_s):
            try:
                yield at
            except OSError:
                self.counts["no answer"] += 1
            at += 1

    def run(self, client: Any, *arguments: Any) -> threading.Thread:
        def guarded() -> None:
            while not self.over.is_set():
                try:
                    client(*arguments)
                except (OSError, http.client.HTTPException) as fault:
                    self.counts[f"{client.__name__}: no answer ({type(fault).__name__})"] += 1

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread


def run(bench: Any, seconds: float) -> None:
    """Soak, and print counts and memory."""
    memory: list[tuple[float, float, list[float]]] = []
    kills = 0
    with bench.running(OURS, MODEL, "--workers", "2") as target:
        soak = Soak(target.host, target.port)
        clients = [soak.run(soak.good, seed) for seed in range(GOOD)]
        clients += [soak.run(each) for each in (soak.invalid, soak.huge, soak.slow, soak.slow, soak.leaving)]
        began = killed = sampled = time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            time.sleep(0.5)
            workers = [each for each in bench.tool.tree(target.pid) if each != target.pid]
            if now - sampled > max(1.0, seconds / 40):
                sampled = now
                sizes = sorted(bench.tool.pss_mib([each]) for each in workers)
                memory.append((now - began, bench.tool.pss_mib([target.pid]), sizes))
            if now - killed > min(KILL_EVERY_S, seconds / 3) and workers:
                killed = now
                os.kill(random.choice(workers), signal.SIGKILL)
                kills += 1
        soak.over.set()
        for each in clients:
            each.join()
    print(f"\n{seconds:.0f} s, {kills} workers killed, longest good request {soak.latest:.2f} s\n")
    print("| | count |\n|---|---:|")
    for name, count in sorted(soak.counts.items()):
        print(f"| {name} | {count:,} |")
    print("\n| s | front, MiB PSS | workers |\n|---:|---:|---|")
    for at, front, sizes in memory[:: max(1, len(memory) // 12)]:
        print(f"| {at:.0f} | {front:.1f} | {', '.join(f'{each:.0f}' for each in sizes)} |")
    bench.keep("soak", {"seconds": seconds, "kills": kills, "counts": soak.counts, "memory": memory})
