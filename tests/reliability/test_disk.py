"""A full disk, a directory that cannot be written, files that are gone: 503 with a reason; once mended, on it goes."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess

import pytest

from tests.reliability.process import Client, ServerProcess

FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path / "data")
    yield process.start()
    process.stop()


@pytest.fixture
def client(server):
    return Client(server.url)


def writes(client, run):
    """One of each kind of write: name → (status, answer)."""
    body = {"run_id": run, "key": "late", "value": "1"}
    return {
        "metric": client.post("runs/log-metric", **{**body, "value": 1.0, "timestamp": 5, "step": 5}),
        "batch": client.post("runs/log-batch", run_id=run, params=[{"key": "p", "value": "v"}]),
        "param": client.post("runs/log-parameter", **{**body, "key": "late param"}),
        "tag": client.post("runs/set-tag", **body),
        "run": client.post("runs/create", experiment_id="0", run_name="late"),
        "experiment": client.post("experiments/create", name="late"),
        "update": client.post("runs/update", run_id=run, status="FAILED"),
    }


def refused(answers):
    for name, (status, answer) in answers.items():
        assert status == 503, (name, status, answer)
        assert answer["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert "database" in answer["message"].lower()


def lives(client):
    assert client.send("GET", "/health")[0] == 200


def nothing_changed(client, run):
    """None of the refused writes left anything."""
    found = client.must_get("runs/get", run_id=run)["run"]
    assert found["info"]["status"] == "RUNNING"
    assert [metric["key"] for metric in found["data"]["metrics"]] == ["m"]
    assert "params" not in found["data"]
    assert client.history(run, "late") == []
    assert client.search("attributes.run_name = 'late'") == []


def recovered(client, run):
    answers = writes(client, run)
    assert {name: status for name, (status, _) in answers.items()} == dict.fromkeys(answers, 200), answers
    assert client.history(run, "late") == [(5, 5, 1.0)]
    assert len(client.search("attributes.run_name = 'late'")) == 1


@pytest.fixture
def run(client):
    run = client.create_run()
    client.must_post("runs/log-metric", run_id=run, key="m", value=1, timestamp=1, step=1)
    return run


def test_files_that_may_not_grow(server, client, run):
    """A quota: the system refuses to make any file of the server's longer."""
    body = os.urandom(200_000)
    wal = (server.data / "modelyard.db-wal").stat().st_size
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (min(wal, 100_000), resource.RLIM_INFINITY))
    refused(writes(client, run))
    status, answer = client.send("PUT", f"{FILES}/{run}/big", body)
    assert status == 503, answer
    lives(client)
    nothing_changed(client, run)
    assert client.send("GET", f"{FILES}/{run}/big")[0] == 404
    assert b"files" not in client.send("GET", f"{FILES}?path={run}")[1]
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    recovered(client, run)
    assert client.send("PUT", f"{FILES}/{run}/big", body)[0] == 200
    assert client.send("GET", f"{FILES}/{run}/big") == (200, body)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(path):
    """Leave not a byte."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def test_a_disk_that_is_full_and_then_is_not(small_disk):
    server = ServerProcess(small_disk / "data")
    server.log = small_disk.parent / "log"
    server.start()
    client = Client(server.url)
    run = client.create_run()
    client.must_post("runs/log-metric", run_id=run, key="m", value=1, timestamp=1, step=1)
    fill(small_disk / "ballast")
    # The log's last page may have had room for a write or two.
    for _ in range(200):
        status, _ = client.post("runs/set-tag", run_id=run, key="fill", value="x" * 4000)
        if status != 200:
            break
    refused(writes(client, run))
    status, answer = client.send("PUT", f"{FILES}/{run}/file", b"x" * 50_000)
    assert status == 503, answer
    lives(client)
    nothing_changed(client, run)
    assert client.send("GET", f"{FILES}/{run}/file")[0] == 404
    (small_disk / "ballast").unlink()
    recovered(client, run)
    assert client.send("PUT", f"{FILES}/{run}/file", b"x" * 50_000)[0] == 200
    server.stop()
    connection = sqlite3.connect(small_disk / "data" / "modelyard.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.fixture
def locked(server):
    """The data directory may not be changed; not even by root, where the file system can do that."""
    root = os.geteuid() == 0
    lock = ["chattr", "+i", server.data] if root else ["chmod", "a-w", server.data]
    unlock = ["chattr", "-i", server.data] if root else ["chmod", "u+w", server.data]
    if subprocess.run(lock, capture_output=True, check=False).returncode:
        pytest.skip("the file system cannot lock a directory against root")
    yield lambda: subprocess.run(unlock, check=True)
    subprocess.run(unlock, check=True)


def test_a_directory_that_cannot_be_written(client, run, locked):
    status, answer = client.send("PUT", f"{FILES}/{run}/file", b"x")
    assert status == 503, answer
    assert b"artifact" in answer
    status, answer = client.send("GET", "/health/ready")
    assert status == 503
    assert b"artifacts" in answer
    lives(client)
    assert client.get("runs/get", run_id=run)[0] == 200
    locked()
    recovered(client, run)
    assert client.send("PUT", f"{FILES}/{run}/file", b"x")[0] == 200
    assert client.send("GET", "/health/ready")[0] == 200


def test_a_data_directory_that_goes_away_and_comes_back(server, client, run, tmp_path):
    server.data.rename(tmp_path / "elsewhere")
    refused(writes(client, run))
    for status, answer in (
        client.get("runs/get", run_id=run),
        client.post("runs/search", experiment_ids=["0"]),
        client.get("metrics/get-history", run_id=run, metric_key="m"),
    ):
        assert status == 503
        assert str(server.data) in answer["message"]
    status, answer = client.send("PUT", f"{FILES}/{run}/file", b"x")
    assert status == 503, answer
    lives(client)
    assert client.send("GET", "/health/ready")[0] == 503
    assert not server.data.exists(), "an empty one in its place would hide that it is gone"
    (tmp_path / "elsewhere").rename(server.data)
    nothing_changed(client, run)
    recovered(client, run)
    assert client.send("PUT", f"{FILES}/{run}/file", b"x")[0] == 200
    assert client.send("GET", "/health/ready")[0] == 200


def test_a_database_file_that_another_replaces(server, client, run):
    """Somebody puts a backup in its place: from then on that is the truth, nothing remembered is mixed in."""
    client.must_post("runs/set-tag", run_id=run, key="when", value="backup")
    path = server.data / "modelyard.db"
    source, backup = sqlite3.connect(path), sqlite3.connect(server.data / "backup.db")
    source.backup(backup)
    source.close()
    backup.close()
    client.must_post("runs/set-tag", run_id=run, key="when", value="later")
    client.must_post("runs/log-metric", run_id=run, key="new key", value=2, timestamp=2, step=2)
    assert client.search("tags.when = 'later'")
    for ending in ("-wal", "-shm"):
        (server.data / f"modelyard.db{ending}").unlink(missing_ok=True)
    (server.data / "backup.db").rename(path)
    assert client.search("tags.when = 'later'") == []
    assert len(client.search("tags.when = 'backup'")) == 1
    data = client.must_get("runs/get", run_id=run)["run"]["data"]
    assert [metric["key"] for metric in data["metrics"]] == ["m"]
    client.must_post("runs/log-metric", run_id=run, key="other key", value=3, timestamp=3, step=3)
    client.must_post("runs/log-metric", run_id=run, key="new key", value=4, timestamp=4, step=4)
    assert client.history(run, "new key") == [(4, 4, 4.0)]
    assert client.history(run, "other key") == [(3, 3, 3.0)]
    server.stop()
    log = server.data / "modelyard.db-wal"
    assert not log.exists() or not log.stat().st_size, "the log of the new file was moved into it"
    server.start()
    again = Client(server.url)
    assert again.history(run, "new key") == [(4, 4, 4.0)]
    assert again.history(run, "other key") == [(3, 3, 3.0)]


def test_an_artifact_directory_that_goes_away_and_comes_back(server, client, run, tmp_path):
    assert client.send("PUT", f"{FILES}/{run}/file", b"x")[0] == 200
    artifacts = server.data / "artifacts"
    artifacts.rename(tmp_path / "elsewhere")
    artifacts.touch()  # so that it cannot be made anew
    status, answer = client.send("PUT", f"{FILES}/{run}/other", b"y")
    assert status == 503, answer
    assert b"artifact" in answer
    assert client.send("GET", f"{FILES}/{run}/file")[0] in (404, 503)
    lives(client)
    assert client.post("runs/set-tag", run_id=run, key="k", value="v")[0] == 200
    artifacts.unlink()
    (tmp_path / "elsewhere").rename(artifacts)
    assert client.send("GET", f"{FILES}/{run}/file") == (200, b"x")
    assert client.send("PUT", f"{FILES}/{run}/other", b"y")[0] == 200
