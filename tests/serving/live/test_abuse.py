"""Whatever comes over the wire, each request has one answer, in order, and nobody else pays for it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.http import link
from tests.cli.process import Server
from tests.serving.live.process import ModelServer, serving, until
from tests.serving.live.wire import HEAD, Wire, chunked, post

NAME = "fähig & schön"
PREDICT = f"/models/{quote(NAME)}/predict"
FINE, SECRET = {"mood": "fine"}, "s3cr3t-t0k3n"
PATIENCE = {"MODELYARD_SERVE_BODY_TIMEOUT_S": "1"}
MB = 2**20


@pytest.fixture(scope="module")
def server(moody) -> Iterator[ModelServer]:
    arguments = ("--log-format", "json", "--log-requests", "--default-model", "moody")
    with serving(f"{NAME}={moody}", moody, *arguments, **PATIENCE) as running:
        yield running
        _nothing_unforeseen(running)


@pytest.fixture(scope="module")
def gateway(moody) -> Iterator[ModelServer]:
    bounds = ("--min-replicas", "1", "--max-replicas", "2", "--target-in-flight", "1000")
    with serving(f"{NAME}={moody}", moody, *bounds, "--default-model", "moody", **PATIENCE) as running:
        until(lambda: running.get("/replicas")["ready"])
        yield running
        _nothing_unforeseen(running)


def _nothing_unforeseen(server: ModelServer) -> None:
    """Whether it took everything for what it was."""
    for text in ("Exception in", "Traceback", "never retrieved", "never awaited", "asyncio", "Task was destroyed"):
        assert not server.written(text), "".join(server.output)


def _behind(server: ModelServer) -> Server:
    """The model server itself, or the one behind the gateway."""
    status, _, told = server.ask("GET", "/replicas")
    return server if status == 404 else Server(server.process, json.loads(told)["replicas"][0]["url"])


@pytest.fixture(params=["server", "gateway"])
def target(request) -> ModelServer:
    found: ModelServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


# ------------------------------------------------------------ pieces and rows


def test_requests_in_one_packet_are_answered_in_order(target):
    moods = [f"mood {number}" for number in range(12)]
    asked = []
    for number, mood in enumerate(moods):
        body = json.dumps({"mood": mood}).encode()
        ways = (post("/predict", body), chunked("/predict", body[:3], body[3:]), post("/predict?way=ordinary", body))
        asked.append(ways[number % 3])
    with Wire(target) as wire:
        wire.send(b"".join((*asked, b"GET /health HTTP/1.1\r\n\r\n", post("/predict", FINE, "connection: close"))))
        assert [wire.answer().content for _ in moods] == [mood.upper() for mood in moods]
        assert wire.answer().body == b"\n"
        assert wire.answer().content == "FINE"
        assert wire.closed()


def test_what_is_no_request_is_refused_after_those_before_it(target):
    with Wire(target) as wire:
        wire.send(chunked("/predict", b'{"mood": "sleep 0.1"}') + post("/predict", FINE) + b"nonsense\r\n\r\n")
        assert [wire.answer().status for _ in range(3)] == [200, 200, 400]
        assert wire.closed()


def test_a_request_in_bytes_is_answered(target):
    for request in (post("/predict", FINE), chunked("/predict", b'{"mood": ', b'"fine"}')):
        with Wire(target) as wire:
            wire.send(*(request[at : at + 1] for at in range(len(request))))
            assert wire.answer().content == "FINE"


@pytest.mark.parametrize("way", ["short", "ordinary"])
def test_who_stops_sending_still_gets_the_answer(target, way):
    path = "/predict" if way == "short" else "/predict?x"
    with Wire(target) as wire:
        wire.send(post(path, {"mood": "sleep 0.3"}), post(path, FINE)).finish()
        assert wire.answer().content == "SLEEP 0.3"
        assert wire.answer().content == "FINE"
        assert wire.closed()


def test_old_clients_that_stop_sending_get_nothing_but_the_answer(target):
    body = json.dumps({"mood": "sleep 0.1"}).encode()
    head = b"POST /predict HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body)
    with Wire(target) as wire:
        answer = wire.send(head + body).finish().answer()
        assert (answer.content, answer.interim) == ("SLEEP 0.1", 0)
        assert wire.closed()


@pytest.mark.parametrize("way", ["short", "ordinary"])
def test_what_somebody_asked_who_left_is_not_predicted(target, way):
    path = "/predict" if way == "short" else "/predict?x"
    server = _behind(target)
    busy = threading.Thread(target=target.ask, args=("POST", "/predict", {"mood": "sleep 1"}))
    busy.start()
    until(lambda: server.get("/models/moody")["in_flight"] == 1)
    time.sleep(0.1)  # a worker that is quick gets its next frame at once; after this it counts as slow
    before = _counted(server, "modelyard_abandoned_total", model="moody")
    with Wire(target) as leaver:
        leaver.send(post(path, {"mood": "die"}))
        until(lambda: server.get("/models/moody")["waiting"] == 1)
    until(lambda: _counted(server, "modelyard_abandoned_total", model="moody") == before + 1, 0.5)
    busy.join()
    assert target.ask("POST", "/predict", FINE)[0] == 200
    assert not target.written("SIGKILL")


def test_who_leaves_in_the_middle_of_a_body_or_an_answer_leaves_nothing(target):
    many = json.dumps([{"mood": "m" * 1000}] * 3000).encode()
    process = psutil.Process(target.process.pid)
    for _ in range(5):
        with Wire(target) as wire:
            wire.send(post("/predict", many)[:1_000_000])
        with Wire(target) as wire:
            wire.send(post("/predict", many))
            assert wire.socket.recv(1000)
    until(lambda: len(process.net_connections()) <= 4)
    assert target.ask("POST", "/predict", FINE)[0] == 200


# ------------------------------------------------------------ slow ones


def test_what_does_not_come_in_time_is_given_up(target, closing):
    body = json.dumps(FINE).encode()
    unfinished = [
        post("/predict", FINE)[:-4],
        chunked("/predict", body)[:-5],
        post("/v2/models/moody/infer", FINE)[:-4],
        post("/invocations", FINE)[:-4],
        post("/v2/repository/index", FINE)[:-4],
    ]
    drips = [b"POST /predict HTTP/1.1\r\nx-head: with", post("/predict", b" " * 50_000)[:-50_000]]
    began = time.monotonic()
    wires = [closing.enter_context(Wire(target)).send(each) for each in (*drips, *unfinished)]
    left = wires[:2]
    while left:
        assert time.monotonic() - began < 10
        for wire in tuple(left):
            wire.socket.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                wire.send(b"x")
                assert wire.socket.recv(1000)[:12] in (b"", b"HTTP/1.1 408")
                left.remove(wire)
    for wire in wires[2:]:
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "1 seconds" in json.dumps(answer.content)
        assert wire.finish().closed()


def test_who_does_not_read_costs_little_and_not_for_long(server, closing):
    body = json.dumps([{"mood": "m" * 10_000}] * 20).encode()
    asked = post("/predict", body) * 60
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    most = slowest = 0.0
    wires = [closing.enter_context(Wire(server, buffer=4096)) for _ in range(30)]
    for wire in wires:
        threading.Thread(target=_push, args=(wire, asked), daemon=True).start()
    while not most or sum(each.laddr.port == int(server.port) for each in process.net_connections()) > 10:
        began = time.monotonic()
        assert server.ask("GET", "/health")[0] == 200
        slowest = max(slowest, time.monotonic() - began)
        most = max(most, process.memory_info().rss - before)
        time.sleep(0.02)
    print(f"at most {most / MB:.0f} MB more, /health within {slowest * 1000:.0f} ms")
    assert most < 100 * MB  # each may hold a few questions and answers of 200 kB, not 40 of both
    assert slowest < 0.5
    assert server.ask("POST", "/predict", FINE)[0] == 200


def _push(wire: Wire, data: bytes) -> None:
    with contextlib.suppress(OSError):
        wire.socket.sendall(data)


def test_a_thousand_connections_are_all_answered(target, closing):
    asked = [post("/predict", {"mood": f"number {number}"}) for number in range(1000)]
    wires = [closing.enter_context(Wire(target)).send(each) for each in asked]
    answers = [wire.answer() for wire in wires]
    assert [each for each in answers if each.status != 200] == []
    assert [each.content for each in answers] == [f"NUMBER {number}" for number in range(1000)]


# ------------------------------------------------------------ heads


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("content-length: 5\r\ncontent-length: 5", 400),
        ("content-length: 5\r\ncontent-length: 6", 400),
        ("content-length: 5\r\ntransfer-encoding: chunked", 400),
        ("transfer-encoding: chunked\r\ncontent-length: 5", 400),
        ("transfer-encoding: gzip, chunked", 400),
        ("transfer-encoding: chunked, identity", 400),
        ("transfer-encoding: xchunked", 400),
        ("transfer-encoding : chunked", 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity", 400),
        ("content-length: +5", 400),
        ("content-length: 0x5", 400),
        ("content-length: 5, 5", 400),
        ("content-length: -5", 400),
        ("content-length: 99999999999999999999999", 400),
        ("content-length: 999999999999", 413),
        ("x: a\r\n b: c\r\ncontent-length: 5", 400),
        ("x: a\0b\r\ncontent-length: 5", 400),
        ("x: a\rb\r\ncontent-length: 5", 400),
        ("x: a\nb: c\r\ncontent-length: 5", 400),
        ("no colon\r\ncontent-length: 5", 400),
        ("x: " + "y" * 66_000, 431),
        ("\r\n".join(f"x-{number}: y" for number in range(9000)), 431),
    ],
)
def test_a_head_in_doubt_is_refused_and_what_follows_is_no_request(target, head, status):
    smuggled = b"0\r\n\r\nGET /version HTTP/1.1\r\nhost: x\r\n\r\n"
    with Wire(target) as wire:
        wire.send(b"POST /predict HTTP/1.1\r\nhost: x\r\n" + head.encode() + b"\r\n\r\n" + smuggled)
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.content["status"] == status
        wire.finish()
        assert wire.closed()


@pytest.mark.parametrize(
    "start",
    [
        b"POST /predict HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /models/a\nb/predict HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /models/a\x80/predict HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST  /predict HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /predict HTTP/1.1\ncontent-length: 2\n\n{}",
        b"CONNECT x:80 HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n", b"\0" * 100,
    ],
)  # fmt: skip
def test_what_is_not_http_is_a_bad_request(target, start):
    with Wire(target) as wire:
        answer = wire.send(start).answer()
        assert (answer.status, answer.content["status"]) == (400, 400)
        assert wire.finish().closed()


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n", b"-1\r\n", b"5\r\nhello!\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"fffffffffffffffff\r\n",
        b"5;" + b"x" * 600_000,
    ],
    ids=lambda each: each[:8],
)  # fmt: skip
def test_pieces_that_are_none(target, body):
    with Wire(target) as wire:
        wire.send(b"POST /predict " + HEAD + b"transfer-encoding: chunked\r\n\r\n" + body)
        assert wire.answer().status in (400, 431)
        assert wire.finish().closed()


def test_trailers_are_not_headers(target):
    with Wire(target) as wire:
        trailer = b"content-encoding: gzip\r\nx-request-id: smuggled\r\n"
        wire.send(chunked("/predict", b'{"mood": "fine"}', trailer=trailer))
        answer = wire.answer()
        assert (answer.status, answer.content) == (200, "FINE")
        assert answer.headers["x-request-id"] != "smuggled"
        wire.send(
            b"POST /predict " + HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 100_000
        )
        with contextlib.suppress(AssertionError, OSError):
            assert wire.answer().status in (400, 431)
    assert target.ask("GET", "/health")[0] == 200


def test_a_wish_for_another_protocol_is_ignored(target):
    """As Java's client says it with each first request."""
    wish = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA")
    for cut in (0, 6, 300):
        with Wire(target) as wire:
            request = post("/predict", FINE, *wish)
            wire.send(request[: len(request) - cut])
            time.sleep(0.02)
            wire.send(request[len(request) - cut :] + post("/predict", {"mood": "next"}))
            assert wire.answer().content == "FINE"
            assert wire.answer().content == "NEXT"
            wire.send(
                b"GET /health HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n" + post("/predict", FINE)
            )
            assert wire.answer().body == b"\n"
            assert wire.answer().content == "FINE"


