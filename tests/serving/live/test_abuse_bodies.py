"""Whatever a body holds, a real server answers it with valid JSON in the protocol's own words, and never with a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.serving.live.process import ModelServer, serving
from tests.serving.live.wire import Answer, Wire

PROTOCOLS = {
    "natural": ("/models/{}/predict", {"type", "title", "status", "code", "detail", "errors"}),
    "invocations": ("/models/{}/invocations", {"error_code", "message"}),
    "open_inference": ("/v2/models/{}/infer", {"error"}),
}
WRAPPED = ["%s", '{"inputs": %s}', '{"instances": %s}', '{"dataframe_records": %s}', '{"dataframe_split": %s}',
           '{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": %s}]}',
           '{"inputs": {"x": %s}}', '{"x": %s}', '[{"text": %s}]', '{"inputs": [1], "params": %s}']  # fmt: skip
VALUES = [
    "", " ", "{}", "[]", "[[]]", "[{}]", "null", "true", "0", '""', "NaN", "[NaN]", "Infinity", "-Infinity", "1e400",
    "1" + "0" * 400, "1" + "0" * 5000, "-" + "9" * 40, "0.1e-999999", "01", "+1", "1.", ".5", "0x10", "1_0", "'x'",
    "[" * 100_000, '{"x":' * 50_000, "[" * 3000 + "]" * 3000, '{"x": 1, "x": 2}', '{"x": 1} {"x": 2}', '{"x": 1,}',
    '{"x": "a\\u0000b"}', '"\\u0000"', '"\\ud800"', '{"\\ud800": "\\udfff"}', '"\\ud83d\\ude00"', '"\\uZZZZ"',
    '{"x": {"x": {"x": 1}}}', '{"data": [[1]], "columns": ["x", "x"]}', '{"data": [[1], [2, 3]], "columns": ["x"]}',
    '{"shape": [99999999999], "datatype": "FP64", "data": [1]}', '{"__class__": "os.system"}', "/* */ 1", "\\ufeff[]",
]  # fmt: skip
BYTES = [b"\xff", b'{"x": "\xff\xfe"}', b'{"text": "\xed\xa0\x80"}', b"\xef\xbb\xbf{}", b"\0" * 1000, b"\x1f\x8b\x08\0",
         b"%PDF-1.4", b"PK\x03\x04", b"x=1&y=2", b"<xml/>", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
         b"x,y\n1,2\n", '{"x": 1}'.encode("utf-16")]  # fmt: skip
TYPES = [
    b"", b"text/plain", b"text/csv", b"text/csv; header=absent", b"text/csv; charset=utf-16", b"application/xml",
    b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"application/octet-stream", b"json",
    b"application/json; charset=utf-16", b"application/json;;;", b"\xff\xfe", b"a" * 300, b"application/json, text/csv",
]  # fmt: skip
MODELS = ("scaled", "sentiment")


@pytest.fixture(scope="module")
def server(scaled, sentiment) -> Iterator[ModelServer]:
    with serving(scaled.path, sentiment.path, "--workers", "1") as running:
        yield running


@pytest.fixture
def wire(server) -> Iterator[Wire]:
    with Wire(server) as opened:
        yield opened


def ask(wire: Wire, path: str, body: bytes, *headers: bytes) -> Answer:
    lines = b"".join(each + b"\r\n" for each in headers)
    head = b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n" % (path.encode(), lines, len(body))
    return wire.send(head + body).answer()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_is_answered_or_refused_in_the_words_of_its_protocol(server, wire, protocol):
    path, words = PROTOCOLS[protocol]
    bodies = [(outer % value).encode() for value in VALUES for outer in (WRAPPED if len(value) < 50 else WRAPPED[:3])]
    seen = set()
    for model in MODELS:
        target = path.format(model)
        for body in bodies + BYTES:
            check(ask(wire, target, body, b"content-type: application/json"), body, words, (200, 400))
        for kind in TYPES:
            for body in (b'{"x": 1}', b"x\n1\n", b""):
                answer = ask(wire, target, body, b"content-type: " + kind)
                check(answer, (kind, body), words, (200, 400, 415))
                seen.add(answer.status)
        for coding in (b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip", b"x"):
            check(ask(wire, target, b"\x1f\x8b", b"content-encoding: " + coding), coding, words, (415,))
        check(ask(wire, target, b"{}", b"content-encoding: gzip", b"content-encoding: identity"), "two", words, (415,))
        for number in (b"-1", b"x", b"9" * 30, b"99", b"1.5", b" 5"):
            given = b"inference-header-content-length: " + number
            check(ask(wire, target, b'{"x": 1}' * 3, given), number, words, (200, 400))
    assert {400, 415} <= seen
    assert not server.written("Traceback")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "name",
    ["%00", "%ff", "%ED%A0%80", "..", "%2e%2e%2fetc", "%", "%zz", "a" * 5000, "%0d%0ax:%20y", "%F0%9F%8D%B7", "*"],
)
def test_models_that_there_are_not(wire, protocol, name):
    path, words = PROTOCOLS[protocol]
    answer = ask(wire, path.format(name), b"{}")
    check(answer, name, words, (404,))
    assert "x" not in answer.headers
    if protocol == "open_inference":
        check(ask(wire, f"/v2/models/scaled/versions/{name}/infer", b"{}"), name, words, (404,))


def check(answer: Answer, what: object, words: set[str], statuses: tuple[int, ...]) -> None:
    """Whether an answer is one of these, and worded as it has to be."""
    assert answer.status in statuses, (answer, what)
    assert "x-request-id" in answer.headers
    assert answer.headers.get("connection") in (None, "keep-alive")
    content = answer.content
    if answer.status != 200:
        assert content.keys() >= words if isinstance(content, dict) else False, (answer, what)
        text = json.dumps(content)
        assert "Traceback" not in text
        assert "site-packages" not in text
        assert len(text) < 20_000, what
