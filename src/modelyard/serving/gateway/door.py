"""The ASGI application of the gateway of deployments: what does not take the short way."""

from __future__ import annotations

import asyncio
import logging
import re
from html import escape
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import msgspec

from modelyard import __version__
from modelyard.domain.errors import InvalidArgument, ModelyardError, NotFound, Unavailable
from modelyard.http.asgi import answered, hanging_up, respond
from modelyard.http.bodies import Bodies, Gone, TooSlow
from modelyard.http.passing import read
from modelyard.serving.calls import JSON, NATURAL
from modelyard.serving.refusals import refuse, status_of
from modelyard.serving.routing import Target, target

from . import proxy
from .heads import Heads, lines
from .server import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.http.asgi import Receive, Scope, Send
    from modelyard.http.passing import Fields
    from modelyard.settings import GatewaySettings

    from .asking import Asking, Head, Question
    from .deployed import Deployment, Revision
    from .metrics import Metrics
    from .server import Answer, Server

log = logging.getLogger("modelyard.gateway")

_TEXT: Final = b"text/plain; charset=utf-8"
_HTML: Final = b"text/html; charset=utf-8"
_METRICS: Final = b"text/plain; version=0.0.4; charset=utf-8"
_NAMED: Final = re.compile(r"/(?:v2/models|models|docs)/([^/]+)(/.*)?")
_PROXY: Final = re.compile(r"(?:/models/([^/]+))?/predictions")
_LISTS: Final = re.compile(r"(?:/models/([^/]+))?/(predictions|statistics)")
_OF_BODY: Final = frozenset({b"accept-encoding", b"content-encoding", b"content-type", b"modelyard-details"})
"""Headers about bodies that are not passed on."""
_PAGE_S: Final = 30.0
_LONGEST_TOLD: Final = 300


class Express:
    """The short way, see `http.protocol.Express`.

    Args:
        heads: reads them.
        asking: where predictions are asked for.
    """

    def __init__(self, heads: Heads, asking: Asking) -> None:
        self.find = heads.find
        self._asking = asking

    def start(self, request: Head, body: bytes, answer: Callable[[int, bytes, bytes], None]) -> Callable[[], None]:
        """Carry it out."""
        return self._asking.ask(request, body, answer).give_up


