"""The controller of a real server, with somebody else's model behind URLs, and a gateway that is a few lines long."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from modelyard.client import Client
from tests.cli.process import running
from tests.conftest import RunningServer, serve
from tests.server.api.native import Native

ERRORS = {"error_rate": {"limit": "5%", "least": 10}}


@pytest.fixture(scope="module")
def models() -> Iterator[list[str]]:
    """URLs where somebody else's models answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(405)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield [f"http://127.0.0.1:{server.server_address[1]}/{number}" for number in range(4)]
        server.shutdown()


class Gateway:
    """Follows the routing, and reports what it is told to.

    Attributes:
        table: the newest routing.
    """

    def __init__(self, url: str, name: str = "west") -> None:
        self.name = name
        self.table: dict[str, Any] = {"generation": "", "deployments": []}
        self._native = Native(url)
        self._numbers = itertools.count(time.time_ns())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        native = Native(self._native.url)
        while not self._stop.is_set():
            try:
                self.table = native("GET", "/routing", since=self.table["generation"], wait_s=0.5, gateway=self.name)
            except (urllib3.exceptions.HTTPError, AssertionError):  # the server is away
                time.sleep(0.05)

    def close(self) -> None:
        self._stop.set()

    def shares(self, name: str = "wine") -> dict[int, float]:
        """Revision → weight."""
        for each in self.table["deployments"]:
            if each["name"] == name:
                shares = each["default"]["shares"]
                return {each["revisions"][share["to"]]["number"]: share["weight"] for share in shares}
        return {}

    def report(self, revision: int, role: str, **counts: Any) -> None:
        measured = {"deployment": "wine", "revision": revision, "role": role, "second": int(time.time()), **counts}
        body = {"gateway": self.name, "number": next(self._numbers), "measured": [measured]}
        self._native("POST", "/gateways/report", body)


@pytest.fixture
def server(controlled_server: RunningServer) -> RunningServer:
    return controlled_server


@pytest.fixture
def gateway(server: RunningServer) -> Iterator[Gateway]:
    made = Gateway(server.url)
    yield made
    made.close()


@pytest.fixture
def client(server: RunningServer) -> Client:
    return Client(server.url, server.url)


