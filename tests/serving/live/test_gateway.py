"""Several replicas behind one address: `modelyard serve --replicas`, and as many as are needed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.cli.process import Server, modelyard
from tests.serving.live.process import ModelServer, serving, until

FINE = b'{"mood": "fine"}'


@pytest.fixture(scope="module")
def gateway(moody) -> Iterator[ModelServer]:
    with serving(moody, "--replicas", "2", "--queue", "8") as server:
        until(lambda: server.get("/replicas")["ready"] == 2)
        yield server


def replicas(gateway: Server) -> dict[str, Any]:
    return {each["name"]: each for each in gateway.get("/replicas")["replicas"]}


def direct(replica: dict[str, Any]) -> Server:
    """A replica, as those ask it who know its address."""
    return Server(None, replica["url"])  # type: ignore[arg-type]  # it is the gateway's process


def front(replica: dict[str, Any]) -> int:
    """The process that listens at a replica's address."""
    port = int(replica["url"].rpartition(":")[2])
    listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return next(each.pid for each in listening if each.laddr.port == port)


def test_the_gateway_answers_what_its_replicas_answer(gateway):
    there = direct(replicas(gateway)["0"])
    for path, body in (
        ("/predict", {"mood": "fine"}),
        ("/invocations", {"dataframe_records": [{"mood": "so"}, {"mood": "so so"}]}),
        ("/v2/models/moody/infer", {"inputs": [{"name": "mood", "datatype": "BYTES", "shape": [1], "data": ["so"]}]}),
        ("/predict", {"mood": "fine", "colour": "red"}),
        ("/predict", {"mood": "raise"}),
        ("/models/nobody/predict", {"mood": "fine"}),
    ):
        status, headers, answer = gateway.ask("POST", path, body, x_request_id="r-1")
        expected, told, content = there.ask("POST", path, body, x_request_id="r-1")
        assert (status, answer) == (expected, content)
        assert headers.pop("modelyard-replica") in ("0", "1")
        for each in (headers, told):
            each.pop("date")
        assert headers == told


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v2/models/moody", "/models/moody?x=y", "/nothing"])
def test_pages_are_those_of_a_replica(gateway, path):
    status, headers, answer = gateway.ask("GET", path)
    expected, _, content = direct(replicas(gateway)["0"]).ask("GET", path)
    assert status == expected
    assert len(answer) == pytest.approx(len(content), rel=0.1)
    assert headers["modelyard-replica"] in ("0", "1")
    status, headers, nothing = gateway.ask("HEAD", path)
    assert (status, nothing) == (expected, b"")
    assert int(headers["content-length"]) == pytest.approx(len(answer), rel=0.1)


def test_our_own_pages(gateway):
    assert gateway.ask("GET", "/health")[0] == gateway.ask("GET", "/ping")[0] == 200
    assert gateway.get("/v2/health/ready") == {"ready": True}
    assert gateway.get("/ready") == {"ready": True, "replicas": 2, "replicas_ready": 2, "missing": []}
    told = gateway.get("/replicas")
    assert (told["wanted"], told["ready"], told["waiting"]) == (2, 2, 0)
    # the backend looks less often than the gateway asks
    until(lambda: [each["state"] for each in gateway.get("/replicas")["replicas"]] == ["ready", "ready"])


