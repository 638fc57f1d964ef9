"""`modelyard up`: everything on one machine."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.serving.backends.base import Spec
from modelyard.serving.backends.lasting import open_lasting
from tests.cli.process import modelyard
from tests.reliability.process import Client, until
from tests.reliability.stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "data")
    yield made
    made.end()


def healthy(url: str) -> bool:
    client = Client(url, timeout=20)
    try:
        return client.send("GET", "/health")[0] == 200
    finally:
        client.close()


def only(stack: Stack, role: str) -> int:
    """The process that has a role; one that is just becoming another may look like a second."""
    (found,) = until(lambda: one if len(one := stack.processes()[role]) == 1 else None)
    return int(found)


def test_it_comes_back_after_any_death_and_stops_with_everything(stack: Stack) -> None:
    stack.start()
    assert healthy(stack.url)
    assert healthy(stack.gateway)
    # a model server, as the controller would start it: here one that never gets ready
    backend = open_lasting(str(stack.data / "replicas"))
    backend.ensure(Spec(name="tea-r1", models=("/no/such/model",), env={"STACK": stack._environment["STACK"]}))
    keeper = only(stack, "keeper")
    backend.close()

    stack.kill_supervisor()
    until(lambda: not (stack.processes()["server"] or stack.processes()["gateway"]))
    assert only(stack, "keeper") == keeper
    stack.start()

    again = modelyard("up", "--data", stack.data, "--port", 0, "--gateway-port", 0)
    assert again.returncode == 1
    assert f"Modelyard is up already on {stack.data}" in again.stderr
    assert stack.url in again.stderr
    assert stack.gateway in again.stderr

    for role, url in (("server", stack.url), ("gateway", stack.gateway)):
        before = only(stack, role)
        os.kill(before, signal.SIGKILL)
        assert healthy(url)  # the connection waited
        assert only(stack, role) != before
    assert "server ended (signal SIGKILL); it is started again" in stack.said()

    assert only(stack, "keeper") == keeper
    stack.stop()
    assert list((stack.data / "replicas").iterdir()) == [stack.data / "replicas" / ".lock"]
    connection = sqlite3.connect(stack.data / "modelyard.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_several_gateways_share_a_port_and_flags(tmp_path: Path) -> None:
    flags = ("--gateways", "2", "--log-format", "json")
    stack = Stack(tmp_path / "data", *flags, MODELYARD_GATEWAY_CORS_ORIGINS="http://shop").start()
    try:
        first, second = until(lambda: two if len(two := stack.processes()["gateway"]) == 2 else None)
        for process, prefix in ((only(stack, "server"), "MODELYARD"), (second, "MODELYARD_GATEWAY")):
            told = Path(f"/proc/{process}/environ").read_text().split("\0")
            assert f"{prefix}_LOG_FORMAT=json" in told
        os.kill(first, signal.SIGSTOP)
        os.kill(first, signal.SIGKILL)
        assert all(healthy(stack.gateway) for _ in range(5))
        until(lambda: len(stack.processes()["gateway"]) == 2)
        assert (stack.data / "gateway").is_dir()  # one for both: what one leaves behind, the other delivers
        stack.stop()
    finally:
        stack.end()


def test_what_makes_a_start_impossible_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = modelyard("up", "--data", tmp_path / "data", "--port", 0, "--gateway-port", port)
    assert told.returncode == 1
    assert told.stderr.startswith(f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use.")
    told = modelyard("up", "--data", tmp_path / "data", "--host", "0.0.0.0")
    assert "nobody signs in" in told.stderr
    told = modelyard("up", "--data", tmp_path / "data", "--workers", "2")
    assert "2 workers need PostgreSQL" in told.stderr


def test_a_server_that_cannot_run_ends_everything_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("This is no database. " * 100)
    told = modelyard(
        "up", "--data", tmp_path / "data", "--database", f"sqlite:///{tmp_path}/file", "--port", 0, "--gateway-port", 0
    )
    assert told.returncode == 1
    assert "server  | Error: " in told.stderr
    assert "server cannot run (exit code 1), so everything stops." in told.stderr
    assert "Traceback" not in told.stderr
