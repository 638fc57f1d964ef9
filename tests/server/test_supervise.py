"""One process that starts parts, holds their sockets, and starts anew what dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.process import environment
from tests.serving.live.process import until

PART = """
import os, select, signal, socket, sys, time
folder, name, *how = sys.argv[1:sys.argv.index("--listen-fd")]
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--listen-fd") + 1]))
with open(f"{folder}/{name}", "a") as pids:
    pids.write(f"{os.getpid()}\\n")
if "refuses" in how:
    sys.exit("Error: no way")
def stop(*_):
    print("stops", flush=True)
    if "hangs" not in how:
        listener.close()
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
if "dies" not in how:
    print(f"{name} is ready at http://nowhere", flush=True)
print("a line", flush=True)
print('{"level": "info"}', flush=True)
if "dies" in how:
    os.kill(os.getpid(), signal.SIGKILL)
if "talks" in how:
    for _ in range(60_000):
        print("x" * 100)
    sys.stdout.flush()
    open(f"{folder}/talked", "w").close()
while True:
    ready, _, _ = select.select([listener, 0], [], [])
    if 0 in ready:
        sys.exit(0)
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""

PROGRAM = """
import os, socket, sys
from modelyard.http.listener import listen
from modelyard.server.supervise import Part, Supervisor
folder, *told = sys.argv[1:]
parts = []
for each in told:
    name, stage, *how = each.split(":")
    listener = listen("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    command = [sys.executable, "-S", f"{folder}/part.py", folder, name, *how]
    parts.append(Part(name, command, listener, dict(os.environ), stop_s=20.0, stage=int(stage)))
last = lambda impatient: print("last", impatient(), flush=True)
sys.exit(Supervisor(parts, lambda: print("all ready", flush=True), last).run())
"""


class Running:
    """A supervisor and its parts."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, count: int) -> None:
        self.process = process
        self._folder = folder
        self.ports = [int(self.line()) for _ in range(count)]
        self.lines: list[str] = []

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def read_errors(self) -> None:
        def read() -> None:
            for line in self.process.stderr or ():
                self.lines.append(line.rstrip("\n"))

        threading.Thread(target=read, daemon=True).start()

    def pids(self, name: str) -> list[int]:
        path = self._folder / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def ask(self, number: int) -> int:
        """The process that answers; 0: nobody took the connection, or it broke."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports[number]), timeout=30) as connection:
                return int(connection.recv(100) or 0)
        except OSError:
            return 0


@contextmanager
def supervised(folder: Path, *parts: str, read: bool = True) -> Iterator[Running]:
    (folder / "part.py").write_text(textwrap.dedent(PART))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, *parts],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            running = Running(process, folder, len(parts))
            if read:
                running.read_errors()
            yield running
        finally:
            process.kill()


def gone(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


def test_connections_wait_for_a_part_that_died(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:1", "gateway:0") as running:
        assert running.line() == "all ready"
        first = running.ask(1)
        assert first == running.pids("gateway")[0]
        other = running.ask(0)
        for _ in range(3):
            os.kill(running.pids("gateway")[-1], signal.SIGKILL)
            answers = {running.ask(1) for _ in range(5)}
            # who asked in the very moment of its death may have been taken by the dead one
            assert answers - {0} == {until(lambda: running.pids("gateway")[-1])}
        assert running.ask(0) == other  # nobody else noticed
        assert len(running.pids("gateway")) == 4
        until(lambda: any("gateway is ready again after" in line for line in running.lines))
        assert "gateway | a line" in running.lines
        assert "server  | a line" in running.lines
        assert '{"part": "server", "level": "info"}' in running.lines
        assert any(
            line.startswith("up      | gateway ended (signal SIGKILL); it is started again in 0.1 s")
            for line in running.lines
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_parts_stop_one_stage_after_the_other(number: signal.Signals, tmp_path: Path) -> None:
    with supervised(tmp_path, "server:1", "gateway:0", "gateway-2:0") as running:
        assert running.line() == "all ready"
        running.process.send_signal(number)
        assert running.line() == "last False"
        assert running.process.wait(30) == 0
        stops = [line.split()[0] for line in running.lines if line.endswith("stops")]
        assert sorted(stops[:2]) == ["gateway", "gateway-2"]
        assert stops[2:] == ["server"]
        assert running.ask(0) == 0


def test_what_cannot_start_at_all_ends_everything(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:1:refuses", "gateway:0") as running:
        assert running.process.wait(30) == 1
        assert "server  | Error: no way" in running.lines
        assert "up      | server cannot run (exit code 1), so everything stops." in running.lines
        assert all(gone(each) for each in running.pids("gateway"))


def test_what_dies_again_and_again_is_started_less_and_less_often(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:0:dies") as running:
        until(lambda: len(running.pids("server")) == 4)
        pauses = [line.split(" again in ")[1].split()[0] for line in running.lines if " again in " in line]
        assert pauses[:3] == ["0.1", "0.2", "0.4"]


def test_parts_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:1", "gateway:0") as running:
        assert running.line() == "all ready"
        running.process.kill()
        until(lambda: all(gone(each) for name in ("server", "gateway") for each in running.pids(name)))


def test_the_second_signal_ends_what_hangs(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:1", "gateway:0:hangs") as running:
        assert running.line() == "all ready"
        running.process.send_signal(signal.SIGTERM)
        until(lambda: "gateway | stops" in running.lines)
        running.process.send_signal(signal.SIGTERM)
        assert running.line() == "last True"
        assert running.process.wait(30) == 0
        assert all(gone(each) for name in ("server", "gateway") for each in running.pids(name))


def test_who_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:0:talks", read=False) as running:
        assert running.line() == "all ready"
        until((tmp_path / "talked").exists)
        assert running.ask(0) == running.pids("server")[0]
        running.read_errors()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        assert any("lines were dropped" in line for line in running.lines)


def test_it_sleeps_while_nothing_happens(tmp_path: Path) -> None:
    with supervised(tmp_path, "server:1", "gateway:0") as running:
        assert running.line() == "all ready"
        until(lambda: any("server  | a line" in line for line in running.lines))

        def used() -> int:
            return sum(int(each) for each in Path(f"/proc/{running.process.pid}/stat").read_text().split()[13:15])

        before = used()
        time.sleep(1)
        assert used() - before <= 1


@pytest.mark.parametrize("text", ["", "{}", "x" * 100_000])
def test_any_line_is_passed_on(tmp_path: Path, text: str) -> None:
    program = (
        "import selectors, sys; from modelyard.server.supervise import Lines;"
        "lines = Lines(selectors.DefaultSelector(), 6); lines.write('server', sys.argv[1].encode()); lines.finish()"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, text], env=environment(), capture_output=True, text=True, check=True
    )
    assert told.stderr == f"server | {text}\n"