def test_who_asks_before_sending_is_told(target):
    with Wire(target) as wire:
        request = post("/predict", FINE, "expect: 100-continue")
        wire.send(request[:-16])
        assert wire.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert wire.send(request[-16:]).answer().content == "FINE"
    for header, status in (("content-length: 999999999", 413), ("content-encoding: gzip\r\ncontent-length: 16", 415)):
        with Wire(target) as wire:
            wire.send(f"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n{header}\r\n\r\n".encode())
            if status == 415 and target.written("/replicas"):
                wire.send(b'{"mood": "fine"}')  # the gateway does not look at that
                assert wire.answer().status == 415
                continue
            answer = wire.answer()
            assert (answer.status, answer.interim, answer.headers["connection"]) == (status, 0, "close")
            assert wire.finish().closed()


def test_a_body_that_is_refused_may_be_sent_to_its_end(target):
    """Who sends first and then reads, as most clients do, must not find a reset instead of the answer."""
    body = b" " * (130 * MB)
    connection = target.connect()
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["status"]) == (413, 413)
    connection.close()


def test_blanks_around_a_value_are_not_part_of_it(target):
    with Wire(target) as wire:
        head = b"transfer-encoding: \t chunked\r\ncontent-encoding: identity \t\r\nx-request-id: me \r\n\r\n"
        answer = wire.send(
            b"POST /predict " + HEAD + head + b"10\r\n" + b'{"mood": "fine"}' + b"\r\n0\r\n\r\n"
        ).answer()
        assert (answer.content, answer.headers["x-request-id"]) == ("FINE", "me")


