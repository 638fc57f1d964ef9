"""What the short way takes for a request, the whole parser takes for the same request."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelyard.http.heads import plain_post

_NAMES = st.sampled_from(
    [
        "host",
        "Content-Length",
        "content-type",
        "connection",
        "x",
        "x-y_z",
        "Transfer-Encoding",
        "expect",
        "TE",
        "upgrade",
        "content-length ",
        " x",
        "",
        "x y",
        "x\t",
        "keep-alive",
        "content-encoding",
        "x\x00",
        "é",
        "x;",
        "trailer",
    ]
)
_VALUES = st.sampled_from(
    [
        "5",
        "05",
        "+5",
        "5 ",
        "\t5",
        "5,5",
        "0x5",
        "-5",
        "",
        " ",
        "a",
        "keep-alive",
        "Keep-Alive",
        "close",
        "upgrade",
        "chunked",
        "a\tb",
        "a\x00b",
        "a\x0bb",
        "a\x7fb",
        "a\rb",
        "a\nb",
        "é",
        "\x80",
        "100-continue",
        "a: b",
        "5" * 30,
        "٥",
    ]
)
_ENDS = st.sampled_from(["\r\n"] * 20 + ["\n", "\r", "\r\n ", "\r\n\t", "\r\r\n"])
_LINES = st.tuples(_NAMES, st.sampled_from([":", ": ", ":\t", " :", ""]), _VALUES, _ENDS).map("".join)
_FIRST = st.sampled_from(
    ["POST /a HTTP/1.1"] * 20
    + [
        "POST /a?b HTTP/1.1",
        "POST /a#b HTTP/1.1",
        "POST  /a HTTP/1.1",
        "POST /a  HTTP/1.1",
        "POST /a HTTP/1.0",
        "POST a HTTP/1.1",
        "POST /a HTTP/1.1 ",
        "POST /a\tHTTP/1.1",
        "POST /a\x00 HTTP/1.1",
        "POST /é HTTP/1.1",
        "POST /a\nb HTTP/1.1",
        "POST * HTTP/1.1",
        "POST http://h/a HTTP/1.1",
        "POST /a HTTP/1.1\n",
        "post /a HTTP/1.1",
        'POST /"<>\\^`{|} HTTP/1.1',
        "POST //a HTTP/1.1",
    ]
)


class _Seen:
    """What the parser says."""

    def __init__(self) -> None:
        self.url = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


@settings(max_examples=8 * settings.default.max_examples, deadline=None)
@given(_FIRST, st.lists(_LINES, max_size=5), st.sampled_from(["content-length: 5\r\n"] * 2 + [""]))
@example("POST /a HTTP/1.1", ["content-length: 5\r\n", "content-length: 5\r\n"], "")
@example("POST /a HTTP/1.1", ["x: y\r\n"], "content-length: 5\r\n")
def test_what_is_plain_is_the_same_to_the_parser(first: str, lines: list[str], length: str) -> None:
    text = first + "\r\n" + "".join(lines) + length
    head = text.encode("utf-8").removesuffix(b"\r\n")
    if b"\r\n\r\n" in head:
        return
    post = plain_post(head)
    if post is None or not 0 <= post.length < 100:
        return
    seen = _Seen()
    parser: Any = httptools.HttpRequestParser(seen)
    body = b"x" * post.length
    parser.feed_data(head + b"\r\n\r\n" + body)
    assert parser.get_method() == b"POST"
    assert parser.get_http_version() == "1.1"
    assert parser.should_keep_alive()
    assert not parser.should_upgrade()
    assert (seen.url, seen.body, seen.messages) == (post.path, body, 1)
    assert [(name, value.rstrip(b" \t")) for name, value in seen.headers] == post.fields


@pytest.mark.parametrize(
    "head", [b"POST /a HTTP/1.1\r\ncontent-length: 5", b"POST /a HTTP/1.1\r\nX: y\r\ncontent-length:5\t"]
)
def test_plain_is_plain(head: bytes) -> None:
    post = plain_post(head)
    assert post is not None
    assert (post.path, post.length) == (b"/a", 5)
