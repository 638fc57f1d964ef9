"""Requests to replicas that behave in every way: by the bytes of real connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from modelyard.serving.backends import base
from modelyard.serving.calls import NATURAL
from modelyard.serving.gateway import replicas as routing
from modelyard.serving.gateway.replicas import Call, Replicas

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A replica: says that it is ready, and answers predictions by a function.

    Attributes:
        seen: requests for predictions.
        open: connections.
    """

    def __init__(self, name: str, answer: Handler) -> None:
        self.name, self.answer = name, answer
        self.ready, self.seen, self.open = True, 0, 0

    async def start(self) -> base.Replica:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        return base.Replica(self.name, base.READY, f"http://127.0.0.1:{port}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /ready"):
                    body = b'{"missing": [{"name": "m", "state": "loading", "reason": "It is slow."}]}'
                    status = b"200 OK" if self.ready else b"503 Service Unavailable"
                    writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
                    continue
                if head.startswith(b"GET /link"):  # this one knows no links
                    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    continue
                self.seen += 1
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


def saying(*parts: bytes, end: bool = False) -> Handler:
    async def answer(_: Any, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)  # so that it comes in pieces
        if end:
            writer.close()
            await writer.wait_closed()

    return answer


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side closes


@asynccontextmanager
async def replicas(*servers: Server, most: int = 100, timeout_s: float = 30.0, wait_s: float = 30.0):
    made = Replicas(most, timeout_s, wait_s, lambda: None)
    made.update(tuple([await each.start() for each in servers]))
    await until(lambda: made.ready == sum(each.ready for each in servers))
    try:
        yield made
    finally:
        made.close()
        for replica in made._leaving:
            replica.upstream.abort()
        for each in servers:
            each.server.close()
        await until(lambda: not any(each.open for each in servers))


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - it looks at what is none of its own
            await asyncio.sleep(0.002)


def ask(made: Replicas, request: bytes = b"POST /predict HTTP/1.1\r\n\r\n") -> tuple[Call, asyncio.Future[Any]]:
    waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    call = Call(request, b"", NATURAL, lambda *answer: waiting.set_result(answer), made)
    made.submit(call)
    return call, waiting