@pytest.mark.parametrize("path", [f"http://elsewhere:80{PREDICT}", PREDICT, PREDICT + "?a=b", PREDICT + "#part"])
def test_ways_to_say_where(target, path):
    with Wire(target) as wire:
        answer = wire.send(post(path, FINE)).answer()
        assert (answer.status, answer.content) == (200, "FINE")
        assert answer.headers["modelyard-model"] == quote(NAME, safe=" ")


def test_every_route_says_which_methods_it_has(target):
    model = quote(NAME)
    pages = [
        "/health", "/ping", "/version", "/ready", "/metrics", "/models", f"/models/{model}", "/docs", f"/docs/{model}",
        "/openapi.json", f"/models/{model}/openapi.json", "/v2", "/v2/health/live", "/v2/health/ready",
        f"/v2/models/{model}", f"/v2/models/{model}/ready",
    ]  # fmt: skip
    asked = ["/predict", PREDICT, "/invocations", f"/models/{model}/invocations", f"/v2/models/{model}/infer"]
    with Wire(target) as wire:
        for path in pages:
            whole = wire.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()).answer()
            assert whole.status == 200
            head = wire.send(f"HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()).answer("HEAD")
            assert (head.status, head.body) == (200, b"")
            assert head.headers["content-type"] == whole.headers["content-type"]
        for path in (*pages, *asked, "/v2/repository/index"):
            options = wire.send(f"OPTIONS {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()).answer()
            assert (options.status, options.body) == (204, b""), path
            allowed = options.headers["allow"].split(", ")
            for method in {"GET", "PUT", "DELETE", "PATCH", "POST"} - set(allowed):
                wrong = wire.send(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode()).answer()
                assert wrong.status == 405, (method, path)
                assert wrong.headers["allow"] == options.headers["allow"]
                assert wrong.content
        assert wire.send(b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n").answer().status == 204
        assert wire.send(b"TRACE /health HTTP/1.1\r\nhost: x\r\n\r\n").answer().status == 405


# ------------------------------------------------------------ links


def _linked(server: ModelServer, stack: contextlib.ExitStack) -> Wire:
    wire = stack.enter_context(Wire(server))
    wire.send(link.ASKED + b"host: x\r\n\r\n")
    assert wire.socket.recv(len(link.AGREED)) == link.AGREED
    return wire


def _frame(number: int, request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    return link.FRAME.pack(number, len(head), len(body)) + head + body


def _reply(wire: Wire) -> tuple[int, bytes, bytes]:
    while len(wire.buffer) < link.FRAME.size:
        wire.buffer += wire.socket.recv(65536)
    number, head, body = link.FRAME.unpack_from(wire.buffer)
    while len(wire.buffer) < link.FRAME.size + head + body:
        wire.buffer += wire.socket.recv(65536)
    answer, wire.buffer = wire.buffer[link.FRAME.size :][: head + body], wire.buffer[link.FRAME.size + head + body :]
    return number, answer[:head], answer[head:]


def test_links_bear_what_others_send(server, closing):
    fine = post("/predict", FINE)
    wire = _linked(server, closing)
    wire.send(*(bytes((each,)) for each in _frame(7, fine)))
    number, head, body = _reply(wire)
    assert (number, head[:12], body) == (7, b"HTTP/1.1 200", b'"FINE"')
    for request in (
        b"GET /health HTTP/1.1\r\n\r\n", b"\0\xff", chunked("/predict", b"{}"),
        post("/predict", FINE, "connection: close"), post("/predict", FINE, "content-length: 16"),
        b"POST /predict HTTP/1.1\r\ncontent-length: 99\r\n\r\n{}", link.ASKED,
    ):  # fmt: skip
        assert _reply(wire.send(_frame(8, request))) == (8, b"", b"")  # over a plain connection, please
    wire.send(_frame(9, post("/predict", {"mood": "sleep 0.2"})), _frame(9, b""), _frame(9, b""), _frame(10, fine))
    assert _reply(wire)[0] == 10  # nobody waited for the other
    for wrong in (_frame(1, fine) * 2, b"\xff" * 100, link.FRAME.pack(1, 70_000, 0), link.FRAME.pack(1, 10, 2**31)):
        wire = _linked(server, closing)
        with contextlib.suppress(ConnectionError):
            while wire.send(wrong).socket.recv(65536):
                pass
    assert server.ask("POST", "/predict", FINE)[0] == 200


# ------------------------------------------------------------ what is told of it


def test_nothing_secret_is_logged_and_each_line_is_json(server):
    with Wire(server) as wire:
        for path in ("/predict", f"/predict?token={SECRET}", f"/nothing?token={SECRET}", "/models/none%0anew/predict"):
            for mood in ("fine", "raise"):
                given = ("authorization: Bearer " + SECRET, f"x-request-id: id-{mood}", f"cookie: {SECRET}")
                wire.send(post(path, {"mood": mood}, *given)).answer()
    until(lambda: server.written("id-raise"))
    began = next(at for at, line in enumerate(server.output) if line.startswith("Listening"))
    lines = [json.loads(line) for line in server.output[began:] if line.startswith("{")]
    rest = [line for line in server.output[began + 1 :] if not line.startswith("{")]
    assert not [line for line in rest if "Traceback" in line]
    assert {"time", "level", "logger", "message"} <= lines[-1].keys()
    assert {"id-fine", "id-raise"} <= {line.get("request_id") for line in lines}
    assert SECRET not in "".join(server.output)


def _counted(server: Server, sample: str, **labels: str) -> float:
    """A counter's value, 0 if it is not there."""
    text = server.ask("GET", "/metrics")[2].decode()
    return sum(
        each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )


def test_what_is_counted_is_what_was_asked(server):
    requests = [
        *[("/models/moody/predict", b'{"mood": "fine"}', (), ("moody", "natural", "200"))] * 3,
        ("/models/moody/invocations", b'{"mood": "fine"}', (), ("moody", "invocations", "400")),
        ("/v2/models/moody/infer", b"[", (), ("moody", "open_inference", "400")),
        ("/v2/models/moody/infer", b"", ("content-encoding: gzip",), ("moody", "open_inference", "415")),
        (PREDICT, b"{}", ("content-type: text/html",), (NAME, "natural", "415")),
        (PREDICT, b'{"mood": "raise"}', (), (NAME, "natural", "500")),
        *[(f"/models/stranger-{number}/predict", b"{}", (), ("", "natural", "404")) for number in range(20)],
    ]
    keys = ("model", "protocol", "status")
    wanted = {labels: 0.0 for *_, labels in requests}
    before = {
        each: _counted(server, "modelyard_requests_total", **dict(zip(keys, each, strict=True))) for each in wanted
    }
    with Wire(server) as wire:
        for path, body, headers, labels in requests:
            lines = "".join(f"{each}\r\n" for each in headers)
            kind = "" if "content-type" in lines else "content-type: application/json\r\n"
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{kind}{lines}content-length: {len(body)}\r\n\r\n"
            answer = wire.send(head.encode() + body).answer()
            assert str(answer.status) == labels[2], (path, answer)
            wanted[labels] += 1
    for labels, count in wanted.items():
        now = _counted(server, "modelyard_requests_total", **dict(zip(keys, labels, strict=True)))
        assert now - before[labels] == count, labels
    text = server.ask("GET", "/metrics")[2].decode()
    families = list(text_string_to_metric_families(text))
    assert {each.labels["model"] for family in families for each in family.samples if "model" in each.labels} <= {
        "", "moody", NAME,
    }  # fmt: skip
    assert len({family.name for family in families}) == len(families)


def test_it_is_alive_while_a_body_of_a_hundred_megabytes_is_read(server):
    text = b'[{"mood": "' + b"m" * 50_000_000 + b'"}, {"mood": "' + b"n" * 49_000_000 + b'"}]'
    taken: list[float] = []
    told: list[int] = []

    def ask() -> None:
        told.append(server.ask("POST", "/predict", text)[0])

    asking = threading.Thread(target=ask)
    asking.start()
    with Wire(server) as wire:
        while asking.is_alive():
            began = time.perf_counter()
            assert wire.send(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").answer().status == 200
            taken.append(time.perf_counter() - began)
            time.sleep(0.001)
    asking.join()
    assert told == [200]
    taken.sort()
    p99, longest = (1000 * taken[at] for at in (int(len(taken) * 0.99), -1))
    print(f"/health: {len(taken)} times, p99 {p99:.1f} ms, longest {longest:.1f} ms")
    assert p99 < 50
