"""The short way and the ordinary way answer alike, whatever the bytes on the wire look like."""

import json
import socket
import threading
from typing import Self

import pytest

BASE = "/api/2.0/mlflow/runs"


class Wire:
    """A connection on which one says what one sends."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Self:
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        length = int(headers["content-length"])
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(first.split()[1]), headers, body

    def closed(self) -> bool:
        return self.socket.recv(1) == b""

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the server hung up; so far: {self.buffer!r}"
        self.buffer += data


def request(path: str, body: object, *headers: str, kind: str = "application/json") -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {kind}", f"Content-Length: {len(raw)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


@pytest.fixture
def wire(server):
    with Wire(server.url) as opened:
        yield opened


@pytest.fixture
def run(wire) -> str:
    status, _, body = wire.send(request(f"{BASE}/create", {"experiment_id": "0", "run_name": "first"})).answer()
    assert status == 200
    return str(json.loads(body)["run"]["info"]["run_id"])


def metric(run: str, value: object = 1.0, step: int = 0) -> dict[str, object]:
    return {"run_id": run, "key": "loss", "value": value, "timestamp": 1, "step": step}


def steps(wire: Wire, run: str) -> list[int]:
    path = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss"
    _, _, body = wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).answer()
    return [point["step"] for point in json.loads(body).get("metrics", [])]


# An extra header sends a request the ordinary way; nothing else about it differs.
ORDINARY = "X-Request-Id: me"

CASES = [
    ("log-metric", metric),
    ("log-metric", lambda run: metric(run, "NaN")),
    ("log-metric", lambda run: metric(run, "x")),
    ("log-metric", lambda run: metric("0" * 32)),
    ("log-metric", lambda run: {"run_id": run}),
    ("log-metric", lambda run: b"{not json"),
    ("log-metric", lambda run: b"[]"),
    ("log-batch", lambda run: {"run_id": run, "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t"}]}),
    ("log-batch", lambda run: {"run_id": run, "params": [{"key": "../p", "value": "1"}]}),
    ("log-batch", lambda run: {"run_id": run, "metrics": [{"key": "m"}]}),
    ("log-parameter", lambda run: {"run_id": run, "key": "lr", "value": "0.1"}),
    ("set-tag", lambda run: {"run_uuid": run, "key": "mlflow.runName", "value": "second"}),
    ("update", lambda run: {"run_id": run, "status": "FINISHED", "end_time": 7}),
    ("update", lambda run: {"run_id": run, "status": "DONE"}),
    ("create", lambda run: {"experiment_id": "77"}),
]


@pytest.mark.parametrize(("call", "body"), CASES)
def test_both_ways_give_the_same_answer(wire, run, call, body):
    short = wire.send(request(f"{BASE}/{call}", body(run))).answer()
    ordinary = wire.send(request(f"{BASE}/{call}", body(run), ORDINARY)).answer()
    assert (short[0], short[2]) == (ordinary[0], ordinary[2])
    assert short[1]["content-type"] == ordinary[1]["content-type"] == "application/json"
    assert "x-request-id" not in short[1]  # it was the short way
    assert ordinary[1]["x-request-id"] == "me"


def test_a_request_in_pieces_is_answered(server, wire, run):
    whole = request(f"{BASE}/log-metric", metric(run))
    for cut in (1, 20, whole.index(b"\r\n\r\n") + 2, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
        first, second = whole[:cut], whole[cut:]
        wire.send(first)
        with Wire(server.url) as other:  # the server has read the first piece once it answers somebody who came later
            assert steps(other, run) in ([], [0])
        assert wire.send(second).answer()[0] == 200
    assert steps(wire, run) == [0]


def test_requests_behind_each_other_are_answered_in_order(wire, run):
    several = [request(f"{BASE}/log-metric", metric(run if step % 3 else "none", step=step)) for step in range(30)]
    statuses = [200 if step % 3 else 404 for step in range(30)]
    assert [wire.send(*several) and wire.answer()[0], *(wire.answer()[0] for _ in several[1:])] == statuses
    wire.send(b"".join(several))
    assert [wire.answer()[0] for _ in several] == statuses
    assert steps(wire, run) == [step for step in range(30) if step % 3]


@pytest.mark.parametrize(
    "head",
    [
        b"POST %s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -2\r\n\r\n{}",
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"POST %s HTTP/1.1\r\nHost: x\r\n folded\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"POST %s HTTP/1.1\r\nHost: x\0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_an_odd_head_is_a_bad_request(wire, head):
    status, _, _ = wire.send(head % f"{BASE}/log-metric".encode()).answer()
    assert status == 400


def test_a_connection_that_is_to_be_closed_is(wire, run):
    status, headers, _ = wire.send(request(f"{BASE}/log-metric", metric(run), "Connection: close")).answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.closed()


def test_what_ends_early_does_no_harm(server, run):
    for _ in range(20):
        with Wire(server.url) as gone:
            gone.send(request(f"{BASE}/log-metric", metric(run)), b"POST /api")
    answers = []

    def ask() -> None:
        with Wire(server.url) as wire:
            answers.extend(wire.send(request(f"{BASE}/log-metric", metric(run, step=1))).answer()[0] for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 400
