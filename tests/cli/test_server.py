"""`modelyard server` from its start to its stop, as a real process."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from modelyard import __version__
from tests.cli.process import Server, modelyard, running

LOG_METRIC = "/api/2.0/mlflow/runs/log-metric"


def test_the_ready_line_names_the_address_and_requests_are_answered(tmp_path):
    with running(tmp_path / "new" / "data") as server:
        assert re.fullmatch(rf"Modelyard {re.escape(__version__)} is ready at http://127\.0\.0\.1:\d+\n", server.line)
        assert server.ask("GET", "/health")[2] == b"OK"
        assert server.stop() == (0, "")
    assert (tmp_path / "new" / "data" / "modelyard.db").is_file()


def test_every_flag_can_be_a_variable_and_the_flag_wins(tmp_path):
    with running(
        tmp_path / "data",
        MODELYARD_DATABASE=f"sqlite:///{tmp_path}/elsewhere.db",
        MODELYARD_ARTIFACTS=str(tmp_path / "files"),
        MODELYARD_SERVE_ARTIFACTS="false",
        MODELYARD_PORT="1",
    ) as server:
        found = server.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert found["experiment"]["artifact_location"] == f"{tmp_path}/files/0"
    assert (tmp_path / "elsewhere.db").is_file()
    assert not (tmp_path / "data" / "modelyard.db").exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--host", "0.0.0.0"], {}, "Refusing to listen on '0.0.0.0': nobody signs in yet.*--allow-remote"),
        (["--workers", "2"], {}, "2 workers need PostgreSQL"),
        (["--database", "mysql://u:secret@h/d"], {}, "begins with 'mysql'; expected sqlite:///PATH or postgresql://"),
        (
            ["--database", "postgresql://u:secret@127.0.0.1:1/d"],
            {},
            r"Cannot open the database postgresql://u:\*\*\*@127",
        ),
        (["--database", "sqlite:///:memory:"], {}, "sqlite:///:memory: names no file"),
        (["--database", "sqlite:////no/such/folder/a.db"], {}, "/no/such/folder cannot be written: No such file"),
        (["--artifacts", "ftp://h/d"], {}, "cannot be kept at ftp: URIs"),
        (["--host", "203.0.113.7", "--allow-remote"], {}, "Cannot listen on 203.0.113.7 port 0: Cannot assign"),
        ([], {"MODELYARD_FULL_SYNC": "maybe"}, "MODELYARD_FULL_SYNC='maybe' is not true or false"),
        ([], {"MODELYARD_LOG_FORMAT": "xml"}, "MODELYARD_LOG_FORMAT='xml' is not one of text, json"),
        (["--port", "70000"], {}, "MODELYARD_PORT=70000 is out of range; expected 0 to 65535"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(tmp_path, arguments, variables, message):
    done = modelyard("server", "--data", tmp_path / "data", "--port", 0, *arguments, **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(f"Error: .*{message}.*\n", done.stderr), done.stderr
    assert "secret" not in done.stderr


def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = modelyard("server", "--data", tmp_path / "data", "--port", port)
    assert done.returncode == 1
    assert re.fullmatch(f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use.*\n", done.stderr)


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = modelyard("server", "--port", 0, "--data", tmp_path / "file" / "data")
    assert done.returncode == 1
    assert re.fullmatch("Error: The data directory .*/file/data cannot be written: Not a directory.*\n", done.stderr)


def test_a_newer_releases_database_is_refused(tmp_path):
    with running(tmp_path) as server:
        server.stop()
    with sqlite3.connect(tmp_path / "modelyard.db") as connection:
        connection.execute("UPDATE schema_revision SET version_num = '9999'")
    connection.close()
    done = modelyard("server", "--port", 0, "--data", tmp_path)
    assert done.returncode == 1
    assert re.fullmatch("Error: .*9999, which a newer Modelyard made.*Upgrade Modelyard.*\n", done.stderr)


def test_one_sqlite_file_has_one_server(tmp_path):
    with running(tmp_path) as server:
        done = modelyard("server", "--port", 0, "--data", tmp_path)
        assert done.returncode == 1
        assert f"process {server.process.pid}, {server.url}" in done.stderr
        assert "Stop it, give this one another --data, or use PostgreSQL" in done.stderr
        assert server.ask("GET", "/health")[0] == 200
        server.process.kill()
        server.process.wait()
        with running(tmp_path) as second:  # the lock went with the process
            assert second.ask("GET", "/health")[0] == 200


def test_a_stop_under_load_finishes_what_it_began_and_loses_nothing_acknowledged(tmp_path):
    acknowledged: list[tuple[str, int]] = []
    refused: list[int] = []
    with running(tmp_path) as server:
        runs = [server.run() for _ in range(4)]
        enough = threading.Event()

        def write(run: str) -> None:
            with closing(server.connect()) as connection:
                for step in range(100_000):
                    body = json.dumps({"run_id": run, "key": "m", "value": step, "step": step, "timestamp": 1})
                    try:
                        connection.request("POST", LOG_METRIC, body, {"content-type": "application/json"})
                        answer = connection.getresponse()
                        answer.read()
                    except (OSError, http.client.HTTPException):  # closed between two requests
                        return
                    if answer.status != 200:
                        refused.append(answer.status)
                        return
                    acknowledged.append((run, step))
                    if len(acknowledged) > 400:
                        enough.set()

        writers = [threading.Thread(target=write, args=(run,)) for run in runs]
        for writer in writers:
            writer.start()
        assert enough.wait(30)
        code, errors = server.stop()
        for writer in writers:
            writer.join()
    assert (code, errors) == (0, "")
    assert refused == []
    with running(tmp_path) as server:
        for run in runs:
            found = server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m&max_results=25000")
            stored = {point["step"] for point in found.get("metrics", [])}
            assert {step for its_run, step in acknowledged if its_run == run} <= stored


def test_a_request_in_flight_is_answered_before_the_end(tmp_path):
    with running(tmp_path) as server:
        body = json.dumps({"experiment_id": "0"}).encode()
        with half_sent(server, body) as connection:
            server.process.send_signal(signal.SIGTERM)
            wait_until_closed(server)
            connection.sendall(body[1:])
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in answer
        assert server.process.wait(30) == 0


def half_sent(server: Server, body: bytes) -> socket.socket:
    """A connection on which the first byte of a request's body has arrived."""
    connection = socket.create_connection((server.host, int(server.port)))
    head = (
        "POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:1])
    server.ask("GET", "/health")  # answered after what came before it was read
    return connection


def wait_until_closed(server: Server) -> None:
    """Until no new connection is taken."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection((server.host, int(server.port))).close()
        except ConnectionError:
            return
        time.sleep(0.02)
    pytest.fail("the server goes on taking connections")


def test_the_second_signal_ends_it_at_once(tmp_path):
    with running(tmp_path) as server, half_sent(server, b"{}"):
        server.process.send_signal(signal.SIGINT)
        wait_until_closed(server)
        assert server.process.poll() is None  # the request in flight holds it
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 128 + signal.SIGINT


def test_logs_are_lines_of_json_with_the_requests_id(tmp_path):
    with running(tmp_path, "--log-format", "json", "--log-level", "debug") as server:
        _, headers, _ = server.ask("GET", "/version", X_Request_Id="from-the-proxy/7")
        server.ask("GET", "/version", X_Request_Id="not fit\tfor a log")
        _, errors = server.stop()
    assert headers["x-request-id"] == "from-the-proxy/7"
    lines = [json.loads(line) for line in errors.splitlines()]
    asked = [line for line in lines if line["logger"] == "modelyard.request"]
    assert re.fullmatch(r"GET /version 200 [\d.]+ ms", asked[0]["message"])
    assert asked[0]["request_id"] == "from-the-proxy/7"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", asked[1]["request_id"])
    assert {"time", "level", "logger", "message"} <= set(asked[0])


def test_workers_share_one_port_and_are_started_anew(tmp_path, postgres):
    url = postgres.create()
    with running(tmp_path, "--database", url, "--workers", 2) as server:
        numbers = children(server.process.pid)
        assert len(numbers) == 2
        run = server.run()
        for step in range(20):
            server.post(LOG_METRIC, {"run_id": run, "key": "m", "value": 1, "step": step, "timestamp": 1})
        counted = server.ask("GET", "/metrics")[2].decode()
        assert 'modelyard_requests_total{endpoint="runs/log-metric",status="200"} 20\n' in counted
        victim = numbers[0]
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while len(alive := children(server.process.pid)) < 2 or victim in alive:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server.ask("GET", "/health/ready")[0] == 200
        code, errors = server.stop()
    assert code == 0
    assert f"(process {victim}) ended with 9; starting it anew" in errors
    postgres.drop(url)


def children(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