class Door:
    """The application.

    Args:
        settings: of the gateway.
        name: of it.
        heads: reads requests' heads.
        asking: where predictions are asked for.
        server: the Modelyard server; None: there is none.
        trouble: why the table may be old; empty if it is not.
        metrics: makes what `/metrics` says.
        begin: called at the start, on the event loop.
        end: awaited at the stop.

    Attributes:
        express: the short way for predictions.
        links: whether it may be asked over one connection for many requests.
    """

    links = True

    def __init__(
        self,
        settings: GatewaySettings,
        name: str,
        heads: Heads,
        asking: Asking,
        server: Server | None,
        trouble: Callable[[], str],
        metrics: Callable[[], Metrics],
        begin: Callable[[], None],
        end: Callable[[], Any],
    ) -> None:
        self._settings = settings
        self._name = name
        self._heads = heads
        self._asking = asking
        self._deployments = asking.deployments
        self._server = server
        self._trouble = trouble
        self._make_metrics = metrics
        self._metrics: Metrics | None = None
        self._begin, self._end = begin, end
        self._bodies = Bodies(settings.max_body_bytes, settings.queue_bytes, settings.body_timeout_s)
        self._asked_bytes = 0
        self.express = Express(heads, asking)
        self._pages: dict[str, Callable[[], tuple[int, bytes, bytes]]] = {
            "/health": lambda: (200, b"\n", _TEXT),
            "/ping": lambda: (200, b"\n", _TEXT) if self.ready else self._readiness(),
            "/version": lambda: (200, __version__.encode(), _TEXT),
            "/ready": self._readiness,
            "/deployments": lambda: (200, msgspec.json.encode(self._told()), JSON),
            "/v2/health/live": lambda: (200, b'{"live":true}', JSON),
            "/v2/health/ready": lambda: (
                (200, b'{"ready":true}', JSON) if self.ready else (503, b'{"ready":false}', JSON)
            ),
            "/metrics": self._exposed,
        }

    @property
    def ready(self) -> bool:
        """Whether there is a table, and requests to one of its deployments would be answered: one may be ill."""
        named = self._deployments.named
        return bool(self._deployments.generation) and (not named or any(each.ready for each in named.values()))

    def tick(self) -> None:
        """What is due about once a second."""
        self._deployments.tick(monotonic())

    def soon(self) -> None:
        """What is due ten times a second."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        headers: Fields = scope["headers"]
        _, extra = read(200, self._heads.allowed(dict(headers).get(b"origin", b"")))
        asked = target(path)
        protocol = asked.protocol if asked is not None else NATURAL
        receive, send = hanging_up(headers, receive, send)
        try:
            await self._answer(scope, path, asked, headers, extra, receive, send)
        except Gone:
            return
        except ModelyardError as error:
            status = 408 if isinstance(error, TooSlow) else status_of(error)
            refusal = refuse(protocol, status, error.message)
            more = [(b"retry-after", b"1")] if status == 503 else []
            await respond(send, status, refusal.body, (b"content-type", refusal.content_type), *more, *extra)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begin()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._end()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(
        self,
        scope: Scope,
        path: str,
        asked: Target | None,
        headers: Fields,
        extra: Fields,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request.

        Raises:
            ModelyardError: it is refused.
        """
        method = scope["method"]
        named = _PROXY.fullmatch(path)
        if method == "OPTIONS":
            await self._options(headers, extra, send)
        elif asked is not None:
            if method != "POST":
                refusal = refuse(asked.protocol, 405, "Predictions are asked for with POST.")
                kind = (b"content-type", refusal.content_type)
                await respond(send, 405, refusal.body, kind, (b"allow", b"POST, OPTIONS"), *extra)
                return
            body = await self._body(headers, receive)
            question, status, told, content = await self._ask(asked, headers, body, receive)
            if question is not None:
                await respond(send, status, content, *told)
        elif method == "POST" and named is not None:
            await self._predictions(unquote(named[1] or ""), headers, receive, send)
        elif method == "POST" and path == "/feedback":
            await self._feedback(headers, extra, receive, send)
        elif method in ("GET", "HEAD"):
            await self._page(scope, path, headers, extra, send)
        elif allowed := self._allowed(path):
            refusal = refuse(NATURAL, 405, f"That is asked for with {allowed}.")
            kind = (b"content-type", refusal.content_type)
            await respond(send, 405, refusal.body, kind, (b"allow", f"{allowed}, OPTIONS".encode()), *extra)
        else:
            refusal = refuse(NATURAL, 404, f"There is nothing at {path[:_LONGEST_TOLD]} for {method}.")
            await respond(send, 404, refusal.body, (b"content-type", refusal.content_type), *extra)

    def _allowed(self, path: str) -> str:
        """The methods that a page of our own has; empty if there is none."""
        if path == "/feedback":
            return "POST"
        if _PROXY.fullmatch(path):
            return "GET, HEAD, POST"
        return "GET, HEAD" if (path.rstrip("/") or "/") in self._pages or _LISTS.fullmatch(path) else ""

    async def _body(self, headers: Fields, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            ModelyardError: it does not come, or is too large.
        """
        announced = dict(headers).get(b"content-length", b"")
        return await self._bodies.read(receive, announced if announced.isdigit() else b"")

    async def _options(self, headers: Fields, extra: Fields, send: Send) -> None:
        """What a browser asks before it asks."""
        values = dict(headers)
        told = [(b"allow", b"GET, HEAD, POST, OPTIONS"), *extra]
        if extra and b"access-control-request-method" in values:
            wanted = values.get(b"access-control-request-headers", b"content-type")
            told += [
                (b"access-control-allow-methods", b"GET, POST"),
                (b"access-control-allow-headers", wanted),
                (b"access-control-max-age", b"600"),
            ]
        await respond(send, 200, b"", *told)

    # ------------------------------------------------------------ predictions

    async def _ask(
        self, asked: Target, headers: Fields, body: bytes, receive: Receive
    ) -> tuple[Question | None, int, Fields, bytes]:
        """Ask for predictions: the question, status, headers and body of its answer; no question if the client left.

        Raises:
            NotFound: there is no such deployment.
            Unavailable: too much waits already.
        """
        head = self._heads.made(asked, headers, len(body))
        if head is None:
            raise NotFound(self._nobody(asked.name))
        if self._asked_bytes and self._asked_bytes + len(body) > self._settings.queue_bytes:
            raise Unavailable("Too many bytes of requests wait already. Come again later.")
        waiting: asyncio.Future[tuple[int, bytes, bytes]] = asyncio.get_running_loop().create_future()

        def reply(status: int, told: bytes, content: bytes) -> None:
            if not waiting.done():
                waiting.set_result((status, told, content))

        self._asked_bytes += len(body)
        try:
            question = self._asking.ask(head, body, reply)
            if not await answered(waiting, receive):
                question.give_up()
                return None, 0, [], b""
        finally:
            self._asked_bytes -= len(body)
        status, told, content = waiting.result()
        status, fields = read(status, told)
        return question, status, fields, content

    def _nobody(self, name: str) -> str:
        names = sorted(self._deployments.named)
        listed = ", ".join(names[:20]) or "none yet"
        if name:
            return f"No deployment {name[:_LONGEST_TOLD]!r} is answered here. There is {listed}."
        if not names:
            return "Nothing is deployed here yet."
        return f"Which deployment? Ask at /models/NAME/predict, or set --default. There is {listed}."

    async def _predictions(
        self,
        name: str,
        headers: Fields,
        receive: Receive,
        send: Send,
    ) -> None:
        """A prediction in the words of a proxy, with the user's own answer as feedback.

        Raises:
            ModelyardError: it is refused.
        """
        posted = proxy.read(await self._body(headers, receive))
        fields = [each for each in headers if each[0] not in _OF_BODY]
        fields.append((b"content-type", JSON))
        question, status, told, content = await self._ask(Target(NATURAL, name), fields, posted.body, receive)
        if question is None:
            return
        if status == 200:
            recorder, learnt = self._asking.recorder, proxy.learnt(posted, question)
            if recorder is not None and learnt is not None:
                recorder.feedback(learnt)
            revision = question.revision
            run_id = await self._run_id(revision) if revision is not None else None
            content = proxy.answer(posted, question, content, run_id)
        await respond(send, status, content, *told)

    async def _run_id(self, revision: Revision) -> str | None:
        """Of the run that made a revision's version, as its model server says."""
        if revision.run_id is None and not revision.external:
            try:
                answer = await self._relayed(revision, f"/models/{quote(revision.deployment, safe='')}", b"")
                told = msgspec.json.decode(answer.body)
                revision.run_id = str(told.get("run_id") or "") if answer.status == 200 else None
            except (ModelyardError, msgspec.DecodeError, AttributeError):
                return None
        return revision.run_id or None

    async def _feedback(
        self,
        headers: Fields,
        extra: Fields,
        receive: Receive,
        send: Send,
    ) -> None:
        """What was learnt about predictions: written down here, delivered later.

        Raises:
            ModelyardError: it is refused.
        """
        recorder = self._asking.recorder
        if recorder is None:
            raise InvalidArgument("This gateway records nothing: it has no server. Start it with --server.")
        body = await self._body(headers, receive)

        def full(name: str) -> str:
            found = self._heads.deployment(name)
            return name or (found.name if found is not None else "")

        found = proxy.feedback(body, full)
        for each in found:
            recorder.feedback(each)
        await respond(send, 202, b'{"taken":%d}' % len(found), (b"content-type", JSON), *extra)

    # ------------------------------------------------------------ pages

    async def _page(
        self,
        scope: Scope,
        path: str,
        headers: Fields,
        extra: Fields,
        send: Send,
    ) -> None:
        """Health and figures of our own, lists of the server's, and everything else of a model server's.

        Raises:
            ModelyardError: it is refused.
        """
        page = self._pages.get(path.rstrip("/") or "/")
        query = scope["query_string"].decode("latin-1")
        whole = f"{path}?{query}" if query else path
        if page is not None:
            status, body, kind = page()
            retry = [(b"retry-after", b"1")] if status == 503 else []
            await respond(send, status, body, (b"content-type", kind), *retry, *extra)
            return
        listed = _LISTS.fullmatch(path)
        if listed is not None:
            answer = await self._listed(unquote(listed[1] or ""), listed[2], query)
        else:
            named = _NAMED.fullmatch(path)
            name = unquote(named[1]) if named is not None else ""
            deployment = self._heads.deployment(name)
            if deployment is None and path in ("/", "/docs"):
                await respond(send, 200, self._index(), (b"content-type", _HTML), *extra)
                return
            if deployment is None:
                raise NotFound(self._nobody(name))
            revision = deployment.stable
            if revision is None or revision.external:
                raise NotFound(f"{deployment.name} has no pages: it is somebody else's endpoint, or not there yet.")
            answer = await self._relayed(revision, whole, lines(headers))
        await respond(send, answer.status, answer.body, *answer.headers, *extra)

    async def _listed(self, name: str, what: str, query: str) -> Answer:
        """What the server keeps of a deployment.

        Raises:
            NotFound: there is no server, or no such deployment.
            Unavailable: the server does not answer.
        """
        if self._server is None:
            raise NotFound("This gateway has no server that keeps predictions. Start it with --server.")
        deployment = self._heads.deployment(name)
        if deployment is None and not name:
            raise NotFound(self._nobody(name))
        found = name or (deployment.name if deployment is not None else "")
        target = f"/api/v1/deployments/{quote(found, safe='')}/{what}{'?' if query else ''}{query}"
        return await self._server.ask("GET", target, timeout_s=_PAGE_S)

    async def _relayed(self, revision: Revision, path: str, passed: bytes) -> Answer:
        """A page of a revision's model server.

        Raises:
            Unavailable: none of them answers.
        """
        for _ in range(2):
            replica = revision.replicas.pick()
            if replica is None:
                break
            waiting = Waiting()
            # the answer to HEAD would come without the body that it announces
            head = b"GET %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (
                path.encode("latin-1"), replica.upstream.authority, passed,
            )  # fmt: skip
            exchange = replica.upstream.ask(head, waiting)
            try:
                async with asyncio.timeout(_PAGE_S):
                    return await waiting.answer
            except Unavailable as error:
                revision.replicas.take_out(replica, error.message)
            except TimeoutError:
                exchange.give_up()
                break
        raise Unavailable(f"No model server of {revision} answers. Come again later.")

    def _index(self) -> bytes:
        """A list of what can be asked."""
        items = "".join(
            f'<li><a href="/docs/{escape(quote(name, safe=""))}">{escape(name)}</a></li>'
            for name in sorted(self._deployments.named)
        )
        body = f"<ul>{items}</ul>" if items else "<p>Nothing is deployed here yet.</p>"
        return f"<!doctype html><title>Modelyard gateway</title><h1>Deployments</h1>{body}".encode()

    def _exposed(self) -> tuple[int, bytes, bytes]:
        if self._metrics is None:
            self._metrics = self._make_metrics()
        return 200, self._metrics.text(), _METRICS

    def _readiness(self) -> tuple[int, bytes, bytes]:
        """Ready or not, and what is missing."""
        missing = [
            {"name": each.name, "state": "not ready", "reason": _reason(each)}
            for each in self._deployments.named.values()
            if not each.ready
        ]
        if not self._deployments.generation:
            missing.append({"name": "routing table", "state": "missing", "reason": self._trouble()})
        content = {"ready": self.ready, "generation": self._deployments.generation, "missing": missing}
        return (200 if self.ready else 503), msgspec.json.encode(content), JSON

    def _told(self) -> dict[str, Any]:
        """Who answers what."""
        recorder = self._asking.recorder
        return {
            "gateway": self._name,
            "generation": self._deployments.generation,
            "trouble": self._trouble(),
            "predictions_pending": recorder.pending if recorder is not None else 0,
            "predictions_dropped": recorder.dropped if recorder is not None else 0,
            "deployments": [_shown(each) for each in self._deployments.named.values()],
        }


