"""Real model servers behind a gateway: one connection for many requests, and servers that end in every way."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from modelyard.http.link import AGREED, ASKED, FRAME
from tests.serving.gateway.parts import Gateway, gateway, load
from tests.serving.live.process import ModelServer, serving, until

FINE = b'{"mood": "fine"}'


@pytest.fixture(scope="module")
def servers(moody) -> Iterator[list[ModelServer]]:
    with ExitStack() as held:
        both = [held.enter_context(serving(f"d={moody}", ready=False)) for _ in range(2)]
        for each in both:
            each.wait_ready()
        yield both


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    found: Path = tmp_path_factory.mktemp("gateway") / "table.json"
    return found


@pytest.fixture(scope="module")
def door(servers, path) -> Iterator[Gateway]:
    table = {"deployments": {"d": {"revisions": [{"replicas": [each.url for each in servers], "version": "1"}]}}}
    path.write_text(json.dumps(table))
    with gateway(path.parent, "--table", path) as found:
        yield found


def connections(door: Gateway, server: ModelServer) -> int:
    """Between a gateway and a model server."""
    found = psutil.Process(door.process.pid).net_connections("tcp")
    return sum(1 for each in found if each.raddr and each.raddr.port == int(server.port))


def test_many_requests_share_few_connections(door, servers):
    until(lambda: all(connections(door, each) == 2 for each in servers))  # the link, and the question for readiness
    with load(door, {"mood": "so so"}, callers=24) as asked:
        asked.goes_on(300)
        assert all(connections(door, each) <= 3 for each in servers)
    assert asked.failed() == []
    assert {each[3] for each in asked.answers} == {"SO SO"}


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ("/models/d/predict", {"mood": "fine"}),
        ("/models/d/predict", [{"mood": "fine"}] * 5000),
        ("/models/d/predict", {"mood": "fine", "colour": "red"}),
        ("/models/d/predict", {"mood": "raise"}),
        ("/models/d/predict", b"{"),
        ("/models/d/invocations", {"dataframe_records": [{"mood": "so"}, {"mood": "so so"}]}),
        (
            "/v2/models/d/infer",
            {"inputs": [{"name": "mood", "datatype": "BYTES", "shape": [1], "data": ["so"]}]},
        ),
    ],
    ids=["one row", "many", "unknown column", "raises", "no JSON", "invocations", "open inference"],
)
def test_an_answer_is_the_model_servers(door, servers, page, body):
    status, told, answer = door.ask("POST", page, body, x_request_id="r-1")
    expected, mine, content = servers[0].ask("POST", page, body, x_request_id="r-1")
    assert (status, answer) == (expected, content)
    ours = {each: told.pop(each) for each in tuple(told) if each.startswith("modelyard-")}
    assert set(ours) == {"modelyard-version", "modelyard-role", "modelyard-revision", "modelyard-prediction"}
    mine = {name: value for name, value in mine.items() if not name.startswith("modelyard-")}
    for each in (told, mine):
        each.pop("date")
    assert told == mine


def test_requests_in_pieces_get_there_too(door):
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 16\r\n"
    with socket.create_connection((door.host, int(door.port))) as raw:
        one, last = head + b"\r\n" + FINE, head + b"connection: close\r\n\r\n" + FINE
        raw.sendall(one + one + last)  # in a row, without waiting
        got = b"".join(iter(lambda: raw.recv(65536), b""))
    assert got.count(b"HTTP/1.1 200 OK") == got.count(b'"FINE"') == 3


def test_who_leaves_is_not_waited_for(door, servers):
    with socket.create_connection((door.host, int(door.port))) as raw:
        body = b'{"mood": "sleep 1"}'
        raw.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        until(lambda: sum(each["in_flight"] for each in door.told()["revisions"][0]["replicas"]) == 1)
    until(lambda: sum(each["in_flight"] for each in door.told()["revisions"][0]["replicas"]) == 0)
    assert door.predict({"mood": "fine"})[0] == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_model_server_ends_under_load_and_no_request_fails(door, servers, moody, number, path):
    with serving(f"d={moody}") as third:
        told = json.loads(path.read_text())
        told["deployments"]["d"]["revisions"][0]["replicas"] = [each.url for each in (*servers, third)]
        path.write_text(json.dumps(told))
        until(lambda: third.url in json.dumps(door.told()))
        until(lambda: len(door.told()["revisions"][0]["replicas"]) == 3)
        door.all_ready()
        with load(door, {"mood": "fine"}, callers=8) as asked:
            asked.goes_on(200)
            os.kill(third.process.pid, number)
            third.process.wait(60)
            asked.goes_on(200)
        third.process.send_signal = lambda _: None  # type: ignore[method-assign]  # it has ended
    assert asked.failed() == []


def test_a_link_by_its_bytes(servers):
    server = servers[0]
    head = b"POST /models/d/predict HTTP/1.1\r\ncontent-length: 16\r\n"[:-2]
    frame = FRAME.pack(7, len(head), len(FINE)) + head + FINE
    odd = head.replace(b"content-length: 16", b"transfer-encoding: chunked")
    frames = frame + FRAME.pack(8, len(odd), 0) + odd + FRAME.pack(9, len(head), len(FINE)) + head + FINE
    frames += FRAME.pack(9, 0, 0)  # nobody waits for this one
    with socket.create_connection((server.host, int(server.port))) as raw:
        raw.sendall(ASKED + b"host: x\r\n\r\n")
        got = read(raw, len(AGREED))
        assert got == AGREED
        for at in range(0, len(frames), 13):
            raw.sendall(frames[at : at + 13])
        answers = {}
        while len(answers) < 2:
            number, first, second = FRAME.unpack(read(raw, 12))
            answers[number] = read(raw, first), read(raw, second)
        assert answers[8] == (b"", b"")  # over a connection of its own, please
        assert answers[7][0].startswith(b"HTTP/1.1 200 OK\r\n")
        assert answers[7][1] == b'"FINE"'
        raw.sendall(FRAME.pack(10, 2**31, 1))
        assert raw.recv(1) == b""
    assert server.ask("POST", "/predict", FINE)[0] == 200


def read(raw: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = raw.recv(count - len(got))
        assert more, got
        got += more
    return got


def test_a_link_with_more_answers_than_anybody_reads_waits(servers):
    server = servers[1]
    body = json.dumps([{"mood": "x" * 500}] * 100).encode()
    head = b"POST /models/d/predict HTTP/1.1\r\ncontent-length: %d" % len(body)
    with socket.create_connection((server.host, int(server.port))) as raw:
        raw.sendall(ASKED + b"host: x\r\n\r\n")
        read(raw, len(AGREED))
        sent = threading.Thread(
            target=lambda: [raw.sendall(FRAME.pack(at, len(head), len(body)) + head + body) for at in range(1, 201)]
        )
        sent.start()
        seen = set()
        for _ in range(200):
            number, first, second = struct.unpack("<III", read(raw, 12))
            assert read(raw, first).startswith(b"HTTP/1.1 200")
            read(raw, second)
            seen.add(number)
        sent.join()
    assert seen == set(range(1, 201))
