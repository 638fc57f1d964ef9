"""A connection on which one says every byte, and answers as they come back."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple, Self

from tests.cli.process import Server

HEAD = b"HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


class Answer(NamedTuple):
    """One answer; those before the final one (100) were skipped and counted."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: int

    @property
    def content(self) -> Any:
        """Its JSON, strictly."""

        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is no JSON")

        return json.loads(self.body.decode("utf-8", "strict"), parse_constant=refuse)


class Wire:
    """A connection."""

    def __init__(self, server: Server, *, buffer: int = 0, timeout: float = 30) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((server.host, int(server.port)))
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

    def finish(self) -> Self:
        """Send nothing more, and only listen."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, method: str = "POST") -> Answer:
        """The next one."""
        interim = -1
        status = 100
        while status == 100:
            interim += 1
            while b"\r\n\r\n" not in self.buffer:
                self._more()
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            assert first.startswith("HTTP/1.1 "), first
            status = int(first.split()[1])
        pairs = [tuple(line.split(": ", 1)) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"headers twice: {pairs}"
        length = 0 if method == "HEAD" or status == 204 else int(headers["content-length"])
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(status, headers, body, interim)

    def closed(self) -> bool:
        """Whether nothing more comes, and the other side has ended properly."""
        return self.buffer == b"" and self.socket.recv(1) == b""

    def _more(self) -> None:
        data = self.socket.recv(262144)
        assert data, f"it hung up; so far: {self.buffer!r}"
        self.buffer += data


def post(path: str, body: object, *headers: str) -> bytes:
    """A request for a prediction."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{each}\r\n" for each in (*headers, f"content-length: {len(raw)}"))
    return f"POST {path} ".encode() + HEAD + lines.encode() + b"\r\n" + raw


def chunked(path: str, *chunks: bytes, trailer: bytes = b"") -> bytes:
    """A request whose body comes in pieces."""
    parts = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)
    return (
        f"POST {path} ".encode() + HEAD + b"transfer-encoding: chunked\r\n\r\n" + parts + b"0\r\n" + trailer + b"\r\n"
    )
