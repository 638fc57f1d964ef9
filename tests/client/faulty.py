"""A proxy in front of a real server that fails as networks and servers do."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

DROP, LOSE, HANG = "drop", "lose", "hang"
"""Close before the server has seen it; close when the server has answered; say nothing."""

FAILS = (500, {"content-type": "application/json"}, b'{"error_code": "INTERNAL_ERROR", "message": "oh"}')

Fault = str | tuple[int, dict[str, str], bytes]


class Faulty:
    """Hands on requests, but for the next ones as `faults` says.

    Attributes:
        url: of the proxy.
        faults: what happens to the next requests.
        asked: method and path of every request.
        only: faults are for requests whose path ends with one of these.
        poison: a body with these bytes makes the server fail; empty: none does.
        largest: body that is let through, in bytes.
    """

    def __init__(self, target: str) -> None:
        self.faults: deque[Fault] = deque()
        self.asked: list[str] = []
        self.only: tuple[str, ...] = ("",)
        self.poison = b""
        self.largest = 2**30
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(urlsplit(target).netloc))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _next(self, path: str) -> Fault | None:
        return self.faults.popleft() if self.faults and path.endswith(self.only) else None

    def _handler(self, target: str) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                proxy.asked.append(f"{self.command} {self.path}")
                fault = proxy._next(self.path)
                if proxy.poison and proxy.poison in body:
                    fault = FAILS
                if len(body) > proxy.largest:
                    fault = (413, {"content-type": "text/html"}, b"<html>Request Entity Too Large</html>")
                if fault == HANG:
                    proxy._released.wait(30)
                if fault in (DROP, HANG):
                    self.close_connection = True
                    return
                if isinstance(fault, tuple):
                    self._answer(*fault)
                    return
                connection = http.client.HTTPConnection(target, timeout=60)
                try:
                    kept = {name: text for name, text in self.headers.items() if name.lower() != "host"}
                    connection.request(self.command, self.path, body, kept)
                    answer = connection.getresponse()
                    data = answer.read()
                finally:
                    connection.close()
                if fault == LOSE:
                    self.close_connection = True
                    return
                self._answer(answer.status, {"content-type": answer.headers.get("content-type", "")}, data)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the base class's names

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
