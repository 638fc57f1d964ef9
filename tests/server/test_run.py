"""The HTTP side of a server process: no stalls, bounds on heads and on patience."""

from __future__ import annotations

import http.client
import socket
import statistics
import time
from collections.abc import Iterator

import pytest

from modelyard.domain.errors import Unavailable
from modelyard.http.listener import listen, url_of
from tests.cli.process import Server, running


@pytest.fixture(scope="module")
def process(tmp_path_factory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data"), MODELYARD_BODY_TIMEOUT_S="1") as server:
        yield server


def connect(server: Server) -> socket.socket:
    connection = socket.create_connection((server.host, int(server.port)))
    connection.settimeout(30)
    return connection


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return answer
        if not chunk:
            return answer
        answer += chunk


def ask(connection: socket.socket, path: str) -> int:
    """The status of one whole answer: head and body may come in two packets."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def test_small_answers_do_not_wait_for_an_acknowledgement(process):
    """Without TCP_NODELAY every answer that is sent in two pieces takes 40 ms on a connection that is kept."""
    run = process.run()
    with connect(process) as connection:
        times = []
        for step in range(30):
            body = f'{{"run_id":"{run}","key":"m","value":1,"timestamp":1,"step":{step}}}'.encode()
            head = (
                "POST /api/2.0/mlflow/runs/log-metric HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            connection.sendall(head.encode() + body)
            answer = connection.recv(65536)
            while not answer.endswith(b"{}"):
                answer += connection.recv(65536)
            times.append(time.perf_counter() - began)
            assert answer.startswith(b"HTTP/1.1 200 OK")
    assert statistics.quantiles(times, n=4)[0] < 0.03


def test_the_accepted_sockets_inherit_nodelay():
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_answers_do_not_name_the_software(process):
    _, headers, _ = process.ask("GET", "/health")
    assert "server" not in headers
    assert "date" in headers


@pytest.mark.parametrize(
    "part", [b"x-padding: " + b"a" * 70_000, b"".join(b"x-%d: a\r\n" % number for number in range(9000))]
)
def test_a_head_without_end_is_refused(process, part):
    with connect(process) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        for start in range(0, len(part), 8192):
            try:
                connection.sendall(part[start : start + 8192])
            except (BrokenPipeError, ConnectionResetError):
                break
        assert read_all(connection).startswith((b"HTTP/1.1 431 ", b""))
    assert process.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET /hea"])
def test_a_head_that_does_not_come_is_given_up(process, sent):
    with connect(process) as connection:
        connection.sendall(sent)
        assert read_all(connection) == b""


def test_a_body_that_does_not_come_is_given_up(process):
    with connect(process) as connection:
        connection.sendall(
            b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 10\r\n\r\n{"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_kept(process):
    with connect(process) as connection:
        assert ask(connection, "/health") == 200
        time.sleep(3.5)  # longer than the patience with a head, and than the time between two sweeps
        assert ask(connection, "/health") == 200


def test_addresses_are_shown_as_a_browser_takes_them():
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of("0.0.0.0", listener) == f"http://127.0.0.1:{port}"
        assert url_of("::1", listener) == f"http://[::1]:{port}"
        with pytest.raises(Unavailable, match="Address already in use"):
            listen("127.0.0.1", port)
