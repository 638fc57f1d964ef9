"""Replicas of this machine that outlive whoever started them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import InvalidArgument, Unavailable
from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from modelyard.serving.backends import lasting, states
from modelyard.serving.backends.base import FAILED, READY, Backend, Replica, Spec, find
from tests.contracts.backend import BackendContract, LastingContract, Pid, ask, ready, says, starter
from tests.serving.live.process import until

NOTHING = Spec(name="nothing", models=("/no/such/model",))
"""Never ready, and cheap: its model server ends at once, again and again."""


class TestLasting(BackendContract, LastingContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> tuple[str, str]:
        return "local", str(tmp_path / "state")

    @pytest.fixture
    def backend(self, place: tuple[str, str]) -> Iterator[Backend]:
        backend = find(*place, lasting=True)
        yield backend
        backend.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def backend(folder: Path) -> Iterator[lasting.LastingBackend]:
    made = lasting.open_lasting(str(folder))
    yield made
    for name in made.list():
        made.stop(name)
    until(lambda: not made.list())
    assert not keepers(folder)
    made.close()


@pytest.fixture
def pid(tmp_path: Path) -> Spec:
    models.save(Pid(), tmp_path / "pid", flavor="python_function", signature=False)
    return Spec(name="pid", models=(f"tea={tmp_path / 'pid'}",), settings={"batching": "off"})


def keepers(folder: Path) -> list[int]:
    """The processes that keep a replica whose state is there."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = each.read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if b"backends.keeper" in told and str(folder).encode() in told:
            found.append(int(each.parent.name))
    return found


def told(folder: Path, spec: Spec, number: int = 0) -> states.Told:
    return states.read_told(folder / spec.name / f"{number}.replica")


def gone(process: int) -> bool:
    return states.began(process) == 0


def test_whenever_the_starter_is_killed_nothing_is_lost_and_nothing_starts_twice(
    folder: Path, backend: lasting.LastingBackend
) -> None:
    rng = random.Random(5)
    place = ("local", str(folder))
    for _ in range(6):
        with starter(place, replace(NOTHING, replicas=2)) as first:
            says(first, "begins")
            time.sleep(rng.uniform(0, 0.04))  # its steps take about so long
            first.kill()
        backend.ensure(replace(NOTHING, replicas=2))
        until(lambda: told(folder, NOTHING).keeper and told(folder, NOTHING, 1).keeper)
        known = {told(folder, NOTHING).keeper, told(folder, NOTHING, 1).keeper}
        assert set(keepers(folder)) == known
        backend.stop("nothing")
        until(lambda: not backend.list())
        assert not keepers(folder)


def test_several_that_ask_at_once_start_it_once(folder: Path, backend: lasting.LastingBackend) -> None:
    several = [starter(("local", str(folder)), NOTHING) for _ in range(3)]
    for each in [each.__enter__() for each in several]:
        says(each, "begins")
        says(each, "done")
    assert len(keepers(folder)) == 1
    for manager in several:
        manager.__exit__(None, None, None)
    assert len(backend.status("nothing").replicas) == 1
    assert len(keepers(folder)) == 1


def test_a_replica_comes_back_whoever_of_it_is_killed(folder: Path, pid: Spec, backend: Any) -> None:
    backend.ensure(pid)
    (first,) = ready(backend, "pid", 1)
    before = told(folder, pid)
    os.kill(before.keeper, signal.SIGKILL)  # a child of this process: it stays in the system's table until we look
    (again,) = until(lambda: [each for each in backend.status("pid").replicas if each.url not in ("", first.url)])
    until(lambda: gone(before.server))
    assert ready(backend, "pid", 1)[0].url == again.url

    after = told(folder, pid)
    assert after.keeper != before.keeper
    os.kill(after.server, signal.SIGKILL)
    until(lambda: told(folder, pid).server not in (0, after.server))
    ready(backend, "pid", 1)
    assert told(folder, pid).keeper == after.keeper


def test_a_model_server_that_hangs_without_its_keeper_is_ended(
    folder: Path, pid: Spec, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting, "_GRACE_S", 0.3)
    spec = replace(pid, settings={**pid.settings, "stop_timeout_s": 0.5})
    backend.ensure(spec)
    until(lambda: told(folder, spec).url)
    first = told(folder, spec)
    os.kill(first.server, signal.SIGSTOP)
    os.kill(first.keeper, signal.SIGKILL)
    until(lambda: backend.status("pid") and told(folder, spec).keeper not in (0, first.keeper))
    until(lambda: gone(first.server))

    second = until(lambda: told(folder, spec) if told(folder, spec).url else None)
    os.kill(second.server, signal.SIGSTOP)
    os.kill(second.keeper, signal.SIGKILL)
    backend.stop("pid")
    until(lambda: not backend.list())
    assert gone(second.server)


def test_a_stop_lets_requests_finish(pid: Spec, backend: Any, tmp_path: Path) -> None:
    import threading

    models.save(Slow(), tmp_path / "slow", flavor="python_function", signature=False)
    backend.ensure(replace(pid, models=(f"tea={tmp_path / 'slow'}",), env={"SLOW": str(tmp_path)}))
    (replica,) = ready(backend, "pid", 1)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(replica, "/predict", [1])))
    thread.start()
    until((tmp_path / "began").exists)
    backend.stop("pid")
    assert [each.state for each in backend.status("pid").replicas] == ["stopping"]
    thread.join()
    assert answers
    until(lambda: not backend.list())


