"""The end of a server: what it took it answers, its exit code is 0, and nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelyard.client.client import Client
from tests.serving.live.process import ModelServer, serving, until


def lives(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextmanager
def ending(server: ModelServer, *, within_s: float) -> Iterator[None]:
    """What is done here ends the server and all that holds models, soon."""
    workers = server.workers()
    assert workers
    began = time.monotonic()
    yield
    server.process.wait(within_s)
    until(lambda: not any(map(lives, workers)), within_s)
    assert time.monotonic() - began < within_s


@pytest.mark.parametrize("whom", ["front", "everybody"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_before_the_end(moody, how, whom):
    with serving(moody, "--workers", "2") as server, ThreadPoolExecutor(16) as threads, ending(server, within_s=10):
        asked = [threads.submit(server.ask, "POST", "/predict", {"mood": "sleep 0.1"}) for _ in range(16)]
        facts = "/models/moody"
        until(lambda: (told := server.get(facts))["waiting"] + told["in_flight"] + sum(map(_done, asked)) == 16)
        for each in [server.process.pid, *(server.workers() if whom == "everybody" else ())]:
            os.kill(each, how)
        for each in asked:
            status, _, body = each.result()
            assert (status, json.loads(body)) == (200, "SLEEP 0.1")
        assert server.process.wait(10) == 0


def _done(asked: object) -> bool:
    return asked.done()  # type: ignore[attr-defined]


def test_a_server_that_is_killed_leaves_no_process(moody):
    with serving(moody, "--workers", "2") as server, ThreadPoolExecutor(1) as threads, ending(server, within_s=10):
        threads.submit(server.ask, "POST", "/predict", {"mood": "hang"})
        until(lambda: server.get("/models/moody")["in_flight"])
        server.process.kill()


def test_models_that_hang_do_not_keep_a_server(moody, ailing):
    with serving(moody, ailing["hang"], "--stop-timeout", "1", ready=False) as server:
        until(lambda: server.readiness()[1]["models_ready"] == 1)
        until(lambda: "for" in server.readiness()[1]["missing"][0]["reason"])
        with ThreadPoolExecutor(1) as threads, ending(server, within_s=5):
            asked = threads.submit(server.ask, "POST", "/models/moody/predict", {"mood": "hang"})
            until(lambda: server.get("/models/moody")["in_flight"])
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == 0
            with suppress(OSError):  # or its connection was closed
                assert asked.result()[0] == 503


class Tight(BaseHTTPRequestHandler):
    """Passes requests on to a registry, but no file of a model."""

    registry = ""
    asked = threading.Event()
    over = threading.Event()

    def do_GET(self) -> None:
        self.pass_on()

    def do_POST(self) -> None:
        self.pass_on()

    def pass_on(self) -> None:
        if "conda.yaml" in self.path:
            self.asked.set()
            self.over.wait()
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {name: text for name, text in self.headers.items() if name.lower() != "host"}
        with closing(HTTPConnection(self.registry.removeprefix("http://"))) as connection:
            connection.request(self.command, self.path, body or None, kept)
            answer = connection.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, text)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def test_a_download_that_hangs_does_not_keep_a_server(moody, sqlite_server, tmp_path):
    client = Client(sqlite_server.url)
    logged = client.create_logged_model("0", name="tea")
    client.log_model_artifacts(logged.model_id, moody)
    client.finalize_logged_model(logged.model_id, "READY")
    Tight.registry = sqlite_server.url
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Tight)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    variables = {
        "MODELYARD_TRACKING_URI": f"http://127.0.0.1:{proxy.server_port}", "MODELYARD_CACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    with serving(f"models:/{logged.model_id}", ready=False, **variables) as server:
        assert Tight.asked.wait(30)
        assert server.readiness()[1]["missing"][0]["state"] == "downloading"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
    Tight.over.set()
    proxy.shutdown()
    proxy.server_close()
