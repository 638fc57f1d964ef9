"""A small HTTP server whose answers a test decides: what a real one does only when it is broken or guarded."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Door:
    """The server, and what it was asked."""

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def open_door(answer: Callable[[Request, int], Answer | None], tls: ssl.SSLContext | None = None) -> Iterator[Door]:
    """Run a server on a free port.

    Args:
        answer: from a request, and how many there were before, to status, headers and body; None: hang up.
        tls: its certificate, if it speaks TLS.
    """
    door = Door("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(self.command, self.path, headers, body)
            number = len(door.requests)
            door.requests.append(request)
            answered = answer(request, number)
            if answered is None:
                self.close_connection = True
                return
            status, extra, data = answered
            self.send_response(status)
            for name, value in {"content-type": "application/json", "content-length": str(len(data)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_GET  # noqa: N815 - the base class calls them so

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that does not trust us hangs up
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    door.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    try:
        yield door
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
