"""An S3 server for tests (moto, in a process of its own), and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator

import pytest

S3_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class Line:
    """A connection to somewhere that can be cut and repaired: a forwarder on a port of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def repair(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole.is_set():
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if source in self._open:
            self._open.discard(source)
            source.close()


@pytest.fixture(scope="module")
def s3() -> Iterator[int]:
    """The port of an S3 server."""
    pytest.importorskip("moto")
    with subprocess.Popen([sys.executable, "-c", S3_SERVER], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL) as moto:
        assert moto.stdout is not None
        yield int(moto.stdout.readline())
        moto.kill()


@pytest.fixture
def line(s3) -> Iterator[Line]:
    line = Line(s3)
    yield line
    line.close()


_numbers = itertools.count()


@pytest.fixture
def bucket(s3) -> str:
    """The name of an empty bucket."""
    name = f"bucket-{next(_numbers)}"
    call(s3, "PUT", f"/{name}")
    return name


def call(port: int, method: str, path: str) -> bytes:
    """One request as the bucket's owner; the signature is not checked."""
    owner = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20200101/us-east-1/s3/aws4_request"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=owner)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def put(url: str, body: bytes) -> str:
    """Send a body to a signed URL; the entity tag it got."""
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.headers["ETag"])


def options(port: int) -> dict[str, str]:
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": "key",
        "secret_access_key": "secret",
        "region": "eu-west-1",
    }
