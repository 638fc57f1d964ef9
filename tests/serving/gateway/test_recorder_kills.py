"""Gateway, deliverer, server and database are killed at random moments: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from modelyard.serving.gateway.reading import found, process_of
from tests.reliability.conftest import cluster  # noqa: F401 - a fixture
from tests.reliability.process import ServerProcess, until

PER_SECOND = 1500
PROGRAM = Path(__file__).with_name("recording_process.py")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Gateway:
    """The recording process, and the one that delivers for it."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.notes = root.parent / "notes"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, str(PROGRAM), str(self.root), self.url, str(self.notes), str(PER_SECOND)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.process = None

    def stop(self) -> tuple[int, int]:
        """End in order: what is pending, and what was dropped."""
        assert self.process is not None
        self.process.terminate()
        told, _ = self.process.communicate(timeout=30)
        self.process = None
        pending, dropped = told.split()
        return int(pending), int(dropped)

    def kill_deliverer(self) -> bool:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for path in children for pid in path.read_text().split()]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def noted(self, kind: str) -> list[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line[2:] for line in lines if line.startswith(f"{kind} ") and len(line) == 34]

    def has_only_its_own(self) -> bool:
        assert self.process is not None
        return [process_of(path) for path in self.journals()] == [self.process.pid]

    def journals(self) -> list[Path]:
        return list(found(self.root))


def ask(url: str, path: str):
    with urllib.request.urlopen(f"{url}/api/v1{path}", timeout=30) as answer:
        return answer.read()


def kill_and_check(tmp_path: Path, rng: random.Random, kills: dict[str, int], database=None) -> tuple[int, int]:
    flags = ("--port", str(free_port()), *(("--database", database.url) if database is not None else ()))
    server = ServerProcess(tmp_path / "data", *flags).start()
    gateway = Gateway(tmp_path / "journals", server.url)
    gateway.start()
    order = [name for name, count in kills.items() for _ in range(count)]
    rng.shuffle(order)
    try:
        for name in order:
            before = len(gateway.noted("p"))
            wanted = before + rng.randrange(1, PER_SECOND // 3)
            until(lambda: len(gateway.noted("p")) >= wanted, why="predictions are recorded")  # noqa: B023
            if name == "gateway":
                gateway.kill()
                gateway.start()
            elif name == "deliverer":
                until(gateway.kill_deliverer, why="somebody delivers")
            elif name == "server":
                server.kill()
                server.start()
            else:
                database.kill()
                database.start()
        until(lambda: len(gateway.noted("p")) > before + 500, why="predictions are recorded")
        assert gateway.stop()[1] == 0
        settle(gateway)
        return check(server.url, gateway)
    finally:
        if gateway.process is not None:
            gateway.kill()
        server.stop()


def settle(gateway: Gateway) -> None:
    """What was left when a gateway stopped, the next one delivers; on a busy machine that may be left again."""
    for _ in range(20):
        if not gateway.journals():
            return
        gateway.start()
        until(gateway.has_only_its_own, 120, "the journals of the dead are delivered")
        assert gateway.stop()[1] == 0
    raise AssertionError(gateway.journals())


def check(url: str, gateway: Gateway) -> tuple[int, int]:
    noted, told = gateway.noted("p"), gateway.noted("f")
    stored = [json.loads(line) for line in ask(url, "/predictions/export?deployment=wine").splitlines()]
    ids = [each["id"] for each in stored]
    assert len(ids) == len(set(ids))
    assert set(noted) - set(ids) == set()  # what came on top was recorded, and its process killed before it noted so
    judged = {each["id"] for each in stored if each["right"] is not None}
    assert set(told) - judged == set()
    counted = json.loads(ask(url, "/statistics?deployment=wine"))["total"]
    assert counted["calls"] == len(ids)
    assert counted["answered"] == len(judged)
    assert counted["right"] == sum(each["right"] is True for each in stored)
    assert not list(gateway.root.glob("rejected/*"))
    return len(ids), len(noted)


def test_nothing_is_lost_and_nothing_is_there_twice(tmp_path):
    stored, noted = kill_and_check(tmp_path, random.Random(1), {"deliverer": 3, "gateway": 3, "server": 1})
    assert noted > 300
    assert stored >= noted


def test_gateways_share_a_folder_and_a_server(tmp_path):
    server = ServerProcess(tmp_path / "data").start()
    gateways = [Gateway(tmp_path / "journals", server.url) for _ in range(3)]
    try:
        for gateway in gateways:
            gateway.start()
        until(lambda: len(gateways[0].noted("p")) > 1000, why="predictions are recorded")
        gateways[0].kill()
        until(lambda: len(gateways[0].noted("p")) > 1500, why="the others go on")
        assert [gateway.stop()[1] for gateway in gateways[1:]] == [0, 0]
        settle(gateways[0])
        check(server.url, gateways[0])
    finally:
        for gateway in gateways:
            if gateway.process is not None:
                gateway.kill()
        server.stop()


def test_nothing_is_lost_when_postgresql_is_killed(tmp_path, cluster):  # noqa: F811 - the fixture
    stored, noted = kill_and_check(tmp_path, random.Random(2), {"database": 1, "gateway": 1}, cluster)
    assert stored >= noted > 100


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_kills(tmp_path, seed):
    kinds = {"deliverer": 50, "gateway": 30, "server": 20}
    stored, noted = kill_and_check(tmp_path, random.Random(seed), kinds)
    print(f"{stored} predictions after 100 kills, none lost, none doubled; {stored - noted} not noted in time")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fifty_kills_with_postgresql(tmp_path, cluster):  # noqa: F811 - the fixture
    kinds = {"database": 15, "deliverer": 15, "gateway": 10, "server": 10}
    stored, noted = kill_and_check(tmp_path, random.Random(9), kinds, cluster)
    print(f"{stored} predictions after 50 kills, none lost, none doubled; {stored - noted} not noted in time")