def _reason(deployment: Deployment) -> str:
    """Why nobody answers."""
    found = [
        replica.reason
        for revision in deployment.revisions
        for replica in revision.replicas.all.values()
        if replica.reason
    ]
    return found[0] if found else "No replica runs yet."


def _shown(deployment: Deployment) -> dict[str, Any]:
    told = deployment.told
    return {
        "name": deployment.name,
        "environment": deployment.environment,
        "ready": deployment.ready,
        "waiting": len(deployment.waiting),
        "revisions": [
            {
                "revision": each.number,
                "endpoint": each.endpoint,
                "model": each.model,
                "version": each.version,
                "replicas": [
                    {
                        "name": replica.name,
                        "url": replica.url,
                        "ready": replica.ready,
                        "reason": replica.reason,
                        "in_flight": replica.in_flight,
                    }
                    for replica in each.replicas.all.values()
                ],
            }
            for each in deployment.revisions
        ],
        "shares": _shares(deployment, ""),
        "segments": {name: _shares(deployment, name) for name in deployment.segments},
        "shadow": {"to": _named(deployment.shadow), "share": deployment.shadow_share} if deployment.shadow else None,
        "sticky": told.sticky.header or told.sticky.field,
    }


def _shares(deployment: Deployment, segment: str) -> list[dict[str, Any]]:
    found = deployment.segments.get(segment, deployment.default)
    return [
        {"to": _named(deployment.revisions[int(each.to)]), "role": each.role.value, "weight": each.weight}
        for each in found.shares
    ]


def _named(revision: Revision | None) -> int | str:
    return "" if revision is None else revision.endpoint or revision.number