def until(what: Callable[[], Any], told: Callable[[], Any] = lambda: "", seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, told()
        time.sleep(0.01)


def deploy(client: Client, url: str, *steps: Any, name: str = "wine") -> None:
    client.apply_deployment({"name": name, "environment": "production", "url": url, "steps": list(steps)})


def events(client: Client, name: str = "wine") -> list[str]:
    return [each.told for each in client.get_deployment_events(name).events]


def test_a_deployment_answers_and_what_comes_next_is_taken_back_within_seconds(client, gateway, models):
    deploy(client, models[0])
    until(lambda: gateway.shares() == {1: 1.0}, lambda: events(client))
    changed = time.monotonic()
    deploy(client, models[1], {"weight": "50%", "for": "60s", "checks": [ERRORS]})
    until(lambda: gateway.shares() == {2: 0.5, 1: 0.5}, lambda: events(client))
    print(f"change to half of the traffic: {time.monotonic() - changed:.2f} s")
    gateway.report(1, "stable", requests=100)
    gateway.report(2, "canary", requests=100, errors=1)
    time.sleep(0.5)
    assert gateway.shares() == {2: 0.5, 1: 0.5}
    failed = time.monotonic()
    gateway.report(2, "canary", requests=100, errors=60)
    until(lambda: gateway.shares() == {1: 1.0}, lambda: events(client), 2)
    print(f"report to no traffic: {time.monotonic() - failed:.2f} s")
    assert "was rolled back: error_rate" in events(client)[-1]
    found = client.get_deployment("wine")
    assert "is not tried again" in found.trouble
    # nothing begins again by itself, but when somebody wants it to
    client.resume_deployment("wine")
    until(lambda: gateway.shares() == {3: 0.5, 1: 0.5}, lambda: events(client))


def test_something_newer_takes_the_place_of_what_is_being_tried(client, gateway, models):
    deploy(client, models[0])
    until(lambda: gateway.shares() == {1: 1.0})
    long = {"weight": "20%", "for": "60s", "checks": []}
    deploy(client, models[1], long)
    until(lambda: gateway.shares() == {2: 0.2, 1: 0.8})
    deploy(client, models[2], long)
    until(lambda: gateway.shares() == {3: 0.2, 1: 0.8}, lambda: events(client))
    deploy(client, models[0])  # as it was
    until(lambda: gateway.shares() == {1: 1.0}, lambda: events(client))
    assert "Revision 1" in events(client)[-1]
    assert "is wanted again" in events(client)[-1]
    statuses = [each.status for each in client.list_rollouts("wine")]
    assert statuses == ["superseded", "superseded", "promoted"]


def test_other_steps_start_nothing_and_hold_from_the_next_rollout_on(client, gateway, models):
    deploy(client, models[0])
    until(lambda: gateway.shares() == {1: 1.0})
    step = {"weight": "20%", "for": "60s", "checks": []}
    deploy(client, models[0], step)
    assert "from the next rollout on" in events(client)[-1]
    time.sleep(0.5)
    assert [each.number for each in client.list_deployment_revisions("wine")] == [1]
    assert client.get_deployment("wine").trouble == ""
    deploy(client, models[1], step)
    until(lambda: gateway.shares() == {2: 0.2, 1: 0.8}, lambda: events(client))


def test_people_are_heard(client, gateway, models):
    deploy(client, models[0])
    until(lambda: gateway.shares() == {1: 1.0})
    deploy(client, models[1], {"weight": "20%", "for": "0s", "checks": []}, "approve")
    until(lambda: "Somebody has to approve revision 2." in events(client))
    until(lambda: gateway.shares() == {2: 0.2, 1: 0.8})
    client.approve_rollout("wine")
    until(lambda: gateway.shares() == {2: 1.0}, lambda: events(client))
    began = time.monotonic()
    client.rollback_deployment("wine", reason="complaints")
    until(lambda: gateway.shares() == {1: 1.0}, lambda: events(client))
    print(f"manual return: {time.monotonic() - began:.2f} s")
    time.sleep(1)
    assert gateway.shares() == {1: 1.0}  # it stays
    client.delete_deployment("wine")
    until(lambda: gateway.shares() == {} and not gateway.table["deployments"])


def test_an_endpoint_that_is_away_is_waited_for_and_told(client, gateway):
    deploy(client, "http://127.0.0.1:9/ask")
    until(lambda: "Waiting for revision 1" in _reason(client), lambda: events(client))
    assert gateway.shares() == {}


def _reason(client: Client) -> str:
    rollouts = client.list_rollouts("wine")
    return str(rollouts[0].reason) if rollouts else ""


def test_another_process_goes_on_where_the_first_one_was(database_url, tmp_path, models):
    """The server ends in the middle of a step, and another one starts."""
    first = serve(tmp_path / "data", database_url, controller=True)
    server = next(first)
    client, gateway = Client(server.url, server.url), Gateway(server.url)
    deploy(client, models[0])
    until(lambda: gateway.shares() == {1: 1.0})
    deploy(client, models[1], {"weight": "20%", "for": "60s", "checks": [ERRORS]})
    until(lambda: gateway.shares() == {2: 0.2, 1: 0.8})
    gateway.report(2, "canary", requests=8, errors=8)  # too few to tell
    table = gateway.table
    gateway.close()
    assert next(first, None) is None

    second = serve(tmp_path / "data", database_url, controller=True)
    server = next(second)
    client, gateway = Client(server.url, server.url), Gateway(server.url)
    until(lambda: gateway.table["deployments"])
    assert gateway.table == table  # told before anything was looked at
    time.sleep(1)
    assert gateway.table == table
    gateway.report(2, "canary", requests=8, errors=8)
    until(lambda: gateway.shares() == {1: 1.0}, lambda: events(client))
    assert sum("begins" in each for each in events(client)) == 2
    gateway.close()
    next(second, None)


def test_of_two_servers_one_acts_and_the_other_takes_over(postgres, tmp_path, models):
    url = postgres.create()
    runs = [serve(tmp_path / name, url, controller=True) for name in ("a", "b")]
    servers = [next(each) for each in runs]
    clients = [Client(each.url, each.url) for each in servers]
    gateways = [Gateway(each.url, name) for each, name in zip(servers, ("west", "east"), strict=True)]
    try:
        deploy(clients[1], models[0])
        for gateway in gateways:
            until(lambda gateway=gateway: gateway.shares() == {1: 1.0}, lambda: events(clients[0]))
        leading = next(at for at, each in enumerate(servers) if each.app._controller._reconciler is not None)
        other = 1 - leading
        assert servers[other].app._controller._reconciler is None
        deploy(clients[leading], models[1], {"weight": "50%", "for": "60s", "checks": [ERRORS]})
        until(lambda: gateways[other].shares() == {2: 0.5, 1: 0.5})
        gateways[leading].close()
        next(runs[leading], None)  # it ends, and says so
        gateways[other].report(2, "canary", requests=50, errors=50)
        until(lambda: gateways[other].shares() == {1: 1.0}, lambda: events(clients[other]))
        assert sum("begins" in each for each in events(clients[other])) == 2
    finally:
        for gateway in gateways:
            gateway.close()
        for each in runs:
            next(each, None)
        postgres.drop(url)


def test_who_waits_for_the_routing_does_not_hold_up_a_server_that_stops(tmp_path):
    with running(tmp_path / "data") as server:
        generation = server.get("/api/v1/routing")["generation"]
        answers: list[Any] = []
        path = f"/api/v1/routing?since={generation}&wait_s=30"
        waiting = threading.Thread(target=lambda: answers.append(server.get(path)))
        waiting.start()
        waiting.join(0.5)
        began = time.monotonic()
        assert server.stop()[0] == 0
        assert time.monotonic() - began < 10
        waiting.join(10)
        assert [each["generation"] for each in answers] == [generation]


def test_reports_while_nothing_is_tried_cost_no_look(client, gateway, models):
    deploy(client, models[0])
    until(lambda: gateway.shares() == {1: 1.0})
    assert json.dumps(gateway.table)
    before = gateway.table["generation"]
    for _ in range(20):
        gateway.report(1, "stable", requests=100, errors=100)
    time.sleep(0.5)
    assert gateway.table["generation"] == before
