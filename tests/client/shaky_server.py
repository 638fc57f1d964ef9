"""A server of one file whose connections break, whose answers lie, and that remembers what it was asked."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Shaky:
    """What it does, and what it saw.

    Attributes:
        content: of every file.
        etag: of it; empty: it sends none.
        cuts: after how many bytes each answer to a GET breaks off; when the list is empty, answers are whole.
        ranges: whether it understands them.
        digest: what it says the SHA-256 of a file is; empty: nothing.
        listing: what a folder has.
        refusals: statuses of the next PUTs, before one is taken; 0: the connection is closed instead.
        asked: the `Range` of each GET, "" for none.
        sent: bytes of each answer to a GET.
        stored: body of each PUT that was taken.
    """

    content: bytes = b""
    etag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    digest: str = ""
    listing: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    url: str = ""


def repr_digest(sha256: str) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


@contextmanager
def serving(shaky: Shaky) -> Iterator[Shaky]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if not path.startswith(PREFIX + "/"):
                told = {"files": shaky.listing if "path=" not in query else []} if path == PREFIX else {}
                body = b"3.1.0" if path == "/version" else json.dumps(told).encode()
                self.send_response(200 if path in (PREFIX, "/version") else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            wanted = self.headers.get("Range", "")
            shaky.asked.append(wanted)
            unless = self.headers.get("If-Range")
            found = re.fullmatch(r"bytes=(\d+)-", wanted) if unless in (None, shaky.etag) and shaky.ranges else None
            start = int(found[1]) if found else 0
            if start >= len(shaky.content) > 0:
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            part = shaky.content[start:]
            self.send_response(206 if found else 200)
            if found:
                size = len(shaky.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if shaky.etag:
                self.send_header("ETag", shaky.etag)
            if shaky.digest:
                self.send_header("Repr-Digest", repr_digest(shaky.digest))
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            cut = shaky.cuts.pop(0) if shaky.cuts else len(part)
            self.wfile.write(part[:cut])
            shaky.sent.append(min(cut, len(part)))
            if cut < len(part):
                self.close_connection = True

        def do_PUT(self) -> None:
            if shaky.refusals and shaky.refusals[0] == 0:
                shaky.refusals.pop(0)
                self.rfile.read(1000)
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = shaky.refusals.pop(0) if shaky.refusals else 200
            if status == 200:
                shaky.stored.append(body)
            self.send_response(status)
            self.send_header("Repr-Digest", repr_digest(shaky.digest or hashlib.sha256(body).hexdigest()))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shaky.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shaky
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
