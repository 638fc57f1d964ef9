"""The parts around a gateway: model servers that say what they are told to, a control plane, its own process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from modelyard.wire.routing import GatewayReport
from tests.cli.process import PATIENCE_S, Server, environment
from tests.serving.live.process import ModelServer, until


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *told: Any) -> None:
        self.open: list[Any] = []
        super().__init__(*told)

    def handle_error(self, *_: Any) -> None:
        """Connections that break are what is tested."""

    def get_request(self) -> Any:
        found = super().get_request()
        self.open.append(found[0])
        return found

    def server_close(self) -> None:
        """As when the process is killed."""
        super().server_close()
        for each in self.open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Answering:
    """Something that answers HTTP in a thread of this process.

    Attributes:
        seen: (method, path, headers, body) of every request, but for readiness and links.
    """

    def __init__(self, port: int = 0) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.answer(self, self.command, self.path, headers, body)

            do_GET = do_POST = _do  # noqa: N815 - the library's names

            def say(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = _Http(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def answer(self, to: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        """Answer a request; what a subclass is for."""
        raise NotImplementedError

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


class Model(Answering):
    """A model server.

    Attributes:
        ready: whether it says so.
        predict: the status and content that a body is answered with.
    """

    def __init__(self, content: Any = 1, port: int = 0) -> None:
        self.ready = True
        self.predict: Callable[[Any], tuple[int, Any]] = lambda _: (200, content)
        super().__init__(port)

    def answer(self, to: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        if path == "/ready":
            to.say(200 if self.ready else 503, b"{}")
        elif path == "/link":
            to.say(404, b"")
        elif method == "GET":
            self.seen.append((method, path, headers, body))
            to.say(200, json.dumps({"path": path, "run_id": "r1"}).encode())
        else:
            self.seen.append((method, path, headers, body))
            status, content = self.predict(json.loads(body))
            to.say(status, json.dumps(content).encode(), modelyard_model="inside", modelyard_version="9")

    def bodies(self) -> list[Any]:
        """What was asked."""
        return [json.loads(body) for method, _, _, body in self.seen if method == "POST"]


class Control(Answering):
    """A control plane: gives out a table by long poll, takes reports and predictions.

    Attributes:
        reports: that came, each once.
        predictions, feedback: that came.
        refuse: how many more reports are answered 500, although they came.
    """

    def __init__(self, table: dict[str, Any], port: int = 0) -> None:
        self._changed = threading.Condition()
        self._table = {"generation": "1", "deployments": [table]}
        self.reports: list[GatewayReport] = []
        self.numbers: list[int] = []
        self.predictions: list[Any] = []
        self.feedback: list[Any] = []
        self.asked: list[str] = []
        self.refuse = 0
        super().__init__(port)

    def change(self, **parts: Any) -> str:
        """Another table: other parts of its deployment; the generation."""
        with self._changed:
            generation = str(int(self._table["generation"]) + 1)
            self._table = {"generation": generation, "deployments": [{**self._table["deployments"][0], **parts}]}
            self._changed.notify_all()
        return generation

    def answer(self, to: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        from urllib.parse import parse_qs, urlsplit

        where, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        if where == "/api/v1/routing":
            since = query.get("since", [""])[0]
            self.asked.append(since)
            with self._changed:
                self._changed.wait_for(lambda: self._table["generation"] != since, min(2.0, float(query["wait_s"][0])))
                to.say(200, json.dumps(self._table).encode())
        elif where == "/api/v1/gateways/report":
            report = msgspec.json.decode(body, type=GatewayReport)
            known = report.number in self.numbers
            if not known:
                self.numbers.append(report.number)
                self.reports.append(report)
            if self.refuse:
                self.refuse -= 1
                to.say(500, b"{}")
            else:
                to.say(200, json.dumps({"known": not known}).encode())
        else:
            self.seen.append((method, path, headers, body))
            to.say(200, json.dumps({"from": path}).encode())

    def counted(self, what: str, **of: Any) -> int:
        """A sum over all that was reported."""
        return sum(
            getattr(each, what)
            for report in self.reports
            for each in report.measured
            if all(getattr(each, name) == value for name, value in of.items())
        )


def revision(number: int, *urls: str, **parts: Any) -> dict[str, Any]:
    """A revision of a table."""
    return {
        "number": number, "endpoint": "", "model": "m", "version": str(number), "external": False,
        "replicas": [{"name": f"{number}-{at}", "url": url} for at, url in enumerate(urls)],
        "default": {"inputs": {}, "threshold": None}, "segments": {}, **parts,
    }  # fmt: skip


def shares(*told: tuple[int, str, float]) -> dict[str, Any]:
    """Who answers a segment."""
    return {"shares": [{"to": to, "role": role, "weight": weight} for to, role, weight in told]}


def deployment(*revisions: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """A deployment of a table, answered by its first revision."""
    nowhere = {"header": "", "field": ""}
    return {
        "name": "d", "environment": "prod", "segment": nowhere, "sticky": nowhere, "key": nowhere,
        "recording": {"input": "all", "sample": 0.1, "output": True},
        "answer": {"label": "", "score": "", "positive": None}, "revisions": list(revisions),
        "default": shares((0, "stable", 1.0)), "segments": {}, "shadow": None, **parts,
    }  # fmt: skip


class Gateway(ModelServer):
    """A gateway's process."""

    def predict(self, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Ask the deployment `d`."""
        status, told, content = self.ask("POST", "/models/d/predict", body, **headers)
        return status, told, json.loads(content)

    def told(self) -> dict[str, Any]:
        """What it says of the deployment `d`."""
        content = self.get("/deployments")
        found: dict[str, Any] = next((each for each in content["deployments"] if each["name"] == "d"), {})
        return {**found, "generation": content["generation"]}

    def works_by(self, generation: str) -> None:
        """Wait until it works by a table."""
        try:
            until(lambda: self.told()["generation"] == generation)
        except AssertionError:
            raise AssertionError(f"{self.told()}\n{''.join(self.output)}") from None

    def all_ready(self) -> None:
        """Wait until every replica takes requests."""
        until(lambda: all(each["ready"] for one in self.told()["revisions"] for each in one["replicas"]))


@contextmanager
def gateway(folder: Path, *arguments: object, ready: bool = True) -> Iterator[Gateway]:
    """A gateway, stopped at the end."""
    process = start(folder, *arguments)
    server = None
    try:
        server = Gateway(process)
        if ready:
            server.wait_ready()
            server.all_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            if server is not None:
                server.close()


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Its process, from the beginning."""
    return subprocess.Popen(
        [sys.executable, "-m", "modelyard.cli.main", "gateway", "--port", "0", "--folder", str(folder),
         *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


class Load:
    """Callers who ask one question after the other and note every answer.

    Attributes:
        answers: status, role, revision, content.
    """

    def __init__(self, server: Server, path: str, body: Any, callers: int) -> None:
        self.answers: list[tuple[int, str, str, Any]] = []
        self._server = server
        self._path = path
        self._body = json.dumps(body).encode()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]
        for each in self._threads:
            each.start()

    def _ask(self) -> None:
        connection = self._server.connect()
        while not self._over.is_set():
            try:
                connection.request("POST", self._path, self._body, {"content-type": "application/json"})
                answer = connection.getresponse()
                content = json.loads(answer.read())
            except (OSError, ValueError) as error:
                self.answers.append((0, "", "", repr(error)))
                break
            told = answer.getheader("modelyard-role", ""), answer.getheader("modelyard-revision", "")
            self.answers.append((answer.status, *told, content))
        connection.close()

    def goes_on(self, answers: int = 30) -> None:
        """Wait for so many more answers."""
        before = len(self.answers)
        until(lambda: len(self.answers) > before + answers)

    def failed(self) -> list[Any]:
        """Answers that were no success."""
        return [each for each in self.answers if each[0] != 200]


@contextmanager
def load(server: Server, body: Any = None, *, callers: int = 4, path: str = "/models/d/predict") -> Iterator[Load]:
    """Requests in the meantime."""
    found = Load(server, path, body if body is not None else {"x": 1}, callers)
    try:
        yield found
    finally:
        found._over.set()
        for each in found._threads:
            each.join()
