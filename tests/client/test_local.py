"""The local store: whoever logs first has a server for it, all share it, and it goes when nobody needs it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from modelyard.client import local
from modelyard.db.lock import held
from modelyard.domain.errors import InvalidState, Unavailable
from modelyard.domain.holders import Holder, read
from tests.cli.process import environment, modelyard, running

FIND = "import sys; from modelyard.client.local import local_server; print(local_server(sys.argv[1]), flush=True)"
HIDDEN = (
    "import sys, importlib.util as u; find = u.find_spec;"
    "u.find_spec = lambda name, package=None: None if name == 'uvicorn' else find(name, package);" + FIND
)


@pytest.fixture
def data(tmp_path) -> Iterator[Path]:
    """A directory, whose server is stopped at the end."""
    place = tmp_path / "data"
    yield place
    stop(place / "modelyard.db")


@pytest.fixture
def short(monkeypatch) -> None:
    """Servers stop after a second."""
    monkeypatch.setattr(local, "IDLE_EXIT_S", 1)


def holder(database: Path) -> Holder | None:
    return read(held(str(database)) + "\n")


def stop(database: Path) -> None:
    found = holder(database)
    if found is not None:
        os.kill(found.process, signal.SIGKILL)
        wait(lambda: not held(str(database)))


def wait(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def ask(url: str, path: str, body: object = None) -> dict:
    method = "GET" if body is None else "POST"
    with urllib3.PoolManager() as pool:
        got = pool.request(method, url + path, json=body)
        assert got.status < 300, got.data
        return json.loads(got.data)


def start_run(url: str) -> str:
    return ask(url, "/api/v1/runs", {"experiment_id": 0})["run_id"]


def runs(url: str) -> set[str]:
    return {run["run_id"] for run in ask(url, "/api/v1/runs/search", {})["runs"]}


def find_in_process(place: Path, code: str = FIND) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(place)]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_the_first_call_starts_a_server_and_the_next_ones_find_it(data, short) -> None:
    assert local.serving(data) == ""
    url = local.local_server(data)
    assert url.startswith("http://127.0.0.1:")
    run = start_run(url)
    assert local.local_server(data) == local.serving(data) == url
    server = holder(data / "modelyard.db")
    assert server is not None
    assert os.getsid(server.process) == server.process != os.getsid(0)  # Ctrl-C here does not reach it
    assert (data / "server.log").stat().st_mode & 0o777 == 0o600
    assert (data / ".gitignore").read_text() == "*\n"  # a repository is not dirty because a script ran in it
    wait(lambda: not held(str(data / "modelyard.db")))  # nobody asked anything for a second
    assert local.serving(data) == ""
    again = local.local_server(data)
    assert runs(again) == {run}
    assert (data / "server.log").read_text().count("Modelyard") == 2  # it said nothing else


def test_ten_processes_that_begin_at_once_share_one_server(data) -> None:
    processes = [find_in_process(data) for _ in range(10)]
    told = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in told] == [""] * 10
    assert len({url for url, _ in told}) == 1
    assert (data / "server.log").read_text().count("is ready at") == 1
    assert start_run(told[0][0].strip())


def test_it_outlives_the_process_that_started_it(data) -> None:
    code = FIND + "; import time; time.sleep(60)"
    first = find_in_process(data, code)
    assert first.stdout is not None
    url = first.stdout.readline().strip()
    run = start_run(url)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert runs(url) == {run}
    assert local.local_server(data) == url


def test_a_server_that_a_person_started_is_used(data) -> None:
    with running(data) as server:
        assert local.local_server(data) == server.url
        assert local.local_server(f"sqlite:///{data}/modelyard.db") == server.url
        server.stop()
        assert local.serving(data) == ""


def test_a_server_that_a_person_starts_takes_over_and_keeps_what_was_logged(data) -> None:
    url = local.local_server(data)
    run = start_run(url)
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", url + "/health").status == 200  # its connection stays open
        with running(data) as server:
            assert local.local_server(data) == server.url != url
            assert runs(server.url) == {run}
            refused = modelyard("server", "--data", data, "--port", 0)  # a person's makes no room
            assert refused.returncode == 1
            assert server.url in refused.stderr
            idle = modelyard("server", "--data", data, "--port", 0, "--idle-exit", 5)
            assert idle.returncode == 1


def test_what_a_dead_server_left_behind_deceives_nobody(data) -> None:
    url = local.local_server(data)
    run = start_run(url)
    found = holder(data / "modelyard.db")
    assert found is not None
    os.kill(found.process, signal.SIGKILL)
    wait(lambda: not held(str(data / "modelyard.db")))
    assert read((data / "modelyard.db.lock").read_text()) == found
    assert local.serving(data) == ""
    assert runs(local.local_server(data)) == {run}


def test_a_database_file_by_its_path_or_uri(tmp_path) -> None:
    file = tmp_path / "a folder" / "some runs.db"
    try:
        url = local.local_server(f"sqlite:///{file}")
        assert local.local_server(file) == url
        assert start_run(url)
        assert file.is_file()
    finally:
        stop(file)


def test_variables_of_a_server_do_not_lead_elsewhere(data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MODELYARD_DATABASE", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("MODELYARD_HOST", "0.0.0.0")
    monkeypatch.setenv("MODELYARD_WORKERS", "3")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    Path("click.py").write_text("raise SystemExit('the script's own file is not ours to import')")
    assert local.local_server(data).startswith("http://127.0.0.1:")
    assert (data / "modelyard.db").is_file()
    assert not (tmp_path / "other.db").exists()


def test_what_cannot_be_served_is_said_in_the_servers_words(data) -> None:
    data.mkdir()
    with closing(sqlite3.connect(data / "modelyard.db")) as connection:
        for table in ("experiments", "runs", "alembic_version"):
            connection.execute(f"CREATE TABLE {table} (x)")
        connection.commit()
    with pytest.raises(InvalidState, match="MLflow keeps its runs in"):
        local.local_server(data)


def test_a_directory_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match=r"/file/data cannot be used: Not a directory.*MODELYARD_DATA"):
        local.local_server(tmp_path / "file" / "data")


def test_without_the_server_extra_it_says_what_to_install_but_finds_a_server(data) -> None:
    output, errors = find_in_process(data, HIDDEN).communicate(timeout=60)
    assert output == ""
    assert "pip install 'modelyard[server]' to keep runs in a local directory" in errors
    url = local.local_server(data)
    assert find_in_process(data, HIDDEN).communicate(timeout=60) == (f"{url}\n", "")


def test_a_server_that_is_told_to_stop_when_idle(data) -> None:
    with running(data, "--idle-exit", "1") as server:
        connection = server.connect()
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b"OK"
        began = time.monotonic()
        while time.monotonic() < began + 2.5:  # as long as somebody is connected
            assert server.process.poll() is None
            time.sleep(0.1)
        connection.close()
        assert server.process.wait(20) == 0


def test_several_workers_cannot_be_idle(data) -> None:
    done = modelyard("server", "--database", "postgresql://x/y", "--workers", 2, "--idle-exit", 5, "--port", 0)
    assert (done.returncode, "leave --workers at 1, or --idle-exit at 0" in done.stderr) == (1, True)