class Slow(PythonModel):
    """Takes a second, and says that it has begun."""

    def predict(self, data: Any, params: Any = None) -> Any:
        import os
        import time
        from pathlib import Path

        (Path(os.environ["SLOW"]) / "began").touch()
        time.sleep(1)
        return [1]


class Greedy(PythonModel):
    """Wants a gigabyte."""

    def load_context(self, context: Any) -> None:
        import time

        self.much = [b"x" * 2**20 for _ in range(1024)]
        time.sleep(60)

    def predict(self, data: Any, params: Any = None) -> Any:
        return [1]


def test_who_takes_more_memory_than_it_is_given_ends_itself(
    folder: Path, pid: Spec, backend: Any, tmp_path: Path
) -> None:
    models.save(Greedy(), tmp_path / "greedy", flavor="python_function", signature=False)
    spec = replace(pid, models=(f"tea={tmp_path / 'greedy'}",), memory_bytes=500 * 2**20)
    backend.ensure(spec)

    def failed() -> Replica | None:
        (found,) = backend.status("pid").replicas
        return found if found.state == FAILED else None

    assert "it needed more than the 500 MiB of memory that it is given" in until(failed).reason
    score = Path(f"/proc/{until(lambda: told(folder, spec).server)}/oom_score_adj").read_text()
    assert int(score) == 800  # who starts is the first that the system would end


def test_a_full_disk_refuses_new_replicas_and_leaves_the_others_alone(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting takes root")
    try:
        backend = lasting.open_lasting(str(place / "state"))
        backend.ensure(NOTHING)
        until(lambda: told(place / "state", NOTHING).keeper)
        with (place / "ballast").open("wb", buffering=0) as file:
            for size in (65536, 4096):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    pass
        with pytest.raises(Unavailable, match=r"cannot be kept in .*: No space left"):
            backend.ensure(replace(NOTHING, name="more"))
        assert backend.list() == ("nothing",)
        before = told(place / "state", NOTHING)
        os.kill(until(lambda: told(place / "state", NOTHING).server), signal.SIGKILL)
        until(lambda: told(place / "state", NOTHING).state == FAILED)  # what it says is still written down
        backend.stop("nothing")
        until(lambda: not backend.list())
        assert gone(before.keeper)
        backend.close()
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_what_another_boot_left_is_not_believed(folder: Path, backend: Any) -> None:
    (folder / "nothing").mkdir(parents=True)
    old = states.Told(os.getpid(), os.getpid(), states.began(os.getpid()), "another boot", READY, "http://127.0.0.1:1")
    with states.StateFile(folder / "nothing" / "0.replica") as file:
        file.write(old)
    with states.StateFile(folder / "nothing" / "wish") as file:
        file.write(states.Wish(NOTHING.fingerprint, (0,), {1: 10.0**9}, 35.0, "another boot"))
    (found,) = backend.status("nothing").replicas
    assert (found.state, found.url) == (FAILED, "")
    backend.ensure(NOTHING)
    until(lambda: told(folder, NOTHING).keeper not in (0, os.getpid()))


def test_a_state_that_cannot_be_read_leaves_no_process_behind(folder: Path, backend: Any) -> None:
    backend.ensure(NOTHING)
    until(lambda: told(folder, NOTHING).keeper)
    with (folder / "nothing" / "wish").open("r+b") as file:
        file.write(b"beyond reading")
    assert backend.status("nothing").replicas[0].state == "stopping"
    until(lambda: not backend.list())


def test_a_replica_does_not_know_the_servers_secrets(
    folder: Path, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_DATABASE", "postgresql://me:tacit@host/db")
    monkeypatch.setenv("MODELYARD_SERVE_PORT", "80")
    backend.ensure(replace(NOTHING, env={"COLOUR": "green"}, settings={"golden": False}))
    keeper = until(lambda: told(folder, NOTHING).keeper)
    environment = Path(f"/proc/{keeper}/environ").read_bytes()
    assert b"tacit" not in environment
    assert b"COLOUR=green" in environment
    assert b"MODELYARD_SERVE_GOLDEN=false" in environment
    assert b"MODELYARD_SERVE_PORT" not in environment
    assert b"tacit" not in b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("name", ["", ".", "..", ".lock", "a/b", "Grün", "x" * 300])
def test_a_name_that_is_no_directory_of_its_own_is_refused(name: str, backend: Any) -> None:
    with pytest.raises(InvalidArgument, match="no name of replicas"):
        backend.ensure(replace(NOTHING, name=name))


def test_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelyard.serving.backends import keeper

    monkeypatch.setattr(keeper, "_LONGEST_LOG", 1000)
    log = keeper.Log(tmp_path / "0.log")
    for number in range(100):
        log.write(json.dumps({"line": number, "text": "x" * 50}) + "\n")
    sizes = {each.name: each.stat().st_size for each in tmp_path.iterdir()}
    assert set(sizes) == {"0.log", "0.log.1"}
    assert max(sizes.values()) < 1200
    assert '"line": 99,' in (tmp_path / "0.log").read_text() + (tmp_path / "0.log.1").read_text()
