"""A model that somebody else serves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic
from typing import Any, ClassVar

import pytest

from modelyard.domain.errors import InvalidArgument, InvalidState
from modelyard.serving.backends import external
from modelyard.serving.backends.base import READY, UNKNOWN, Backend, Replica, Spec, find
from tests.serving.live.process import until


class Legacy(BaseHTTPRequestHandler):
    """Knows POST alone, and says what it is told to."""

    status: ClassVar[int] = 405
    asked: ClassVar[list[str]]
    goes_on: ClassVar[Event]

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.goes_on.wait(30)
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *told: Any) -> None:
        pass


@pytest.fixture
def legacy() -> Iterator[Any]:
    class Handler(Legacy):
        asked: ClassVar[list[str]] = []
        goes_on = Event()

    Handler.goes_on.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Handler, f"http://127.0.0.1:{server.server_address[1]}/predict?v=1"
        Handler.goes_on.set()
        server.shutdown()


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    monkeypatch.setattr(external, "_BETWEEN_S", 0.02)
    found = find("external", lasting=True)
    yield found
    found.close()


def only(backend: Backend) -> Replica:
    (found,) = backend.status("old").replicas
    return found


def test_it_is_ready_where_somebody_answers(backend: Backend, legacy: Any) -> None:
    handler, url = legacy
    spec = Spec(name="old", url=url, replicas=3)
    assert backend.status("old").replicas == ()
    backend.ensure(spec)
    assert backend.list() == ("old",)
    assert until(lambda: only(backend) if only(backend).state == READY else None).url == url
    assert handler.asked[0] == "/predict?v=1"
    backend.ensure(replace(spec, replicas=1))
    with pytest.raises(InvalidState, match="runs already"):
        backend.ensure(replace(spec, url=f"{url}2"))

    handler.status = 503
    assert "the service is away (status 503)" in until(lambda: only(backend).reason)
    assert only(backend).state == UNKNOWN
    handler.status = 200
    until(lambda: only(backend).state == READY)
    backend.stop("old")
    assert backend.list() == ()
    assert backend.status("old").replicas == ()


def test_who_does_not_answer_is_said_and_holds_nobody_up(
    backend: Backend, legacy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "_PROBE_S", 0.7)
    handler, url = legacy
    handler.goes_on.clear()
    backend.ensure(Spec(name="old", url=url))
    began = monotonic()
    assert backend.status("old").replicas[0].state == "starting"
    assert monotonic() - began < 0.7
    assert "gave no answer within 0.7 seconds" in until(
        lambda: only(backend).reason if only(backend).state == UNKNOWN else None
    )


def test_nobody_listens(backend: Backend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    backend.ensure(Spec(name="old", url=url))
    assert "Connection refused" in until(lambda: only(backend).reason if only(backend).state == UNKNOWN else None)


@pytest.mark.parametrize("url", ["", "legacy:8080", "ftp://a/b", "http://", "http://a:b/", "https://[x/"])
def test_what_is_no_url_is_refused(backend: Backend, url: str) -> None:
    with pytest.raises(InvalidArgument, match="is not a URL where a model answers"):
        backend.ensure(Spec(name="old", url=url))
