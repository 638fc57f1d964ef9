"""The gateway's ASGI application: one address before many replicas, which says how they are and passes on all else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard import __version__
from modelyard.domain.errors import ModelyardError, Unavailable
from modelyard.http.asgi import answered, respond
from modelyard.http.bodies import Bodies, Gone, TooSlow
from modelyard.http.passing import passed, read
from modelyard.serving.calls import JSON, NATURAL
from modelyard.serving.refusals import refuse, status_of
from modelyard.serving.routing import target

from .relay import Relay
from .replicas import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.http.asgi import Receive, Scope, Send
    from modelyard.settings import ServeSettings

    from .exposition import Exposition
    from .keeping import Keeper

_TEXT: Final = b"text/plain; charset=utf-8"
_METRICS: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Gateway:
    """The application.

    Args:
        settings: of the server.
        keeper: of the replicas.
        ready: called once, when a request would be answered.

    Attributes:
        express: the short way for predictions.
    """

    def __init__(self, settings: ServeSettings, keeper: Keeper, ready: Callable[[], None]) -> None:
        self._settings = settings
        self._keeper = keeper
        self._replicas = keeper.replicas
        self._ready: Callable[[], None] | None = ready
        self._exposition: Exposition | None = None
        self._bodies = Bodies(settings.max_body_bytes, settings.queue_bytes, settings.body_timeout_s)
        self._asked_bytes = 0
        self.express = Relay(self._replicas, settings.max_body_bytes)
        self._pages: dict[str, Callable[[], tuple[int, bytes, bytes]]] = {
            "/health": lambda: (200, b"\n", _TEXT),
            "/ping": lambda: (200, b"\n", _TEXT) if self.ready else self._readiness(),
            "/version": lambda: (200, __version__.encode(), _TEXT),
            "/ready": self._readiness,
            "/replicas": lambda: (200, msgspec.json.encode(self._told()), JSON),
            "/v2/health/live": lambda: (200, b'{"live":true}', JSON),
            "/v2/health/ready": lambda: (
                (200, b'{"ready":true}', JSON) if self.ready else (503, b'{"ready":false}', JSON)
            ),
            "/metrics": self._metrics,
        }

    @property
    def ready(self) -> bool:
        """Whether a request would be answered: a replica is ready, or none is wanted until somebody asks."""
        return self._replicas.ready > 0 or self._keeper.asleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
            page = self._pages.get(path.rstrip("/")) if scope["method"] in ("GET", "HEAD") else None
            if page is None:
                await self._forward(scope, path, receive, send)
                return
            status, body, content_type = page()
            retry = [(b"retry-after", b"1")] if status == 503 else []
            await respond(send, status, body, (b"content-type", content_type), *retry)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._keeper.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._keeper.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def tick(self) -> None:
        """What is due about once a second."""
        self._replicas.tick()

    def soon(self) -> None:
        """What is due ten times a second."""
        self._keeper.measure()
        if self._ready is not None and self.ready:
            ready, self._ready = self._ready, None
            ready()

    # ------------------------------------------------------------ our own pages

    def _told(self) -> dict[str, Any]:
        keeper = self._keeper
        replicas = []
        for told in keeper.told:
            known = self._replicas.all.get(told.name)
            ready = known is not None and known.ready
            replicas.append({
                "name": told.name,
                "url": told.url,
                "node": told.node,
                "state": told.state,
                "ready": ready,
                "reason": "" if ready else told.reason or (known.reason if known is not None else ""),
                "in_flight": known.in_flight if known is not None else 0,
            })  # fmt: skip
        return {
            "wanted": keeper.wanted,
            "least": keeper.policy.least,
            "most": keeper.policy.most,
            "ready": self._replicas.ready,
            "waiting": len(self._replicas.waiting),
            "replicas": replicas,
        }

    def _readiness(self) -> tuple[int, bytes, bytes]:
        """Ready or not, and what is missing."""
        told = self._told()
        missing = [
            {"name": f"replica {each['name']}", "state": each["state"], "reason": each["reason"]}
            for each in told["replicas"]
            if not each["ready"]
        ]
        missing += [
            {"name": f"replica {number}", "state": "waiting", "reason": self._keeper.trouble}
            for number in range(len(told["replicas"]), told["wanted"])
        ]
        content = {
            "ready": self.ready,
            "replicas": told["wanted"],
            "replicas_ready": told["ready"],
            "missing": missing,
        }
        return (200 if self.ready else 503), msgspec.json.encode(content), JSON

    def _metrics(self) -> tuple[int, bytes, bytes]:
        if self._exposition is None:
            from .exposition import Exposition

            self._exposition = Exposition(self._keeper)
        return 200, self._exposition.text(), _METRICS

    # ------------------------------------------------------------ everything else

    async def _forward(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        """Have a replica answer, for what does not take the short way."""
        asked = target(path)
        protocol = asked.protocol if asked is not None else NATURAL
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        try:
            body = await self._bodies.read(receive, dict(headers).get(b"content-length", b""))
            if self._asked_bytes and self._asked_bytes + len(body) > self._settings.queue_bytes:
                raise Unavailable("Too many bytes of requests wait already. Come again later.")
        except Gone:
            return
        except ModelyardError as error:
            status = 408 if isinstance(error, TooSlow) else status_of(error)
            await self._refuse(send, protocol, status, error.message)
            return
        size = len(body)
        self._asked_bytes += size
        try:
            await self._ask(protocol, _request(scope, path, headers, body), receive, send)
        finally:
            self._asked_bytes -= size

    async def _ask(self, protocol: int, request: bytes, receive: Receive, send: Send) -> None:
        waiting: asyncio.Future[tuple[int, bytes, bytes]] = asyncio.get_running_loop().create_future()

        def reply(status: int, head: bytes, content: bytes) -> None:
            if not waiting.done():
                waiting.set_result((status, head, content))

        call = Call(request, b"", protocol, reply, self._replicas)
        self._replicas.submit(call)
        if not await answered(waiting, receive):
            call.give_up()
            return
        status, head, content = waiting.result()
        status, told = read(status, head)
        await respond(send, status, content, *told)

    async def _refuse(self, send: Send, protocol: int, status: int, message: str) -> None:
        self._replicas.count(status)
        refusal = refuse(protocol, status, message)
        extra = [(b"retry-after", b"1")] if status == 503 else []
        await respond(
            send, status, refusal.body, (b"content-type", refusal.content_type), (b"connection", b"close"), *extra
        )


def _request(scope: Scope, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The request as a replica gets it."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    # the answer to HEAD would come without the body that it announces
    method = b"GET" if scope["method"] == "HEAD" else scope["method"].encode()
    lines = [b"%b %b%b HTTP/1.1" % (method, path.encode("latin-1"), query)]
    lines += [b"%b: %b" % each for each in passed(headers)]
    if body or method not in (b"GET", b"DELETE", b"OPTIONS"):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))