def test_unusual_requests_reach_a_replica_too(gateway):
    long = json.dumps([{"mood": "m" * 1000}] * 1000).encode()
    status, _, answer = gateway.ask("POST", "/predict", long)
    assert (status, len(json.loads(answer))) == (200, 1000)

    connection = gateway.connect()
    connection.request("POST", "/predict", iter([FINE[:5], FINE[5:]]), {"content-type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b'"FINE"')
    connection.close()

    with socket.create_connection((gateway.host, int(gateway.port))) as raw:
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 16\r\n"
        one, last = head + b"\r\n" + FINE, head + b"connection: close\r\n\r\n" + FINE
        raw.sendall(one + one + last)  # in a row, without waiting
        got = b"".join(iter(lambda: raw.recv(65536), b""))
        assert got.count(b"HTTP/1.1 200 OK") == got.count(b'"FINE"') == 3


def test_a_body_that_is_too_large_is_refused_here(gateway):
    connection = gateway.connect()
    connection.putrequest("POST", "/v2/models/moody/infer")
    connection.putheader("content-length", str(10**12))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "The body is larger than 104857600 bytes" in json.loads(answer.read())["error"]
    connection.close()


def test_both_replicas_share_the_work_and_more_is_told_to_come_again(gateway):
    seen: Counter[Any] = Counter()

    def wait() -> None:
        status, headers, _ = gateway.ask("POST", "/predict", {"mood": "sleep 0.2"})
        seen[status, headers.get("modelyard-replica")] += 1

    threads = [threading.Thread(target=wait) for _ in range(20)]  # each replica takes 8
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[200, "0"] == seen[200, "1"] == 8
    assert seen[503, None] == 4


def test_a_replica_is_killed_under_load_and_no_request_fails(gateway):
    stop, seen = threading.Event(), Counter()

    def load() -> None:
        connection = gateway.connect()
        while not stop.is_set():
            connection.request("POST", "/predict", FINE, {"content-type": "application/json"})
            answer = connection.getresponse()
            seen[answer.status, answer.read()] += 1
        connection.close()

    before = replicas(gateway)["0"]
    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: seen.total() > 100)
        os.kill(front(before), signal.SIGKILL)
        until(lambda: gateway.get("/replicas")["ready"] == 1)
        told = gateway.get("/ready")
        assert told["ready"]
        assert [each["name"] for each in told["missing"]] == ["replica 0"]
        until(lambda: gateway.get("/replicas")["ready"] == 2)
        assert replicas(gateway)["0"]["url"] != before["url"]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen.keys() == {(200, b'"FINE"')}
    metrics = gateway.ask("GET", "/metrics")[2].decode()
    assert 'modelyard_gateway_requests_total{replica="1",status="200"}' in metrics
    assert "modelyard_gateway_replicas_ready 2.0" in metrics


def test_replicas_come_with_the_requests_and_go_with_them(moody):
    arguments = ("--min-replicas", "0", "--max-replicas", "2", "--replicas", "0", "--target-in-flight", "2")
    with serving(moody, *arguments, "--cool-down", "1") as gateway:
        assert gateway.readiness() == (200, {"ready": True, "replicas": 0, "replicas_ready": 0, "missing": []})
        assert gateway.post("/predict", {"mood": "fine"}) == "FINE"  # it waited for a start
        assert list(replicas(gateway)) == ["0"]

        most, stop, seen = threading.Event(), threading.Event(), Counter()

        def load(end: threading.Event) -> None:
            while not end.is_set():
                status, headers, _ = gateway.ask("POST", "/predict", {"mood": "sleep 0.02"})
                seen[status, headers.get("modelyard-replica")] += 1

        threads = [threading.Thread(target=load, args=(stop if each == 0 else most,)) for each in range(8)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: seen[200, "1"])
            most.set()
            until(lambda: gateway.get("/replicas")["wanted"] == len(replicas(gateway)) == 1)
        finally:
            most.set()
            stop.set()
            for thread in threads:
                thread.join()
        assert seen.keys() == {(200, "0"), (200, "1")}
        until(lambda: not replicas(gateway))
        assert gateway.get("/replicas")["wanted"] == 0
        assert gateway.written("0 replicas instead of")


def test_a_replica_that_cannot_start_is_named(moody, tmp_path):
    with serving(moody, "--replicas", "2", "--start-timeout", "0.1", ready=False, HOME=str(tmp_path)) as gateway:
        status, _, body = gateway.ask("POST", "/predict", {"mood": "fine"})
        assert status == 503
        assert "No replica was ready within 0.1 seconds" in json.loads(body)["detail"]
        status, told = gateway.readiness()
        assert {each["name"] for each in told["missing"]} <= {"replica 0", "replica 1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-replicas", "3", "--max-replicas", "2"], "At least 3 replicas and at most 2: that cannot be."),
        (["--backend", "ray", "--ray-address", "127.0.0.1:9"], "There is no Ray cluster at 127.0.0.1:9"),
        (["--replicas", "-2"], "MODELYARD_SERVE_REPLICAS=-2 is out of range"),
    ],
)
def test_what_cannot_be_is_said_at_once(moody, arguments, message):
    done = modelyard("serve", moody, "--port", "0", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_replicas_end_with_the_gateway_and_have_none_of_their_own(moody):
    with serving(moody, MODELYARD_SERVE_REPLICAS="2", MODELYARD_SERVE_BATCHING="off") as gateway:
        until(lambda: gateway.get("/replicas")["ready"] == 2)
        there = [direct(each) for each in replicas(gateway).values()]
        assert {each.ask("GET", "/replicas")[0] for each in there} == {404}
        assert [each.get("/models/moody")["batching"]["rows"] for each in there] == [1, 1]
        gateway.process.kill()

        def silent() -> bool:
            for each in there:
                try:
                    each.ask("GET", "/health")
                except (OSError, http.client.HTTPException):
                    continue
                return False
            return True

        until(silent)
