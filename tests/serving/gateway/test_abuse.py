"""Whatever callers send, and whatever somebody else's endpoint answers: one clear answer, that is who gave it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.gateway.parts import Answering, Control, Gateway, deployment, gateway, revision, shares
from tests.serving.live.process import until
from tests.serving.live.wire import Answer, Wire, chunked, post

PREDICT = "/models/d/predict"
DEEP = '{"x":' * 20_000
VALUES = [
    "", "{}", "[]", "[[]]", "null", "true", "0", '""', "NaN", "1e400", "1" + "0" * 400, "1" + "0" * 5000, "01",
    "[" * 100_000, DEEP, "[" * 3000 + "]" * 3000, '"\\u0000"', '"\\ud800"', '"fr\\r\\nx: y"', '"' + "k" * 30_000 + '"',
]  # fmt: skip
WRAPPED = [
    "%s", '{"lang": %s}', '{"user": %s}', '{"key": %s}', '{"lang": %s, "lang": "fr", "mot": 1}', '[{"lang": %s}]',
    '{"lang": "fr", "mot": %s}', '{"inputs": %s}', '{"inputs": [{"lang": "fr", "mot": %s}], "params": {}}',
    '{"dataframe_split": {"columns": ["lang"], "data": [[%s]]}}', '{"dataframe_split": {"columns": %s, "data": 1}}',
    '{"instances": %s}', '{"inputs": [{"name": "lang", "shape": [1], "datatype": "BYTES", "data": %s}]}',
]  # fmt: skip
BYTES = [
    b"\xff",
    b'{"lang": "\xff\xfe"}',
    b'{"lang": "\xed\xa0\x80"}',
    b"\xef\xbb\xbf{}",
    b"\0" * 100,
    b"\x1f\x8b\x08\0",
]
PATHS = {
    PREDICT: (200,), "/models/d/invocations": (200,), "/v2/models/d/infer": (200,), "/predictions": (200, 400),
    "/feedback": (202, 400),
}  # fmt: skip


class Raw(Answering):
    """Answers every request with the same bytes."""

    reply = b""

    def __init__(self) -> None:
        self.say()
        super().__init__()

    def say(self, body: bytes = b'"yes"', head: str = "content-length: {}", status: str = "200 OK") -> None:
        self.reply = f"HTTP/1.1 {status}\r\n{head.format(len(body))}\r\n\r\n".encode() + body

    def answer(self, to: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        if path in ("/ready", "/link"):
            to.say(200 if path == "/ready" else 404, b"{}")
            return
        self.seen.append((method, path, headers, body))
        to.wfile.write(self.reply)


@pytest.fixture(scope="module")
def model() -> Iterator[Raw]:
    found = Raw()
    yield found
    found.close()


@pytest.fixture(scope="module")
def control(model) -> Iterator[Control]:
    french = {"segments": {"fr": {"inputs": {"word": "mot"}, "threshold": None}}}
    fields = {name: {"header": "", "field": field} for name, field in (("sticky", "user"), ("key", "key"))}
    told = deployment(
        revision(1, model.url, **french), segment={"header": "x-lang", "field": "lang"}, **fields,
        segments={"fr": shares((0, "stable", 1.0))},
    )  # fmt: skip
    found = Control(told)
    yield found
    found.close()


@pytest.fixture(scope="module")
def door(control, tmp_path_factory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), "--server", control.url, "--max-body", "1MiB") as found:
        yield found
        for text in ("Exception in", "Traceback", "never retrieved", "never awaited", "are lost"):
            assert not found.written(text), "".join(found.output)


@pytest.fixture
def wire(door) -> Iterator[Wire]:
    with Wire(door) as opened:
        yield opened


@pytest.mark.parametrize("path", PATHS)
def test_any_body_is_passed_on_or_refused_with_what_was_expected(door, wire, path):
    bodies = [(outer % value).encode() for value in VALUES for outer in WRAPPED if outer != WRAPPED[0] or value]
    for body in bodies + BYTES:
        answer = wire.send(post(path, body)).answer()
        assert answer.status in PATHS[path], (body[:100], answer)
        if answer.status == 400:
            assert len(answer.content["detail"]) > 20
            assert len(answer.body) < 1000


def test_segments_are_those_of_the_table(door, wire):
    for lang in ("fr", "de", "x\\r\\ny: z", "fr" * 1000, *map(str, range(50))):
        told = wire.send(post(PREDICT, f'{{"lang": "{lang}"}}'.encode(), f"x-lang: other-{lang[:9]}")).answer()
        assert told.headers["modelyard-role"] == "stable"
        assert "y" not in told.headers
    families = list(text_string_to_metric_families(door.ask("GET", "/metrics")[2].decode()))
    assert len({family.name for family in families}) == len(families)
    labels = {sample.labels.get("segment") for family in families for sample in family.samples}
    assert labels <= {None, "", "fr"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"prediction": "abc", "truth": 1}', "prediction"),
        (b'{"truth": 1}', "Feedback names its `prediction`"),
        (b'{"key": "a"}', "says the `truth`"),
        (b'{"key": "a", "truth": "%s"}' % (b"t" * 10_001), "at most 10000 characters"),
        (b'{"key": "%s", "truth": 1}' % (b"k" * 501), "<= 500"),
        (b'{"key": "a", "truth": {}}', "truth"),
        (b'{"feedback": [{"key": "a", "truth": 1}, {"key": "b"}]}', "says the `truth`"),
        (b'{"key": "a", "x": ' + b"[" * 100_000, "That is no feedback"),
    ],
)
def test_feedback_that_cannot_be_used_is_refused(wire, body, why):
    answer = wire.send(post("/feedback", body)).answer()
    assert answer.status == 400
    assert why in answer.content["detail"]


def test_who_does_not_exist_is_not_answered_and_those_who_do_are_named(wire):
    for name in ("nobody", "%F0%9F%8D%B7", "%ff%00", "%0d%0ax:%20y", "a" * 30_000, "%2e%2e"):
        for path in (f"/models/{name}/predict", f"/models/{name}/predictions", f"/v2/models/{name}/infer"):
            answer = wire.send(post(path, {"text": "x"})).answer()
            assert answer.status == 404
            assert b"There is d." in answer.body
            assert len(answer.body) < 1000
            assert not {"x", "modelyard-role", "modelyard-version"} & set(answer.headers)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n", 404),
        (b"PUT %b HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n" % PREDICT.encode(), 405),
        (b"PUT /feedback HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n99\r\n", 405),
        (b"GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n", 200),
        (b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n" % PREDICT.encode(), 413),
        (b"POST /feedback HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9999999\r\n\r\n", 413),
        (b"POST /predictions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        (b"POST /predictions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET /docs/d HTTP/1.1\r\nx: " + b"y" * 66_000 + b"\r\n\r\n", 431),
    ],
)
def test_an_answer_before_the_body_has_come_is_the_last_one(wire, request_, status):
    answer = wire.send(request_ + b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").answer()
    assert (answer.status, answer.headers["connection"], answer.interim) == (status, "close", 0)
    assert wire.finish().closed()


def test_what_comes_after_a_whole_body_is_another_request(wire):
    smuggled = b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n"
    asked = (post("/predictions", smuggled), chunked("/feedback", smuggled), post("/models/nobody/predict", smuggled))
    answers = wire.send(b"".join((*asked, post(PREDICT, {"x": 1}))))
    assert [answers.answer().status for _ in range(4)] == [400, 400, 404, 200]


def test_only_what_was_put_together_here_counts_as_our_error(door, wire, model):
    def errors() -> float:
        families = text_string_to_metric_families(door.ask("GET", "/metrics")[2].decode())
        found = [sample for family in families for sample in family.samples]
        return sum(each.value for each in found if each.name == "modelyard_gateway_errors_total")

    before = errors()
    model.say(b"{}", status="400 Bad Request")
    try:
        for body in (b'{"lang": "fr"}', b'[{"lang": "fr", "mot": 1}, 2]', b'{"mot": 1}', b'{"lang": "fr", "mot": 1}'):
            assert wire.send(post(PREDICT, body)).answer().status == 400
        until(lambda: errors() > before)  # the last one was counted, and so were those before it
        assert errors() == before + 1
    finally:
        model.say()


@pytest.fixture
def foreign(door, control, model) -> Iterator[Raw]:
    """The deployment is somebody else's endpoint."""
    before = dict(control._table["deployments"][0])
    told = revision(0, model.url, external=True, endpoint="old", model="", version="")
    door.works_by(control.change(revisions=[told], segments={}, default=shares((0, "endpoint", 1.0))))
    yield model
    model.say()
    door.works_by(control.change(**before))


