"""One model server that is watched, and how much memory it has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.packaging import model as models
from modelyard.serving.backends import memory, process
from modelyard.serving.backends.base import FAILED, READY
from modelyard.serving.backends.process import ServerProcess
from tests.contracts.backend import Pid
from tests.serving.live.process import until

MIB = 2**20


@pytest.fixture
def pid(tmp_path: Path) -> str:
    models.save(Pid(), tmp_path / "pid", flavor="python_function", signature=False)
    return f"tea={tmp_path / 'pid'}"


@pytest.fixture
def kept(pid: str) -> Iterator[ServerProcess]:
    server = ServerProcess([pid], {"MODELYARD_SERVE_BATCHING": "off"})
    yield server
    server.stop()
    server.wait()
    assert server.gone


def test_who_starts_while_memory_runs_out_ends_itself_and_says_so(
    kept: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "left", lambda: (50 * MIB, 10_000 * MIB))
    until(lambda: kept.state == FAILED)
    assert "memory ran out while it started: it had " in kept.reason
    assert "and 50 MiB were left" in kept.reason
    monkeypatch.undo()
    until(lambda: kept.state == READY)


def test_who_hangs_is_started_again(kept: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PROBE_S", 0.1)
    monkeypatch.setattr(process, "_BETWEEN_READY_S", 0.1)
    until(lambda: kept.state == READY)
    before, url = kept.process, kept.url
    os.kill(before, signal.SIGSTOP)
    until(lambda: kept.state == FAILED)
    assert "it did not answer any more" in kept.reason
    until(lambda: kept.state == READY and kept.url != url)
    assert not Path(f"/proc/{before}").exists()


def test_the_memory_of_a_process_is_its_own_and_its_childrens() -> None:
    program = "import subprocess, sys; much = b'x' * (100 << 20); print(1, flush=True); "
    child = program + "sys.stdin.read()"
    parent = program + f"subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == running.stdout.readline() == "1\n"
        assert len(memory.family(running.pid)) == 2
        assert 200 * MIB < memory.used(running.pid) < 260 * MIB
        assert 200 * MIB < memory.proportional(running.pid) < 260 * MIB
        running.kill()
        assert running.stdin is not None
        running.stdin.close()  # the child's end
    assert memory.used(running.pid) == 0


def test_what_is_left_is_less_than_there_is() -> None:
    free, whole = memory.left()
    assert 0 < free < whole
    assert memory.kernel_kills() >= 0