@pytest.mark.parametrize(
    ("parts", "end", "body"),
    [
        ([OK], False, b"ok"),
        ([OK[:20], OK[20:45], OK[45:]], False, b"ok"),
        ([bytes([each]) for each in OK], False, b"ok"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok"], False, b"ok"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"], False, b"ok"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"], True, b"ok"),
        ([b"HTTP/1.0 200 OK\r\n\r\no", b"k"], True, b"ok"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"ok"], True, b"ok"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], False, b"ok"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], False, b""),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + b"x" * 100000, b"x" * 200000], False, b"x" * 300000),
    ],
)
def test_an_answer_comes_back_whole_with_the_replicas_name(parts, end, body):
    async def main() -> None:
        server = Server("a", saying(*parts, end=end))
        async with replicas(server) as made:
            for _ in range(3):
                status, head, content = await ask(made)[1]
                assert (status, content) == (0, body)
                assert head.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200"))
                lines = head.lower().split(b"\r\n")
                assert lines[-3:] == [b"modelyard-replica: a", b"", b""]
                assert b"content-length: %d" % len(body) in lines
                assert b"connection: close" not in lines
                assert b"transfer-encoding: chunked" not in lines
            assert (made.in_flight, made.repeated) == (0, 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    "parts",
    [[], [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"], [b"\x16\x03\x01 no HTTP\r\n\r\n"], [OK + b"too much"]],
)
def test_a_broken_connection_is_asked_again_elsewhere(parts):
    async def main() -> None:
        bad, good = Server("bad", saying(*parts, end=True)), Server("good", saying(OK))
        async with replicas(bad, good) as made:
            for _ in range(6):
                _, head, content = await ask(made)[1]
                assert content == b"ok"
                assert b"modelyard-replica: good" in head
            assert bad.seen == made.repeated >= 1
            assert made.in_flight == 0

    asyncio.run(main())


def test_a_request_that_breaks_every_connection_is_answered():
    async def main() -> None:
        servers = [Server(name, saying(end=True)) for name in "abc"]
        async with replicas(*servers) as made:
            status, head, content = await ask(made)[1]
            assert status == 503
            assert b"retry-after: 1" in head
            assert b"Two replicas broke off" in content
            assert sum(each.seen for each in servers) == 2
            await until(lambda: made.ready == 3)  # they say that they are ready

    asyncio.run(main())


def test_the_one_with_the_fewest_requests_is_asked():
    async def main() -> None:
        servers = [Server(name, silence) for name in "abc"]
        async with replicas(*servers) as made:
            asked = [ask(made)[0] for _ in range(10)]
            assert sorted(each.in_flight for each in made.all.values()) == [3, 3, 4]
            await until(lambda: sum(each.seen for each in servers) == 10)
            for call in asked:
                call.give_up()
            assert made.in_flight == 0
            assert made.gone == 10

    asyncio.run(main())


def test_who_goes_away_frees_the_replica():
    async def main() -> None:
        server = Server("a", silence)
        async with replicas(server) as made:
            call, waiting = ask(made)
            await until(lambda: server.seen)
            connections = server.open
            call.give_up()
            await until(lambda: server.open == connections - 1)
            assert not waiting.done()
            assert made.ready == 1

    asyncio.run(main())


def test_without_a_replica_requests_wait_and_not_for_ever():
    async def main() -> None:
        server = Server("a", saying(OK))
        server.ready = False
        async with replicas(server, most=2, wait_s=0.2) as made:
            await until(lambda: made.all["a"].reason == "m: It is slow.")
            first, second, third = (ask(made)[1] for _ in range(3))
            status, _, content = await third
            assert status == 503
            assert b"2 requests wait already" in content
            await asyncio.sleep(0.25)
            made.tick()
            for each in (first, second):
                status, _, content = await each
                assert status == 503
                assert b"No replica was ready within 0.2 seconds" in content
            _, waiting = ask(made)
            server.ready = True
            assert (await waiting)[2] == b"ok"
            assert made.refused == {503: 3}

    asyncio.run(main())


def test_too_many_requests_are_told_to_come_again():
    async def main() -> None:
        server = Server("a", silence)
        async with replicas(server, most=3) as made:
            asked = [ask(made) for _ in range(4)]
            status, head, content = await asked[3][1]
            assert (status, b"retry-after: 1" in head) == (503, True)
            assert b"Each replica has 3 requests to answer already" in content

    asyncio.run(main())


def test_a_replica_that_never_answers_costs_the_time_limit(monkeypatch):
    monkeypatch.setattr(routing, "_GRACE_S", 0.05)

    async def main() -> None:
        server = Server("a", silence)
        async with replicas(server, timeout_s=0.1) as made:
            _, waiting = ask(made)
            await asyncio.sleep(0.2)
            made.tick()
            status, _, content = await waiting
            assert status == 504
            assert b"gave no answer within 0.1 seconds" in content
            await until(lambda: server.open == 1)  # the one that asks for readiness
            assert made.in_flight == 0

    asyncio.run(main())


def test_what_lies_at_a_dead_machine_is_asked_elsewhere(monkeypatch):
    """A machine without power says nothing, not even that the connection is broken."""
    monkeypatch.setattr(routing, "_PROBE_S", 0.05)

    async def main() -> None:
        dead, good = Server("dead", silence), Server("good", saying(OK))
        async with replicas(dead, good) as made:
            asked = [ask(made)[1] for _ in range(2)]
            await until(lambda: dead.seen)
            made.all["dead"].upstream._idle.clear()
            made.all["dead"].upstream._host = "192.0.2.255"  # nobody has this address (RFC 5737)
            made.all["dead"].wake.set()
            assert [(await each)[2] for each in asked] == [b"ok", b"ok"]
            assert made.ready == 1

    asyncio.run(main())


def test_a_replica_that_is_taken_away_answers_what_it_was_asked():
    async def main() -> None:
        go = asyncio.Event()

        async def slow(_: Any, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            writer.write(OK)

        server = Server("a", slow)
        async with replicas(server) as made:
            _, waiting = ask(made)
            await until(lambda: server.seen)
            made.update(())
            assert (made.ready, made.in_flight) == (0, 1)
            go.set()
            assert (await waiting)[2] == b"ok"
            await until(lambda: not server.open)
            made.tick()
            assert made.in_flight == 0

    asyncio.run(main())
