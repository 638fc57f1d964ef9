"""The model server's ASGI application: everything that does not take the short way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from modelyard import optional
from modelyard.http.asgi import answered, read_body, respond

from . import asking as ask
from .asking import Asking
from .calls import JSON, NATURAL
from .express import Express
from .pages import Pages
from .refusals import refuse
from .routing import Target, target

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.http.asgi import Receive, Scope, Send
    from modelyard.settings import ServeSettings

    from .catalog import Catalog

log = logging.getLogger("modelyard.serving")

_LONGEST_KIND: Final = 200


class Front:
    """The application.

    Args:
        settings: of the server.
        catalog: of the models.
        ready: called once, when everything is ready.

    Attributes:
        pages: everything but predictions.
        express: the short way for what is asked most.
    """

    def __init__(self, settings: ServeSettings, catalog: Catalog, ready: Callable[[], None]) -> None:
        self._settings = settings
        self._catalog = catalog
        self._tracing = _tracing() if settings.otel else None
        self._asking = Asking(catalog, log_requests=settings.log_requests, tracing=self._tracing)
        self.pages = Pages(catalog)
        self._ready: Callable[[], None] | None = ready
        self.express = Express(self._asking, settings.max_body_bytes, traced=settings.otel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            path = scope.get("raw_path") or scope["path"].encode()
            found = target(path.decode("latin-1"))
            if found is None:
                await self._page(scope, path.decode("latin-1"), receive, send)
            elif scope["method"] == "POST":
                await self._predict(found, scope, receive, send)
            else:
                answer = refuse(found.protocol, 405, "Predictions are asked for with POST.")
                await respond(send, 405, answer.body, (b"content-type", answer.content_type), (b"allow", b"POST"))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._catalog.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._catalog.close()
                if self._tracing is not None:
                    await asyncio.to_thread(self._tracing.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    def tick(self) -> None:
        """What is due about once a second."""
        self._catalog.tick()

    def soon(self) -> None:
        """What is due ten times a second."""
        if self._ready is not None and self._catalog.ready:
            ready, self._ready = self._ready, None
            ready()

    # ------------------------------------------------------------ pages

    async def _page(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        method = scope["method"]
        found = self.pages.find("GET" if method == "HEAD" else method, path)
        if found is None:
            other = self.pages.find("POST" if method in ("GET", "HEAD") else "GET", path)
            status, text = (405, f"{method} is not for {path}.") if other else (404, f"There is nothing at {path}.")
            answer = refuse(NATURAL, status, f"{text} See /docs.")
            await respond(send, status, answer.body, (b"content-type", answer.content_type))
            return
        body = await read_body(receive, 2**20) if method == "POST" else b""
        page = await found(body or b"")
        await respond(send, page.status, page.body, (b"content-type", page.content_type), *page.headers)

    # ------------------------------------------------------------ predictions

    async def _predict(self, found: Target, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if ask.REQUEST_ID.fullmatch(request_id) is None:
            request_id = ask.new_id()
        limit = self._settings.max_body_bytes
        announced = headers.get(b"content-length", b"")
        body = None
        if not (announced.isdigit() and int(announced) > limit):
            body = await read_body(receive, limit)
        trouble = 0, ""
        json_bytes = headers.get(b"inference-header-content-length", b"")
        kind = headers.get(b"content-type", JSON)
        if body is None:
            trouble = 413, f"The body is larger than {limit} bytes, the largest that is accepted here."
        elif headers.get(b"content-encoding", b"identity").lower() != b"identity":
            trouble = 415, "The body is compressed, which is not understood here. Send it as it is."
        elif json_bytes and not (json_bytes.isdigit() and len(json_bytes) < 10):
            trouble = 400, "Inference-Header-Content-Length is the number of bytes of JSON at the body's start."
        elif len(kind) > _LONGEST_KIND:
            trouble = 415, "That is no content type."
        if trouble[0]:
            answer = refuse(found.protocol, *trouble)
            extra = [(b"connection", b"close")] if body is None else []
            await respond(
                send, answer.status, answer.body, (b"content-type", answer.content_type),
                (b"x-request-id", request_id), *extra,
            )  # fmt: skip
            return
        kind = JSON if kind.strip().lower() == JSON else kind
        waiting: asyncio.Future[tuple[int, bytes, bytes]] = asyncio.get_running_loop().create_future()

        def reply(status: int, head: bytes, content: bytes) -> None:
            if not waiting.done():
                waiting.set_result((status, head, content))

        give_up = self._asking.ask(
            found, kind, int(json_bytes or -1), body or b"", request_id, reply, headers.get(b"traceparent", b"")
        )
        if give_up is not None and not await answered(waiting, receive):
            give_up()
            return
        status, head, content = waiting.result()
        lines = [line.partition(b": ") for line in head.split(b"\r\n") if line]
        await respond(send, status, content, *((name, value) for name, _, value in lines))


def _tracing() -> Any:
    return optional.load("modelyard.serving.tracing", to="send OpenTelemetry spans").Tracing()
