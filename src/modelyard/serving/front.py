"""The model server's ASGI application: everything that does not take the short way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from modelyard import optional
from modelyard.domain.errors import InvalidArgument, ModelyardError, Unavailable
from modelyard.http.asgi import answered, respond
from modelyard.http.bodies import Bodies, Gone, TooSlow

from . import asking as ask
from .asking import Asking
from .calls import JSON, NATURAL
from .express import Express
from .pages import Pages
from .refusals import WrongContentType, refuse, status_of
from .routing import Target, target

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.http.asgi import Receive, Scope, Send
    from modelyard.settings import ServeSettings

    from .catalog import Catalog

log = logging.getLogger("modelyard.serving")

_LONGEST_KIND: Final = 200
_ALLOW_POST: Final = (b"allow", b"POST, OPTIONS")
_CLOSE: Final = (b"connection", b"close")
_LARGEST_PAGE_BODY: Final = 2**20


class Front:
    """The application.

    Args:
        settings: of the server.
        catalog: of the models.
        ready: called once, when everything is ready.

    Attributes:
        pages: everything but predictions.
        express: the short way for what is asked most.
        links: whether it may be asked over one connection for many requests, see `http.link`.
    """

    links = True

    def __init__(self, settings: ServeSettings, catalog: Catalog, ready: Callable[[], None]) -> None:
        self._settings = settings
        self._catalog = catalog
        self._tracing = _tracing() if settings.otel else None
        self._asking = Asking(catalog, log_requests=settings.log_requests, tracing=self._tracing)
        self.pages = Pages(catalog, self._asking.strangers)
        self._bodies = Bodies(settings.max_body_bytes, settings.queue_bytes, settings.body_timeout_s)
        self._page_bodies = Bodies(_LARGEST_PAGE_BODY, 64 * _LARGEST_PAGE_BODY, settings.body_timeout_s)
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
            elif scope["method"] == "OPTIONS":
                await respond(send, 204, b"", _ALLOW_POST)
            else:
                answer = refuse(found.protocol, 405, "Predictions are asked for with POST.")
                await respond(send, 405, answer.body, (b"content-type", answer.content_type), _ALLOW_POST)

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
            allowed = self.pages.methods(path)
            if not allowed:
                await _refuse(send, 404, f"There is nothing at {path[:200]}. See /docs.")
            elif method == "OPTIONS":
                await respond(send, 204, b"", (b"allow", allowed))
            else:
                await _refuse(send, 405, f"{method} is not for {path[:200]}. See /docs.", (b"allow", allowed))
            return
        body = b""
        if method == "POST":
            try:
                body = await self._page_bodies.read(receive, dict(scope["headers"]).get(b"content-length", b""))
            except Gone:
                return
            except ModelyardError as error:
                await _refuse(send, _status(error), error.message, _CLOSE)
                return
        page = await found(body)
        await respond(send, page.status, page.body, (b"content-type", page.content_type), *page.headers)

    # ------------------------------------------------------------ predictions

    async def _predict(self, found: Target, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if ask.REQUEST_ID.fullmatch(request_id) is None:
            request_id = ask.new_id()
        try:
            kind, json_bytes = _understood(scope["headers"], headers)
            body = await self._bodies.read(receive, headers.get(b"content-length", b""))
        except Gone:
            return
        except ModelyardError as error:
            status = _status(error)
            # whoever waits to be told to send the body need not send it now, or may
            last = status in (408, 413, 503) or b"expect" in headers
            await _send(send, self._asking.refuse(found, status, error, request_id), *([_CLOSE] if last else ()))
            return
        waiting: asyncio.Future[tuple[int, bytes, bytes]] = asyncio.get_running_loop().create_future()

        def reply(status: int, head: bytes, content: bytes) -> None:
            if not waiting.done():
                waiting.set_result((status, head, content))

        parent = headers.get(b"traceparent", b"")
        give_up = self._asking.ask(found, kind, json_bytes, body, request_id, reply, parent)
        del body  # the queue has it, and lets go of it before we do
        try:
            if give_up is not None and not await answered(waiting, receive):
                give_up()
                return
        except asyncio.CancelledError:  # the server stops, and this took longer than it waits
            if give_up is not None:
                give_up()
            stopping = Unavailable("The server is stopping.")
            await _send(send, self._asking.refuse(found, 503, stopping, request_id), _CLOSE)
            return
        await _send(send, waiting.result())


def _understood(all_headers: list[tuple[bytes, bytes]], headers: dict[bytes, bytes]) -> tuple[bytes, int]:
    """Content type and number of bytes of JSON (-1: not said).

    Raises:
        InvalidArgument: they are not understood.
    """
    kind = headers.get(b"content-type", JSON)
    json_bytes = headers.get(b"inference-header-content-length", b"")
    if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in all_headers):
        raise WrongContentType("The body is compressed, which is not understood here. Send it as it is.")
    if len(kind) > _LONGEST_KIND:
        raise WrongContentType("That is no content type.")
    if json_bytes and not (json_bytes.isdigit() and len(json_bytes) < 10):
        raise InvalidArgument("Inference-Header-Content-Length is the number of bytes of JSON at the body's start.")
    return JSON if kind.strip().lower() == JSON else kind, int(json_bytes or -1)


def _status(error: ModelyardError) -> int:
    return 408 if isinstance(error, TooSlow) else status_of(error)


async def _refuse(send: Send, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
    answer = refuse(NATURAL, status, message)
    await respond(send, status, answer.body, (b"content-type", answer.content_type), *headers)


async def _send(send: Send, answer: tuple[int, bytes, bytes], *headers: tuple[bytes, bytes]) -> None:
    status, head, content = answer
    lines = [line.partition(b": ") for line in head.split(b"\r\n") if line]
    await respond(send, status, content, *((name, value) for name, _, value in lines), *headers)


def _tracing() -> Any:
    return optional.load("modelyard.serving.tracing", to="send OpenTelemetry spans").Tracing()