KING = "content-length: {}\r\nModelyard-Role: king\r\nMODELYARD-version: 9\r\nmodelyard-prediction: z"
ENDPOINT = [
    (b'"x"', KING, "", 200),
    (b"<html>", "content-type: text/html\r\ncontent-length: {}", "", 200),
    (b"\x1f\x8b\x08\0", "content-encoding: gzip\r\ncontent-length: {}", "", 200),
    (b"", "content-length: {}", "", 200),
    (b"[" * 5000 + b"]" * 5000, "content-length: {}", "", 200),
    (b'{"score": 1%b, "label": "x"}' % (b"0" * 400), "content-length: {}", "", 200),
    (b'{"score": 1.7e308}', "content-length: {}", "", 200),
    (b'"%b"' % (b"long" * 5000), "content-length: {}", "", 200),
    (b'"x"', "content-length: {}", "999 Odd", 502),
    (b'"x"', "content-length: {}", "abc", 503),
    (b'3\r\n"x"\r\n0\r\n\r\n', "content-length: 3\r\nTransfer-Encoding: chunked", "", 503),
]


@pytest.mark.parametrize(("body", "head", "status", "passed"), ENDPOINT, ids=range(len(ENDPOINT)))
def test_whatever_an_endpoint_answers_is_told_as_its_own(foreign, wire, body, head, status, passed):
    foreign.say(body, head, status or "200 OK")

    def ask(path: str, *headers: str) -> Answer:
        answer = wire.send(post(path, {"text": "t", "is_positive": True}, *headers)).answer()
        assert answer.status == passed
        if passed != 503:
            assert answer.headers["modelyard-role"] == "endpoint"
            assert "modelyard-version" not in answer.headers
            assert len(bytes.fromhex(answer.headers["modelyard-prediction"])) == 16
        return answer

    assert ask(PREDICT).body == body or passed == 503
    detailed = ask(PREDICT, "modelyard-details: true")
    assert detailed.body == body or "details" in detailed.content or passed == 503
    told = ask("/predictions", "accept-encoding: gzip")
    assert passed != 200 or json.loads(told.body)["text"] == "t"
    if passed != 503:
        assert "accept-encoding" not in foreign.seen[-1][2]
